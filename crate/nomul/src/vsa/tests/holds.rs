//! What a bundle holds: theory, signed permutations, and random orthogonal matrices agree.

use super::{super::capacity::*, *};

/// From the table of the literature (VSA_Toolbox, 1,000 candidates): dimension, terms, the model's probability.
const KNOWN: [(usize, usize, f64); 6] =
    [(256, 15, 0.800), (400, 15, 0.964), (400, 25, 0.764), (576, 25, 0.929), (784, 35, 0.920), (1_024, 51, 0.879)];

#[test]
fn the_model_gives_the_known_probabilities() {
    for (dimension, terms, expected) in KNOWN {
        let got = recall(dimension as f64 / terms as f64, 1_000);
        assert!((got - expected).abs() < 0.0015, "{dimension}, {terms}: {got}");
    }
    assert_eq!(recall(0.0, 1), 1.0);
    assert!((recall(0.0, 1_000) - 0.001).abs() < 1e-5);
    assert!(recall(1e9, 1_000_000) > 1.0 - 1e-9);
}

#[test]
fn terms_and_dimension_turn_recall_around() {
    let held = terms(1_024, 1_000, 0.99, false);
    // The rule of thumb, 37 signs a term, is on the safe side.
    assert!((28..=32).contains(&held), "{held}");
    assert!(terms(1_024, 1_000, 0.99, true) < held);
    let needed = dimension(held, 1_000, 0.99, false).unwrap();
    assert!((960..=1_024).contains(&needed), "{needed}");
    assert_eq!(dimension(100_000, 1_000, 0.99, false), None);
    assert_eq!(dimension(0, 10, 0.5, true), Some(256));
}

/// How often the filler of each of `terms` pairs is found among 1,000.
fn measured(dimension: usize, terms: usize, runs: u64) -> f64 {
    let mut right = 0;
    let memory = ItemMemory::of_atoms(dimension, 0, (0..1_000).map(|i| alloc::format!("{i}")));
    for run in 0..runs {
        let mut draw = other(run);
        let roles: Vec<Role> = (0..terms).map(|t| Role::new(dimension, run, &t.to_le_bytes())).collect();
        let fillers: Vec<usize> = (0..terms).map(|_| draw.below(1_000) as usize).collect();
        let mut bundle = Bundle::new(dimension);
        roles.iter().zip(&fillers).for_each(|(role, filler)| bundle.add_bound(role, memory.item(*filler), 1));
        let found = |(role, filler): &(&Role, &usize)| memory.nearest(&bundle.unbind(role)).unwrap().item == **filler;
        right += roles.iter().zip(&fillers).filter(found).count();
    }
    right as f64 / (terms as u64 * runs) as f64
}

#[test]
fn unbinding_finds_as_much_as_the_model_says() {
    for (dimension, terms, expected) in KNOWN {
        let got = measured(dimension, terms, 12);
        // Four standard deviations of so few runs.
        let spread = 4.0 * (expected * (1.0 - expected) / (12.0 * terms as f64)).sqrt();
        assert!((got - expected).abs() < spread, "{dimension}, {terms}: {got}, expected {expected}");
    }
}

/// A random orthogonal matrix, evenly distributed: normal numbers made orthonormal (Gram-Schmidt).
fn haar(dimension: usize, draw: &mut Draw) -> Vec<Vec<f32>> {
    let mut rows: Vec<Vec<f32>> = Vec::new();
    while rows.len() < dimension {
        let uniform = |draw: &mut Draw| ((draw.word() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        let mut normal = || {
            let (u, v) = (uniform(draw), uniform(draw));
            ((-2.0 * u.ln()).sqrt() * (2.0 * core::f64::consts::PI * v).cos()) as f32
        };
        let mut row: Vec<f32> = (0..dimension).map(|_| normal()).collect();
        let product = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        for other in &rows {
            let along = product(&row, other);
            row.iter_mut().zip(other).for_each(|(x, o)| *x -= along * o);
        }
        let length = product(&row, &row).sqrt();
        row.iter_mut().for_each(|x| *x /= length);
        rows.push(row);
    }
    rows
}

/// The dense twin: MBAT as it is defined, with any orthogonal matrix. Signed permutations lose nothing against it.
#[test]
fn signed_permutations_hold_as_much_as_dense_orthogonal_matrices() {
    let (dimension, terms, candidates, runs) = (256, 15, 200, 12);
    let mut draw = other(77);
    let matrices: Vec<_> = (0..terms).map(|_| haar(dimension, &mut draw)).collect();
    let roles: Vec<Role> = (0..terms).map(|t| Role::new(dimension, 5, &[t as u8])).collect();
    let memory = ItemMemory::of_atoms(dimension, 3, (0..candidates).map(|i| alloc::format!("{i}")));
    let dense: Vec<Vec<f32>> = memory.items().iter().map(|x| signs(x).iter().map(|x| *x as f32).collect()).collect();
    let (mut by_matrix, mut by_role) = (0, 0);
    for _ in 0..runs {
        let fillers: Vec<usize> = (0..terms).map(|_| draw.below(candidates) as usize).collect();
        let mut bundle = Bundle::new(dimension);
        let mut sum = vec![0f32; dimension];
        for t in 0..terms {
            bundle.add_bound(&roles[t], memory.item(fillers[t]), 1);
            for (row, sum) in matrices[t].iter().zip(&mut sum) {
                *sum += row.iter().zip(&dense[fillers[t]]).map(|(m, x)| m * x).sum::<f32>();
            }
        }
        for t in 0..terms {
            by_role += (memory.nearest(&bundle.unbind(&roles[t])).unwrap().item == fillers[t]) as usize;
            let mut unbound = vec![0f32; dimension];
            for (row, sum) in matrices[t].iter().zip(&sum) {
                unbound.iter_mut().zip(row).for_each(|(u, m)| *u += m * sum);
            }
            let dots: Vec<f32> = dense.iter().map(|x| x.iter().zip(&unbound).map(|(x, u)| x * u).sum()).collect();
            let best = (0..dots.len()).max_by(|a, b| dots[*a].total_cmp(&dots[*b])).unwrap();
            by_matrix += (best == fillers[t]) as usize;
        }
    }
    let expected = recall(dimension as f64 / terms as f64, candidates as usize);
    let count = (terms * runs) as f64;
    let spread = 4.0 * (expected * (1.0 - expected) / count).sqrt();
    for (name, right) in [("matrices", by_matrix), ("signed permutations", by_role)] {
        let got = right as f64 / count;
        assert!((got - expected).abs() < spread, "{name}: {got}, expected {expected} within {spread}");
    }
}
