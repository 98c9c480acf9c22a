//! Vectors of length one.
//!
//! ```text
//! q = x in whole numbers, the largest of 14 or 15 bits        f = 2^62 / root(2^22 sum of q²)        x = q f 2^-51
//! ```
//!
//! Here integers do what tables do elsewhere, because who compares vectors takes their length for one: squares are sums of
//! shifts, the root and the quotient come bit by bit, and the factor has twice as many terms as others. A length is within
//! 1e-4 of one, mostly within 1e-5 (from rounding to whole numbers).

use super::factor::Factor;
use crate::{address::times, scale::power};

/// Bits of the largest whole number.
const BITS: i32 = 15;

/// `x = x / |x|`; a vector of zeros stays one.
pub fn unit(x: &mut [f32]) {
    let bits = |x: f32| x.to_bits() & 0x7fff_ffff;
    let largest = x.iter().map(|&x| bits(x)).fold(0, u32::max).min(super::LARGEST.to_bits());
    if largest < super::SMALLEST.to_bits() {
        return x.fill(0.0);
    }
    // The largest comes to lie in 2^14..2^15.
    let exponent = (largest >> 23) as i32 - 127;
    Factor::new(power(BITS - 1 - exponent)).scale(x);
    let square = |x: &f32| {
        let whole = (x.abs() + 0.5) as u32 as usize;
        times(whole, whole) as u64
    };
    let sum: u64 = x.iter().map(square).sum();
    let factor = quotient(1 << 62, root(sum << 22)) as f32;
    // 2^-51 off the exponent.
    let factor = f32::from_bits(factor.to_bits() - (51 << 23));
    let first = Factor::new(factor);
    let rest = Factor::new(factor - first.times(1.0));
    x.iter_mut().for_each(|x| *x = first.times(*x) + rest.times(*x));
}

/// The root of a whole number below 2^62, rounded down: its bits from the highest on.
fn root(square: u64) -> u64 {
    let (mut left, mut root) = (square, 0u64);
    let mut bit = 1u64 << 60;
    while bit != 0 {
        let with = root + bit;
        root >>= 1;
        if left >= with {
            left -= with;
            root += bit;
        }
        bit >>= 2;
    }
    root
}

/// `a / b` for `b` over zero, rounded down.
fn quotient(a: u64, b: u64) -> u64 {
    let (mut left, mut quotient) = (0u64, 0u64);
    for bit in (0..64).rev() {
        left = left << 1 | a >> bit & 1;
        quotient <<= 1;
        if left >= b {
            left -= b;
            quotient |= 1;
        }
    }
    quotient
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::float;

    #[test]
    fn equals_the_float_function_within_its_bound() {
        for (length, size) in [(1, 1.0), (3, 1e-6), (96, 100.0), (384, 1e-3), (384, 3.0), (1024, 1e6)] {
            for case in 0..50u32 {
                let number = |i: u32| ((i * 7919 + case * 104_729 + 1) % 2003) as f32 / 1001.0 - 1.0;
                let mut x: Vec<f32> = (0..length).map(|i| number(i) * size).collect();
                let mut exact = x.clone();
                float::unit(&mut exact);
                unit(&mut x);
                for (x, exact) in x.iter().zip(&exact) {
                    // Half a unit of 2^14.
                    assert!((x - exact).abs() <= 3.1e-5, "{length} of {size}: {x}, not {exact}");
                }
                assert!((float::dot(&x, &x) - 1.0).abs() < 2e-4);
            }
        }
    }

    #[test]
    fn the_bounds_give_numbers() {
        for x in [0.0, 1e-45, 1e-30] {
            let mut all = [x; 40];
            unit(&mut all);
            assert_eq!(all, [0.0; 40]);
        }
        for x in [1e-14, 1e15, 1e30, f32::INFINITY, f32::NAN] {
            let mut all = [0.0; 40];
            all[3] = x;
            unit(&mut all);
            assert!((all[3].abs() - 1.0).abs() < 1e-3, "{x} became {}", all[3]);
        }
    }

    #[test]
    fn roots_and_quotients_are_right() {
        for n in (0..200).chain([1 << 40, (1 << 40) - 1, (1 << 62) - 1, 1 << 61]) {
            let root = root(n);
            assert!(root * root <= n && (root + 1) * (root + 1) > n, "{n}: {root}");
            for d in [1, 2, 3, 1 << 24, (1 << 31) - 1] {
                assert_eq!(quotient(n, d), n / d);
            }
        }
    }
}
