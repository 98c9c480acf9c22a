//! Sums of many sign vectors, kept as bit-sliced counters.

use alloc::{vec, vec::Vec};

use super::{Bits, Role, Sums, bits::same, words};
use crate::kernel::{
    best,
    bits::counters::{self, Ready, Terms},
};

/// Most of what a bundle can hold: weights added up. Counters then fit their type with room to spare.
pub const MAX_TOTAL: u32 = 1 << 30;

/// A weighted sum of sign vectors: `v[i] = sum of weight * x[i]`.
///
/// For each place a counter tells how much weight voted for -1. The counters lie in bit planes, so that adding a vector
/// is a ripple of ands and exclusive ors over whole words, a few instructions for 64 places. Nothing is ever rounded.
#[derive(Clone, Debug)]
pub struct Bundle {
    dimension: usize,
    /// All weights added up: `v[i] = total - 2 * counter[i]`.
    total: u32,
    /// The counters in planes of words, lowest first: `2^planes > total`.
    planes: Vec<u64>,
    scratch: Vec<u64>,
}

impl Bundle {
    /// The empty sum.
    pub fn new(dimension: usize) -> Bundle {
        let count = Bits::identity(dimension).words().len();
        Bundle { dimension, total: 0, planes: Vec::new(), scratch: vec![0; count] }
    }

    /// The empty sum again, with its memory kept.
    pub fn clear(&mut self) {
        self.total = 0;
        self.planes.clear();
    }

    /// D.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// All weights added up.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// Makes room for another `weight`.
    fn grow(&mut self, weight: u32) {
        let total = self.total.checked_add(weight).filter(|total| *total <= MAX_TOTAL);
        self.total = total.expect("a bundle holds weights of 2^30 together");
        let planes = (u32::BITS - self.total.leading_zeros()) as usize;
        self.planes.resize(planes * self.scratch.len(), 0);
    }

    /// Adds `weight * x`.
    ///
    /// # Panics
    /// When all weights together go over [`MAX_TOTAL`].
    pub fn add(&mut self, x: &Bits, weight: u32) {
        same(self.dimension, x.dimension());
        self.grow(weight);
        words::count_plain(best(), x.words(), weight, &mut self.planes, &mut self.scratch);
    }

    /// Adds every one of a list, in one go: faster than one after the other.
    pub fn add_all(&mut self, list: &[&Bits]) {
        list.iter().for_each(|x| same(self.dimension, x.dimension()));
        self.add_terms(list, 0);
    }

    /// Adds every one of a list `2^shift` times.
    pub(crate) fn add_shifted(&mut self, list: &[Bits], shift: u32) {
        list.iter().for_each(|x| same(self.dimension, x.dimension()));
        self.add_terms(list, shift);
    }

    /// Adds `a.bind(b)` for every pair of a list, in one go.
    pub fn add_products(&mut self, pairs: &[(&Bits, &Bits)]) {
        for (a, b) in pairs {
            same(self.dimension, a.dimension());
            same(self.dimension, b.dimension());
        }
        self.add_terms(pairs, 0);
    }

    fn add_terms<T: Terms + ?Sized>(&mut self, terms: &T, shift: u32) {
        let count = u32::try_from(terms.count()).ok().and_then(|count| count.checked_mul(1 << shift));
        self.grow(count.unwrap_or(u32::MAX));
        if terms.count() > 0 {
            let words = self.scratch.len();
            counters::count(best(), terms, words, &mut self.planes[shift as usize * words..]);
        }
    }

    /// Adds `weight * role.bind(x)` in one go.
    pub fn add_bound(&mut self, role: &Role, x: &Bits, weight: u32) {
        same(self.dimension, x.dimension());
        same(self.dimension, role.dimension());
        self.grow(weight);
        let (signs, shift) = role.parts();
        let (planes, scratch) = (&mut self.planes, &mut self.scratch);
        words::count_bound(best(), x.words(), shift, signs.words(), weight, self.dimension, planes, scratch);
    }

    /// Takes `weight * x` away, whether or not it was added: adds the negative. What was added is gone exactly, though
    /// its weight stays in [`Bundle::total`], twice.
    pub fn remove(&mut self, x: &Bits, weight: u32) {
        self.add(&x.negative(), weight);
    }

    /// `Mᵀ v`, exactly.
    pub fn unbind(&self, role: &Role) -> Bundle {
        same(self.dimension, role.dimension());
        let inverse = role.inverse();
        let (signs, shift) = inverse.parts();
        let count = self.scratch.len();
        let zeros = vec![0; count];
        let mut planes = vec![0; self.planes.len()];
        for (plane, out) in self.planes.chunks_exact(count).zip(planes.chunks_exact_mut(count)) {
            words::permute(best(), plane, shift, &zeros, self.dimension, out);
        }
        words::complement(best(), &mut planes, self.total, signs.words());
        Bundle { planes, scratch: zeros, ..*self }
    }

    /// The signs of the sum: the majority. Where it is a tie, those of `ties`.
    pub fn majority(&self, ties: &Bits) -> Bits {
        same(self.dimension, ties.dimension());
        let mut out = Bits::identity(self.dimension);
        self.majority_into(ties, &mut out);
        out
    }

    /// [`Bundle::majority`] into memory that is there already.
    pub fn majority_into(&self, ties: &Bits, out: &mut Bits) {
        same(self.dimension, ties.dimension());
        same(self.dimension, out.dimension());
        words::over_half(best(), &self.planes, self.total, ties.words(), out.words_mut());
    }

    /// The sum itself: `total - 2 * counter`, kept within 16 bits. See [`Sums`] for when that rounds.
    pub fn sums(&self) -> Sums {
        let total = self.total as i32;
        let limit = Sums::LIMIT as i32;
        let value = |counter: u32| (total - ((counter as i32) << 1)).clamp(-limit, limit) as i16;
        Sums::raw(self.counters().into_iter().map(value).collect())
    }

    /// The sum's counters.
    fn counters(&self) -> Vec<u32> {
        let mut counters = vec![0; self.dimension];
        if self.planes.is_empty() {
            return counters;
        }
        words::counters(best(), &self.planes, self.scratch.len(), &mut counters);
        counters
    }

    /// `<v, x>`: counted plane by plane, with no product.
    pub fn dot(&self, x: &Bits) -> i64 {
        self.against().dot(x)
    }

    /// For dot products with several vectors: what they share is worked out once.
    pub fn against(&self) -> Against<'_> {
        let ready = Ready::new(best(), &self.planes, self.scratch.len());
        // total * D: one product of two numbers, not of vectors.
        let sum = self.total as i64 * self.dimension as i64 - 2 * ready.sum() as i64;
        Against { bundle: self, ready, sum }
    }

    /// The bundle of whole numbers, so that they can be compared with many sign vectors by counting.
    pub fn from_sums(sums: &Sums) -> Bundle {
        // total - 2 c = v: c = (total - v) / 2 with a total that is over every |v|. Odd and even numbers do not share a
        // total, so everything is doubled.
        let total = 2 * sums.values().iter().map(|v| v.unsigned_abs() as u32).max().unwrap_or(0);
        let mut bundle = Bundle::new(sums.dimension());
        bundle.grow(total);
        let count = bundle.scratch.len();
        for (i, v) in sums.values().iter().enumerate() {
            let mut counter = ((total as i32 >> 1) - *v as i32) as u32;
            while counter != 0 {
                bundle.planes[counter.trailing_zeros() as usize * count + i / 64] |= 1 << (i % 64);
                counter &= counter - 1;
            }
        }
        bundle
    }
}

/// A bundle `v` that is compared with one vector after the other.
pub struct Against<'a> {
    bundle: &'a Bundle,
    ready: Ready<'a>,
    /// Of all its numbers.
    sum: i64,
}

impl Against<'_> {
    /// `<v, x>`
    pub fn dot(&self, x: &Bits) -> i64 {
        same(self.bundle.dimension, x.dimension());
        let (counted, set) = self.ready.counted(x.words());
        // x is -1 where it is set: <v, x> = sum(v) - 2 sum(v where it is set), and v = total - 2 c.
        let negative = self.bundle.total as i64 * set as i64 - 2 * counted as i64;
        self.sum - 2 * negative
    }
}

impl Terms for [&Bits] {
    const PAIRS: bool = false;
    fn count(&self) -> usize {
        self.len()
    }
    #[inline(always)]
    fn term(&self, term: usize) -> [&[u64]; 2] {
        [self[term].words(); 2]
    }
}

impl Terms for [Bits] {
    const PAIRS: bool = false;
    fn count(&self) -> usize {
        self.len()
    }
    #[inline(always)]
    fn term(&self, term: usize) -> [&[u64]; 2] {
        [self[term].words(); 2]
    }
}

impl Terms for [(&Bits, &Bits)] {
    const PAIRS: bool = true;
    fn count(&self) -> usize {
        self.len()
    }
    #[inline(always)]
    fn term(&self, term: usize) -> [&[u64]; 2] {
        [self[term].0.words(), self[term].1.words()]
    }
}
