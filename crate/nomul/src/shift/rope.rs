//! Rotary position embedding.
//!
//! A pair's angle at a position is the position times the pair's step, in 2^-32 of a full turn, where wrapping around is
//! what integers do by themselves. Cosine and sine of the angle's first ten bits come from a table; the rest of the angle
//! `d`, under 2^-10 of a turn, turns them on: `cos(a + d) ~ cos a - d sin a`, `sin(a + d) ~ sin a + d cos a`, within
//! `d² / 2 < 2e-5`. Every layer and head of a token turns its pairs by the same numbers, so they become sums of powers of
//! two once, and turning is shifts and additions. An angle is within 2^-20 of a turn at a position of a million.

use alloc::{boxed::Box, vec::Vec};
use core::ops::Range;

use super::{
    factor::{Factor, Factors, TERMS, times_at},
    logarithm::table,
};
use crate::{
    config::ModelConfig,
    float::frequencies,
    kernel::{Kernel, Simd, on_best},
};

/// Bits of an angle that choose the table's entry.
const BITS: u32 = 10;
const ENTRIES: usize = 1 << BITS;
/// Bits after the point of cosines and sines.
const POINT: u32 = 24;

/// Turns pairs of elements.
pub struct Rope {
    /// What a pair's angle grows by from one position to the next, in 2^-32 of a turn: `head_dim / 2`.
    steps: Vec<u32>,
    /// Cosine and sine of `i / 1024` of a turn, in units of 2^-24.
    circle: Box<[[i32; 2]; ENTRIES]>,
    /// The positions whose turns are at hand.
    positions: Range<usize>,
    /// Cosine and sine of each pair: `(position, head_dim / 2)`.
    cosines: Factors,
    sines: Factors,
}

impl Rope {
    /// The steps of a configuration, stretched as it says, and room for the turns of as many positions as are read at once.
    pub fn new(config: &ModelConfig) -> Rope {
        const TURN: f64 = 2.0 * core::f64::consts::PI;
        let steps: Vec<u32> =
            frequencies(config).map(|frequency| libm::round(frequency / TURN * (1u64 << 32) as f64) as u32).collect();
        let unit = (1 << POINT) as f64;
        let circle = table(|i| {
            let angle = i as f64 / ENTRIES as f64 * TURN;
            [libm::round(libm::cos(angle) * unit) as i32, libm::round(libm::sin(angle) * unit) as i32]
        });
        let room = crate::forward::CHUNK * steps.len();
        Rope { steps, circle, positions: 0..0, cosines: Factors::zeros(room), sines: Factors::zeros(room) }
    }

    /// Prepares the turns of at most [`crate::forward::CHUNK`] positions.
    pub fn prepare(&mut self, positions: Range<usize>) {
        if self.positions == positions {
            return;
        }
        let mut place = 0;
        for position in positions.clone() {
            for &step in &self.steps {
                let [cosine, sine] = turn(&self.circle, times(step, position as u32));
                self.cosines.set(place, Factor::new(cosine));
                self.sines.set(place, Factor::new(sine));
                place += 1;
            }
        }
        self.positions = positions;
    }

    /// Rotates the heads of each row of `x`, whose rows are at the prepared positions, `length` elements each.
    pub fn rotate(&self, x: &mut [f32], length: usize) {
        on_best(Rotate { rope: self, x, length });
    }
}

struct Rotate<'a> {
    rope: &'a Rope,
    x: &'a mut [f32],
    length: usize,
}

impl Kernel for Rotate<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, _: S) {
        let Rotate { rope, mut x, length } = self;
        let half = rope.steps.len();
        let mut place = 0;
        while let Some((row, rest)) = x.split_at_mut_checked(length) {
            x = rest;
            let (cosines, sines) = (rope.cosines.part(place, half), rope.sines.part(place, half));
            place += half;
            let mut heads = row;
            while let Some((head, rest)) = heads.split_at_mut_checked(2 * half) {
                heads = rest;
                let (first, second) = head.split_at_mut(half);
                pairs(first, second, &cosines, &sines);
            }
            if x.is_empty() {
                break;
            }
        }
    }
}

#[inline(always)]
fn pairs(first: &mut [f32], second: &mut [f32], cosines: &[&[u32]; TERMS], sines: &[&[u32]; TERMS]) {
    // Told that all are of one length, the compiler makes vector code of the loop.
    let length = first.len();
    let second = &mut second[..length];
    let (cosines, sines) = (cosines.map(|terms| &terms[..length]), sines.map(|terms| &terms[..length]));
    for index in 0..length {
        let (a, b) = (first[index], second[index]);
        first[index] = times_at(&cosines, index, a) - times_at(&sines, index, b);
        second[index] = times_at(&cosines, index, b) + times_at(&sines, index, a);
    }
}

/// `a * b`, modulo 2^32: shifts and additions, one for each bit of `b`.
fn times(mut a: u32, mut b: u32) -> u32 {
    let mut product = 0u32;
    while b != 0 {
        product = product.wrapping_add(a & (b & 1).wrapping_neg());
        a <<= 1;
        b >>= 1;
    }
    product
}

/// Cosine and sine of an angle in 2^-32 of a turn.
fn turn(circle: &[[i32; 2]; ENTRIES], angle: u32) -> [f32; 2] {
    let [cosine, sine] = circle[(angle >> (32 - BITS)) as usize];
    // The rest's first 12 bits are units of 2^-22 of a turn; times 2 pi they are units of 2^-22 of a radian.
    const TWO_PI: u32 = 6434; // in units of 2^-10
    let rest = times(angle << BITS >> 20, TWO_PI) >> 10;
    let (on_cosine, on_sine) = (share(sine, rest), share(cosine, rest));
    // A sum of two integers below 2^25, as a float: 2^-24 is taken off the exponent.
    [cosine - on_cosine, sine + on_sine].map(|x| {
        let float = x as f32;
        if x == 0 { 0.0 } else { f32::from_bits(float.to_bits() - (POINT << 23)) }
    })
}

/// `x * rest / 2^22`, of 2^24 times 2^15 at most.
fn share(x: i32, rest: u32) -> i32 {
    let mut sum = 0i64;
    let mut shifted = i64::from(x);
    let mut bits = rest;
    while bits != 0 {
        if bits & 1 == 1 {
            sum += shifted;
        }
        shifted <<= 1;
        bits >>= 1;
    }
    (sum >> 22) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_within_their_bound() {
        let rope = circle();
        for i in 0..200_000u32 {
            let angle = i.wrapping_mul(2_654_435_769);
            let exact = f64::from(angle) / 2f64.powi(32) * 2.0 * core::f64::consts::PI;
            let [cosine, sine] = turn(&rope, angle);
            assert!((f64::from(cosine) - libm::cos(exact)).abs() < 2.5e-5, "{angle}");
            assert!((f64::from(sine) - libm::sin(exact)).abs() < 2.5e-5, "{angle}");
        }
        assert_eq!(turn(&rope, 0), [1.0, 0.0]);
    }

    fn circle() -> Box<[[i32; 2]; ENTRIES]> {
        table(|i| {
            let angle = i as f64 / ENTRIES as f64 * 2.0 * core::f64::consts::PI;
            [libm::cos(angle), libm::sin(angle)].map(|x| libm::round(x * (1 << POINT) as f64) as i32)
        })
    }

    #[test]
    fn shifts_multiply() {
        for (a, b) in [(0, 7), (7, 0), (3, 5), (u32::MAX, 3), (123_456_789, 8191)] {
            assert_eq!(times(a, b), a.wrapping_mul(b));
        }
    }
}
