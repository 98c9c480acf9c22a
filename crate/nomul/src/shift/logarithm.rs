//! Logarithms of base two and their inverse, from tables of 1024 fractions.
//!
//! ```text
//! log2(2^e (1 + m)) = e + log2(1 + m)         m from its first ten bits, in the middle of what they stand for
//! exp2(n + f)       = 2^n 2^f                 f from its first ten bits, rounded
//! ```
//!
//! Logarithms are integers in units of 2^-16. Adding them multiplies, subtracting divides, shifting takes roots. Errors:
//! a logarithm is within 2^-10.4 (its table's step is 2^-9.47), so a number that goes through one keeps a relative error
//! under 2^-11 + 2^-17; an exponential is within 2^-11 + 2^-17 as well, times ln 2.

use alloc::{boxed::Box, vec::Vec};

/// Bits of a fraction.
const BITS: u32 = 10;
const ENTRIES: usize = 1 << BITS;
/// Bits after the point of a logarithm.
pub const POINT: u32 = 16;
/// One.
pub const ONE: i32 = 1 << POINT;

/// The tables.
#[derive(Clone, Debug)]
pub struct Logarithms {
    /// `log2(1 + (i + 1/2) / 1024)`.
    fractions: Box<[i32; ENTRIES]>,
    /// The bits of `2^(i / 1024)` as a float.
    powers: Box<[u32; ENTRIES]>,
    /// The bits of `(1 + (i + 1/2) / 1024)²` as a float.
    squares: Box<[u32; ENTRIES]>,
}

/// A table, made once.
pub(super) fn table<T: core::fmt::Debug, const N: usize>(entry: impl Fn(usize) -> T) -> Box<[T; N]> {
    let entries: Vec<T> = (0..N).map(entry).collect();
    entries.into_boxed_slice().try_into().expect("as many entries as were made")
}

impl Default for Logarithms {
    fn default() -> Self {
        Logarithms::new()
    }
}

impl Logarithms {
    /// Computes the tables.
    pub fn new() -> Logarithms {
        let middle = |i: usize| 1.0 + (i as f64 + 0.5) / ENTRIES as f64;
        Logarithms {
            fractions: table(|i| libm::round(libm::log2(middle(i)) * f64::from(ONE)) as i32),
            powers: table(|i| (libm::exp2(i as f64 / ENTRIES as f64) as f32).to_bits()),
            squares: table(|i| ((middle(i) * middle(i)) as f32).to_bits()),
        }
    }

    /// `log2 |x|` in units of 2^-16. Of zero, and of what is smaller than any normal number, it is about -127.
    #[inline(always)]
    pub fn log2(&self, x: f32) -> i32 {
        let bits = x.to_bits() & 0x7fff_ffff;
        let fraction = self.fractions[(bits >> (23 - BITS)) as usize & (ENTRIES - 1)];
        (((bits >> 23) as i32 - 127) << POINT) + fraction
    }

    /// `2^x` for `x` in units of 2^-16. From 2^126 on it stays there, below 2^-126 it is zero.
    #[inline(always)]
    pub fn exp2(&self, x: i32) -> f32 {
        let x = x.min(126 << POINT) + (1 << (POINT - BITS - 1));
        let power = self.powers[(x >> (POINT - BITS)) as usize & (ENTRIES - 1)];
        if x < -(126 << POINT) { 0.0 } else { f32::from_bits(power.wrapping_add(((x >> POINT) << 23) as u32)) }
    }

    /// `x²` for a bounded number.
    #[inline(always)]
    pub fn square(&self, x: f32) -> f32 {
        let magnitude = (x.to_bits() & 0x7fff_ffff).min(super::LARGEST.to_bits());
        let square = self.squares[(magnitude >> (23 - BITS)) as usize & (ENTRIES - 1)];
        // The exponent twice: once in the table's entry as zero, so 2 (e - 127) is added.
        let exponent = ((magnitude >> 23) as i32 - 127) << 24;
        if magnitude < super::SMALLEST.to_bits() { 0.0 } else { f32::from_bits(square.wrapping_add(exponent as u32)) }
    }
}

/// A number between -63 and 0 in units of 2^-16; one below counts as -63.
#[inline(always)]
pub fn fixed(x: f32) -> i32 {
    // Added to such a number, the last bit of the sum is 2^-16.
    const ANCHOR: f32 = 192.0;
    (x.max(-63.0) + ANCHOR).to_bits() as i32 - ANCHOR.to_bits() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One number of each fraction the tables tell apart and its neighbours, at several exponents.
    fn numbers() -> impl Iterator<Item = f32> {
        [-50, -7, -1, 0, 1, 20, 49].into_iter().flat_map(|exponent: i32| {
            (0..1u32 << 14).map(move |m| f32::from_bits((((exponent + 127) as u32) << 23) | (m << 9) | (m & 0x1ff)))
        })
    }

    #[test]
    fn logarithms_are_within_their_bound() {
        let tables = Logarithms::new();
        for x in numbers() {
            let error = f64::from(tables.log2(x)) / f64::from(ONE) - libm::log2(f64::from(x));
            assert!(error.abs() < 2f64.powf(-10.4), "{x}: {error}");
            assert_eq!(tables.log2(-x), tables.log2(x));
        }
    }

    #[test]
    fn exponentials_are_within_their_bound() {
        let tables = Logarithms::new();
        for x in (-100 << 16..100 << 16).step_by(97) {
            let exact = libm::exp2(f64::from(x) / 65536.0);
            let error = (f64::from(tables.exp2(x)) / exact - 1.0).abs();
            assert!(error < (2f64.powi(-11) + 2f64.powi(-16)) * core::f64::consts::LN_2, "{x}: {error}");
        }
        assert_eq!(tables.exp2(0), 1.0);
        assert_eq!(tables.exp2(i32::MIN), 0.0);
        assert!(tables.exp2(i32::MAX).is_finite());
    }

    #[test]
    fn squares_are_within_their_bound() {
        let tables = Logarithms::new();
        for x in numbers() {
            let exact = f64::from(x) * f64::from(x);
            let error = (f64::from(tables.square(x)) / exact - 1.0).abs();
            assert!(error < 2f64.powi(-10) + 2f64.powi(-20), "{x}: {error}");
        }
        assert_eq!(tables.square(0.0), 0.0);
        assert_eq!(tables.square(1e-30), 0.0);
        assert!(tables.square(f32::INFINITY).is_finite() && tables.square(f32::NAN).is_finite());
    }
}
