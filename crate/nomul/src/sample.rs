//! From the scores of all tokens to the next token.
//!
//! The order is that of Hugging Face: penalties and biases change scores, the temperature divides them, then `top_k`,
//! `top_p` and `min_p` each narrow what is left, and the draw is by probability. Probabilities are integers, from the tables
//! of [`crate::shift`]; penalties and the temperature are sums of powers of two. Nothing here multiplies, and the same
//! scores and the same seed give the same token everywhere. A score, once divided by the temperature, is within 1/729 of
//! the exact one (one in 20,000 on average), a probability within 2^-11 of its own size.
//!
//! Nothing sorts the whole vocabulary: the likeliest k are selected and only they are sorted; for `top_p` alone, k grows
//! until it is enough.

use alloc::{vec, vec::Vec};
use core::cmp::Ordering;
use serde::{Deserialize, Serialize};

use crate::{
    Result, bail,
    random::Random,
    shift::{
        factor::Factor,
        logarithm::{Logarithms, fixed},
    },
};

/// How to choose. [`SampleOptions::default`] takes the likeliest token and changes no score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SampleOptions {
    /// Divides the scores: under 1 bolder, over 1 more even. 0: always the likeliest token, the lower id of two equals.
    pub temperature: f32,
    /// Only the `top_k` likeliest; 0: all.
    pub top_k: usize,
    /// Only the likeliest that together have this probability; 1: all. In (0, 1].
    pub top_p: f32,
    /// Only those at least this likely, relative to the likeliest; 0: all. In 0..=1.
    pub min_p: f32,
    /// Positive scores of tokens of the prompt and the answer are divided by it, negative ones multiplied. 1: nothing.
    pub repetition_penalty: f32,
    /// Subtracted from the scores of tokens of the answer.
    pub presence_penalty: f32,
    /// Subtracted from the scores of tokens of the answer, as often as they occur in it.
    pub frequency_penalty: f32,
    /// (token, what is added to its score).
    pub logit_bias: Vec<(u32, f32)>,
    /// Where the random numbers start.
    pub seed: u64,
}

impl Default for SampleOptions {
    fn default() -> Self {
        SampleOptions {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            logit_bias: Vec::new(),
            seed: 0,
        }
    }
}

impl SampleOptions {
    /// Finds the field whose value is impossible and says so.
    pub fn check(&self) -> Result<()> {
        let checks = [
            ("temperature", self.temperature, self.temperature >= 0.0, "0 or more"),
            ("top_p", self.top_p, self.top_p > 0.0 && self.top_p <= 1.0, "over 0 and at most 1"),
            ("min_p", self.min_p, (0.0..=1.0).contains(&self.min_p), "in 0..=1"),
            ("repetition_penalty", self.repetition_penalty, self.repetition_penalty > 0.0, "over 0"),
            ("presence_penalty", self.presence_penalty, true, "a number"),
            ("frequency_penalty", self.frequency_penalty, true, "a number"),
        ];
        for (field, value, is_right, range) in checks {
            if !is_right || !value.is_finite() {
                bail!(Input, "{field} is {value}, not {range}");
            }
        }
        if let Some((token, bias)) = self.logit_bias.iter().find(|(_, bias)| !bias.is_finite()) {
            bail!(Input, "logit_bias of token {token} is {bias}, not a number");
        }
        Ok(())
    }
}

/// A token that may be drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Candidate {
    token: u32,
    /// Its score.
    logit: f32,
    /// Its probability, relative to the likeliest, which has [`ONE`].
    weight: u32,
}

/// A score that is finite or minus infinity, and no negative zero: the total order would not have it equal to zero.
fn clean(logit: f32) -> f32 {
    if logit.is_nan() { f32::NEG_INFINITY } else { logit.min(f32::MAX) + 0.0 }
}

/// Likelier first, of equals the lower id.
fn likelier(a: &Candidate, b: &Candidate) -> Ordering {
    b.logit.total_cmp(&a.logit).then(a.token.cmp(&b.token))
}

/// The weight of the likeliest token.
const ONE: u32 = 1 << 30;

/// The first guess at how many tokens `top_p` keeps.
const HEAD: usize = 64;

/// The options' numbers in the form in which they are used.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    /// `log2(e)` by the temperature.
    sharpness: Factor,
    penalty: Factor,
    reciprocal_penalty: Factor,
    frequency_penalty: Factor,
    /// In units of 2^-32.
    top_p: u32,
    /// In units of a weight.
    min_p: u32,
}

impl Numbers {
    fn new(options: &SampleOptions) -> Numbers {
        let penalty = options.repetition_penalty;
        Numbers {
            sharpness: Factor::new(core::f32::consts::LOG2_E / options.temperature.max(f32::MIN_POSITIVE)),
            penalty: Factor::new(penalty),
            reciprocal_penalty: Factor::new(1.0 / penalty),
            frequency_penalty: Factor::new(options.frequency_penalty),
            top_p: (f64::from(options.top_p) * 4_294_967_296.0) as u32,
            min_p: libm::ceil(f64::from(options.min_p) * f64::from(ONE)) as u32,
        }
    }

    /// `top_p` of a sum of weights.
    fn goal(&self, sum: u64) -> u64 {
        (1..=32).filter(|bit| self.top_p >> (32 - bit) & 1 == 1).map(|bit| sum >> bit).sum()
    }
}

/// Chooses tokens. It takes all its memory when it is made.
#[derive(Clone, Debug)]
pub struct Sampler {
    options: SampleOptions,
    numbers: Numbers,
    tables: Logarithms,
    random: Random,
    /// How often each token occurs in the answer, `vocab` of them; empty if no penalty asks.
    counts: Vec<u32>,
    /// The tokens of prompt and answer, each once.
    seen: Vec<u32>,
    /// Whether each token is in `seen`.
    is_seen: Vec<bool>,
    candidates: Vec<Candidate>,
    /// A bit for each token that may come next, 32 a word; empty: all may.
    allowed: Vec<u32>,
}

impl Sampler {
    /// A sampler for `vocab` tokens.
    pub fn new(options: SampleOptions, vocab: usize) -> Result<Sampler> {
        options.check()?;
        if vocab == 0 {
            bail!(Input, "a vocabulary without tokens");
        }
        if let Some((token, _)) = options.logit_bias.iter().find(|&&(token, _)| token as usize >= vocab) {
            bail!(Input, "logit_bias of token {token}: the vocabulary has {vocab}");
        }
        let penalises =
            options.repetition_penalty != 1.0 || options.presence_penalty != 0.0 || options.frequency_penalty != 0.0;
        let counted = if penalises { vocab } else { 0 };
        let drawn = if options.temperature > 0.0 { vocab } else { 0 };
        Ok(Sampler {
            numbers: Numbers::new(&options),
            tables: Logarithms::new(),
            random: Random::from_seed(options.seed),
            counts: vec![0; counted],
            seen: Vec::with_capacity(counted),
            is_seen: vec![false; counted],
            candidates: vec![Candidate { token: 0, logit: 0.0, weight: 0 }; drawn],
            allowed: Vec::new(),
            options,
        })
    }

    /// From now on only tokens whose bit is set are chosen, the lowest bit of the first word for token 0; without words all.
    /// A token that is forbidden is as if its score were minus infinity.
    pub fn allow(&mut self, allowed: &[u32], vocab: usize) -> Result<()> {
        let words = vocab.div_ceil(32);
        if !allowed.is_empty() && allowed.len() != words {
            bail!(
                Input,
                "{} words say which tokens are allowed, for a vocabulary of {vocab} it takes {words}",
                allowed.len()
            );
        }
        let is_in = |(word, bits): (usize, &u32)| (0..32).any(|bit| bits >> bit & 1 == 1 && 32 * word + bit < vocab);
        if !allowed.is_empty() && !allowed.iter().enumerate().any(is_in) {
            bail!(Input, "no token is allowed to come next");
        }
        self.allowed.clear();
        self.allowed.extend_from_slice(allowed);
        Ok(())
    }

    /// Tells of tokens of the prompt, for the repetition penalty.
    pub fn prompt(&mut self, tokens: &[u32]) {
        for &token in tokens {
            if let Some(is_seen) = self.is_seen.get_mut(token as usize)
                && !*is_seen
            {
                *is_seen = true;
                self.seen.push(token);
            }
        }
    }

    /// Tells of a token that became part of the answer, for all penalties.
    pub fn accept(&mut self, token: u32) {
        self.prompt(&[token]);
        if let Some(count) = self.counts.get_mut(token as usize) {
            *count = count.saturating_add(1);
        }
    }

    /// Chooses from the scores of all tokens. They are changed in place: scores that are not numbers count as lower than
    /// all others, infinite ones as the largest number. Without scores the answer is 0.
    pub fn sample(&mut self, logits: &mut [f32]) -> u32 {
        self.adjust(logits);
        let best = argmax(logits);
        let most = logits.get(best as usize).copied().unwrap_or(f32::NEG_INFINITY);
        if self.options.temperature == 0.0 || most == f32::NEG_INFINITY {
            return best;
        }
        let (numbers, tables) = (&self.numbers, &self.tables);
        assert!(logits.len() <= self.candidates.len(), "scores of more tokens than there are");
        for ((token, &logit), candidate) in (0..).zip(logits.iter()).zip(&mut self.candidates) {
            let weight = weight(tables, numbers.sharpness.times(logit - most));
            *candidate = Candidate { token, logit, weight };
        }
        let kept = self.narrow(logits.len());
        let kept = &self.candidates[..kept];
        draw(kept, self.random.below(sum(kept).max(1)))
    }

    /// Makes all scores clean, then adds biases and subtracts penalties.
    fn adjust(&self, logits: &mut [f32]) {
        logits.iter_mut().for_each(|logit| *logit = clean(*logit));
        let options = &self.options;
        for &token in &self.seen {
            let Some(logit) = logits.get_mut(token as usize) else { continue };
            let numbers = &self.numbers;
            if options.repetition_penalty != 1.0 {
                let penalty = if *logit > 0.0 { &numbers.reciprocal_penalty } else { &numbers.penalty };
                *logit = penalty.times(*logit);
            }
            let count = self.counts[token as usize];
            if count > 0 {
                *logit -= options.presence_penalty + numbers.frequency_penalty.times(count as f32);
            }
        }
        for &(token, bias) in &options.logit_bias {
            if let Some(logit) = logits.get_mut(token as usize) {
                *logit += bias;
            }
        }
        for (logits, bits) in logits.chunks_mut(32).zip(&self.allowed) {
            for (bit, logit) in logits.iter_mut().enumerate() {
                if bits >> bit & 1 == 0 {
                    *logit = f32::NEG_INFINITY;
                }
            }
        }
        logits.iter_mut().for_each(|logit| *logit = clean(*logit));
    }

    /// Moves those of the first `all` candidates that may be drawn to the front; how many there are. They are in order of likelihood if
    /// `top_k` or `top_p` narrows, in order of ids if not.
    fn narrow(&mut self, all: usize) -> usize {
        let options = &self.options;
        let candidates = &mut self.candidates[..all];
        let mut kept = all;
        if options.top_k > 0 && options.top_k < all {
            kept = options.top_k;
            sort_head(candidates, kept);
        }
        if options.top_p < 1.0 {
            let goal = self.numbers.goal(sum(&candidates[..kept]));
            let mut sorted = if kept < all { kept } else { 0 };
            let mut size = HEAD.min(kept);
            kept = loop {
                if sorted < size {
                    sort_head(candidates, size);
                    sorted = size;
                }
                if let Some(enough) = reach(&candidates[..size], goal) {
                    break enough;
                }
                if size == kept {
                    break kept;
                }
                size = (size << 3).min(kept);
            };
        }
        if options.min_p > 0.0 {
            let mut passed = 0;
            for place in 0..kept {
                if candidates[place].weight >= self.numbers.min_p {
                    candidates.swap(passed, place);
                    passed += 1;
                }
            }
            kept = passed;
        }
        kept
    }
}

/// The token of the highest score, the lowest id of equals; 0 without scores.
pub fn argmax(logits: &[f32]) -> u32 {
    let better = |best: usize, (place, logit): (usize, &f32)| if *logit > logits[best] { place } else { best };
    logits.iter().enumerate().fold(0, better) as u32
}

/// Brings the `size` likeliest to the front, in order.
fn sort_head(candidates: &mut [Candidate], size: usize) {
    select(candidates, size);
    candidates[..size].sort_unstable_by(likelier);
}

/// Brings the `size` likeliest to the front, in any order: quickselect (Hoare, 1961), with the middle one of three to
/// split by. (The standard library's counts in ninths of a slice, and so divides.)
fn select(candidates: &mut [Candidate], size: usize) {
    let (mut start, mut end) = (0, candidates.len());
    while size > start && size < end {
        let middle = start + (end - start) / 2;
        for (a, b) in [(start, middle), (middle, end - 1), (start, middle)] {
            if likelier(&candidates[b], &candidates[a]).is_lt() {
                candidates.swap(a, b);
            }
        }
        // All that are likelier than the one in the middle, that one, and the others.
        candidates.swap(middle, end - 1);
        let mut split = start;
        for place in start..end - 1 {
            if likelier(&candidates[place], &candidates[end - 1]).is_lt() {
                candidates.swap(place, split);
                split += 1;
            }
        }
        candidates.swap(split, end - 1);
        if size <= split { end = split } else { start = split + 1 }
    }
}

/// `2^x` for `x` of at most 0, in units of 2^-30.
fn weight(tables: &Logarithms, x: f32) -> u32 {
    // A float's fraction has 23 bits beside the one before the point: 2^0 becomes 2^30.
    let power = tables.exp2(fixed(x)).to_bits();
    let below_one = 127 - (power >> 23);
    (((power & 0x7f_ffff) | 0x80_0000) << 7).checked_shr(below_one).unwrap_or(0)
}

fn sum(candidates: &[Candidate]) -> u64 {
    candidates.iter().map(|candidate| u64::from(candidate.weight)).sum()
}

/// How many of the first candidates together reach the goal.
fn reach(candidates: &[Candidate], goal: u64) -> Option<usize> {
    let mut total = 0;
    let enough = candidates.iter().position(|candidate| {
        total += u64::from(candidate.weight);
        total >= goal
    });
    enough.map(|place| place + 1)
}

/// The candidate at whose weight `at` falls, when the weights are laid end to end.
fn draw(candidates: &[Candidate], at: u64) -> u32 {
    let mut total = 0;
    let drawn = candidates.iter().find(|candidate| {
        total += u64::from(candidate.weight);
        at < total
    });
    drawn.map_or(0, |candidate| candidate.token)
}

#[cfg(test)]
mod tests;
