//! Vectors of -1, 0 and +1, two bits each.

use super::{Bits, bits::same, sums::cosine, words};
use crate::{Result, bail, kernel::best};

/// A vector of D numbers -1, 0 and +1: a bundle whose undecided places are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ternary {
    negative: Bits,
    used: Bits,
}

impl Ternary {
    /// From the set of places that are negative and the set of those that are not zero.
    pub fn new(negative: Bits, used: Bits) -> Result<Ternary> {
        if negative.dimension() != used.dimension() {
            bail!(Shape, "{} negative places, {} used ones", negative.dimension(), used.dimension());
        }
        if negative.words().iter().zip(used.words()).any(|(negative, used)| negative & !used != 0) {
            bail!(Format, "a place is negative and zero");
        }
        Ok(Ternary { negative, used })
    }

    pub(super) fn from_parts(negative: Bits, used: Bits) -> Ternary {
        Ternary { negative, used }
    }

    /// D.
    pub fn dimension(&self) -> usize {
        self.used.dimension()
    }

    /// Set where the number is -1.
    pub fn negative(&self) -> &Bits {
        &self.negative
    }

    /// Set where the number is not 0.
    pub fn used(&self) -> &Bits {
        &self.used
    }

    /// One number.
    pub fn value(&self, place: usize) -> i32 {
        if self.used.is_negative(place) { self.negative.sign(place) } else { 0 }
    }

    /// The dot product, by population counts.
    pub fn dot(&self, other: &Ternary) -> i64 {
        same(self.dimension(), other.dimension());
        let both = |a: &Bits, b: &Bits| words::common(best(), a.words(), b.words()) as i64;
        // Places that both use, less twice those of them where one alone is negative.
        let negatives = both(&self.negative, &other.used) + both(&self.used, &other.negative)
            - 2 * both(&self.negative, &other.negative);
        both(&self.used, &other.used) - 2 * negatives
    }

    /// The cosine; 0 where one of the two is all zeros.
    pub fn similarity(&self, other: &Ternary) -> f64 {
        cosine(self.dot(other), self.dot(self), other.dot(other))
    }
}
