//! `nomul json` as a user meets it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

fn nomul(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nomul")).arg("json").args(words).output().unwrap()
}

fn answer(words: &[&str]) -> Value {
    let output = nomul(&[words, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(String::from_utf8(output.stdout).unwrap().lines().last().unwrap()).unwrap()
}

fn refused(words: &[&str]) -> String {
    let output = nomul(words);
    assert!(!output.status.success() && output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap().lines().last().unwrap().to_owned()
}

fn index(folder: &Path, documents: &str, words: &[&str]) -> PathBuf {
    let (source, index) = (folder.join("docs.jsonl"), folder.join("docs.index"));
    fs::write(&source, documents).unwrap();
    answer(&[&["embed", source.to_str().unwrap(), "-o", index.to_str().unwrap()], words].concat());
    index
}

const DOCUMENTS: &str = r#"{"id":"a","name":"red lamp","price":20,"tags":["x","y"]}

{"id":"b","name":"blue chair","price":80,"tags":["y"]}
{"id":"c","name":"green table","price":300,"tags":[]}
"#;

#[test]
fn documents_are_embedded_searched_read_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("schema.json");
    let index = index(folder.path(), DOCUMENTS, &["--id", "id", "--write-schema", schema.to_str().unwrap()]);
    let index = index.to_str().unwrap();
    let found = answer(&["search", index, r#"{"name":"red lamp","price":21,"tags":["x","y"]}"#, "-k", "2"]);
    assert_eq!((&found["hits"][0]["id"], found["hits"].as_array().unwrap().len()), (&"a".into(), 2));
    let got = answer(&["get", index, "b", "name"]);
    assert_eq!(got["value"], "blue chair");
    assert!(got["confidence"].as_f64().unwrap() > 0.99);
    let explained = answer(&["explain", index, "a", r#"{"name":"red lamp","price":1e6}"#]);
    assert_eq!(explained["leaves"][0]["path"], "name");
    // The schema that was written makes the same vectors.
    let (source, again) = (folder.path().join("docs.jsonl"), folder.path().join("again"));
    let words = ["embed", source.to_str().unwrap(), "-o", again.to_str().unwrap(), "--id", "id", "--schema"];
    answer(&[&words[..], &[schema.to_str().unwrap()]].concat());
    assert_eq!(fs::read(again).unwrap(), fs::read(index).unwrap());
}

#[test]
fn theory_and_measurement_are_told() {
    let words = ["capacity", "--dimension", "512", "--leaves", "10", "--candidates", "100", "--measure", "20"];
    let point = &answer(&words)["points"][0];
    let gap = point["recall"].as_f64().unwrap() - point["measured"].as_f64().unwrap();
    assert!(gap.abs() < 0.05, "{point}");
}

#[test]
fn bad_input_is_refused_in_one_line_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (documents, words, expected) in [
        ("{\"a\":1}\n{\"a\":}\n", &[][..], "line 2, column 6: expected value [format]"),
        ("{\"a\":1,\"a\":2}", &[], "line 1, column 10: duplicate key \"a\" [format]"),
        ("\n\n", &[], "no documents [input]"),
        ("{\"id\":1}\n{\"id\":1}", &["--id", "id"], "line 2: the name \"1\" came before [input]"),
        ("{\"x\":1}", &["--id", "id"], "line 1: --id id: nothing is there [missing]"),
        ("1", &["--dimension", "100"], "dimension 100: vectors have 256 to 65536 signs [input]"),
        ("1", &["--schema", "/nowhere/at/all"], "No such file or directory (os error 2) [missing]"),
    ] {
        fs::write(at("bad"), documents).unwrap();
        let line = refused(&[&["embed", &at("bad"), "-o", &at("out")], words].concat());
        assert!(line.starts_with("nomul: ") && line.ends_with(expected), "{line}");
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["bad"]);

    let index = index(folder.path(), DOCUMENTS, &[]);
    let bytes = fs::read(&index).unwrap();
    fs::write(at("cut"), &bytes[..bytes.len() - 1]).unwrap();
    assert!(refused(&["search", &at("cut"), "1"]).contains("it was cut or something was added"));
    assert!(refused(&["search", &at("bad"), "1"]).ends_with("not an index of JSON documents [format]"));
    let index = index.to_str().unwrap();
    assert!(refused(&["search", index, "{"]).contains("the query: line 1, column 1"));
    assert!(refused(&["get", index, "2", "name"]).ends_with("no document \"2\": there are 3 [missing]"));
    assert!(refused(&["get", index, "1", "a["]).contains("path: no ] after byte 1"));
    assert!(refused(&["get", index, "1", "nothing"]).ends_with("nothing is known there [missing]"));
}
