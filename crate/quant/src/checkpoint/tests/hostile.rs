//! Every way in which a file can lie has its one line.

use nomul::Code;
use nomul::weights::VectorId;

use super::write::{CONFIG, GgufFile, Tensor, files, gguf_text, open, safetensors_file, safetensors_raw, tensors};
use crate::checkpoint::Checkpoint;

#[track_caller]
fn refused<T>(result: nomul::Result<T>, code: Code, words: &[&str]) {
    let Err(error) = result else { panic!("was taken, but should fail with {words:?}") };
    assert_eq!(error.code, code, "{error}");
    for word in words {
        assert!(error.message.contains(word), "{error}: does not say {word:?}");
    }
    assert!(!error.message.contains('\n'), "{error}");
}

#[test]
fn safetensors_headers() {
    use Code::{Format, Unsupported};
    let entry = |name: &str, dtype: &str, shape: &str, from: u64, to: u64| {
        format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{from},{to}]}}"#)
    };
    let header = |entries: &[String], data| safetensors_raw(&format!("{{{}}}", entries.join(",")), data);
    let mut long = vec![0; 16];
    long[..8].copy_from_slice(&100_000_001u64.to_le_bytes());
    let mut cut = safetensors_raw("{}", 0);
    cut[0] = 200;
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    let table: Vec<(Vec<u8>, Code, &[&str])> = vec![
        (vec![1, 2, 3], Format, &["3 bytes are too few"]),
        (long, Format, &["100000001", "offset 0", "limit"]),
        (u64::MAX.to_le_bytes().to_vec(), Format, &["offset 0", "limit"]),
        (cut, Format, &["200 bytes at offset 8", "past the file"]),
        (safetensors_raw("[]", 0), Format, &["header at offset 8"]),
        (safetensors_raw("{\"a\":", 0), Format, &["header at offset 8", "tensor a"]),
        (safetensors_raw("\u{0}\u{1}", 0), Format, &["header at offset 8"]),
        (safetensors_raw(&deep, 0), Format, &["tensor a", "header at offset 8"]),
        (safetensors_raw(r#"{"a":{"dtype":"F32"}}"#, 0), Format, &["tensor a", "shape"]),
        (header(&[entry("a", "F32", "[-1]", 0, 4)], 4), Format, &["tensor a", "-1"]),
        (header(&[entry("a", "F32", "[1.5]", 0, 4)], 4), Format, &["tensor a", "1.5"]),
        (header(&[entry("a", "F32", "[1]", 0, 4), entry("a", "F32", "[1]", 4, 8)], 8), Format, &["tensor a", "twice"]),
        (
            header(&[entry("a", "F32", "[2]", 0, 8), entry("b", "F32", "[2]", 4, 12)], 12),
            Format,
            &["tensor b", "offset 4", "inside another", "8"],
        ),
        (
            header(&[entry("a", "F32", "[2]", 0, 8), entry("b", "F32", "[2]", 12, 20)], 20),
            Format,
            &["tensor b", "offset 12", "hole from 8"],
        ),
        (header(&[entry("a", "F32", "[1]", 4, 8)], 8), Format, &["tensor a", "offset 4", "hole from 0"]),
        (
            header(&[entry("a", "U8", "[3]", 0, 3), entry("b", "F32", "[1]", 3, 7)], 7),
            Format,
            &["tensor b", "offset 3", "not aligned"],
        ),
        (header(&[entry("a", "F32", "[4]", 0, 16)], 8), Format, &["tensor a", "0..16", "past the 8 bytes"]),
        (header(&[entry("a", "F32", "[1]", 0, 4)], 8), Format, &["4 bytes from offset", "belong to no tensor"]),
        (header(&[entry("a", "F32", "[3]", 0, 16)], 16), Format, &["tensor a", "[3]", "12 bytes", "0..16"]),
        (header(&[entry("a", "F32", "[1]", 4, 0)], 4), Format, &["tensor a", "4..0"]),
        (header(&[entry("a", "F32", "[4294967296,4294967296]", 0, 0)], 0), Format, &["tensor a", "too large"]),
        (
            header(&[entry("a", "F32", "[0,18446744073709551615,9]", 0, 0), entry("b", "F31", "[]", 0, 4)], 4),
            Unsupported,
            &["tensor b", "F31"],
        ),
    ];
    for (file, code, words) in table {
        let words = [&["model.safetensors"], words].concat();
        refused(open([("model.safetensors", file)]), code, &words);
    }
}

#[test]
fn folders() {
    let whole = safetensors_file(&tensors());
    let index = |map: &str| format!(r#"{{"weight_map":{map}}}"#).into_bytes();
    let name = "model.norm.weight";
    let pointing = |shard: &str| index(&format!(r#"{{"{name}":"{shard}"}}"#));
    let with_index = |json: Vec<u8>| open([("model.safetensors.index.json", json), ("a.safetensors", whole.clone())]);

    open([("model.safetensors", whole.clone())]).unwrap();
    refused(open([]), Code::Missing, &["model.safetensors", "index"]);
    refused(open([("pytorch_model.bin", vec![])]), Code::Unsupported, &["pickled"]);
    refused(Checkpoint::from_files(files([])), Code::Missing, &["config.json"]);
    refused(with_index(b"{}".to_vec()), Code::Format, &["index.json", "weight_map"]);
    refused(with_index(pointing("b.safetensors")), Code::Missing, &["b.safetensors"]);
    refused(with_index(index(r#"{"x":"a.safetensors"}"#)), Code::Missing, &["a.safetensors", "tensor x"]);
    refused(with_index(index(r#"{"x":"a.safetensors","x":"a.safetensors"}"#)), Code::Format, &["tensor x", "twice"]);
    for outside in ["../a.safetensors", "/a.safetensors", "c:a.safetensors", ".a.safetensors", "a.bin", ""] {
        refused(with_index(pointing(outside)), Code::Format, &["index.json", name]);
    }
    // Only what the index lists counts.
    refused(with_index(pointing("a.safetensors")), Code::Missing, &["no tensor model.embed_tokens.weight"]);

    let quantised = CONFIG.replace("{\n", r#"{"quantization_config": {"quant_method": "nomul", "version": 3},"#);
    let quantised = open([("config.json", quantised.into()), ("model.safetensors", whole)]);
    refused(quantised, Code::Input, &["quantised already"]);
}

#[test]
fn tensors_that_do_not_fit() {
    let change = |change: &dyn Fn(&mut Vec<Tensor>)| {
        let mut all = tensors();
        change(&mut all);
        open([("model.safetensors", safetensors_file(&all))])
    };
    let add = |name: &str| change(&|all| all.push((name.into(), vec![1], vec![1.0])));
    refused(change(&|all| drop(all.remove(3))), Code::Missing, &["no tensor model.layers.0.self_attn.v_proj.weight"]);
    let turned = change(&|all| all[5].1.reverse());
    refused(turned, Code::Shape, &["model.safetensors", "mlp.gate_proj.weight", "[4, 6]", "[6, 4]"]);
    refused(add("model.layers.0.self_attn.o_proj.bias"), Code::Unsupported, &["o_proj.bias", "no place"]);
    add("lm_head.weight").unwrap();
    add("model.layers.0.self_attn.rotary_emb.inv_freq").unwrap();

    for (wrong, said) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let checkpoint = change(&|all| all.last_mut().unwrap().2[2] = wrong).unwrap();
        let words = ["model.safetensors: tensor model.norm.weight", "element 2 of [4]", said, "offset"];
        refused(checkpoint.vector(VectorId::FinalNorm), Code::Value, &words);
    }
    refused(change(&|_| ()).unwrap().tensor("nothing"), Code::Missing, &["no tensor nothing"]);
}

#[test]
fn types_that_are_not_read() {
    let header: Vec<String> = [("model.embed_tokens.weight", "[8,4]", 0, 256)]
        .map(|(name, shape, from, to)| {
            format!(r#""{name}":{{"dtype":"F64","shape":{shape},"data_offsets":[{from},{to}]}}"#)
        })
        .into();
    let file = safetensors_raw(&format!("{{{}}}", header.join(",")), 256);
    let words = ["model.safetensors: tensor model.embed_tokens.weight", "F64"];
    refused(open([("model.safetensors", file)]), Code::Unsupported, &words);
}

#[test]
fn gguf_headers() {
    use Code::{Format, Missing, Unsupported};
    let whole = GgufFile::llama();
    whole.open().unwrap();
    let with = |change: &dyn Fn(&mut GgufFile)| {
        let mut file = whole.clone();
        change(&mut file);
        file.open()
    };
    let array =
        |kind: u32, count: u64, items: &[u8]| [kind.to_le_bytes().as_slice(), &count.to_le_bytes(), items].concat();
    let start = |magic: &[u8; 4], version: u32| {
        let start = [magic.as_slice(), &version.to_le_bytes()].concat();
        with(&move |f| f.start = start.clone())
    };
    refused(start(b"GGML", 3), Format, &["x.gguf", "does not start with GGUF"]);
    refused(start(b"GGUF", 1), Unsupported, &["version 1"]);
    refused(start(b"GGUF", 4), Unsupported, &["version 4"]);
    refused(start(b"GGUF", 3u32.swap_bytes()), Unsupported, &["big-endian"]);
    start(b"GGUF", 2).unwrap();

    let table: Vec<(nomul::Result<Checkpoint>, Code, &[&str])> = vec![
        (with(&|f| f.tensor_count = Some(u64::MAX)), Format, &["tensor count", "impossible length"]),
        (with(&|f| f.tensor_count = Some(1 << 40)), Format, &["tensor count at offset 16"]),
        (with(&|f| f.entry_count = Some(1 << 20)), Format, &["metadata count at offset 24"]),
        (with(&|f| f.text("general.architecture", "llama")), Format, &["general.architecture", "twice"]),
        (with(&|f| f.entry("k", 13, &[])), Unsupported, &["k: metadata type 13"]),
        (with(&|f| f.entry("k", 8, &u64::MAX.to_le_bytes())), Format, &["k at offset"]),
        (
            with(&|f| f.entry("k", 8, &[gguf_text("ab")[..8].to_vec(), vec![0xff, 0xfe]].concat())),
            Format,
            &["k is not UTF-8"],
        ),
        (with(&|f| f.entry("k", 9, &array(4, 1 << 61, &[]))), Format, &["k at offset"]),
        (with(&|f| f.entry("k", 9, &array(8, 1 << 30, &[]))), Format, &["k at offset"]),
        (with(&|f| f.entry("k", 9, &array(9, 1, &array(9, 1, &[])))), Unsupported, &["k: an array of arrays"]),
        (with(&|f| f.entry("k", 9, &array(99, 1, &[]))), Unsupported, &["k: metadata type 99"]),
        (with(&|f| f.u32("split.count", 2)), Unsupported, &["one of 2 parts"]),
        (with(&|f| f.u32("general.alignment", 0)), Format, &["general.alignment 0"]),
        (with(&|f| f.u32("general.alignment", 24)), Format, &["general.alignment 24"]),
        (with(&|f| f.text("general.alignment", "32")), Format, &["general.alignment is not a whole number"]),
        (with(&|f| f.info("t", &[], 0, 0)), Format, &["tensor t", "0 dimensions"]),
        (with(&|f| f.info("t", &[1; 5], 0, 0)), Format, &["tensor t", "5 dimensions"]),
        (with(&|f| f.info("t", &[0], 0, 0)), Format, &["tensor t", "empty"]),
        (with(&|f| f.info("t", &[1 << 32, 1 << 32], 0, 0)), Format, &["tensor t", "too large"]),
        (with(&|f| f.info("t", &[1], 4, 0)), Unsupported, &["tensor t", "type 4 "]),
        (with(&|f| f.info("t", &[256], 10, 0)), Unsupported, &["tensor t", "Q2_K"]),
        (with(&|f| f.info("t", &[48], 2, 0)), Format, &["tensor t", "48", "blocks of 32"]),
        (with(&|f| f.info("t", &[1], 0, 7)), Format, &["tensor t", "offset 7", "alignment 32"]),
        (with(&|f| f.info("t", &[1], 0, 32)), Format, &["tensor t", "offset 32", "inside another"]),
        (with(&|f| f.info("t", &[1], 0, 1 << 20)), Format, &["tensor t", "hole"]),
        (with(&|f| f.info("t", &[1 << 40], 0, 704)), Format, &["tensor t", "past the"]),
        (with(&|f| f.tensor("token_embd.weight", &[1])), Format, &["token_embd.weight", "twice"]),
        (with(&|f| f.tensor("blk.0.attn_qkv.weight", &[1])), Unsupported, &["blk.0.attn_qkv.weight", "unknown"]),
        (
            with(&|f| f.tensor("blk.1.attn_q.weight", &[4, 4])),
            Unsupported,
            &["model.layers.1.self_attn.q_proj.weight", "no place"],
        ),
        (with(&|f| f.tensor("blk.0.attn_output.bias", &[4])), Unsupported, &["o_proj.bias", "no place"]),
        (with(&|f| f.u32("llama.rope.dimension_count", 4)), Unsupported, &["llama.rope.dimension_count is 4"]),
        (with(&|f| f.u32("llama.expert_count", 8)), Unsupported, &["8 experts"]),
        (with(&|f| f.u32("llama.vocab_size", 9)), Format, &["llama.vocab_size is 9"]),
        (with(&|f| f.text("llama.rope.scaling.type", "yarn")), Unsupported, &["llama.rope.scaling.type yarn"]),
        (with(&|f| f.text("llama.rope.scaling.type", "linear")), Format, &["llama.rope.scaling.factor"]),
        (with(&|f| f.tensor("rope_freqs.weight", &[2])), Code::Shape, &["rope_freqs.weight", "2 factors"]),
        (GgufFile::new().open(), Missing, &["general.architecture"]),
    ];
    for (result, code, words) in table {
        refused(result, code, &[&["x.gguf"], words].concat());
    }
    let mut other = GgufFile::new();
    other.text("general.architecture", "gemma");
    refused(other.open(), Unsupported, &["architecture gemma", "llama, qwen2, qwen3"]);
    let bytes = whole.bytes();
    for len in 0..bytes.len() {
        let cut = Checkpoint::from_files(files([("x.gguf", bytes[..len].to_vec())]));
        refused(cut, Format, &["x.gguf"]);
    }
}

#[test]
fn gguf_tokenizers() {
    use Code::{Format, Missing, Unsupported};
    let texts = |leave_out: &str, change: &dyn Fn(&mut GgufFile)| {
        let mut file = GgufFile::llama();
        file.remove(leave_out);
        change(&mut file);
        file.open().unwrap().text_files()
    };
    let key = |name: &str| format!("tokenizer.ggml.{name}");
    texts("", &|_| ()).unwrap();
    let set = |name: &str, value: &str| texts(&key(name), &|f| f.text(&key(name), value));
    let merge = |merge: &str| texts(&key("merges"), &|f| f.texts(&key("merges"), &[merge]));
    for (result, code, words) in [
        (set("model", "llama"), Unsupported, ["tokenizer llama", "byte-level BPE"]),
        (set("pre", "tekken"), Unsupported, ["tokenizer.ggml.pre tekken", "smollm"]),
        (texts(&key("pre"), &|_| ()), Missing, ["no tokenizer.ggml.pre", "unknown"]),
        (texts(&key("tokens"), &|_| ()), Missing, ["no tokenizer.ggml.tokens", ""]),
        (texts(&key("merges"), &|_| ()), Missing, ["no tokenizer.ggml.merges", ""]),
        (set("tokens", "a"), Format, ["tokenizer.ggml.tokens", "not an array of texts"]),
        (merge("ab"), Format, ["merge 0", "not two tokens"]),
        (merge("a c"), Format, ["merge 0", "\"ac\" is not a token"]),
        (merge("a  b"), Format, ["merge 0", "is not a token"]),
        (texts("", &|f| f.u32(&key("bos_token_id"), 8)), Format, ["bos_token_id 8", "8 tokens"]),
        (texts("", &|f| f.texts(&key("token_type"), &["a"])), Format, ["token_type", "not an array"]),
        (
            texts("", &|f| f.entry(&key("token_type"), 9, &[5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
            Format,
            ["0 entries", "8 tokens"],
        ),
        (texts("", &|f| f.entry(&key("add_bos_token"), 7, &[1])), Missing, ["start with a token", "bos_token_id"]),
        (
            texts(&key("tokens"), &|f| f.texts(&key("tokens"), &["a", "b", "ab", "a"])),
            Format,
            ["tokens 0 and 3", "\"a\""],
        ),
    ] {
        refused(result, code, &[&["x.gguf"], words.as_slice()].concat());
    }
}
