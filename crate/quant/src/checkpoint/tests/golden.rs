//! GGUF files and safetensors folders of the same models hold the same numbers and the same tokenizers, and blocks are
//! undone exactly as ggml's own Python package undoes them.

use nomul::config::{Architecture, RopeScaling};
use nomul::weights::{Kind, MatrixId, VectorId};
use serde_json::Value;

use super::golden;
use crate::checkpoint::gguf::Gguf;
use crate::checkpoint::gguf::families::{FAMILIES, checkpoint_name};
use crate::checkpoint::source::Source;
use crate::checkpoint::{Checkpoint, safetensors, values};

const MODELS: [(&str, Architecture); 4] = [
    ("smollm", Architecture::Llama),
    ("llama3", Architecture::Llama),
    ("qwen2", Architecture::Qwen2),
    ("qwen3", Architecture::Qwen3),
];

#[test]
fn every_block_type_is_undone_exactly() {
    let gguf = Gguf::open(Source::open(&golden("quants.gguf")).unwrap()).unwrap();
    let expected = Source::open(&golden("quants.safetensors")).unwrap();
    let extents = safetensors::read_header(&expected).unwrap();
    assert_eq!(gguf.tensors.len(), 11);
    for (name, extent) in &gguf.tensors {
        assert_eq!(extent.element.to_string(), *name);
        assert_eq!(extent.shape, [3, 512], "{name}");
        let ours = values::read(&gguf.source, name, extent).unwrap();
        let theirs = values::read(&expected, name, &extents[name]).unwrap();
        let differ = ours.iter().zip(&theirs).position(|(a, b)| a.to_bits() != b.to_bits());
        assert_eq!((ours.len(), differ), (theirs.len(), None), "{name}");
    }
}

#[test]
fn gguf_and_folder_are_the_same_model() {
    for (name, architecture) in MODELS {
        let gguf = Checkpoint::open(&golden(&format!("{name}.gguf"))).unwrap();
        let folder = Checkpoint::open(&golden(name)).unwrap();
        assert_eq!(gguf.config(), folder.config(), "{name}");
        assert_eq!(gguf.config().architecture, architecture);
        for matrix in MatrixId::all(folder.config()) {
            assert_eq!(gguf.matrix(matrix).unwrap(), folder.matrix(matrix).unwrap(), "{name}: {matrix:?}");
        }
        for vector in VectorId::all(folder.config()) {
            let theirs = folder.vector(vector).unwrap();
            assert_eq!(theirs.as_ref().map(Vec::len), Some(vector.len(folder.config())), "{name}: {vector:?}");
            assert_eq!(gguf.vector(vector).unwrap(), theirs, "{name}: {vector:?}");
        }
    }
}

#[test]
fn stretched_rotations_are_recovered() {
    let checkpoint = Checkpoint::open(&golden("llama3.gguf")).unwrap();
    let stretched =
        RopeScaling::Llama3 { factor: 32.0, low_frequency_factor: 1.0, high_frequency_factor: 4.0, original: 8192.0 };
    assert_eq!(checkpoint.config().rope_scaling, stretched);
}

#[test]
fn tied_heads_are_the_embedding() {
    let checkpoint = Checkpoint::open(&golden("smollm.gguf")).unwrap();
    let [head, embedding] = [Kind::Head, Kind::Embedding].map(|kind| MatrixId { layer: 0, kind });
    assert!(!checkpoint.contains("lm_head.weight"));
    assert_eq!(checkpoint.matrix(head).unwrap(), checkpoint.matrix(embedding).unwrap());
    assert_eq!(checkpoint.vector(VectorId::QueryNorm(0)).unwrap(), None);
}

/// The golden `tokenizer.json` was saved by the tokenizers package, from the same pieces as the published ones.
#[test]
fn tokenizers_are_rebuilt_as_they_were() {
    for (name, _) in MODELS {
        let checkpoint = Checkpoint::open(&golden(&format!("{name}.gguf"))).unwrap();
        let files = checkpoint.text_files().unwrap();
        let file = |wanted: &str| -> Value {
            let (_, bytes) = files.iter().find(|(name, _)| name == wanted).unwrap();
            serde_json::from_slice(bytes).unwrap()
        };
        let mut rebuilt = file("tokenizer.json");
        let mut saved: Value =
            serde_json::from_slice(&std::fs::read(golden(name).join("tokenizer.json")).unwrap()).unwrap();
        // Two spellings of the same: merges as pairs or with a space, and whether added tokens are repeated in the
        // vocabulary.
        for merge in saved["model"]["merges"].as_array_mut().unwrap() {
            *merge = format!("{} {}", merge[0].as_str().unwrap(), merge[1].as_str().unwrap()).into();
        }
        for tokenizer in [&mut rebuilt, &mut saved] {
            let added = tokenizer["added_tokens"].clone();
            for token in added.as_array().unwrap() {
                tokenizer["model"]["vocab"][token["content"].as_str().unwrap()] = token["id"].clone();
            }
        }
        for (key, saved) in saved.as_object().unwrap() {
            assert!(rebuilt[key] == *saved, "{name}: {key}");
        }

        let config = file("tokenizer_config.json");
        assert!(config["chat_template"].as_str().unwrap().contains("<|begin|>"), "{name}");
        assert_eq!(config["eos_token"], "<|end|>", "{name}");
        assert_eq!(config["added_tokens_decoder"]["0"]["content"], "<|begin|>", "{name}");
        assert_eq!(config["add_bos_token"], name == "llama3", "{name}");
        assert_eq!(file("special_tokens_map.json")["pad_token"], "<|pad|>", "{name}");
        assert_eq!(file("generation_config.json")["eos_token_id"], 1, "{name}");
    }
}

#[test]
fn folders_give_the_files_they_have() {
    let files = Checkpoint::open(&golden("smollm")).unwrap().text_files().unwrap();
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["tokenizer.json", "generation_config.json"]);
}

#[test]
fn every_family_and_every_tensor_has_its_name() {
    for family in &FAMILIES {
        assert!(MODELS.iter().any(|(_, architecture)| *architecture == family.architecture), "{}", family.name);
    }
    assert_eq!(checkpoint_name("blk.12.attn_q.weight").unwrap().0, "model.layers.12.self_attn.q_proj.weight");
    for unknown in ["blk.0.attn_q", "blk.x.attn_q.weight", "blk..attn_q.weight", "blk.#.attn_q.weight", ""] {
        assert_eq!(checkpoint_name(unknown), None, "{unknown}");
    }
}
