//! `nomul quantize` that does not come to its end.
#![cfg(unix)]

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

fn checkpoint() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/checkpoints/llama")
}

/// The command that makes `output`, of the tiny checkpoint. With `planes` 8 it takes a while, with 2 it does not.
fn quantize(output: &Path, planes: u8) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nomul"));
    command.arg("quantize").arg(checkpoint()).arg("--output").arg(output).arg("--force");
    command.args(["--windows", if planes > 2 { "8" } else { "0" }, "--window", "256"]);
    command.args(["--bits", &planes.to_string(), "--table-planes", &planes.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Starts the command and returns it as soon as its partial folder has a file; tries again where it was too quick.
fn started(output: &Path) -> Child {
    let parent = output.parent().unwrap();
    for _ in 0..20 {
        let before = names(parent);
        let mut child = quantize(output, 8).spawn().unwrap();
        while child.try_wait().unwrap().is_none() {
            let new = names(parent).into_iter().find(|name| name.ends_with(".part") && !before.contains(name));
            if new.is_some_and(|name| fs::read_dir(parent.join(name).join("new")).is_ok_and(|mut e| e.next().is_some()))
            {
                return child;
            }
            sleep(Duration::from_millis(1));
        }
    }
    panic!("it always ended before it could be killed");
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_signal_leaves_nothing() {
    for (name, number) in [("INT", 2), ("TERM", 15)] {
        let parent = tempfile::tempdir().unwrap();
        let output = parent.path().join("model");
        fs::create_dir(&output).unwrap();
        fs::write(output.join("before"), "").unwrap();
        let mut child = started(&output);
        signal(&child, name);
        assert_eq!(child.wait().unwrap().signal(), Some(number), "SIG{name}");
        assert_eq!(names(parent.path()), ["model"], "SIG{name}");
        assert_eq!(names(&output), ["before"], "SIG{name}");
    }
}

#[test]
fn what_sigkill_leaves_is_removed_by_the_next_run_and_a_running_one_is_not_disturbed() {
    let parent = tempfile::tempdir().unwrap();
    let output = parent.path().join("model");
    let mut killed = started(&output);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(names(parent.path()).len(), 1);

    let mut running = started(&output);
    let partial = names(parent.path());
    assert_eq!(partial.len(), 1, "{partial:?}");
    // It stands still until the next run is over.
    signal(&running, "STOP");
    let ended = quantize(&output, 2).output().unwrap();
    let seen = names(parent.path());
    signal(&running, "CONT");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(seen, [partial[0].as_str(), "model"]);
    assert!(running.wait().unwrap().success());
    assert_eq!(names(parent.path()), ["model"]);
}
