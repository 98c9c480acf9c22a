//! Perplexity over consecutive windows of a text, each scored on its own.

use nomul::{
    Result, State, bail,
    config::ModelConfig,
    forward::{CHUNK, score},
    sample::argmax,
    weights::Weights,
};

/// Negative log-likelihoods of the tokens of one window but the first, in nats. `state` is used and left empty.
pub fn window<W: Weights>(
    config: &ModelConfig,
    weights: &mut W,
    state: &mut State<W::Arithmetic>,
    tokens: &[u32],
) -> Result<Vec<f64>> {
    let mut losses = Vec::with_capacity(tokens.len());
    scores(config, weights, state, tokens, |logits, next| {
        losses.push(loss(logits, next));
        Ok(())
    })?;
    Ok(losses)
}

/// Gives `take` the logits after each token of a window but the last, and the token that follows.
pub fn scores<W: Weights>(
    config: &ModelConfig,
    weights: &mut W,
    state: &mut State<W::Arithmetic>,
    tokens: &[u32],
    mut take: impl FnMut(&[f32], usize) -> Result<()>,
) -> Result<()> {
    state.truncate(0);
    let mut logits = vec![0.0; CHUNK * config.vocab_size];
    for (chunk, position) in tokens.chunks(CHUNK).zip((0..).step_by(CHUNK)) {
        score(config, weights, state, chunk, &mut logits)?;
        let next = &tokens[position + 1..];
        for (logits, &next) in logits.chunks_exact(config.vocab_size).take(chunk.len()).zip(next) {
            take(logits, next as usize)?;
        }
    }
    state.truncate(0);
    Ok(())
}

/// How far the scores of one model are from another's, over the same windows.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Distance {
    /// Tokens after which both have the same likeliest next token, as a share.
    pub top_1_agreement: f64,
    /// Mean divergence of Kullback and Leibler of the model from the reference, in nats.
    pub divergence: f64,
}

/// A model to evaluate: its configuration, its weights and an empty conversation.
pub type Evaluated<'a, W> = (&'a ModelConfig, &'a mut W, &'a mut State<<W as Weights>::Arithmetic>);

/// The distance over one window, summed up, and the losses of the first model. The reference has the same vocabulary; its
/// configuration is its own, for a checkpoint is not rotated.
pub fn compare<W: Weights, R: Weights>(
    (config, weights, state): Evaluated<W>,
    (reference_config, reference, reference_state): Evaluated<R>,
    tokens: &[u32],
) -> Result<(Vec<f64>, Distance)> {
    if config.vocab_size != reference_config.vocab_size {
        bail!(
            Input,
            "a vocabulary of {} tokens cannot be compared with one of {}",
            config.vocab_size,
            reference_config.vocab_size
        );
    }
    let mut losses = Vec::with_capacity(tokens.len());
    let mut sum = Distance::default();
    reference_state.truncate(0);
    let mut expected = vec![0.0; CHUNK * config.vocab_size];
    let mut position = 0;
    scores(config, weights, state, tokens, |logits, next| {
        if position % CHUNK == 0 {
            let chunk = &tokens[position..tokens.len().min(position + CHUNK)];
            score(reference_config, reference, reference_state, chunk, &mut expected)?;
        }
        let expected = &expected[position % CHUNK * config.vocab_size..][..config.vocab_size];
        losses.push(loss(logits, next));
        sum.top_1_agreement += f64::from(u8::from(argmax(logits) == argmax(expected)));
        sum.divergence += divergence(expected, logits);
        position += 1;
        Ok(())
    })?;
    reference_state.truncate(0);
    Ok((losses, sum))
}

/// `sum of p (log p - log q)` for the probabilities of two rows of logits.
fn divergence(p: &[f32], q: &[f32]) -> f64 {
    let (norm_p, norm_q) = (loss(p, 0) + f64::from(p[0]), loss(q, 0) + f64::from(q[0]));
    let terms = p.iter().zip(q).map(|(&p, &q)| {
        let (p, q) = (f64::from(p) - norm_p, f64::from(q) - norm_q);
        f64::from((p as f32).exp()) * (p - q)
    });
    terms.sum()
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
