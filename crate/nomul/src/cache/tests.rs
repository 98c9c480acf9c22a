use alloc::{vec, vec::Vec};

use super::*;
use crate::{
    float::attend,
    shift::{attention::Attention, logarithm::Logarithms},
    team::Crew,
};

/// Numbers of about a normal distribution.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..count).map(|_| (0..6).map(|_| next()).sum::<f32>() * 1.414).collect()
}

fn relative(a: &[f32], b: &[f32]) -> f32 {
    let error: f32 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
    libm::sqrtf(error / b.iter().map(|b| b * b).sum::<f32>())
}

#[test]
fn planes_attend_as_floats_do() {
    let tables = Logarithms::new();
    for length in [16, 64, 80, 128] {
        let (context, heads) = (200, 3);
        let attention = Attention::new(length, heads);
        let (keys, values) = (numbers(context * length, 3), numbers(context * length, 4));
        let queries = numbers(heads * length, 5);
        let (mut turned_queries, mut turned_keys) = (queries.clone(), keys.clone());
        attention.turn_queries(&mut turned_queries);
        attention.turn_keys(&mut turned_keys);
        let mut cache = PlaneCache { heads: vec![HeadCache::new(length, context).unwrap()] };
        cache.extend(0, &turned_keys, &values, Crew::alone());
        for past in [0..1, 0..5, 0..63, 0..64, 0..65, 0..200, 3..7, 70..131, 64..200] {
            let mut exact = vec![0.0; heads * length];
            for (query, exact) in queries.chunks_exact(length).zip(exact.chunks_exact_mut(length)) {
                let part = past.start * length..past.end * length;
                let mut scores = vec![0.0; past.len()];
                attend(query, &keys[part.clone()], &values[part], length, &mut scores, exact);
            }
            let mut mixed = vec![0.0; heads * length];
            let worker = &mut Worker::default();
            cache.head(0).reserve(heads, context, worker);
            attention.attend(&tables, cache.head(0), &turned_queries, past.clone(), &mut mixed, worker);
            let error = relative(&mixed, &exact);
            assert!(error < 0.06, "{length} elements, {past:?}: {error}");
        }
    }
}

#[test]
fn what_is_set_again_leaves_no_trace() {
    let (length, context) = (64, 70);
    let x = numbers(2 * context * length, 9);
    let fill = |cache: &mut HeadCache, from: usize| {
        for position in 0..context {
            let row = &x[(from + position) * length..][..length];
            cache.set(position, row, row);
        }
    };
    let mut fresh = HeadCache::new(length, context).unwrap();
    fill(&mut fresh, 0);
    let mut again = HeadCache::new(length, context).unwrap();
    fill(&mut again, context);
    fill(&mut again, 0);
    assert!(fresh.keys == again.keys && fresh.values == again.values);
}

#[test]
fn more_planes_are_closer() {
    let x = numbers(4096, 7);
    let mut last = f32::INFINITY;
    for (planes, bound) in [(1, 0.61), (2, 0.36), (3, 0.2), (4, 0.11), (5, 0.062), (6, 0.034), (7, 0.02), (8, 0.011)] {
        let mut sums = vec![0.0f32; x.len()];
        let scale = signs(&x, planes, spread(planes, x.len()), |plane, vector, byte| {
            let step = crate::scale::power(-(plane as i32));
            for (bit, sum) in sums[8 * vector..][..8].iter_mut().enumerate() {
                *sum += if byte >> bit & 1 == 1 { step } else { -step };
            }
        });
        sums.iter_mut().for_each(|x| *x *= scale.value());
        let error = relative(&sums, &x);
        assert!(error < bound && error < last, "{planes} planes: {error}");
        last = error;
    }
    assert_eq!(signs(&[0.0; 64], 4, spread(4, 64), |_, _, _| {}), Scale::ZERO);
}

#[test]
fn what_was_saved_comes_back_into_another_context() {
    for (length, positions) in [(64, 1), (64, 31), (64, 32), (64, 64), (40, 70), (128, 65)] {
        let x = numbers(positions * length, 5);
        let fill = |cache: &mut HeadCache| {
            for (position, row) in x.chunks(length).enumerate() {
                cache.set(position, row, row);
            }
        };
        let mut saved = HeadCache::new(length, 100).unwrap();
        fill(&mut saved);
        let mut image = Vec::new();
        saved.save(positions, &mut image);
        assert_eq!(image.len(), saved.image_bytes(positions));
        image.push(7);
        let mut expected = HeadCache::new(length, 200).unwrap();
        fill(&mut expected);
        let mut restored = HeadCache::new(length, 200).unwrap();
        assert_eq!(restored.restore(positions, &image), [7]);
        assert!(restored.keys == expected.keys && restored.values == expected.values);
        let scales = |cache: &HeadCache| {
            (0..positions).map(|at| (cache.key_scales.terms(at), cache.value_scales.terms(at))).collect::<Vec<_>>()
        };
        assert_eq!(scales(&restored), scales(&expected));
    }
}
