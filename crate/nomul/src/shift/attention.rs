//! Attention over keys and values in sign planes.
//!
//! ```text
//! score[p]  = log2(e) / sqrt(head_dim) * query · key[p]          the kernel's product with the past's keys
//! weight[p] = 2^(score[p] - largest score)                       a table, and an addition to the exponent
//! mixed     = (sum of weight[p] value[p]) * 2^-log2(sum of weight[p])
//! ```
//!
//! This is softmax in base two; the constant before the scores is folded into the query. A weight is within 2^-11 ln 2 of
//! the exact one, and one under 2^-63 of the largest counts as that.

use core::ops::Range;

use super::{
    factor::Factor,
    logarithm::{Logarithms, fixed},
    sum,
};
use crate::{
    address::{divide, rows, rows_mut, times},
    cache::{HeadCache, rotation},
    hadamard::Hadamard,
    kernel::Worker,
};

/// What attention knows beforehand.
pub struct Attention {
    /// Spreads keys' few large elements; queries turn along.
    keys: Hadamard,
    /// The transform multiplies queries and keys by a root of its order each; then the constant before the scores.
    scale: Factor,
    /// Queries that meet a key and value head at once, at most.
    sharing: usize,
}

impl Attention {
    /// For heads of `head_dim` elements; `sharing` queries at most meet a key and value head at once.
    pub fn new(head_dim: usize, sharing: usize) -> Attention {
        let keys = rotation(head_dim);
        let scale = core::f64::consts::LOG2_E / (keys.order() as f64 * libm::sqrt(head_dim as f64));
        Attention { keys, scale: Factor::new(scale as f32), sharing }
    }

    /// Queries that meet a key and value head at once, at most.
    pub fn sharing(&self) -> usize {
        self.sharing
    }

    /// Brings query heads into the form in which they meet keys.
    pub fn turn_queries(&self, queries: &mut [f32]) {
        self.keys.forward_rows(queries);
        self.scale.scale(queries);
    }

    /// Brings key heads into the form in which they are kept.
    pub fn turn_keys(&self, keys: &mut [f32]) {
        self.keys.forward_rows(keys);
    }

    /// Some queries of a key and value head over the positions of a range: `mixed` becomes `(query, head_dim)` like them.
    pub fn attend(
        &self,
        tables: &Logarithms,
        head: &HeadCache,
        queries: &[f32],
        past: Range<usize>,
        mixed: &mut [f32],
        worker: &mut Worker,
    ) {
        let mut room = core::mem::take(&mut worker.scores);
        let (before, count) = head.span(&past);
        let scores = &mut room[..times(divide(queries.len(), head.length()), count)];
        head.scores(queries, &past, scores, worker);
        for scores in rows_mut(scores, count) {
            // Positions that only fill up a block weigh nothing.
            scores[..before].fill(0.0);
            weigh(tables, &mut scores[before..]);
        }
        head.mix(scores, &past, mixed, worker);
        for (weights, mixed) in rows(scores, count).zip(rows_mut(mixed, head.length())) {
            Factor::new(tables.exp2(-tables.log2(sum(&weights[before..], |weight| weight)))).scale(mixed);
        }
        worker.scores = room;
    }
}

/// Scores become weights: `2^(score - largest)`.
fn weigh(tables: &Logarithms, scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::MIN, f32::max);
    for score in scores {
        *score = tables.exp2(fixed(*score - largest));
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::float::softmax;

    #[test]
    fn weights_are_those_of_softmax() {
        let tables = Logarithms::new();
        for count in [1usize, 2, 3, 4, 63, 64, 257] {
            for spread in [0.0f32, 1e-20, 0.5, 12.0, 300.0, 1e12] {
                let scores: Vec<f32> =
                    (0..count).map(|i| ((i * 7919) % 2003) as f32 / 1001.0 * spread - spread).collect();
                let mut exact: Vec<f32> = scores.iter().map(|x| x * core::f32::consts::LN_2).collect();
                softmax(&mut exact);
                let mut weights = scores;
                weigh(&tables, &mut weights);
                let mut reciprocal = [1.0];
                Factor::new(tables.exp2(-tables.log2(sum(&weights, |weight| weight)))).scale(&mut reciprocal);
                for (weight, exact) in weights.iter().zip(&exact) {
                    let weight = weight * reciprocal[0];
                    assert!((weight - exact).abs() <= 0.003 * exact.abs() + 1e-17, "{weight}, not {exact}");
                }
            }
        }
    }
}
