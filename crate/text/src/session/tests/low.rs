//! What is asked of a model beside answers: how likely tokens are, what it makes of a text, and conversations that are kept.

use super::*;
use crate::TokenLogprobs;

/// Logarithms of probabilities, by the definition.
fn log_softmax(scores: &[f32]) -> Vec<f64> {
    let sum: f64 = scores.iter().map(|score| f64::from(*score).exp()).sum();
    scores.iter().map(|score| f64::from(*score) - sum.ln()).collect()
}

/// The scores after each token of a text, token by token.
fn scores(tiny: &Tiny, ids: &[u32]) -> Vec<Vec<f32>> {
    let mut model = Model::new(&tiny.config, &tiny.index).unwrap();
    model.push(&tiny.shards.concat()).unwrap();
    let (config, weights) = model.parts();
    let mut state = State::new(config, 64).unwrap();
    ids.iter().map(|&id| forward::decode(config, weights, &mut state, id).unwrap().to_vec()).collect()
}

fn read(session: &mut Session, ids: &[u32], wanted: Wanted) -> Vec<f32> {
    session.read(ids, wanted).unwrap();
    while session.read_on().unwrap().0 < ids.len() {}
    session.end_reading().unwrap()
}

#[test]
fn tokens_come_with_their_probabilities() {
    let tiny = Tiny::new();
    let mut session = session(&tiny);
    // Penalties and biases choose another token, and leave the probabilities as they are.
    let sample = SampleOptions { logit_bias: vec![(77, 1000.0)], ..SampleOptions::default() };
    session.start(prompt(9), GenerateOptions { logprobs: Some(3), sample, ..greedy(2) }).unwrap();
    let mut told: Vec<(u32, TokenLogprobs)> = Vec::new();
    loop {
        match session.step().unwrap() {
            Step::Token { id, logprobs, .. } => told.push((id, logprobs.unwrap())),
            Step::Prefill { .. } => {}
            Step::End { .. } => break,
        }
    }
    let all = scores(&tiny, &[prompt(9), vec![77]].concat());
    for ((id, told), scores) in told.iter().zip(&all[8..]) {
        let expected = log_softmax(scores);
        assert_eq!(*id, 77);
        assert!((told.logprob - expected[77]).abs() < 1e-9);
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        order.sort_by(|a, b| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b)));
        assert_eq!(told.top.iter().map(|(id, _)| *id).collect::<Vec<_>>(), order[..3]);
        assert!(told.top.iter().all(|(id, logprob)| (logprob - expected[*id as usize]).abs() < 1e-9));
    }
    assert_eq!(told.len(), 2);
    let without = GenerateOptions { logprobs: Some(0), ..greedy(1) };
    session.start(prompt(1), without).unwrap();
    let Step::Token { logprobs: Some(TokenLogprobs { top, .. }), .. } = session.step().unwrap() else { panic!() };
    assert!(top.is_empty());
    let many = GenerateOptions { logprobs: Some(21), ..greedy(1) };
    assert!(session.start(prompt(1), many).unwrap_err().message.contains("at most 20"));
}

#[test]
fn only_what_is_allowed_is_said() {
    let tiny = Tiny::new();
    let mut session = session(&tiny);
    assert_eq!(session.allow(&[]).unwrap_err().code, Code::NotReady);
    session.start(prompt(5), greedy(3)).unwrap();
    let mut allowed = vec![0; 496usize.div_ceil(32)];
    allowed[4] = 1 << 9;
    session.allow(&allowed).unwrap();
    while !matches!(session.step().unwrap(), Step::Token { id: 137, .. }) {}
    session.allow(&[]).unwrap();
    let free = plain(&tiny, &[prompt(5), vec![137]].concat(), 1)[0];
    assert!(matches!(session.step().unwrap(), Step::Token { id, .. } if id == free));
}

#[test]
fn a_text_has_the_probabilities_of_its_tokens() {
    let tiny = Tiny::new();
    for length in [2, 8, 9, 17, 40] {
        let ids = prompt(length);
        let found = read(&mut session(&tiny), &ids, Wanted::Logprobs);
        let expected: Vec<f64> = scores(&tiny, &ids)
            .iter()
            .zip(&ids[1..])
            .map(|(scores, next)| log_softmax(scores)[*next as usize])
            .collect();
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(&expected).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-5));
    }
    let mut session = session(&tiny);
    assert_eq!(session.read(prompt(1), Wanted::Logprobs).unwrap_err().code, Code::Input);
    assert_eq!(session.read(prompt(65), Wanted::Mean).unwrap_err().code, Code::Capacity);
    assert_eq!(session.read_on().unwrap_err().code, Code::NotReady);
    session.read(prompt(40), Wanted::Mean).unwrap();
    session.read_on().unwrap();
    assert_eq!(session.end_reading().unwrap_err().code, Code::NotReady);
    // What was read can be gone on with.
    read(&mut session, &prompt(40), Wanted::Mean);
    let told = run(&mut session, &prompt(44), greedy(3));
    assert_eq!((told.usage.cached_tokens, told.ids), (40, plain(&tiny, &prompt(44), 3)));
}

#[test]
fn a_text_has_the_mean_of_its_hidden_states() {
    let tiny = Tiny::new();
    for length in [1, 5, 32, 33, 50] {
        let ids = prompt(length);
        let found = read(&mut session(&tiny), &ids, Wanted::Mean);
        // The same planes with everything else in floats, token by token.
        let mut model = Model::new(&tiny.config, &tiny.index).unwrap();
        model.push(&tiny.shards.concat()).unwrap();
        let (config, mut weights) = model.float_parts();
        let mut state = State::new(config, 64).unwrap();
        let mut expected = vec![0.0f64; config.hidden_size];
        for &id in &ids {
            let row = forward::hidden(config, &mut weights, &mut state, &[id]).unwrap();
            expected.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x) / f64::from(length));
        }
        let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
        let error: Vec<f64> = found.iter().zip(&expected).map(|(a, b)| f64::from(*a) - b).collect();
        assert!(norm(&error) < 0.05 * norm(&expected), "{length}: {} of {}", norm(&error), norm(&expected));
    }
}

#[test]
fn a_conversation_that_was_saved_goes_on() {
    let tiny = Tiny::new();
    let mut first = session(&tiny);
    run(&mut first, &prompt(37), greedy(5));
    let image = first.save().unwrap();
    run(&mut first, &[400, 5], greedy(3));
    let mut longer = tiny.session(96);
    longer.push(&tiny.shards.concat()).unwrap();
    for session in [&mut first, &mut longer] {
        session.restore(&image).unwrap();
        assert_eq!(session.cached(), 41);
        let told = run(session, &prompt(45), greedy(4));
        assert_eq!((told.usage.cached_tokens, told.ids), (37, plain(&tiny, &prompt(45), 4)));
    }
    // One that has not begun.
    let empty = session(&tiny).save().unwrap();
    first.restore(&empty).unwrap();
    assert_eq!(first.cached(), 0);
}

#[test]
fn a_conversation_of_a_whole_model_goes_on_while_it_arrives_anew() {
    let tiny = Tiny::new();
    let mut first = session(&tiny);
    run(&mut first, &prompt(20), greedy(1));
    let image = first.save().unwrap();
    let mut next = tiny.session(64);
    next.push(&tiny.shards[..3].concat()).unwrap();
    next.restore(&image).unwrap();
    assert_eq!(run(&mut next, &prompt(24), greedy(1)).usage.cached_tokens, 20);
    next.push(&tiny.shards[3..].concat()).unwrap();
    // Four tokens were read with fewer planes: all are read anew.
    let told = run(&mut next, &prompt(24), greedy(3));
    assert_eq!((told.usage.cached_tokens, told.ids), (0, plain(&tiny, &prompt(24), 3)));
    next.set_planes(Some(3)).unwrap();
    assert_eq!(next.restore(&image).unwrap_err().code, Code::Input);
    // Where no token is, the whole of it holds.
    let mut quiet = tiny.session(64);
    quiet.push(&tiny.shards[..3].concat()).unwrap();
    quiet.restore(&image).unwrap();
    quiet.push(&tiny.shards[3..].concat()).unwrap();
    let told = run(&mut quiet, &prompt(24), greedy(3));
    assert_eq!((told.usage.cached_tokens, told.ids), (20, plain(&tiny, &prompt(24), 3)));
}

#[test]
fn what_is_no_saved_conversation_is_refused() {
    let tiny = Tiny::new();
    let mut session = session(&tiny);
    run(&mut session, &prompt(20), greedy(5));
    let image = session.save().unwrap();
    let refused = |session: &mut Session, image: &[u8], code| {
        let error = session.restore(image).unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert_eq!(session.cached(), 24);
    };
    for length in [0, 7, 83, image.len() - 1] {
        let code = if length < 84 { Code::Format } else { Code::Checksum };
        refused(&mut session, &image[..length], code);
    }
    for place in [9, 13, 20, 49, 60, image.len() / 2, image.len() - 1] {
        let mut damaged = image.clone();
        damaged[place] ^= 1;
        refused(&mut session, &damaged, if place == 9 { Code::Unsupported } else { Code::Checksum });
    }
    // More tokens than there are bytes for, with a checksum that is right.
    let mut lying = image[..image.len() - 32].to_vec();
    for tokens in [25u32, 1 << 30, u32::MAX] {
        lying[48..52].copy_from_slice(&tokens.to_le_bytes());
        let sum = <sha2::Sha256 as sha2::Digest>::digest(&lying);
        let error = session.restore(&[&lying, sum.as_slice()].concat()).unwrap_err();
        assert!(matches!(error.code, Code::Format | Code::Input | Code::Capacity), "{error}");
        assert_eq!(session.cached(), 24);
    }
    session.set_planes(Some(2)).unwrap();
    refused(&mut session, &image, Code::Input);
    session.set_planes(None).unwrap();
    let mut short = tiny.session(16);
    short.push(&tiny.shards.concat()).unwrap();
    assert_eq!(short.restore(&image).unwrap_err().code, Code::Capacity);
    assert_eq!(short.cached(), 0);
}

#[test]
fn every_token_has_its_bytes() {
    let tiny = Tiny::new();
    let tokenizer = tiny.tokenizer();
    for text in ["Once upon a time", "größer ☂ 猫 \n\t x  y"] {
        let ids = tokenizer.encode(text, false).unwrap();
        let bytes: Vec<u8> = ids.iter().flat_map(|id| tokenizer.bytes(*id).unwrap()).collect();
        assert_eq!(String::from_utf8(bytes).unwrap(), text);
    }
    assert_eq!(tokenizer.bytes(1).unwrap(), b"<|im_start|>");
    assert_eq!(tokenizer.bytes(100_000), None);
}
