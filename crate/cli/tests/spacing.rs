//! `nomul quantize --spacing even`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn quantize(output: &Path, words: &[&str]) -> Output {
    let checkpoint = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/checkpoints/llama");
    let mut command = Command::new(env!("CARGO_BIN_EXE_nomul"));
    command.arg("quantize").arg(checkpoint).arg("--output").arg(output).args(words);
    command.args(["--spacing", "even"]).output().unwrap()
}

fn report(made: &Output) -> serde_json::Value {
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    serde_json::from_slice(&made.stdout).unwrap()
}

#[test]
fn even_levels_are_told_and_read() {
    let parent = tempfile::tempdir().unwrap();
    let folder: PathBuf = parent.path().join("model");
    let report = report(&quantize(&folder, &["--windows", "8", "--window", "64", "--bits", "3", "--json"]));
    let matrices = report["matrices"].as_array().unwrap();
    let even: Vec<bool> = matrices.iter().map(|matrix| matrix["is_even"].as_bool().unwrap()).collect();
    // The table's levels lie where its numbers are.
    assert!(!even[0] && even[1..].iter().all(|&even| even), "{even:?}");
    assert!(report["bits"].as_f64() > Some(3.0), "planes: {}", report["bits"]);
    let config = fs::read_to_string(folder.join("config.json")).unwrap();
    assert_eq!(config.matches(r#""spacing": "even""#).count(), even.len() - 1);
    let read = Command::new(env!("CARGO_BIN_EXE_nomul"))
        .args(["run", "-p", "Once", "-n", "4", "--temperature", "0"])
        .arg(&folder)
        .output()
        .unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
}

#[test]
fn a_uniform_allocation_gives_all_as_many_bits() {
    let parent = tempfile::tempdir().unwrap();
    let bits = |allocation: &str| -> Vec<String> {
        let words = ["--windows", "8", "--window", "64", "--bits", "3", "--json", "--allocation", allocation];
        let report = report(&quantize(&parent.path().join(allocation), &words));
        let reasons = report["matrices"].as_array().unwrap().iter().map(|matrix| matrix["reason"].as_str().unwrap());
        reasons.filter_map(|reason| Some(reason.split_once("even levels, in ")?.1.to_owned())).collect()
    };
    assert!(bits("uniform").iter().all(|bits| bits == "3.00 bits"));
    assert!(bits("measured").iter().any(|bits| bits != "3.00 bits"));
}

#[test]
fn what_cannot_be_even_is_told_in_one_line() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("model");
    for (words, told) in [
        (&["--effort", "fast"][..], "--spacing even: nothing is measured"),
        (
            &["--windows", "8", "--window", "64", "--bits", "8"],
            "8 bits a weight on even levels cannot be met; the nearest that can is 7",
        ),
        (&["--milliseconds", "1", "--signs-per-second", "1e9"], "cannot be used with"),
    ] {
        let refused = quantize(&folder, words);
        let error = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && error.contains(told), "{words:?}: {error}");
        assert!(!folder.exists());
    }
}
