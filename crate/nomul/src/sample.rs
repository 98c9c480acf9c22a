//! From the scores of all tokens to the next token.
//!
//! The order is that of Hugging Face: penalties and biases change scores, the temperature divides them, then `top_k`,
//! `top_p` and `min_p` each narrow what is left, and the draw is by probability. All of it is exact arithmetic in a fixed
//! order (`exp` is libm's, sums are in 64 bits), so the same scores and the same seed give the same token everywhere.
//!
//! Nothing sorts the whole vocabulary: the likeliest k are selected and only they are sorted; for `top_p` alone, k grows
//! until it is enough.

use alloc::{vec, vec::Vec};
use core::cmp::Ordering;
use serde::{Deserialize, Serialize};

use crate::{Result, bail};

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

/// Random numbers: SplitMix64 (Steele, Lea, Flood 2014), whose whole state is one number. It passes the usual
/// batteries, is four lines, and one draw a token needs no more; a saved conversation can go on with the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In 0..1, evenly, with 53 bits.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A token that may be drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Candidate {
    token: u32,
    /// Its score.
    logit: f32,
    /// Its probability, relative to the likeliest.
    weight: f32,
}

/// A score that is finite or minus infinity, and no negative zero: the total order would not have it equal to zero.
fn clean(logit: f32) -> f32 {
    if logit.is_nan() { f32::NEG_INFINITY } else { logit.min(f32::MAX) + 0.0 }
}

/// Likelier first, of equals the lower id.
fn likelier(a: &Candidate, b: &Candidate) -> Ordering {
    b.logit.total_cmp(&a.logit).then(a.token.cmp(&b.token))
}

/// The first guess at how many tokens `top_p` keeps.
const HEAD: usize = 64;

/// Chooses tokens. It takes all its memory when it is made.
#[derive(Clone, Debug)]
pub struct Sampler {
    options: SampleOptions,
    random: Random,
    /// How often each token occurs in the answer, `vocab` of them; empty if no penalty asks.
    counts: Vec<u32>,
    /// The tokens of prompt and answer, each once.
    seen: Vec<u32>,
    /// Whether each token is in `seen`.
    is_seen: Vec<bool>,
    candidates: Vec<Candidate>,
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
            random: Random(options.seed),
            counts: vec![0; counted],
            seen: Vec::with_capacity(counted),
            is_seen: vec![false; counted],
            candidates: Vec::with_capacity(drawn),
            options,
        })
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
        let temperature = self.options.temperature;
        self.candidates.clear();
        self.candidates.extend(logits.iter().enumerate().map(|(token, &logit)| {
            let weight = libm::expf((logit - most) / temperature);
            Candidate { token: token as u32, logit, weight }
        }));
        let kept = self.narrow();
        let kept = &self.candidates[..kept];
        draw(kept, self.random.fraction() * sum(kept))
    }

    /// Makes all scores clean, then adds biases and subtracts penalties.
    fn adjust(&self, logits: &mut [f32]) {
        logits.iter_mut().for_each(|logit| *logit = clean(*logit));
        let options = &self.options;
        for &token in &self.seen {
            let Some(logit) = logits.get_mut(token as usize) else { continue };
            let penalty = options.repetition_penalty;
            *logit = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
            let count = self.counts[token as usize];
            if count > 0 {
                *logit -= options.presence_penalty + options.frequency_penalty * count as f32;
            }
        }
        for &(token, bias) in &options.logit_bias {
            if let Some(logit) = logits.get_mut(token as usize) {
                *logit += bias;
            }
        }
        logits.iter_mut().for_each(|logit| *logit = clean(*logit));
    }

    /// Moves the candidates that may be drawn to the front; how many there are. They are in order of likelihood if
    /// `top_k` or `top_p` narrows, in order of ids if not.
    fn narrow(&mut self) -> usize {
        let options = &self.options;
        let candidates = &mut self.candidates[..];
        let all = candidates.len();
        let mut kept = all;
        if options.top_k > 0 && options.top_k < all {
            kept = options.top_k;
            sort_head(candidates, kept);
        }
        if options.top_p < 1.0 {
            let goal = f64::from(options.top_p) * sum(&candidates[..kept]);
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
                size = (size * 8).min(kept);
            };
        }
        if options.min_p > 0.0 {
            // Weights are relative to the likeliest, which has 1.
            let mut passed = 0;
            for place in 0..kept {
                if candidates[place].weight >= options.min_p {
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
    if size < candidates.len() {
        candidates.select_nth_unstable_by(size, likelier);
    }
    candidates[..size].sort_unstable_by(likelier);
}

fn sum(candidates: &[Candidate]) -> f64 {
    candidates.iter().map(|candidate| f64::from(candidate.weight)).sum()
}

/// How many of the first candidates together reach the goal.
fn reach(candidates: &[Candidate], goal: f64) -> Option<usize> {
    let mut total = 0.0;
    let enough = candidates.iter().position(|candidate| {
        total += f64::from(candidate.weight);
        total >= goal
    });
    enough.map(|place| place + 1)
}

/// The candidate at whose weight `at` falls, when the weights are laid end to end; the last that has any, if rounding
/// puts it behind all.
fn draw(candidates: &[Candidate], at: f64) -> u32 {
    let mut total = 0.0;
    let drawn = candidates.iter().find(|candidate| {
        total += f64::from(candidate.weight);
        at < total
    });
    let last = || candidates.iter().rfind(|candidate| candidate.weight > 0.0);
    drawn.or_else(last).map_or(0, |candidate| candidate.token)
}

#[cfg(test)]
mod tests;
