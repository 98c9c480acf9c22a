//! `config.json` as Hugging Face would write it, from GGUF metadata.

use std::f32::consts::PI;

use nomul::{Result, bail};
use serde_json::{Map, Value, json};

use super::families::{FAMILIES, Family, ROPE_FACTORS};
use super::{Gguf, Metadata};
use crate::checkpoint::values;

/// The architecture that a file names. Errors: `Missing`, or `Unsupported` with the known ones.
pub fn family(metadata: &Metadata) -> Result<&'static Family> {
    let Some(name) = metadata.text("general.architecture")? else {
        bail!(Missing, "{}: no general.architecture", metadata.file());
    };
    match FAMILIES.iter().find(|family| family.name == name) {
        Some(family) => Ok(family),
        None => bail!(
            Unsupported,
            "{}: architecture {name} is unknown; known are {}",
            metadata.file(),
            FAMILIES.each_ref().map(|family| family.name).join(", ")
        ),
    }
}

/// The object that `config.json` would hold. Elements are dequantised, so `torch_dtype` is `float32`.
pub fn config_json(gguf: &Gguf) -> Result<(&'static Family, Value)> {
    let metadata = &gguf.metadata;
    let file = metadata.file();
    let family = family(metadata)?;
    let key = |name: &str| format!("{}.{name}", family.name);
    let needed = |name: &str| metadata.needed(&key(name));
    let unsigned = |name: &str| metadata.unsigned(&key(name));

    let hidden = needed("embedding_length")?;
    let heads = needed("attention.head_count")?;
    let head_dim = match unsigned("attention.key_length")? {
        Some(n) => n,
        None if heads > 0 && hidden % heads == 0 => hidden / heads,
        None => bail!(Format, "{file}: {heads} heads do not divide {}", key("embedding_length")),
    };
    for name in ["attention.value_length", "rope.dimension_count"] {
        if let Some(other) = unsigned(name)?.filter(|&n| n != head_dim) {
            bail!(Unsupported, "{file}: {} is {other}, not the length {head_dim} of a head", key(name));
        }
    }
    if let Some(experts @ 1..) = unsigned("expert_count")? {
        bail!(Unsupported, "{file}: a mixture of {experts} experts is not supported");
    }
    let Some(embedding) = gguf.tensors.get("token_embd.weight") else {
        bail!(Missing, "{file}: no tensor token_embd.weight");
    };
    let Some(epsilon) = metadata.float(&key("attention.layer_norm_rms_epsilon"))? else {
        bail!(Missing, "{file}: no {}", key("attention.layer_norm_rms_epsilon"));
    };
    if let Some(rows) = unsigned("vocab_size")?.filter(|&n| n != embedding.shape[0] as u64) {
        bail!(Format, "{file}: {} is {rows}, but token_embd.weight has {} rows", key("vocab_size"), embedding.shape[0]);
    }
    let rope_theta = metadata.float(&key("rope.freq_base"))?.unwrap_or(10000.0);

    let mut config = json!({
        "architectures": [family.architecture.class_name()],
        "model_type": family.model_type,
        "attention_bias": gguf.tensors.contains_key("blk.0.attn_q.bias"),
        "attention_dropout": 0.0,
        "head_dim": head_dim,
        "hidden_act": "silu",
        "hidden_size": hidden,
        "initializer_range": 0.02,
        "intermediate_size": needed("feed_forward_length")?,
        "max_position_embeddings": needed("context_length")?,
        "num_attention_heads": heads,
        "num_hidden_layers": needed("block_count")?,
        "num_key_value_heads": unsigned("attention.head_count_kv")?.unwrap_or(heads),
        "rms_norm_eps": shortest(epsilon),
        "rope_scaling": rope_scaling(gguf, family, rope_theta, head_dim)?,
        "rope_theta": shortest(rope_theta),
        "tie_word_embeddings": !gguf.tensors.contains_key("output.weight"),
        "torch_dtype": "float32",
        "use_cache": true,
        "vocab_size": embedding.shape[0],
    });
    if let Some(object) = config.as_object_mut() {
        insert_token_ids(metadata, object)?;
    }
    Ok((family, config))
}

/// Adds `bos_token_id`, `eos_token_id` and `pad_token_id`, each where the file has it.
pub fn insert_token_ids(metadata: &Metadata, object: &mut Map<String, Value>) -> Result<()> {
    let id = |name: &str| metadata.unsigned(&format!("tokenizer.ggml.{name}_token_id"));
    // A chat model may end a turn with another token than a text.
    let eos = match (id("eos")?, id("eot")?) {
        (Some(eos), Some(eot)) if eos != eot => Some(json!([eos, eot])),
        (eos, eot) => eos.or(eot).map(Value::from),
    };
    let ids = [
        ("bos_token_id", id("bos")?.map(Value::from)),
        ("eos_token_id", eos),
        ("pad_token_id", id("padding")?.map(Value::from)),
    ];
    object.extend(ids.into_iter().filter_map(|(name, id)| Some((name.to_string(), id?))));
    Ok(())
}

/// A float as its shortest decimal, so that 1e-5 stays 1e-5 in JSON.
fn shortest(x: f32) -> Value {
    format!("{x}").parse::<f64>().map(Value::from).unwrap_or(Value::Null)
}

fn rope_scaling(gguf: &Gguf, family: &Family, rope_theta: f32, head_dim: u64) -> Result<Value> {
    let metadata = &gguf.metadata;
    let key = |name: &str| format!("{}.rope.{name}", family.name);
    if gguf.tensors.contains_key(ROPE_FACTORS) {
        return llama3_scaling(gguf, metadata.unsigned(&key("scaling.original_context_length"))?, rope_theta, head_dim);
    }
    let factor = match metadata.float(&key("scaling.factor"))? {
        Some(factor) => Some(factor),
        None => metadata.float(&key("scale_linear"))?,
    };
    let kind = metadata.text(&key("scaling.type"))?.unwrap_or(if factor.is_some() { "linear" } else { "none" });
    match (kind, factor) {
        ("none", _) => Ok(Value::Null),
        ("linear", Some(factor)) if factor >= 1.0 => Ok(json!({ "rope_type": "linear", "factor": shortest(factor) })),
        ("linear", _) => bail!(Format, "{}: {} is missing or under 1", metadata.file(), key("scaling.factor")),
        _ => bail!(Unsupported, "{}: {} {kind} is not none or linear", metadata.file(), key("scaling.type")),
    }
}

/// GGUF keeps the divisors of a Llama 3.1 rotation and not the four numbers they were made from. All published models
/// share the bounds 1 and 4 and (unless the file says otherwise) the original context; the factor is the largest
/// divisor. What these give must be what the file holds, or the model would be run wrongly.
fn llama3_scaling(gguf: &Gguf, original: Option<u64>, rope_theta: f32, head_dim: u64) -> Result<Value> {
    const LOW: f32 = 1.0;
    const HIGH: f32 = 4.0;
    let (file, extent) = (gguf.metadata.file(), &gguf.tensors[ROPE_FACTORS]);
    let stored = values::read(&gguf.source, ROPE_FACTORS, extent)?;
    if stored.len() as u64 != head_dim / 2 {
        bail!(Shape, "{file}: tensor {ROPE_FACTORS}: {} factors for heads of {head_dim}", stored.len());
    }
    let factor = stored.iter().fold(1.0, |most: f32, &x| most.max(x));
    if stored.iter().all(|&x| x == 1.0) {
        return Ok(Value::Null);
    }
    let original = original.unwrap_or(8192);
    let expected = |pair: usize| {
        let wavelength = 2.0 * PI * rope_theta.powf(2.0 * pair as f32 / head_dim as f32);
        let smooth = ((original as f32 / wavelength - LOW) / (HIGH - LOW)).clamp(0.0, 1.0);
        1.0 / ((1.0 - smooth) / factor + smooth)
    };
    if let Some(pair) = (0..stored.len()).find(|&pair| (stored[pair] / expected(pair) - 1.0).abs() > 1e-3) {
        bail!(
            Unsupported,
            "{file}: tensor {ROPE_FACTORS}: factor {} of pair {pair} is not Llama 3's for factor {factor} and context {original}",
            stored[pair]
        );
    }
    Ok(json!({
        "rope_type": "llama3",
        "factor": shortest(factor),
        "low_freq_factor": LOW,
        "high_freq_factor": HIGH,
        "original_max_position_embeddings": original,
    }))
}
