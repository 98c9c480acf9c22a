//! What runs a model: a conversation, or an encoder of texts.

use nomul::{Model, Result, bail, config::ModelConfig};
use nomul_text::{Encoder, Session, Tokenizer};

/// The one or the other, as the model's `config.json` says.
pub enum Runner {
    Session(Box<Session>),
    Encoder(Box<Encoder>),
}

impl Runner {
    pub fn new(
        config: &[u8],
        index: &[u8],
        tokenizer: &[u8],
        tokenizer_config: Option<&[u8]>,
        generation_config: Option<&[u8]>,
        context: Option<usize>,
    ) -> Result<Runner> {
        if ModelConfig::from_json(config)?.encoder.is_some() {
            let encoder = Encoder::new(config, index, tokenizer, tokenizer_config, context)?;
            return Ok(Runner::Encoder(Box::new(encoder)));
        }
        let session = Session::new(config, index, tokenizer, tokenizer_config, generation_config, context)?;
        Ok(Runner::Session(Box::new(session)))
    }

    pub fn model(&self) -> &Model {
        match self {
            Runner::Session(session) => session.model(),
            Runner::Encoder(encoder) => encoder.model(),
        }
    }

    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Runner::Session(session) => session.push(bytes),
            Runner::Encoder(encoder) => encoder.model_mut().push(bytes),
        }
    }

    pub fn trust(&mut self) {
        match self {
            Runner::Session(session) => session.trust(),
            Runner::Encoder(encoder) => encoder.model_mut().trust(),
        }
    }

    pub fn rewind(&mut self) {
        match self {
            Runner::Session(session) => session.rewind(),
            Runner::Encoder(encoder) => encoder.model_mut().rewind(),
        }
    }

    pub fn set_planes(&mut self, planes: Option<usize>) -> Result<()> {
        match self {
            Runner::Session(session) => session.set_planes(planes),
            Runner::Encoder(encoder) => encoder.model_mut().set_planes(planes),
        }
    }

    pub fn tokenizer(&self) -> &Tokenizer {
        match self {
            Runner::Session(session) => session.tokenizer(),
            Runner::Encoder(encoder) => encoder.tokenizer(),
        }
    }

    /// Most tokens of prompt and answer, or of a text.
    pub fn context(&self) -> usize {
        match self {
            Runner::Session(session) => session.context(),
            Runner::Encoder(encoder) => encoder.max_tokens(),
        }
    }

    pub fn detokenize(&self, ids: &[u32]) -> Result<String> {
        match self {
            Runner::Session(session) => session.detokenize(ids),
            Runner::Encoder(encoder) => Ok(encoder.tokenizer().decode(ids, false)),
        }
    }

    pub fn cached(&self) -> usize {
        match self {
            Runner::Session(session) => session.cached(),
            Runner::Encoder(_) => 0,
        }
    }

    pub fn end_tokens(&self) -> &[u32] {
        match self {
            Runner::Session(session) => session.end_tokens(),
            Runner::Encoder(_) => &[],
        }
    }

    pub fn compute(&mut self) {
        match self {
            Runner::Session(session) => session.compute(),
            Runner::Encoder(encoder) => encoder.compute(),
        }
    }

    #[cfg(target_feature = "atomics")]
    pub fn set_team(&mut self, team: std::sync::Arc<dyn nomul::team::Team>) {
        match self {
            Runner::Session(session) => session.set_team(team),
            Runner::Encoder(encoder) => encoder.set_team(team),
        }
    }

    pub fn session(&mut self) -> Result<&mut Session> {
        match self {
            Runner::Session(session) => Ok(session),
            Runner::Encoder(_) => bail!(Unsupported, "this model is a sentence encoder: it embeds, and writes nothing"),
        }
    }

    pub fn encoder(&mut self) -> Result<&mut Encoder> {
        match self {
            Runner::Encoder(encoder) => Ok(encoder),
            Runner::Session(_) => bail!(Unsupported, "this model is no sentence encoder"),
        }
    }
}
