//! Products by constants become shifts and additions.
//!
//! Compilers find the place of an element by multiplying its number by its size, which is a constant. WebAssembly's
//! compilers leave such a product to the engine; here it is written out, so that a module that multiplies nothing else
//! multiplies nothing:
//!
//! ```text
//! x * 24 = (x << 3) + (x << 4)        x * 7 = (x << 3) - x        the signed digits of the constant
//! ```

use std::convert::Infallible;

use anyhow::{Result, anyhow};
use wasm_encoder::{
    CodeSection, Function, Instruction, Module, ValType,
    reencode::{Error, Reencode},
};
use wasmparser::{CompositeInnerType, FunctionBody, Operator, Parser, Payload};

/// Digits of a constant up to which its products are written out. Sizes of things have few; what hashes multiply by has many.
const MOST_DIGITS: usize = 5;

/// The module without products of integers by constants that have few digits, and how many there were.
pub fn lower(bytes: &[u8]) -> Result<(Vec<u8>, usize)> {
    let (mut types, mut parameters) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::TypeSection(section) => {
                for group in section {
                    for sub_type in group?.into_types() {
                        types.push(match sub_type.composite_type.inner {
                            CompositeInnerType::Func(kind) => kind.params().len() as u32,
                            _ => 0,
                        });
                    }
                }
            }
            Payload::FunctionSection(section) => {
                for kind in section {
                    parameters.push(types[kind? as usize]);
                }
            }
            _ => {}
        }
    }
    let mut out = Module::new();
    let mut lower = Lower { parameters: parameters.into_iter(), products: 0 };
    lower
        .parse_core_module(&mut out, Parser::new(0), bytes)
        .map_err(|error| anyhow!("the module cannot be written anew: {error}"))?;
    Ok((out.finish(), lower.products))
}

struct Lower {
    /// Of each function, in the order of their bodies.
    parameters: std::vec::IntoIter<u32>,
    products: usize,
}

/// A constant that is multiplied by.
#[derive(Clone, Copy)]
enum Constant {
    I32(i32),
    I64(i64),
}

impl Constant {
    /// The constant, if the first of these two instructions gives it and the second multiplies by it.
    fn of(first: &Operator, second: Option<&Operator>) -> Option<Constant> {
        let constant = match (first, second) {
            (Operator::I32Const { value }, Some(Operator::I32Mul)) => Constant::I32(*value),
            (Operator::I64Const { value }, Some(Operator::I64Mul)) => Constant::I64(*value),
            _ => return None,
        };
        (constant.digits().len() <= MOST_DIGITS).then_some(constant)
    }

    /// Nonzero digits -1 and 1 of the constant's non-adjacent form, which has the fewest, each with its place.
    fn digits(self) -> Vec<(u32, bool)> {
        let (value, bits) = match self {
            Constant::I32(value) => (i128::from(value), 32),
            Constant::I64(value) => (i128::from(value), 64),
        };
        let mut digits = Vec::new();
        let (mut left, mut place) = (value, 0);
        while left != 0 && place < bits {
            if left & 1 == 1 {
                let is_negative = left & 2 == 2;
                digits.push((place, is_negative));
                left += if is_negative { 1 } else { -1 };
            }
            left >>= 1;
            place += 1;
        }
        digits
    }

    /// Replaces a product: the other factor is on the stack, `local` is free.
    fn write(self, local: u32, out: &mut Function) {
        use Instruction as I;
        let is_wide = matches!(self, Constant::I64(_));
        let constant = |value: u32| if is_wide { I::I64Const(i64::from(value)) } else { I::I32Const(value as i32) };
        let (shl, add, sub) =
            if is_wide { (I::I64Shl, I::I64Add, I::I64Sub) } else { (I::I32Shl, I::I32Add, I::I32Sub) };
        out.instruction(&I::LocalSet(local));
        // A positive digit first, so that it need not be taken from zero.
        let mut digits = self.digits();
        digits.sort_by_key(|(_, is_negative)| *is_negative);
        if digits.first().is_none_or(|(_, is_negative)| *is_negative) {
            out.instruction(&constant(0));
        }
        for (number, (place, is_negative)) in digits.into_iter().enumerate() {
            out.instruction(&I::LocalGet(local));
            if place > 0 {
                out.instruction(&constant(place));
                out.instruction(&shl);
            }
            if is_negative {
                out.instruction(&sub);
            } else if number > 0 {
                out.instruction(&add);
            }
        }
    }
}

impl Reencode for Lower {
    type Error = Infallible;

    fn parse_function_body(&mut self, code: &mut CodeSection, body: FunctionBody<'_>) -> Result<(), Error<Infallible>> {
        let operators = body.get_operators_reader()?.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut locals = Vec::new();
        for part in body.get_locals_reader()? {
            let (count, kind) = part?;
            locals.push((count, self.val_type(kind)?));
        }
        // Room for one factor of each type, after the parameters and the locals that there are.
        let declared: u32 = locals.iter().map(|(count, _)| count).sum();
        let first = self.parameters.next().unwrap_or(0) + declared;
        locals.extend([(1, ValType::I32), (1, ValType::I64)]);
        let mut out = Function::new(locals);
        let mut place = 0;
        while let Some(operator) = operators.get(place) {
            match Constant::of(operator, operators.get(place + 1)) {
                Some(constant) => {
                    let local = first + u32::from(matches!(constant, Constant::I64(_)));
                    constant.write(local, &mut out);
                    self.products += 1;
                    place += 2;
                }
                None => {
                    let instruction = self.instruction(operator.clone())?;
                    out.instruction(&instruction);
                    place += 1;
                }
            }
        }
        code.function(&out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_add_up_to_the_constant() {
        for value in (-300..300).chain([i32::MIN, i32::MAX, 0x5555_5555, 1 << 30, -1 << 30, 0x9e37]) {
            let digits = |constant: Constant| {
                constant
                    .digits()
                    .iter()
                    .map(|&(place, is_negative)| (1i128 << place) * if is_negative { -1 } else { 1 })
                    .sum::<i128>()
            };
            assert_eq!(digits(Constant::I32(value)) as i32, value);
            assert_eq!(digits(Constant::I64(i64::from(value) << 20)) as i64, i64::from(value) << 20);
        }
    }

    #[test]
    fn products_by_constants_are_gone_and_others_stay() {
        let text = r#"
            (module
              (func (export "const") (param i32 i64) (result i64)
                (local $x f32)
                (i64.add
                  (i64.mul (local.get 1) (i64.const -24))
                  (i64.extend_i32_s (i32.mul (i32.mul (local.get 0) (i32.const 24)) (i32.const 0)))))
              (func (export "hash") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 0x55555555)))
              (func (export "square") (param i32) (result i32) (i32.mul (local.get 0) (local.get 0))))
        "#;
        let bytes = wat::parse_str(text).unwrap();
        let (lowered, products) = lower(&bytes).unwrap();
        assert_eq!(products, 3);
        let module = crate::Module::parse(&lowered).unwrap();
        let multiplies: Vec<u64> = (0..3).map(|index| module.function(index).unwrap().counts().multiplies).collect();
        assert_eq!(multiplies, [0, 1, 1]);
    }
}
