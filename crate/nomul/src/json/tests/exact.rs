//! Equal values beside near ones.

use super::*;

fn schema(exact: &str) -> String {
    format!(
        r#"{{"n":{{"number":{{"mode":"linear","unit":10}},"exact":{exact}}},
            "c":{{"number":{{"mode":"circular","period":24,"marks":8}},"exact":{exact}}},
            "d":{{"string":{{"mode":"date","unit":864000}},"exact":{exact}}},
            "w":{{"string":{{"mode":"words"}},"exact":{exact}}}}}"#
    )
}

#[test]
fn equal_values_are_more_similar_than_near_ones() {
    for share in [0.0, 0.25, 0.5, 1.0] {
        let hints = schema(&format!("{share}"));
        for (a, b, near) in [
            (r#"{"n":1}"#, r#"{"n":4}"#, 0.7),
            (r#"{"c":23.5}"#, r#"{"c":0.5}"#, 2.0 / 3.0),
            (r#"{"d":"2024-02-28"}"#, r#"{"d":"2024-03-01"}"#, 0.8),
        ] {
            assert!((similarity(&hints, a, a) - 1.0).abs() < 1e-12);
            let got = similarity(&hints, a, b);
            assert!((got - near * (1.0 - share)).abs() < 0.07, "{share}: {a} and {b}: {got}");
        }
        let (a, b) = (r#"{"w":"red oak table"}"#, r#"{"w":"red oak chair"}"#);
        let (whole, plain) = (similarity(&hints, a, b), similarity(&schema("0"), a, b));
        assert!((whole - plain * (1.0 - share)).abs() < 0.07, "{share}: {whole}, {plain}");
        // One time, written in two ways.
        let same = similarity(&hints, r#"{"d":"2024-05-01T12:00Z"}"#, r#"{"d":"2024-05-01T14:00+02:00"}"#);
        assert!((same - 1.0).abs() < 1e-12, "{same}");
    }
}

/// The level's twin, place by place: marks in the places of some words, what was there in the others.
#[test]
fn some_places_are_a_line_of_their_own() {
    use crate::vsa::{Bits, levels::Line};
    let line = Line::new(1_000, 3, b"x");
    for words in [5..16, 0..5, 5..9, 15..16] {
        for level in [0.0, 0.3, 0.999, 1.0, -2.5] {
            let kept = Bits::atom(1_000, 3, b"kept");
            let mut out = kept.clone();
            line.put(level, words.clone(), &mut out);
            let places = 64 * words.start..(64 * words.end).min(1_000);
            let (below, upper) =
                (f64::floor(level), ((level - f64::floor(level)) * places.len() as f64 + 0.5) as usize);
            for i in 0..1_000 {
                let expected = if places.contains(&i) {
                    let place = i - places.start;
                    line.mark(below as i64 + (place < upper) as i64).sign(place)
                } else {
                    kept.sign(i)
                };
                assert_eq!(out.sign(i), expected, "{words:?}, {level}: {i}");
            }
        }
    }
}

/// Dates are alike by three measures: equal, as near as `near` says, within `unit`.
#[test]
fn near_dates_are_told_from_dates_of_the_same_season() {
    let hints = r#"{"d":{"string":{"mode":"date","unit":8640000,"near":3600},"exact":0.5}}"#;
    let to = |date: &str| similarity(hints, r#"{"d":"2024-05-01T12:00Z"}"#, &format!(r#"{{"d":"{date}"}}"#));
    let [minute, day, year] = ["2024-05-01T12:01Z", "2024-05-02T12:00Z", "2025-05-01"].map(to);
    // Half of the places are unrelated, three eighths are the hour's, one eighth that of a hundred days.
    assert!((minute - 0.5).abs() < 0.05 && (day - 0.125).abs() < 0.05 && year.abs() < 0.05, "{minute} {day} {year}");
}

#[test]
fn numbers_that_came_are_got_exactly_and_others_nearly() {
    let mut encoder = encoder(&schema("0.5"));
    let mut vocabulary = Vocabulary::default();
    let documents: Vec<Value> = (0..200)
        .map(|i| json(&format!(r#"{{"n":{},"d":"2024-{:02}-{:02}"}}"#, i as f64 / 4.0, i % 12 + 1, i % 28 + 1)))
        .collect();
    documents.iter().for_each(|document| vocabulary.observe(document));
    for document in &documents[..40] {
        let vector = Vector::Signs(encoder.signs(document).unwrap());
        for path in ["n", "d"] {
            let answer = encoder.get(&vector, &Path::parse(path).unwrap(), &vocabulary).unwrap();
            let Value::Object(fields) = document else { panic!() };
            assert!(fields.iter().any(|(key, value)| key == path && *value == answer.value), "{answer:?}");
            assert!(answer.confidence > 0.99, "{answer:?}");
        }
    }
    // What never came.
    let vector = Vector::Signs(encoder.signs(&json(r#"{"n":17.1}"#)).unwrap());
    let answer = encoder.get(&vector, &Path::parse("n").unwrap(), &vocabulary).unwrap();
    let Value::Number(number) = answer.value else { panic!("{answer:?}") };
    assert!((number - 17.1).abs() < 1.5 && answer.confidence > 0.99, "{answer:?}");
}

#[test]
fn a_share_that_is_none_is_refused() {
    for exact in ["-0.1", "1.5"] {
        let text = format!(r#"{{"version":1,"dimension":{D},"paths":{{"n":{{"exact":{exact}}}}}}}"#);
        let error = Schema::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.message, format!("schema: paths: \"n\": exact {exact} is not 0 to 1"));
    }
}
