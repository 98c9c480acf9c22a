//! Tiny checkpoints of every architecture against what `transformers` says of them (tests/golden/logits).

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
};

use nomul::{
    Code, Model, State,
    float::Float,
    forward::{CHUNK, decode, score},
    sample::SampleOptions,
    weights::Weights,
};
use nomul_quant::{
    checkpoint::Checkpoint,
    dense::Dense,
    fit::{
        Gptq,
        bits::{Budget, Greedy},
    },
    own_text::{Writing, write},
    perplexity::compare,
    quantize::{Options, quantize},
};

const ALL: [&str; 5] = ["llama", "llama3", "mistral", "qwen2", "qwen3"];

struct Golden {
    checkpoint: Checkpoint,
    tokens: Vec<u32>,
    logits: Vec<(usize, Vec<f32>)>,
    prompt: Vec<u32>,
    greedy: Vec<u32>,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name)
}

fn golden(name: &str) -> Golden {
    let text = std::fs::read_to_string(folder("logits").join(format!("{name}.json"))).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let ids = |value: &serde_json::Value| -> Vec<u32> {
        value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
    };
    let logits = json["logits"].as_array().unwrap().iter().map(|entry| {
        let values = entry["values"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
        (entry["position"].as_u64().unwrap() as usize, values)
    });
    Golden {
        checkpoint: Checkpoint::open(&folder("checkpoints").join(name)).unwrap(),
        tokens: ids(&json["tokens"]),
        logits: logits.collect(),
        prompt: ids(&json["greedy"]["tokens"]),
        greedy: ids(&json["greedy"]["continuation"]),
    }
}

/// The difference of logits, relative to their size, over all positions.
fn distance(golden: &Golden, config: &nomul::ModelConfig, weights: &mut impl Weights<Arithmetic = Float>) -> f32 {
    let mut state = State::<Float>::new(config, golden.tokens.len()).unwrap();
    let mut logits = vec![0.0; golden.tokens.len() * config.vocab_size];
    for (tokens, logits) in golden.tokens.chunks(CHUNK).zip(logits.chunks_mut(CHUNK * config.vocab_size)) {
        score(config, weights, &mut state, tokens, logits).unwrap();
    }
    let (mut error, mut size) = (0.0f32, 0.0f32);
    for (position, expected) in &golden.logits {
        let ours = &logits[position * config.vocab_size..][..config.vocab_size];
        error += ours.iter().zip(expected).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
        size += expected.iter().map(|b| b * b).sum::<f32>();
    }
    (error / size).sqrt()
}

/// Token windows to calibrate on, none of them the text that is compared.
fn calibration(vocabulary: usize) -> Vec<Vec<u32>> {
    let token = |n: u32| n.wrapping_mul(0x9e37_79b1) >> 8;
    (0..8).map(|window| (0..48).map(|at| token(window * 48 + at + 1) % vocabulary as u32).collect()).collect()
}

fn greedy(golden: &Golden, config: &nomul::ModelConfig, weights: &mut impl Weights<Arithmetic = Float>) -> Vec<u32> {
    let mut state = State::<Float>::new(config, golden.prompt.len() + golden.greedy.len()).unwrap();
    let mut next = 0;
    let mut out = Vec::new();
    let mut prompt = golden.prompt.iter().copied();
    while out.len() < golden.greedy.len() {
        let token = prompt.next().unwrap_or(next);
        let logits = decode(config, weights, &mut state, token).unwrap();
        next = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap() as u32;
        if prompt.len() == 0 {
            out.push(next);
        }
    }
    out
}

#[test]
fn full_precision_equals_transformers() {
    for name in ALL {
        let golden = golden(name);
        let config = golden.checkpoint.config();
        let dense = Dense::load(&golden.checkpoint).unwrap();
        let distance = distance(&golden, config, &mut dense.view());
        assert!(distance < 2e-5, "{name}: logits differ by {distance}");
        assert_eq!(greedy(&golden, config, &mut dense.view()), golden.greedy, "{name}");
        // And what texts go on with that are written side by side.
        let tokens = golden.prompt.len() + golden.greedy.len();
        let documents = vec![vec![golden.prompt.clone()]];
        let writing = Writing { windows: 3, tokens, documents, ends: Vec::new(), sampling: SampleOptions::default() };
        let expected = [&golden.prompt[..], &golden.greedy].concat();
        assert_eq!(write(&golden.checkpoint, &writing, &|_, _| ()).unwrap(), vec![expected; 3], "{name}");
    }
}

#[test]
fn a_checkpoint_writes_documents() {
    let golden = golden("llama");
    let vocab = golden.checkpoint.config().vocab_size as u32;
    let all: Vec<u32> = (0..vocab).collect();
    let plain = Writing {
        windows: 34,
        tokens: 40,
        documents: vec![vec![vec![1, 2, 3]], vec![vec![4], vec![5, 6]]],
        ends: Vec::new(),
        sampling: SampleOptions { temperature: 1.0, seed: 7, ..SampleOptions::default() },
    };
    let seen = Mutex::new((0, 0));
    let written = write(&golden.checkpoint, &plain, &|done, total| *seen.lock().unwrap() = (done, total)).unwrap();
    assert_eq!(*seen.lock().unwrap(), (34 * 40, 34 * 40));
    assert!(written.len() == 34 && written.iter().all(|window| window.len() == 40));
    assert!(written.iter().enumerate().all(|(i, window)| window.starts_with(&plain.documents[i % 2][0])));
    assert!(written.windows(3).all(|windows| windows[0] != windows[2]), "windows of one seed");
    assert_eq!(write(&golden.checkpoint, &plain, &|_, _| ()).unwrap(), written);
    // Where every token is an end, given parts follow each other.
    let short = Writing { ends: all, windows: 1, tokens: 9, ..plain.clone() };
    assert_eq!(write(&golden.checkpoint, &short, &|_, _| ()).unwrap(), [[1, 2, 3, 4, 5, 6, 1, 2, 3]]);
    // A part may begin with the end that calls for it.
    let again = Writing { documents: vec![vec![vec![4], vec![4, 5]]], tokens: 5, ..short };
    assert_eq!(write(&golden.checkpoint, &again, &|_, _| ()).unwrap(), [[4, 5, 4, 5, 4]]);
    let refused = |writing: Writing| write(&golden.checkpoint, &writing, &|_, _| ()).unwrap_err().code;
    let most = golden.checkpoint.config().max_position_embeddings;
    assert_eq!(refused(Writing { tokens: most + 1, ..plain.clone() }), Code::Input);
    assert_eq!(refused(Writing { tokens: 0, ..plain.clone() }), Code::Input);
    assert_eq!(refused(Writing { documents: vec![vec![]], ..plain.clone() }), Code::Input);
    assert_eq!(refused(Writing { documents: vec![vec![vec![vocab]]], ..plain.clone() }), Code::Input);
    let sampling = SampleOptions { top_p: 2.0, ..SampleOptions::default() };
    assert_eq!(refused(Writing { sampling, ..plain }), Code::Input);
}

/// By how much the logits of the model at `place` differ, and by how many nats a token its predictions.
fn differences(golden: &Golden, place: &Path) -> (f32, f64) {
    let read = |file: &str| std::fs::read(place.join(file)).unwrap();
    let mut model = Model::new(&read("config.json"), &read("model.safetensors.index.json")).unwrap();
    for shard in model.shards().to_vec() {
        model.push(&read(&shard.file)).unwrap();
    }
    // All beside the matrices in floats: how finely that is done is no question of the weights.
    let (config, mut weights) = model.float_parts();
    let distance = distance(golden, config, &mut weights);
    let dense = Dense::load(&golden.checkpoint).unwrap();
    let (mut view, mut state) = (dense.view(), State::new(config, golden.tokens.len()).unwrap());
    let mut other = State::new(golden.checkpoint.config(), golden.tokens.len()).unwrap();
    let ours = (config, &mut weights, &mut state);
    let theirs = (golden.checkpoint.config(), &mut view, &mut other);
    let apart = compare(ours, theirs, &golden.tokens).unwrap().1.divergence / (golden.tokens.len() - 1) as f64;
    (distance, apart)
}

/// Every architecture takes steps that adapt and tune, and comes out about as near as without: by how much nearer, matrices so small
/// leave to chance. What steps gain is tested in `tune`.
#[test]
fn every_architecture_adapts() {
    let parent = tempfile::tempdir().unwrap();
    for name in ALL {
        let golden = golden(name);
        let windows = calibration(golden.checkpoint.config().vocab_size);
        let apart = |adapting: usize, is_even: bool| {
            let place = parent.path().join(format!("{name}-{adapting}-{is_even}"));
            let options = Options {
                fit: &Gptq::default(),
                choose: &Greedy,
                budget: Budget::BitsPerWeight(3.0),
                is_even,
                start: Some(2.0),
                table_planes: Some(8),
                start_table_planes: Some(5),
                windows: &windows,
                measured: 8,
                adapting,
                tuning: [2, 2],
                seed: 1,
                replace: false,
                resume: false,
            };
            let seen = Mutex::new((0, 0));
            let report = quantize(&golden.checkpoint, &place, &options, &|progress| {
                let mut seen = seen.lock().unwrap();
                *seen = (progress.done.max(seen.0), progress.total);
            });
            let (most, total) = *seen.lock().unwrap();
            assert!(most <= total, "{name}: {most} of {total} parts of the work were told");
            let report = report.unwrap();
            assert!(report.tuning.iter().all(Option::is_some), "{name}");
            let table = report.matrices.iter().find(|matrix| matrix.name.contains("embed_tokens")).unwrap();
            assert_eq!(table.prefixes, [5, 8], "{name}");
            differences(&golden, &place).1
        };
        let (plain, adapted, even) = (apart(0, false), apart(4, false), apart(4, true));
        println!("{name}: {plain} nats, adapted {adapted}, on even levels {even}");
        assert!(even < adapted, "{name}: {even} nats on even levels, {adapted} on others");
        assert!(adapted < 1.5 * plain, "{name}: {adapted} nats adapted, {plain} without");
    }
}

/// Eight planes leave 0.25 to 0.45 % of the output (the amplitude) of each of these random matrices, and 0.6 % of the
/// embedding, at either end of a tied model. By which windows they are calibrated on, and by the order in which a processor
/// adds floats, that is 0.0083 to 0.0111.
#[test]
fn eight_planes_come_to_about_a_hundredth() {
    let parent = tempfile::tempdir().unwrap();
    for name in ALL {
        let golden = golden(name);
        let place = parent.path().join(name);
        let options = Options {
            fit: &Gptq::default(),
            choose: &Greedy,
            budget: Budget::BitsPerWeight(8.0),
            is_even: false,
            start: Some(8.0),
            table_planes: Some(8),
            start_table_planes: None,
            windows: &calibration(golden.checkpoint.config().vocab_size),
            measured: 8,
            adapting: 0,
            tuning: [0, 0],
            seed: 1,
            replace: false,
            resume: false,
        };
        quantize(&golden.checkpoint, &place, &options, &|_| ()).unwrap();
        let (distance, apart) = differences(&golden, &place);
        println!("{name}: logits differ by {distance}, predictions by {apart} nats");
        assert!((-1e-6..1e-3).contains(&apart), "{name}: predictions differ by {apart} nats");
        assert!(distance < 1.2e-2, "{name}: logits differ by {distance}");
    }
}
