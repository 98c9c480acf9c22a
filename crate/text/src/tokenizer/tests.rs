//! Against what the Python packages say (`tests/golden/text`), and what hostile files may do.

use nomul::Code;
use proptest::prelude::*;
use serde::Deserialize;

use super::{
    Tokenizer, compact,
    pattern::Pattern,
    split::{Splitter, Words},
};

macro_rules! golden {
    ($($kind:literal),*) => {
        [$((
            $kind,
            include_bytes!(concat!("../../../../tests/golden/text/", $kind, "/tokenizer.json")).as_slice(),
            include_bytes!(concat!("../../../../tests/golden/text/", $kind, "/cases.json")).as_slice(),
        )),*]
    };
}

/// (kind, tokenizer.json, cases.json)
type Golden = (&'static str, &'static [u8], &'static [u8]);

const GOLDEN: [Golden; 11] = golden![
    "smollm",
    "llama3",
    "qwen2",
    "o200k",
    "gpt2",
    "cuts",
    "llama2",
    "mistral",
    "metaspace",
    "bert",
    "bert-cased"
];

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
    broken: Vec<Broken>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
    special: Vec<u32>,
    decoded: String,
    skipped: String,
}

#[derive(Deserialize)]
struct Broken {
    ids: Vec<u32>,
    decoded: String,
}

fn tokenizer(json: &[u8]) -> Tokenizer {
    Tokenizer::from_json(json, None).unwrap()
}

/// From the file, and from its compact form.
fn both_ways((kind, json, cases): Golden) -> [(&'static str, Tokenizer, &'static [u8]); 2] {
    [json, &compact(json).unwrap()].map(|json| (kind, tokenizer(json), cases))
}

#[test]
fn ids_are_those_of_the_python_package() {
    for (kind, tokenizer, cases) in GOLDEN.into_iter().flat_map(both_ways) {
        let cases: Cases = serde_json::from_slice(cases).unwrap();
        for case in &cases.cases {
            assert_eq!(tokenizer.encode(&case.text, false).unwrap(), case.ids, "{kind}: {:?}", case.text);
            assert_eq!(tokenizer.encode(&case.text, true).unwrap(), case.special, "{kind}: {:?}", case.text);
        }
    }
}

#[test]
fn texts_are_those_of_the_python_package() {
    for (kind, tokenizer, cases) in GOLDEN.into_iter().flat_map(both_ways) {
        let cases: Cases = serde_json::from_slice(cases).unwrap();
        for case in &cases.cases {
            assert_eq!(tokenizer.decode(&case.ids, false), case.decoded, "{kind}: {:?}", case.text);
            assert_eq!(tokenizer.decode(&case.ids, true), case.skipped, "{kind}: {:?}", case.text);
        }
        for case in &cases.broken {
            assert_eq!(tokenizer.decode(&case.ids, false), case.decoded, "{kind}: {:?}", case.ids);
        }
    }
}

#[test]
fn compact_forms_are_shorter_and_have_all_tokens() {
    for (kind, json, _) in GOLDEN {
        let bytes = compact(json).unwrap();
        let (plain, compacted) = (tokenizer(json), tokenizer(&bytes));
        assert!(bytes.len() < json.len(), "{kind}: {} of {} bytes", bytes.len(), json.len());
        assert_eq!(plain.vocab_size(), compacted.vocab_size(), "{kind}");
        for id in 0..plain.vocab_size() as u32 + 1 {
            let token = plain.model.vocabulary().token(id);
            assert_eq!(compacted.model.vocabulary().token(id), token, "{kind}");
            assert_eq!(token.map(|token| compacted.model.vocabulary().get(token)), token.map(|_| Some(id)), "{kind}");
        }
        assert_eq!(compact(&bytes).unwrap_err().code, Code::Format, "{kind}");
    }
}

#[test]
fn compact_forms_that_are_cut_off_say_so() {
    let bytes = compact(GOLDEN[0].1).unwrap();
    let mut newer = bytes.clone();
    newer[8] = 2;
    let mut longer = bytes.clone();
    longer.push(0);
    let cuts = [8, 15, 16, 100, bytes.len() / 2, bytes.len() - 1].map(|end| bytes[..end].to_vec());
    for (bytes, code) in
        cuts.into_iter().map(|cut| (cut, Code::Format)).chain([(newer, Code::Unsupported), (longer, Code::Format)])
    {
        let error = Tokenizer::from_json(&bytes, None).unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert!(error.message.starts_with("tokenizer.nomul: "), "{error}");
    }
}

#[test]
fn of_merges_that_are_there_twice_the_last_counts() {
    let json = with(
        "/model",
        r#"{"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "aba": 3}, "merges": [["a", "b"], ["ab", "a"], ["a", "b"]]}"#,
    );
    for tokenizer in [tokenizer(&json), tokenizer(&compact(&json).unwrap())] {
        assert_eq!(tokenizer.model.merges().unwrap().list().collect::<Vec<_>>(), [(2, 0, 3), (0, 1, 2)]);
        assert_eq!(tokenizer.encode("aba", false).unwrap(), [3]);
    }
}

#[test]
fn texts_that_are_too_long_keep_what_is_around_them() {
    let tokenizer = tokenizer(GOLDEN[9].1);
    let [cls, sep] = ["[CLS]", "[SEP]"].map(|token| tokenizer.token_id(token).unwrap());
    let text = "the quick brown fox can't jump";
    let all = tokenizer.encode(text, true).unwrap();
    assert_eq!(tokenizer.encode_within(text, all.len()).unwrap(), all);
    let cut = tokenizer.encode_within(text, 5).unwrap();
    assert_eq!((cut[0], &cut[1..4], cut[4]), (cls, &all[1..4], sep));
    assert_eq!(tokenizer.encode_within("", 5).unwrap(), [cls, sep]);
}

#[test]
fn special_tokens_have_ids() {
    let config = br#"{"bos_token": "<|im_start|>", "eos_token": {"content": "<|im_end|>", "lstrip": false}}"#;
    let tokenizer = Tokenizer::from_json(GOLDEN[0].1, Some(config)).unwrap();
    assert_eq!(tokenizer.bos_id(), Some(1));
    assert_eq!(tokenizer.eos_id(), Some(2));
    assert_eq!(tokenizer.special().pad, None);
    assert!(tokenizer.is_special(2) && !tokenizer.is_special(3));
    assert_eq!(tokenizer.token_id("nothing of the kind"), None);
}

/// A file that is right but for one place.
fn with(pointer: &str, value: &str) -> Vec<u8> {
    let mut json: serde_json::Value = serde_json::from_slice(GOLDEN[0].1).unwrap();
    *json.pointer_mut(pointer).unwrap() = serde_json::from_str(value).unwrap();
    serde_json::to_vec(&json).unwrap()
}

#[test]
fn what_is_unknown_is_refused_by_name() {
    for (pointer, value, code, named) in [
        ("/model/type", r#""Unigram""#, Code::Unsupported, "type Unigram"),
        ("/model/type", r#""WordLevel""#, Code::Unsupported, "type WordLevel"),
        ("/model/type", r#""WordPiece""#, Code::Missing, "[UNK]"),
        ("/model", r#"{"type": "Unigram", "vocab": [["a", -1.5]]}"#, Code::Unsupported, "type Unigram"),
        ("/model", "{}", Code::Missing, "no type"),
        ("/model", r#"{"type": "BPE"}"#, Code::Missing, "no vocab"),
        ("/model/vocab", r#"{"a": 0, "b": 0}"#, Code::Format, "twice"),
        ("/model/vocab", r#"{"a": 4294967295}"#, Code::Value, "4294967295"),
        ("/model/vocab", r#"{"a": -1}"#, Code::Format, "-1"),
        ("/model/merges", r#"[["a", "no such token"]]"#, Code::Format, "no such token"),
        ("/model/merges", r#"["a b c"]"#, Code::Format, "a b c"),
        ("/model/merges", r#"[["a"]]"#, Code::Format, "two tokens"),
        ("/model/unk_token", r#""gone""#, Code::Missing, "gone"),
        ("/model/dropout", "0.5", Code::Unsupported, "dropout"),
        ("/normalizer", r#"{"type": "Nmt"}"#, Code::Unsupported, "Nmt"),
        ("/pre_tokenizer", r#"{"type": "UnicodeScripts"}"#, Code::Unsupported, "UnicodeScripts"),
        ("/post_processor", r#"{"type": "Other"}"#, Code::Unsupported, "Other"),
        ("/decoder", r#"{"type": "CTC"}"#, Code::Unsupported, "CTC"),
        ("/decoder", r#"{"type": "WordPiece"}"#, Code::Format, "prefix"),
        ("/added_tokens", r#"[{"id": 0}]"#, Code::Format, "content"),
    ] {
        let error = Tokenizer::from_json(&with(pointer, value), None).unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert!(error.message.contains(named) && error.message.starts_with("tokenizer.json: "), "{error}");
    }
    let error = Tokenizer::from_json(b"{", None).unwrap_err();
    assert_eq!(error.code, Code::Format);
}

#[test]
fn patterns_out_of_scope_are_refused_with_their_place() {
    for (source, named) in [
        (r"(a", "unclosed ("),
        (r"a)", "unopened )"),
        (r"[a", "unclosed ["),
        (r"(?<=a)b", "kind of group"),
        (r"a+?", "lazy"),
        (r"(ab)+", "repeated group"),
        (r"(?!a)*", "repeated group"),
        (r"\p{Han}", "Han"),
        (r"\b", r"\b"),
        (r"[a&&b]", "intersection"),
        (r"[a[b]]", "class in a class"),
        (r"[z-a]", "range"),
        (r"a{2,1}", "repetition"),
        (r"*", "nothing"),
        (r"\x{110000}", "code point"),
        ("\\", "the end"),
    ] {
        let error = Pattern::new(source).unwrap_err();
        assert_eq!(error.code, Code::Unsupported);
        assert!(error.message.contains(named), "{source}: {error}");
    }
    let deep = "(".repeat(100) + &")".repeat(100);
    assert!(Pattern::new(&deep).is_err());
    assert!(Pattern::new(&"a".repeat(5000)).is_err());
}

#[test]
fn patterns_match_leftmost_first() {
    for (source, text, expected) in [
        (r"a|ab", "abab", vec!["a", "a"]),
        (r"ab|a", "abaab", vec!["ab", "a", "ab"]),
        (r"\s+(?!\S)|\s+", "a   b  ", vec!["  ", " ", "  "]),
        (r"a{2,3}", "aaaaaaa", vec!["aaa", "aaa"]),
        (r"a{2}", "aaa", vec!["aa"]),
        (r"(?i:'s|'LL)x", "'Sx 'ſx 'lLx 'sX", vec!["'Sx", "'ſx", "'lLx"]),
        (r"a*+a|b", "aaab", vec!["b"]),
        (r"[^\p{L}\s]+", "ab1-2 c", vec!["1-2"]),
        (r"\P{L}", "aé1", vec!["1"]),
        (r"[\]\-a]+", "x]-ay", vec!["]-a"]),
        (r"x(?=y)", "xz xy", vec!["x"]),
        (r"^a|b$", "aab b", vec!["a", "b"]),
        (r".", "é\n", vec!["é"]),
        (r"\x{1F642}|\u00e9|\x41", "é🙂A", vec!["é", "🙂", "A"]),
        (r"b*", "abb", vec!["bb"]),
    ] {
        let found: Vec<&str> =
            Pattern::new(source).unwrap().matches(text).unwrap().into_iter().map(|r| &text[r]).collect();
        assert_eq!(found, expected, "{source} in {text:?}");
    }
}

#[test]
fn endless_backtracking_ends() {
    let pattern = Pattern::new(r"\s*\s*\s*\s*\s*\s*\s*\s*x").unwrap();
    assert_eq!(pattern.matches(&" ".repeat(200)).unwrap_err().code, Code::Value);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Byte-level tokenizers that have every byte, and normalise nothing, give every text back.
    #[test]
    fn byte_level_is_lossless(text in ".*") {
        let tokenizer = tokenizer(GOLDEN[1].1);
        let ids = tokenizer.encode(&text, false).unwrap();
        prop_assert_eq!(tokenizer.decode(&ids, false), text);
    }

    /// Patterns that isolate drop nothing and change nothing.
    #[test]
    fn isolating_keeps_the_text(text in "[ a-cé1\\n.'s]{0,40}") {
        let json = r#"{"type": "Split", "pattern": {"Regex": "\\s+(?!\\S)| ?[a-c]+|'s"}, "behavior": "Isolated"}"#;
        let splitter = Splitter::new(&serde_json::from_str(json).unwrap()).unwrap();
        let mut words = Words::new(text.clone(), true);
        splitter.apply(&mut words).unwrap();
        prop_assert_eq!(words.iter().collect::<String>(), text);
    }

    /// No file makes it panic.
    #[test]
    fn broken_files_are_errors(at in 0usize..10_000, byte: u8) {
        let mut json = GOLDEN[6].1.to_vec();
        let at = at % json.len();
        json[at] = byte;
        if let Ok(tokenizer) = Tokenizer::from_json(&json, None) {
            let ids = tokenizer.encode("Hello <s> 1 \u{e9}\u{1f642}", true).unwrap_or_default();
            tokenizer.decode(&ids, true);
        }
    }

    /// Nor does a broken compact form.
    #[test]
    fn broken_compact_forms_are_errors(at in 0usize..100_000, byte: u8) {
        let mut bytes = compact(GOLDEN[6].1).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(tokenizer) = Tokenizer::from_json(&bytes, None) {
            let ids = tokenizer.encode("Hello <s> 1 \u{e9}\u{1f642}", true).unwrap_or_default();
            tokenizer.decode(&ids, true);
        }
    }

    #[test]
    fn no_pattern_panics(source in "[ab\\\\\\[\\](){}?*+|^$.,pPsSL0-9!=:i-]{0,12}", text in "[ab1 ]{0,12}") {
        if let Ok(pattern) = Pattern::new(&source) {
            pattern.matches(&text).ok();
        }
    }
}
