//! Every fast function equals its textbook, one place at a time, on every back end; and the algebra is what it claims.

use alloc::{vec, vec::Vec};

use proptest::prelude::*;

use super::{
    draw::{Draw, Kind},
    *,
};
use crate::kernel::BACK_ENDS;

mod algebra;
mod holds;
mod models;
mod numbers;

/// Whole words, an odd bit, a missing bit, and the lengths of the literature.
const LENGTHS: [usize; 7] = [256, 257, 319, 400, 1_000, 1_156, 4_096];

fn other(seed: u64) -> Draw {
    Draw::new(seed, Kind::Other, b"test")
}

fn signs(x: &Bits) -> Vec<i32> {
    (0..x.dimension()).map(|i| x.sign(i)).collect()
}

fn dot(a: &[i32], b: &[i32]) -> i64 {
    a.iter().zip(b).map(|(a, b)| *a as i64 * *b as i64).sum()
}

/// `y[i] = s[i] x[i - by]`, as [`Role`] is defined.
fn permuted(x: &[i32], by: usize, s: &[i32]) -> Vec<i32> {
    let d = x.len();
    (0..d).map(|i| s[i] * x[(i + d - by % d) % d]).collect()
}

fn sum(dimension: usize, terms: &[(Vec<i32>, u32)]) -> Vec<i32> {
    (0..dimension).map(|i| terms.iter().map(|(x, weight)| *weight as i32 * x[i]).sum()).collect()
}

#[test]
fn every_back_end_equals_the_textbook() {
    for back_end in BACK_ENDS {
        for dimension in LENGTHS {
            let mut draw = other(dimension as u64);
            let count = words::words(dimension);
            let (x, s, ties) = (
                Bits::random(dimension, &mut draw),
                Bits::random(dimension, &mut draw),
                Bits::random(dimension, &mut draw),
            );
            let mut out = vec![0; count];
            let place = |name: &str| alloc::format!("{name}, {}, {dimension}", back_end.name());
            for by in [0, 1, 2, 63, 64, 65, 128, 200, dimension - 64, dimension - 1] {
                words::permute(back_end, x.words(), by, s.words(), dimension, &mut out);
                let got = Bits::from_words(dimension, out.clone()).unwrap();
                assert_eq!(signs(&got), permuted(&signs(&x), by, &signs(&s)), "{} by {by}", place("permute"));
            }

            // Weights with one bit and with several; some terms bound, some plain.
            let weights = [1, 16, 5, 1, 11, 300, 16];
            let total: u32 = weights.iter().sum();
            let mut planes = vec![0; count * (32 - total.leading_zeros()) as usize];
            let mut terms = Vec::new();
            for (t, weight) in weights.into_iter().enumerate() {
                let term = Bits::random(dimension, &mut draw);
                if t % 2 == 0 {
                    words::count_plain(back_end, term.words(), weight, &mut planes, &mut out);
                    terms.push((signs(&term), weight));
                } else {
                    let by = 37 * t;
                    words::count_bound(back_end, term.words(), by, s.words(), weight, dimension, &mut planes, &mut out);
                    terms.push((permuted(&signs(&term), by, &signs(&s)), weight));
                }
            }
            let expected = sum(dimension, &terms);
            let mut counters = vec![0; dimension];
            words::counters(back_end, &planes, count, &mut counters);
            let values: Vec<i32> = counters.iter().map(|c| total as i32 - 2 * *c as i32).collect();
            assert_eq!(values, expected, "{}", place("counters"));

            words::over_half(back_end, &planes, total, ties.words(), &mut out);
            let majority: Vec<i32> =
                expected.iter().zip(signs(&ties)).map(|(v, t)| if *v == 0 { t } else { v.signum() }).collect();
            assert_eq!(signs(&Bits::from_words(dimension, out.clone()).unwrap()), majority, "{}", place("majority"));

            let set = |x: &Bits, i: usize| x.is_negative(i) as u32;
            let common: u32 = (0..dimension).map(|i| set(&x, i) & set(&s, i)).sum();
            assert_eq!(words::common(back_end, x.words(), s.words()), common, "{}", place("common"));
            let different: u32 = (0..dimension).map(|i| set(&x, i) ^ set(&s, i)).sum();
            assert_eq!(words::different(back_end, x.words(), s.words()), different, "{}", place("different"));
            let counted: u64 = (0..dimension).map(|i| (set(&x, i) * counters[i]) as u64).sum();
            assert_eq!(words::counted(back_end, &planes, x.words()), counted, "{}", place("counted"));

            words::complement(back_end, &mut planes, total, s.words());
            let mut turned = vec![0; dimension];
            words::counters(back_end, &planes, count, &mut turned);
            for i in 0..dimension {
                let expected = if s.is_negative(i) { total - counters[i] } else { counters[i] };
                assert_eq!(turned[i], expected, "{} at {i}", place("complement"));
            }
        }
    }
}

#[test]
fn ties_are_decided_by_the_ties() {
    let (a, ties) = (Bits::atom(300, 0, b"a"), Bits::ties(300, 0));
    let mut bundle = Bundle::new(300);
    assert_eq!(bundle.majority(&ties), ties);
    bundle.add(&a, 3);
    bundle.remove(&a, 3);
    assert_eq!(bundle.majority(&ties), ties);
    assert!(bundle.sums().values().iter().all(|v| *v == 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is bundled with whatever weights, in any dimension.
    #[test]
    fn bundles_equal_sums(dimension in 256usize..1_300, weights in prop::collection::vec(1u32..600, 0..12), seed: u64) {
        let mut draw = other(seed);
        let mut bundle = Bundle::new(dimension);
        let mut terms = Vec::new();
        for (t, weight) in weights.iter().enumerate() {
            let x = Bits::random(dimension, &mut draw);
            let role = Role::new(dimension, seed, &[t as u8]).compose(&Role::new(dimension, seed, b"inner"));
            match t % 3 {
                0 => { bundle.add(&x, *weight); terms.push((signs(&x), *weight)) }
                1 => { bundle.add_bound(&role, &x, *weight); terms.push((signs(&role.bind(&x)), *weight)) }
                _ => { bundle.remove(&x, *weight); terms.push((signs(&x.negative()), *weight)) }
            }
        }
        let expected = sum(dimension, &terms);
        let sums = bundle.sums();
        prop_assert_eq!(sums.values().iter().map(|v| *v as i32).collect::<Vec<_>>(), expected.clone());

        let x = Bits::random(dimension, &mut draw);
        prop_assert_eq!(bundle.dot(&x), dot(&expected, &signs(&x)));
        prop_assert_eq!(sums.dot_bits(&x), bundle.dot(&x));
        prop_assert_eq!(Bundle::from_sums(&sums).dot(&x), 2 * bundle.dot(&x));
        prop_assert_eq!(sums.dot(&sums), dot(&expected, &expected));
        let ties = Bits::random(dimension, &mut draw);
        prop_assert_eq!(sums.signs(&ties), bundle.majority(&ties));

        let role = Role::new(dimension, seed, b"role");
        prop_assert_eq!(bundle.unbind(&role).sums(), role.unbind_sums(&sums));
        prop_assert_eq!(role.bind_sums(&role.unbind_sums(&sums)), sums);
    }
}
