//! Keys and values of the past: in floats, or as sign planes that the kernel looks up.
//!
//! Sign planes take a quarter of the memory and a fifth of the time. A key or a value `x` of one head becomes
//!
//! ```text
//! x ~ r * sum over b of 2^-b sign[b]        r: a sum of three powers of two, from the mean of |x|
//! ```
//!
//! Scores are the product of the keys, `(position, element)`, with the query; `r` scales a row. The answer is the product
//! of the values, `(element, position)`, with the probabilities; `r` scales a column. Both are matrices like any other.
//! Keys and queries are rotated first, which spreads a key's few large elements; values come rotated from the weights.

use alloc::vec::Vec;
use core::ops::Range;

use crate::{
    Result,
    address::{rows, times},
    config::ModelConfig,
    hadamard::Hadamard,
    kernel::{self, Columns, Need, Planes, Precision, Scales, Worker},
    plane::{BLOCK_COLUMNS, Layout, TILE_ROWS, VECTOR_COLUMNS},
    scale::Scale,
    shift::factor::Factor,
    stream::{no_memory, zeroed},
    team::{Crew, split},
};

/// Planes of keys. A score is an exponent: its error counts more than that of what is mixed.
pub const KEY_PLANES: usize = 8;
/// Planes of values.
pub const VALUE_PLANES: usize = 7;
/// With ten bits, the tables' error alone costs 0.4 % of perplexity on SmolLM2.
const PRECISION: Precision = Precision::ELEVEN;
/// The largest number of `planes` planes that a scale of one stands for is nearly two; what fits numbers of a normal
/// distribution best, in units of their mean magnitude: the optimal uniform quantisers (Max, 1960), times 1.2533.
const SPREAD: [f32; 9] = [0.0, 1.0, 1.25, 1.47, 1.68, 1.89, 2.09, 2.28, 2.47];
/// The transform of keys and queries needs no secret, only signs that are not all the same.
const SEED: u64 = 0x6b65_7973;
/// What errors call them.
const WHAT: &str = "the keys and values of the context";

/// Keys and values of one block in floats: `(position, key_value_size)` each, a row for each position so far.
#[derive(Default)]
pub struct FloatCache {
    pub(crate) keys: Vec<f32>,
    pub(crate) values: Vec<f32>,
}

impl FloatCache {
    /// Room for `context` positions, taken now.
    pub fn new(config: &ModelConfig, context: usize) -> Result<FloatCache> {
        let room = || -> Result<Vec<f32>> {
            let mut floats = Vec::new();
            let count = context * config.key_value_size();
            floats.try_reserve_exact(count).map_err(|_| no_memory(4 * count, WHAT))?;
            Ok(floats)
        };
        Ok(FloatCache { keys: room()?, values: room()? })
    }

    /// Adds rows of `size` elements from `position` on; what was there is forgotten.
    pub(crate) fn extend(&mut self, position: usize, key: &[f32], value: &[f32], size: usize) {
        for (kept, new) in [(&mut self.keys, key), (&mut self.values, value)] {
            kept.truncate(position * size);
            kept.extend_from_slice(new);
        }
    }
}

/// Keys and values of one block in sign planes, for each key and value head.
pub struct PlaneCache {
    pub(crate) heads: Vec<HeadCache>,
}

impl PlaneCache {
    /// Room for `context` positions, taken now.
    pub fn new(config: &ModelConfig, context: usize) -> Result<PlaneCache> {
        let heads = (0..config.num_key_value_heads).map(|_| HeadCache::new(config.head_dim, context));
        Ok(PlaneCache { heads: heads.collect::<Result<_>>()? })
    }

    /// Keys and values of a head.
    pub(crate) fn head(&self, index: usize) -> &HeadCache {
        &self.heads[index]
    }

    /// Sets rows of keys (rotated) and values, from `position` on.
    pub(crate) fn extend(&mut self, position: usize, key: &[f32], value: &[f32], crew: Crew<'_>) {
        let heads = self.heads.len();
        split(crew, &mut self.heads, 1, |first, part| {
            let length = part[0].length;
            let start = times(first, length);
            let all = rows(key, times(heads, length)).zip(rows(value, times(heads, length)));
            for (position, (key, value)) in (position..).zip(all) {
                let (keys, values) = (rows(&key[start..], length), rows(&value[start..], length));
                for (head, (key, value)) in part.iter_mut().zip(keys.zip(values)) {
                    head.set(position, key, value);
                }
            }
        });
    }
}

/// Keys and values of one head in sign planes.
pub struct HeadCache {
    length: usize,
    key_spread: Factor,
    value_spread: Factor,
    key_layout: Layout,
    keys: Vec<u8>,
    key_scales: Scales,
    value_layout: Layout,
    values: Vec<u8>,
    value_scales: Scales,
}

impl HeadCache {
    fn new(length: usize, context: usize) -> Result<HeadCache> {
        let context = context.div_ceil(BLOCK_COLUMNS) * BLOCK_COLUMNS;
        let key_layout = Layout::new(context, length, KEY_PLANES);
        let value_layout = Layout::new(length, context, VALUE_PLANES);
        let signs = |layout: Layout| zeroed(layout.bytes().unwrap_or(usize::MAX), WHAT);
        Ok(HeadCache {
            length,
            key_spread: spread(KEY_PLANES, length),
            value_spread: spread(VALUE_PLANES, length),
            key_layout,
            keys: signs(key_layout)?,
            key_scales: Scales::zeros(context),
            value_layout,
            values: signs(value_layout)?,
            value_scales: Scales::zeros(context),
        })
    }

    /// Has a worker take what scores and mixing over `context` positions need, for `heads` query heads.
    pub(crate) fn reserve(&self, heads: usize, context: usize, worker: &mut Worker) {
        let context = context.next_multiple_of(BLOCK_COLUMNS);
        let room = worker.scores.len().max(heads * context);
        worker.scores.resize(room, 0.0);
        let scores = Need { rows: context, columns: self.length, planes: KEY_PLANES, scaled: 1, tokens: heads };
        let mixed = Need { rows: self.length, columns: context, planes: VALUE_PLANES, scaled: 1, tokens: heads };
        worker.reserve(kernel::best(), scores);
        worker.reserve(kernel::best(), mixed);
    }

    /// Sets the key (rotated) and the value of a position.
    fn set(&mut self, position: usize, key: &[f32], value: &[f32]) {
        // A row of the keys: whole bytes. A column of the values: a bit of each row.
        let scale = signs(key, KEY_PLANES, self.key_spread, |plane, vector, byte| {
            self.keys[self.key_layout.place_of(plane, position, vector * VECTOR_COLUMNS).0] = byte;
        });
        self.key_scales.set(position, scale);
        let scale = signs(value, VALUE_PLANES, self.value_spread, |plane, vector, byte| {
            let elements = VECTOR_COLUMNS.min(self.length - vector * VECTOR_COLUMNS);
            let (first, bit) = self.value_layout.place_of(plane, vector * VECTOR_COLUMNS, position);
            // Eight rows of a tile lie two bytes apart.
            for element in 0..elements {
                let byte_of_row = &mut self.values[first + 2 * element];
                *byte_of_row = *byte_of_row & !(1 << bit) | (byte >> element & 1) << bit;
            }
        });
        self.value_scales.set(position, scale);
    }

    /// Elements of a key, and of a value.
    pub fn length(&self) -> usize {
        self.length
    }

    /// How many positions are looked at beside those of a range, to begin with a whole block, and how many in all.
    pub fn span(&self, past: &Range<usize>) -> (usize, usize) {
        let base = past.start / BLOCK_COLUMNS * BLOCK_COLUMNS;
        (past.start - base, past.end - base)
    }

    /// Scores of query heads `(head, length)`, turned and scaled: `(head, position)`, for as many positions as
    /// [`HeadCache::span`] says.
    pub fn scores(&self, queries: &[f32], past: &Range<usize>, scores: &mut [f32], worker: &mut Worker) {
        let (before, count) = self.span(past);
        let base = past.start - before;
        let keys = Planes {
            rows: count,
            columns: self.length,
            stored: KEY_PLANES,
            signs: &self.keys[times(base / (2 * TILE_ROWS), self.key_layout.pair_bytes())..],
            pair_stride: self.key_layout.pair_bytes(),
            columns_by: Columns::Halved { planes: KEY_PLANES, first: None },
            rows_by: Some(self.key_scales.from(base)),
            precision: PRECISION,
        };
        worker.product(kernel::best(), keys, queries, scores);
    }

    /// Values mixed by weights `(head, position)` of the positions that [`HeadCache::span`] says: `(head, length)`.
    pub fn mix(&self, weights: &[f32], past: &Range<usize>, mixed: &mut [f32], worker: &mut Worker) {
        let (before, count) = self.span(past);
        let base = past.start - before;
        let values = Planes {
            rows: self.length,
            columns: count,
            stored: VALUE_PLANES,
            signs: &self.values[times(base / BLOCK_COLUMNS, self.value_layout.block_bytes())..],
            pair_stride: self.value_layout.pair_bytes(),
            columns_by: Columns::Halved { planes: VALUE_PLANES, first: Some(self.value_scales.from(base)) },
            rows_by: None,
            precision: PRECISION,
        };
        worker.product(kernel::best(), values, weights, mixed);
    }
}

/// The transform of keys and queries of a head of `length` elements.
pub fn rotation(length: usize) -> Hadamard {
    Hadamard::new(length, SEED)
}

/// What a mean magnitude of `length` numbers, not yet divided by it, is multiplied by for the first of `planes` planes.
fn spread(planes: usize, length: usize) -> Factor {
    Factor::new(SPREAD[planes] / length as f32)
}

/// Half of a number, zero of what is almost zero.
fn half(x: f32) -> f32 {
    let bits = x.to_bits();
    if bits & 0x7f00_0000 == 0 { 0.0 } else { f32::from_bits(bits - (1 << 23)) }
}

/// Writes numbers as signs, greedily: each plane takes what the planes before left over. `write` gets a plane, the number
/// of eight elements, and their signs, a bit each.
fn signs(x: &[f32], planes: usize, spread: Factor, mut write: impl FnMut(usize, usize, u8)) -> Scale {
    let sum: f32 = x.iter().map(|x| x.abs()).sum();
    let scale = Scale::nearest(spread.times(sum));
    let first = scale.value();
    for (vector, x) in x.chunks(VECTOR_COLUMNS).enumerate() {
        let mut left = [0.0; VECTOR_COLUMNS];
        left[..x.len()].copy_from_slice(x);
        let mut step = first;
        for plane in 0..planes {
            let mut byte = 0;
            for (bit, left) in left.iter_mut().enumerate() {
                let positive = *left >= 0.0;
                byte |= u8::from(positive) << bit;
                *left += if positive { -step } else { step };
            }
            write(plane, vector, byte);
            step = half(step);
        }
    }
    scale
}

mod image;
#[cfg(test)]
mod tests;
