//! Threads change the time that an answer takes, and nothing else.

use std::process::{Command, Output};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/model-tiny");

fn nomul(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nomul")).args(words).output().unwrap()
}

fn tokens(threads: &str) -> serde_json::Value {
    let run = nomul(&["run", MODEL, "-p", "Once upon a time", "-n", "24", "--json", "--threads", threads]);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_slice::<serde_json::Value>(&run.stdout).unwrap()["tokens"].take()
}

#[test]
fn any_number_of_threads_gives_the_same_tokens() {
    let one = tokens("1");
    assert_eq!(one.as_array().unwrap().len(), 24);
    for threads in ["2", "3", "32"] {
        assert_eq!(tokens(threads), one, "{threads} threads");
    }
}

#[test]
fn a_number_of_threads_that_cannot_be_is_told_in_one_line() {
    for command in
        [&["run", MODEL, "-p", "a"][..], &["chat", MODEL], &["bench", MODEL], &["perplexity", MODEL, "--text", "a"]]
    {
        for threads in ["0", "33", "1000000000000"] {
            let run = nomul(&[command, &["--threads", threads]].concat());
            let line = format!("nomul: --threads {threads}: 1 to 32 are possible [input]\n");
            assert_eq!((run.status.code(), String::from_utf8_lossy(&run.stderr).as_ref()), (Some(1), line.as_str()));
        }
        for threads in ["-1", "many", "99999999999999999999999"] {
            let run = nomul(&[command, &["--threads", threads]].concat());
            assert!(!run.status.success() && run.stdout.is_empty(), "{threads}");
        }
    }
}
