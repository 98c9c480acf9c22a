//! Perplexity over consecutive windows of a text, each scored on its own.

use nomul::{
    Result, State, bail,
    config::ModelConfig,
    forward::{CHUNK, score},
    weights::Weights,
};

/// Negative log-likelihoods of the tokens of one window but the first, in nats. `state` is used and left empty.
pub fn window<W: Weights>(
    config: &ModelConfig,
    weights: &mut W,
    state: &mut State,
    tokens: &[u32],
) -> Result<Vec<f64>> {
    state.truncate(0);
    let mut logits = vec![0.0; CHUNK * config.vocab_size];
    let mut losses = Vec::with_capacity(tokens.len());
    for (chunk, position) in tokens.chunks(CHUNK).zip((0..).step_by(CHUNK)) {
        score(config, weights, state, chunk, &mut logits)?;
        let next = tokens[position + 1..].iter().chain([&0]);
        for (logits, &next) in logits.chunks_exact(config.vocab_size).take(chunk.len()).zip(next) {
            losses.push(loss(logits, next as usize));
        }
    }
    // The last token has nothing after it.
    losses.pop();
    state.truncate(0);
    Ok(losses)
}

/// `log(sum(e^logits)) - logits[token]`.
fn loss(logits: &[f32], token: usize) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&x| f64::from((x - largest).exp())).sum();
    sum.ln() + f64::from(largest) - f64::from(logits[token])
}

/// Perplexity and what it rests on.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Perplexity {
    /// `e` to the mean loss.
    pub perplexity: f64,
    /// Its standard error, from the spread of the windows' means.
    pub standard_error: f64,
    /// Tokens that were scored.
    pub tokens: usize,
    /// Windows.
    pub windows: usize,
}

/// Puts windows together.
pub fn summarize(windows: &[Vec<f64>]) -> Result<Perplexity> {
    let tokens: usize = windows.iter().map(Vec::len).sum();
    if tokens == 0 {
        bail!(Input, "the text has fewer tokens than one window");
    }
    let mean = windows.iter().flatten().sum::<f64>() / tokens as f64;
    let means = windows.iter().map(|window| window.iter().sum::<f64>() / window.len() as f64);
    let variance = means.map(|m| (m - mean).powi(2)).sum::<f64>() / (windows.len().max(2) - 1) as f64;
    Ok(Perplexity {
        perplexity: mean.exp(),
        standard_error: mean.exp() * (variance / windows.len() as f64).sqrt(),
        tokens,
        windows: windows.len(),
    })
}
