//! What clients ask for.

use std::collections::BTreeMap;

use nomul::sample::SampleOptions;
use nomul_text::{GenerateOptions, Message};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::error::Problem;

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| wrong(error.to_string()))
}

fn wrong(message: impl Into<String>) -> Problem {
    Problem::new(400, "input", message)
}

/// One or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Some1<T> {
    One(T),
    Several(Vec<T>),
}

impl<T> Some1<T> {
    fn list(self) -> Vec<T> {
        match self {
            Some1::One(one) => vec![one],
            Some1::Several(several) => several,
        }
    }
}

/// A text, or its tokens.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Text {
    Text(String),
    Tokens(Vec<u32>),
}

/// How an answer is made and told: what chats and completions have in common.
#[derive(Deserialize)]
pub struct Choices {
    max_tokens: Option<usize>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<usize>,
    min_p: Option<f32>,
    seed: Option<u64>,
    stop: Option<Some1<String>>,
    presence_penalty: Option<f32>,
    frequency_penalty: Option<f32>,
    repetition_penalty: Option<f32>,
    logit_bias: Option<BTreeMap<String, f32>>,
    n: Option<usize>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

impl Choices {
    pub fn streams(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    pub fn wants_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage.unwrap_or(false))
    }

    /// The options of a session: at most `most` tokens. Values out of range are the session's to refuse.
    fn options(self, logprobs: Option<usize>, most: usize) -> Result<GenerateOptions, Problem> {
        if self.n.is_some_and(|n| n != 1) {
            return Err(wrong("n: one answer is made for each request"));
        }
        let bias = self.logit_bias.unwrap_or_default().into_iter().map(|(id, bias)| match id.parse() {
            Ok(id) => Ok((id, bias)),
            Err(_) => Err(wrong(format!("logit_bias: {id:?} is no token"))),
        });
        let default = SampleOptions::default();
        Ok(GenerateOptions {
            max_tokens: Some(self.max_tokens.unwrap_or(most).min(most)),
            sample: SampleOptions {
                // What OpenAI's clients expect where they say nothing.
                temperature: self.temperature.unwrap_or(1.0),
                top_k: self.top_k.unwrap_or(default.top_k),
                top_p: self.top_p.unwrap_or(default.top_p),
                min_p: self.min_p.unwrap_or(default.min_p),
                repetition_penalty: self.repetition_penalty.unwrap_or(default.repetition_penalty),
                presence_penalty: self.presence_penalty.unwrap_or(default.presence_penalty),
                frequency_penalty: self.frequency_penalty.unwrap_or(default.frequency_penalty),
                logit_bias: bias.collect::<Result<_, _>>()?,
                seed: self.seed.unwrap_or(default.seed),
            },
            stop: self.stop.map(Some1::list).unwrap_or_default(),
            ignore_eos: false,
            logprobs,
        })
    }
}

/// A request to `/v1/chat/completions`.
#[derive(Deserialize)]
pub struct Chat {
    messages: Vec<ChatMessage>,
    max_completion_tokens: Option<usize>,
    logprobs: Option<bool>,
    top_logprobs: Option<usize>,
    tools: Option<Vec<Value>>,
    response_format: Option<ResponseFormat>,
    #[serde(flatten)]
    pub choices: Choices,
}

#[derive(Deserialize)]
struct ResponseFormat {
    r#type: String,
}

#[derive(Deserialize)]
struct ChatMessage {
    role: String,
    content: Content,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    r#type: String,
    text: Option<String>,
}

impl Chat {
    pub fn parse(body: &[u8]) -> Result<Chat, Problem> {
        let chat: Chat = parse(body)?;
        if chat.tools.as_ref().is_some_and(|tools| !tools.is_empty()) {
            return Err(Problem::new(400, "unsupported", "tools: this server calls none"));
        }
        match &chat.response_format {
            Some(format) if format.r#type != "text" => {
                let line = format!("response_format: {:?} is not text, which is all that is made here", format.r#type);
                Err(Problem::new(400, "unsupported", line))
            }
            _ => Ok(chat),
        }
    }

    /// The conversation and the options.
    pub fn split(self, most: usize) -> Result<(Vec<Message>, GenerateOptions), Problem> {
        let message = |(place, message): (usize, ChatMessage)| {
            let content = match message.content {
                Content::Text(text) => text,
                Content::Parts(parts) => {
                    let text = |part: Part| match part.text {
                        Some(text) if part.r#type == "text" => Ok(text),
                        _ => Err(wrong(format!("messages[{place}]: a part of type {:?} is no text", part.r#type))),
                    };
                    parts.into_iter().map(text).collect::<Result<_, _>>()?
                }
            };
            Ok(Message { role: message.role, content })
        };
        if self.messages.is_empty() {
            return Err(wrong("messages: there are none"));
        }
        let messages = self.messages.into_iter().enumerate().map(message).collect::<Result<_, Problem>>()?;
        let logprobs = self.logprobs.unwrap_or(false).then_some(self.top_logprobs.unwrap_or(0));
        let mut choices = self.choices;
        choices.max_tokens = self.max_completion_tokens.or(choices.max_tokens);
        Ok((messages, choices.options(logprobs, most)?))
    }
}

/// A request to `/v1/completions`.
#[derive(Deserialize)]
pub struct Completion {
    prompt: Some1<String>,
    echo: Option<bool>,
    logprobs: Option<usize>,
    #[serde(flatten)]
    pub choices: Choices,
}

impl Completion {
    pub fn parse(body: &[u8]) -> Result<Completion, Problem> {
        let completion: Completion = parse(body)?;
        match completion.logprobs {
            Some(_) => Err(Problem::new(400, "unsupported", "logprobs: only of chats")),
            None => Ok(completion),
        }
    }

    /// The prompt, whether the answer begins with it, and the options.
    pub fn split(self, most: usize) -> Result<(String, bool, GenerateOptions), Problem> {
        // OpenAI's default, which is short, is 16.
        let choices = Choices { max_tokens: Some(self.choices.max_tokens.unwrap_or(16)), ..self.choices };
        let mut prompts = self.prompt.list();
        match (prompts.pop(), prompts.len()) {
            (Some(prompt), 0) => Ok((prompt, self.echo.unwrap_or(false), choices.options(None, most)?)),
            _ => Err(wrong("prompt: one text is continued for each request")),
        }
    }
}

/// A request to `/v1/embeddings`.
#[derive(Deserialize)]
pub struct Embeddings {
    input: Input,
    encoding_format: Option<String>,
    dimensions: Option<usize>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    One(Text),
    Several(Vec<Text>),
}

impl Embeddings {
    pub fn parse(body: &[u8]) -> Result<Embeddings, Problem> {
        let asked: Embeddings = parse(body)?;
        match asked.dimensions {
            Some(_) => Err(Problem::new(400, "unsupported", "dimensions: vectors are as long as the model makes them")),
            None => Ok(asked),
        }
    }

    /// The texts, and whether their vectors are wanted as base64.
    pub fn split(self, most: usize) -> Result<(Vec<Text>, bool), Problem> {
        let texts = match self.input {
            Input::One(text) => vec![text],
            Input::Several(texts) => texts,
        };
        if texts.is_empty() || texts.len() > most {
            return Err(wrong(format!("input: {} texts, 1 to {most} are allowed", texts.len())));
        }
        match self.encoding_format.as_deref() {
            None | Some("float") => Ok((texts, false)),
            Some("base64") => Ok((texts, true)),
            Some(other) => Err(wrong(format!("encoding_format: {other:?} is neither float nor base64"))),
        }
    }
}
