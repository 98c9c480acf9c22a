//! `config.json` as Hugging Face writes it, read into the numbers that the forward pass needs, every one checked.

use alloc::vec::Vec;
use serde_json::Value;

use crate::{Result, address::times, bail};

/// The families of models that can be run. All but [`Architecture::Bert`] are decoders with rotary embeddings, RMSNorm,
/// gated SiLU and grouped-query attention; they differ in biases, in norms on queries and keys, and in window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// Llama 1-3, TinyLlama, SmolLM.
    Llama,
    /// Mistral: Llama with an optional sliding window.
    Mistral,
    /// Qwen2: biases on q, k and v.
    Qwen2,
    /// Qwen3: RMSNorm on each head of q and k, no biases.
    Qwen3,
    /// BERT and the sentence encoders of its family: both directions, learned positions, LayerNorm behind each layer, GELU,
    /// biases everywhere. Run by [`crate::encoder`].
    Bert,
}

impl Architecture {
    /// The name in `architectures` of `config.json`.
    pub fn class_name(self) -> &'static str {
        match self {
            Architecture::Llama => "LlamaForCausalLM",
            Architecture::Mistral => "MistralForCausalLM",
            Architecture::Qwen2 => "Qwen2ForCausalLM",
            Architecture::Qwen3 => "Qwen3ForCausalLM",
            Architecture::Bert => "BertModel",
        }
    }
}

/// How rotary frequencies are stretched for long contexts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    /// Frequencies as trained.
    None,
    /// All frequencies divided by the factor.
    Linear {
        /// The divisor, at least 1.
        factor: f32,
    },
    /// Llama 3.1: long wavelengths divided by the factor, short ones kept, a ramp between.
    Llama3 {
        /// The divisor for long wavelengths.
        factor: f32,
        /// Wavelengths over `original / low_frequency_factor` are long.
        low_frequency_factor: f32,
        /// Wavelengths under `original / high_frequency_factor` are short.
        high_frequency_factor: f32,
        /// The context the model was trained with before stretching.
        original: f32,
    },
}

/// How an encoder makes one vector of the vectors of a text's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The first one, which is that of the token in front of the text.
    First,
}

/// What only sentence encoders have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoder {
    /// What becomes of the tokens' vectors.
    pub pooling: Pooling,
    /// Longer texts are cut to so many tokens, those around the text included.
    pub max_tokens: usize,
    /// Rows of the table of token types. A text on its own has the first type throughout.
    pub token_types: usize,
}

/// The orthogonal transforms that quantisation put between the checkpoint's matrices and the stored ones. `None`:
/// no transform. The number seeds the signs of the Hadamard transform (see [`crate::hadamard`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotations {
    /// The residual stream lives in this basis (length `hidden_size`). In an encoder, whose stream meets gains in its own
    /// basis, it is turned into this one before q, k, v and up, and o and down come out in it and are turned back.
    pub residual: Option<u64>,
    /// Each head of q and of k comes out of its matrix in this basis (length `head_dim`) and is turned back.
    pub query_key: Option<u64>,
    /// gate and up (of an encoder: up) come out in this basis (length `intermediate_size`) and are turned back.
    pub gate_up: Option<u64>,
    /// down takes its input in this basis (length `intermediate_size`).
    pub down: Option<u64>,
}

/// What quantisation wrote into `quantization_config`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantization {
    /// The transforms.
    pub rotations: Rotations,
}

/// The shape of a model. All sizes are positive and multiply without overflow.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// The family.
    pub architecture: Architecture,
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Length of the residual stream.
    pub hidden_size: usize,
    /// Length between gate/up and down.
    pub intermediate_size: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads; divides the query heads.
    pub num_key_value_heads: usize,
    /// Length of a head; even.
    pub head_dim: usize,
    /// The longest context the model was made for.
    pub max_position_embeddings: usize,
    /// Added to the mean square (of an encoder: to the variance) before the reciprocal root.
    pub rms_norm_eps: f32,
    /// Base of the rotary frequencies.
    pub rope_theta: f32,
    /// How they are stretched.
    pub rope_scaling: RopeScaling,
    /// Mistral: attention reaches back this far only.
    pub sliding_window: Option<usize>,
    /// q, k and v have biases.
    pub qkv_bias: bool,
    /// q and k are normalised head by head.
    pub qk_norm: bool,
    /// The head is the embedding table.
    pub tie_word_embeddings: bool,
    /// What only sentence encoders have; `None` for a decoder.
    pub encoder: Option<Encoder>,
    /// Tokens that end a text.
    pub eos_token_ids: Vec<u32>,
    /// Present in a model folder of ours, absent in a checkpoint.
    pub quantization: Option<Quantization>,
}

/// More than any model of today, and small enough that products of three sizes fit into 64 bits.
const LARGEST: u64 = 1 << 20;

impl ModelConfig {
    /// Reads `config.json`. Errors name the field.
    pub fn from_json(bytes: &[u8]) -> Result<ModelConfig> {
        let json: Value = match serde_json::from_slice(bytes) {
            Ok(Value::Object(map)) => Value::Object(map),
            Ok(_) => bail!(Format, "config.json: not an object"),
            Err(e) => bail!(Format, "config.json: {e}"),
        };
        let architecture = architecture(&json)?;
        let hidden_size = size(&json, "hidden_size", None)?;
        let num_attention_heads = size(&json, "num_attention_heads", None)?;
        let config = ModelConfig {
            architecture,
            vocab_size: size(&json, "vocab_size", None)?,
            hidden_size,
            intermediate_size: size(&json, "intermediate_size", None)?,
            num_hidden_layers: size(&json, "num_hidden_layers", None)?,
            num_attention_heads,
            num_key_value_heads: size(&json, "num_key_value_heads", Some(num_attention_heads))?,
            head_dim: size(&json, "head_dim", Some((hidden_size / num_attention_heads).max(1)))?,
            max_position_embeddings: match architecture {
                Architecture::Bert => size(&json, "max_position_embeddings", Some(512))?,
                _ => size(&json, "max_position_embeddings", Some(2048))?,
            },
            rms_norm_eps: match architecture {
                Architecture::Bert => number(&json, "layer_norm_eps", Some(1e-12))?,
                _ => number(&json, "rms_norm_eps", Some(1e-6))?,
            },
            rope_theta: rope_theta(&json)?,
            rope_scaling: rope_scaling(&json)?,
            sliding_window: sliding_window(&json, architecture)?,
            qkv_bias: match architecture {
                Architecture::Qwen2 | Architecture::Bert => true,
                _ => flag(&json, "attention_bias", false)?,
            },
            qk_norm: architecture == Architecture::Qwen3,
            // An encoder has no head: none of its own.
            tie_word_embeddings: match architecture {
                Architecture::Bert => true,
                _ => flag(&json, "tie_word_embeddings", false)?,
            },
            encoder: encoder(&json, architecture)?,
            eos_token_ids: token_ids(&json, "eos_token_id")?,
            quantization: quantization(&json)?,
        };
        config.check()?;
        Ok(config)
    }

    /// Length of all query heads together.
    pub fn query_size(&self) -> usize {
        times(self.num_attention_heads, self.head_dim)
    }

    /// Length of all key (or value) heads together.
    pub fn key_value_size(&self) -> usize {
        times(self.num_key_value_heads, self.head_dim)
    }

    /// The transforms, none for a checkpoint.
    pub fn rotations(&self) -> Rotations {
        self.quantization.unwrap_or_default().rotations
    }

    fn check(&self) -> Result<()> {
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            bail!(
                Value,
                "config.json: num_key_value_heads {} does not divide num_attention_heads {}",
                self.num_key_value_heads,
                self.num_attention_heads
            );
        }
        if let Some(Encoder { max_tokens, .. }) = self.encoder {
            if self.query_size() != self.hidden_size || self.num_key_value_heads != self.num_attention_heads {
                bail!(
                    Value,
                    "config.json: {} heads do not share out hidden_size {} evenly",
                    self.num_attention_heads,
                    self.hidden_size
                );
            }
            if max_tokens < 3 {
                bail!(
                    Value,
                    "config.json: max_seq_length {max_tokens} has no room for a token between the special ones"
                );
            }
        } else if !self.head_dim.is_multiple_of(2) {
            bail!(Value, "config.json: head_dim {} is odd, so it cannot be rotated in pairs", self.head_dim);
        }
        if !(self.rms_norm_eps >= 0.0 && self.rms_norm_eps < 1.0) {
            bail!(Value, "config.json: rms_norm_eps {} is not in 0..1", self.rms_norm_eps);
        }
        if self.rope_theta <= 1.0 {
            bail!(Value, "config.json: rope_theta {} is not over 1", self.rope_theta);
        }
        Ok(())
    }
}

fn architecture(json: &Value) -> Result<Architecture> {
    let all =
        [Architecture::Llama, Architecture::Mistral, Architecture::Qwen2, Architecture::Qwen3, Architecture::Bert];
    let Some(name) = json["architectures"][0].as_str() else {
        bail!(Missing, "config.json: no architectures");
    };
    match all.into_iter().find(|a| a.class_name() == name) {
        Some(architecture) => Ok(architecture),
        None => bail!(
            Unsupported,
            "config.json: architecture {name} is unknown; known are {}",
            all.map(Architecture::class_name).join(", ")
        ),
    }
}

fn size(json: &Value, field: &str, default: Option<usize>) -> Result<usize> {
    match (&json[field], default) {
        (Value::Null, Some(n)) => Ok(n),
        (Value::Null, None) => bail!(Missing, "config.json: no {field}"),
        (value, _) => match value.as_u64() {
            Some(n) if n > 0 && (n < LARGEST || field == "max_position_embeddings") => Ok(n.min(LARGEST) as usize),
            _ => bail!(Value, "config.json: {field} is {value}, not a whole number in 1..{LARGEST}"),
        },
    }
}

fn number(json: &Value, field: &str, default: Option<f32>) -> Result<f32> {
    match (&json[field], default) {
        (Value::Null, Some(x)) => Ok(x),
        (Value::Null, None) => bail!(Missing, "config.json: no {field}"),
        (value, _) => match value.as_f64() {
            Some(x) if (x as f32).is_finite() => Ok(x as f32),
            _ => bail!(Value, "config.json: {field} is {value}, not a number"),
        },
    }
}

fn flag(json: &Value, field: &str, default: bool) -> Result<bool> {
    match &json[field] {
        Value::Null => Ok(default),
        Value::Bool(b) => Ok(*b),
        value => bail!(Value, "config.json: {field} is {value}, not true or false"),
    }
}

fn token_ids(json: &Value, field: &str) -> Result<Vec<u32>> {
    let ids: Vec<&Value> = match &json[field] {
        Value::Null => Vec::new(),
        Value::Array(ids) => ids.iter().collect(),
        id => alloc::vec![id],
    };
    let mut tokens = Vec::new();
    for id in ids {
        match id.as_u64() {
            Some(n) if n < LARGEST => tokens.push(n as u32),
            _ => bail!(Value, "config.json: {field} holds {id}, not a token"),
        }
    }
    Ok(tokens)
}

/// Newer files put the base into `rope_parameters`, older ones beside the sizes.
fn rope_theta(json: &Value) -> Result<f32> {
    let nested = &json["rope_parameters"];
    if nested["rope_theta"].is_number() {
        return number(nested, "rope_theta", None);
    }
    number(json, "rope_theta", Some(10000.0))
}

fn rope_scaling(json: &Value) -> Result<RopeScaling> {
    let scaling = match &json["rope_scaling"] {
        Value::Null => &json["rope_parameters"],
        object => object,
    };
    if scaling.is_null() {
        return Ok(RopeScaling::None);
    }
    let kind = scaling["rope_type"].as_str().or(scaling["type"].as_str()).unwrap_or("default");
    match kind {
        "default" => Ok(RopeScaling::None),
        "linear" => Ok(RopeScaling::Linear { factor: number(scaling, "factor", None)? }),
        "llama3" => Ok(RopeScaling::Llama3 {
            factor: number(scaling, "factor", None)?,
            low_frequency_factor: number(scaling, "low_freq_factor", None)?,
            high_frequency_factor: number(scaling, "high_freq_factor", None)?,
            original: number(scaling, "original_max_position_embeddings", None)?,
        }),
        other => bail!(Unsupported, "config.json: rope scaling {other} is unknown; known are default, linear, llama3"),
    }
}

/// Mistral slides its window whenever one is given; Qwen only when told to, and then only in some layers.
fn sliding_window(json: &Value, architecture: Architecture) -> Result<Option<usize>> {
    let used = match architecture {
        Architecture::Llama | Architecture::Bert => false,
        Architecture::Mistral => !json["sliding_window"].is_null(),
        Architecture::Qwen2 | Architecture::Qwen3 => flag(json, "use_sliding_window", false)?,
    };
    if used && architecture != Architecture::Mistral {
        bail!(Unsupported, "config.json: use_sliding_window is not supported for {}", architecture.class_name());
    }
    if used { size(json, "sliding_window", None).map(Some) } else { Ok(None) }
}

/// What `config.json` says of an encoder. `pooling` and `max_seq_length` are not in checkpoints' own files: they are read
/// from those of sentence-transformers, and written down here.
fn encoder(json: &Value, architecture: Architecture) -> Result<Option<Encoder>> {
    if architecture != Architecture::Bert {
        return Ok(None);
    }
    for (field, known) in [("hidden_act", "gelu"), ("position_embedding_type", "absolute")] {
        match &json[field] {
            Value::Null => {}
            Value::String(kind) if kind == known => {}
            other => bail!(Unsupported, "config.json: {field} {other} is not supported; {known:?} is"),
        }
    }
    if flag(json, "is_decoder", false)? || flag(json, "add_cross_attention", false)? {
        bail!(Unsupported, "config.json: a BertModel that is a decoder");
    }
    let pooling = match json["pooling"].as_str() {
        None if json["pooling"].is_null() => Pooling::Mean,
        Some("mean") => Pooling::Mean,
        Some("first") => Pooling::First,
        _ => bail!(Unsupported, "config.json: pooling {} is unknown; known are mean, first", json["pooling"]),
    };
    let positions = size(json, "max_position_embeddings", Some(512))?;
    Ok(Some(Encoder {
        pooling,
        max_tokens: size(json, "max_seq_length", Some(positions))?.min(positions),
        token_types: size(json, "type_vocab_size", Some(2))?,
    }))
}

fn quantization(json: &Value) -> Result<Option<Quantization>> {
    let block = &json["quantization_config"];
    if block.is_null() {
        return Ok(None);
    }
    match block["quant_method"].as_str() {
        Some("nomul") => {}
        Some(other) => bail!(Unsupported, "config.json: quant_method {other} is not nomul"),
        None => bail!(Missing, "config.json: quantization_config has no quant_method"),
    }
    match block["version"].as_u64() {
        Some(3) => {}
        _ => bail!(Unsupported, "config.json: quantization_config version {} is not 3", block["version"]),
    }
    let seed = |field: &str| match &block["rotations"][field] {
        Value::Null => Ok(None),
        value => match value.as_u64() {
            Some(seed) => Ok(Some(seed)),
            None => bail!(Value, "config.json: rotations.{field} is {value}, not a seed"),
        },
    };
    Ok(Some(Quantization {
        rotations: Rotations {
            residual: seed("residual")?,
            query_key: seed("query_key")?,
            gate_up: seed("gate_up")?,
            down: seed("down")?,
        },
    }))
}
