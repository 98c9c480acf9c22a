//! A model, its tokenizer and one conversation: the loop that makes an answer, step by step. Every shell runs this and
//! only decides what to do between two steps. `reading` is about texts that get no answer, `saved` keeps a conversation.

use std::{ops::Range, sync::Arc};

use nomul::{
    Model, Result, State, bail,
    forward::{CHUNK, decode, decode_checked, prefill, prefill_checked},
    sample::{SampleOptions, Sampler},
    team::Team,
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{stream::TextStream, tokenizer::Tokenizer};

mod logprobs;
mod reading;
mod saved;

pub use logprobs::TokenLogprobs;
use reading::Reading;
pub use reading::Wanted;

/// The context of a session that was not told how long it should be, if the model can hold as much.
const CONTEXT: usize = 4096;

/// How an answer is made. [`GenerateOptions::default`] takes the likeliest token until the model ends or the context is
/// full.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GenerateOptions {
    /// The most tokens; `None`: as many as fit.
    pub max_tokens: Option<usize>,
    /// How each is chosen.
    pub sample: SampleOptions,
    /// Texts to stop before.
    pub stop: Vec<String>,
    /// Go on where the model would end.
    pub ignore_eos: bool,
    /// Tell with each token how likely it was, and so many of the likeliest beside it, at most 20.
    pub logprobs: Option<usize>,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model ended it, or a stop text came.
    Stop,
    /// `max_tokens` were made, or the context is full.
    Length,
}

/// What an answer took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// How many of them did not have to be read again.
    pub cached_tokens: usize,
    /// Tokens of the answer. A token that ends the text counts; it has no text.
    pub completion_tokens: usize,
}

/// What a call of [`Session::step`] did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Step {
    /// Some of the prompt was read.
    Prefill {
        /// Tokens read so far, cached ones included.
        done: usize,
        /// Tokens of the prompt.
        total: usize,
    },
    /// The answer has one more token.
    Token {
        /// The token.
        id: u32,
        /// The text that can be told now; often that of several tokens, or none.
        text: String,
        /// How likely it was, if that was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        logprobs: Option<TokenLogprobs>,
    },
    /// The answer is complete.
    End {
        /// Text that was held back until now.
        text: String,
        /// Why.
        reason: Finish,
        /// What it took.
        usage: Usage,
    },
}

/// An answer that is being made.
struct Answer {
    prompt: Vec<u32>,
    options: GenerateOptions,
    sampler: Sampler,
    /// The scores as the model gave them, which the sampler changes; empty if nobody asks for them.
    scores: Vec<f32>,
    stream: TextStream,
    usage: Usage,
    /// The token to read next, which came out last.
    last: Option<u32>,
    finish: Option<Finish>,
    /// What was computed and is not told yet.
    done: Option<Done>,
}

/// What comes next.
enum Next {
    /// Tokens of the prompt are to be read.
    Read(Range<usize>),
    /// A token is to be read, and the next one chosen.
    Decode(u32),
    /// Nothing.
    End(Finish),
}

/// What [`Session::compute`] has done, and the level of planes that it was done with.
struct Done {
    /// Of the prompt, where it was read.
    read: Range<usize>,
    /// The token that was read and the one that was chosen.
    chosen: Option<(u32, u32)>,
    level: Level,
}

impl Answer {
    /// What comes next, after the tokens that the state holds.
    fn next(&self, state: &State) -> Next {
        if let Some(reason) = self.finish {
            return Next::End(reason);
        }
        if self.options.max_tokens.is_some_and(|most| self.usage.completion_tokens >= most) {
            return Next::End(Finish::Length);
        }
        // The last token of the prompt is read with the head, because the first token of the answer follows from it.
        let (total, done) = (self.prompt.len(), state.position());
        let next = match self.last {
            None if done + 1 < total => return Next::Read(done..(total - 1).min(done + CHUNK)),
            None => self.prompt[total - 1],
            Some(token) => token,
        };
        if done == state.context() { Next::End(Finish::Length) } else { Next::Decode(next) }
    }
}

/// A model, its tokenizer and one conversation.
pub struct Session {
    model: Model,
    tokenizer: Tokenizer,
    end_tokens: Vec<u32>,
    state: State,
    /// The ids whose keys and values the state holds.
    cached: Vec<u32>,
    cached_with: Level,
    answer: Option<Answer>,
    reading: Option<Reading>,
}

/// The planes that keys and values were computed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// Those of so many levels.
    One(usize),
    /// Those that were there each time, while a model was arriving.
    Rising,
    /// Nobody knows.
    Unknown,
}

impl Session {
    /// From the small files of a model folder; the shards are pushed afterwards. `context` is the most tokens of prompt
    /// and answer together; without a number it is what the model was made for, up to 4096. All memory is taken here.
    pub fn new(
        config_json: &[u8],
        index_json: &[u8],
        tokenizer_json: &[u8],
        tokenizer_config: Option<&[u8]>,
        generation_config: Option<&[u8]>,
        context: impl Into<Option<usize>>,
    ) -> Result<Session> {
        let tokenizer = Tokenizer::from_json(tokenizer_json, tokenizer_config)?;
        let model = Model::new(config_json, index_json)?;
        let config = model.config();
        let mut end_tokens = match generation_config {
            Some(json) => end_tokens(json)?,
            None => Vec::new(),
        };
        if end_tokens.is_empty() {
            end_tokens = config.eos_token_ids.clone();
        }
        if end_tokens.is_empty() {
            end_tokens.extend(tokenizer.eos_id());
        }
        let context = context.into().unwrap_or(config.max_position_embeddings.min(CONTEXT));
        let state = State::new(config, context)?;
        Ok(Session {
            tokenizer,
            end_tokens,
            state,
            cached: Vec::new(),
            cached_with: Level::Unknown,
            answer: None,
            reading: None,
            model,
        })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model, to change it. What was read so far is read again for the next answer.
    pub fn model_mut(&mut self) -> &mut Model {
        self.cached_with = Level::Unknown;
        if let Some(done) = self.answer.as_mut().and_then(|answer| answer.done.as_mut()) {
            done.level = Level::Unknown;
        }
        &mut self.model
    }

    /// Has its work done by a team; the answers are the same.
    pub fn set_team(&mut self, team: Arc<dyn Team>) {
        self.state.set_team(team.clone());
        self.model.set_team(team);
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The most tokens of prompt and answer together.
    pub fn context(&self) -> usize {
        self.state.context()
    }

    /// Takes the next bytes of the shards, see [`Model::push`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.model.push(bytes)
    }

    /// Takes the next shard without its SHA-256, see [`Model::trust`].
    pub fn trust(&mut self) {
        self.model.trust();
    }

    /// Forgets what has come of the shard that is being received, see [`Model::rewind`].
    pub fn rewind(&mut self) {
        self.model.rewind();
    }

    /// Uses the first `planes` plane shards only, see [`Model::set_planes`].
    pub fn set_planes(&mut self, planes: Option<usize>) -> Result<()> {
        self.model_mut().set_planes(planes)
    }

    /// The ids of a text; `add_special` puts those around it that the tokenizer wants around a whole text.
    pub fn tokenize(&self, text: &str, add_special: bool) -> Result<Vec<u32>> {
        self.tokenizer.encode(text, add_special)
    }

    /// The text of ids, special tokens written out.
    pub fn detokenize(&self, ids: &[u32]) -> Result<String> {
        self.check(ids)?;
        Ok(self.tokenizer.decode(ids, false))
    }

    /// The tokens that end an answer.
    pub fn end_tokens(&self) -> &[u32] {
        &self.end_tokens
    }

    /// Begins an answer to a prompt; an answer that was being made is dropped. What the prompt shares with the text that
    /// was read last is not read again; the result says how many tokens that are.
    pub fn start(&mut self, prompt: impl Into<Vec<u32>>, options: GenerateOptions) -> Result<usize> {
        (self.answer, self.reading) = (None, None);
        let prompt = prompt.into();
        let scores = match options.logprobs {
            Some(most) if most > logprobs::MOST => {
                bail!(Input, "logprobs of {most} tokens: at most {}", logprobs::MOST)
            }
            Some(_) => vec![0.0; self.model.config().vocab_size],
            None => Vec::new(),
        };
        let mut sampler = Sampler::new(options.sample.clone(), self.model.config().vocab_size)?;
        let cached = self.reuse(&prompt, true)?;
        sampler.prompt(&prompt);
        let usage = Usage { prompt_tokens: prompt.len(), cached_tokens: cached, completion_tokens: 0 };
        let stream = TextStream::new(options.stop.clone());
        let (last, finish, done) = (None, None, None);
        self.answer = Some(Answer { prompt, options, sampler, scores, stream, usage, last, finish, done });
        Ok(cached)
    }

    /// Which tokens the next one of the answer may be, until told otherwise: a bit each, see [`Sampler::allow`].
    pub fn allow(&mut self, allowed: &[u32]) -> Result<()> {
        match &mut self.answer {
            Some(answer) => answer.sampler.allow(allowed, self.model.config().vocab_size),
            None => bail!(NotReady, "no answer was started"),
        }
    }

    /// Computes what [`Session::step`] tells next: reads a part of the prompt, or reads a token and chooses the one after
    /// it. All of it is shifts, look-ups and additions; the rest, which is text and errors, is left to `step`.
    pub fn compute(&mut self) {
        let Session { answer: Some(answer), model, state, .. } = self else { return };
        if answer.done.is_some() {
            return;
        }
        let level = Level::One(model.level());
        let (config, weights) = model.parts();
        answer.done = match answer.next(state) {
            Next::End(_) => None,
            Next::Read(read) => {
                prefill_checked(config, weights, state, &answer.prompt[read.clone()]);
                Some(Done { read, chosen: None, level })
            }
            Next::Decode(token) => {
                let logits = decode_checked(config, weights, state, token);
                answer.scores.iter_mut().zip(&*logits).for_each(|(kept, logit)| *kept = *logit);
                let id = answer.sampler.sample(logits);
                Some(Done { read: 0..0, chosen: Some((token, id)), level })
            }
        };
    }

    /// Does the next piece of work, if [`Session::compute`] has not done it: reads a part of the prompt, or makes a token,
    /// or ends the answer. After an error there is no answer.
    pub fn step(&mut self) -> Result<Step> {
        self.compute();
        let Some(mut answer) = self.answer.take() else {
            bail!(NotReady, "no answer was started");
        };
        let step = self.tell(&mut answer);
        if !matches!(step, Step::End { .. }) {
            self.answer = Some(answer);
        }
        Ok(step)
    }

    /// What was computed, as text.
    fn tell(&mut self, answer: &mut Answer) -> Step {
        let Some(Done { read, chosen, level }) = answer.done.take() else {
            let Next::End(reason) = answer.next(&self.state) else { unreachable!("what comes next was computed") };
            let text = answer.stream.finish(&self.tokenizer);
            return Step::End { text, reason, usage: answer.usage };
        };
        let Some((token, id)) = chosen else {
            self.note(&answer.prompt[read.clone()], level);
            return Step::Prefill { done: read.end, total: answer.prompt.len() };
        };
        self.note(&[token], level);
        answer.sampler.accept(id);
        answer.last = Some(id);
        answer.usage.completion_tokens += 1;
        let mut text = String::new();
        if !answer.options.ignore_eos && self.end_tokens.contains(&id) {
            answer.finish = Some(Finish::Stop);
        } else {
            text = answer.stream.push(&self.tokenizer, id);
            if answer.stream.is_stopped() {
                answer.finish = Some(Finish::Stop);
            }
        }
        let logprobs = answer.options.logprobs.map(|most| TokenLogprobs::new(&answer.scores, id, most));
        Step::Token { id, text, logprobs }
    }

    /// The scores of what may follow a text: `vocab_size` of them. An answer that was being made is dropped.
    pub fn logits(&mut self, ids: &[u32]) -> Result<Vec<f32>> {
        (self.answer, self.reading) = (None, None);
        self.reuse(ids, false)?;
        let Some((last, before)) = ids.split_last() else { bail!(Input, "the prompt is empty") };
        let level = Level::One(self.model.level());
        for chunk in before[self.cached.len()..].chunks(CHUNK) {
            let (config, weights) = self.model.parts();
            prefill(config, weights, &mut self.state, chunk)?;
            self.note(chunk, level);
        }
        let (config, weights) = self.model.parts();
        let logits = decode(config, weights, &mut self.state, *last)?.to_vec();
        self.note(&[*last], level);
        Ok(logits)
    }

    fn check(&self, ids: &[u32]) -> Result<()> {
        let vocab = self.model.config().vocab_size.max(self.tokenizer.vocab_size());
        match ids.iter().position(|&id| id as usize >= vocab) {
            Some(place) => bail!(Input, "token {} at {place} is not in the vocabulary of {vocab} tokens", ids[place]),
            None => Ok(()),
        }
    }

    /// Checks a prompt, and keeps of what was read as much as it begins with, except its last token, which is read
    /// again for its scores. How many tokens that are.
    ///
    /// Other planes give other keys and values. What was read with fewer is kept where it is `rough` enough, while a model
    /// arrives: a conversation goes on. Once it is all here, the conversation is read anew, once; from then on an answer does
    /// not depend on what was asked before.
    fn reuse(&mut self, prompt: &[u32], rough: bool) -> Result<usize> {
        let config = self.model.config();
        if prompt.is_empty() {
            bail!(Input, "the prompt is empty");
        }
        if let Some(place) = prompt.iter().position(|&id| id as usize >= config.vocab_size) {
            bail!(Input, "token {} at {place} is not in the vocabulary of {} tokens", prompt[place], config.vocab_size);
        }
        if prompt.len() > self.state.context() {
            bail!(Capacity, "the prompt has {} tokens, the context holds {}", prompt.len(), self.state.context());
        }
        if !self.model.is_usable() {
            bail!(
                NotReady,
                "the model is not ready: {} of {} bytes have arrived",
                self.model.received(),
                self.model.total()
            );
        }
        let mut shared = self.cached.iter().zip(&prompt[..prompt.len() - 1]).take_while(|(a, b)| a == b).count();
        let level = self.model.level();
        let arriving = rough && level < self.model.levels();
        if self.cached_with != Level::One(level) && !(arriving && self.cached_with != Level::Unknown) {
            shared = 0;
        }
        self.state.truncate(shared);
        self.cached.truncate(shared);
        Ok(shared)
    }

    /// Notes that tokens were read, with the planes of a level.
    fn note(&mut self, tokens: &[u32], level: Level) {
        if self.cached.is_empty() {
            self.cached_with = level;
        } else if self.cached_with != level {
            let known = self.cached_with != Level::Unknown && level != Level::Unknown;
            self.cached_with = if known { Level::Rising } else { Level::Unknown };
        }
        self.cached.extend(tokens);
    }
}

/// `eos_token_id` of `generation_config.json`: a number, several, or none.
fn end_tokens(json: &[u8]) -> Result<Vec<u32>> {
    let json: Json = match serde_json::from_slice(json) {
        Ok(json) => json,
        Err(error) => bail!(Format, "generation_config.json: {error}"),
    };
    let field = &json["eos_token_id"];
    let ids = match field {
        Json::Null => &[],
        Json::Array(ids) => ids.as_slice(),
        id => std::slice::from_ref(id),
    };
    let id = |id: &Json| match id.as_u64().and_then(|id| u32::try_from(id).ok()) {
        Some(id) => Ok(id),
        None => bail!(Value, "generation_config.json: eos_token_id holds {id}, not a token"),
    };
    ids.iter().map(id).collect()
}

#[cfg(test)]
mod tests;
