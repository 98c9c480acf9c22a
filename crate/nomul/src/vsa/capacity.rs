//! How much a vector holds: the theory.
//!
//! A bundle of S symbols of D signs, unbound by one role, is the wanted symbol plus the noise of the others. Its dot
//! product with the wanted symbol lies √(D/S) standard deviations above those with the N - 1 others, so the wanted one
//! is the nearest with probability
//!
//! ```text
//! P = ∫ φ(x - √(D/S)) Φ(x)^(N-1) dx
//! ```
//!
//! with φ and Φ the normal density and distribution (as for all architectures with exactly orthogonal binding: Frady,
//! Kleyko and Sommer, Neural Computation 30(6), 2018). Taking only the signs of the bundle costs a factor 2/π of D.
//! Scalars only: no vector is touched here.

use core::f64::consts::{FRAC_1_SQRT_2, PI};

/// What is left of D when only the signs of a bundle are kept.
pub const SIGNS: f64 = 2.0 / PI;

/// The probability that the nearest of `candidates` symbols is the wanted one. `ratio` is D·w² / (the sum of all w²) for
/// a symbol of weight w: D/S where all weigh the same.
pub fn recall(ratio: f64, candidates: usize) -> f64 {
    if candidates <= 1 {
        return 1.0;
    }
    let center = libm::sqrt(ratio.max(0.0));
    // Simpson's rule over eight standard deviations to both sides.
    const STEPS: usize = 512;
    let step = 16.0 / STEPS as f64;
    let sum: f64 = (0..=STEPS)
        .map(|i| {
            let x = i as f64 * step - 8.0;
            let below = 0.5 * libm::erfc(-(x + center) * FRAC_1_SQRT_2);
            let weight = match i {
                0 | STEPS => 1.0,
                i if i % 2 == 1 => 4.0,
                _ => 2.0,
            };
            weight * libm::exp(-0.5 * x * x) * libm::pow(below, (candidates - 1) as f64)
        })
        .sum();
    (sum * step / 3.0 / libm::sqrt(2.0 * PI)).clamp(0.0, 1.0)
}

/// The most terms of one weight that `dimension` signs hold so that each is found among `candidates` with at least the
/// probability `wanted`; `signs` says that only the signs of their sum are kept.
pub fn terms(dimension: usize, candidates: usize, wanted: f64, signs: bool) -> usize {
    let effective = dimension as f64 * if signs { SIGNS } else { 1.0 };
    let (mut holds, mut fails) = (0, dimension + 1);
    while fails - holds > 1 {
        let middle = (holds + fails) / 2;
        if recall(effective / middle as f64, candidates) >= wanted { holds = middle } else { fails = middle }
    }
    holds
}

/// The least dimension in which `terms` symbols of one weight are each found among `candidates` with at least the
/// probability `wanted`; `None` if no allowed one does it.
pub fn dimension(terms: usize, candidates: usize, wanted: f64, signs: bool) -> Option<usize> {
    let enough = |dimension: usize| {
        let effective = dimension as f64 * if signs { SIGNS } else { 1.0 };
        recall(effective / terms.max(1) as f64, candidates) >= wanted
    };
    let (first, last) = (*super::DIMENSIONS.start(), *super::DIMENSIONS.end());
    if !enough(last) {
        return None;
    }
    let (mut below, mut at) = (first - 1, last);
    while at - below > 1 {
        let middle = (below + at) / 2;
        if enough(middle) { at = middle } else { below = middle }
    }
    Some(at)
}
