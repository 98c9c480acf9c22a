//! What is similar, and what is not.

use super::*;

#[test]
fn nesting_and_order_are_told_apart() {
    for (a, b) in [
        (r#"{"a":{"b":"x"}}"#, r#"{"b":{"a":"x"}}"#),
        (r#"["x","y"]"#, r#"["y","x"]"#),
        (r#"{"a":["x"]}"#, r#"[{"a":"x"}]"#),
        (r#"{"a":{"a":{"b":"x"}}}"#, r#"{"a":{"b":{"a":"x"}}}"#),
        (r#"{"a":"x"}"#, r#"{"a":{"a":"x"}}"#),
        (r#"{"a":"1"}"#, r#"{"a":1}"#),
        (r#"{"a":"null"}"#, r#"{"a":null}"#),
        (r#"{"a":"[]"}"#, r#"{"a":[]}"#),
        (r#"{"a":[]}"#, r#"{"a":{}}"#),
    ] {
        let got = similarity("{}", a, b);
        assert!(is_noise(got), "{a} and {b}: {got}");
    }
    // The same leaves under binding that commutes are one and the same.
    use crate::vsa::{Bits, Bundle};
    let [a, b, x] = ["a", "b", "x"].map(|name| Bits::atom(D, 0, name.as_bytes()));
    assert_eq!(a.bind(&b.bind(&x)).similarity(&b.bind(&a.bind(&x))), 1.0);
    let mut bundle = Bundle::new(D);
    bundle.add(&a, 1);
}

#[test]
fn similarity_is_the_share_of_common_leaves() {
    let got = similarity("{}", r#"{"a":"x","b":"y","c":"z","d":"w"}"#, r#"{"a":"x","b":"y","c":"z","d":"other"}"#);
    assert!((got - 0.75).abs() < 0.06, "{got}");
    assert!((similarity("{}", r#"{"a":"x"}"#, r#"{"a":"x"}"#) - 1.0).abs() < 1e-12);
    let weighted = similarity(
        r#"{"d":{"weight":0.25}}"#,
        r#"{"a":"x","b":"y","c":"z","d":"w"}"#,
        r#"{"a":"x","b":"y","c":"z","d":"other"}"#,
    );
    assert!((weighted - 48.0 / 49.0).abs() < 0.03, "{weighted}");
    let ignored = similarity(r#"{"id":{"ignore":true}}"#, r#"{"id":1,"a":"x"}"#, r#"{"id":{"deep":[2]},"a":"x"}"#);
    assert!((ignored - 1.0).abs() < 1e-12, "{ignored}");
}

#[test]
fn arrays_are_ordered_near_bags_or_sets() {
    let (abc, bca) = (r#"["a","b","c"]"#, r#"["b","c","a"]"#);
    assert!(is_noise(similarity(r#"{"":{"array":{"mode":"ordered"}}}"#, abc, bca)));
    let near = similarity(r#"{"":{"array":{"mode":"near","reach":4}}}"#, abc, bca);
    // Two items move by one place of four, one by two.
    assert!((near - (0.75 + 0.75 + 0.5) / 3.0).abs() < 0.06, "{near}");
    let bag = r#"{"":{"array":{"mode":"bag"}}}"#;
    assert!((similarity(bag, abc, bca) - 1.0).abs() < 1e-12);
    let twice = similarity(bag, r#"["a","a","b"]"#, r#"["a","b"]"#);
    assert!((twice - 3.0 / (5f64 * 2.0).sqrt()).abs() < 0.05, "{twice}");
    let set = r#"{"":{"array":{"mode":"set"}}}"#;
    assert!((similarity(set, r#"["a","a","b",{"x":1,"y":2}]"#, r#"[{"y":2,"x":1},"b","a"]"#) - 1.0).abs() < 1e-12);
}

#[test]
fn strings_are_whole_or_their_parts() {
    let (a, b) = (r#""The quick brown fox""#, r#""quick, the BROWN dog!""#);
    assert!(is_noise(similarity("{}", a, b)));
    let words = similarity(r#"{"":{"string":{"mode":"words"}}}"#, a, b);
    assert!((0.3..0.8).contains(&words), "{words}");
    assert!(is_noise(similarity(r#"{"":{"string":{"mode":"words"}}}"#, a, r#""nothing in common""#)));
    let grams = r#"{"":{"string":{"mode":"ngrams","size":3}}}"#;
    let (typo, other) =
        (similarity(grams, r#""Zürich""#, r#""ZURICH""#), similarity(grams, r#""Zürich""#, r#""Geneva""#));
    assert!(typo > other + 0.2, "{typo}, {other}");
    // Nothing to take apart: whole.
    for mode in [r#"{"":{"string":{"mode":"words"}}}"#, grams] {
        assert!((similarity(mode, r#""""#, r#""""#) - 1.0).abs() < 1e-12);
        assert!(is_noise(similarity(mode, r#""!?""#, r#""""#)));
    }
}

#[test]
fn numbers_are_similar_as_their_mode_says() {
    let at = |mode: &str, a: &str, b: &str| similarity(&format!(r#"{{"":{{"number":{mode}}}}}"#), a, b);
    let about = |mode: &str, a: &str, b: &str, expected: f64| {
        let got = at(mode, a, b);
        assert!((got - expected).abs() < 0.07, "{mode}: {a}, {b}: {got}, expected {expected}");
    };
    about(r#"{"mode":"exact"}"#, "1", "1.0000001", 0.0);
    about(r#"{"mode":"exact"}"#, "0", "-0", 1.0);
    about(r#"{"mode":"linear","unit":10}"#, "1", "4", 0.7);
    about(r#"{"mode":"linear","unit":10}"#, "-4", "4", 0.2);
    about(r#"{"mode":"linear","unit":10}"#, "0", "1e308", 0.0);
    about(r#"{"mode":"log","small":1,"octaves":2}"#, "1023", "511", 0.5);
    about(r#"{"mode":"log","small":1,"octaves":2}"#, "-1023", "1023", 0.0);
    about(r#"{"mode":"log","small":1000,"octaves":1}"#, "-10", "10", 0.97);
    about(r#"{"mode":"quantiles","at":[0,1,10,1000]}"#, "2", "6.5", 0.5);
    about(r#"{"mode":"quantiles","at":[0,1,10,1000]}"#, "505", "1000", 0.5);
    about(r#"{"mode":"quantiles","at":[0,1,10,1000]}"#, "-0.5", "0.5", 0.0);
    about(r#"{"mode":"circular","period":24,"marks":8}"#, "23.5", "0.5", 2.0 / 3.0);
    about(r#"{"mode":"circular","period":24,"marks":8}"#, "-1", "23", 1.0);
    about(r#"{"mode":"circular","period":360,"marks":4}"#, "10", "190", 0.0);
}

#[test]
fn dates_are_points_in_time() {
    let hint = r#"{"":{"string":{"mode":"date","unit":864000}}}"#;
    let at = |a: &str, b: &str| similarity(hint, &format!("{a:?}"), &format!("{b:?}"));
    assert!((at("2024-02-28", "2024-03-01") - 0.8).abs() < 0.06);
    assert!((at("2023-02-28", "2023-03-01") - 0.9).abs() < 0.06);
    assert!((at("2024-05-01T12:00:00Z", "2024-05-01T14:00:00+02:00") - 1.0).abs() < 1e-12);
    assert!((at("2024-05-01 12:00", "2024-05-01T12:00:00.000") - 1.0).abs() < 1e-12);
    assert!(is_noise(at("2024-05-01", "2025-05-01")) && is_noise(at("soon", "later")));
    for bad in ["2024-13-01", "2023-02-29", "2024-05-01T25:00", "2024-05-01T12:00:00+", "2024-5-1", "", "2024-05-01x"] {
        assert_eq!(date::seconds(bad), None, "{bad}");
    }
    for (text, seconds) in [
        ("1970-01-01", 0.0),
        ("2000-02-29", 951_782_400.0),
        ("1969-12-31T23:59:59Z", -1.0),
        ("2024-05-01T12:30:15.25-01:30", 1_714_572_015.25),
        ("0001-01-01", -62_135_596_800.0),
        ("9999-12-31T24:00", 253_402_300_800.0),
    ] {
        assert_eq!(date::seconds(text), Some(seconds), "{text}");
    }
    for (seconds, text) in [(0.0, "1970-01-01"), (951_782_400.0, "2000-02-29"), (-1.0, "1969-12-31T23:59:59Z")] {
        assert_eq!(date::text(seconds), text);
    }
}

#[test]
fn balance_and_depth_set_weights() {
    let schema = |extra: &str| Schema::parse(format!(r#"{{"version":1,"dimension":{D},{extra}}}"#).as_bytes()).unwrap();
    let common = |schema: Schema| {
        let mut encoder = Encoder::new(schema).unwrap();
        let mut sums = |text: &str| encoder.encode(&json(text)).unwrap().sums();
        sums(r#"{"a":"x","b":[1,2,4,8]}"#).similarity(&sums(r#"{"a":"x","b":[-1,-2,-4,-8]}"#))
    };
    assert!((common(schema(r#""balance":"leaves""#)) - 0.2).abs() < 0.07);
    assert!((common(schema(r#""balance":"levels""#)) - 0.5).abs() < 0.07);
    // Four leaves of half the weight are as much as one.
    assert!((common(schema(r#""depth":0.5"#)) - 0.5).abs() < 0.07);
}

#[test]
fn embeddings_are_attached() {
    let mut encoder = encoder(r#"{"text":{"string":{"mode":"embedding"}},"list":{"array":{"mode":"bag"}}}"#);
    let document = json(r#"{"text":"hello","other":"plain","list":["b","a"]}"#);
    assert_eq!(encoder.missing_texts(&document).unwrap(), ["hello"]);
    let error = encoder.encode(&document).unwrap_err();
    assert_eq!(
        (error.code, error.message.as_str()),
        (Code::Missing, "text: no vector was attached for the text \"hello\"")
    );
    let vector: Vec<f32> = (0..20).map(|i| (i as f32 - 9.5).abs() - 5.0).collect();
    let near: Vec<f32> = vector.iter().enumerate().map(|(i, x)| x + if i == 3 { 2.0 } else { 0.0 }).collect();
    encoder.attach("hello", &vector).unwrap();
    encoder.attach("hi", &near).unwrap();
    assert!(encoder.missing_texts(&document).unwrap().is_empty());
    let (a, b) = (
        encoder.encode(&document).unwrap(),
        encoder.encode(&json(r#"{"text":"hi","other":"plain","list":["a","b"]}"#)).unwrap(),
    );
    assert!(a.sums().similarity(&b.sums()) > 0.9);
    assert!(encoder.attach("x", &[1.0]).unwrap_err().message.contains("\"x\""));
    assert!(encoder.attach("x", &[f32::NAN; 20]).is_err());
}

#[test]
fn a_schema_is_inferred_written_and_read() {
    let mut inference = Inference::new();
    for i in 0..400u32 {
        let words = format!("red apple {i}");
        let tag = ["a", "b", "c"][i as usize % 3];
        let other = ["b", "c", "d"][i as usize % 3];
        let document = format!(
            r#"{{"price":{},"wide":{},"same":7,"name":"{words}","tag":"{tag}","at":"2024-{:02}-01","mixed":{},"items":[{{"n":{i}}}],"tags":["{tag}","{other}"],"pair":["x","{tag}"]}}"#,
            i % 100,
            10f64.powi((i % 7) as i32),
            i % 12 + 1,
            if i % 2 == 0 { format!("{i}") } else { format!("\"{words}\"") },
        );
        inference.observe(&json(&document));
    }
    let mut schema = Schema::new(D);
    schema.paths.insert("price".into(), Hint { weight: Some(2.0), ..Hint::default() });
    inference.complete(&mut schema);
    assert_eq!(schema.paths["price"], Hint { weight: Some(2.0), ..Hint::default() });
    assert!(matches!(schema.paths["wide"].number, Some(NumberMode::Log { small: 1.0, .. })));
    assert_eq!((schema.paths["same"].number.clone(), schema.paths["same"].range), (None, Some([7.0, 7.0])));
    assert_eq!(schema.paths["name"].string, Some(StringMode::Words));
    // 0.7 times the root of three words, in quarters.
    assert_eq!(schema.paths["name"].weight, Some(1.25));
    assert_eq!(schema.paths["tags"].array, Some(ArrayMode::Bag));
    assert!(["tag", "pair", "items", ""].into_iter().all(|path| !schema.paths.contains_key(path)));
    assert!(
        matches!(schema.paths["at"].string, Some(StringMode::Date { unit, near: Some(near) }) if unit > 86_400.0 && near < unit)
    );
    assert!(schema.paths["mixed"].number.is_some() && schema.paths["mixed"].string == Some(StringMode::Words));
    assert_eq!(
        [schema.paths["wide"].exact, schema.paths["at"].exact, schema.paths["name"].exact],
        [Some(0.75), Some(0.5), Some(0.25)]
    );
    let Some(NumberMode::Linear { unit }) = schema.paths["items[].n"].number else { panic!() };
    assert!((unit - 90.0).abs() < 2.0, "{unit}");
    schema.check().unwrap();
    let read = Schema::parse(schema.text().as_bytes()).unwrap();
    assert_eq!((read.identity(), &read), (schema.identity(), &schema));
}
