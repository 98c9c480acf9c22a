//! A block read on, token by token, by several texts side by side.

use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};
use nomul::{Result, float::softmax_on_best};
use rayon::prelude::*;

use super::{Block, rows_of};
use crate::fit::zeros;

/// What a block keeps of one text: keys at their positions and values, (tokens, key_value_size) both.
pub struct Past {
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl Past {
    /// Room for `tokens` tokens. Errors: [`nomul::Code::Capacity`].
    pub fn new(block: &Block, tokens: usize) -> Result<Past> {
        let size = block.config.key_value_size();
        let room = || zeros::<f32>(tokens, size, "keys and values");
        Ok(Past { keys: room()?, values: room()? })
    }
}

impl Block<'_> {
    /// The streams of the tokens at `place` after the block, given those before it: one of each text, `(texts, hidden_size)`. What
    /// came at earlier places is in `past`, a text each.
    pub fn next(&self, x: &[f32], place: usize, past: &mut [Past]) -> Vec<f32> {
        let heads = self.heads(&self.normed_stream(x), |_| place);
        let (queries, keys) = (self.config.query_size(), self.config.key_value_size());
        let own = heads.query.par_chunks(queries).zip(heads.key.par_chunks(keys)).zip(heads.value.par_chunks(keys));
        let mut mixed = vec![0.0; heads.query.len()];
        mixed.par_chunks_mut(queries).zip(own).zip(past).for_each(|((mixed, ((query, key), value)), past)| {
            past.keys[place * keys..][..keys].copy_from_slice(key);
            past.values[place * keys..][..keys].copy_from_slice(value);
            self.attend_to(past, query, place, mixed);
        });
        let middle = self.middle(x, &mixed);
        self.out(&middle, &self.gates(&middle).gated)
    }

    /// What one token takes from the text up to it: `(query_size)`.
    fn attend_to(&self, past: &Past, query: &[f32], place: usize, mixed: &mut [f32]) {
        let (length, keys) = (self.config.head_dim, self.config.key_value_size());
        let sharing = self.config.num_attention_heads / self.config.num_key_value_heads;
        let first = self.config.sliding_window.map_or(0, |window| (place + 1).saturating_sub(window));
        let seen = place + 1 - first;
        let heads = query.chunks_exact(sharing * length).zip(mixed.chunks_exact_mut(sharing * length));
        for (shared, (query, mixed)) in heads.enumerate() {
            let of = |data: &'_ [f32]| first * keys + shared * length..data.len();
            let rows = |data| MatRef::from_row_major_slice_with_stride(data, seen, length, keys);
            let mut scores = vec![0.0f32; sharing * seen];
            matmul(
                MatMut::from_row_major_slice_mut(&mut scores, sharing, seen),
                Accum::Replace,
                rows_of(query, length),
                rows(&past.keys[of(&past.keys)]).transpose(),
                1.0 / (length as f32).sqrt(),
                Par::Seq,
            );
            scores.chunks_exact_mut(seen).for_each(softmax_on_best);
            matmul(
                MatMut::from_row_major_slice_mut(mixed, sharing, length),
                Accum::Replace,
                rows_of(&scores, seen),
                rows(&past.values[of(&past.values)]),
                1.0,
                Par::Seq,
            );
        }
    }
}
