//! The nonlinearity of encoders.
//!
//! ```text
//! gelu(x) = x P(N < x) = max(x, 0) - c(|x|)       c(m) = m P(N > m) = m / 2 erfc(m / sqrt 2)
//! ```
//!
//! `c` is one table over the first bits of the float `m`: its exponent from -12 to 2, and 8 bits of fraction. Below, `c` is
//! as good as half of `m`; above, it is zero. `c` is at most 0.17 and a step of its table moves it by less than 1/400 of
//! itself (from the middle, for m under 2), so that a result is within 0.0004 of the exact one.

use alloc::boxed::Box;

use super::{LARGEST, logarithm::table};

/// Bits of a float that are dropped: 8 bits of its fraction stay.
const DROPPED: u32 = 15;
/// The first magnitude of the table, 2^-12, and the first beyond it, 2^3.
const FIRST: u32 = (127 - 12) << 8;
const END: u32 = (127 + 3) << 8;
const ENTRIES: usize = (END - FIRST) as usize;

/// The table.
pub struct Gelu {
    missing: Box<[f32; ENTRIES]>,
}

impl Default for Gelu {
    fn default() -> Self {
        Gelu::new()
    }
}

impl Gelu {
    /// Computes the table.
    pub fn new() -> Gelu {
        let missing = |index: usize| {
            let middle = f32::from_bits((FIRST + index as u32) << DROPPED | 1 << (DROPPED - 1));
            let m = f64::from(middle);
            (0.5 * m * libm::erfc(m * core::f64::consts::FRAC_1_SQRT_2)) as f32
        };
        Gelu { missing: table(missing) }
    }

    /// `x = gelu(x)`, element by element.
    pub fn apply(&self, x: &mut [f32]) {
        x.iter_mut().for_each(|x| *x = self.of(*x));
    }

    #[inline(always)]
    fn of(&self, x: f32) -> f32 {
        let bits = x.to_bits();
        // Infinities and what is not a number have larger bits than the largest.
        let magnitude = (bits & 0x7fff_ffff).min(LARGEST.to_bits());
        let place = magnitude >> DROPPED;
        let missing = if place >= END {
            0.0
        } else if place >= FIRST {
            self.missing[(place - FIRST) as usize]
        } else if magnitude >> 24 == 0 {
            0.0
        } else {
            f32::from_bits(magnitude - (1 << 23))
        };
        let positive = if bits >> 31 == 1 { 0.0 } else { f32::from_bits(magnitude) };
        positive - missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float;

    #[test]
    fn equals_the_float_function_within_its_bound() {
        let gelu = Gelu::new();
        for i in 0..400_000 {
            let x = (i as f32 - 200_000.0) * 1e-4 + 3e-5;
            let (ours, exact) = (gelu.of(x), float::gelu(x));
            assert!((ours - exact).abs() <= 4e-4, "{x}: {ours}, not {exact}");
            if x > 0.0 {
                assert!((ours - exact).abs() <= 0.004 * exact, "{x}: {ours}, not {exact}");
            }
        }
    }

    #[test]
    fn the_bounds_give_numbers() {
        let gelu = Gelu::new();
        for x in [0.0, 1e-45, 1e-38, 1e-9, 7.9, 8.0, 1e20, f32::MAX, f32::INFINITY, f32::NAN] {
            assert!(gelu.of(x).is_finite() && gelu.of(-x).is_finite(), "{x}");
            assert!(gelu.of(-x.abs()).abs() < 0.17, "{x}");
        }
        assert_eq!(gelu.of(0.0), 0.0);
        assert_eq!(gelu.of(12.0), 12.0);
        assert_eq!(gelu.of(-12.0), 0.0);
    }
}
