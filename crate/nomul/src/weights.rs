//! What the forward pass asks of weights, and nothing about how they are kept.
//!
//! The runtime answers with sign planes ([`crate::model::PlaneWeights`]); the quantiser and the full-precision
//! reference answer with floats. Both run the same [`crate::forward`].

use alloc::{format, string::String};

use crate::{
    arithmetic::Arithmetic,
    config::{Architecture, ModelConfig},
};

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
    /// The positions of an encoder, longest text by hidden. The row of the first token type is added to each, since a text
    /// on its own has no other.
    Position,
}

impl Kind {
    /// The matrices of a decoder's block, in the order in which the forward pass uses them.
    pub const BLOCK: [Kind; 7] = [Kind::Query, Kind::Key, Kind::Value, Kind::Output, Kind::Gate, Kind::Up, Kind::Down];

    /// Those of an encoder's block.
    pub const ENCODER_BLOCK: [Kind; 6] = [Kind::Query, Kind::Key, Kind::Value, Kind::Output, Kind::Up, Kind::Down];

    /// The matrices of a block of this family.
    pub fn of_block(architecture: Architecture) -> &'static [Kind] {
        if architecture == Architecture::Bert { &Kind::ENCODER_BLOCK } else { &Kind::BLOCK }
    }

    /// True for what is no part of a block: its rows are looked up (the head's are scored).
    pub fn is_table(self) -> bool {
        matches!(self, Kind::Embedding | Kind::Head | Kind::Position)
    }

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
            Kind::Position => "positions",
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
            Kind::Position => (config.max_position_embeddings, hidden),
        }
    }

    /// Rows that are read for a token: all, but one of a table that is no head.
    pub fn rows_read(self, config: &ModelConfig) -> usize {
        match self {
            Kind::Position => 1,
            Kind::Embedding if !config.tie_word_embeddings => 1,
            _ => self.shape(config).0,
        }
    }
}

/// One matrix of the model. `layer` is 0 for tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MatrixId {
    /// The block.
    pub layer: usize,
    /// Which matrix of it.
    pub kind: Kind,
}

impl MatrixId {
    /// The matrix's name in a Hugging Face checkpoint, without `.weight` or `.bias`.
    pub fn name(self, architecture: Architecture) -> String {
        if architecture == Architecture::Bert {
            let part = match self.kind {
                Kind::Query => "attention.self.query",
                Kind::Key => "attention.self.key",
                Kind::Value => "attention.self.value",
                Kind::Output => "attention.output.dense",
                Kind::Up | Kind::Gate => "intermediate.dense",
                Kind::Down => "output.dense",
                Kind::Embedding | Kind::Head => return "embeddings.word_embeddings".into(),
                Kind::Position => return "embeddings.position_embeddings".into(),
            };
            return format!("encoder.layer.{}.{part}", self.layer);
        }
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
            Kind::Position => return "model.positions".into(),
        };
        format!("model.layers.{}.{part}", self.layer)
    }

    /// Every matrix of a model, in the order of the forward pass: tables, blocks, head (if it is its own).
    pub fn all(config: &ModelConfig) -> impl Iterator<Item = MatrixId> + use<> {
        let table = |kind| MatrixId { layer: 0, kind };
        let kinds = Kind::of_block(config.architecture);
        let blocks = (0..config.num_hidden_layers)
            .flat_map(move |layer| kinds.iter().map(move |&kind| MatrixId { layer, kind }));
        core::iter::once(table(Kind::Embedding))
            .chain(config.encoder.is_some().then_some(table(Kind::Position)))
            .chain(blocks)
            .chain((!config.tie_word_embeddings).then_some(table(Kind::Head)))
    }
}

/// The vectors of the model: gains of norms and biases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VectorId {
    /// Gain of a decoder's norm before attention, absent where it was folded into q, k and v; of an encoder's behind it.
    AttentionNorm(usize),
    /// Gain of a decoder's norm before the gated layer, absent where it was folded into gate and up; of an encoder's behind
    /// the feed-forward layer.
    FeedForwardNorm(usize),
    /// Gain of the norm of each query head (Qwen3).
    QueryNorm(usize),
    /// Gain of the norm of each key head (Qwen3).
    KeyNorm(usize),
    /// Bias of a matrix's output (q, k, v; in an encoder all of a block).
    Bias(MatrixId),
    /// Gain of the last norm.
    FinalNorm,
    /// Gain of an encoder's norm behind the tables.
    EmbeddingNorm,
    /// Bias of that norm.
    EmbeddingNormBias,
    /// Bias of an encoder's norm behind attention.
    AttentionNormBias(usize),
    /// Bias of an encoder's norm behind the feed-forward layer.
    FeedForwardNormBias(usize),
}

impl VectorId {
    /// The vector's name in a Hugging Face checkpoint.
    pub fn name(self, architecture: Architecture) -> String {
        let is_encoder = architecture == Architecture::Bert;
        match self {
            VectorId::AttentionNorm(layer) if is_encoder => {
                format!("encoder.layer.{layer}.attention.output.LayerNorm.weight")
            }
            VectorId::FeedForwardNorm(layer) if is_encoder => format!("encoder.layer.{layer}.output.LayerNorm.weight"),
            VectorId::AttentionNorm(layer) => format!("model.layers.{layer}.input_layernorm.weight"),
            VectorId::FeedForwardNorm(layer) => format!("model.layers.{layer}.post_attention_layernorm.weight"),
            VectorId::QueryNorm(layer) => format!("model.layers.{layer}.self_attn.q_norm.weight"),
            VectorId::KeyNorm(layer) => format!("model.layers.{layer}.self_attn.k_norm.weight"),
            VectorId::Bias(matrix) => format!("{}.bias", matrix.name(architecture)),
            VectorId::FinalNorm => "model.norm.weight".into(),
            VectorId::EmbeddingNorm => "embeddings.LayerNorm.weight".into(),
            VectorId::EmbeddingNormBias => "embeddings.LayerNorm.bias".into(),
            VectorId::AttentionNormBias(layer) => format!("encoder.layer.{layer}.attention.output.LayerNorm.bias"),
            VectorId::FeedForwardNormBias(layer) => format!("encoder.layer.{layer}.output.LayerNorm.bias"),
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

    /// True where quantising makes it a part of the matrices that follow. An encoder's norms stand before the residual
    /// addition as well, and stay.
    pub fn is_folded(self, architecture: Architecture) -> bool {
        architecture != Architecture::Bert && matches!(self, VectorId::AttentionNorm(_) | VectorId::FeedForwardNorm(_))
    }

    /// Every vector of a checkpoint of this configuration.
    pub fn all(config: &ModelConfig) -> impl Iterator<Item = VectorId> + use<> {
        let is_encoder = config.encoder.is_some();
        let (biases, head_norms) = (config.qkv_bias, config.qk_norm);
        let biased: &'static [Kind] = match (is_encoder, biases) {
            (true, _) => &Kind::ENCODER_BLOCK,
            (false, true) => &[Kind::Query, Kind::Key, Kind::Value],
            (false, false) => &[],
        };
        let of_layer = move |layer| {
            let norms = [VectorId::AttentionNorm(layer), VectorId::FeedForwardNorm(layer)];
            let norm_biases = [VectorId::AttentionNormBias(layer), VectorId::FeedForwardNormBias(layer)];
            let heads = [VectorId::QueryNorm(layer), VectorId::KeyNorm(layer)];
            norms
                .into_iter()
                .chain(norm_biases.into_iter().filter(move |_| is_encoder))
                .chain(heads.into_iter().filter(move |_| head_norms))
                .chain(biased.iter().map(move |&kind| VectorId::Bias(MatrixId { layer, kind })))
        };
        let ends: &'static [VectorId] =
            if is_encoder { &[VectorId::EmbeddingNorm, VectorId::EmbeddingNormBias] } else { &[VectorId::FinalNorm] };
        (0..config.num_hidden_layers).flat_map(of_layer).chain(ends.iter().copied())
    }
}

/// Weights, however they are kept.
pub trait Weights {
    /// What runs beside their products.
    type Arithmetic: Arithmetic;

    /// Writes a row of a table, [`Kind::Embedding`] or [`Kind::Position`], into `out` (`hidden_size`).
    fn row(&self, table: Kind, row: usize, out: &mut [f32]);

    /// `y[t] = W x[t]` for `tokens` inputs: `x` is `(tokens, inputs)`, `y` is `(tokens, outputs)`, both row after row.
    /// Asking for [`Kind::Head`] of a tied model gives the embedding table as head.
    fn product(&mut self, matrix: MatrixId, x: &[f32], tokens: usize, y: &mut [f32]);

    /// Takes the memory that products of a matrix with so many tokens need beside their operands. It is there already for
    /// [`crate::forward::CHUNK`] tokens, and one for the head.
    fn reserve(&mut self, _matrix: MatrixId, _tokens: usize) {}

    /// A bias of a matrix or of a norm, `None` where the model has none.
    fn bias(&self, bias: VectorId) -> Option<&[f32]>;

    /// The gain of a norm, `None` where the model has none.
    fn gain(&self, norm: VectorId) -> Option<&<Self::Arithmetic as Arithmetic>::Gain>;
}
