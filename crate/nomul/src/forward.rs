//! The forward pass of a decoder, told straight through: from tokens to the scores of the next one.
//!
//! It is written once over [`Weights`]; sign planes, floats and the quantiser's recorder all run it.

use crate::{
    Result, bail,
    cache::LayerCache,
    config::ModelConfig,
    float::{attend, gate, rms_norm},
    kernel::{Kernel, Simd, on_best},
    state::{Scratch, State},
    team::{Alone, Team, split, split_with},
    weights::{Kind, MatrixId, VectorId, Weights},
};

/// The most tokens that one call of [`prefill`] takes.
pub const CHUNK: usize = 32;

/// Reads up to [`CHUNK`] tokens into the conversation; computes no scores.
pub fn prefill<W: Weights>(config: &ModelConfig, weights: &mut W, state: &mut State, tokens: &[u32]) -> Result<()> {
    check(config, state, tokens)?;
    let State { position, layers, scratch, .. } = state;
    embed(config, weights, tokens, &mut scratch.x);
    for (layer, cache) in layers.iter_mut().enumerate() {
        block(config, weights, layer, cache, scratch, tokens.len(), *position);
    }
    *position += tokens.len();
    Ok(())
}

/// Reads one token and gives the scores of what may follow it: `vocab_size` logits.
pub fn decode<'a, W: Weights>(
    config: &ModelConfig,
    weights: &mut W,
    state: &'a mut State,
    token: u32,
) -> Result<&'a mut [f32]> {
    prefill(config, weights, state, &[token])?;
    let State { scratch, logits, .. } = state;
    head(config, weights, scratch, 1, logits);
    Ok(logits)
}

/// Reads up to [`CHUNK`] tokens and gives the scores after each of them: `logits` becomes `(tokens, vocab_size)`.
pub fn score<W: Weights>(
    config: &ModelConfig,
    weights: &mut W,
    state: &mut State,
    tokens: &[u32],
    logits: &mut [f32],
) -> Result<()> {
    prefill(config, weights, state, tokens)?;
    head(config, weights, &mut state.scratch, tokens.len(), logits);
    Ok(())
}

fn check(config: &ModelConfig, state: &State, tokens: &[u32]) -> Result<()> {
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
    for (&token, x) in tokens.iter().zip(x.chunks_exact_mut(config.hidden_size)) {
        weights.embed(token, x);
    }
}

/// One block: attention and the gated layer, each added to the residual stream in `scratch.x`.
///
/// `tokens` rows of the stream are at positions `position..`; `cache` holds the keys and values of all earlier ones.
pub fn block<W: Weights>(
    config: &ModelConfig,
    weights: &mut W,
    layer: usize,
    cache: &mut LayerCache,
    scratch: &mut Scratch,
    tokens: usize,
    position: usize,
) {
    let (hidden, queries, keys) = (config.hidden_size, config.query_size(), config.key_value_size());
    let middle = config.intermediate_size;
    let head = config.head_dim;
    let matrix = |kind| MatrixId { layer, kind };
    let Scratch { rope, transforms, x, normed, query, mixed, key, value, gate: gated, up, update, .. } = scratch;
    let (keys_by, kernel) = (&scratch.keys, &mut scratch.kernel);
    // Rows of several tokens are shared out; one token's are too short for that, but for the products and the heads.
    let team = &*kernel.team;
    let rows: &dyn Team = if tokens > 1 { team } else { &Alone };
    let x = &mut x[..tokens * hidden];
    let normed = &mut normed[..tokens * hidden];
    let query = &mut query[..tokens * queries];
    let mixed = &mut mixed[..tokens * queries];
    let key = &mut key[..tokens * keys];
    let value = &mut value[..tokens * keys];
    let gated = &mut gated[..tokens * middle];
    let up = &mut up[..tokens * middle];
    let update = &mut update[..tokens * hidden];

    // Queries, keys and values of the normalised stream.
    norm_rows(rows, x, weights.vector(VectorId::AttentionNorm(layer)), config.rms_norm_eps, hidden, normed);
    for (kind, out) in [(Kind::Query, &mut *query), (Kind::Key, &mut *key), (Kind::Value, &mut *value)] {
        weights.product(matrix(kind), normed, tokens, out);
        // The matrix gave queries and keys in another basis: turn each head back before biases and positions.
        if let (Some(transform), Kind::Query | Kind::Key) = (&transforms.query_key, kind) {
            split(rows, out, head, |_, out| transform.inverse_rows(out));
        }
        if let Some(bias) = weights.vector(VectorId::Bias(matrix(kind))) {
            for row in out.chunks_exact_mut(bias.len()) {
                row.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
            }
        }
    }
    for (id, heads) in [(VectorId::QueryNorm(layer), &mut *query), (VectorId::KeyNorm(layer), &mut *key)] {
        if let Some(gain) = weights.vector(id) {
            for row in heads.chunks_exact_mut(head) {
                // The mixed values are not needed yet: room for one head.
                rms_norm(row, Some(gain), config.rms_norm_eps, &mut mixed[..head]);
                row.copy_from_slice(&mixed[..head]);
            }
        }
    }

    // Positions turn queries and keys; keys and values join the past.
    rope.prepare(position..position + tokens);
    rope.rotate(query, queries);
    rope.rotate(key, keys);
    if let LayerCache::Planes(_) = cache {
        // The transform multiplies both by a root of its order.
        let shrink = 1.0 / (keys_by.order() as f32 * libm::sqrtf(head as f32));
        split(rows, query, head, |_, query| {
            keys_by.forward_rows(query);
            query.iter_mut().for_each(|x| *x *= shrink);
        });
        split(rows, key, head, |_, key| keys_by.forward_rows(key));
    }
    cache.extend(position, key, value, keys, team);
    let cache = &*cache;

    // Each query head mixes the values of the past; several query heads share a key and value head.
    let group = config.num_attention_heads / config.num_key_value_heads * head;
    split_with(team, mixed, group, &mut kernel.workers, |start, mixed, worker| {
        let queries = query[start..].chunks_exact(group);
        for (number, (queries, mixed)) in (start / group..).zip(queries.zip(mixed.chunks_exact_mut(group))) {
            let (token, index) = (number / config.num_key_value_heads, number % config.num_key_value_heads);
            let end = position + token + 1;
            let start = config.sliding_window.map_or(0, |window| end.saturating_sub(window));
            match cache {
                LayerCache::Planes(caches) => caches[index].attend(queries, start..end, mixed, worker),
                LayerCache::Floats { keys: past_keys, values: past_values } => {
                    let past = start * keys + index * head..end * keys;
                    worker.scores.resize(end - start, 0.0);
                    on_best(Attention {
                        queries,
                        mixed,
                        keys: &past_keys[past.clone()],
                        values: &past_values[past],
                        scores: &mut worker.scores,
                        head,
                        stride: keys,
                    });
                }
            }
        }
    });
    weights.product(matrix(Kind::Output), mixed, tokens, update);
    x.iter_mut().zip(&*update).for_each(|(x, update)| *x += update);

    // The gated layer.
    norm_rows(rows, x, weights.vector(VectorId::FeedForwardNorm(layer)), config.rms_norm_eps, hidden, normed);
    weights.product(matrix(Kind::Gate), normed, tokens, gated);
    weights.product(matrix(Kind::Up), normed, tokens, up);
    if let Some(transform) = &transforms.gate_up {
        split(rows, up, middle, |_, up| transform.inverse_rows(up));
    }
    split(rows, gated, middle, |start, gated| {
        if let Some(transform) = &transforms.gate_up {
            transform.inverse_rows(gated);
        }
        on_best(Gate { up: &up[start..][..gated.len()], gate: gated });
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
    scratch: &mut Scratch,
    tokens: usize,
    logits: &mut [f32],
) {
    let normed = normalize(config, weights, scratch, tokens);
    weights.product(MatrixId { layer: 0, kind: Kind::Head }, normed, tokens, &mut logits[..tokens * config.vocab_size]);
}

/// The input of the head: the first `tokens` rows of the stream after the last norm, `(tokens, hidden_size)`.
pub fn normalize<'a, W: Weights>(
    config: &ModelConfig,
    weights: &W,
    scratch: &'a mut Scratch,
    tokens: usize,
) -> &'a [f32] {
    let hidden = config.hidden_size;
    let Scratch { transforms, x, normed, .. } = scratch;
    let (x, normed) = (&x[..tokens * hidden], &mut normed[..tokens * hidden]);
    let gain = weights.vector(VectorId::FinalNorm);
    match &transforms.residual {
        None => norm_rows(&Alone, x, gain, config.rms_norm_eps, hidden, normed),
        // The stream lives in another basis, the gain does not: out, gain, and back in. The two transforms multiply by
        // their order; `x` is as long in either basis, so the norm itself may come first.
        Some(transform) => {
            norm_rows(&Alone, x, None, config.rms_norm_eps, hidden, normed);
            let shrink = 1.0 / transform.order() as f32;
            for row in normed.chunks_exact_mut(hidden) {
                transform.inverse(row);
                match gain {
                    Some(gain) => row.iter_mut().zip(gain).for_each(|(x, gain)| *x *= gain * shrink),
                    None => row.iter_mut().for_each(|x| *x *= shrink),
                }
                transform.forward(row);
            }
        }
    }
    normed
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

/// The query heads that share a key and value head, over the past in floats.
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

fn norm_rows(team: &dyn Team, x: &[f32], gain: Option<&[f32]>, eps: f32, length: usize, out: &mut [f32]) {
    split(team, out, length, |start, out| {
        for (x, out) in x[start..].chunks_exact(length).zip(out.chunks_exact_mut(length)) {
            rms_norm(x, gain, eps, out);
        }
    });
}
