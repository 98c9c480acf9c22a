//! Norms, rotary embedding, attention and gates in plain float mathematics: what runs checkpoints, and the twin of
//! [`crate::shift`].
//!
//! Everything here is IEEE single precision in a fixed order, so every machine gives the same bits.

use alloc::vec::Vec;
use core::ops::Range;

use crate::{
    Result,
    arithmetic::{Arithmetic, Norm},
    cache::FloatCache,
    config::{ModelConfig, RopeScaling},
    hadamard::Hadamard,
    kernel::{Kernel, Simd, Worker, on_best},
    team::Crew,
};

/// Sums are kept in this many lanes, added pairwise at the end: wide enough for any vector register, and the same order
/// whether or not the compiler uses one.
const LANES: usize = 8;

/// Elements of a value that are mixed at once.
const MIXED: usize = 16;

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

/// `e^x` within two units in the last place, for any number: below -87 it stays at e^-87, above 88 at e^88.
///
/// `x = n ln 2 + r` with `n` whole and `|r| <= ln 2 / 2`; `e^r` is a polynomial of degree 6 and `2^n` is added to the
/// exponent field. Straight-line code without a library call, so that loops over it become vector code.
#[inline(always)]
#[expect(clippy::manual_clamp, reason = "what is not a number becomes one here; clamp would keep it")]
pub fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 leaves the whole part in the lowest bits.
    const ANCHOR: f32 = 12_582_912.0;
    // ln 2 in two parts, the first short enough that its products with whole numbers are exact.
    const LN2_HIGH: f32 = 355.0 / 512.0;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.max(-87.0).min(88.0);
    let anchored = x * core::f32::consts::LOG2_E + ANCHOR;
    let n = anchored - ANCHOR;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    // The Taylor series; its last term is below 2^-24 of the sum.
    let p = 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = (p * r) * r + r + 1.0;
    f32::from_bits(p.to_bits().wrapping_add(anchored.to_bits() << 23))
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

/// `x = (x - mean(x)) / sqrt(variance(x) + eps) * gain + bias`. (Ba, Kiros and Hinton, arXiv 1607.06450.)
pub fn layer_norm(x: &mut [f32], gain: &[f32], bias: &[f32], eps: f32) {
    let mean = x.iter().sum::<f32>() / x.len() as f32;
    x.iter_mut().for_each(|x| *x -= mean);
    let scale = 1.0 / libm::sqrtf(dot(x, x) / x.len() as f32 + eps);
    for ((x, gain), bias) in x.iter_mut().zip(gain).zip(bias) {
        *x = *x * scale * gain + bias;
    }
}

/// `x P(N < x)` for `N` of a normal distribution. (Hendrycks and Gimpel, arXiv 1606.08415.)
pub fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + libm::erff(x * core::f32::consts::FRAC_1_SQRT_2))
}

/// Divides a vector by its length; one of zeros stays as it is.
pub fn unit(x: &mut [f32]) {
    let length = libm::sqrtf(dot(x, x));
    if length > 0.0 {
        x.iter_mut().for_each(|x| *x /= length);
    }
}

/// `gate = silu(gate) * up`, where `silu(x) = x / (1 + e^-x)`. (Shazeer, arXiv 2002.05202.)
#[inline(always)]
pub fn gate(gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = *gate / (1.0 + exp(-*gate)) * up;
    }
}

/// Turns scores into probabilities, in place.
#[inline(always)]
pub fn softmax(scores: &mut [f32]) {
    let (lanes, rest) = scores.as_chunks::<LANES>();
    let mut most = [f32::NEG_INFINITY; LANES];
    for scores in lanes {
        for lane in 0..LANES {
            most[lane] = if scores[lane] > most[lane] { scores[lane] } else { most[lane] };
        }
    }
    let largest = rest.iter().chain(&most).copied().fold(f32::NEG_INFINITY, f32::max);
    for score in scores.iter_mut() {
        *score = exp(*score - largest);
    }
    let (lanes, rest) = scores.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for scores in lanes {
        for lane in 0..LANES {
            sums[lane] += scores[lane];
        }
    }
    let scale = 1.0 / (total(sums) + rest.iter().sum::<f32>());
    for score in scores {
        *score *= scale;
    }
}

/// [`softmax`] for those who are not compiled for the back end that runs; the same bits.
pub fn softmax_on_best(scores: &mut [f32]) {
    struct Softmax<'a>(&'a mut [f32]);
    impl Kernel for Softmax<'_> {
        type Output = ();

        #[inline(always)]
        fn call<S: Simd>(self, _: S) {
            softmax(self.0);
        }
    }
    on_best(Softmax(scores));
}

/// The float whose upper half is given.
#[inline(always)]
pub fn widened(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

/// `values -= factor * halves`, the factors of each value being upper halves of floats; for those who are not compiled for the back
/// end that runs.
pub fn subtract_on_best(values: &mut [f32], factor: f32, halves: &[u16]) {
    struct Subtract<'a>(&'a mut [f32], f32, &'a [u16]);
    impl Kernel for Subtract<'_> {
        type Output = ();

        #[inline(always)]
        fn call<S: Simd>(self, _: S) {
            self.0.iter_mut().zip(self.2).for_each(|(value, &half)| *value -= self.1 * widened(half));
        }
    }
    on_best(Subtract(values, factor, halves));
}

/// The angle that each pair of a head's elements turns by from one position to the next: `head_dim / 2` of them, stretched
/// as the configuration says.
pub fn frequencies(config: &ModelConfig) -> impl Iterator<Item = f64> + use<> {
    let half = config.head_dim / 2;
    let (theta, scaling) = (config.rope_theta as f64, config.rope_scaling);
    let base = move |pair: usize| 1.0 / libm::pow(theta, pair as f64 / half as f64);
    let stretched = move |frequency: f64| match scaling {
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
    (0..half).map(move |pair| stretched(base(pair)))
}

/// Rotary position embedding (Su et al., arXiv 2104.09864) in Hugging Face's order: element `i` is paired with element
/// `i + head_dim / 2`.
pub struct Rope {
    /// Angle per position of each pair, `head_dim / 2`.
    frequencies: Vec<f32>,
    /// The positions whose turns are at hand.
    positions: Range<usize>,
    /// Cosine and sine of each pair: `(position, head_dim / 2)`.
    turns: Vec<(f32, f32)>,
}

impl Rope {
    /// The frequencies of a configuration, stretched as it says.
    pub fn new(config: &ModelConfig) -> Rope {
        let frequencies = frequencies(config).map(|frequency| frequency as f32).collect();
        Rope { frequencies, positions: 0..0, turns: Vec::new() }
    }

    /// Prepares the turns of some positions; every layer of a token asks for the same ones.
    pub fn prepare(&mut self, positions: Range<usize>) {
        if self.positions != positions {
            self.turns.clear();
            for position in positions.clone() {
                let angles = self.frequencies.iter().map(|frequency| position as f32 * frequency);
                self.turns.extend(angles.map(|angle| (libm::cosf(angle), libm::sinf(angle))));
            }
            self.positions = positions;
        }
    }

    /// Rotates the heads of each row of `x`, whose rows are at the prepared positions, `length` elements each.
    pub fn rotate(&self, x: &mut [f32], length: usize) {
        let half = self.frequencies.len();
        for (row, turns) in x.chunks_exact_mut(length).zip(self.turns.chunks_exact(half)) {
            for head in row.chunks_exact_mut(2 * half) {
                let (first, second) = head.split_at_mut(half);
                for ((a, b), (cosine, sine)) in first.iter_mut().zip(second).zip(turns) {
                    (*a, *b) = (*a * cosine - *b * sine, *b * cosine + *a * sine);
                }
            }
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
    // A few elements at a time over all positions, so that their sums stay in registers.
    let (parts, rest) = out.as_chunks_mut::<MIXED>();
    let first_of_rest = parts.len() * MIXED;
    for (part, out) in parts.iter_mut().enumerate() {
        *out = [0.0; MIXED];
        for (score, value) in scores.iter().zip(values.chunks(stride)) {
            let value = &value[part * MIXED..][..MIXED];
            for (out, value) in out.iter_mut().zip(value) {
                *out += score * value;
            }
        }
    }
    for (element, out) in rest.iter_mut().enumerate() {
        let values = values.chunks(stride).map(|value| value[first_of_rest + element]);
        *out = scores.iter().zip(values).map(|(score, value)| score * value).sum();
    }
}

/// The arithmetic of checkpoints.
pub struct Float {
    rope: Rope,
    eps: f32,
    /// Elements of a head, and of all key heads.
    head: usize,
    keys: usize,
    /// Divides by the order of the stream's transform.
    shrink: f32,
}

impl Arithmetic for Float {
    type Gain = Vec<f32>;
    type Cache = FloatCache;

    fn new(config: &ModelConfig) -> Float {
        let order = config.rotations().residual.map_or(1, |seed| Hadamard::new(config.hidden_size, seed).order());
        Float {
            rope: Rope::new(config),
            eps: config.rms_norm_eps,
            head: config.head_dim,
            keys: config.key_value_size(),
            shrink: 1.0 / order as f32,
        }
    }

    fn gain(gains: &[f32]) -> Vec<f32> {
        gains.to_vec()
    }

    fn cache(&self, config: &ModelConfig, context: usize) -> Result<FloatCache> {
        FloatCache::new(config, context)
    }

    fn norm(&self, _: Norm, x: &[f32], gain: Option<&Vec<f32>>, out: &mut [f32]) {
        rms_norm(x, gain.map(Vec::as_slice), self.eps, out);
    }

    fn layer_norm(&self, x: &mut [f32], gain: &Vec<f32>, bias: &[f32]) {
        layer_norm(x, gain, bias, self.eps);
    }

    fn amplify(&self, x: &mut [f32], gain: &Vec<f32>) {
        x.iter_mut().zip(gain).for_each(|(x, gain)| *x *= gain);
    }

    fn shrink(&self, x: &mut [f32]) {
        x.iter_mut().for_each(|x| *x *= self.shrink);
    }

    fn prepare(&mut self, positions: Range<usize>) {
        self.rope.prepare(positions);
    }

    fn rotate(&self, x: &mut [f32], length: usize) {
        self.rope.rotate(x, length);
    }

    fn remember(&self, cache: &mut FloatCache, position: usize, key: &[f32], value: &[f32], _: Crew<'_>) {
        cache.extend(position, key, value, self.keys);
    }

    fn attend(
        &self,
        cache: &FloatCache,
        index: usize,
        queries: &[f32],
        past: Range<usize>,
        mixed: &mut [f32],
        worker: &mut Worker,
    ) {
        let part = past.start * self.keys + index * self.head..past.end * self.keys;
        worker.scores.resize(past.len(), 0.0);
        on_best(Attention {
            queries,
            mixed,
            keys: &cache.keys[part.clone()],
            values: &cache.values[part],
            scores: &mut worker.scores,
            head: self.head,
            stride: self.keys,
        });
    }

    fn reserve(&self, _: &FloatCache, context: usize, worker: &mut Worker) {
        worker.scores.reserve(context);
    }

    fn gate(&self, gate: &mut [f32], up: &[f32]) {
        on_best(Gate { gate, up });
    }

    fn gelu(&self, x: &mut [f32]) {
        x.iter_mut().for_each(|x| *x = gelu(*x));
    }

    fn unit(&self, x: &mut [f32]) {
        unit(x);
    }
}

/// The gates of the gated layer.
struct Gate<'a> {
    gate: &'a mut [f32],
    up: &'a [f32],
}

impl Kernel for Gate<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, _: S) {
        gate(self.gate, self.up);
    }
}

/// The query heads that share a key and value head, over the past.
struct Attention<'a> {
    queries: &'a [f32],
    mixed: &'a mut [f32],
    keys: &'a [f32],
    values: &'a [f32],
    scores: &'a mut [f32],
    /// Elements of a head.
    head: usize,
    /// From one position's keys to the next.
    stride: usize,
}

impl Kernel for Attention<'_> {
    type Output = ();

    #[inline(always)]
    fn call<S: Simd>(self, _: S) {
        let Attention { queries, mixed, keys, values, scores, head, stride } = self;
        for (query, mixed) in queries.chunks_exact(head).zip(mixed.chunks_exact_mut(head)) {
            attend(query, keys, values, stride, scores, mixed);
        }
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
    fn exp_is_close_everywhere() {
        let mut worst = 0.0f64;
        for i in -870_000..880_000 {
            let x = i as f32 * 1e-4;
            let exact = libm::exp(x as f64);
            worst = worst.max(((exp(x) as f64 - exact) / exact).abs());
        }
        assert!(worst < 2.0 * 2f64.powi(-23), "{worst}");
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NEG_INFINITY) < 1.7e-38 && exp(f32::INFINITY) > 1e38 && exp(f32::NAN).is_finite());
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
