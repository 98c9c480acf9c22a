//! The loop over a tiny model of random planes, against the plain loop: read token by token, take the likeliest.

mod low;
mod tiny;

use nomul::{Code, State, forward};

use super::*;
use tiny::Tiny;

fn session(tiny: &Tiny) -> Session {
    let mut session = tiny.session(64);
    session.push(&tiny.shards.concat()).unwrap();
    session
}

/// What the loop is defined by.
fn plain(tiny: &Tiny, prompt: &[u32], count: usize) -> Vec<u32> {
    let mut model = Model::new(&tiny.config, &tiny.index).unwrap();
    model.push(&tiny.shards.concat()).unwrap();
    let (config, weights) = model.parts();
    let mut state = State::new(config, 64).unwrap();
    let mut ids = prompt.to_vec();
    for place in 0..prompt.len() + count - 1 {
        let logits = forward::decode(config, weights, &mut state, ids[place]).unwrap();
        if place + 1 == ids.len() {
            ids.push(nomul::sample::argmax(logits));
        }
    }
    ids.split_off(prompt.len())
}

fn greedy(max_tokens: usize) -> GenerateOptions {
    GenerateOptions { max_tokens: Some(max_tokens), ignore_eos: true, ..GenerateOptions::default() }
}

struct Told {
    prefill: Vec<(usize, usize)>,
    ids: Vec<u32>,
    text: String,
    reason: Finish,
    usage: Usage,
}

fn run(session: &mut Session, prompt: &[u32], options: GenerateOptions) -> Told {
    session.start(prompt, options).unwrap();
    let (mut prefill, mut ids, mut all) = (Vec::new(), Vec::new(), String::new());
    loop {
        match session.step().unwrap() {
            Step::Prefill { done, total } => prefill.push((done, total)),
            Step::Token { id, text, .. } => {
                ids.push(id);
                all += &text;
            }
            Step::End { text, reason, usage } => {
                return Told { prefill, ids, text: all + &text, reason, usage };
            }
        }
    }
}

/// A prompt of `length` tokens.
fn prompt(length: u32) -> Vec<u32> {
    (0..length).map(|i| 3 + i * 37 % 480).collect()
}

#[test]
fn the_answer_is_that_of_the_plain_loop() {
    let tiny = Tiny::new();
    for length in [1, 2, 32, 33, 34, 50] {
        let told = run(&mut session(&tiny), &prompt(length), greedy(8));
        assert_eq!(told.ids, plain(&tiny, &prompt(length), 8));
        assert_eq!(told.text, tiny.tokenizer().decode(&told.ids, true));
        assert_eq!(told.reason, Finish::Length);
        let usage = Usage { prompt_tokens: length as usize, cached_tokens: 0, completion_tokens: 8 };
        assert_eq!(told.usage, usage);
        // All but the last token of the prompt is read in chunks.
        let total = length as usize;
        let expected: Vec<_> =
            (1..total).step_by(CHUNK).map(|from| ((from + CHUNK - 1).min(total - 1), total)).collect();
        assert_eq!(told.prefill, expected);
    }
}

#[test]
fn what_was_read_is_not_read_again() {
    let tiny = Tiny::new();
    let mut session = session(&tiny);
    let first = run(&mut session, &prompt(20), greedy(6));
    let mut longer = prompt(20);
    longer.extend(&first.ids);
    longer.extend([7, 8, 9]);
    let second = run(&mut session, &longer, greedy(6));
    // The last token of an answer came out and was never read.
    assert_eq!(second.usage.cached_tokens, 25);
    assert_eq!(second.ids, plain(&tiny, &longer, 6));
    // A shorter prompt, and the same again: its last token is read once more, for its scores.
    let again = run(&mut session, &prompt(10), greedy(6));
    assert_eq!(again.usage.cached_tokens, 9);
    assert_eq!(again.ids, plain(&tiny, &prompt(10), 6));
    let other = run(&mut session, &[400, 5], greedy(3));
    assert_eq!(other.usage.cached_tokens, 0);
    assert_eq!(other.ids, plain(&tiny, &[400, 5], 3));
}

#[test]
fn an_answer_that_was_dropped_leaves_nothing_behind() {
    let tiny = Tiny::new();
    let mut session = session(&tiny);
    for steps in 0..6 {
        session.start(prompt(40), greedy(6)).unwrap();
        for _ in 0..steps {
            session.step().unwrap();
        }
        let told = run(&mut session, &prompt(36), greedy(4));
        assert_eq!(told.ids, plain(&tiny, &prompt(36), 4), "after {steps} steps");
    }
}

#[test]
fn an_answer_ends_where_the_context_does() {
    let tiny = Tiny::new();
    let mut session = session(&tiny);
    let options = GenerateOptions { max_tokens: None, ..greedy(0) };
    let told = run(&mut session, &prompt(60), options.clone());
    // The token after the last place still follows from it.
    assert_eq!((told.ids.len(), told.reason), (5, Finish::Length));
    assert_eq!(run(&mut session, &prompt(64), options).ids.len(), 1);
    let error = session.start(prompt(65), GenerateOptions::default()).unwrap_err();
    assert_eq!(error.code, Code::Capacity);
    assert!(error.message.contains("65") && error.message.contains("64"), "{error}");
}

#[test]
fn an_answer_ends_when_the_model_ends_it() {
    let tiny = Tiny::new();
    let free = run(&mut session(&tiny), &prompt(5), greedy(12));
    let end = free.ids[4];
    let place = free.ids.iter().position(|&id| id == end).unwrap();
    let generation = format!(r#"{{"eos_token_id": [1, {end}]}}"#);
    let mut session = tiny.session_with(64, Some(generation.as_bytes()));
    session.push(&tiny.shards.concat()).unwrap();
    let options = GenerateOptions { ignore_eos: false, ..greedy(12) };
    let told = run(&mut session, &prompt(5), options);
    assert_eq!((told.ids.as_slice(), told.reason), (&free.ids[..=place], Finish::Stop));
    assert_eq!(told.text, tiny.tokenizer().decode(&free.ids[..place], true));
    assert_eq!(run(&mut session, &prompt(5), greedy(12)).ids, free.ids);
}

#[test]
fn an_answer_ends_before_a_stop_text() {
    let tiny = Tiny::new();
    let free = run(&mut session(&tiny), &prompt(5), greedy(30));
    let whole: Vec<char> = free.text.chars().collect();
    let stop: String = whole[8..11].iter().collect();
    let before = &free.text[..free.text.find(&stop).unwrap()];
    let told = run(&mut session(&tiny), &prompt(5), GenerateOptions { stop: vec![stop], ..greedy(30) });
    assert_eq!((told.text.as_str(), told.reason), (before, Finish::Stop));
    assert_eq!(told.ids, free.ids[..told.ids.len()]);
}

#[test]
fn the_same_seed_gives_the_same_answer() {
    let tiny = Tiny::new();
    let options = |seed| GenerateOptions {
        sample: SampleOptions { temperature: 1.0, top_p: 0.95, seed, ..SampleOptions::default() },
        ..greedy(16)
    };
    let answer = |seed| run(&mut session(&tiny), &prompt(5), options(seed)).ids;
    assert_eq!(answer(1), answer(1));
    assert_ne!(answer(1), answer(2));
}

#[test]
fn more_planes_make_a_new_start() {
    let tiny = Tiny::new();
    let mut session = tiny.session(64);
    let (early, late) = tiny.shards.split_at(3);
    assert_eq!(session.start(prompt(5), greedy(1)).unwrap_err().code, Code::NotReady);
    session.push(&early.concat()).unwrap();
    let coarse = run(&mut session, &prompt(20), greedy(8));
    assert_eq!(run(&mut session, &prompt(20), greedy(8)).usage.cached_tokens, 19);
    session.push(&late.concat()).unwrap();
    let fine = run(&mut session, &prompt(20), greedy(8));
    assert_eq!(fine.usage.cached_tokens, 0);
    assert_eq!(fine.ids, plain(&tiny, &prompt(20), 8));
    session.set_planes(Some(2)).unwrap();
    assert_eq!(run(&mut session, &prompt(20), greedy(8)).ids, coarse.ids);
    session.set_planes(None).unwrap();
    assert_eq!(run(&mut session, &prompt(20), greedy(8)).ids, fine.ids);
}

#[test]
fn planes_that_arrive_during_an_answer_do_not_mark_the_next() {
    let tiny = Tiny::new();
    let mut session = tiny.session(64);
    session.push(&tiny.shards[..3].concat()).unwrap();
    session.start(prompt(20), greedy(8)).unwrap();
    for _ in 0..4 {
        session.step().unwrap();
    }
    session.push(&tiny.shards[3..].concat()).unwrap();
    while !matches!(session.step().unwrap(), Step::End { .. }) {}
    let told = run(&mut session, &prompt(20), greedy(8));
    assert_eq!((told.usage.cached_tokens, told.ids), (0, plain(&tiny, &prompt(20), 8)));
}

#[test]
fn a_conversation_goes_on_while_planes_arrive_and_is_read_anew_when_all_have() {
    let tiny = Tiny::new();
    let mut session = tiny.session(96);
    session.push(&tiny.shards[..3].concat()).unwrap();
    let first = run(&mut session, &prompt(20), greedy(4));
    let mut told = [prompt(20), first.ids].concat();
    for (shard, kept) in [(3, 23), (4, 0)] {
        session.push(&tiny.shards[shard]).unwrap();
        assert_eq!(session.model().level(), shard);
        told.extend(prompt(3));
        let answer = run(&mut session, &told, greedy(1));
        assert_eq!(answer.usage.cached_tokens, kept, "level {shard}");
        told.extend(&answer.ids);
    }
    assert_eq!(run(&mut session, &told, greedy(1)).usage.cached_tokens, told.len() - 1);
    // What was asked for is another matter.
    session.set_planes(Some(3)).unwrap();
    assert_eq!(run(&mut session, &told, greedy(1)).usage.cached_tokens, 0);
}

#[test]
fn a_damaged_shard_can_be_pushed_anew() {
    let tiny = Tiny::new();
    let mut session = tiny.session(64);
    session.push(&tiny.shards[..2].concat()).unwrap();
    let received = session.model().received();
    let damaged = tiny::damaged(&tiny.shards[2]);
    assert_eq!(session.push(&damaged).unwrap_err().code, Code::Checksum);
    assert_eq!(session.push(&tiny.shards[2]).unwrap_err().code, Code::Checksum);
    assert_eq!(session.model().level(), 1);
    session.rewind();
    assert_eq!(session.model().received(), received);
    // Halfway, and from the start again.
    session.push(&tiny.shards[2][..tiny.shards[2].len() / 2]).unwrap();
    session.rewind();
    session.push(&tiny.shards[2..].concat()).unwrap();
    assert_eq!(run(&mut session, &prompt(20), greedy(8)).ids, plain(&tiny, &prompt(20), 8));
}

#[test]
fn a_shard_that_the_caller_has_checked_is_not_hashed() {
    let tiny = Tiny::new();
    let damaged = tiny::damaged(&tiny.shards[2]);
    let started = || {
        let mut session = tiny.session(64);
        session.push(&tiny.shards[..2].concat()).unwrap();
        session
    };
    let mut session = started();
    session.trust();
    session.push(&damaged).unwrap();
    assert_eq!(session.model().level(), 2);
    // The next one is hashed, and so is one that is pushed anew, or had begun.
    assert_eq!(session.push(&tiny::damaged(&tiny.shards[3])).unwrap_err().code, Code::Checksum);
    let mut session = started();
    session.trust();
    session.push(&damaged[..8]).unwrap();
    session.rewind();
    assert_eq!(session.push(&damaged).unwrap_err().code, Code::Checksum);
    let mut session = started();
    session.push(&damaged[..8]).unwrap();
    session.trust();
    assert_eq!(session.push(&damaged[8..]).unwrap_err().code, Code::Checksum);
}

#[test]
fn logits_do_not_depend_on_what_was_read_before() {
    let tiny = Tiny::new();
    let fresh = session(&tiny).logits(&prompt(40)).unwrap();
    assert_eq!(fresh.len(), 496);
    let mut used = session(&tiny);
    run(&mut used, &prompt(36), greedy(4));
    assert_eq!(used.logits(&prompt(40)).unwrap(), fresh);
    assert_eq!(used.logits(&prompt(40)).unwrap(), fresh);
    assert_eq!(run(&mut used, &prompt(40), greedy(1)).ids, [nomul::sample::argmax(&fresh)]);
}

#[test]
fn what_is_impossible_is_refused() {
    let tiny = Tiny::new();
    let mut session = session(&tiny);
    assert_eq!(session.step().unwrap_err().code, Code::NotReady);
    assert_eq!(session.start(Vec::new(), greedy(1)).unwrap_err().code, Code::Input);
    assert_eq!(session.logits(&[]).unwrap_err().code, Code::Input);
    let error = session.start([1, 2, 496], greedy(1)).unwrap_err();
    assert_eq!(error.code, Code::Input);
    assert!(error.message.contains("token 496 at 2"), "{error}");
    let options =
        GenerateOptions { sample: SampleOptions { temperature: -1.0, ..SampleOptions::default() }, ..greedy(1) };
    assert!(session.start(prompt(3), options).unwrap_err().message.contains("temperature"));
    assert_eq!(session.step().unwrap_err().code, Code::NotReady);
    assert!(session.detokenize(&[9999]).is_err());
    let told = run(&mut session, &prompt(3), greedy(0));
    assert_eq!((told.ids.len(), told.reason), (0, Finish::Length));
}

#[test]
fn texts_become_ids() {
    let tiny = Tiny::new();
    let session = tiny.session(64);
    assert_eq!(session.tokenize("Hi", true).unwrap(), session.tokenizer().encode("Hi", true).unwrap());
    assert_eq!(session.context(), 64);
}

#[test]
fn steps_are_objects_with_a_type() {
    let step = Step::End {
        text: String::new(),
        reason: Finish::Length,
        usage: Usage { prompt_tokens: 1, cached_tokens: 0, completion_tokens: 2 },
    };
    let json = serde_json::to_value(&step).unwrap();
    assert_eq!(json["type"], "end");
    assert_eq!(json["reason"], "length");
    assert_eq!(json["usage"]["completion_tokens"], 2);
    let options: GenerateOptions = serde_json::from_str(r#"{"max_tokens": 3, "sample": {"top_k": 4}}"#).unwrap();
    assert_eq!((options.max_tokens, options.sample.top_k, options.sample.top_p), (Some(3), 4, 1.0));
}
