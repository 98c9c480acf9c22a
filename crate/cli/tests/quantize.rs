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

/// Stopped when a part is done, it keeps that alone, and the next run goes on from there to what one run makes.
#[test]
fn a_stopped_run_is_resumed() {
    for spacing in ["free", "even"] {
        let parent = tempfile::tempdir().unwrap();
        let output = parent.path().join("model");
        let made = |output: &Path| {
            let mut command = quantize(output, 7);
            command.args(["--spacing", spacing]);
            command
        };
        let resumed = || {
            let mut command = made(&output);
            command.arg("--resume");
            command
        };
        let journal = parent.path().join(".model.resume");
        let has_part =
            || fs::read_dir(&journal).is_ok_and(|_| names(&journal).iter().any(|name| name.contains("layers")));
        let was_stopped = (0..20).any(|_| {
            let mut child = resumed().spawn().unwrap();
            while !has_part() && child.try_wait().unwrap().is_none() {
                sleep(Duration::from_millis(1));
            }
            child.try_wait().unwrap().is_none() && {
                signal(&child, "TERM");
                child.wait().unwrap().signal() == Some(15)
            }
        });
        assert!(was_stopped, "{spacing}: it always ended before it could be stopped");
        assert_eq!(names(parent.path()), [".model.resume"]);

        let ended = resumed().output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && said.contains("parts of a run that was stopped"), "{spacing}: {said}");
        assert_eq!(names(parent.path()), ["model"]);
        let whole = parent.path().join("whole");
        assert!(made(&whole).output().unwrap().status.success());
        assert_eq!(names(&output), names(&whole));
        for name in names(&output) {
            let [resumed, whole] = [&output, &whole].map(|folder| fs::read(folder.join(&name)).unwrap());
            assert!(resumed == whole, "{spacing}: {name}");
        }
    }
}

/// A way to make a disk small for a command.
struct SmallDisk {
    name: &'static str,
    /// What the shell is started with: the first of these that works here.
    starts: &'static [&'static [&'static str]],
    /// What the shell does first, given `$size` and `$folder`; 125 says that it may not.
    prepare: &'static str,
}

const SMALL_DISKS: [SmallDisk; 2] = [
    SmallDisk {
        name: "a small tmpfs",
        // Nobody else sees the mount, and it ends with the shell; as root, or as one who plays root.
        starts: &[&["unshare", "--mount"], &["unshare", "--map-root-user", "--mount"]],
        prepare: r#"mount -t tmpfs -o size=${size}k none "$folder" || exit 125"#,
    },
    SmallDisk {
        name: "ulimit -f",
        starts: &[&["env"]],
        // Where the signal is ignored, the write fails.
        prepare: "trap '' XFSZ && ulimit -f $size || exit 125",
    },
];

/// What came of the command on a small disk: its status, its last line, and what is in the folder.
fn on_a_small_disk(disk: &SmallDisk, size: usize, folder: &Path) -> Option<(i32, String, Vec<String>)> {
    let prepare = disk.prepare;
    let script = format!("size=$1 folder=$2; shift 2; {prepare}; \"$@\"; status=$?; ls -A \"$folder\"; exit $status");
    let inner = quantize(&folder.join("model"), 2);
    for start in disk.starts {
        let mut command = Command::new(start[0]);
        command.args(&start[1..]).args(["sh", "-c", &script, "sh", &size.to_string()]).arg(folder);
        let Ok(output) = command.arg(inner.get_program()).args(inner.get_args()).output() else { continue };
        let (out, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        // unshare itself ends with 1 where it is refused, and says so.
        if output.status.code() == Some(125) || error.starts_with("unshare:") {
            continue;
        }
        // On success, the command prints the folder.
        let left = out.lines().filter(|line| !line.contains('/')).map(String::from).collect();
        return Some((output.status.code().unwrap(), error.lines().last().unwrap_or("").into(), left));
    }
    None
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_one_clear_error_and_leaves_nothing() {
    for disk in SMALL_DISKS {
        let name = disk.name;
        let (mut failed, mut succeeded) = (Vec::new(), 0);
        for size in (1..16).map(|step| 8 * step).chain([4096]) {
            let parent = tempfile::tempdir().unwrap();
            let Some((status, line, left)) = on_a_small_disk(&disk, size, parent.path()) else {
                println!("skipped: {name} cannot be had here");
                break;
            };
            if status == 0 {
                assert_eq!(left, ["model"], "{name}, {size}");
                succeeded += 1;
                continue;
            }
            assert_eq!(status, 1, "{name}, {size}: {line}");
            let file = line.strip_prefix(&format!("nomul: {}/model/", parent.path().display()));
            let (file, rest) = file.and_then(|rest| rest.split_once(": ")).unwrap_or_else(|| panic!("{name}: {line}"));
            let (place, why) = rest.split_once(": ").unwrap_or_else(|| panic!("{name}: {line}"));
            assert!(place.contains("byte") && place.contains(|c: char| c.is_ascii_digit()), "{name}: {line}");
            assert!(why.contains("No space left") || why.contains("File too large"), "{name}: {line}");
            assert_eq!(left, [""; 0], "{name}, {size}: {line}");
            println!("{name}, {size}: {line}");
            failed.push(file.to_owned());
        }
        if failed.len() + succeeded > 0 {
            assert!(failed.len() > 2 && succeeded > 0, "{name}: {failed:?} failed, {succeeded} succeeded");
        }
    }
}
