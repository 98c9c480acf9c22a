//! Vectors of signs, one bit each.

use alloc::{vec, vec::Vec};

use super::{
    check_dimension,
    draw::{Draw, Kind},
    words::{self, last_mask},
};
use crate::{Result, bail, kernel::best};

/// A vector of D signs: a set bit is -1, a clear one +1. MAP's and MBAT's symbols, and BSC's with false for +1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bits {
    dimension: usize,
    words: Vec<u64>,
}

impl Bits {
    /// All +1: what binding leaves alone.
    ///
    /// # Panics
    /// On a dimension that [`check_dimension`] refuses, as does everything here that takes one.
    pub fn identity(dimension: usize) -> Bits {
        assert!(check_dimension(dimension).is_ok(), "dimension {dimension}");
        Bits { dimension, words: vec![0; words::words(dimension)] }
    }

    /// No signs at all, in the place of a vector that is in use elsewhere. Takes no memory.
    pub(crate) fn placeholder() -> Bits {
        Bits { dimension: 0, words: Vec::new() }
    }

    /// Random signs.
    pub fn random(dimension: usize, draw: &mut Draw) -> Bits {
        let mut bits = Bits::identity(dimension);
        bits.draw(draw);
        bits
    }

    /// The symbol of a name.
    pub fn atom(dimension: usize, seed: u64, name: &[u8]) -> Bits {
        Bits::random(dimension, &mut Draw::new(seed, Kind::Atom, name))
    }

    /// What decides ties of majorities under a seed.
    pub fn ties(dimension: usize, seed: u64) -> Bits {
        Bits::random(dimension, &mut Draw::new(seed, Kind::Tie, b""))
    }

    /// Becomes random signs.
    pub fn draw(&mut self, draw: &mut Draw) {
        self.draw_first(self.words.len(), draw);
    }

    /// The places of so many words at the beginning become random signs; the others stay.
    pub(crate) fn draw_first(&mut self, words: usize, draw: &mut Draw) {
        self.words[..words].iter_mut().for_each(|word| *word = draw.word());
        self.trim();
    }

    /// From packed words, the first sign in the lowest bit of the first word.
    pub fn from_words(dimension: usize, words: Vec<u64>) -> Result<Bits> {
        check_dimension(dimension)?;
        if words.len() != words::words(dimension) {
            bail!(Shape, "{} words of signs: {dimension} signs take {}", words.len(), words::words(dimension));
        }
        if words[words.len() - 1] & !last_mask(dimension) != 0 {
            bail!(Format, "signs after the last of {dimension}");
        }
        Ok(Bits { dimension, words })
    }

    /// From signs: +1 where positive or zero, -1 where negative.
    pub fn from_signs<T: Copy + Default + PartialOrd>(signs: &[T]) -> Result<Bits> {
        check_dimension(signs.len())?;
        let word = |part: &[T]| part.iter().rev().fold(0, |word, x| word << 1 | (*x < T::default()) as u64);
        Ok(Bits { dimension: signs.len(), words: signs.chunks(64).map(word).collect() })
    }

    /// D.
    #[inline]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The packed words; bits past the last sign are clear.
    #[inline]
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    pub(super) fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }

    pub(super) fn trim(&mut self) {
        let mask = last_mask(self.dimension);
        if let Some(last) = self.words.last_mut() {
            *last &= mask;
        }
    }

    /// One sign: -1 or +1.
    pub fn sign(&self, place: usize) -> i32 {
        if self.is_negative(place) { -1 } else { 1 }
    }

    /// Whether a sign is -1.
    pub fn is_negative(&self, place: usize) -> bool {
        assert!(place < self.dimension, "place {place} of {}", self.dimension);
        self.words[place / 64] >> (place % 64) & 1 == 1
    }

    /// MAP's and BSC's bind: the product of signs, which is its own inverse.
    pub fn bind(&self, other: &Bits) -> Bits {
        same(self.dimension, other.dimension);
        let words = self.words.iter().zip(&other.words).map(|(a, b)| a ^ b).collect();
        Bits { dimension: self.dimension, words }
    }

    /// What [`Bits::bind`] takes away again: the vector itself.
    pub fn inverse(&self) -> Bits {
        self.clone()
    }

    /// All signs turned.
    pub fn negative(&self) -> Bits {
        let mut bits = Bits { dimension: self.dimension, words: self.words.iter().map(|word| !word).collect() };
        bits.trim();
        bits
    }

    /// Shifted cyclically: place `i` goes to `i + shifts`. Negative numbers shift back.
    pub fn permute(&self, shifts: isize) -> Bits {
        let by = shifts.rem_euclid(self.dimension as isize) as usize;
        let mut out = Bits::identity(self.dimension);
        let zeros = vec![0; self.words.len()];
        words::permute(best(), &self.words, by, &zeros, self.dimension, &mut out.words);
        out
    }

    /// In how many places the two differ.
    pub fn hamming(&self, other: &Bits) -> u32 {
        same(self.dimension, other.dimension);
        words::different(best(), &self.words, &other.words)
    }

    /// The dot product of the signs, from -D to D.
    pub fn dot(&self, other: &Bits) -> i64 {
        self.dimension as i64 - 2 * self.hamming(other) as i64
    }

    /// The cosine: 1 for the same, about 0 for unrelated ones.
    pub fn similarity(&self, other: &Bits) -> f64 {
        self.dot(other) as f64 / self.dimension as f64
    }

    /// The signs of `self` in the first `count` places, those of `other` in the rest.
    pub fn spliced(&self, other: &Bits, count: usize) -> Bits {
        same(self.dimension, other.dimension);
        assert!(count <= self.dimension, "{count} of {}", self.dimension);
        let mut words = other.words.clone();
        let (whole, part) = (count / 64, count % 64);
        words[..whole].copy_from_slice(&self.words[..whole]);
        if part > 0 {
            let mask = (1 << part) - 1;
            words[whole] = words[whole] & !mask | self.words[whole] & mask;
        }
        Bits { dimension: self.dimension, words }
    }
}

/// Vectors of different lengths have nothing to do with each other: mixing them is a mistake of the caller's.
pub(super) fn same(a: usize, b: usize) {
    assert_eq!(a, b, "vectors of different dimensions");
}
