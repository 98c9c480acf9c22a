//! `nomul own-text`.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

/// The command with the tiny checkpoint.
fn own_text(output: &Path, more: &[&str]) -> Output {
    let checkpoint = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/checkpoints/llama");
    let mut command = Command::new(env!("CARGO_BIN_EXE_nomul"));
    command.arg("own-text").arg(checkpoint).arg("--output").arg(output);
    command.args(more);
    if !more.iter().any(|word| word.starts_with("--window")) {
        command.args(["--windows", "3", "--window", "80"]);
    }
    command.output().unwrap()
}

#[test]
fn a_text_is_made_that_can_be_calibrated_on() {
    let parent = tempfile::tempdir().unwrap();
    let (text, model) = (parent.path().join("text.txt"), parent.path().join("model"));
    let made = own_text(&text, &["--json"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let told: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let written = fs::read(&text).unwrap();
    assert_eq!((told["tokens"].as_u64(), told["bytes"].as_u64()), (Some(240), Some(written.len() as u64)));

    let error = String::from_utf8(own_text(&text, &[]).stderr).unwrap();
    assert!(error.contains("text.txt: exists; use --force"), "{error}");
    assert!(own_text(&text, &["--force"]).status.success());
    assert_eq!(fs::read(&text).unwrap(), written);
    assert!(own_text(&text, &["--force", "--seed", "2"]).status.success());
    assert_ne!(fs::read(&text).unwrap(), written);

    let mut quantize = Command::new(env!("CARGO_BIN_EXE_nomul"));
    let checkpoint = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/checkpoints/llama");
    quantize.arg("quantize").arg(checkpoint).arg("--output").arg(&model).arg("--calibration").arg(&text);
    let made = quantize.args(["--window", "32", "--windows", "4"]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn what_cannot_be_is_said() {
    let parent = tempfile::tempdir().unwrap();
    let text = parent.path().join("text.txt");
    for (asked, said) in [
        ("--windows=0", "--windows 0"),
        ("--window=100000", "windows of 100000 tokens: 1 to"),
        ("--top-p=0", "top_p is 0"),
        ("--temperature=-1", "temperature is -1"),
    ] {
        let made = own_text(&text, &[asked]);
        let error = String::from_utf8(made.stderr).unwrap();
        assert!(!made.status.success() && error.contains(said), "{error}");
    }
    let error = String::from_utf8(own_text(&parent.path().join("nowhere/text.txt"), &[]).stderr).unwrap();
    assert!(error.contains("nowhere") && !error.contains("writing"), "{error}");
    assert!(fs::read_dir(parent.path()).unwrap().next().is_none());
}
