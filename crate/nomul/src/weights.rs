//! What the forward pass asks of weights, and nothing about how they are kept.
//!
//! The runtime answers with sign planes ([`crate::model::PlaneWeights`]); the quantiser and the full-precision
//! reference answer with floats. Both run the same [`crate::forward`].

use alloc::{format, string::String};

use crate::{arithmetic::Arithmetic, config::ModelConfig};

/// The matrices of a block and the two ends of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Queries: hidden to query heads.
    Query,
    /// Keys: hidden to key heads.
    Key,
    /// Values: hidden to value heads.
    Value,
    /// Attention output: query heads to hidden.
    Output,
    /// Gate: hidden to intermediate.
    Gate,
    /// Up: hidden to intermediate.
    Up,
    /// Down: intermediate to hidden.
    Down,
    /// The embedding table, vocabulary by hidden.
    Embedding,
    /// The head, vocabulary by hidden. Where it is tied to the embedding, only the embedding exists.
    Head,
}

impl Kind {
    /// The matrices of a block, in the order in which the forward pass uses them.
    pub const BLOCK: [Kind; 7] = [Kind::Query, Kind::Key, Kind::Value, Kind::Output, Kind::Gate, Kind::Up, Kind::Down];

    /// A short name for people: `q`, `down`, `embedding`.
    pub fn short_name(self) -> &'static str {
        match self {
            Kind::Query => "q",
            Kind::Key => "k",
            Kind::Value => "v",
            Kind::Output => "o",
            Kind::Gate => "gate",
            Kind::Up => "up",
            Kind::Down => "down",
            Kind::Embedding => "embedding",
            Kind::Head => "head",
        }
    }

    /// (outputs, inputs) of the matrix.
    pub fn shape(self, config: &ModelConfig) -> (usize, usize) {
        let (hidden, middle) = (config.hidden_size, config.intermediate_size);
        match self {
            Kind::Query => (config.query_size(), hidden),
            Kind::Key | Kind::Value => (config.key_value_size(), hidden),
            Kind::Output => (hidden, config.query_size()),
            Kind::Gate | Kind::Up => (middle, hidden),
            Kind::Down => (hidden, middle),
            Kind::Embedding | Kind::Head => (config.vocab_size, hidden),
        }
    }
}

/// One matrix of the model. `layer` is 0 for the embedding and the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MatrixId {
    /// The block.
    pub layer: usize,
    /// Which matrix of it.
    pub kind: Kind,
}

impl MatrixId {
    /// The matrix's name in a Hugging Face checkpoint, without `.weight` or `.bias`.
    pub fn name(self) -> String {
        let part = match self.kind {
            Kind::Query => "self_attn.q_proj",
            Kind::Key => "self_attn.k_proj",
            Kind::Value => "self_attn.v_proj",
            Kind::Output => "self_attn.o_proj",
            Kind::Gate => "mlp.gate_proj",
            Kind::Up => "mlp.up_proj",
            Kind::Down => "mlp.down_proj",
            Kind::Embedding => return "model.embed_tokens".into(),
            Kind::Head => return "lm_head".into(),
        };
        format!("model.layers.{}.{part}", self.layer)
    }

    /// Every matrix of a model, in the order of the forward pass: embedding, blocks, head (if it is its own).
    pub fn all(config: &ModelConfig) -> impl Iterator<Item = MatrixId> + use<> {
        let tied = config.tie_word_embeddings;
        let blocks = (0..config.num_hidden_layers)
            .flat_map(|layer| Kind::BLOCK.into_iter().map(move |kind| MatrixId { layer, kind }));
        core::iter::once(MatrixId { layer: 0, kind: Kind::Embedding })
            .chain(blocks)
            .chain((!tied).then_some(MatrixId { layer: 0, kind: Kind::Head }))
    }
}

/// The vectors of the model: gains of norms and biases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VectorId {
    /// Gain of the norm before attention; absent where it was folded into q, k and v.
    AttentionNorm(usize),
    /// Gain of the norm before the gated layer; absent where it was folded into gate and up.
    FeedForwardNorm(usize),
    /// Gain of the norm of each query head (Qwen3).
    QueryNorm(usize),
    /// Gain of the norm of each key head (Qwen3).
    KeyNorm(usize),
    /// Bias of a matrix's output (q, k, v).
    Bias(MatrixId),
    /// Gain of the last norm.
    FinalNorm,
}

impl VectorId {
    /// The vector's name in a Hugging Face checkpoint.
    pub fn name(self) -> String {
        match self {
            VectorId::AttentionNorm(layer) => format!("model.layers.{layer}.input_layernorm.weight"),
            VectorId::FeedForwardNorm(layer) => format!("model.layers.{layer}.post_attention_layernorm.weight"),
            VectorId::QueryNorm(layer) => format!("model.layers.{layer}.self_attn.q_norm.weight"),
            VectorId::KeyNorm(layer) => format!("model.layers.{layer}.self_attn.k_norm.weight"),
            VectorId::Bias(matrix) => format!("{}.bias", matrix.name()),
            VectorId::FinalNorm => "model.norm.weight".into(),
        }
    }

    /// Its length.
    pub fn len(self, config: &ModelConfig) -> usize {
        match self {
            VectorId::QueryNorm(_) | VectorId::KeyNorm(_) => config.head_dim,
            VectorId::Bias(matrix) => matrix.kind.shape(config).0,
            _ => config.hidden_size,
        }
    }

    /// Every vector of a checkpoint of this configuration.
    pub fn all(config: &ModelConfig) -> impl Iterator<Item = VectorId> + use<> {
        let (biases, head_norms) = (config.qkv_bias, config.qk_norm);
        (0..config.num_hidden_layers)
            .flat_map(move |layer| {
                let bias = move |kind| VectorId::Bias(MatrixId { layer, kind });
                let norms = [VectorId::AttentionNorm(layer), VectorId::FeedForwardNorm(layer)];
                let heads = [VectorId::QueryNorm(layer), VectorId::KeyNorm(layer)];
                let biased = [Kind::Query, Kind::Key, Kind::Value].map(bias);
                norms
                    .into_iter()
                    .chain(heads.into_iter().filter(move |_| head_norms))
                    .chain(biased.into_iter().filter(move |_| biases))
            })
            .chain(core::iter::once(VectorId::FinalNorm))
    }
}

/// Weights, however they are kept.
pub trait Weights {
    /// What runs beside their products.
    type Arithmetic: Arithmetic;

    /// Writes the embedding of `token` into `out` (`hidden_size`).
    fn embed(&self, token: u32, out: &mut [f32]);

    /// `y[t] = W x[t]` for `tokens` inputs: `x` is `(tokens, inputs)`, `y` is `(tokens, outputs)`, both row after row.
    /// Asking for [`Kind::Head`] of a tied model gives the embedding table as head.
    fn product(&mut self, matrix: MatrixId, x: &[f32], tokens: usize, y: &mut [f32]);

    /// Takes the memory that products of a matrix with so many tokens need beside their operands. It is there already for
    /// [`crate::forward::CHUNK`] tokens, and one for the head.
    fn reserve(&mut self, _matrix: MatrixId, _tokens: usize) {}

    /// A bias, `None` where the matrix has none.
    fn bias(&self, matrix: MatrixId) -> Option<&[f32]>;

    /// The gain of a norm, `None` where the model has none.
    fn gain(&self, norm: VectorId) -> Option<&<Self::Arithmetic as Arithmetic>::Gain>;
}
