//! A run that is stopped, again and again, and goes on each time.

#![cfg(panic = "unwind")]

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Mutex,
};

use nomul_quant::{
    checkpoint::Checkpoint,
    fit::{
        Gptq,
        bits::{Budget, Greedy},
    },
    quantize::{Options, Progress, quantize},
};

#[test]
fn a_stopped_run_goes_on_to_the_same_model() {
    let checkpoint = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/checkpoints/llama");
    let checkpoint = Checkpoint::open(&checkpoint).unwrap();
    let vocabulary = checkpoint.config().vocab_size as u32;
    let token = |n: u32| (n.wrapping_mul(0x9e37_79b1) >> 8) % vocabulary;
    let windows: Vec<Vec<u32>> = (0..8).map(|window| (0..48).map(|at| token(window * 48 + at)).collect()).collect();
    let parent = tempfile::tempdir().unwrap();
    let run = |name: &str, seed: u64, resume: bool, progress: &(dyn Fn(&Progress) + Sync)| {
        let options = Options {
            fit: &Gptq::default(),
            choose: &Greedy,
            budget: Budget::BitsPerWeight(3.0),
            is_even: false,
            start: Some(2.0),
            table_planes: None,
            start_table_planes: None,
            windows: &windows,
            measured: 4,
            adapting: 4,
            tuning: [2, 2],
            seed,
            replace: true,
            resume,
        };
        let report = quantize(&checkpoint, &parent.path().join(name), &options, progress).unwrap();
        serde_json::to_string(&report).unwrap()
    };
    let files = |name: &str| {
        let entries = fs::read_dir(parent.path().join(name)).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            entries.map(|path| (path.file_name().unwrap().to_owned(), fs::read(path).unwrap())).collect();
        files.sort();
        files
    };
    let steps = Mutex::new(Vec::new());
    let expected = run("whole", 1, false, &|progress| steps.lock().unwrap().push(progress.step.clone()));
    let mut steps = steps.into_inner().unwrap();
    steps.dedup();

    // At matrices that are fitted alone: of several, others may be done when one is stopped.
    let alone = ["embed_tokens", "o_proj", "down_proj"];
    let is_stop = |step: &&String| alone.iter().any(|end| step.ends_with(end)) || step.starts_with("tuning");
    let stops: Vec<&String> = steps.iter().filter(is_stop).collect();
    assert!(stops.len() > 4, "{steps:?}");
    let said = Mutex::new(Vec::new());
    let stopped = |stop: &str, seed: u64| {
        let note = |progress: &Progress| {
            said.lock().unwrap().push(progress.step.clone());
            if progress.step == stop {
                panic!("stopped");
            }
        };
        catch_unwind(AssertUnwindSafe(|| run("model", seed, true, &note))).unwrap_err();
    };
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    // One with other options, of which nothing may be used.
    stopped(stops[stops.len() - 1], 2);
    said.lock().unwrap().clear();
    stops.iter().for_each(|stop| stopped(stop, 1));
    std::panic::set_hook(hook);
    let found = run("model", 1, true, &|progress| said.lock().unwrap().push(progress.step.clone()));

    assert_eq!(found, expected);
    assert_eq!(files("model"), files("whole"));
    let mut said = said.into_inner().unwrap();
    said.dedup();
    assert!(said.iter().any(|step| step.contains("of a run that was stopped")), "{said:?}");
    let measured = said.iter().filter(|step| step.starts_with("measuring")).count();
    assert_eq!(measured, 1, "{said:?}");
    // The first matrix that is fitted was stopped in the making.
    let embedding = said.iter().filter(|step| step.ends_with("embed_tokens")).count();
    assert_eq!(embedding, 2, "{said:?}");
    // Nothing is left beside the two folders.
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 2);
}
