//! A sentence encoder and its tokenizer: from texts to vectors, step by step. Every shell runs this and only decides what to
//! do between two steps.

use std::sync::Arc;

use nomul::{
    Model, Result, bail,
    encoder::{EncoderState, advance, check, embed},
    team::Team,
};

use crate::tokenizer::Tokenizer;

/// How far a text has come.
#[derive(Clone, Copy, PartialEq)]
enum Task {
    /// There is none.
    None,
    /// It is to be looked up.
    Begin,
    /// It is on its way through the blocks.
    Underway,
    /// Its vector is there.
    Done,
}

/// An encoder, its tokenizer, and the text that it reads.
pub struct Encoder {
    model: Model,
    tokenizer: Tokenizer,
    state: EncoderState,
    /// The tokens of the text; given back when the next one begins, since giving memory back multiplies.
    ids: Vec<u32>,
    task: Task,
}

impl Encoder {
    /// From the small files of a model folder; the shards are pushed afterwards. `max_tokens` is the most tokens of a text,
    /// those around it included; without a number it is what the model's files say. All memory is taken here.
    pub fn new(
        config_json: &[u8],
        index_json: &[u8],
        tokenizer_json: &[u8],
        tokenizer_config: Option<&[u8]>,
        max_tokens: impl Into<Option<usize>>,
    ) -> Result<Encoder> {
        let tokenizer = Tokenizer::from_json(tokenizer_json, tokenizer_config)?;
        let model = Model::new(config_json, index_json)?;
        let config = model.config();
        let told = config.encoder.map_or(config.max_position_embeddings, |encoder| encoder.max_tokens);
        let state = EncoderState::new(config, max_tokens.into().unwrap_or(told))?;
        Ok(Encoder { model, tokenizer, state, ids: Vec::new(), task: Task::None })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model, to change it. A text that is being read goes on with the planes that there are then.
    pub fn model_mut(&mut self) -> &mut Model {
        &mut self.model
    }

    /// Has its work done by a team; the vectors are the same.
    pub fn set_team(&mut self, team: Arc<dyn Team>) {
        self.state.set_team(team.clone());
        self.model.set_team(team);
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The most tokens of a text.
    pub fn max_tokens(&self) -> usize {
        self.state.most()
    }

    /// The ids of a text as it is read: between the tokens that the model wants around it, cut to what it can read.
    pub fn tokenize(&self, text: &str) -> Result<Vec<u32>> {
        self.tokenizer.encode_within(text, self.state.most())
    }

    /// Begins a text; one that was being read is dropped. The ids are used as they are.
    pub fn start(&mut self, ids: impl Into<Vec<u32>>) -> Result<()> {
        self.task = Task::None;
        let ids = ids.into();
        check(self.model.config(), self.state.most(), &ids)?;
        if !self.model.is_usable() {
            bail!(NotReady, "the model has not arrived yet");
        }
        (self.ids, self.task) = (ids, Task::Begin);
        Ok(())
    }

    /// Takes the text through the next block of the model; the last one leaves its vector. All of it is shifts, look-ups and
    /// additions.
    pub fn compute(&mut self) {
        let Encoder { model, state, ids, task, .. } = self;
        if matches!(task, Task::None | Task::Done) {
            return;
        }
        let (config, weights) = model.parts();
        if *task == Task::Begin {
            embed(config, weights, state, ids);
        }
        *task = if advance(config, weights, state) { Task::Done } else { Task::Underway };
    }

    /// True once the vector is there.
    pub fn is_done(&self) -> bool {
        self.task == Task::Done
    }

    /// The vector of the text: of length one, or as long as pooling left it.
    pub fn finish(&mut self, normalize: bool) -> Result<Vec<f32>> {
        if core::mem::replace(&mut self.task, Task::None) != Task::Done {
            bail!(NotReady, "no text was read to its end");
        }
        Ok(if normalize { self.state.unit().to_vec() } else { self.state.pooled(self.model.config()) })
    }

    /// All of it for one text.
    pub fn embed(&mut self, text: &str) -> Result<Vec<f32>> {
        let ids = self.tokenize(text)?;
        self.start(ids)?;
        while !self.is_done() {
            self.compute();
        }
        self.finish(true)
    }
}
