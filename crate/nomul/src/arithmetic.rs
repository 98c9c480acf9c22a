//! What a block does beside its matrices: norms, positions, attention, gates.
//!
//! The forward pass is written once over this trait. [`crate::shift::ShiftAdd`] does it by shifts, look-ups and
//! additions and is what runs a model in planes; [`crate::float::Float`] does it in plain float mathematics, runs
//! checkpoints, and is the twin that the other is measured against.

use core::ops::Range;

use crate::{Result, config::ModelConfig, kernel::Worker, team::Crew};

/// The length that a norm runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// `hidden_size`.
    Stream,
    /// `head_dim`.
    Head,
}

/// See the module's text. Rows of several tokens lie one after the other.
pub trait Arithmetic: Sized + Sync {
    /// A vector to multiply element by element, in the form that this is done in.
    type Gain: Sync;
    /// Keys and values of one block's past.
    type Cache: Sync;

    /// For a configuration, with what depends on it alone computed beforehand.
    fn new(config: &ModelConfig) -> Self;

    /// The gains of a norm in this arithmetic's form.
    fn gain(gains: &[f32]) -> Self::Gain;

    /// Room for the keys and values of `context` positions, taken now.
    fn cache(&self, config: &ModelConfig, context: usize) -> Result<Self::Cache>;

    /// `out = x / sqrt(mean(x²) + eps)`, times `gain` if there is one. (Zhang and Sennrich, arXiv 1910.07467.)
    fn norm(&self, norm: Norm, x: &[f32], gain: Option<&Self::Gain>, out: &mut [f32]);

    /// An encoder's norm of the stream: `x = (x - mean(x)) / sqrt(variance(x) + eps) * gain + bias`. (Ba, Kiros and Hinton,
    /// arXiv 1607.06450.)
    fn layer_norm(&self, x: &mut [f32], gain: &Self::Gain, bias: &[f32]);

    /// `x *= gain`, element by element.
    fn amplify(&self, x: &mut [f32], gain: &Self::Gain);

    /// Divides the stream by the order of its transform, which a round trip through the transform multiplies by.
    fn shrink(&self, x: &mut [f32]);

    /// Prepares the turns of some positions; every layer of a token asks for the same ones.
    fn prepare(&mut self, positions: Range<usize>);

    /// Rotary position embedding (Su et al., arXiv 2104.09864) in Hugging Face's order: element `i` of a head is paired
    /// with element `i + head_dim / 2`. The rows of `x`, `length` elements each, are at the prepared positions.
    fn rotate(&self, x: &mut [f32], length: usize);

    /// Brings query heads, whole ones, into the form in which they meet keys.
    fn turn_queries(&self, _: &mut [f32]) {}

    /// Brings key heads, whole ones, into the form in which they are kept.
    fn turn_keys(&self, _: &mut [f32]) {}

    /// Adds rows of keys (turned) and values of the positions from `position` on to the past. What was there is forgotten.
    fn remember(&self, cache: &mut Self::Cache, position: usize, key: &[f32], value: &[f32], crew: Crew<'_>);

    /// The query heads (turned) that share the key and value head `index` over the positions `past`: `mixed` becomes
    /// `(head, head_dim)` like `queries`.
    fn attend(
        &self,
        cache: &Self::Cache,
        index: usize,
        queries: &[f32],
        past: Range<usize>,
        mixed: &mut [f32],
        worker: &mut Worker,
    );

    /// Has a worker take the memory that attention over `context` positions will need.
    fn reserve(&self, cache: &Self::Cache, context: usize, worker: &mut Worker);

    /// `gate = silu(gate) * up`, where `silu(x) = x / (1 + e^-x)`. (Shazeer, arXiv 2002.05202.)
    fn gate(&self, gate: &mut [f32], up: &[f32]);

    /// `x = x P(N < x)` for `N` of a normal distribution. (Hendrycks and Gimpel, arXiv 1606.08415.)
    fn gelu(&self, x: &mut [f32]);

    /// Divides a vector by its length; one of zeros stays as it is.
    fn unit(&self, x: &mut [f32]);
}
