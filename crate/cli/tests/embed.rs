//! `nomul embed`: of a model folder and of its checkpoint, printed and written.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

fn golden(name: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name);
    path.to_str().unwrap().into()
}

fn embed(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nomul")).arg("embed").args(words).output().unwrap()
}

fn vectors(words: &[&str]) -> Vec<Vec<f32>> {
    let made = embed(&[words, &["--json"]].concat());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let json: Value = serde_json::from_slice(&made.stdout).unwrap();
    let floats = |vector: &Value| vector.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
    json["vectors"].as_array().unwrap().iter().map(floats).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn vectors_are_printed_and_written() {
    let (tiny, bert) = (golden("encoder/tiny"), golden("checkpoints/bert"));
    let parent = tempfile::tempdir().unwrap();
    let path = |name: &str| parent.path().join(name).to_str().unwrap().to_string();
    fs::write(path("texts"), "The old mill.\n\nwater").unwrap();
    let planes = vectors(&[&tiny, "--text", &path("texts")]);
    assert_eq!(planes, vectors(&[&tiny, "-p", "The old mill.", "-p", "", "-p", "water", "--threads", "2"]));
    let floats = vectors(&[&bert, "--text", &path("texts")]);
    for (a, b) in planes.iter().zip(&floats) {
        assert!(cosine(a, b) > 0.95, "{}", cosine(a, b));
    }

    let made = embed(&[&tiny, "--text", &path("texts"), "-o", &path("v.npy")]);
    assert!(made.status.success());
    let bytes = fs::read(path("v.npy")).unwrap();
    assert!(bytes.starts_with(b"\x93NUMPY") && String::from_utf8_lossy(&bytes[..128]).contains("(3, 96)"));
    let expected: Vec<u8> = planes.iter().flatten().flat_map(|x| x.to_le_bytes()).collect();
    assert!(bytes.ends_with(&expected));

    let lines = embed(&[&tiny, "-p", "water"]).stdout;
    let line: Vec<f32> = serde_json::from_slice(&lines).unwrap();
    assert_eq!(line, planes[2]);
}

#[test]
fn what_cannot_be_done_is_told_in_one_line() {
    let (tiny, bert, llama) = (golden("encoder/tiny"), golden("checkpoints/bert"), golden("model-tiny"));
    for (words, told) in [
        (vec![tiny.as_str()], "required"),
        (vec![&tiny, "-p", "a", "--text", "b"], "cannot be used"),
        (vec![&tiny, "--text", "no such file"], "no such file"),
        (vec![&tiny, "-p", "a", "--max-tokens", "65"], "1 to 64"),
        (vec![&llama, "-p", "a"], "no sentence encoder"),
        (vec![&bert, "-p", "a", "--planes", "2"], "--planes"),
    ] {
        let made = embed(&words);
        assert!(!made.status.success() && made.stdout.is_empty());
        let line = String::from_utf8_lossy(&made.stderr);
        assert!(line.contains(told), "{line}");
    }
    let run = Command::new(env!("CARGO_BIN_EXE_nomul")).args(["run", &tiny, "-p", "a"]).output().unwrap();
    assert!(String::from_utf8_lossy(&run.stderr).contains("sentence encoder"));
}
