//! Chat templates: from a list of messages to the text that a model was trained to answer.
//!
//! They are Jinja programs that come with the model. minijinja, by an author of Jinja, runs them; what transformers
//! adds to the language is here. They can do nothing but make text, and not for ever.

mod json;
mod language;
#[cfg(test)]
mod tests;
mod time;

use minijinja::{Environment, Error as JinjaError, ErrorKind, Value};
use nomul::{Code, Error, Result, bail};
use serde::{Deserialize, Serialize};

use self::time::Time;
use crate::tokenizer::SpecialTokens;

/// What is said, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, or what else the template knows.
    pub role: String,
    /// The text.
    pub content: String,
}

/// A template, compiled.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    special: SpecialTokens,
}

const NAME: &str = "chat template";

impl ChatTemplate {
    /// Compiles a template. `bos` and `eos` are the texts it gets as `bos_token` and `eos_token`.
    pub fn new(source: &str, bos: Option<&str>, eos: Option<&str>) -> Result<ChatTemplate> {
        let special =
            SpecialTokens { bos: bos.map(str::to_string), eos: eos.map(str::to_string), ..SpecialTokens::default() };
        ChatTemplate::with(source, special)
    }

    fn with(source: &str, special: SpecialTokens) -> Result<ChatTemplate> {
        let mut environment = language::environment();
        environment.add_template_owned(NAME, source.to_string()).map_err(|error| wrong(Code::Format, &error))?;
        Ok(ChatTemplate { environment, special })
    }

    /// The template of a model folder: `chat_template.jinja` if there is one, else the `chat_template` of
    /// `tokenizer_config.json`, of several the one named `default`. `None` if there is neither.
    pub fn from_files(tokenizer_config: Option<&[u8]>, chat_template: Option<&[u8]>) -> Result<Option<ChatTemplate>> {
        let special = match tokenizer_config {
            Some(json) => SpecialTokens::from_json(json)?,
            None => SpecialTokens::default(),
        };
        if let Some(source) = chat_template {
            return match std::str::from_utf8(source) {
                Ok(source) => ChatTemplate::with(source, special).map(Some),
                Err(error) => bail!(Format, "chat_template.jinja: {error}"),
            };
        }
        let Some(json) = tokenizer_config else { return Ok(None) };
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Field {
            One(String),
            Named(Vec<Named>),
        }
        #[derive(Deserialize)]
        struct Named {
            name: String,
            template: String,
        }
        #[derive(Deserialize)]
        struct File {
            chat_template: Option<Field>,
        }
        let file: File = match serde_json::from_slice(json) {
            Ok(file) => file,
            Err(error) => bail!(Format, "tokenizer_config.json: {error}"),
        };
        let source = match file.chat_template {
            None => return Ok(None),
            Some(Field::One(source)) => source,
            Some(Field::Named(list)) => match list.into_iter().find(|named| named.name == "default") {
                Some(named) => named.template,
                None => bail!(Missing, "tokenizer_config.json: no chat_template is named default"),
            },
        };
        ChatTemplate::with(&source, special).map_err(|error| error.at("tokenizer_config.json")).map(Some)
    }

    /// Tells the template what time it is, as seconds since the start of 1970 at the place of the reader. A template
    /// that asks for the time and was told none finds no `strftime_now`, and takes the date it brings along.
    pub fn set_time(&mut self, seconds: Option<i64>) {
        match seconds.map(Time) {
            Some(time) => {
                self.environment.add_function("strftime_now", move |format: String| match time.format(&format) {
                    Some(text) => Ok(text),
                    None => Err(JinjaError::new(
                        ErrorKind::InvalidOperation,
                        format!("strftime_now knows not all of {format:?}"),
                    )),
                })
            }
            None => self.environment.remove_global("strftime_now"),
        }
    }

    /// The text of a conversation. `add_generation_prompt` ends it where the answer begins. `tools` is a list of
    /// functions as JSON schemas, for templates that know them.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool, tools: Option<Value>) -> Result<String> {
        let none = || Value::from(());
        let message = |message: &Message| {
            Value::from_pairs([("role", message.role.as_str()), ("content", message.content.as_str())])
        };
        let roles = [
            ("bos_token", &self.special.bos),
            ("eos_token", &self.special.eos),
            ("unk_token", &self.special.unk),
            ("pad_token", &self.special.pad),
        ];
        let roles = roles.into_iter().filter_map(|(name, token)| Some((name, Value::from(token.as_deref()?))));
        let context = [
            ("messages", messages.iter().map(message).collect()),
            ("tools", tools.unwrap_or_else(none)),
            ("documents", none()),
            ("add_generation_prompt", Value::from(add_generation_prompt)),
        ];
        let context = Value::from_pairs(context.into_iter().chain(roles));
        let template = self.environment.get_template(NAME).map_err(|error| wrong(Code::Format, &error))?;
        template.render(context).map_err(|error| wrong(Code::Input, &error))
    }
}

/// What the template, or the engine, says against it, in one line.
fn wrong(code: Code, error: &JinjaError) -> Error {
    let line = error.line().map_or(String::new(), |line| format!(" line {line}"));
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_string);
    Error::new(code, format!("{NAME}{line}: {}", what.replace('\n', " ")))
}
