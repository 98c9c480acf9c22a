//! Language models.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use nomul::{Code, Error, model, sample::SampleOptions};
use nomul_text::{Finish, GenerateOptions, Message, Step, TokenLogprobs, Wanted};

use crate::{
    Component,
    bindings::exports::nomul::runtime::{
        models::{self as wit, Guest, GuestGeneration, GuestModel},
        types::{Files, Shard},
    },
    convert::{Result, count},
    loaded::Loaded,
    resident,
};

impl From<wit::Options> for GenerateOptions {
    fn from(options: wit::Options) -> GenerateOptions {
        let default = SampleOptions::default();
        GenerateOptions {
            max_tokens: options.max_tokens.map(|most| most as usize),
            sample: SampleOptions {
                temperature: options.temperature.unwrap_or(default.temperature),
                top_k: options.top_k.map_or(default.top_k, |k| k as usize),
                top_p: options.top_p.unwrap_or(default.top_p),
                min_p: options.min_p.unwrap_or(default.min_p),
                repetition_penalty: options.repetition_penalty.unwrap_or(default.repetition_penalty),
                presence_penalty: options.presence_penalty.unwrap_or(default.presence_penalty),
                frequency_penalty: options.frequency_penalty.unwrap_or(default.frequency_penalty),
                logit_bias: options.logit_bias,
                seed: options.seed.unwrap_or(default.seed),
            },
            stop: options.stop,
            ignore_eos: options.ignore_eos.unwrap_or(false),
            logprobs: options.logprobs.map(|most| most as usize),
        }
    }
}

fn said(messages: Vec<wit::Message>) -> Vec<Message> {
    messages.into_iter().map(|message| Message { role: message.role, content: message.content }).collect()
}

fn logprobs(logprobs: TokenLogprobs) -> wit::TokenLogprobs {
    wit::TokenLogprobs { logprob: logprobs.logprob, top: logprobs.top }
}

impl From<Step> for wit::Event {
    fn from(step: Step) -> wit::Event {
        match step {
            Step::Prefill { done, total } => {
                wit::Event::Prefill(wit::Prefill { done: count(done), total: count(total) })
            }
            Step::Token { id, text, logprobs: likely } => {
                wit::Event::Token(wit::Token { id, text, logprobs: likely.map(logprobs) })
            }
            Step::End { text, reason, usage } => wit::Event::End(wit::End {
                text,
                reason: match reason {
                    Finish::Stop => wit::Finish::Stop,
                    Finish::Length => wit::Finish::Length,
                },
                prompt_tokens: count(usage.prompt_tokens),
                cached_tokens: count(usage.cached_tokens),
                completion_tokens: count(usage.completion_tokens),
            }),
        }
    }
}

/// What a model and the answers that it makes have in common.
struct Shared {
    loaded: RefCell<Loaded>,
    /// How often it has begun something: an answer goes on only while nothing else was.
    begun: Cell<u64>,
}

impl Shared {
    /// Notes that something else begins.
    fn begin(&self) -> u64 {
        self.begun.update(|begun| begun + 1);
        self.begun.get()
    }
}

/// The resource `model`.
pub struct Model {
    shared: Rc<Shared>,
}

/// The resource `generation`.
pub struct Generation {
    shared: Rc<Shared>,
    begun: u64,
    ended: Cell<bool>,
}

impl Guest for Component {
    type Generation = Generation;
    type Model = Model;
}

impl Model {
    fn resource(loaded: Loaded) -> wit::Model {
        wit::Model::new(Model { shared: Rc::new(Shared { loaded: RefCell::new(loaded), begun: Cell::new(0) }) })
    }

    /// What the session says. Nothing here calls back, so nobody else holds it.
    fn get<T>(&self, ask: impl FnOnce(&Loaded) -> T) -> T {
        ask(&self.shared.loaded.borrow())
    }

    /// Changes the session. `begin`: an answer that was being made ends here.
    fn change<T>(&self, begin: bool, work: impl FnOnce(&mut Loaded) -> T) -> T {
        if begin {
            self.shared.begin();
        }
        work(&mut self.shared.loaded.borrow_mut())
    }

    fn answer(&self, prompt: Vec<u32>, options: wit::Options) -> Result<wit::Generation> {
        self.change(false, |loaded| loaded.session.start(prompt, options.into()))?;
        let begun = self.shared.begin();
        Ok(wit::Generation::new(Generation { shared: self.shared.clone(), begun, ended: Cell::new(false) }))
    }

    fn read_all(&self, ids: Vec<u32>, wanted: Wanted) -> nomul::Result<Vec<f32>> {
        self.change(true, |loaded| {
            loaded.session.read(ids, wanted)?;
            while let (done, total) = loaded.session.read_on()?
                && done < total
            {}
            loaded.session.end_reading()
        })
    }
}

impl GuestGeneration for Generation {
    fn next(&self) -> Result<wit::Event> {
        let stale = self.shared.begun.get() != self.begun;
        if stale || self.ended.get() {
            let line = if stale { "the model has begun something else" } else { "the answer has ended" };
            return Err(Error::new(Code::NotReady, line).into());
        }
        let step = self.shared.loaded.borrow_mut().session.step()?;
        self.ended.set(matches!(step, Step::End { .. }));
        Ok(step.into())
    }
}

impl GuestModel for Model {
    fn open(files: Files, context_length: Option<u32>) -> Result<wit::Model> {
        Ok(Model::resource(Loaded::open(&files, context_length)?))
    }

    fn take_resident() -> Result<wit::Model> {
        Ok(Model::resource(resident::take()?))
    }

    fn shards(&self) -> Vec<Shard> {
        self.get(|loaded| loaded.session.model().shards().iter().map(Shard::from).collect())
    }

    fn push(&self, bytes: Vec<u8>) -> Result<()> {
        Ok(self.change(false, |loaded| loaded.session.push(&bytes))?)
    }

    fn rewind(&self) {
        self.change(false, |loaded| loaded.session.rewind());
    }

    fn progress(&self) -> wit::Progress {
        self.get(|loaded| {
            let model = loaded.session.model();
            wit::Progress {
                received: model.received(),
                total: model.total(),
                level: count(model.level()),
                levels: count(model.levels()),
                usable: model.is_usable(),
            }
        })
    }

    fn set_planes(&self, planes: Option<u32>) -> Result<()> {
        Ok(self.change(false, |loaded| loaded.session.set_planes(planes.map(|planes| planes as usize)))?)
    }

    fn inspect(&self) -> Vec<wit::Matrix> {
        let matrix = |info: model::MatrixInfo| wit::Matrix {
            name: info.name,
            layer: count(info.layer),
            kind: info.kind.into(),
            rows: count(info.rows),
            columns: count(info.columns),
            planes: count(info.planes),
            planes_ready: count(info.planes_ready),
            bytes: info.bytes,
            error: info.error,
            reason: info.reason,
        };
        self.get(|loaded| loaded.session.model().inspect().into_iter().map(matrix).collect())
    }

    fn context_length(&self) -> u32 {
        self.get(|loaded| count(loaded.session.context()))
    }

    fn tokenize(&self, text: String, add_special: bool) -> Result<Vec<u32>> {
        Ok(self.get(|loaded| loaded.session.tokenize(&text, add_special))?)
    }

    fn detokenize(&self, ids: Vec<u32>) -> Result<String> {
        Ok(self.get(|loaded| loaded.session.detokenize(&ids))?)
    }

    fn render(&self, messages: Vec<wit::Message>) -> Result<String> {
        Ok(self.get(|loaded| loaded.render(&said(messages)))?)
    }

    fn end_tokens(&self) -> Vec<u32> {
        self.get(|loaded| loaded.session.end_tokens().to_vec())
    }

    fn chat(&self, messages: Vec<wit::Message>, options: wit::Options) -> Result<wit::Generation> {
        // The template writes its special tokens itself.
        let prompt = self.get(|loaded| loaded.session.tokenize(&loaded.render(&said(messages))?, false))?;
        self.answer(prompt, options)
    }

    fn complete(&self, prompt: String, options: wit::Options) -> Result<wit::Generation> {
        let prompt = self.get(|loaded| loaded.session.tokenize(&prompt, true))?;
        self.answer(prompt, options)
    }

    fn start(&self, prompt: Vec<u32>, options: wit::Options) -> Result<wit::Generation> {
        self.answer(prompt, options)
    }

    fn logits(&self, ids: Vec<u32>) -> Result<Vec<f32>> {
        Ok(self.change(true, |loaded| loaded.session.logits(&ids))?)
    }

    fn read(&self, ids: Vec<u32>, wanted: wit::Wanted) -> Result<Vec<f32>> {
        let wanted = match wanted {
            wit::Wanted::Logprobs => Wanted::Logprobs,
            wit::Wanted::Mean => Wanted::Mean,
        };
        Ok(self.read_all(ids, wanted)?)
    }

    fn embed(&self, text: String) -> Result<Vec<f32>> {
        Ok(self.change(true, |loaded| loaded.session.embed(loaded.session.tokenize(&text, true)?))?)
    }

    fn save_state(&self) -> Result<Vec<u8>> {
        Ok(self.get(|loaded| loaded.session.save())?)
    }

    fn load_state(&self, state: Vec<u8>) -> Result<()> {
        Ok(self.change(true, |loaded| loaded.session.restore(&state))?)
    }

    fn cached_tokens(&self) -> u32 {
        self.get(|loaded| count(loaded.session.cached()))
    }
}
