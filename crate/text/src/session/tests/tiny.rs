//! A model of two blocks whose planes and scales are random, the same ones every time.

use std::collections::BTreeMap;

use nomul::{
    ModelConfig,
    index::names,
    plane::{self, coded},
    scale::Scale,
    weights::{MatrixId, VectorId},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{Session, Tokenizer};

const PLANES: usize = 4;
const TOKENIZER: &[u8] = include_bytes!("../../../../../tests/golden/text/smollm/tokenizer.json");

/// The files of the model.
pub struct Tiny {
    pub config: Vec<u8>,
    pub index: Vec<u8>,
    /// The base, then a shard a plane.
    pub shards: Vec<Vec<u8>>,
}

/// Numbers without a pattern.
fn noise(seed: usize) -> usize {
    let mut x = seed.wrapping_mul(0x9e37_79b9).wrapping_add(0x85eb) & 0xffff_ffff;
    for _ in 0..3 {
        x ^= x >> 15;
        x = x.wrapping_mul(0x2c1b_3c6d) & 0xffff_ffff;
        x ^= x >> 12;
    }
    x
}

/// A tensor: its type, shape and bytes.
type Tensor = (&'static str, Vec<usize>, Vec<u8>);

fn safetensors(tensors: &BTreeMap<String, Tensor>) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for (name, (dtype, shape, bytes)) in tensors {
        let start = data.len();
        data.extend(bytes);
        header.insert(name.clone(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, data.len()] }));
    }
    let mut text = serde_json::to_vec(&Value::Object(header)).unwrap();
    // At least one space, for `damaged`.
    text.resize((text.len() + 1).next_multiple_of(8), b' ');
    [(text.len() as u64).to_le_bytes().to_vec(), text, data].concat()
}

/// A shard that says the same, but not in the bytes that its digest was made of.
pub fn damaged(shard: &[u8]) -> Vec<u8> {
    let mut damaged = shard.to_vec();
    let header = u64::from_le_bytes(shard[..8].try_into().unwrap()) as usize;
    damaged[8 + header - 1] = b'\n';
    damaged
}

impl Tiny {
    pub fn new() -> Tiny {
        let mut json = json!({
            "architectures": ["LlamaForCausalLM"],
            "vocab_size": 496, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
            "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 256,
            "rms_norm_eps": 1e-5, "tie_word_embeddings": true, "eos_token_id": 2,
        });
        let config = ModelConfig::from_json(json.to_string().as_bytes()).unwrap();
        let mut base: BTreeMap<String, Tensor> = BTreeMap::new();
        let mut levels = vec![BTreeMap::new(); PLANES];
        let mut matrices = serde_json::Map::new();
        for (place, id) in MatrixId::all(&config).enumerate() {
            let (rows, columns) = id.kind.shape(&config);
            matrices.insert(id.name(config.architecture), json!({ "prefixes": (1..=PLANES).collect::<Vec<_>>() }));
            let scales = |count: usize, of: &dyn Fn(usize) -> f32| -> Vec<u8> {
                (0..count).flat_map(|i| Scale::nearest(of(i)).0.to_le_bytes()).collect()
            };
            let row = |i| 0.5 + (noise(place * 1000 + i) % 100) as f32 / 100.0;
            base.insert(names::rows(config.architecture, id), ("U16", vec![rows], scales(rows, &row)));
            for prefix in 1..=PLANES {
                let column = |i| 0.25 / (1 + i / columns) as f32 / (1 + noise(i % columns) % 3) as f32;
                let bytes = scales(prefix * columns, &column);
                base.insert(names::columns(config.architecture, id, prefix), ("U16", vec![prefix, columns], bytes));
            }
            let sign =
                |plane, row, column| noise(((place * PLANES + plane) * 500 + row) * 50 + column).is_multiple_of(2);
            let planes = (0..PLANES).map(|plane| plane::pack(rows, columns, |row, column| sign(plane, row, column)));
            let planes: Vec<Vec<u8>> = planes.collect();
            for (tensors, to) in levels.iter_mut().zip(1..) {
                let part = coded::Part { rows, columns, from: to - 1, to };
                let bytes = coded::encode(part, &planes);
                tensors.insert(names::planes(config.architecture, id, to), ("U8", vec![bytes.len()], bytes));
            }
        }
        let norm = std::iter::repeat_n(1.0f32.to_le_bytes(), config.hidden_size).flatten().collect();
        base.insert(VectorId::FinalNorm.name(config.architecture), ("F32", vec![config.hidden_size], norm));
        json["quantization_config"] = json!({ "quant_method": "nomul", "version": 3, "matrices": matrices });
        let shards: Vec<Vec<u8>> = std::iter::once(&base).chain(&levels).map(safetensors).collect();
        let entry = |(place, shard): (usize, &Vec<u8>)| {
            let digest: String = Sha256::digest(shard).iter().map(|byte| format!("{byte:02x}")).collect();
            json!({ "file": format!("model-{place}.safetensors"), "bytes": shard.len(), "sha256": digest })
        };
        let list: Vec<Value> = shards.iter().enumerate().map(entry).collect();
        let index = json!({ "metadata": { "shards": list } }).to_string().into_bytes();
        Tiny { config: json.to_string().into_bytes(), index, shards }
    }

    pub fn tokenizer(&self) -> Tokenizer {
        Tokenizer::from_json(TOKENIZER, None).unwrap()
    }

    /// A session that has no weights yet.
    pub fn session(&self, context: usize) -> Session {
        self.session_with(context, None)
    }

    pub fn session_with(&self, context: usize, generation_config: Option<&[u8]>) -> Session {
        Session::new(&self.config, &self.index, TOKENIZER, None, generation_config, context).unwrap()
    }
}
