//! Norms, positions, attention and gates by shifts, look-ups and additions.
//!
//! Numbers stay in the form of single-precision floats, because such a number is its own shift register: adding to the
//! exponent field multiplies by a power of two, lane by lane. They are added, compared and taken apart into sign,
//! exponent and fraction; nothing here multiplies, divides or takes a root. Two means do the rest:
//!
//! - [`factor`]: multiplying by a number that many share, or that is known beforehand, as a sum of signed powers of two;
//! - [`logarithm`]: products, quotients and roots of numbers met once, as sums and shifts of logarithms from tables.
//!
//! Every number that is read is bounded first: magnitudes beyond 2^50 count as 2^50, those under 2^-50 as zero. So nothing
//! overflows and nothing is ever not a number, whatever comes in.

pub mod attention;
pub mod factor;
pub mod gate;
pub mod gelu;
pub mod logarithm;
pub mod norm;
pub mod rope;
pub mod unit;

use core::ops::Range;

use crate::{
    Result,
    arithmetic::{Arithmetic, Norm},
    cache::PlaneCache,
    config::ModelConfig,
    encoder,
    hadamard::Hadamard,
    kernel::Worker,
    team::Crew,
};
use attention::Attention;
use factor::{Factor, Factors};
use gate::Gates;
use gelu::Gelu;
use logarithm::Logarithms;
use norm::{LayerNorm, RmsNorm};
use rope::Rope;

/// The magnitude above which numbers are bounded.
pub const LARGEST: f32 = (1u64 << 50) as f32;
/// The magnitude below which numbers are zero.
pub const SMALLEST: f32 = 1.0 / (1u64 << 50) as f32;

/// The arithmetic of models in planes.
pub struct ShiftAdd {
    logarithms: Logarithms,
    gates: Gates,
    gelu: Gelu,
    stream: RmsNorm,
    layer: LayerNorm,
    head: RmsNorm,
    rope: Rope,
    attention: Attention,
    /// Divides by the order of the stream's transform.
    shrink: Factor,
}

impl Arithmetic for ShiftAdd {
    type Gain = Factors;
    type Cache = PlaneCache;

    fn new(config: &ModelConfig) -> ShiftAdd {
        let logarithms = Logarithms::new();
        // An encoder's tokens all meet the same keys, and do so a few at once.
        let sharing = match config.encoder {
            Some(_) => encoder::TOGETHER,
            None => config.num_attention_heads / config.num_key_value_heads,
        };
        let order = config.rotations().residual.map_or(1, |seed| Hadamard::new(config.hidden_size, seed).order());
        ShiftAdd {
            gates: Gates::new(),
            gelu: Gelu::new(),
            stream: RmsNorm::new(config.hidden_size, config.rms_norm_eps),
            layer: LayerNorm::new(config.hidden_size, config.rms_norm_eps),
            head: RmsNorm::new(config.head_dim, config.rms_norm_eps),
            rope: Rope::new(config),
            attention: Attention::new(config.head_dim, sharing),
            shrink: Factor::new(1.0 / order as f32),
            logarithms,
        }
    }

    fn gain(gains: &[f32]) -> Factors {
        Factors::new(gains)
    }

    fn cache(&self, config: &ModelConfig, context: usize) -> Result<PlaneCache> {
        PlaneCache::new(config, context)
    }

    fn norm(&self, norm: Norm, x: &[f32], gain: Option<&Factors>, out: &mut [f32]) {
        let norm = if norm == Norm::Stream { &self.stream } else { &self.head };
        norm.apply(&self.logarithms, x, out);
        if let Some(gain) = gain {
            gain.scale(out);
        }
    }

    fn layer_norm(&self, x: &mut [f32], gain: &Factors, bias: &[f32]) {
        self.layer.apply(&self.logarithms, x);
        gain.scale(x);
        x.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
    }

    fn amplify(&self, x: &mut [f32], gain: &Factors) {
        gain.scale(x);
    }

    fn shrink(&self, x: &mut [f32]) {
        self.shrink.scale(x);
    }

    fn prepare(&mut self, positions: Range<usize>) {
        self.rope.prepare(positions);
    }

    fn rotate(&self, x: &mut [f32], length: usize) {
        self.rope.rotate(x, length);
    }

    fn turn_queries(&self, queries: &mut [f32]) {
        self.attention.turn_queries(queries);
    }

    fn turn_keys(&self, keys: &mut [f32]) {
        self.attention.turn_keys(keys);
    }

    fn remember(&self, cache: &mut PlaneCache, position: usize, key: &[f32], value: &[f32], crew: Crew<'_>) {
        cache.extend(position, key, value, crew);
    }

    fn attend(
        &self,
        cache: &PlaneCache,
        index: usize,
        queries: &[f32],
        past: Range<usize>,
        mixed: &mut [f32],
        worker: &mut Worker,
    ) {
        self.attention.attend(&self.logarithms, cache.head(index), queries, past, mixed, worker);
    }

    fn reserve(&self, cache: &PlaneCache, context: usize, worker: &mut Worker) {
        cache.head(0).reserve(self.attention.sharing(), context, worker);
    }

    fn gate(&self, gate: &mut [f32], up: &[f32]) {
        self.gates.apply(&self.logarithms, gate, up);
    }

    fn gelu(&self, x: &mut [f32]) {
        self.gelu.apply(x);
    }

    fn unit(&self, x: &mut [f32]) {
        unit::unit(x);
    }
}

/// The sum of a term of each number, in four lanes that are added pairwise at the end: no addition waits for the one before.
fn sum(x: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let (fours, rest) = x.as_chunks::<4>();
    let mut sums = [0.0f32; 4];
    for four in fours {
        for (sum, x) in sums.iter_mut().zip(four) {
            *sum += term(*x);
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *sum += term(*x);
    }
    (sums[0] + sums[2]) + (sums[1] + sums[3])
}
