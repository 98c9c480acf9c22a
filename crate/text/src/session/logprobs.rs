//! How likely tokens were. This is for people and programs that ask: no token is chosen by it, so it may multiply.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// The most tokens to be told of.
pub const MOST: usize = 20;

/// Natural logarithms of probabilities, as the model gave them: before penalties, biases and the temperature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprobs {
    /// Of the token that was chosen.
    pub logprob: f64,
    /// The likeliest tokens and theirs, in order; of equals the lower id comes first.
    pub top: Vec<(u32, f64)>,
}

impl TokenLogprobs {
    /// Of a token, and of the `most` likeliest, from the scores of all.
    pub fn new(scores: &[f32], token: u32, most: usize) -> TokenLogprobs {
        let total = log_sum(scores);
        let likelier = |a: &u32, b: &u32| {
            let score = |id: &u32| scores[*id as usize];
            score(b).partial_cmp(&score(a)).unwrap_or(Ordering::Equal).then(a.cmp(b))
        };
        let mut ids: Vec<u32> = (0..scores.len() as u32).collect();
        if 0 < most && most < ids.len() {
            ids.select_nth_unstable_by(most - 1, likelier);
        }
        ids.truncate(most);
        ids.sort_unstable_by(likelier);
        let logprob = |id: u32| f64::from(scores[id as usize]) - total;
        TokenLogprobs { logprob: logprob(token), top: ids.into_iter().map(|id| (id, logprob(id))).collect() }
    }
}

/// The logarithm of the sum of exponentials. The library for it is the same on every engine.
pub fn log_sum(scores: &[f32]) -> f64 {
    let most = f64::from(scores.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    most + libm::log(scores.iter().map(|score| libm::exp(f64::from(*score) - most)).sum())
}
