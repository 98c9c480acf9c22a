//! Bad input: a clear error with its place, or a right answer. Never a panic, never something else.

use super::*;

fn refused(text: &str) -> String {
    let error = parse(text.as_bytes()).unwrap_err();
    assert_eq!(error.code, Code::Format);
    error.message
}

#[test]
fn what_is_not_json_is_refused_with_line_and_column() {
    assert_eq!(refused("{\n  \"a\": 1,\n}"), "line 3, column 1: trailing comma");
    assert_eq!(refused(r#"{"a" 1}"#), "line 1, column 6: expected `:`");
    assert_eq!(refused(""), "line 1, column 0: EOF while parsing a value");
    assert_eq!(refused("[1,2"), "line 1, column 4: EOF while parsing a list");
    assert_eq!(refused("nul"), "line 1, column 3: EOF while parsing a value");
    assert_eq!(refused("1 2"), "line 1, column 3: trailing characters");
    assert_eq!(refused("NaN"), "line 1, column 1: expected value");
    assert_eq!(parse_line(b"{\"a\":}", 17).unwrap_err().message, "line 17, column 6: expected value");
    assert!(parse(b"\"\xff\"").unwrap_err().message.contains("invalid unicode code point"));
}

#[test]
fn keys_that_come_twice_are_refused() {
    assert_eq!(refused("{\"a\":1,\n\"a\":2}"), "line 2, column 3: duplicate key \"a\"");
    assert_eq!(refused(r#"[{"x":{"\u0061":1,"a":1}}]"#), r#"line 1, column 21: duplicate key "a""#);
    let many: Vec<String> = (0..40).map(|i| format!("\"{i}\":0")).collect();
    assert!(refused(&format!("{{{},\"7\":1}}", many.join(","))).ends_with("duplicate key \"7\""));
}

#[test]
fn lone_surrogates_are_refused_and_pairs_are_not() {
    for text in [r#""\ud800""#, r#"{"\udc00":1}"#, r#""\ud800x""#, r#""\ud800\ud800""#] {
        let message = refused(text);
        assert!(
            message.starts_with("line 1, column") && message.contains("surrogate") || message.contains("hex escape"),
            "{message}"
        );
    }
    assert_eq!(json(r#""\ud83d\ude00""#), Value::String("😀".into()));
}

#[test]
fn huge_numbers_are_taken_and_those_beyond_are_refused() {
    for mode in [
        r#"{"mode":"exact"}"#,
        r#"{"mode":"linear","unit":1e-300}"#,
        r#"{"mode":"log","small":1e-300,"octaves":1}"#,
        r#"{"mode":"quantiles","at":[0,1]}"#,
        r#"{"mode":"circular","period":1e-300,"marks":4}"#,
    ] {
        let mut encoder = encoder(&format!(r#"{{"x":{{"number":{mode}}}}}"#));
        for number in ["1e308", "-1e308", "1e-308", "5e-324", "-0", "18446744073709551615"] {
            let vector = encoder.encode(&json(&format!(r#"{{"x":{number}}}"#))).unwrap().sums();
            assert_eq!(vector.dot(&vector), (D as i64) << 8, "{mode}: {number}");
        }
    }
    assert_eq!(refused("[1e309]"), "line 1, column 6: number out of range");
    let mut inference = Inference::new();
    for number in ["1e308", "-1e308", "0"] {
        inference.observe(&json(number));
    }
    let mut schema = Schema::new(D);
    inference.complete(&mut schema);
    schema.check().unwrap();
}

#[test]
fn nesting_is_bounded() {
    let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let mut encoder = encoder("{}");
    let vector = encoder.encode(&json(&deep(MAX_DEPTH))).unwrap().sums();
    assert_eq!(vector.dot(&vector), (D as i64) << 8);
    assert!(refused(&deep(MAX_DEPTH + 1)).ends_with("recursion limit exceeded"));
    assert!(refused(&"[".repeat(1_000_000)).ends_with("recursion limit exceeded"));
    assert!(refused(&"{\"a\":".repeat(1_000_000)).ends_with("recursion limit exceeded"));
    assert!(Path::parse(&"[0]".repeat(128)).unwrap_err().message.contains("127 steps"));
}

#[test]
fn a_million_keys() {
    let fields: Vec<String> = (0..1_000_000).map(|i| format!("\"k{i}\":{}", i % 10)).collect();
    let value = json(&format!("{{{}}}", fields.join(",")));
    let schema = Schema::new(256);
    let mut encoder = Encoder::new(schema).unwrap();
    let bundle = encoder.encode(&value).unwrap();
    assert_eq!(bundle.total(), 16_000_000);
    assert!(bundle.sums().values().iter().any(|v| *v != 0));
    let (mut inference, mut vocabulary) = (Inference::new(), Vocabulary::new(1_000));
    inference.observe(&value);
    vocabulary.observe(&value);
    assert_eq!(vocabulary.paths().count(), 10_000);
}

#[test]
fn one_key_may_hold_values_of_all_types() {
    let mut encoder = encoder(
        r#"{"x":{"number":{"mode":"linear","unit":5},"string":{"mode":"date","unit":86400},"array":{"mode":"set"}}}"#,
    );
    let mut vocabulary = Vocabulary::default();
    let values = ["1", "\"2024-05-01\"", "\"soon\"", "[1]", "{\"x\":1}", "null", "true", "[]", "{}"];
    let documents: Vec<Value> = values.iter().map(|value| json(&format!(r#"{{"x":{value}}}"#))).collect();
    documents.iter().for_each(|document| vocabulary.observe(document));
    let vectors: Vec<Sums> = documents.iter().map(|document| encoder.encode(document).unwrap().sums()).collect();
    for i in 0..vectors.len() {
        for j in 0..i {
            assert!(is_noise(vectors[i].similarity(&vectors[j])), "{} and {}", values[i], values[j]);
        }
    }
    for i in [1, 2, 5, 6, 7, 8] {
        let answer = encoder.get(&Vector::Sums(vectors[i].clone()), &Path::parse("x").unwrap(), &vocabulary).unwrap();
        assert_eq!(format!("{}", answer.value), values[i]);
    }
}

#[test]
fn bad_schemas_are_refused_with_their_place() {
    let refused = |text: &str| Schema::parse(text.as_bytes()).unwrap_err().message;
    assert_eq!(refused("{\n\"version\":1}"), "schema: line 2, column 12: missing field `dimension`");
    assert!(refused(r#"{"version":1,"dimension":512,"paths":{"a":{"wieght":2}}}"#).contains("unknown field `wieght`"));
    assert_eq!(refused(r#"{"version":2,"dimension":512}"#), "schema: version 2, this encoder is version 1");
    for (text, expected) in [
        (r#""dimension":255"#, "schema: dimension 255: vectors have 256 to 65536 signs"),
        (r#""dimension":512,"depth":0"#, "schema: depth 0 is not over 0 and at most 1"),
        (
            r#""dimension":512,"paths":{"a":{"weight":0}}"#,
            "schema: paths: \"a\": weight 0 is not over 0 and at most 64",
        ),
        (r#""dimension":512,"paths":{"a[0]":{}}"#, "schema: paths: \"a[0]\": items of an array are written []"),
        (r#""dimension":512,"paths":{"a..b":{}}"#, "schema: paths: \"a..b\": path: no key at byte 2 of \"a..b\""),
        (r#""dimension":512,"paths":{"[\"a\"]":{}}"#, "schema: paths: \"[\\\"a\\\"]\": is written \"a\""),
        (
            r#""dimension":512,"paths":{"a":{"number":{"mode":"quantiles","at":[2,1]}}}"#,
            "schema: paths: \"a\": number: at has to hold at least two numbers, each larger than the one before",
        ),
        (
            r#""dimension":512,"paths":{"a":{"number":{"mode":"linear","unit":-1}}}"#,
            "schema: paths: \"a\": number: unit -1 is not over 0",
        ),
        (
            r#""dimension":512,"paths":{"a":{"string":{"mode":"ngrams","size":9}}}"#,
            "schema: paths: \"a\": string: size 9 is not 1 to 8",
        ),
        (r#""dimension":512,"paths":{"a":{"range":[2,1]}}"#, "schema: paths: \"a\": range [2, 1] does not ascend"),
    ] {
        assert_eq!(refused(&format!(r#"{{"version":1,{text}}}"#)), expected);
    }
}

#[test]
fn bad_paths_are_refused_with_their_place() {
    for (text, expected) in [
        ("a.", "no key at byte 2"),
        ("a[", "no ] after byte 1"),
        ("a[x]", "\"x\" at byte 2 is not an index"),
        ("a[+1]", "\"+1\" at byte 2 is not an index"),
        ("a[99999999999999999999999]", "is not an index"),
        ("a]b[0]c", "no . or [ at byte 6"),
        ("[\"a", "no string at byte 1"),
        ("[\"a\"x", "no ] at byte 4"),
    ] {
        let message = Path::parse(text).unwrap_err().message;
        assert!(message.contains(expected), "{text}: {message}");
    }
    assert_eq!(Path::parse("$").unwrap(), Path::default());
    let mut encoder = encoder(r#"{"secret":{"ignore":true}}"#);
    let mut sums = Sums::new(D);
    for (path, expected) in [("secret.deep", "the schema ignores it"), ("list[]", "have positions")] {
        let error = encoder.add(&mut sums, &Path::parse(path).unwrap(), &Value::Null).unwrap_err();
        assert!(error.message.contains(expected), "{}", error.message);
    }
    let mut short = Sums::new(256);
    assert_eq!(encoder.add(&mut short, &Path::default(), &Value::Null).unwrap_err().code, Code::Shape);
}

#[test]
fn files_of_others_and_broken_ones_are_refused() {
    let mut encoder = encoder("{}");
    let mut vocabulary = Vocabulary::default();
    vocabulary.observe(&json(r#"{"a":"x","b":[1.5,null]}"#));
    encoder.encode(&json("1")).unwrap();
    let header = Header::new(&encoder, vocabulary, [(0, "one".into()), (7, "two".into())].into());
    let mut file = header.write(5);
    file.extend_from_slice(b"12345");
    let (read, rest) = Header::read(&file).unwrap();
    assert_eq!((read, rest), (header.clone(), &b"12345"[..]));

    for end in [0, 7, 63, 64, 100, file.len() - 1] {
        assert_eq!(Header::read(&file[..end]).unwrap_err().code, Code::Format, "cut at {end}");
    }
    let longer = [&file[..], b"6"].concat();
    assert!(Header::read(&longer).unwrap_err().message.contains("it was cut or something was added"));
    let changed = |at: usize| {
        let mut bytes = file.clone();
        bytes[at] ^= 1;
        Header::read(&bytes).unwrap_err().code
    };
    assert_eq!(
        [changed(0), changed(8), changed(16), changed(40), changed(70)],
        [Code::Format, Code::Unsupported, Code::Format, Code::Checksum, Code::Checksum]
    );
    let mut far = file.clone();
    far[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(Header::read(&far).unwrap_err().code, Code::Format);

    // A header that is whole, of an encoder that is not this one.
    let other = Header { identity: "nomul-json/2/4096/00".into(), ..header.clone() }.write(0);
    assert_eq!(Header::read(&other).unwrap_err().code, Code::Unsupported);
    let mut schema = header.schema.clone();
    schema.version = 2;
    assert_eq!(Header::read(&Header { schema, ..header }.write(0)).unwrap_err().code, Code::Unsupported);
}

#[test]
fn spaces_are_saved_and_loaded_whole() {
    let mut space = Space::new(encoder("{}"), 100).unwrap();
    for (name, text) in [("a", r#"{"x":"1"}"#), ("b", r#"{"x":"2"}"#), ("c", r#"{"y":"2"}"#)] {
        space.insert(name, &json(text)).unwrap();
    }
    assert_eq!(space.insert("a", &Value::Null).unwrap_err().message, "the name \"a\" came before");
    assert!(space.remove("b") && !space.remove("b"));
    let file = space.save().unwrap();
    let mut loaded = Space::load(&file, Some(space.encoder.identity())).unwrap();
    assert_eq!(loaded.save().unwrap(), file);
    assert_eq!((loaded.len(), loaded.vector("c").unwrap()), (2, space.vector("c").unwrap()));
    loaded.insert("d", &json(r#"{"x":"1"}"#)).unwrap();
    let query = loaded.encoder.signs(&json(r#"{"x":"1"}"#)).unwrap();
    let mut search = loaded.start(&[query], 2).unwrap();
    while !loaded.step(&mut search, 1, &|_| true).unwrap() {}
    let hits = search.hits();
    assert_eq!(loaded.named(&hits[0]).collect::<Vec<_>>(), [("a", 1.0), ("d", 1.0)]);
    assert_eq!(loaded.vector("b").unwrap_err().code, Code::Missing);

    let refused = |bytes: &[u8], identity: Option<&str>| Space::load(bytes, identity).err().unwrap().code;
    assert_eq!(refused(&file, Some("nomul-json/1/4096/00")), Code::Unsupported);
    for end in (0..file.len()).step_by(97) {
        refused(&file[..end], None);
    }
    // Vectors and names that do not belong together.
    let (mut header, image) = Header::read(&file).unwrap();
    header.names.insert(9, "z".into());
    assert_eq!(refused(&[&header.write(image.len() as u64)[..], image].concat(), None), Code::Format);
    header.names = [(0, "a".into()), (2, "a".into())].into();
    assert_eq!(refused(&[&header.write(image.len() as u64)[..], image].concat(), None), Code::Format);
    header.names = [(0, "a".into()), (3, "b".into())].into();
    assert_eq!(refused(&[&header.write(image.len() as u64)[..], image].concat(), None), Code::Format);
}

/// A schema is read back from a file: were a number another one then, by its last bit, so would the encoder be.
#[test]
fn numbers_of_a_schema_come_back_as_they_were() {
    let mut bits = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..10_000 {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let unit = f64::from_bits(bits >> 1);
        if !unit.is_normal() {
            continue;
        }
        let text = format!(
            r#"{{"version":1,"dimension":256,"paths":{{"n":{{"number":{{"mode":"linear","unit":{unit:e}}}}}}}}}"#
        );
        let schema = Schema::parse(text.as_bytes()).unwrap();
        let again = Schema::parse(serde_json::to_string(&schema).unwrap().as_bytes()).unwrap();
        assert_eq!(schema.identity(), again.identity(), "{text}");
    }
}
