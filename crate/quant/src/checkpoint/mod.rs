//! Checkpoints, as they are found: a Hugging Face folder of safetensors, or a GGUF file. Both look the same from here
//! on: tensors by their Hugging Face names in `f32`, a `config.json`, and the tokenizer's files.
//!
//! Opening reads headers only and checks them wholly: every tensor that the configuration asks for is there in the
//! right shape, and none is there that the forward pass would leave out. Elements are read when a tensor is asked for.

mod encoder;
mod gguf;
pub mod hf;
mod safetensors;
mod source;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use nomul::config::{Architecture, ModelConfig};
use nomul::weights::{Kind, MatrixId, VectorId};
use nomul::{Result, bail};
use serde_json::Value;

use gguf::Gguf;
use gguf::families::{Heads, checkpoint_name, deinterleave};
use source::{Folder, Source};
use values::Extent;

/// The tokenizer's and the text generation's files that a folder may hold beside `config.json`.
pub const TEXT_FILES: [&str; 5] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "generation_config.json",
    "special_tokens_map.json",
];

/// No file of text is longer.
const TEXT_LIMIT: u64 = 100_000_000;

/// A tensor in full precision, row after row.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Rows (outputs) first.
    pub shape: Vec<usize>,
    /// The product of `shape` finite numbers.
    pub data: Vec<f32>,
}

/// An opened checkpoint.
pub struct Checkpoint {
    config: ModelConfig,
    config_json: Value,
    sources: Vec<Source>,
    tensors: BTreeMap<String, Located>,
    texts: Texts,
}

struct Located {
    /// Which of the sources.
    source: usize,
    extent: Extent,
    /// Whose heads' rows must be put in order.
    interleaved: Heads,
}

enum Texts {
    Folder(Folder),
    Gguf(gguf::Metadata),
}

impl Checkpoint {
    /// Opens a Hugging Face folder (`config.json` with `model.safetensors` or an index of shards) or a `.gguf` file.
    /// Errors name the file and the tensor or field: `Missing`, `Format`, `Shape`, `Unsupported`, `Io`.
    pub fn open(path: &Path) -> Result<Checkpoint> {
        if path.is_dir() {
            return Checkpoint::from_folder(Folder::Disk(path.into()));
        }
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gguf")) {
            return Checkpoint::from_gguf(Source::open(path)?);
        }
        let source = Source::open(path)?;
        bail!(Input, "{}: is neither a Hugging Face folder nor a .gguf file", source.name())
    }

    /// Opens the files of a Hugging Face folder, or one `.gguf` file, held in memory by name.
    pub fn from_files(files: BTreeMap<String, Arc<[u8]>>) -> Result<Checkpoint> {
        match files.iter().find(|(name, _)| name.ends_with(".gguf")) {
            Some((name, bytes)) => Checkpoint::from_gguf(Source::memory(name, bytes.clone())),
            None => Checkpoint::from_folder(Folder::Memory(files)),
        }
    }

    /// What tells its files from others without reading them: names, lengths, and when they were changed.
    pub fn identity(&self) -> String {
        let each =
            self.sources.iter().map(|source| format!("{} {} {:?}", source.name(), source.len(), source.changed()));
        each.collect::<Vec<_>>().join(", ")
    }

    fn from_folder(folder: Folder) -> Result<Checkpoint> {
        let Some(json) = folder.read("config.json", TEXT_LIMIT)? else {
            bail!(Missing, "{}: no config.json", folder.name());
        };
        let json = encoder::with_pooling(&folder, json)?;
        let (config, config_json) = parse_config(&json).map_err(|e| e.at(folder.name()))?;
        if config.quantization.is_some() {
            bail!(Input, "{}: is a model that was quantised already, not a checkpoint", folder.name());
        }
        let mut sources = Vec::new();
        let mut tensors = BTreeMap::new();
        for (source, stored) in safetensors::open_folder(&folder)? {
            let located = |extent| Located { source: sources.len(), extent, interleaved: Heads::None };
            tensors.extend(stored.into_iter().map(|(name, extent)| (name, located(extent))));
            sources.push(source);
        }
        tensors.retain(|name, _| !may_be_left_out(name, &config));
        check_tensors(&config, &tensors, &sources).map_err(|e| e.at(folder.name()))?;
        Ok(Checkpoint { config, config_json, sources, tensors, texts: Texts::Folder(folder) })
    }

    fn from_gguf(source: Source) -> Result<Checkpoint> {
        let gguf = Gguf::open(source)?;
        let (family, config_json) = gguf::config_json(&gguf)?;
        let file = gguf.source.name().to_string();
        let (config, config_json) = parse_config(config_json.to_string().as_bytes()).map_err(|e| e.at(&file))?;
        let mut tensors = BTreeMap::new();
        for (gguf_name, extent) in gguf.tensors {
            let Some((name, heads)) = checkpoint_name(&gguf_name) else {
                bail!(Unsupported, "{file}: tensor {gguf_name} is unknown");
            };
            if name.is_empty() {
                continue;
            }
            let interleaved = if family.interleaved { heads } else { Heads::None };
            tensors.insert(name, Located { source: 0, extent, interleaved });
        }
        let sources = vec![gguf.source];
        check_tensors(&config, &tensors, &sources).map_err(|e| e.at(&file))?;
        Ok(Checkpoint { config, config_json, sources, tensors, texts: Texts::Gguf(gguf.metadata) })
    }

    /// The sizes.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// `config.json`: as it was found, or for GGUF as Hugging Face would write it.
    pub fn config_json(&self) -> &Value {
        &self.config_json
    }

    /// Whether there is a tensor of that Hugging Face name.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Reads a tensor by its Hugging Face name. Errors: `Missing`; `Value` for the first element that is not finite,
    /// with file, tensor, index and offset; `Io`; `Capacity`.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        let Some(Located { source, extent, interleaved }) = self.tensors.get(name) else {
            bail!(Missing, "{}: no tensor {name}", self.sources.first().map_or("checkpoint", Source::name));
        };
        let mut data = values::read(&self.sources[*source], name, extent)?;
        if *interleaved != Heads::None {
            deinterleave(&mut data, self.config.head_dim, extent.shape[1..].iter().product());
        }
        Ok(Tensor { shape: extent.shape.clone(), data })
    }

    /// A matrix in the shape that the configuration gives it, `(outputs, inputs)`. The head of a tied model is its
    /// embedding; to each position of an encoder its first token type is added. Errors as [`Checkpoint::tensor`].
    pub fn matrix(&self, matrix: MatrixId) -> Result<Tensor> {
        let tied = matrix.kind == Kind::Head && self.config.tie_word_embeddings;
        let matrix = if tied { MatrixId { kind: Kind::Embedding, ..matrix } } else { matrix };
        let architecture = self.config.architecture;
        let mut tensor = self.tensor(&weight_name(matrix, architecture))?;
        if matrix.kind == Kind::Position {
            let types = self.tensor(encoder::TOKEN_TYPES)?.data;
            for row in tensor.data.chunks_exact_mut(self.config.hidden_size) {
                row.iter_mut().zip(&types).for_each(|(x, first)| *x += first);
            }
        }
        Ok(tensor)
    }

    /// A vector in the length that the configuration gives it, `None` where this model has none. Errors as
    /// [`Checkpoint::tensor`].
    pub fn vector(&self, vector: VectorId) -> Result<Option<Vec<f32>>> {
        let name = vector.name(self.config.architecture);
        if !self.contains(&name) {
            return Ok(None);
        }
        self.tensor(&name).map(|tensor| Some(tensor.data))
    }

    /// The tokenizer's files that are there, in the order of [`TEXT_FILES`]; for GGUF, rebuilt from its metadata.
    /// Errors: `Unsupported` for a GGUF tokenizer that cannot be rebuilt.
    pub fn text_files(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let folder = match &self.texts {
            Texts::Gguf(metadata) => return gguf::text_files(metadata),
            Texts::Folder(folder) => folder,
        };
        let mut files = Vec::new();
        for name in TEXT_FILES {
            if let Some(bytes) = folder.read(name, TEXT_LIMIT)? {
                files.push((name.to_string(), bytes));
            }
        }
        Ok(files)
    }
}

fn parse_config(json: &[u8]) -> Result<(ModelConfig, Value)> {
    let config = ModelConfig::from_json(json)?;
    match serde_json::from_slice(json) {
        Ok(value) => Ok((config, value)),
        Err(e) => bail!(Format, "config.json: {e}"),
    }
}

fn weight_name(matrix: MatrixId, architecture: Architecture) -> String {
    format!("{}.weight", matrix.name(architecture))
}

/// The tensors that the forward pass reads, with their shapes.
fn known_tensors(config: &ModelConfig) -> impl Iterator<Item = (String, Vec<usize>)> + '_ {
    let architecture = config.architecture;
    let matrices = MatrixId::all(config).map(move |matrix| {
        let (outputs, inputs) = matrix.kind.shape(config);
        (weight_name(matrix, architecture), vec![outputs, inputs])
    });
    let vectors = VectorId::all(config).map(move |vector| (vector.name(architecture), vec![vector.len(config)]));
    let types =
        config.encoder.map(|encoder| (encoder::TOKEN_TYPES.to_string(), vec![encoder.token_types, config.hidden_size]));
    matrices.chain(vectors).chain(types)
}

/// Tensors that change nothing: tables of rotary frequencies, the second copy of a tied embedding, and of an encoder what
/// numbers its positions and what judges pairs of sentences.
fn may_be_left_out(name: &str, config: &ModelConfig) -> bool {
    if config.encoder.is_some() {
        return name.ends_with("position_ids") || name.starts_with("pooler.");
    }
    name.ends_with("rotary_emb.inv_freq") || (name == "lm_head.weight" && config.tie_word_embeddings)
}

/// Every tensor that is asked for is there, in its shape and of a type that can be read; and there is no other, which
/// the forward pass would silently leave out. The first tensor that is missing ends the walk, so a configuration
/// that claims a million layers costs nothing.
fn check_tensors(config: &ModelConfig, tensors: &BTreeMap<String, Located>, sources: &[Source]) -> Result<()> {
    let mut known = BTreeSet::new();
    for (name, shape) in known_tensors(config) {
        let Some(Located { source, extent, .. }) = tensors.get(&name) else {
            bail!(Missing, "no tensor {name}");
        };
        let file = sources[*source].name();
        if extent.shape != shape {
            bail!(Shape, "{file}: tensor {name} is {:?}, but config.json asks for {shape:?}", extent.shape);
        }
        extent.block(file, &name)?;
        known.insert(name);
    }
    match tensors.keys().find(|name| !known.contains(*name)) {
        None => Ok(()),
        Some(name) => {
            let architecture = config.architecture.class_name();
            bail!(Unsupported, "tensor {name} has no place in a {architecture} of this configuration")
        }
    }
}

#[cfg(test)]
mod tests;
