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

use crate::{
    Result,
    config::ModelConfig,
    float::softmax,
    hadamard::Hadamard,
    kernel::{self, Columns, Planes, Precision, Scales},
    plane::{BLOCK_COLUMNS, Layout, TILE_ROWS, VECTOR_COLUMNS},
    scale::Scale,
    stream::{no_memory, zeroed},
    team::{Team, split},
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

/// How keys and values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheKind {
    /// As they are.
    Floats,
    /// In [`KEY_PLANES`] and [`VALUE_PLANES`] planes.
    Planes,
}

impl CacheKind {
    /// Planes for a model in planes, floats for a checkpoint.
    pub fn of(config: &ModelConfig) -> CacheKind {
        if config.quantization.is_some() { CacheKind::Planes } else { CacheKind::Floats }
    }
}

/// Keys and values of one block.
pub enum LayerCache {
    /// `(position, key_value_size)` each, a row for each position so far.
    Floats {
        /// Keys.
        keys: Vec<f32>,
        /// Values.
        values: Vec<f32>,
    },
    /// One for each key and value head.
    Planes(Vec<HeadCache>),
}

impl Default for LayerCache {
    fn default() -> Self {
        LayerCache::Floats { keys: Vec::new(), values: Vec::new() }
    }
}

impl LayerCache {
    /// Room for `context` positions, taken now.
    pub fn new(config: &ModelConfig, context: usize, kind: CacheKind) -> Result<LayerCache> {
        Ok(match kind {
            CacheKind::Planes => LayerCache::Planes(
                (0..config.num_key_value_heads)
                    .map(|_| HeadCache::new(config.head_dim, context))
                    .collect::<Result<_>>()?,
            ),
            CacheKind::Floats => {
                let room = || -> Result<Vec<f32>> {
                    let mut floats = Vec::new();
                    let count = context * config.key_value_size();
                    floats.try_reserve_exact(count).map_err(|_| no_memory(4 * count, WHAT))?;
                    Ok(floats)
                };
                LayerCache::Floats { keys: room()?, values: room()? }
            }
        })
    }

    /// Adds rows of keys and values, `key_value_size` each, of the positions from `position` on; what was there is
    /// forgotten.
    pub fn extend(&mut self, position: usize, key: &[f32], value: &[f32], size: usize, team: &dyn Team) {
        match self {
            LayerCache::Floats { keys, values } => {
                for (kept, new) in [(keys, key), (values, value)] {
                    kept.truncate(position * size);
                    kept.extend_from_slice(new);
                }
            }
            LayerCache::Planes(heads) => {
                let length = size / heads.len();
                split(team, heads, 1, |first, heads| {
                    let rows = key.chunks_exact(size).zip(value.chunks_exact(size));
                    for (position, (key, value)) in (position..).zip(rows) {
                        for (number, head) in (first..).zip(&mut *heads) {
                            let at = number * length..(number + 1) * length;
                            head.set(position, &key[at.clone()], &value[at]);
                        }
                    }
                });
            }
        }
    }
}

/// Keys and values of one head in sign planes.
pub struct HeadCache {
    length: usize,
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
            key_layout,
            keys: signs(key_layout)?,
            key_scales: Scales::zeros(context),
            value_layout,
            values: signs(value_layout)?,
            value_scales: Scales::zeros(context),
        })
    }

    /// Sets the key (rotated) and the value of a position.
    fn set(&mut self, position: usize, key: &[f32], value: &[f32]) {
        // A row of the keys: whole bytes. A column of the values: a bit of each row.
        let scale = signs(key, KEY_PLANES, |plane, vector, byte| {
            let (place, _) = self.key_layout.place_of(plane, position, vector * VECTOR_COLUMNS);
            self.keys[place] = byte;
        });
        self.key_scales.set(position, scale);
        let scale = signs(value, VALUE_PLANES, |plane, vector, byte| {
            for element in 0..VECTOR_COLUMNS.min(self.length - vector * VECTOR_COLUMNS) {
                let row = vector * VECTOR_COLUMNS + element;
                let (place, bit) = self.value_layout.place_of(plane, row, position);
                self.values[place] = self.values[place] & !(1 << bit) | (byte >> element & 1) << bit;
            }
        });
        self.value_scales.set(position, scale);
    }

    /// Several query heads `(head, length)`, rotated and scaled, over the positions of a range: `mixed` becomes
    /// `(head, length)`.
    pub fn attend(
        &self,
        queries: &[f32],
        positions: core::ops::Range<usize>,
        mixed: &mut [f32],
        worker: &mut kernel::Worker,
    ) {
        // From whole blocks of positions.
        let base = positions.start / BLOCK_COLUMNS * BLOCK_COLUMNS;
        let (before, count) = (positions.start - base, positions.end - base);
        let heads = queries.len() / self.length;
        let mut scores = core::mem::take(&mut worker.scores);
        scores.resize(heads * count, 0.0);
        let keys = Planes {
            rows: count,
            columns: self.length,
            stored: KEY_PLANES,
            signs: &self.keys[base / (2 * TILE_ROWS) * self.key_layout.pair_bytes()..],
            pair_stride: self.key_layout.pair_bytes(),
            columns_by: Columns::Halved { planes: KEY_PLANES, first: None },
            rows_by: Some(self.key_scales.from(base)),
            precision: PRECISION,
        };
        worker.product(kernel::best(), keys, queries, &mut scores);
        for scores in scores.chunks_exact_mut(count) {
            scores[..before].fill(0.0);
            softmax(&mut scores[before..]);
        }
        let values = Planes {
            rows: self.length,
            columns: count,
            stored: VALUE_PLANES,
            signs: &self.values[base / BLOCK_COLUMNS * self.value_layout.block_bytes()..],
            pair_stride: self.value_layout.pair_bytes(),
            columns_by: Columns::Halved { planes: VALUE_PLANES, first: Some(self.value_scales.from(base)) },
            rows_by: None,
            precision: PRECISION,
        };
        worker.product(kernel::best(), values, &scores, mixed);
        worker.scores = scores;
    }
}

/// The transform of keys and queries of a head of `length` elements.
pub fn rotation(length: usize) -> Hadamard {
    Hadamard::new(length, SEED)
}

/// Writes numbers as signs, greedily: each plane takes what the planes before left over. `write` gets a plane, the number
/// of eight elements, and their signs, a bit each.
fn signs(x: &[f32], planes: usize, mut write: impl FnMut(usize, usize, u8)) -> Scale {
    let sum: f32 = x.iter().map(|x| x.abs()).sum();
    let scale = Scale::nearest(sum * (SPREAD[planes] / x.len() as f32));
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
            step *= 0.5;
        }
    }
    scale
}

#[cfg(test)]
mod tests;
