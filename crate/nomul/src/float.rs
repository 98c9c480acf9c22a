//! What is still done in floats: norms, rotary embedding, attention, gates.
//!
//! Everything here is IEEE single precision in a fixed order, with `libm` for exponentials, so every engine gives the
//! same bits. This module is the seam at which integer versions replace it.

use alloc::vec::Vec;

use crate::config::{ModelConfig, RopeScaling};

/// Sums are kept in this many lanes, added pairwise at the end: wide enough for any vector register, and the same order
/// whether or not the compiler uses one.
const LANES: usize = 8;

/// `sum of a[i] * b[i]`.
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    total(sums) + rest
}

#[inline(always)]
fn total(s: [f32; LANES]) -> f32 {
    ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

/// `y += a * x`.
#[inline(always)]
fn add_scaled(y: &mut [f32], a: f32, x: &[f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}

/// `out = x / sqrt(mean(x²) + eps)`, times `gain` if there is one. (Zhang and Sennrich, arXiv 1910.07467.)
#[inline(always)]
pub fn rms_norm(x: &[f32], gain: Option<&[f32]>, eps: f32, out: &mut [f32]) {
    let mean_square = dot(x, x) / x.len() as f32;
    let scale = 1.0 / libm::sqrtf(mean_square + eps);
    match gain {
        Some(gain) => {
            for ((out, x), gain) in out.iter_mut().zip(x).zip(gain) {
                *out = x * scale * gain;
            }
        }
        None => {
            for (out, x) in out.iter_mut().zip(x) {
                *out = x * scale;
            }
        }
    }
}

/// `gate = silu(gate) * up`, where `silu(x) = x / (1 + e^-x)`. (Shazeer, arXiv 2002.05202.)
pub fn gate(gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = *gate / (1.0 + libm::expf(-*gate)) * up;
    }
}

/// Turns scores into probabilities, in place.
#[inline(always)]
pub fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = libm::expf(*score - largest);
        sum += *score;
    }
    let scale = 1.0 / sum;
    for score in scores {
        *score *= scale;
    }
}

/// Rotary position embedding (Su et al., arXiv 2104.09864) in Hugging Face's order: element `i` is paired with element
/// `i + head_dim / 2`.
pub struct Rope {
    /// Angle per position of each pair, `head_dim / 2`.
    frequencies: Vec<f32>,
}

impl Rope {
    /// The frequencies of a configuration, stretched as it says.
    pub fn new(config: &ModelConfig) -> Rope {
        let half = config.head_dim / 2;
        let base = |pair: usize| 1.0 / libm::pow(config.rope_theta as f64, pair as f64 / half as f64);
        let stretched = |frequency: f64| match config.rope_scaling {
            RopeScaling::None => frequency,
            RopeScaling::Linear { factor } => frequency / factor as f64,
            RopeScaling::Llama3 { factor, low_frequency_factor, high_frequency_factor, original } => {
                let (low, high) = (low_frequency_factor as f64, high_frequency_factor as f64);
                let turns = original as f64 * frequency / (2.0 * core::f64::consts::PI);
                if turns < low {
                    frequency / factor as f64
                } else if turns > high {
                    frequency
                } else {
                    let smooth = (turns - low) / (high - low);
                    (1.0 - smooth) * frequency / factor as f64 + smooth * frequency
                }
            }
        };
        Rope { frequencies: (0..half).map(|pair| stretched(base(pair)) as f32).collect() }
    }

    /// Cosines and sines of a position: `head_dim / 2` each.
    pub fn angles(&self, position: usize, cosines: &mut [f32], sines: &mut [f32]) {
        for ((frequency, cosine), sine) in self.frequencies.iter().zip(cosines).zip(sines) {
            let angle = position as f32 * frequency;
            *cosine = libm::cosf(angle);
            *sine = libm::sinf(angle);
        }
    }

    /// Rotates one head.
    #[inline(always)]
    pub fn rotate(head: &mut [f32], cosines: &[f32], sines: &[f32]) {
        let (first, second) = head.split_at_mut(head.len() / 2);
        for (((a, b), cosine), sine) in first.iter_mut().zip(second).zip(cosines).zip(sines) {
            (*a, *b) = (*a * cosine - *b * sine, *b * cosine + *a * sine);
        }
    }
}

/// One query head over the keys and values of the past.
///
/// `keys` and `values` start at the first position attended to; `stride` is the distance from one position to the next.
/// `scores` has one place for each position.
#[inline(always)]
pub fn attend(query: &[f32], keys: &[f32], values: &[f32], stride: usize, scores: &mut [f32], out: &mut [f32]) {
    let scale = 1.0 / libm::sqrtf(query.len() as f32);
    for (score, key) in scores.iter_mut().zip(keys.chunks(stride)) {
        *score = dot(query, &key[..query.len()]) * scale;
    }
    softmax(scores);
    out.fill(0.0);
    for (score, value) in scores.iter().zip(values.chunks(stride)) {
        add_scaled(out, *score, &value[..out.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn attention_with_equal_scores_is_the_mean() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut out = [0.0; 2];
        attend(&[0.0, 0.0], &[1.0; 6], &values, 2, &mut [0.0; 3], &mut out);
        assert_eq!(out.map(|x| libm::roundf(x * 1e5)), [3e5, 4e5]);
    }

    #[test]
    fn norms_have_unit_mean_square() {
        let x: vec::Vec<f32> = (0..77).map(|i| i as f32 - 20.0).collect();
        let mut out = vec![0.0; 77];
        rms_norm(&x, None, 0.0, &mut out);
        assert!((dot(&out, &out) / 77.0 - 1.0).abs() < 1e-5);
    }

    #[test]
    fn dot_equals_the_plain_sum() {
        for n in 0..70 {
            let a: vec::Vec<f32> = (0..n).map(|i| i as f32).collect();
            let plain: f32 = a.iter().map(|x| x * x).sum();
            assert_eq!(dot(&a, &a), plain, "{n}");
        }
    }
}
