//! Chat templates: from a list of messages to the text that a model was trained to answer.
//!
//! They are Jinja programs that come with the model. minijinja, by an author of Jinja, runs them; what transformers
//! adds to the language is here. They can do nothing but make text, and not for ever.

use minijinja::{
    Environment, Error as JinjaError, ErrorKind,
    syntax::SyntaxConfig,
    value::{Kwargs, Value, ValueKind},
};
use minijinja_contrib::pycompat::unknown_method_callback;
use nomul::{Code, Error, Result, bail};
use serde::{Deserialize, Serialize};

use crate::tokenizer::SpecialTokens;

/// What rendering may cost: a step of the template, or 64 bytes of text, costs one. Published templates take some
/// hundreds for each message.
const FUEL: u64 = 2_000_000;

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
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| wrong(Code::Format, &error))?);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_unknown_method_callback(unknown_method_callback);
        environment.add_filter("tojson", to_json);
        environment.add_function("raise_exception", |line: String| -> std::result::Result<Value, JinjaError> {
            Err(JinjaError::new(ErrorKind::InvalidOperation, line))
        });
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

/// `tojson` as transformers has it: as Python writes JSON, without escapes for HTML.
fn to_json(value: &Value, options: Kwargs) -> std::result::Result<Value, JinjaError> {
    let indent: Option<usize> = options.get("indent")?;
    let ensure_ascii: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    let mut json = String::new();
    write_json(value, Style { indent, ascii: ensure_ascii.unwrap_or(false) }, 0, &mut json)?;
    Ok(Value::from(json))
}

#[derive(Clone, Copy)]
struct Style {
    /// Spaces a level; `None`: all on one line.
    indent: Option<usize>,
    /// Other characters are escaped.
    ascii: bool,
}

/// Lists within lists that are written.
const DEEPEST: usize = 128;

fn write_json(value: &Value, style: Style, depth: usize, json: &mut String) -> std::result::Result<(), JinjaError> {
    let refuse = |what: &str| Err(JinjaError::new(ErrorKind::InvalidOperation, format!("tojson: {what}")));
    if depth > DEEPEST {
        return refuse("too deep");
    }
    let line = |depth: usize, json: &mut String| {
        if let Some(indent) = style.indent {
            json.push('\n');
            json.extend(std::iter::repeat_n(' ', indent * depth));
        }
    };
    let separator = if style.indent.is_some() { "," } else { ", " };
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => json.push_str("null"),
        ValueKind::Bool => json.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number if value.is_integer() => json.push_str(&value.to_string()),
        ValueKind::Number => match f64::try_from(value.clone()) {
            Ok(number) => write_number(number, json),
            Err(error) => return Err(error),
        },
        ValueKind::String => write_text(value.as_str().unwrap_or_default(), style, json),
        ValueKind::Map => {
            json.push('{');
            let mut is_first = true;
            for key in value.try_iter()? {
                json.push_str(if std::mem::take(&mut is_first) { "" } else { separator });
                line(depth + 1, json);
                write_text(&key.to_string(), style, json);
                json.push_str(": ");
                write_json(&value.get_item(&key)?, style, depth + 1, json)?;
            }
            if !is_first {
                line(depth, json);
            }
            json.push('}');
        }
        ValueKind::Seq | ValueKind::Iterable => {
            json.push('[');
            let mut is_first = true;
            for item in value.try_iter()? {
                json.push_str(if std::mem::take(&mut is_first) { "" } else { separator });
                line(depth + 1, json);
                write_json(&item, style, depth + 1, json)?;
            }
            if !is_first {
                line(depth, json);
            }
            json.push(']');
        }
        kind => return refuse(&format!("{kind} is not JSON")),
    }
    Ok(())
}

/// As Python writes it, whose exponents have a sign and two digits.
fn write_number(number: f64, json: &mut String) {
    if !number.is_finite() {
        let sign = if number < 0.0 { "-" } else { "" };
        json.push_str(&if number.is_nan() { "NaN".into() } else { format!("{sign}Infinity") });
        return;
    }
    let shortest = format!("{number:?}");
    match shortest.split_once('e') {
        None => json.push_str(&shortest),
        Some((digits, exponent)) => {
            let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
            json.push_str(&format!("{digits}e{sign}{exponent:0>2}"));
        }
    }
}

fn write_text(text: &str, style: Style, json: &mut String) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            c if c < ' ' || style.ascii && c > '~' => {
                c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| json.push_str(&format!("\\u{unit:04x}")));
            }
            c => json.push(c),
        }
    }
    json.push('"');
}

/// Seconds since the start of 1970.
#[derive(Clone, Copy, Debug)]
struct Time(i64);

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

impl Time {
    /// Year, month (1..=12), day (1..=31).
    fn date(self) -> (i64, usize, i64) {
        // Years that start in March have their leap day last, and 400 of them are always 146097 days long.
        let days = self.0.div_euclid(86_400) + 719_468;
        let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
        (year + 400 * era, month as usize, day)
    }

    /// As C's `strftime` would in its own language. `None` if the format has a directive that is not known.
    fn format(self, format: &str) -> Option<String> {
        let (year, month, day) = self.date();
        let second = self.0.rem_euclid(86_400);
        let (hour, minute) = (second / 3600, second / 60 % 60);
        let (month_name, weekday) = (MONTHS[month - 1], DAYS[(self.0.div_euclid(86_400) + 4).rem_euclid(7) as usize]);
        let mut text = String::new();
        let mut characters = format.chars();
        while let Some(c) = characters.next() {
            if c != '%' {
                text.push(c);
                continue;
            }
            text += &match characters.next()? {
                'Y' => year.to_string(),
                'y' => format!("{:02}", year.rem_euclid(100)),
                'm' => format!("{month:02}"),
                'B' => month_name.into(),
                'b' => month_name[..3].into(),
                'd' => format!("{day:02}"),
                'A' => weekday.into(),
                'a' => weekday[..3].into(),
                'H' => format!("{hour:02}"),
                'I' => format!("{:02}", (hour + 11) % 12 + 1),
                'p' => if hour < 12 { "AM" } else { "PM" }.into(),
                'M' => format!("{minute:02}"),
                'S' => format!("{:02}", second % 60),
                'F' => format!("{year}-{month:02}-{day:02}"),
                'T' => format!("{hour:02}:{minute:02}:{:02}", second % 60),
                '%' => "%".into(),
                _ => return None,
            };
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests;
