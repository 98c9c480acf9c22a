//! A tiny sentence encoder against what `transformers` says of it (tests/golden/encoder), in floats and in planes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use nomul::{
    Code, Model, ModelConfig, State,
    config::Pooling,
    encoder::{EncoderState, advance, begin},
    float::Float,
    team::{Job, Number, Team},
    weights::Weights,
};
use nomul_quant::{
    checkpoint::Checkpoint,
    dense::Dense,
    fit::{
        Gptq,
        bits::{Budget, Uniform},
    },
    quantize::{Options, quantize},
};
use serde_json::Value;

struct Case {
    ids: Vec<u32>,
    vector: Vec<f32>,
    /// (tokens, hidden), of some cases only.
    hidden: Vec<f32>,
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name)
}

fn checkpoint() -> Checkpoint {
    Checkpoint::open(&golden("checkpoints/bert")).unwrap()
}

fn cases() -> Vec<Case> {
    let json: Value = serde_json::from_slice(&std::fs::read(golden("encoder/bert.json")).unwrap()).unwrap();
    let floats =
        |list: &Value| -> Vec<f32> { list.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect() };
    let case = |case: &Value| Case {
        ids: case["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect(),
        vector: floats(&case["vector"]),
        hidden: case["hidden"].as_array().unwrap().iter().flat_map(floats).collect(),
    };
    json.as_array().unwrap().iter().map(case).collect()
}

fn read<W: Weights>(config: &ModelConfig, weights: &mut W, ids: &[u32]) -> EncoderState<W::Arithmetic> {
    let mut state = EncoderState::new(config, config.encoder.unwrap().max_tokens).unwrap();
    begin(config, weights, &mut state, ids).unwrap();
    while !advance(config, weights, &mut state) {}
    state
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn quantized(planes: f64, windows: &[Vec<u32>]) -> Model {
    let parent = tempfile::tempdir().unwrap();
    let place = parent.path().join("model");
    let options = Options {
        fit: &Gptq::default(),
        choose: &Uniform,
        budget: Budget::BitsPerWeight(planes),
        is_even: false,
        start: Some(planes),
        table_planes: Some(planes as usize),
        start_table_planes: None,
        windows,
        measured: 8,
        adapting: 0,
        tuning: [0, 0],
        seed: 1,
        replace: false,
        resume: false,
    };
    quantize(&checkpoint(), &place, &options, &|_| ()).unwrap();
    let read = |file: &str| std::fs::read(place.join(file)).unwrap();
    let mut model = Model::new(&read("config.json"), &read("model.safetensors.index.json")).unwrap();
    for shard in model.shards().to_vec() {
        model.push(&read(&shard.file)).unwrap();
    }
    model
}

/// Texts to calibrate on, none of them one that is compared.
fn calibration() -> Vec<Vec<u32>> {
    let token = |n: u32| 5 + (n.wrapping_mul(0x9e37_79b1) >> 8) % 258;
    let text = |number: u32| (0..20).map(move |at| token(number * 20 + at + 1));
    (0..24).map(|number| [2].into_iter().chain(text(number)).chain([3]).collect()).collect()
}

#[test]
fn what_stands_beside_the_checkpoint_is_read() {
    let encoder = checkpoint().config().encoder.unwrap();
    assert_eq!((encoder.pooling, encoder.max_tokens, encoder.token_types), (Pooling::Mean, 24, 2));
}

#[test]
fn full_precision_equals_transformers() {
    let checkpoint = checkpoint();
    let (config, dense) = (checkpoint.config(), Dense::load(&checkpoint).unwrap());
    for case in cases() {
        let state = read(config, &mut dense.view(), &case.ids);
        let far = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert_eq!(state.unit().len(), case.vector.len());
        assert!(far(state.unit(), &case.vector) < 1e-6, "{:?}: {}", case.ids, far(state.unit(), &case.vector));
        assert!(far(state.stream(), &case.hidden) < 1e-5, "{:?}: {}", case.ids, far(state.stream(), &case.hidden));
    }
}

/// Eight planes lose about as little as in decoders; with and without a text to calibrate on.
#[test]
fn eight_planes_are_nearly_the_checkpoint_and_four_are_near_it() {
    for (planes, windows, least) in [(8.0, calibration(), 0.9998), (8.0, vec![], 0.9998), (4.0, vec![], 0.96)] {
        let mut model = quantized(planes, &windows);
        for case in cases() {
            let floats = {
                let (config, mut weights) = model.float_parts();
                read(config, &mut weights, &case.ids).unit().to_vec()
            };
            let near = cosine(&floats, &case.vector);
            println!("{planes} planes, {} windows: {near:.5}", windows.len());
            assert!(near > least, "{planes} planes, {} windows: {near}", windows.len());

            // Beside the matrices, shifts and tables do what floats do.
            let (config, weights) = model.parts();
            let shifts = read(config, weights, &case.ids);
            let near = cosine(shifts.unit(), &floats);
            assert!(near > 0.999, "shifts and floats: {near}");
            assert!((cosine(shifts.unit(), shifts.unit()) - 1.0).abs() < 1e-9);
            let length: f32 = shifts.unit().iter().map(|x| x * x).sum();
            assert!((length - 1.0).abs() < 2e-4, "{length}");
            let pooled = shifts.pooled(config);
            assert!(cosine(&pooled, shifts.unit()) > 0.999_999);
        }
    }
}

/// Workers one after the other, the last one first.
struct Backwards;

impl Team for Backwards {
    fn size(&self) -> usize {
        5
    }

    fn run(&self, workers: Number, job: &Job<'_>) {
        (0..workers).rev().for_each(job);
    }
}

#[test]
fn a_team_gives_the_same_bits() {
    let mut model = quantized(3.0, &[]);
    for case in cases() {
        let (config, weights) = model.parts();
        let alone = read(config, weights, &case.ids);
        let mut state = EncoderState::new(config, 24).unwrap();
        state.set_team(Arc::new(Backwards));
        begin(config, weights, &mut state, &case.ids).unwrap();
        while !advance(config, weights, &mut state) {}
        assert_eq!(state.stream(), alone.stream());
        assert_eq!(state.unit(), alone.unit());
    }
}

#[test]
fn what_cannot_be_read_is_told() {
    let checkpoint = checkpoint();
    let (config, dense) = (checkpoint.config(), Dense::load(&checkpoint).unwrap());
    let mut state = EncoderState::<Float>::new(config, 24).unwrap();
    for (ids, code, told) in [
        (vec![], Code::Input, "no tokens"),
        (vec![5; 25], Code::Capacity, "25 tokens: at most 24"),
        (vec![2, 263], Code::Input, "token 263"),
    ] {
        let error = begin(config, &dense.view(), &mut state, &ids).unwrap_err();
        assert_eq!(error.code, code);
        assert!(error.message.contains(told), "{error}");
    }
    assert_eq!(EncoderState::<Float>::new(config, 65).err().unwrap().code, Code::Input);
    let error = State::<Float>::new(config, 24).err().unwrap();
    assert!(error.code == Code::Unsupported && error.message.contains("sentence encoder"), "{error}");
    let llama = Checkpoint::open(&golden("checkpoints/llama")).unwrap();
    assert_eq!(EncoderState::<Float>::new(llama.config(), 24).err().unwrap().code, Code::Unsupported);
}

/// A folder that is right but for one file.
fn with(file: &str, bytes: Option<&str>) -> nomul::Result<Checkpoint> {
    let names = ["config.json", "1_Pooling/config.json", "sentence_bert_config.json", "model.safetensors"];
    let mut files: BTreeMap<String, Arc<[u8]>> = BTreeMap::new();
    for name in names {
        let bytes = match bytes.filter(|_| name == file) {
            Some(bytes) => bytes.as_bytes().to_vec(),
            None => std::fs::read(golden("checkpoints/bert").join(name)).unwrap(),
        };
        if name != file || !bytes.is_empty() {
            files.insert(name.into(), bytes.into());
        }
    }
    Checkpoint::from_files(files)
}

#[test]
fn broken_files_are_told_by_name() {
    let config = std::fs::read_to_string(golden("checkpoints/bert/config.json")).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(config.contains(from));
        config.replace(from, to)
    };
    let max = r#"{"pooling_mode_max_tokens": true}"#;
    let two = r#"{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true}"#;
    for (file, bytes, code, told) in [
        ("1_Pooling/config.json", max.to_string(), Code::Unsupported, "pooling_mode_max_tokens"),
        ("1_Pooling/config.json", two.to_string(), Code::Unsupported, "1_Pooling/config.json"),
        ("1_Pooling/config.json", "{".to_string(), Code::Format, "1_Pooling/config.json"),
        ("sentence_bert_config.json", r#"{"max_seq_length": 2}"#.to_string(), Code::Value, "max_seq_length"),
        ("config.json", changed("\"gelu\"", "\"relu\""), Code::Unsupported, "hidden_act"),
        ("config.json", changed("absolute", "relative_key"), Code::Unsupported, "position_embedding_type"),
        ("config.json", changed("\"num_attention_heads\": 4", "\"num_attention_heads\": 5"), Code::Value, "heads"),
        ("config.json", changed("\"type_vocab_size\": 2", "\"type_vocab_size\": 3"), Code::Shape, "token_type"),
        ("config.json", changed("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1"), Code::Unsupported, "layer.1"),
    ] {
        let error = with(file, Some(&bytes)).err().expect(told);
        assert_eq!(error.code, code, "{error}");
        assert!(error.message.contains(told), "{error}");
    }
    // Without the files of sentence-transformers: the mean, of as many tokens as there are positions.
    let encoder = with("1_Pooling/config.json", Some("")).map(|_| ());
    assert!(encoder.is_ok());
    let first = with("1_Pooling/config.json", Some(r#"{"pooling_mode_cls_token": true}"#)).unwrap();
    assert_eq!(first.config().encoder.unwrap().pooling, Pooling::First);
}
