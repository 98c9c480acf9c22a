//! Vectors of whole numbers.

use alloc::vec::Vec;

use super::{Bits, Ternary, bits::same, check_dimension};
use crate::{Result, bail};

/// A vector of D 16-bit numbers: a bundle that can be written down, added to and taken from.
///
/// Numbers stay within -32,767 to 32,767: sums beyond that are held at the end ("saturate"), and what is then taken away
/// again leaves a difference. As long as all weights together stay below that, everything is exact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sums {
    values: Vec<i16>,
}

impl Sums {
    /// The largest number.
    pub const LIMIT: i16 = i16::MAX;

    /// All zeros.
    pub fn new(dimension: usize) -> Sums {
        assert!(check_dimension(dimension).is_ok(), "dimension {dimension}");
        Sums { values: alloc::vec![0; dimension] }
    }

    /// From numbers.
    pub fn from_values(values: Vec<i16>) -> Result<Sums> {
        check_dimension(values.len())?;
        if let Some(place) = values.iter().position(|v| *v == i16::MIN) {
            bail!(Value, "element {place} is {}: a sum is at least {}", i16::MIN, -Sums::LIMIT);
        }
        Ok(Sums { values })
    }

    pub(super) fn raw(values: Vec<i16>) -> Sums {
        Sums { values }
    }

    /// D.
    pub fn dimension(&self) -> usize {
        self.values.len()
    }

    /// The numbers.
    pub fn values(&self) -> &[i16] {
        &self.values
    }

    /// Adds another vector.
    pub fn add(&mut self, other: &Sums) {
        same(self.dimension(), other.dimension());
        for (a, b) in self.values.iter_mut().zip(&other.values) {
            *a = a.saturating_add(*b).max(-Self::LIMIT);
        }
    }

    /// Takes another vector away.
    pub fn subtract(&mut self, other: &Sums) {
        same(self.dimension(), other.dimension());
        for (a, b) in self.values.iter_mut().zip(&other.values) {
            *a = a.saturating_sub(*b).max(-Self::LIMIT);
        }
    }

    /// Adds `weight * x`; a negative weight takes away.
    pub fn add_bits(&mut self, x: &Bits, weight: i16) {
        same(self.dimension(), x.dimension());
        let weight = weight.max(-Self::LIMIT);
        for (part, word) in self.values.chunks_mut(64).zip(x.words()) {
            for (i, value) in part.iter_mut().enumerate() {
                let flip = (word >> i & 1) as i16;
                *value = value.saturating_add((weight ^ -flip) + flip).max(-Self::LIMIT);
            }
        }
    }

    /// MAP's bind with a sign vector, its own inverse: numbers change their sign where the vector is -1.
    pub fn bind(&self, x: &Bits) -> Sums {
        same(self.dimension(), x.dimension());
        let mut values = self.values.clone();
        for (part, word) in values.chunks_mut(64).zip(x.words()) {
            for (i, value) in part.iter_mut().enumerate() {
                // -v is !v + 1; sums keep clear of the one number that has no negative.
                let flip = (word >> i & 1) as i16;
                *value = (*value ^ -flip) + flip;
            }
        }
        Sums { values }
    }

    /// Shifted cyclically: place `i` goes to `i + shifts`. Negative numbers shift back.
    pub fn permute(&self, shifts: isize) -> Sums {
        let mut values = self.values.clone();
        values.rotate_right(shifts.rem_euclid(self.dimension() as isize) as usize);
        Sums { values }
    }

    /// The signs; where a number is zero, those of `ties`.
    pub fn signs(&self, ties: &Bits) -> Bits {
        same(self.dimension(), ties.dimension());
        let mut out = Bits::identity(self.dimension());
        for ((part, out), tie) in self.values.chunks(64).zip(out.words_mut()).zip(ties.words()) {
            for (i, value) in part.iter().enumerate() {
                *out |= ((*value < 0) as u64 | (*value == 0) as u64 & (tie >> i)) << i;
            }
        }
        out
    }

    /// -1, 0 and +1: zero where the size is at most `threshold`.
    pub fn ternary(&self, threshold: u16) -> Ternary {
        let (mut negative, mut used) = (Bits::identity(self.dimension()), Bits::identity(self.dimension()));
        let words = negative.words_mut().iter_mut().zip(used.words_mut());
        for (part, (negative, used)) in self.values.chunks(64).zip(words) {
            for (i, value) in part.iter().enumerate() {
                let large = (value.unsigned_abs() > threshold) as u64;
                *used |= large << i;
                *negative |= (large & (*value < 0) as u64) << i;
            }
        }
        Ternary::from_parts(negative, used)
    }

    /// Bytes: the numbers shifted right, rounded to nearest, by as little as makes all of them fit.
    pub fn bytes(&self) -> Bytes {
        let fits = |shift: u32| self.values.iter().all(|v| round_shift(*v, shift).abs() <= 127);
        let shift = (0..16).find(|shift| fits(*shift)).unwrap_or(15);
        Bytes { values: self.values.iter().map(|v| round_shift(*v, shift) as i8).collect(), shift }
    }

    /// The dot product with signs: additions.
    pub fn dot_bits(&self, x: &Bits) -> i64 {
        same(self.dimension(), x.dimension());
        let mut sum = 0i64;
        for (part, word) in self.values.chunks(64).zip(x.words()) {
            // 64 numbers of 16 bits add up within 32.
            let mut partial = 0i32;
            for (i, value) in part.iter().enumerate() {
                let flip = (word >> i & 1) as i32;
                partial += (*value as i32 ^ -flip) + flip;
            }
            sum += partial as i64;
        }
        sum
    }

    /// The dot product: masked additions, one pass for each bit of a number, with no product.
    pub fn dot(&self, other: &Sums) -> i64 {
        same(self.dimension(), other.dimension());
        let mut sum = 0i64;
        for (a, b) in self.values.chunks(256).zip(other.values.chunks(256)) {
            for bit in 0..15 {
                // 256 numbers of 16 bits add up within 32.
                let mut partial = 0i32;
                for (a, b) in a.iter().zip(b) {
                    let mask = -((b.unsigned_abs() >> bit & 1) as i32);
                    let flip = (*b < 0) as i32;
                    partial += ((*a as i32 ^ -flip) + flip) & mask;
                }
                sum += (partial as i64) << bit;
            }
        }
        sum
    }

    /// The cosine; 0 where one of the two is all zeros.
    pub fn similarity(&self, other: &Sums) -> f64 {
        cosine(self.dot(other), self.dot(self), other.dot(other))
    }
}

/// `value / 2^shift`, to nearest, halves away from zero.
fn round_shift(value: i16, shift: u32) -> i32 {
    let size = value.unsigned_abs() as i32;
    let rounded = if shift == 0 { size } else { (size + (1 << (shift - 1))) >> shift };
    if value < 0 { -rounded } else { rounded }
}

/// From the dot products of two vectors with each other and with themselves. Scalars, at the very end.
pub(super) fn cosine(ab: i64, aa: i64, bb: i64) -> f64 {
    if aa == 0 || bb == 0 { 0.0 } else { ab as f64 / (libm::sqrt(aa as f64) * libm::sqrt(bb as f64)) }
}

/// A vector of D bytes with a shift: `values[i] << shift` is close to the sum it was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes {
    values: Vec<i8>,
    shift: u32,
}

impl Bytes {
    /// From bytes, none of which is -128.
    pub fn from_values(values: Vec<i8>, shift: u32) -> Result<Bytes> {
        check_dimension(values.len())?;
        if let Some(place) = values.iter().position(|v| *v == i8::MIN) {
            bail!(Value, "element {place} is -128: a byte of a vector is at least -127");
        }
        if shift > 15 {
            bail!(Value, "a shift of {shift}: at most 15");
        }
        Ok(Bytes { values, shift })
    }

    /// The bytes.
    pub fn values(&self) -> &[i8] {
        &self.values
    }

    /// By how much they were shifted right.
    pub fn shift(&self) -> u32 {
        self.shift
    }

    /// The numbers that they stand for.
    pub fn sums(&self) -> Sums {
        let limit = Sums::LIMIT as i32;
        let value = |v: &i8| ((*v as i32) << self.shift).clamp(-limit, limit) as i16;
        Sums::raw(self.values.iter().map(value).collect())
    }

    /// The dot product of the bytes, by a table: `a b = q(a + b) - q(a - b)` with `q(x) = ⌊x² / 4⌋` (quarter squares).
    pub fn dot(&self, other: &Bytes) -> i64 {
        same(self.values.len(), other.values.len());
        let quarter = |x: i32| QUARTER_SQUARES[x.unsigned_abs() as usize] as i64;
        let product = |(a, b): (&i8, &i8)| quarter(*a as i32 + *b as i32) - quarter(*a as i32 - *b as i32);
        self.values.iter().zip(&other.values).map(product).sum()
    }

    /// The cosine; 0 where one of the two is all zeros.
    pub fn similarity(&self, other: &Bytes) -> f64 {
        cosine(self.dot(other), self.dot(self), other.dot(other))
    }
}

/// `⌊x² / 4⌋` for sums of two bytes, each from the one before: they differ by `⌊x / 2⌋`.
static QUARTER_SQUARES: [u16; 255] = {
    let mut table = [0u16; 255];
    let mut x = 1;
    while x < 255 {
        table[x] = table[x - 1] + (x as u16 >> 1);
        x += 1;
    }
    table
};
