//! The encoder's promises, and every input that it refuses.

use alloc::{format, string::String, vec, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::{Code, vsa::Sums};

mod exact;
mod hostile;
mod meaning;
mod queries;

const D: usize = 4_096;

fn json(text: &str) -> Value {
    parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn encoder(hints: &str) -> Encoder {
    let schema = format!(r#"{{"version":1,"dimension":{D},"paths":{hints}}}"#);
    Encoder::new(Schema::parse(schema.as_bytes()).unwrap()).unwrap()
}

/// The cosine of two documents' vectors under hints.
fn similarity(hints: &str, a: &str, b: &str) -> f64 {
    let mut encoder = encoder(hints);
    let (a, b) = (encoder.encode(&json(a)).unwrap().sums(), encoder.encode(&json(b)).unwrap().sums());
    a.similarity(&b)
}

/// Within five standard deviations of unrelated vectors.
fn is_noise(x: f64) -> bool {
    x.abs() < 5.0 / (D as f64).sqrt()
}

/// The definition, one step at a time: the sum over leaves of the roles on their path, applied from the inside out.
fn textbook(value: &Value, seed: u64) -> Vec<i32> {
    use crate::vsa::{Bits, Role, levels::Line};
    let bind = |kind: u8, name: &[u8], below: Vec<Vec<i32>>| -> Vec<Vec<i32>> {
        let role = Role::new(D, seed, &[&[kind], name].concat());
        let (signs, _) = role.parts();
        below.into_iter().map(|x| (0..D).map(|i| signs.sign(i) * x[(i + D - 1) % D]).collect()).collect()
    };
    type Bind<'a> = &'a dyn Fn(u8, &[u8], Vec<Vec<i32>>) -> Vec<Vec<i32>>;
    fn leaves(value: &Value, seed: u64, bind: Bind) -> Vec<Vec<i32>> {
        let atom = |name: &[u8]| {
            let bits = Bits::atom(D, seed, name);
            vec![(0..D).map(|i| bits.sign(i)).collect()]
        };
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                fields.iter().flat_map(|(key, value)| bind(b'k', key.as_bytes(), leaves(value, seed, bind))).collect()
            }
            Value::Array(items) if !items.is_empty() => {
                let place = |i: usize| (i as u64).to_le_bytes();
                items.iter().enumerate().flat_map(|(i, item)| bind(b'i', &place(i), leaves(item, seed, bind))).collect()
            }
            Value::String(text) => atom(&[b"s", text.as_bytes()].concat()),
            Value::Number(x) => {
                // log2(1 + |x|), and the chain of marks that lies there.
                let level = (1.0 + x.abs()).log2().copysign(*x);
                let below = level.floor();
                let (low, high) = (
                    Line::new(D, seed, b"number").mark(below as i64),
                    Line::new(D, seed, b"number").mark(below as i64 + 1),
                );
                let upper = ((level - below) * D as f64 + 0.5).floor() as usize;
                vec![(0..D).map(|i| if i < upper { high.sign(i) } else { low.sign(i) }).collect()]
            }
            other => atom(format!("c{other}").as_bytes()),
        }
    }
    let all = leaves(value, seed, &bind);
    (0..D).map(|i| UNIT as i32 * all.iter().map(|x| x[i]).sum::<i32>()).collect()
}

#[test]
fn the_encoder_equals_the_textbook() {
    let mut encoder = encoder("{}");
    for text in [
        r#"{"a":{"b":"x","c":[true,null,{}]},"d":[],"e":-3.75,"f":{"b":1e308}}"#,
        r#"[[["deep",0],[1,2,3]],"x","x"]"#,
        r#""alone""#,
        r#"{"":"empty key","a.b":"point","ä":"ö"}"#,
    ] {
        let value = json(text);
        // Twice, so that kept paths are met too.
        for _ in 0..2 {
            let sums = encoder.encode(&value).unwrap().sums();
            let got: Vec<i32> = sums.values().iter().map(|v| *v as i32).collect();
            assert_eq!(got, textbook(&value, 0), "{text}");
        }
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        // Of most numbers with sixteen digits the parser finds the nearest float, of some its neighbour.
        (-1_000_000i32..1_000_000).prop_map(|x| Value::Number(x as f64 / 64.0)),
        "\\PC{0,6}".prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map("[a-c.\\[\"]{0,2}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn written_values_are_read_again(value in any_value()) {
        prop_assert_eq!(parse(format!("{value}").as_bytes()).unwrap(), value.clone());
        prop_assert_eq!(serde_json::to_string(&value).unwrap().is_empty(), false);
    }

    #[test]
    fn the_order_of_keys_changes_nothing(value in any_value()) {
        fn turned(value: &Value) -> Value {
            match value {
                Value::Object(fields) => Value::Object(fields.iter().rev().map(|(k, v)| (k.clone(), turned(v))).collect()),
                Value::Array(items) => Value::Array(items.iter().map(turned).collect()),
                other => other.clone(),
            }
        }
        let mut encoder = encoder("{}");
        let other = turned(&value);
        prop_assert_eq!(encoder.encode(&value).unwrap().sums(), encoder.encode(&other).unwrap().sums());
        prop_assert_eq!(value.canonical(), other.canonical());
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Err(error) = parse(&bytes) {
            prop_assert!(error.message.starts_with("line "), "{}", error.message);
        }
    }

    #[test]
    fn paths_are_read_as_they_are_written(keys in prop::collection::vec("\\PC{0,4}", 0..5), index in 0usize..2_000) {
        let mut steps: Vec<Step> = keys.into_iter().map(Step::Key).collect();
        steps.push(Step::Index(index));
        steps.push(Step::Item);
        let path = Path(steps);
        prop_assert_eq!(Path::parse(&format!("{path}")).unwrap(), path);
    }

    #[test]
    fn any_text_is_a_path_or_an_error(text in "\\PC{0,12}") {
        let _ = Path::parse(&text);
    }

    /// What is added and taken away again leaves no trace, and what is added is what would have been encoded.
    #[test]
    fn fields_are_added_and_removed_exactly(fields in prop::collection::btree_map("[a-f]{1,3}", any_value(), 1..5)) {
        let mut encoder = encoder("{}");
        let all = Value::Object(fields.clone().into_iter().collect());
        let expected = encoder.encode(&all).unwrap().sums();
        let mut sums = Sums::new(D);
        for (key, value) in &fields {
            encoder.add(&mut sums, &Path(vec![Step::Key(key.clone())]), value).unwrap();
        }
        prop_assert_eq!(&sums, &expected);
        let (key, value) = fields.iter().next().unwrap();
        let path = Path(vec![Step::Key(key.clone())]);
        encoder.update(&mut sums, &path, value, &Value::Bool(true)).unwrap();
        encoder.update(&mut sums, &path, &Value::Bool(true), value).unwrap();
        prop_assert_eq!(&sums, &expected);
        for (key, value) in &fields {
            encoder.remove(&mut sums, &Path(vec![Step::Key(key.clone())]), value).unwrap();
        }
        prop_assert_eq!(sums, Sums::new(D));
    }
}

/// The same digest is asked of the package in Node and of this test under wasmtime.
#[test]
fn the_same_document_gives_the_same_bytes_everywhere() {
    use sha2::{Digest, Sha256};
    let schema = Schema { seed: 7, ..Schema::new(1_156) };
    let document = json(r#"{"a":[1.5,"x",null],"b.c":{"d":true,"e":{}},"f":-1e308}"#);
    let sums = Encoder::new(schema).unwrap().encode(&document).unwrap().sums();
    let bytes: Vec<u8> = sums.values().iter().flat_map(|v| v.to_le_bytes()).collect();
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, "78725da085e7f0fbe524d1c01e2eac50c51bef5881583e5bc76b2d70684f647b");
}
