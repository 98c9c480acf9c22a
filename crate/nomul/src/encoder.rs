//! The forward pass of a sentence encoder, told straight through: from the tokens of a text to one vector.
//!
//! ```text
//! x = norm(word + position)                 norm: LayerNorm, with gain and bias
//! x = norm(x + o(attention(q x, k x, v x))) every token over all tokens
//! x = norm(x + down(gelu(up x)))
//! vector = unit(sum of all x), or of the first
//! ```
//!
//! (Devlin et al., arXiv 1810.04805; Reimers and Gurevych, arXiv 1908.10084.) Like [`crate::forward`] it is written once over
//! [`Weights`] and their [`Arithmetic`]. Norms stand behind the residual addition, so the stream passes their gains in its own
//! basis: it is turned into that of the matrices for each product, and what they add is turned back, where a decoder's stream
//! stays turned. Queries and keys stay turned instead, for nothing stands between them and their product.

use alloc::{sync::Arc, vec, vec::Vec};

use crate::{
    Result,
    address::{divide, rows, rows_mut, times},
    arithmetic::Arithmetic,
    bail,
    config::{ModelConfig, Pooling},
    hadamard::Hadamard,
    kernel,
    shift::ShiftAdd,
    state::Scratch,
    team::{Crew, Team, split, split_with},
    weights::{Kind, MatrixId, VectorId, Weights},
};

/// Queries that meet the keys of a head at once: as many as the kernel looks up with one reading of them. A power of two.
pub const TOGETHER: usize = 16;

/// A text on its way through an encoder, with all that it needs beside the weights, allocated once.
pub struct EncoderState<A: Arithmetic = ShiftAdd> {
    /// The most tokens of a text.
    most: usize,
    /// Tokens of the text that is being read.
    tokens: usize,
    /// Blocks that it has gone through.
    layer: usize,
    /// Keys and values of the text in the block that it is in.
    cache: A::Cache,
    scratch: Scratch<A>,
    /// Queries by head: `(head, token, head_dim)`, for each head as many tokens as fill groups of [`TOGETHER`].
    queries: Vec<f32>,
    /// Mixed values in the same order.
    mixed: Vec<f32>,
    /// What the tokens' vectors become, before and after it is brought to length one: `hidden_size` each.
    pooled: Vec<f32>,
    unit: Vec<f32>,
}

impl<A: Arithmetic> EncoderState<A> {
    /// For texts of at most `tokens` tokens. Takes all its memory now: some `4 (7 hidden_size + intermediate_size)` bytes a
    /// token.
    pub fn new(config: &ModelConfig, tokens: usize) -> Result<EncoderState<A>> {
        if config.encoder.is_none() {
            bail!(Unsupported, "{} is no sentence encoder", config.architecture.class_name());
        }
        if tokens == 0 || tokens > config.max_position_embeddings {
            bail!(Input, "texts of {tokens} tokens: the model takes 1 to {}", config.max_position_embeddings);
        }
        let scratch = Scratch::<A>::new(config, tokens);
        let by_head = || vec![0.0; tokens.next_multiple_of(TOGETHER) * config.query_size()];
        let mut state = EncoderState {
            most: tokens,
            tokens: 0,
            layer: 0,
            cache: scratch.arithmetic.cache(config, tokens)?,
            scratch,
            queries: by_head(),
            mixed: by_head(),
            pooled: vec![0.0; config.hidden_size],
            unit: vec![0.0; config.hidden_size],
        };
        state.reserve();
        Ok(state)
    }

    /// Has its work done by a team; the answers are the same bits.
    pub fn set_team(&mut self, team: Arc<dyn Team>) {
        self.scratch.kernel = kernel::Scratch::new(team);
        self.reserve();
    }

    /// Has each worker take now what the longest text will need.
    fn reserve(&mut self) {
        let Scratch { arithmetic, kernel, .. } = &mut self.scratch;
        for worker in &mut kernel.workers {
            arithmetic.reserve(&self.cache, self.most, worker);
        }
    }

    /// The most tokens of a text.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Blocks that the text has gone through.
    pub fn layer(&self) -> usize {
        self.layer
    }

    /// The vectors of the text's tokens, in the checkpoint's own basis: `(tokens, hidden_size)`.
    pub fn stream(&self) -> &[f32] {
        &self.scratch.x[..self.tokens * self.pooled.len()]
    }

    /// Puts the vectors of some tokens in front of a block.
    ///
    /// # Panics
    /// Where there are none, or more than it was made for.
    pub fn set_stream(&mut self, stream: &[f32]) {
        self.scratch.x[..stream.len()].copy_from_slice(stream);
        self.tokens = stream.len() / self.pooled.len();
        assert!(self.tokens > 0, "a text without tokens");
    }

    /// The vector of the text, of length one: `hidden_size`.
    pub fn unit(&self) -> &[f32] {
        &self.unit
    }

    /// The vector of the text as long as pooling left it. Nothing is decided by it, so it may divide.
    pub fn pooled(&self, config: &ModelConfig) -> Vec<f32> {
        let count = match pooling(config) {
            Pooling::Mean => self.tokens.max(1) as f32,
            Pooling::First => 1.0,
        };
        self.pooled.iter().map(|x| x / count).collect()
    }
}

/// Begins a text: checks it, and looks its tokens up. [`advance`] takes it further.
pub fn begin<W: Weights>(
    config: &ModelConfig,
    weights: &W,
    state: &mut EncoderState<W::Arithmetic>,
    tokens: &[u32],
) -> Result<()> {
    check(config, state.most, tokens)?;
    embed(config, weights, state, tokens);
    Ok(())
}

/// That a text can be read by a state for `most` tokens.
pub fn check(config: &ModelConfig, most: usize, tokens: &[u32]) -> Result<()> {
    if tokens.is_empty() {
        bail!(Input, "the text has no tokens");
    }
    if tokens.len() > most {
        bail!(Capacity, "a text of {} tokens: at most {most} are read", tokens.len());
    }
    if let Some(token) = tokens.iter().find(|&&token| token as usize >= config.vocab_size) {
        bail!(Input, "token {token} is not in the vocabulary of {} tokens", config.vocab_size);
    }
    Ok(())
}

/// Takes the text through its next block, and makes its vector behind the last one. True once that is there.
pub fn advance<W: Weights>(config: &ModelConfig, weights: &mut W, state: &mut EncoderState<W::Arithmetic>) -> bool {
    if state.layer < config.num_hidden_layers {
        block(config, weights, state.layer, state);
        state.layer += 1;
        if state.layer == config.num_hidden_layers {
            pool(config, state);
        }
    }
    state.layer == config.num_hidden_layers
}

/// Looks the tokens of a text up, of which it is known that they can be read (see [`check`]).
///
/// # Panics
/// Where [`begin`] has an error.
pub fn embed<W: Weights>(config: &ModelConfig, weights: &W, state: &mut EncoderState<W::Arithmetic>, tokens: &[u32]) {
    assert!(!tokens.is_empty() && tokens.len() <= state.most, "tokens of a text");
    (state.tokens, state.layer) = (tokens.len(), 0);
    let hidden = config.hidden_size;
    let Scratch { arithmetic, transforms, x, update, .. } = &mut state.scratch;
    let x = &mut x[..times(tokens.len(), hidden)];
    let update = &mut update[..x.len()];
    for (position, (&token, (x, place))) in
        tokens.iter().zip(rows_mut(x, hidden).zip(rows_mut(update, hidden))).enumerate()
    {
        weights.row(Kind::Embedding, token as usize, x);
        weights.row(Kind::Position, position, place);
        x.iter_mut().zip(&*place).for_each(|(x, place)| *x += place);
    }
    turn_back(Crew::alone(), &transforms.residual, x, hidden);
    norm(Crew::alone(), arithmetic, weights, VectorId::EmbeddingNorm, x, hidden);
}

/// One block: attention and the feed-forward layer, each added to the stream, which is normalised afterwards.
pub fn block<W: Weights>(config: &ModelConfig, weights: &mut W, layer: usize, state: &mut EncoderState<W::Arithmetic>) {
    let (hidden, head, middle) = (config.hidden_size, config.head_dim, config.intermediate_size);
    let EncoderState { tokens, cache, scratch, queries, mixed: mixed_by_head, .. } = state;
    let tokens = *tokens;
    let Scratch { arithmetic, transforms, x, normed: turned, query, mixed, key, value, up, update, kernel, .. } =
        scratch;
    let matrix = |kind| MatrixId { layer, kind };
    let (crew, workers) = kernel.crew();
    let x = &mut x[..times(tokens, hidden)];
    let turned = &mut turned[..x.len()];
    let query = &mut query[..x.len()];
    let key = &mut key[..x.len()];
    let value = &mut value[..x.len()];
    let mixed = &mut mixed[..x.len()];
    let update = &mut update[..x.len()];
    let up = &mut up[..times(tokens, middle)];

    // Queries, keys and values.
    turn(crew, &transforms.residual, x, turned, hidden);
    for (kind, out) in [(Kind::Query, &mut *query), (Kind::Key, &mut *key), (Kind::Value, &mut *value)] {
        weights.product(matrix(kind), turned, tokens, out);
        add_bias(weights.bias(VectorId::Bias(matrix(kind))), out);
    }
    split(crew, query, head, |_, query| arithmetic.turn_queries(query));
    split(crew, key, head, |_, key| arithmetic.turn_keys(key));
    arithmetic.remember(cache, 0, key, value, crew);

    // Every token mixes the values of all. The queries of a head lie together, so that several meet its keys at once.
    let padded = (tokens + (TOGETHER - 1)) & !(TOGETHER - 1);
    let place = |token: usize, number: usize| times(times(number, padded) + token, head);
    for (token, row) in rows(query, hidden).enumerate() {
        for (number, part) in rows(row, head).enumerate() {
            queries[place(token, number)..][..head].copy_from_slice(part);
        }
    }
    let (queries, cache, group) = (&*queries, &*cache, times(TOGETHER, head));
    let all = times(padded, hidden);
    split_with(crew, &mut mixed_by_head[..all], group, workers, |start, part, worker| {
        let mut number = divide(start, times(padded, head));
        let mut token = divide(start - place(0, number), head);
        for (queries, mixed) in rows(&queries[start..all], group).zip(rows_mut(part, group)) {
            let length = times(TOGETHER.min(tokens - token), head);
            arithmetic.attend(cache, number, &queries[..length], 0..tokens, &mut mixed[..length], worker);
            token += TOGETHER;
            if token >= tokens {
                (number, token) = (number + 1, 0);
            }
        }
    });
    for (token, row) in rows_mut(mixed, hidden).enumerate() {
        for (number, part) in rows_mut(row, head).enumerate() {
            part.copy_from_slice(&mixed_by_head[place(token, number)..][..head]);
        }
    }
    weights.product(matrix(Kind::Output), mixed, tokens, update);
    turn_back(crew, &transforms.residual, update, hidden);
    add_bias(weights.bias(VectorId::Bias(matrix(Kind::Output))), update);
    x.iter_mut().zip(&*update).for_each(|(x, update)| *x += update);
    norm(crew, arithmetic, weights, VectorId::AttentionNorm(layer), x, hidden);

    // The feed-forward layer.
    turn(crew, &transforms.residual, x, turned, hidden);
    weights.product(matrix(Kind::Up), turned, tokens, up);
    let bias = weights.bias(VectorId::Bias(matrix(Kind::Up)));
    split(crew, up, middle, |_, up| {
        if let Some(transform) = &transforms.gate_up {
            transform.inverse_rows(up);
        }
        add_bias(bias, up);
        arithmetic.gelu(up);
        if let Some(transform) = &transforms.down {
            transform.forward_rows(up);
        }
    });
    weights.product(matrix(Kind::Down), up, tokens, update);
    turn_back(crew, &transforms.residual, update, hidden);
    add_bias(weights.bias(VectorId::Bias(matrix(Kind::Down))), update);
    x.iter_mut().zip(&*update).for_each(|(x, update)| *x += update);
    norm(crew, arithmetic, weights, VectorId::FeedForwardNorm(layer), x, hidden);
}

/// Makes the vector of the text from those of its tokens. The mean is left a sum: it is brought to length one anyway.
fn pool<A: Arithmetic>(config: &ModelConfig, state: &mut EncoderState<A>) {
    let hidden = config.hidden_size;
    let EncoderState { tokens, scratch, pooled, unit, .. } = state;
    let count = match pooling(config) {
        Pooling::Mean => *tokens,
        Pooling::First => 1,
    };
    pooled.fill(0.0);
    for row in rows(&scratch.x, hidden).take(count) {
        pooled.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    unit.copy_from_slice(pooled);
    scratch.arithmetic.unit(unit);
}

fn pooling(config: &ModelConfig) -> Pooling {
    config.encoder.map_or(Pooling::Mean, |encoder| encoder.pooling)
}

/// The stream in the basis of the matrices that read it.
fn turn(crew: Crew<'_>, transform: &Option<Hadamard>, x: &[f32], turned: &mut [f32], length: usize) {
    split(crew, turned, length, |start, turned| {
        turned.copy_from_slice(&x[start..][..turned.len()]);
        if let Some(transform) = transform {
            transform.forward_rows(turned);
        }
    });
}

/// What matrices give, in the checkpoint's own basis. (They were divided by the order of the transform.)
fn turn_back(crew: Crew<'_>, transform: &Option<Hadamard>, x: &mut [f32], length: usize) {
    if let Some(transform) = transform {
        split(crew, x, length, |_, x| transform.inverse_rows(x));
    }
}

fn add_bias(bias: Option<&[f32]>, x: &mut [f32]) {
    if let Some(bias) = bias {
        for row in rows_mut(x, bias.len()) {
            row.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
        }
    }
}

/// Normalises the rows of the stream.
fn norm<W: Weights>(
    crew: Crew<'_>,
    arithmetic: &W::Arithmetic,
    weights: &W,
    norm: VectorId,
    x: &mut [f32],
    length: usize,
) {
    let bias = match norm {
        VectorId::AttentionNorm(layer) => VectorId::AttentionNormBias(layer),
        VectorId::FeedForwardNorm(layer) => VectorId::FeedForwardNormBias(layer),
        _ => VectorId::EmbeddingNormBias,
    };
    // Both are there wherever a model is complete.
    let (Some(gain), Some(bias)) = (weights.gain(norm), weights.bias(bias)) else { return };
    split(crew, x, length, |_, x| rows_mut(x, length).for_each(|x| arithmetic.layer_norm(x, gain, bias)));
}
