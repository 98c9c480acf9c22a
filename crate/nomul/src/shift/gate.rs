//! The gates of the gated layer.
//!
//! ```text
//! silu(g) * u = sign(g) sign(u) 2^(log2 |silu(g)| + log2 |u|)       silu(g) = g / (1 + e^-g)
//! ```
//!
//! `log2 |silu(g)|` is one table over the first bits of the float `g`: its sign, its exponent from -16 to 4, and 7 bits
//! of fraction. Below, `silu(g)` is as good as zero; above, it is `g`, or zero for negative `g`. With the errors of
//! [`super::logarithm`], a product is within 1.2 % (from the middle of a step of the table, for |g| under 2), on average
//! within 0.3 %; the planes of the next matrix are known ten times less well.

use alloc::boxed::Box;

use super::logarithm::{Logarithms, ONE, table};

/// Bits of a float that are dropped: 7 bits of its fraction stay.
const DROPPED: u32 = 16;
/// The first magnitude of the table, 2^-16, and the first beyond it, 2^5.
const FIRST: u32 = (127 - 16) << 7;
const END: u32 = (127 + 5) << 7;
const ENTRIES: usize = (END - FIRST) as usize;
/// A logarithm whose power is zero.
const NOTHING: i32 = -(1 << 30);

/// The tables for positive and for negative gates.
pub struct Gates {
    positive: Box<[i32; ENTRIES]>,
    negative: Box<[i32; ENTRIES]>,
}

impl Default for Gates {
    fn default() -> Self {
        Gates::new()
    }
}

impl Gates {
    /// Computes the tables.
    pub fn new() -> Gates {
        let logarithm = |index: usize, sign: f64| {
            let middle = f32::from_bits((FIRST + index as u32) << DROPPED | 1 << (DROPPED - 1));
            let g = f64::from(middle);
            let log2 = libm::log2(g) - libm::log2(1.0 + libm::exp(-sign * g));
            libm::round(log2 * f64::from(ONE)) as i32
        };
        Gates { positive: table(|index| logarithm(index, 1.0)), negative: table(|index| logarithm(index, -1.0)) }
    }

    /// `gate = silu(gate) * up`.
    pub fn apply(&self, tables: &Logarithms, gate: &mut [f32], up: &[f32]) {
        for (gate, up) in gate.iter_mut().zip(up) {
            *gate = self.product(tables, *gate, *up);
        }
    }

    #[inline(always)]
    fn product(&self, tables: &Logarithms, gate: f32, up: f32) -> f32 {
        let (bits, up_bits) = (gate.to_bits(), up.to_bits());
        let is_negative = bits >> 31 == 1;
        let place = (bits & 0x7fff_ffff) >> DROPPED;
        let silu = if place < FIRST {
            NOTHING
        } else if place < END {
            let index = (place - FIRST) as usize;
            if is_negative { self.negative[index] } else { self.positive[index] }
        } else if is_negative {
            NOTHING
        } else {
            tables.log2(gate.min(super::LARGEST))
        };
        let up = f32::from_bits((up_bits & 0x7fff_ffff).min(super::LARGEST.to_bits()));
        let magnitude = tables.exp2(silu + tables.log2(up));
        f32::from_bits(magnitude.to_bits() | ((bits ^ up_bits) & 0x8000_0000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn equals_the_float_gates_within_its_bound() {
        let (gates, tables) = (Gates::new(), Logarithms::new());
        let (mut sum, mut count) = (0.0, 0);
        for i in 0..400_000 {
            let g = (i as f32 - 200_000.0) * 1e-4 + 3e-5;
            for u in [0.37f32, -15.5] {
                let exact = f64::from(g) / (1.0 + libm::exp(-f64::from(g))) * f64::from(u);
                let error = (f64::from(gates.product(&tables, g, u)) - exact).abs();
                // Deep in the negative the quotient falls faster than a step can follow, but there is little left of it.
                let bound = if g > -2.0 { 0.012 * exact.abs() } else { 0.002 * f64::from(u.abs()) };
                assert!(error <= bound, "{g}, {u}: {error} of {exact}");
                if g > -2.0 {
                    sum += error / exact.abs();
                    count += 1;
                }
            }
        }
        assert!(sum / f64::from(count) < 0.003, "{}", sum / f64::from(count));
    }

    #[test]
    fn the_bounds_give_numbers() {
        let (gates, tables) = (Gates::new(), Logarithms::new());
        let odd = [0.0, -0.0, 1e-45, 1e-9, 31.9, 32.0, 1e20, f32::MAX, f32::INFINITY, f32::NAN];
        let odd: Vec<f32> = odd.into_iter().flat_map(|x| [x, -x]).collect();
        for g in &odd {
            for u in &odd {
                let product = gates.product(&tables, *g, *u);
                assert!(product.is_finite(), "{g}, {u}");
                if g.abs() < 1e-20 || *g <= -32.0 || u.abs() < 1e-40 {
                    assert!(product.abs() < 1e-5, "{g}, {u}: {product}");
                }
            }
        }
    }
}
