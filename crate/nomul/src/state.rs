//! Everything a conversation needs beside the weights: keys and values of the past, and all scratch, allocated once.

use alloc::{sync::Arc, vec, vec::Vec};

use crate::{
    Result, arithmetic::Arithmetic, bail, config::ModelConfig, forward::CHUNK, hadamard::Hadamard, kernel,
    shift::ShiftAdd, team::Team,
};

/// The transforms that the forward pass applies, see [`crate::config::Rotations`].
pub struct Transforms {
    pub(crate) residual: Option<Hadamard>,
    pub(crate) query_key: Option<Hadamard>,
    pub(crate) gate_up: Option<Hadamard>,
    pub(crate) down: Option<Hadamard>,
}

impl Transforms {
    /// The transforms of a configuration; none for a checkpoint.
    pub fn new(config: &ModelConfig) -> Transforms {
        let rotations = config.rotations();
        let transform = |n: usize, seed: Option<u64>| seed.map(|seed| Hadamard::new(n, seed));
        Transforms {
            residual: transform(config.hidden_size, rotations.residual),
            query_key: transform(config.head_dim, rotations.query_key),
            gate_up: transform(config.intermediate_size, rotations.gate_up),
            down: transform(config.intermediate_size, rotations.down),
        }
    }
}

/// Room for the intermediate results of one call of the forward pass with up to `tokens` tokens.
pub struct Scratch<A = ShiftAdd> {
    pub(crate) arithmetic: A,
    pub(crate) transforms: Transforms,
    /// Residual stream: `(tokens, hidden_size)`.
    pub(crate) x: Vec<f32>,
    /// Normalised residual: `(tokens, hidden_size)`.
    pub(crate) normed: Vec<f32>,
    /// Queries, then the mixed values of their heads: `(tokens, query_size)`.
    pub(crate) query: Vec<f32>,
    /// `(tokens, query_size)`.
    pub(crate) mixed: Vec<f32>,
    /// `(tokens, key_value_size)`.
    pub(crate) key: Vec<f32>,
    /// `(tokens, key_value_size)`.
    pub(crate) value: Vec<f32>,
    /// `(tokens, intermediate_size)`; an encoder has no gates.
    pub(crate) gate: Vec<f32>,
    /// `(tokens, intermediate_size)`.
    pub(crate) up: Vec<f32>,
    /// What a block adds to the residual: `(tokens, hidden_size)`.
    pub(crate) update: Vec<f32>,
    pub(crate) kernel: kernel::Scratch,
}

impl<A: Arithmetic> Scratch<A> {
    /// Room for calls with up to `tokens` tokens.
    pub fn new(config: &ModelConfig, tokens: usize) -> Scratch<A> {
        let room = |n: usize| vec![0.0; tokens * n];
        Scratch {
            arithmetic: A::new(config),
            transforms: Transforms::new(config),
            x: room(config.hidden_size),
            normed: room(config.hidden_size),
            query: room(config.query_size()),
            mixed: room(config.query_size()),
            key: room(config.key_value_size()),
            value: room(config.key_value_size()),
            gate: room(if config.encoder.is_some() { 0 } else { config.intermediate_size }),
            up: room(config.intermediate_size),
            update: room(config.hidden_size),
            kernel: kernel::Scratch::default(),
        }
    }

    /// The residual stream that [`crate::forward::block`] reads and adds to: `(tokens, hidden_size)`.
    pub fn stream(&mut self) -> &mut [f32] {
        &mut self.x
    }
}

/// A conversation: what was said so far, as keys and values, and room to go on.
pub struct State<A: Arithmetic = ShiftAdd> {
    pub(crate) position: usize,
    pub(crate) context: usize,
    pub(crate) layers: Vec<A::Cache>,
    pub(crate) scratch: Scratch<A>,
    /// Scores of the next token: `vocab_size`.
    pub(crate) logits: Vec<f32>,
}

impl<A: Arithmetic> State<A> {
    /// An empty conversation of at most `context` tokens. Takes all its memory now: for each layer and each element of a
    /// token's keys and values some 8 bits where the model is in planes, 32 where it is a checkpoint; little else.
    pub fn new(config: &ModelConfig, context: usize) -> Result<State<A>> {
        if config.encoder.is_some() {
            bail!(
                Unsupported,
                "{} is a sentence encoder: it embeds, and writes nothing",
                config.architecture.class_name()
            );
        }
        if context == 0 || context > config.max_position_embeddings {
            bail!(Input, "context of {context} tokens: the model takes 1 to {}", config.max_position_embeddings);
        }
        let scratch = Scratch::<A>::new(config, CHUNK.min(context));
        let layers = (0..config.num_hidden_layers).map(|_| scratch.arithmetic.cache(config, context));
        let layers: Vec<_> = layers.collect::<Result<_>>()?;
        let mut state = State { position: 0, context, layers, scratch, logits: vec![0.0; config.vocab_size] };
        state.reserve();
        Ok(state)
    }

    /// Has its work done by a team; the answers are the same bits. Takes the memory that each worker needs.
    pub fn set_team(&mut self, team: Arc<dyn Team>) {
        self.scratch.kernel = kernel::Scratch::new(team);
        self.reserve();
    }

    /// Has each worker take now what it will need for the whole context.
    fn reserve(&mut self) {
        let Scratch { arithmetic, kernel, .. } = &mut self.scratch;
        if let Some(cache) = self.layers.first() {
            for worker in &mut kernel.workers {
                arithmetic.reserve(cache, self.context, worker);
            }
        }
    }

    /// Tokens said so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The most tokens it can hold.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Forgets everything from `position` on, so that another text can follow a shared beginning.
    pub fn truncate(&mut self, position: usize) {
        self.position = self.position.min(position);
    }
}
