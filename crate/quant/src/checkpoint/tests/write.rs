//! Writing small files, right or wrong as a test wants them.

use std::collections::BTreeMap;
use std::sync::Arc;

use nomul::ModelConfig;
use nomul::weights::{MatrixId, VectorId};
use safetensors::tensor::{Dtype, TensorView};

use crate::checkpoint::Checkpoint;

/// The smallest model with all that a Llama has.
pub const CONFIG: &str = r#"{
    "architectures": ["LlamaForCausalLM"], "vocab_size": 8, "hidden_size": 4, "intermediate_size": 6,
    "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "tie_word_embeddings": true
}"#;

/// Name, shape, elements.
pub type Tensor = (String, Vec<usize>, Vec<f32>);

/// Its tensors.
pub fn tensors() -> Vec<Tensor> {
    let config = ModelConfig::from_json(CONFIG.as_bytes()).unwrap();
    let matrices =
        MatrixId::all(&config).map(|m| (format!("{}.weight", m.name(config.architecture)), m.kind.shape(&config)));
    let matrices = matrices.map(|(name, (rows, columns))| (name, vec![rows, columns]));
    let vectors = VectorId::all(&config).map(|v| (v.name(config.architecture), vec![v.len(&config)]));
    let count = |(name, shape): (String, Vec<usize>)| {
        let elements = (0..shape.iter().product()).map(|i: usize| i as f32 * 0.25 - 1.0).collect();
        (name, shape, elements)
    };
    matrices.chain(vectors).map(count).collect()
}

/// A safetensors file, written by the reference implementation.
pub fn safetensors_file(tensors: &[Tensor]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, _, data)| data.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, shape, _), bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

/// A safetensors file with that header and so many bytes of data.
pub fn safetensors_raw(header: &str, data: usize) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.resize(file.len() + data, 0);
    file
}

/// The files of a folder.
pub fn files<const N: usize>(files: [(&str, Vec<u8>); N]) -> BTreeMap<String, Arc<[u8]>> {
    files.into_iter().map(|(name, bytes)| (name.to_string(), bytes.into())).collect()
}

/// Opens `config.json` as above beside the given files.
pub fn open<const N: usize>(others: [(&str, Vec<u8>); N]) -> nomul::Result<Checkpoint> {
    let mut all = files(others);
    all.entry("config.json".into()).or_insert_with(|| CONFIG.as_bytes().into());
    Checkpoint::from_files(all)
}

/// A GGUF file in the making.
#[derive(Clone)]
pub struct GgufFile {
    /// Magic and version.
    pub start: Vec<u8>,
    /// What the header says, where it lies.
    pub tensor_count: Option<u64>,
    /// As above.
    pub entry_count: Option<u64>,
    entries: Vec<Vec<u8>>,
    infos: Vec<Vec<u8>>,
    data: Vec<u8>,
}

pub fn gguf_text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

impl GgufFile {
    pub fn new() -> Self {
        let start = [b"GGUF".as_slice(), &3u32.to_le_bytes()].concat();
        GgufFile { start, tensor_count: None, entry_count: None, entries: vec![], infos: vec![], data: vec![] }
    }

    /// The model above as llama.cpp would write it.
    pub fn llama() -> Self {
        let mut file = GgufFile::new();
        file.text("general.architecture", "llama");
        for (key, n) in [
            ("llama.context_length", 64),
            ("llama.embedding_length", 4),
            ("llama.block_count", 1),
            ("llama.feed_forward_length", 6),
            ("llama.attention.head_count", 2),
            ("llama.attention.head_count_kv", 1),
        ] {
            file.u32(key, n);
        }
        file.entry("llama.attention.layer_norm_rms_epsilon", 6, &1e-5f32.to_le_bytes());
        file.text("tokenizer.ggml.model", "gpt2");
        file.text("tokenizer.ggml.pre", "smollm");
        file.texts("tokenizer.ggml.tokens", &["<s>", "a", "b", "ab", "c", "d", "e", "f"]);
        file.texts("tokenizer.ggml.merges", &["a b"]);
        file.u32("tokenizer.ggml.eos_token_id", 0);
        for (name, shape) in [
            ("token_embd.weight", vec![4, 8]),
            ("blk.0.attn_norm.weight", vec![4]),
            ("blk.0.attn_q.weight", vec![4, 4]),
            ("blk.0.attn_k.weight", vec![4, 2]),
            ("blk.0.attn_v.weight", vec![4, 2]),
            ("blk.0.attn_output.weight", vec![4, 4]),
            ("blk.0.ffn_norm.weight", vec![4]),
            ("blk.0.ffn_gate.weight", vec![4, 6]),
            ("blk.0.ffn_up.weight", vec![4, 6]),
            ("blk.0.ffn_down.weight", vec![6, 4]),
            ("output_norm.weight", vec![4]),
        ] {
            file.tensor(name, &shape);
        }
        file
    }

    pub fn entry(&mut self, key: &str, kind: u32, value: &[u8]) {
        self.entries.push([gguf_text(key), kind.to_le_bytes().to_vec(), value.to_vec()].concat());
    }

    /// Takes a key away.
    pub fn remove(&mut self, key: &str) {
        let start = gguf_text(key);
        self.entries.retain(|entry| !entry.starts_with(&start));
    }

    pub fn text(&mut self, key: &str, value: &str) {
        self.entry(key, 8, &gguf_text(value));
    }

    pub fn u32(&mut self, key: &str, value: u32) {
        self.entry(key, 4, &value.to_le_bytes());
    }

    pub fn texts(&mut self, key: &str, texts: &[&str]) {
        let head = [8u32.to_le_bytes().as_slice(), &(texts.len() as u64).to_le_bytes()].concat();
        let texts = texts.iter().flat_map(|text| gguf_text(text));
        self.entry(key, 9, &head.into_iter().chain(texts).collect::<Vec<u8>>());
    }

    /// A tensor of ones, aligned, after those before it.
    pub fn tensor(&mut self, name: &str, dimensions: &[u64]) {
        self.data.resize(self.data.len().next_multiple_of(32), 0);
        self.info(name, dimensions, 0, self.data.len() as u64);
        self.data.extend((0..dimensions.iter().product()).flat_map(|_| 1f32.to_le_bytes()));
    }

    /// A tensor's description alone.
    pub fn info(&mut self, name: &str, dimensions: &[u64], kind: u32, offset: u64) {
        let mut info = gguf_text(name);
        info.extend((dimensions.len() as u32).to_le_bytes());
        info.extend(dimensions.iter().flat_map(|n| n.to_le_bytes()));
        info.extend(kind.to_le_bytes());
        info.extend(offset.to_le_bytes());
        self.infos.push(info);
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut file = self.start.clone();
        file.extend(self.tensor_count.unwrap_or(self.infos.len() as u64).to_le_bytes());
        file.extend(self.entry_count.unwrap_or(self.entries.len() as u64).to_le_bytes());
        file.extend(self.entries.concat());
        file.extend(self.infos.concat());
        file.resize(file.len().next_multiple_of(32), 0);
        file.extend(&self.data);
        file
    }

    pub fn open(&self) -> nomul::Result<Checkpoint> {
        Checkpoint::from_files(files([("x.gguf", self.bytes())]))
    }
}
