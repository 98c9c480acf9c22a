//! A model with what belongs to a conversation.

use nomul::{Code, Error, model};
use nomul_text::{ChatTemplate, Message, Session};

use crate::bindings::exports::nomul::runtime::types::{Files, Shard};

/// A session, and the template that comes with its model.
pub struct Loaded {
    pub session: Session,
    pub template: Option<ChatTemplate>,
}

impl Loaded {
    pub fn open(files: &Files, context: Option<u32>) -> nomul::Result<Loaded> {
        let tokenizer_config = files.tokenizer_config.as_deref();
        let template = ChatTemplate::from_files(tokenizer_config, files.chat_template.as_deref())?;
        let session = Session::new(
            &files.config,
            &files.index,
            &files.tokenizer,
            tokenizer_config,
            files.generation_config.as_deref(),
            context.map(|context| context as usize),
        )?;
        Ok(Loaded { session, template })
    }

    /// The text of a conversation, up to where the answer begins.
    pub fn render(&self, messages: &[Message]) -> nomul::Result<String> {
        let Some(template) = &self.template else {
            return Err(Error::new(Code::Missing, "the model folder has no chat template"));
        };
        template.render(messages, true, None)
    }
}

impl From<&model::Shard> for Shard {
    fn from(shard: &model::Shard) -> Shard {
        let sha256 = shard.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        Shard { file: shard.file.clone(), bytes: shard.bytes, sha256 }
    }
}
