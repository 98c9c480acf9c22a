//! Every fast function equals its textbook, one place at a time, on every back end; and the algebra is what it claims.

use alloc::{vec, vec::Vec};

use proptest::prelude::*;

use super::{
    draw::{Draw, Kind},
    *,
};
use crate::kernel::{
    BACK_ENDS,
    bits::counters::{self, Ready},
};

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
            let set_in_x = (0..dimension).map(|i| set(&x, i)).sum();
            let all: u64 = counters.iter().map(|counter| *counter as u64).sum();
            for way in [Ready::new, Ready::new_plainly] {
                let ready = way(back_end, &planes, count);
                assert_eq!(ready.counted(x.words()), (counted, set_in_x), "{}", place("counted"));
                assert_eq!(ready.sum(), all, "{}", place("sum"));
            }

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

/// Lists of every length that the adders take apart differently, onto counters that hold something already.
#[test]
fn lists_are_counted_as_one_after_the_other() {
    for back_end in BACK_ENDS {
        for dimension in [256, 319, 1_000, 65_536] {
            let count = words::words(dimension);
            let mut draw = other(dimension as u64);
            let list: Vec<Bits> = (0..35).map(|_| Bits::random(dimension, &mut draw)).collect();
            for (length, before) in [(0, 0), (1, 0), (2, 1), (3, 0), (4, 3), (5, 7), (7, 1), (8, 8), (15, 2), (33, 300)]
            {
                let total = length as u32 + before;
                let mut expected = vec![0; count * (32 - total.leading_zeros()) as usize];
                let mut scratch = vec![0; count];
                if before > 0 {
                    words::count_plain(back_end, list[34].words(), before, &mut expected, &mut scratch);
                }
                let (mut plain, mut products) = (expected.clone(), expected.clone());
                for term in &list[..length] {
                    words::count_plain(back_end, term.words(), 1, &mut expected, &mut scratch);
                }
                let terms: Vec<&Bits> = list[..length].iter().collect();
                counters::count(back_end, &terms[..], count, &mut plain);
                let place = alloc::format!("{length} on {before}, {}, {dimension}", back_end.name());
                assert!(plain == expected, "{place}");

                // What is bound with 34 once more is itself.
                let bound: Vec<Bits> = terms.iter().map(|term| term.bind(&list[34])).collect();
                let pairs: Vec<(&Bits, &Bits)> = bound.iter().map(|bits| (bits, &list[34])).collect();
                counters::count(back_end, &pairs[..], count, &mut products);
                assert!(products == expected, "products: {place}");
            }
        }
    }
}

/// The most that bytes and lanes of sixteen bits have to hold.
#[test]
fn full_counters_do_not_overflow() {
    let dimension = 65_536;
    let ones = Bits::identity(dimension).negative();
    for back_end in BACK_ENDS {
        for planes in 0..=9usize {
            let full = vec![u64::MAX; planes * ones.words().len()];
            let expected = ((1 << planes) - 1) * dimension as u64;
            for way in [Ready::new, Ready::new_plainly] {
                let ready = way(back_end, &full, ones.words().len());
                assert_eq!(ready.counted(ones.words()), (expected, dimension as u32), "{planes} planes");
                assert_eq!(ready.sum(), expected, "{planes} planes");
            }
        }
    }
}

/// MAP as a textbook has it: bytes of -1 and +1, products, sums, products again.
#[test]
fn map_equals_its_twin_of_bytes() {
    let (d, pairs) = (10_000, 10);
    let atoms = |kind: &[u8]| -> Vec<Bits> { (0..pairs).map(|i| Bits::atom(d, 1, &[kind, &[i]].concat())).collect() };
    let (keys, values, candidates) = (atoms(b"key"), atoms(b"value"), atoms(b"candidate"));
    let bytes = |x: &Bits| -> Vec<i8> { (0..d).map(|i| x.sign(i) as i8).collect() };
    let mut twin = vec![0i8; d];
    for (key, value) in keys.iter().zip(&values) {
        for (sum, (a, b)) in twin.iter_mut().zip(bytes(key).iter().zip(bytes(value))) {
            *sum += a * b;
        }
    }
    let bundle = structure::hash_table(d, keys.iter().zip(&values));
    assert!(bundle.sums().values().iter().zip(&twin).all(|(a, b)| *a == *b as i16));
    let against = bundle.against();
    for x in candidates.iter().chain(&keys) {
        let expected: i64 = twin.iter().zip(bytes(x)).map(|(a, b)| *a as i64 * b as i64).sum();
        assert_eq!(against.dot(x), expected);
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
