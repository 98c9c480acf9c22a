//! Multiplication by a sum of signed powers of two.
//!
//! ```text
//! f * x ~ sum over t in 0..6 of  s_t 2^p_t x      s_t: a sign
//! ```
//!
//! Each term is the power of two nearest to what the terms before leave over, which is at most a third of it: the sum is
//! within 3^-6 = 1/729 of `f`, and within 1/20,000 of it on average. A term times `x` is one addition to the bits of `x`.

use alloc::vec::Vec;

use crate::kernel::{Kernel, Simd, on_best};

/// Terms of a factor.
pub const TERMS: usize = 6;

const SIGN: u32 = 1 << 31;
const LARGEST: u32 = super::LARGEST.to_bits();
const SMALLEST: u32 = super::SMALLEST.to_bits();
/// Exponents of terms: a bounded number times a term is neither infinite nor denormal.
const EXPONENTS: core::ops::RangeInclusive<i32> = -75..=75;

/// A number to multiply by: for each term what is added to the bits of a float.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor([u32; TERMS]);

impl Factor {
    /// The sum of powers of two nearest to `f`, term by term. Magnitudes beyond 2^75 become 2^75, those under 2^-75 zero.
    #[inline]
    pub fn new(f: f32) -> Factor {
        let mut terms = [0; TERMS];
        let mut left = f;
        let mut exponent = *EXPONENTS.start();
        for term in &mut terms {
            let bits = left.to_bits();
            // From 1.5 on the next power of two is nearer.
            let nearest = ((bits & !SIGN) >> 22).wrapping_add(1) as i32 >> 1;
            let nearest = nearest - 127;
            if nearest < *EXPONENTS.start() {
                // Nothing is left: a term far below the others, which rounding takes away.
                exponent = (exponent - 26).max(*EXPONENTS.start());
                *term = (exponent << 23) as u32;
                continue;
            }
            exponent = nearest.min(*EXPONENTS.end());
            let sign = bits & SIGN;
            *term = (exponent << 23) as u32 ^ sign;
            left -= f32::from_bits((((exponent + 127) << 23) as u32) | sign);
        }
        Factor(terms)
    }

    /// `f * x`.
    #[inline(always)]
    pub fn times(&self, x: f32) -> f32 {
        product(x, |term| self.0[term])
    }

    /// `x *= f`.
    pub fn scale(&self, x: &mut [f32]) {
        on_best(Scale { factor: *self, x });
    }
}

/// The sum of the terms of a bounded number, zero for a number that is as good as zero.
#[inline(always)]
fn product(x: f32, term: impl Fn(usize) -> u32) -> f32 {
    let bits = x.to_bits();
    let magnitude = bits & !SIGN;
    // Infinities and what is not a number have larger bits than the largest.
    let bounded = magnitude.min(LARGEST) | (bits & SIGN);
    let mut sum = 0.0;
    for t in 0..TERMS {
        sum += f32::from_bits(bounded.wrapping_add(term(t)));
    }
    if magnitude < SMALLEST { 0.0 } else { sum }
}

struct Scale<'a> {
    factor: Factor,
    x: &'a mut [f32],
}

impl Kernel for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, _: S) {
        for x in self.x {
            *x = self.factor.times(*x);
        }
    }
}

/// A vector of numbers to multiply by.
#[derive(Clone, Debug, Default)]
pub struct Factors {
    /// For each term, what is added to each element's bits.
    terms: [Vec<u32>; TERMS],
}

impl Factors {
    /// See [`Factor::new`].
    pub fn new(numbers: &[f32]) -> Factors {
        let mut factors = Factors::zeros(numbers.len());
        numbers.iter().enumerate().for_each(|(index, number)| factors.set(index, Factor::new(*number)));
        factors
    }

    /// Room for so many.
    pub fn zeros(length: usize) -> Factors {
        Factors { terms: core::array::from_fn(|_| alloc::vec![0; length]) }
    }

    /// Changes one.
    #[inline]
    pub fn set(&mut self, index: usize, factor: Factor) {
        for (all, term) in self.terms.iter_mut().zip(factor.0) {
            all[index] = term;
        }
    }

    /// `x *= f`, element by element.
    pub fn scale(&self, x: &mut [f32]) {
        on_best(ScaleEach { factors: self, x });
    }

    /// The terms of the elements from `start` on, `length` of them.
    #[inline(always)]
    pub(super) fn part(&self, start: usize, length: usize) -> [&[u32]; TERMS] {
        core::array::from_fn(|t| &self.terms[t][start..][..length])
    }
}

/// `f[index] * x` for factors that [`Factors::part`] gave.
#[inline(always)]
pub(super) fn times_at(part: &[&[u32]; TERMS], index: usize, x: f32) -> f32 {
    product(x, |t| part[t][index])
}

struct ScaleEach<'a> {
    factors: &'a Factors,
    x: &'a mut [f32],
}

impl Kernel for ScaleEach<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, _: S) {
        let part = self.factors.part(0, self.x.len());
        for (index, x) in self.x.iter_mut().enumerate() {
            *x = times_at(&part, index, *x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of every size and sign, with those at the bounds.
    fn numbers() -> impl Iterator<Item = f32> {
        let bits = (0..4000u32).map(|i| f32::from_bits(0x2680_0000 + i.wrapping_mul(0x0006_1a83)));
        let bounds = [super::super::SMALLEST, super::super::LARGEST, 1.0, 1.5, 1.4999999, 2.0, 3.0];
        bits.filter(|x| (super::super::SMALLEST..=super::super::LARGEST).contains(x))
            .chain(bounds)
            .flat_map(|x| [x, -x])
    }

    #[test]
    fn products_are_within_their_bound() {
        let (mut worst, mut sum, mut count) = (0.0f64, 0.0, 0);
        for f in numbers().step_by(7) {
            let factor = Factor::new(f);
            for x in numbers().step_by(11) {
                let exact = f as f64 * x as f64;
                let error = ((factor.times(x) as f64 - exact) / exact).abs();
                worst = worst.max(error);
                sum += error;
                count += 1;
            }
        }
        assert!(worst <= 1.0 / 729.0 + 1e-6, "{worst}");
        assert!(sum / f64::from(count) < 1.0 / 20_000.0, "{}", sum / f64::from(count));
    }

    #[test]
    fn nothing_leaves_the_numbers() {
        let odd = [0.0, -0.0, 1e-45, -1e-38, f32::MAX, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1.0];
        for f in odd {
            for x in odd {
                let y = Factor::new(f).times(x);
                assert!(y.is_finite(), "{f} times {x} is {y}");
                if x.abs() < 1e-20 {
                    assert_eq!(y, 0.0, "{f} times {x}");
                }
            }
        }
        assert!(Factor::new(0.0).times(super::super::LARGEST).abs() < 1e-6);
    }

    #[test]
    fn powers_of_two_are_exact_and_vectors_equal_their_elements() {
        let x: Vec<f32> = (0..67).map(|i| (i * 37 % 101) as f32 - 50.0).collect();
        for p in -20..20 {
            let f = crate::scale::power(p);
            let mut y = x.clone();
            Factor::new(f).scale(&mut y);
            assert!(y.iter().zip(&x).all(|(y, x)| *y == x * f), "2^{p}");
        }
        let f: Vec<f32> = (0..67).map(|i| 0.03 * i as f32 - 1.0).collect();
        let mut y = x.clone();
        Factors::new(&f).scale(&mut y);
        for ((y, x), f) in y.iter().zip(&x).zip(&f) {
            assert_eq!(*y, Factor::new(*f).times(*x));
        }
    }
}
