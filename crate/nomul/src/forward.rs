//! The forward pass of a decoder, told straight through: from tokens to the scores of the next one.
//!
//! It is written once over [`Weights`] and their [`Arithmetic`]; sign planes and floats both run it. (The quantiser, which
//! also needs the way back, has a pass of its own over whole windows, and a test that holds it to this one.)

use crate::{
    Result,
    address::{divide, rows, rows_mut, times},
    arithmetic::{Arithmetic, Norm},
    bail,
    config::ModelConfig,
    state::{Scratch, State},
    team::{Crew, split, split_with},
    weights::{Kind, MatrixId, VectorId, Weights},
};

/// The most tokens that one call of [`prefill`] takes.
pub const CHUNK: usize = 32;

/// Reads up to [`CHUNK`] tokens into the conversation; computes no scores.
pub fn prefill<W: Weights>(
    config: &ModelConfig,
    weights: &mut W,
    state: &mut State<W::Arithmetic>,
    tokens: &[u32],
) -> Result<()> {
    check(config, state, tokens)?;
    prefill_checked(config, weights, state, tokens);
    Ok(())
}

/// [`prefill`] of tokens of which it is known that they can be read: an error would have to be told, and numbers are not
/// written down without dividing.
///
/// # Panics
/// Where [`prefill`] has an error.
pub fn prefill_checked<W: Weights>(
    config: &ModelConfig,
    weights: &mut W,
    state: &mut State<W::Arithmetic>,
    tokens: &[u32],
) {
    assert!(!tokens.is_empty() && tokens.len() <= CHUNK, "tokens at once");
    assert!(tokens.len() <= state.context - state.position, "context");
    let State { position, layers, scratch, .. } = state;
    embed(config, weights, tokens, &mut scratch.x);
    for (layer, cache) in layers.iter_mut().enumerate() {
        block(config, weights, layer, cache, scratch, tokens.len(), *position);
    }
    *position += tokens.len();
}

/// Reads one token and gives the scores of what may follow it: `vocab_size` logits.
pub fn decode<'a, W: Weights>(
    config: &ModelConfig,
    weights: &mut W,
    state: &'a mut State<W::Arithmetic>,
    token: u32,
) -> Result<&'a mut [f32]> {
    check(config, state, &[token])?;
    Ok(decode_checked(config, weights, state, token))
}

/// [`decode`] of a token of which it is known that it can be read, see [`prefill_checked`].
///
/// # Panics
/// Where [`decode`] has an error.
pub fn decode_checked<'a, W: Weights>(
    config: &ModelConfig,
    weights: &mut W,
    state: &'a mut State<W::Arithmetic>,
    token: u32,
) -> &'a mut [f32] {
    prefill_checked(config, weights, state, &[token]);
    let State { scratch, logits, .. } = state;
    head(config, weights, scratch, 1, logits);
    logits
}

/// Reads up to [`CHUNK`] tokens and gives the scores after each of them: `logits` becomes `(tokens, vocab_size)`.
pub fn score<W: Weights>(
    config: &ModelConfig,
    weights: &mut W,
    state: &mut State<W::Arithmetic>,
    tokens: &[u32],
    logits: &mut [f32],
) -> Result<()> {
    prefill(config, weights, state, tokens)?;
    weights.reserve(MatrixId { layer: 0, kind: Kind::Head }, tokens.len());
    head(config, weights, &mut state.scratch, tokens.len(), logits);
    Ok(())
}

/// Reads up to [`CHUNK`] tokens and gives the last norm's output for each, in the checkpoint's own basis:
/// `(tokens, hidden_size)`. No token is chosen by it, so it may multiply.
pub fn hidden<'a, W: Weights>(
    config: &ModelConfig,
    weights: &mut W,
    state: &'a mut State<W::Arithmetic>,
    tokens: &[u32],
) -> Result<&'a [f32]> {
    prefill(config, weights, state, tokens)?;
    normalize(config, weights, &mut state.scratch, tokens.len());
    let Scratch { transforms, normed, .. } = &mut state.scratch;
    let normed = &mut normed[..times(tokens.len(), config.hidden_size)];
    if let Some(transform) = &transforms.residual {
        // A transform makes a row longer by the root of its order.
        let shorten = 1.0 / libm::sqrtf(config.hidden_size as f32);
        for row in rows_mut(normed, config.hidden_size) {
            transform.inverse(row);
            row.iter_mut().for_each(|x| *x *= shorten);
        }
    }
    Ok(normed)
}

fn check<A: Arithmetic>(config: &ModelConfig, state: &State<A>, tokens: &[u32]) -> Result<()> {
    if tokens.is_empty() || tokens.len() > CHUNK {
        bail!(Input, "{} tokens at once: 1 to {CHUNK} can be read", tokens.len());
    }
    if tokens.len() > state.context - state.position {
        bail!(
            Capacity,
            "{} tokens after {} exceed the context of {} tokens",
            tokens.len(),
            state.position,
            state.context
        );
    }
    if let Some(token) = tokens.iter().find(|&&token| token as usize >= config.vocab_size) {
        bail!(Input, "token {token} is not in the vocabulary of {} tokens", config.vocab_size);
    }
    Ok(())
}

/// Looks the tokens up: `x` becomes `(tokens, hidden_size)`.
pub fn embed<W: Weights>(config: &ModelConfig, weights: &W, tokens: &[u32], x: &mut [f32]) {
    for (&token, x) in tokens.iter().zip(rows_mut(x, config.hidden_size)) {
        weights.row(Kind::Embedding, token as usize, x);
    }
}

/// One block: attention and the gated layer, each added to the residual stream in `scratch.x`.
///
/// `tokens` rows of the stream are at positions `position..`; `cache` holds the keys and values of all earlier ones.
pub fn block<W: Weights>(
    config: &ModelConfig,
    weights: &mut W,
    layer: usize,
    cache: &mut <W::Arithmetic as Arithmetic>::Cache,
    scratch: &mut Scratch<W::Arithmetic>,
    tokens: usize,
    position: usize,
) {
    let (hidden, queries, keys) = (config.hidden_size, config.query_size(), config.key_value_size());
    let middle = config.intermediate_size;
    let head = config.head_dim;
    let matrix = |kind| MatrixId { layer, kind };
    let Scratch { arithmetic, transforms, x, normed, query, mixed, key, value, gate: gated, up, update, kernel } =
        scratch;
    // Rows of several tokens are shared out; one token's are too short for that, but for the products and the heads.
    let (crew, workers) = kernel.crew();
    let row_crew = if tokens > 1 { crew } else { Crew::alone() };
    let x = &mut x[..times(tokens, hidden)];
    let normed = &mut normed[..x.len()];
    let query = &mut query[..times(tokens, queries)];
    let mixed = &mut mixed[..query.len()];
    let key = &mut key[..times(tokens, keys)];
    let value = &mut value[..key.len()];
    let gated = &mut gated[..times(tokens, middle)];
    let up = &mut up[..gated.len()];
    let update = &mut update[..x.len()];

    // Queries, keys and values of the normalised stream.
    norm_rows(row_crew, arithmetic, x, weights.gain(VectorId::AttentionNorm(layer)), hidden, normed);
    for (kind, out) in [(Kind::Query, &mut *query), (Kind::Key, &mut *key), (Kind::Value, &mut *value)] {
        weights.product(matrix(kind), normed, tokens, out);
        // The matrix gave queries and keys in another basis: turn each head back before biases and positions.
        if let (Some(transform), Kind::Query | Kind::Key) = (&transforms.query_key, kind) {
            split(row_crew, out, head, |_, out| transform.inverse_rows(out));
        }
        if let Some(bias) = weights.bias(VectorId::Bias(matrix(kind))) {
            for row in rows_mut(out, bias.len()) {
                row.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
            }
        }
    }
    for (id, heads) in [(VectorId::QueryNorm(layer), &mut *query), (VectorId::KeyNorm(layer), &mut *key)] {
        if let Some(gain) = weights.gain(id) {
            for row in rows_mut(heads, head) {
                // The mixed values are not needed yet: room for one head.
                arithmetic.norm(Norm::Head, row, Some(gain), &mut mixed[..head]);
                row.copy_from_slice(&mixed[..head]);
            }
        }
    }

    // Positions turn queries and keys; keys and values join the past.
    arithmetic.prepare(position..position + tokens);
    arithmetic.rotate(query, queries);
    arithmetic.rotate(key, keys);
    split(row_crew, query, head, |_, query| arithmetic.turn_queries(query));
    split(row_crew, key, head, |_, key| arithmetic.turn_keys(key));
    arithmetic.remember(cache, position, key, value, crew);
    let (arithmetic, cache) = (&*arithmetic, &*cache);

    // Each query head mixes the values of the past; several query heads share a key and value head.
    let heads = config.num_key_value_heads;
    let group = divide(queries, heads);
    split_with(crew, mixed, group, workers, |start, mixed, worker| {
        let number = divide(start, group);
        let mut token = divide(number, heads);
        let mut index = number - times(token, heads);
        for (queries, mixed) in rows(&query[start..], group).zip(rows_mut(mixed, group)) {
            let end = position + token + 1;
            let start = config.sliding_window.map_or(0, |window| end.saturating_sub(window));
            arithmetic.attend(cache, index, queries, start..end, mixed, worker);
            index += 1;
            if index == heads {
                (token, index) = (token + 1, 0);
            }
        }
    });
    weights.product(matrix(Kind::Output), mixed, tokens, update);
    x.iter_mut().zip(&*update).for_each(|(x, update)| *x += update);

    // The gated layer.
    norm_rows(row_crew, arithmetic, x, weights.gain(VectorId::FeedForwardNorm(layer)), hidden, normed);
    weights.product(matrix(Kind::Gate), normed, tokens, gated);
    weights.product(matrix(Kind::Up), normed, tokens, up);
    if let Some(transform) = &transforms.gate_up {
        split(row_crew, up, middle, |_, up| transform.inverse_rows(up));
    }
    split(row_crew, gated, middle, |start, gated| {
        if let Some(transform) = &transforms.gate_up {
            transform.inverse_rows(gated);
        }
        let up = &up[start..][..gated.len()];
        arithmetic.gate(gated, up);
        if let Some(transform) = &transforms.down {
            transform.forward_rows(gated);
        }
    });
    weights.product(matrix(Kind::Down), gated, tokens, update);
    x.iter_mut().zip(&*update).for_each(|(x, update)| *x += update);
}

/// The last norm and the head, for the first `tokens` rows of the stream: `logits` becomes `(tokens, vocab_size)`.
pub fn head<W: Weights>(
    config: &ModelConfig,
    weights: &mut W,
    scratch: &mut Scratch<W::Arithmetic>,
    tokens: usize,
    logits: &mut [f32],
) {
    let normed = normalize(config, weights, scratch, tokens);
    let logits = &mut logits[..times(tokens, config.vocab_size)];
    weights.product(MatrixId { layer: 0, kind: Kind::Head }, normed, tokens, logits);
}

/// The input of the head: the first `tokens` rows of the stream after the last norm, `(tokens, hidden_size)`.
pub fn normalize<'a, W: Weights>(
    config: &ModelConfig,
    weights: &W,
    scratch: &'a mut Scratch<W::Arithmetic>,
    tokens: usize,
) -> &'a [f32] {
    let hidden = config.hidden_size;
    let Scratch { arithmetic, transforms, x, normed, .. } = scratch;
    let x = &x[..times(tokens, hidden)];
    let normed = &mut normed[..x.len()];
    let gain = weights.gain(VectorId::FinalNorm);
    match &transforms.residual {
        None => norm_rows(Crew::alone(), arithmetic, x, gain, hidden, normed),
        // The stream lives in another basis, the gain does not: out, gain, and back in. The two transforms multiply by
        // their order; `x` is as long in either basis, so the norm itself may come first.
        Some(transform) => {
            norm_rows(Crew::alone(), arithmetic, x, None, hidden, normed);
            for row in rows_mut(normed, hidden) {
                transform.inverse(row);
                arithmetic.shrink(row);
                if let Some(gain) = gain {
                    arithmetic.amplify(row, gain);
                }
                transform.forward(row);
            }
        }
    }
    normed
}

fn norm_rows<A: Arithmetic>(
    crew: Crew<'_>,
    arithmetic: &A,
    x: &[f32],
    gain: Option<&A::Gain>,
    length: usize,
    out: &mut [f32],
) {
    split(crew, out, length, |start, out| {
        for (x, out) in rows(&x[start..], length).zip(rows_mut(out, length)) {
            arithmetic.norm(Norm::Stream, x, gain, out);
        }
    });
}
