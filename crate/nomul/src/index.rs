//! `model.safetensors.index.json` and the part of `config.json` that says how each matrix was quantised.

use alloc::{collections::BTreeMap, format, string::String, vec::Vec};
use serde_json::Value;

use crate::{
    Result, bail,
    config::{Architecture, ModelConfig},
    kernel::MAX_PLANES,
    weights::{Kind, MatrixId},
};

/// A file of the model folder, in the order to stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its name within the folder.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

/// The shards of an index: first the base (everything that is not a plane), then the planes.
pub fn shards(index_json: &[u8]) -> Result<Vec<Shard>> {
    let json: Value = match serde_json::from_slice(index_json) {
        Ok(json) => json,
        Err(e) => bail!(Format, "model.safetensors.index.json: {e}"),
    };
    let Some(list) = json["metadata"]["shards"].as_array() else {
        bail!(Missing, "model.safetensors.index.json: no metadata.shards; is this a folder made by nomul quantize?");
    };
    let mut shards: Vec<Shard> = Vec::new();
    for (position, entry) in list.iter().enumerate() {
        let place = format!("model.safetensors.index.json: metadata.shards[{position}]");
        let Some(file) = entry["file"].as_str() else { bail!(Missing, "{place}: no file") };
        if file.is_empty() || file.starts_with('.') || file.contains(['/', '\\', ':', '\0']) {
            bail!(Value, "{place}: file {file:?} is not a plain name");
        }
        if shards.iter().any(|shard| shard.file == file) {
            bail!(Value, "{place}: file {file:?} is listed twice");
        }
        let Some(bytes) = entry["bytes"].as_u64() else { bail!(Missing, "{place}: no bytes") };
        let Some(sha256) = entry["sha256"].as_str().and_then(digest) else {
            bail!(Missing, "{place}: no sha256 of 64 hexadecimal digits");
        };
        shards.push(Shard { file: file.into(), bytes, sha256 });
    }
    if shards.len() < 2 {
        bail!(Format, "model.safetensors.index.json: {} shards; there must be a base and planes", shards.len());
    }
    Ok(shards)
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

/// How one matrix was quantised.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixPlan {
    /// Numbers of planes that have scales of their own and so can be used, ascending, within 1..=8.
    pub prefixes: Vec<usize>,
    /// The relative error of each that the quantiser measured, NaN where it did not say.
    pub errors: Vec<f64>,
    /// Bytes in the folder of the planes and scales up to each of them, row scales included; zero where the quantiser did not say.
    pub bytes: Vec<u64>,
    /// Its levels lie evenly: the column scales of each plane are twice those of the next, and those of the last alone are stored.
    pub is_even: bool,
    /// Why it got this many planes.
    pub reason: String,
}

impl MatrixPlan {
    /// Planes, 1..=8.
    pub fn planes(&self) -> usize {
        self.prefixes.last().copied().unwrap_or(0)
    }

    /// The relative error of all planes.
    pub fn error(&self) -> f64 {
        self.errors.last().copied().unwrap_or(f64::NAN)
    }
}

/// The plan of every matrix, from `quantization_config.matrices` of `config.json`.
pub fn plans(config_json: &[u8], config: &ModelConfig) -> Result<BTreeMap<MatrixId, MatrixPlan>> {
    let json: Value = match serde_json::from_slice(config_json) {
        Ok(json) => json,
        Err(e) => bail!(Format, "config.json: {e}"),
    };
    if config.quantization.is_none() {
        bail!(Unsupported, "config.json: no quantization_config; run nomul quantize on this checkpoint first");
    }
    let matrices = &json["quantization_config"]["matrices"];
    let mut plans = BTreeMap::new();
    for id in MatrixId::all(config) {
        let name = id.name(config.architecture);
        let plan = &matrices[&name];
        let list = plan["prefixes"].as_array();
        let prefixes: Option<Vec<usize>> = list.and_then(|list| list.iter().map(number_of_planes).collect());
        let Some(prefixes) = prefixes.filter(|list| !list.is_empty() && list.is_sorted_by(|a, b| a < b)) else {
            bail!(
                Value,
                "config.json: quantization_config.matrices[{name:?}].prefixes is {}, not ascending numbers of 1..={MAX_PLANES}",
                plan["prefixes"]
            );
        };
        let errors = prefixes.iter().enumerate().map(|(at, _)| plan["errors"][at].as_f64().unwrap_or(f64::NAN));
        let bytes = prefixes.iter().enumerate().map(|(at, _)| plan["bytes"][at].as_u64().unwrap_or(0));
        let reason = plan["reason"].as_str().unwrap_or_default().into();
        let is_even = plan["spacing"] == "even";
        plans.insert(id, MatrixPlan { errors: errors.collect(), bytes: bytes.collect(), is_even, prefixes, reason });
    }
    Ok(plans)
}

fn number_of_planes(value: &Value) -> Option<usize> {
    value.as_u64().filter(|planes| (1..=MAX_PLANES as u64).contains(planes)).map(|planes| planes as usize)
}

/// The names of a matrix's tensors in the model folder.
pub mod names {
    use super::{Architecture, Kind, MatrixId, String, format};

    /// Signs of the first `prefix` planes, but for those of the prefix before it: U8, coded, see [`crate::plane::coded`].
    pub fn planes(architecture: Architecture, matrix: MatrixId, prefix: usize) -> String {
        format!("{}.weight.planes{prefix}", matrix.name(architecture))
    }

    /// Scales of columns when the first `prefix` planes are used: U16 `[prefix, inputs]`, where levels lie evenly `[1, inputs]`,
    /// see [`crate::scale`].
    pub fn columns(architecture: Architecture, matrix: MatrixId, prefix: usize) -> String {
        format!("{}.weight.columns{prefix}", matrix.name(architecture))
    }

    /// Scales of rows: U16 `[outputs]`.
    pub fn rows(architecture: Architecture, matrix: MatrixId) -> String {
        format!("{}.weight.rows", matrix.name(architecture))
    }

    /// The table that a kind reads: a tied head reads the embedding.
    pub fn table(kind: Kind, tied: bool) -> Kind {
        if kind == Kind::Head && tied { Kind::Embedding } else { kind }
    }
}
