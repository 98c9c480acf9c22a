//! `nomul graph` from files to files.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::{ListAccessor, RowAccessor},
};

fn nomul(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nomul")).arg("graph").args(words).current_dir(folder).output().unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(String::from_utf8_lossy(&output.stdout).lines().last().unwrap()).unwrap()
}

/// Two groups, each of which knows itself.
fn edges() -> String {
    let pairs = (0..40u32).flat_map(|a| (1..7).map(move |step| (a, a / 20 * 20 + (a + step * step) % 20)));
    pairs.map(|(a, b)| format!("n{a}\tn{b}\n")).collect()
}

#[test]
fn embeds_finds_and_classifies() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("edges.tsv"), edges()).unwrap();
    let labels: String = (0..40).map(|node| format!("n{node}\t{}\n", ["left", "right"][node / 20])).collect();
    fs::write(path.join("labels.tsv"), labels).unwrap();
    let words = ["embed", "edges.tsv", "-o", "v.npy", "--ids", "ids", "-d", "64", "--json", "--digest", "--threads"];
    let digests = ["1", "2"].map(|threads| json(&nomul(path, &[&words[..], &[threads]].concat()))["digest"].clone());
    assert_eq!(digests[0], digests[1]);
    let bytes = fs::read(path.join("v.npy")).unwrap();
    assert!(bytes.starts_with(b"\x93NUMPY") && (bytes.len() - 40 * 64 * 4).is_multiple_of(64));
    let found =
        json(&nomul(path, &["neighbors", "v.npy", "n3", "--ids", "ids", "-k", "5", "--recall", "40", "--json"]));
    for hit in found["nodes"][0]["neighbors"].as_array().unwrap() {
        assert!(hit["id"].as_str().unwrap()[1..].parse::<u32>().unwrap() < 20, "{hit}");
    }
    assert!(found["recall"].as_f64().unwrap() > 0.98);
    let words = ["classify", "v.npy", "labels.tsv", "--ids", "ids", "--train", "0.5", "--splits", "2", "--json"];
    assert!(json(&nomul(path, &words))["results"][0]["micro"].as_f64().unwrap() > 95.0);
    json(&nomul(path, &["embed", "edges.tsv", "-o", "v.csv", "-d", "32", "--json"]));
    let csv = fs::read_to_string(path.join("v.csv")).unwrap();
    assert_eq!((csv.lines().count(), csv.lines().nth(1).unwrap().split(',').count()), (41, 33));
    json(&nomul(path, &["embed", "edges.tsv", "-o", "f.npy", "--float", "--json"]));
}

#[test]
fn parquet_holds_what_npy_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("edges.tsv"), edges()).unwrap();
    for words in [&[][..], &["--float"]] {
        for name in ["v.npy", "v.parquet"] {
            json(&nomul(
                path,
                &[&["embed", "edges.tsv", "-o", name, "-d", "48", "--ids", "ids", "--json"], words].concat(),
            ));
        }
        let npy = fs::read(path.join("v.npy")).unwrap();
        let wanted: Vec<f32> = npy[npy.len() - 40 * 48 * 4..]
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
            .collect();
        let reader = SerializedFileReader::new(fs::File::open(path.join("v.parquet")).unwrap()).unwrap();
        let (mut ids, mut found) = (String::new(), Vec::new());
        for row in reader.get_row_iter(None).unwrap() {
            let row = row.unwrap();
            ids += &format!("{}\n", row.get_string(0).unwrap());
            let vector = row.get_list(1).unwrap();
            assert_eq!(vector.len(), 48);
            found.extend((0..48).map(|column| vector.get_float(column).unwrap()));
        }
        assert_eq!(ids, fs::read_to_string(path.join("ids")).unwrap());
        assert_eq!(found, wanted);
    }
}

#[test]
fn an_update_is_a_full_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("before.tsv"), edges()).unwrap();
    fs::write(path.join("after.tsv"), edges() + "n3\tn33\nn40\tn1\n").unwrap();
    fs::write(path.join("add.tsv"), "n3 n33\nn40 n1 1.0\n").unwrap();
    json(&nomul(path, &["embed", "before.tsv", "-o", "v.npy", "--state", "state", "--json"]));
    let result = json(&nomul(path, &["update", "state", "--add", "add.tsv", "-o", "v.npy", "--json"]));
    assert_eq!((result["nodes"].as_u64(), result["touched"].as_u64()), (Some(41), Some(4)));
    json(&nomul(path, &["embed", "after.tsv", "-o", "full.npy", "--json"]));
    assert_eq!(fs::read(path.join("v.npy")).unwrap(), fs::read(path.join("full.npy")).unwrap());
    // And back.
    fs::write(path.join("remove.tsv"), "n33\tn3\n").unwrap();
    json(&nomul(path, &["update", "state", "--remove", "remove.tsv", "-o", "v.npy", "--json"]));
    fs::write(path.join("state"), b"nomulgr1 and nothing more").unwrap();
    let broken = nomul(path, &["update", "state", "--add", "add.tsv", "-o", "w.npy"]);
    assert!(!broken.status.success() && !path.join("w.npy").exists());
}

#[test]
fn what_is_wrong_is_one_line_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let files = [
        ("bad.tsv", "1 2\nthree\n"),
        ("nan.tsv", "1 2 NaN\n"),
        ("negative.tsv", "1 2 -0.5\n"),
        ("empty.tsv", "# nothing\n"),
        ("good.tsv", "1 2\n2 3\n"),
        ("properties.tsv", "1 0.5\n9 0.5\n"),
        ("values.tsv", "1 0.5\n2 x\n"),
    ];
    for (name, text) in files {
        fs::write(path.join(name), text).unwrap();
    }
    let properties = |name| ["embed", "good.tsv", "-o", "v.npy", "--property-ratio", "0.5", "--properties", name];
    let plain = |name| vec!["embed", name, "-o", "v.npy"];
    let cases = [
        (plain("bad.tsv"), "nomul: bad.tsv: line 2: \"three\" is no edge"),
        (plain("nan.tsv"), "nomul: nan.tsv: line 1: weight NaN"),
        (plain("negative.tsv"), "nomul: negative.tsv: line 1: weight -0.5"),
        (plain("empty.tsv"), "nomul: empty.tsv: the graph is empty"),
        (plain("absent.tsv"), "nomul: absent.tsv: No such file"),
        (properties("properties.tsv").to_vec(), "nomul: properties.tsv: line 2: node 9 is not in the graph"),
        (properties("values.tsv").to_vec(), "nomul: values.tsv: line 2: value \"x\" is no number"),
        (
            vec!["embed", "good.tsv", "-o", "v.npy", "-d", "65536", "--memory", "600000"],
            "nomul: 3 nodes and 4 stored edges in 65536",
        ),
        (vec!["embed", "good.tsv", "-o", "v.txt"], "nomul: v.txt: vectors are written as"),
        (vec!["embed", "good.tsv", "-o", "v.parquet", "--type", "i8"], "nomul: v.parquet: only .npy holds integers"),
        (vec!["embed", "good.tsv", "-o", "v.npy", "--weights", "0"], "nomul: weights: one has to be above 0"),
        (vec!["embed", "good.tsv", "-o", "v.npy", "--beta", "nan"], "nomul: beta: NaN"),
        (vec!["neighbors", "good.tsv", "1"], "nomul: good.tsv: no array"),
    ];
    for (words, message) in cases {
        let output = nomul(path, &words);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = error.lines().find(|line| line.starts_with("nomul: ")).unwrap_or_default();
        assert!(line.starts_with(message) && !output.status.success(), "{words:?}: {error}");
        assert_eq!(fs::read_dir(path).unwrap().count(), files.len(), "{words:?} leaves a file");
    }
}
