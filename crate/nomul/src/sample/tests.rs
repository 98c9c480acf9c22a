use alloc::{string::ToString, vec, vec::Vec};
use proptest::{prelude::*, test_runner::RngSeed};

use super::*;

/// Everything that the sampler does, by sorting everything.
fn textbook(options: &SampleOptions, prompt: &[u32], answer: &[u32], logits: &[f32], random: &mut Random) -> u32 {
    // -0 and 0 are equal scores.
    let clean = |x: f32| match x {
        _ if x.is_nan() => f32::NEG_INFINITY,
        0.0 => 0.0,
        _ => x.min(f32::MAX),
    };
    let mut all: Vec<(f32, u32)> = (0u32..).zip(logits).map(|(token, &x)| (clean(x), token)).collect();
    for (x, token) in &mut all {
        if prompt.contains(token) || answer.contains(token) {
            let penalty = options.repetition_penalty;
            if penalty != 1.0 {
                *x = Factor::new(if *x > 0.0 { 1.0 / penalty } else { penalty }).times(*x);
            }
        }
        let count = answer.iter().filter(|&other| other == token).count();
        if count > 0 {
            *x -= options.presence_penalty + Factor::new(options.frequency_penalty).times(count as f32);
        }
        for (_, bias) in options.logit_bias.iter().filter(|(other, _)| other == token) {
            *x += bias;
        }
        *x = clean(*x);
    }
    let mut sorted = all.clone();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let (most, best) = sorted[0];
    if options.temperature == 0.0 || most == f32::NEG_INFINITY {
        return best;
    }
    let narrows = options.top_k > 0 && options.top_k < all.len() || options.top_p < 1.0;
    let (tables, sharpness) = (Logarithms::new(), Factor::new(core::f32::consts::LOG2_E / options.temperature));
    let mut kept: Vec<(u64, u32)> = if narrows { sorted } else { all }
        .into_iter()
        .map(|(x, token)| (u64::from(weight(&tables, sharpness.times(x - most))), token))
        .collect();
    let sum = |kept: &[(u64, u32)]| kept.iter().map(|(weight, _)| weight).sum::<u64>();
    if options.top_k > 0 {
        kept.truncate(options.top_k);
    }
    if options.top_p < 1.0 {
        let share = (f64::from(options.top_p) * 2f64.powi(32)) as u32;
        let goal: u64 = (0..32).filter(|bit| share >> bit & 1 == 1).map(|bit| sum(&kept) >> (32 - bit)).sum();
        let mut total = 0;
        let before = |(weight, _): &&(u64, u32)| {
            let goes_on = total < goal;
            total += weight;
            goes_on
        };
        let enough = kept.iter().take_while(before).count();
        kept.truncate(enough.max(1));
    }
    kept.retain(|(weight, _)| *weight as f64 / 2f64.powi(30) >= f64::from(options.min_p));
    let at = random.below(sum(&kept));
    let mut total = 0;
    let drawn = kept.iter().find(|(weight, _)| {
        total += weight;
        at < total
    });
    drawn.unwrap().1
}

fn any_logit() -> impl Strategy<Value = f32> {
    prop_oneof![
        20 => -8.0f32..8.0,
        4 => (-3i8..4).prop_map(f32::from),
        1 => Just(f32::NAN),
        1 => Just(f32::NEG_INFINITY),
        1 => Just(f32::INFINITY),
        1 => Just(-0.0),
    ]
}

fn any_options() -> impl Strategy<Value = SampleOptions> {
    let chance = |value: BoxedStrategy<f32>, off: f32| prop_oneof![value, Just(off)];
    (
        chance((0.01f32..3.0).boxed(), 0.0),
        prop_oneof![Just(0usize), 1usize..300],
        chance((0.01f32..1.0).boxed(), 1.0),
        chance((0.0f32..=1.0).boxed(), 0.0),
        chance((0.5f32..2.0).boxed(), 1.0),
        chance((-2.0f32..2.0).boxed(), 0.0),
        chance((-2.0f32..2.0).boxed(), 0.0),
        prop::option::of((0u32..2, -3.0f32..3.0)),
        any::<u64>(),
    )
        .prop_map(
            |(
                temperature,
                top_k,
                top_p,
                min_p,
                repetition_penalty,
                presence_penalty,
                frequency_penalty,
                bias,
                seed,
            )| {
                SampleOptions {
                    temperature,
                    top_k,
                    top_p,
                    min_p,
                    repetition_penalty,
                    presence_penalty,
                    frequency_penalty,
                    logit_bias: bias.into_iter().collect(),
                    seed,
                }
            },
        )
}

proptest! {
    // The same cases every time: whether a change passes must not depend on the day.
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn equals_the_textbook(
        options in any_options(),
        logits in prop::collection::vec(any_logit(), 2..400),
        prompt in prop::collection::vec(0u32..500, 0..5),
    ) {
        let mut sampler = Sampler::new(options.clone(), logits.len()).unwrap();
        sampler.prompt(&prompt);
        let mut random = Random::from_seed(options.seed);
        let mut answer = Vec::new();
        for _ in 0..5 {
            let token = sampler.sample(&mut logits.clone());
            prop_assert_eq!(token, textbook(&options, &prompt, &answer, &logits, &mut random));
            prop_assert!((token as usize) < logits.len());
            sampler.accept(token);
            answer.push(token);
        }
    }
}

#[test]
fn nothing_grows_while_it_samples() {
    let options = SampleOptions { temperature: 0.8, top_p: 0.9, presence_penalty: 0.1, ..SampleOptions::default() };
    let mut sampler = Sampler::new(options, 1000).unwrap();
    let room = (sampler.candidates.capacity(), sampler.seen.capacity());
    let logits: Vec<f32> = (0..1000).map(|i| (i * 7919 % 1000) as f32 / 100.0).collect();
    for _ in 0..2000 {
        let token = sampler.sample(&mut logits.clone());
        sampler.accept(token);
    }
    assert_eq!((sampler.candidates.capacity(), sampler.seen.capacity()), room);
}

#[test]
fn greedy_takes_the_lowest_id_of_equals() {
    let mut sampler = Sampler::new(SampleOptions::default(), 4).unwrap();
    assert_eq!(sampler.sample(&mut [1.0, 3.0, 3.0, f32::NAN]), 1);
    assert_eq!(sampler.sample(&mut [f32::NAN; 4]), 0);
    assert_eq!(sampler.sample(&mut []), 0);
    assert_eq!(argmax(&[-0.0, 0.0]), 0);
}

#[test]
fn negative_zero_is_zero() {
    let options = SampleOptions { temperature: 1.0, top_k: 1, ..SampleOptions::default() };
    assert_eq!(Sampler::new(options, 3).unwrap().sample(&mut [-1.0, -0.0, 0.0]), 1);
    // Found by chance: the textbook added a bias of zero to all other tokens, which made -0 into 0 there alone.
    let options = SampleOptions {
        temperature: 2.044993,
        top_p: 0.5039936,
        frequency_penalty: 1.5729457,
        logit_bias: vec![(1, 1.4248222)],
        seed: 5_773_243_471_772_784_859,
        ..SampleOptions::default()
    };
    let logits = [3.0, -6.692232, -0.0, -1.6201603, 0.0];
    let mut sampler = Sampler::new(options.clone(), logits.len()).unwrap();
    let mut random = Random::from_seed(options.seed);
    let mut answer = Vec::new();
    for _ in 0..5 {
        let token = sampler.sample(&mut logits.clone());
        assert_eq!(token, textbook(&options, &[], &answer, &logits, &mut random));
        sampler.accept(token);
        answer.push(token);
    }
}

#[test]
fn draws_follow_the_probabilities() {
    let options = SampleOptions { temperature: 1.0, seed: 1, ..SampleOptions::default() };
    let mut sampler = Sampler::new(options, 3).unwrap();
    // Probabilities 0.5, 0.3, 0.2.
    let logits = [0.5f32, 0.3, 0.2].map(libm::logf);
    let mut counts = [0u32; 3];
    for _ in 0..100_000 {
        counts[sampler.sample(&mut logits.clone()) as usize] += 1;
    }
    // Four standard deviations of a binomial are under 650.
    for (count, expected) in counts.into_iter().zip([50_000u32, 30_000, 20_000]) {
        assert!(count.abs_diff(expected) < 650, "{counts:?}");
    }
}

#[test]
fn weights_are_powers_of_two_within_their_bound() {
    let tables = Logarithms::new();
    for i in 0..200_000 {
        let x = -1e-4 * i as f32;
        let exact = libm::exp2(f64::from(x)) * f64::from(ONE);
        let error = f64::from(weight(&tables, x)) - exact;
        assert!(error.abs() <= exact * 2f64.powi(-11) + 1.0, "{x}: {error} of {exact}");
    }
    assert_eq!([0.0, -0.0, -31.0, -63.0, f32::NEG_INFINITY].map(|x| weight(&tables, x)), [ONE, ONE, 0, 0, 0]);
}

#[test]
fn impossible_options_are_named() {
    type Change = fn(&mut SampleOptions);
    let with = |change: Change| {
        let mut options = SampleOptions::default();
        change(&mut options);
        Sampler::new(options, 10).unwrap_err()
    };
    let cases: [(Change, &str); 10] = [
        (|o| o.temperature = -1.0, "temperature is -1"),
        (|o| o.temperature = f32::NAN, "temperature is NaN"),
        (|o| o.temperature = f32::INFINITY, "temperature is inf"),
        (|o| o.top_p = 0.0, "top_p is 0"),
        (|o| o.top_p = 1.5, "top_p is 1.5"),
        (|o| o.min_p = -0.5, "min_p is -0.5"),
        (|o| o.repetition_penalty = 0.0, "repetition_penalty is 0"),
        (|o| o.presence_penalty = f32::NAN, "presence_penalty is NaN"),
        (|o| o.logit_bias = vec![(3, f32::INFINITY)], "logit_bias of token 3"),
        (|o| o.logit_bias = vec![(10, 1.0)], "logit_bias of token 10"),
    ];
    for (change, expected) in cases {
        let error = with(change);
        assert_eq!(error.code, crate::Code::Input);
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    assert!(Sampler::new(SampleOptions::default(), 0).is_err());
}

#[test]
fn what_is_forbidden_is_never_chosen() {
    let vocab = 70;
    let logits: Vec<f32> = (0..vocab).map(|token| (token * 37 % 70) as f32 / 10.0).collect();
    let allowed = [0x0000_1010, 0, 0b10_0000];
    let tokens = [4u32, 12, 69];
    for temperature in [0.0, 0.3, 1.0, 1e9] {
        for (top_k, top_p, min_p) in [(0, 1.0, 0.0), (50, 0.9, 0.0), (0, 1.0, 0.001)] {
            let options = SampleOptions { temperature, top_k, top_p, min_p, seed: 3, ..SampleOptions::default() };
            let mut sampler = Sampler::new(options, vocab).unwrap();
            sampler.allow(&allowed, vocab).unwrap();
            for _ in 0..200 {
                assert!(tokens.contains(&sampler.sample(&mut logits.clone())), "{temperature}");
            }
            // And all are allowed again.
            sampler.allow(&[], vocab).unwrap();
            if temperature == 0.0 {
                assert_eq!(sampler.sample(&mut logits.clone()), argmax(&logits));
            }
        }
    }
    let mut sampler = Sampler::new(SampleOptions::default(), vocab).unwrap();
    assert!(sampler.allow(&[1], vocab).unwrap_err().message.contains("it takes 3"));
    // Bits behind the vocabulary are nobody's.
    assert!(sampler.allow(&[0, 0, 1 << 31], vocab).unwrap_err().message.contains("no token is allowed"));
}
