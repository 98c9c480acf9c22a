//! The best few of many scores, in one pass.

use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::{Code, Error, Result};

/// A row with its score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scored {
    pub score: i64,
    pub key: u64,
    pub row: u32,
}

impl Scored {
    /// Best first: the larger score, and between equals the smaller key.
    pub fn order(&self, other: &Scored) -> Ordering {
        other.score.cmp(&self.score).then(self.key.cmp(&other.key))
    }
}

/// Keeps the best `wanted`. Up to twice as many are gathered before the worse half is dropped, which costs a constant
/// for each on average.
#[derive(Clone)]
pub struct Best {
    wanted: usize,
    kept: Vec<Scored>,
    /// The lowest score that can still matter.
    threshold: i64,
}

impl Best {
    pub fn new(wanted: usize) -> Result<Best> {
        let mut kept = Vec::new();
        let room = wanted.saturating_mul(2);
        kept.try_reserve_exact(room)
            .map_err(|_| Error::new(Code::Capacity, crate::format!("no memory for {wanted} neighbours")))?;
        Ok(Best { wanted, kept, threshold: i64::MIN })
    }

    /// How many are kept at the moment.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// A score below this does not get in.
    #[inline]
    pub fn threshold(&self) -> i64 {
        self.threshold
    }

    #[inline]
    pub fn offer(&mut self, scored: Scored) {
        if scored.score < self.threshold || self.wanted == 0 {
            return;
        }
        self.kept.push(scored);
        if self.kept.len() == 2 * self.wanted {
            self.drop_worse();
        }
    }

    fn drop_worse(&mut self) {
        if self.kept.len() > self.wanted {
            let (_, worst, _) = self.kept.select_nth_unstable_by(self.wanted - 1, Scored::order);
            self.threshold = worst.score;
            self.kept.truncate(self.wanted);
        }
    }

    /// The best ones, best first.
    pub fn finish(mut self) -> Vec<Scored> {
        if self.wanted > 0 {
            self.drop_worse();
        }
        self.kept.sort_unstable_by(Scored::order);
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_sorting_all(scores in prop::collection::vec(-20i64..20, 0..300), wanted in 0usize..40) {
            let all: Vec<Scored> = (0u32..).zip(&scores)
                .map(|(row, &score)| Scored { score, key: u64::from(row ^ 0x55), row })
                .collect();
            let mut best = Best::new(wanted).unwrap();
            all.iter().for_each(|scored| best.offer(*scored));
            let mut sorted = all;
            sorted.sort_by(Scored::order);
            sorted.truncate(wanted);
            prop_assert_eq!(best.finish(), sorted);
        }
    }
}
