//! What an instruction is, by its name in the standard.
//!
//! Names are read rather than listed, so that an instruction that a later proposal brings is not missed: whatever is
//! called a product, a quotient, a remainder, a root or a dot product counts as a multiplication.

use std::{iter::Sum, ops::Add};

use serde::Serialize;
use wasmparser::Operator;

/// Numbers of operations. An instruction on a vector counts once for each of its lanes, but for loads and stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Products, quotients, remainders, square roots, dot products, fused ones, of any type.
    pub multiplies: u64,
    /// Sums, differences, negations, absolute values.
    pub adds: u64,
    /// Those of the sums that are of floats.
    pub float_adds: u64,
    /// Those of the sums that are of integers of 8 or 16 bits.
    pub narrow_adds: u64,
    /// Shifts and rotations.
    pub shifts: u64,
    /// Bytes picked from a table in a register.
    pub lookups: u64,
    /// Bitwise operations, comparisons, choices, the smaller or larger of two, conversions.
    pub logic: u64,
    /// Reads of memory, of a scalar or a vector.
    pub loads: u64,
    /// Writes of memory, of a scalar or a vector.
    pub stores: u64,
}

impl Counts {
    /// In the order of the fields.
    pub fn all(&self) -> [(&'static str, u64); 9] {
        [
            ("multiplies", self.multiplies),
            ("adds", self.adds),
            ("float_adds", self.float_adds),
            ("narrow_adds", self.narrow_adds),
            ("shifts", self.shifts),
            ("lookups", self.lookups),
            ("logic", self.logic),
            ("loads", self.loads),
            ("stores", self.stores),
        ]
    }
}

impl Add for Counts {
    type Output = Counts;
    fn add(self, other: Counts) -> Counts {
        Counts {
            multiplies: self.multiplies + other.multiplies,
            adds: self.adds + other.adds,
            float_adds: self.float_adds + other.float_adds,
            narrow_adds: self.narrow_adds + other.narrow_adds,
            shifts: self.shifts + other.shifts,
            lookups: self.lookups + other.lookups,
            logic: self.logic + other.logic,
            loads: self.loads + other.loads,
            stores: self.stores + other.stores,
        }
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Counts>>(all: I) -> Counts {
        all.fold(Counts::default(), Counts::add)
    }
}

/// The name of an instruction: `I32x4Add` of `i32x4.add`.
pub fn name(operator: &Operator) -> String {
    let debug = format!("{operator:?}");
    debug.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
}

/// Words of names that mean a multiplication. `TypedSelectMulti` is the one other that they match.
const MULTIPLIES: [&str; 6] = ["mul", "div", "rem", "sqrt", "dot", "madd"];

/// What one execution of an instruction of this name counts as.
pub fn count(name: &str) -> Counts {
    let lower = name.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let lanes = lanes(name);
    let mut counts = Counts::default();
    if has(&MULTIPLIES) && !has(&["select"]) {
        counts.multiplies = lanes;
    } else if has(&["load"]) {
        counts.loads = 1;
    } else if has(&["store"]) {
        counts.stores = 1;
    } else if has(&["swizzle"]) {
        counts.lookups = lanes;
    } else if has(&["shl", "shr", "rotl", "rotr"]) {
        counts.shifts = lanes;
    } else if has(&["add", "sub", "neg", "abs", "avgr"]) {
        counts.adds = lanes;
        match name.as_bytes()[0] {
            b'F' => counts.float_adds = lanes,
            b'I' if name.starts_with("I8") || name.starts_with("I16") => counts.narrow_adds = lanes,
            _ => {}
        }
    } else if !has(&["const", "splat", "lane", "shuffle", "reinterpret", "local", "global", "return", "drop", "memory"])
        && (name.starts_with(['I', 'F', 'V']) && !name.starts_with("If") || name.starts_with("Select"))
    {
        counts.logic = lanes;
    }
    counts
}

/// Lanes of the vector that a name speaks of, one for a scalar.
fn lanes(name: &str) -> u64 {
    let shapes = [("x16", 16), ("x8", 8), ("x4", 4), ("x2", 2)];
    let lanes = |shape: &str| {
        ["I8", "I16", "I32", "I64", "F32", "F64"].iter().any(|kind| name.starts_with(&format!("{kind}{shape}")))
    };
    shapes.into_iter().find(|(shape, _)| lanes(shape)).map_or(1, |(_, lanes)| lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every name that the parser knows.
    fn names() -> Vec<&'static str> {
        macro_rules! names {
            ($( @$proposal:ident $op:ident $({ $($fields:tt)* })? => $visit:ident ($($annotation:tt)*) )*) => {
                vec![$(stringify!($op)),*]
            };
        }
        let mut all = wasmparser::for_each_visit_operator!(names);
        all.extend(wasmparser::for_each_visit_simd_operator!(names));
        all
    }

    #[test]
    fn multiplications_are_known_by_their_names() {
        let multiplies: Vec<_> = names().into_iter().filter(|name| count(name).multiplies > 0).collect();
        // Of each scalar type: integers 1 product, 4 quotients and remainders, 2 wide; floats product, quotient, root.
        let scalar = multiplies.iter().filter(|name| lanes(name) == 1).count();
        assert_eq!(scalar, 2 * 5 + 2 + 2 * 3, "{multiplies:?}");
        for name in [
            "I32Mul",
            "I64RemU",
            "I64MulWideS",
            "F64Sqrt",
            "F32Div",
            "F32x4Mul",
            "F64x2Sqrt",
            "I16x8Q15MulrSatS",
            "I16x8RelaxedQ15mulrS",
            "I32x4DotI16x8S",
            "I32x4RelaxedDotI8x16I7x16AddS",
            "I64x2ExtMulHighI32x4U",
            "F32x4RelaxedMadd",
            "F64x2RelaxedNmadd",
            "I32x4Mul",
        ] {
            assert!(multiplies.contains(&name), "{name}");
        }
        let others = multiplies.iter().filter(|name| {
            !["Mul", "mul", "Div", "Rem", "Sqrt", "Dot", "madd", "Madd"].iter().any(|word| name.contains(word))
        });
        assert_eq!(others.count(), 0);
    }

    #[test]
    fn other_kinds_are_told_apart() {
        let one = |name: &str| count(name).all().into_iter().filter(|(_, n)| *n > 0).collect::<Vec<_>>();
        assert_eq!(one("I8x16AddSatU"), [("adds", 16), ("narrow_adds", 16)]);
        assert_eq!(one("F32x4Add"), [("adds", 4), ("float_adds", 4)]);
        assert_eq!(one("I64Sub"), [("adds", 1)]);
        assert_eq!(one("I16x8Shl"), [("shifts", 8)]);
        assert_eq!(one("I8x16RelaxedSwizzle"), [("lookups", 16)]);
        assert_eq!(one("V128And"), [("logic", 1)]);
        assert_eq!(one("V128Load32Splat"), [("loads", 1)]);
        assert_eq!(one("I32Store8"), [("stores", 1)]);
        assert_eq!(one("I32x4MaxS"), [("logic", 4)]);
        for name in ["LocalGet", "I32Const", "If", "Block", "Call", "I8x16Splat", "I8x16Shuffle", "F32ReinterpretI32"] {
            assert_eq!(one(name), [], "{name}");
        }
    }
}
