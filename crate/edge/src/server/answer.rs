//! Answers of the model, at once or as events.

use nomul_text::{Finish, GenerateOptions, Session, Step, TokenLogprobs, Usage};
use serde_json::{Value, json};
use wasip2::clocks::monotonic_clock;

use super::{
    error::Problem,
    http::{Gone, Response},
    limits::Limits,
    now,
    request::{Chat, Completion},
};
use crate::loaded::Loaded;

/// How an answer is written: as a chat's or as a completion's.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Chat,
    Text,
}

pub fn chat(loaded: &mut Loaded, asked: Chat, limits: &Limits, response: &mut Response) -> Result<(), Problem> {
    let (streams, usage) = (asked.choices.streams(), asked.choices.wants_usage());
    let (messages, options) = asked.split(limits.tokens)?;
    // The template writes its special tokens itself.
    let prompt = loaded.render(&messages).and_then(|text| loaded.session.tokenize(&text, false));
    let prompt = prompt.map_err(Problem::of_request)?;
    let writer = Writer { form: Form::Chat, limits, id: id("chatcmpl"), created: now(), streams, usage };
    writer.answer(&mut loaded.session, prompt, options, None, response)
}

pub fn complete(
    loaded: &mut Loaded,
    asked: Completion,
    limits: &Limits,
    response: &mut Response,
) -> Result<(), Problem> {
    let (streams, usage) = (asked.choices.streams(), asked.choices.wants_usage());
    let (text, echo, options) = asked.split(limits.tokens)?;
    let prompt = loaded.session.tokenize(&text, true).map_err(Problem::of_request)?;
    let writer = Writer { form: Form::Text, limits, id: id("cmpl"), created: now(), streams, usage };
    writer.answer(&mut loaded.session, prompt, options, echo.then_some(text), response)
}

/// A name for an answer: no two of an instance are alike.
fn id(kind: &str) -> String {
    format!("{kind}-{:x}{:x}", now(), monotonic_clock::now())
}

struct Writer<'a> {
    form: Form,
    limits: &'a Limits,
    id: String,
    created: u64,
    streams: bool,
    usage: bool,
}

/// What an answer ended with.
struct Ended {
    reason: Finish,
    usage: Usage,
}

impl Writer<'_> {
    fn answer(
        &self,
        session: &mut Session,
        prompt: Vec<u32>,
        options: GenerateOptions,
        before: Option<String>,
        response: &mut Response,
    ) -> Result<(), Problem> {
        session.start(prompt, options).map_err(Problem::of_request)?;
        if self.streams { self.events(session, before, response) } else { self.at_once(session, before, response) }
    }

    fn at_once(&self, session: &mut Session, before: Option<String>, response: &mut Response) -> Result<(), Problem> {
        let (mut text, mut likely) = (before.unwrap_or_default(), Vec::new());
        let ended = self.run(session, &mut |session, piece, logprobs| {
            text.push_str(piece);
            likely.extend(logprobs.map(|(id, logprobs)| told(session, id, &logprobs)));
            Ok(())
        })?;
        // Nobody stops an answer that is told at once.
        let Some(Ended { reason, usage }) = ended else { return Ok(()) };
        let likely = if likely.is_empty() { Value::Null } else { json!({ "content": likely }) };
        let choice = match self.form {
            Form::Chat => json!({
                "index": 0,
                "message": { "role": "assistant", "content": text, "refusal": null },
                "logprobs": likely,
                "finish_reason": reason,
            }),
            Form::Text => json!({ "index": 0, "text": text, "logprobs": null, "finish_reason": reason }),
        };
        let object = if self.form == Form::Chat { "chat.completion" } else { "text_completion" };
        let mut value = self.head(object, json!([choice]));
        value["usage"] = counted(&usage);
        response.json(200, &value)
    }

    fn events(&self, session: &mut Session, before: Option<String>, response: &mut Response) -> Result<(), Problem> {
        let object = if self.form == Form::Chat { "chat.completion.chunk" } else { "text_completion" };
        // The answer as such begins with the first piece of work: what cannot be done at all is still an error of its own.
        let mut is_first = true;
        let mut told_before = before;
        let ended = self.run(session, &mut |session, piece, logprobs| {
            let likely = logprobs.map(|(id, logprobs)| json!({ "content": [told(session, id, &logprobs)] }));
            let text = format!("{}{piece}", told_before.take().unwrap_or_default());
            if text.is_empty() && likely.is_none() && !is_first {
                return Ok(());
            }
            let mut delta = json!({ "content": text });
            if std::mem::take(&mut is_first) {
                delta["role"] = json!("assistant");
            }
            response.event(&self.head(object, json!([self.piece(delta, &text, likely, None)])))
        })?;
        let Some(Ended { reason, usage }) = ended else { return Ok(()) };
        let last = self.piece(json!({}), "", None, Some(reason));
        let mut sent = response.event(&self.head(object, json!([last])));
        if self.usage {
            let mut value = self.head(object, json!([]));
            value["usage"] = counted(&usage);
            sent = sent.and_then(|()| response.event(&value));
        }
        // A client that has gone away has no use for the end either.
        if sent.is_ok() {
            response.end_events();
        }
        Ok(())
    }

    fn piece(&self, delta: Value, text: &str, logprobs: Option<Value>, reason: Option<Finish>) -> Value {
        match self.form {
            Form::Chat => json!({ "index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": reason }),
            Form::Text => json!({ "index": 0, "text": text, "logprobs": null, "finish_reason": reason }),
        }
    }

    fn head(&self, object: &str, choices: Value) -> Value {
        json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.limits.name,
            "choices": choices,
        })
    }

    /// Makes the answer; nothing if the client goes away. When the time is up, the answer is long enough.
    fn run(&self, session: &mut Session, tell: &mut Tell) -> Result<Option<Ended>, Problem> {
        let mut usage = Usage::default();
        loop {
            match session.step().map_err(Problem::of_request)? {
                Step::Prefill { total, .. } => usage.prompt_tokens = total,
                Step::Token { id, text, logprobs } => {
                    usage.completion_tokens += 1;
                    if tell(session, &text, logprobs.map(|logprobs| (id, logprobs))).is_err() {
                        return Ok(None);
                    }
                }
                Step::End { text, reason, usage } => {
                    if !text.is_empty() && tell(session, &text, None).is_err() {
                        return Ok(None);
                    }
                    return Ok(Some(Ended { reason, usage }));
                }
            }
            if self.limits.are_over() {
                return Ok(Some(Ended { reason: Finish::Length, usage }));
            }
        }
    }
}

type Tell<'a> = dyn FnMut(&Session, &str, Option<(u32, TokenLogprobs)>) -> Result<(), Gone> + 'a;

fn counted(usage: &Usage) -> Value {
    json!({
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": { "cached_tokens": usage.cached_tokens },
    })
}

/// How likely a token was, and others in its place.
fn told(session: &Session, id: u32, logprobs: &TokenLogprobs) -> Value {
    let one = |id: u32, logprob: f64| {
        let bytes = session.tokenizer().bytes(id).unwrap_or_default();
        json!({ "token": String::from_utf8_lossy(&bytes), "logprob": logprob, "bytes": bytes })
    };
    let mut value = one(id, logprobs.logprob);
    value["top_logprobs"] = logprobs.top.iter().map(|(id, logprob)| one(*id, *logprob)).collect();
    value
}
