use proptest::prelude::*;

use super::*;

fn smollm() -> Tokenizer {
    let json = include_bytes!("../../../../tests/golden/text/smollm/tokenizer.json");
    Tokenizer::from_json(json, None).unwrap()
}

fn llama2() -> Tokenizer {
    let json = include_bytes!("../../../../tests/golden/text/llama2/tokenizer.json");
    Tokenizer::from_json(json, None).unwrap()
}

fn pieces(tokenizer: &Tokenizer, stream: &mut TextStream, ids: &[u32]) -> Vec<String> {
    let mut pieces: Vec<String> = ids.iter().map(|&id| stream.push(tokenizer, id)).collect();
    pieces.push(stream.finish(tokenizer));
    pieces
}

#[test]
fn characters_come_whole() {
    for tokenizer in [smollm(), llama2()] {
        let text = "Zażółć 👩‍👩‍👧 日本 \u{fffd} 🙂";
        let ids = tokenizer.encode(text, false).unwrap();
        let mut stream = TextStream::new(Vec::new());
        let pieces = pieces(&tokenizer, &mut stream, &ids);
        assert_eq!(pieces.concat(), text);
        assert_eq!(pieces.concat().matches('\u{fffd}').count(), 1, "{pieces:?}");
        assert!(pieces.iter().filter(|piece| !piece.is_empty()).count() > 10);
    }
}

#[test]
fn stop_texts_are_not_told() {
    let tokenizer = smollm();
    let ids = tokenizer.encode("one two\n\nUser: three", false).unwrap();
    let mut stream = TextStream::new(vec!["\n\nUser:".into(), "never".into(), String::new()]);
    let mut told = String::new();
    for &id in &ids {
        told += &stream.push(&tokenizer, id);
        assert!("one two".starts_with(&told), "{told:?}");
        if stream.is_stopped() {
            break;
        }
    }
    assert!(stream.is_stopped());
    assert_eq!(told + &stream.finish(&tokenizer), "one two");
}

#[test]
fn the_beginning_of_a_stop_text_is_told_when_it_becomes_none() {
    let tokenizer = smollm();
    let mut stream = TextStream::new(vec!["aab".into(), "é!".into()]);
    let ids = tokenizer.encode("aaaac aaé? aa", false).unwrap();
    let pieces = pieces(&tokenizer, &mut stream, &ids);
    assert!(!stream.is_stopped());
    assert_eq!(pieces.concat(), "aaaac aaé? aa");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pieces_make_the_text(ids in prop::collection::vec(0u32..500, 0..60)) {
        let tokenizer = smollm();
        let mut stream = TextStream::new(Vec::new());
        let pieces = pieces(&tokenizer, &mut stream, &ids);
        prop_assert_eq!(pieces.concat(), tokenizer.decode(&ids, true));
    }

    #[test]
    fn it_stops_at_the_first_stop_text(
        text in "[ab é]{0,40}",
        stop in prop::collection::vec("[ab é]{1,4}", 0..4),
        word: bool,
    ) {
        let tokenizer = if word { smollm() } else { llama2() };
        let ids = tokenizer.encode(&text, false).unwrap();
        let all = tokenizer.decode(&ids, true);
        let first = stop.iter().filter_map(|stop| all.find(stop.as_str())).min();
        let mut stream = TextStream::new(stop);
        let pieces = pieces(&tokenizer, &mut stream, &ids);
        prop_assert_eq!(stream.is_stopped(), first.is_some());
        let told = pieces.concat();
        // Which of several stop texts comes first depends on where the pieces end; none of them is ever told.
        match first {
            Some(first) => prop_assert!(told.len() >= first && all.starts_with(&told)),
            None => prop_assert_eq!(told, all),
        }
    }
}
