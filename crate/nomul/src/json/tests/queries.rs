//! Asking vectors.

use super::*;
use crate::vsa::Bits;

const DOCUMENTS: [&str; 4] = [
    r#"{"country":"USA","capital":"Washington","money":{"name":"dollar","code":"USD"},"people":331,"coast":true,"seas":["Atlantic","Pacific"],"born":"1776-07-04"}"#,
    r#"{"country":"Mexico","capital":"Mexico City","money":{"name":"peso","code":"MXN"},"people":126,"coast":true,"seas":["Atlantic","Pacific"],"born":"1810-09-16"}"#,
    r#"{"country":"Austria","capital":"Vienna","money":{"name":"euro","code":"EUR"},"people":9,"coast":false,"seas":[],"born":"1955-05-15"}"#,
    r#"{"country":"Chad","capital":"N'Djamena","money":{"name":"franc","code":"XAF"},"people":17,"coast":false,"seas":[],"born":"1960-08-11"}"#,
];

fn world() -> (Encoder, Vocabulary, Vec<Sums>) {
    let (mut inference, mut vocabulary) = (Inference::new(), Vocabulary::default());
    for document in DOCUMENTS {
        inference.observe(&json(document));
        vocabulary.observe(&json(document));
    }
    let mut schema = Schema::new(D);
    inference.complete(&mut schema);
    let mut encoder = Encoder::new(schema).unwrap();
    let vectors = DOCUMENTS.iter().map(|text| encoder.encode(&json(text)).unwrap().sums()).collect();
    (encoder, vocabulary, vectors)
}

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

#[test]
fn values_are_got_by_path_from_sums_and_from_signs() {
    let (mut encoder, vocabulary, vectors) = world();
    for (sums, document) in vectors.into_iter().zip(DOCUMENTS) {
        let ties = encoder.ties().clone();
        let document: serde_json::Value = serde_json::from_str(document).unwrap();
        for vector in [Vector::Signs(sums.signs(&ties)), Vector::Sums(sums)] {
            for (at, pointer) in [
                ("country", "/country"),
                ("money.code", "/money/code"),
                ("$.money[\"name\"]", "/money/name"),
                ("coast", "/coast"),
                ("seas", "/seas"),
                ("seas[1]", "/seas/1"),
            ] {
                let answer = encoder.get(&vector, &path(at), &vocabulary).unwrap();
                let there =
                    document.pointer(pointer).filter(|value| !value.is_array() || value == &&serde_json::json!([]));
                match there {
                    Some(expected) => {
                        assert_eq!(serde_json::to_value(&answer.value).unwrap(), *expected, "{at}");
                        assert!(answer.confidence > 0.99, "{at}: {answer:?}");
                    }
                    None => assert!(answer.confidence < 0.99, "{at}: {answer:?}"),
                }
            }
            let people = encoder.get(&vector, &path("people"), &vocabulary).unwrap();
            let Value::Number(number) = people.value else { panic!("{people:?}") };
            assert!((number - document["people"].as_f64().unwrap()).abs() < 15.0 && people.confidence > 0.99);
            let born = encoder.get(&vector, &path("born"), &vocabulary).unwrap();
            let Value::String(date) = &born.value else { panic!("{born:?}") };
            let years = |text: &str| date::seconds(text).unwrap() / 3.156e7;
            assert!((years(date) - years(document["born"].as_str().unwrap())).abs() < 12.0, "{born:?}");
        }
    }
}

#[test]
fn containers_are_put_together() {
    let (mut encoder, vocabulary, vectors) = world();
    let vector = Vector::Sums(vectors[1].clone());
    let money = encoder.get(&vector, &path("money"), &vocabulary).unwrap();
    assert_eq!(money.value.canonical(), r#"{"code":"MXN","name":"peso"}"#);
    assert!(money.confidence > 0.99);
    let all = encoder.get(&vector, &path(""), &vocabulary).unwrap();
    let Value::Object(fields) = &all.value else { panic!() };
    assert!(fields.iter().any(|(key, value)| key == "capital" && *value == Value::String("Mexico City".into())));
    let error = encoder.get(&vector, &path("nowhere.at[3]"), &vocabulary).unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (Code::Missing, "path nowhere.at[3]: nothing is known there"));
    assert!(encoder.get(&Vector::Sums(Sums::new(256)), &path("money"), &vocabulary).is_err());
    let empty = encoder.get(&Vector::Sums(Sums::new(D)), &path("country"), &vocabulary).unwrap();
    assert_eq!(empty.confidence, 0.0);
}

#[test]
fn explanations_name_the_leaves_that_agree() {
    let (mut encoder, _, vectors) = world();
    let ties = encoder.ties().clone();
    for other in [Vector::Sums(vectors[1].clone()), Vector::Signs(vectors[1].signs(&ties))] {
        let agreements = encoder.explain(&json(DOCUMENTS[0]), &other).unwrap();
        assert_eq!(agreements.len(), 9);
        for leaf in agreements {
            let same = ["coast", "seas[0]", "seas[1]"].contains(&leaf.path.as_str());
            let soft = ["people", "born"].contains(&leaf.path.as_str());
            let range = if same {
                0.7..=1.0
            } else if soft {
                -0.3..=0.95
            } else {
                -0.3..=0.3
            };
            assert!(range.contains(&leaf.agreement), "{leaf:?}");
            assert_eq!(leaf.weight, 1.0);
        }
    }
    assert!(encoder.explain(&json("1"), &Vector::Signs(Bits::identity(256))).is_err());
}

#[test]
fn the_dollar_of_mexico() {
    let (mut encoder, vocabulary, vectors) = world();
    let [usa, mexico] = [0, 1].map(|i| Vector::Sums(vectors[i].clone()));
    let (at, answer) = encoder.analogy(&Value::String("dollar".into()), &usa, &mexico, &vocabulary).unwrap();
    assert_eq!((format!("{at}").as_str(), answer.value), ("money.name", Value::String("peso".into())));
    assert!(encoder.analogy(&Value::Null, &usa, &mexico, &Vocabulary::default()).is_err());
}

#[test]
fn similarity_of_all_kinds_of_vectors() {
    let (encoder, _, vectors) = world();
    let signs = |i: usize| Vector::Signs(vectors[i].signs(encoder.ties()));
    let sums = |i: usize| Vector::Sums(vectors[i].clone());
    for (near, far) in [
        (signs(0).similarity(&signs(1)), signs(0).similarity(&signs(2))),
        (sums(0).similarity(&sums(1)), sums(0).similarity(&sums(2))),
        (sums(0).similarity(&signs(1)), signs(0).similarity(&sums(2))),
    ] {
        assert!(near.clone().unwrap() > far.clone().unwrap() + 0.05, "{near:?} {far:?}");
    }
    assert_eq!(sums(0).similarity(&Vector::Sums(Sums::new(D))).unwrap(), 0.0);
    assert_eq!(sums(0).similarity(&Vector::Signs(Bits::identity(256))).unwrap_err().code, Code::Shape);
}
