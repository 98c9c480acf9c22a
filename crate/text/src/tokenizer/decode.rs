//! Decoders: from tokens back to text, a chain of steps each of which rewrites a list of texts.

use nomul::{Result, bail};
use serde_json::Value;

use super::{
    bytes::ByteAlphabet, character_of, normalize::replace, pattern::Pattern, pattern_of, split::Prepend, text_of,
};

/// A step of decoding.
#[derive(Clone, Debug)]
pub enum Decoder {
    /// Several, one after the other.
    Sequence(Vec<Decoder>),
    /// Printable characters become bytes, and all bytes together text.
    ByteLevel(ByteAlphabet),
    /// `<0xE2>` becomes its byte, and neighbouring ones text.
    ByteFallback,
    /// All become one.
    Fuse,
    /// A character off the ends of each.
    Strip {
        /// The character.
        content: char,
        /// The most off the start.
        start: usize,
        /// The most off the end.
        stop: usize,
    },
    /// Every match becomes this text.
    Replace(Pattern, String),
    /// The visible space becomes a space; in the first text it vanishes if `true`.
    Metaspace(char, bool),
    /// The end of a word becomes a space.
    WordEnd(String),
    /// Tokens that begin with the prefix go on with the word before, a space stands before the others; then spaces before
    /// punctuation vanish if `true`.
    WordPiece(String, bool),
    /// A space between all: what a tokenizer without a decoder does.
    Spaced,
}

impl Decoder {
    /// From the `decoder` of `tokenizer.json`, null for none.
    pub fn new(json: &Value) -> Result<Decoder> {
        if json.is_null() {
            return Ok(Decoder::Spaced);
        }
        let count = |field: &str| match json[field].as_u64() {
            Some(n) => Ok(n as usize),
            None => bail!(Format, "{field} is {}, not a number", json[field]),
        };
        Ok(match json["type"].as_str().unwrap_or_default() {
            "Sequence" => {
                let steps = json["decoders"].as_array().map(Vec::as_slice).unwrap_or_default();
                Decoder::Sequence(steps.iter().map(Decoder::new).collect::<Result<_>>()?)
            }
            "ByteLevel" => Decoder::ByteLevel(ByteAlphabet::new()),
            "ByteFallback" => Decoder::ByteFallback,
            "Fuse" => Decoder::Fuse,
            "Strip" => {
                Decoder::Strip { content: character_of(json, "content")?, start: count("start")?, stop: count("stop")? }
            }
            "Replace" => Decoder::Replace(pattern_of(json)?, text_of(json, "content")?.into()),
            "Metaspace" => {
                Decoder::Metaspace(character_of(json, "replacement")?, Prepend::new(json)? != Prepend::Never)
            }
            "WordPiece" => {
                Decoder::WordPiece(text_of(json, "prefix")?.into(), super::flag(json, "cleanup", Some(true))?)
            }
            "BPEDecoder" => Decoder::WordEnd(text_of(json, "suffix")?.into()),
            _ => bail!(
                Unsupported,
                "decoder {} is unknown; known are Sequence, ByteLevel, ByteFallback, Fuse, Strip, Replace, Metaspace, \
                 WordPiece, BPEDecoder",
                json["type"]
            ),
        })
    }

    /// The bytes of a token that stands between others.
    pub fn bytes(&self, token: &str) -> Vec<u8> {
        let steps = match self {
            Decoder::Sequence(steps) => steps.as_slice(),
            step => std::slice::from_ref(step),
        };
        let mut text = token.to_string();
        for step in steps {
            match step {
                Decoder::ByteLevel(alphabet) => return alphabet.bytes(&text).unwrap_or_else(|| text.into_bytes()),
                Decoder::ByteFallback => {
                    if let Some(byte) = byte_of(&text) {
                        return vec![byte];
                    }
                }
                Decoder::Metaspace(replacement, _) => text = text.replace(*replacement, " "),
                Decoder::WordEnd(suffix) => text = text.replace(suffix.as_str(), " "),
                Decoder::Spaced => text.push(' '),
                Decoder::WordPiece(prefix, cleans) => text = piece(&text, prefix, *cleans, false),
                // It is about the ends of a whole text.
                Decoder::Strip { .. } | Decoder::Fuse => {}
                Decoder::Replace(..) | Decoder::Sequence(_) => text = step.apply(vec![text]).concat(),
            }
        }
        text.into_bytes()
    }

    /// The list rewritten. A pattern that does not come to an end leaves its text as it is.
    pub fn apply(&self, mut texts: Vec<String>) -> Vec<String> {
        match self {
            Decoder::Sequence(steps) => steps.iter().fold(texts, |texts, step| step.apply(texts)),
            Decoder::ByteLevel(alphabet) => {
                let bytes = |text: String| alphabet.bytes(&text).unwrap_or_else(|| text.into_bytes());
                let bytes: Vec<u8> = texts.into_iter().flat_map(bytes).collect();
                vec![String::from_utf8_lossy(&bytes).into_owned()]
            }
            Decoder::ByteFallback => fall_back(texts),
            Decoder::Fuse => vec![texts.concat()],
            Decoder::Strip { content, start, stop } => {
                for text in &mut texts {
                    let mut rest = text.as_str();
                    let strip = |rest, strip: fn(&str, char) -> Option<&str>| strip(rest, *content).unwrap_or(rest);
                    (0..*start.min(&text.len())).for_each(|_| rest = strip(rest, |rest, c| rest.strip_prefix(c)));
                    (0..*stop.min(&text.len())).for_each(|_| rest = strip(rest, |rest, c| rest.strip_suffix(c)));
                    *text = rest.into();
                }
                texts
            }
            Decoder::Replace(pattern, content) => {
                for text in &mut texts {
                    if let Ok(replaced) = replace(pattern, content, text) {
                        *text = replaced.into_owned();
                    }
                }
                texts
            }
            Decoder::Metaspace(replacement, vanishes) => {
                for (place, text) in texts.iter_mut().enumerate() {
                    let space = if place == 0 && *vanishes { "" } else { " " };
                    *text = text.replace(*replacement, space);
                }
                texts
            }
            Decoder::WordEnd(suffix) => {
                let last = texts.len().saturating_sub(1);
                for (place, text) in texts.iter_mut().enumerate() {
                    *text = text.replace(suffix.as_str(), if place == last { "" } else { " " });
                }
                texts
            }
            Decoder::WordPiece(prefix, cleans) => {
                let pieces = texts.iter().enumerate();
                pieces.map(|(place, text)| piece(text, prefix, *cleans, place == 0)).collect()
            }
            Decoder::Spaced => vec![texts.join(" ")],
        }
    }
}

/// What BERT's texts are freed from, in this order.
const CLEANED: [(&str, &str); 11] = [
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" do not", " don't"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
];

/// The text of a token of [`Decoder::WordPiece`].
fn piece(token: &str, prefix: &str, cleans: bool, is_first: bool) -> String {
    let text = match token.strip_prefix(prefix) {
        _ if is_first => token.to_string(),
        Some(rest) => rest.to_string(),
        None => format!(" {token}"),
    };
    if cleans { CLEANED.iter().fold(text, |text, (from, to)| text.replace(from, to)) } else { text }
}

/// The byte that a token like `<0xE2>` stands for.
fn byte_of(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>').filter(|digits| digits.len() == 2)?;
    u8::from_str_radix(digits, 16).ok()
}

/// Runs of `<0xE2>` become text if together they are text, and one replacement character for each if not.
fn fall_back(texts: Vec<String>) -> Vec<String> {
    let mut result = Vec::with_capacity(texts.len());
    let mut run = Vec::new();
    let end_run = |run: &mut Vec<u8>, result: &mut Vec<String>| match String::from_utf8(std::mem::take(run)) {
        Ok(text) if text.is_empty() => {}
        Ok(text) => result.push(text),
        Err(error) => result.extend(error.as_bytes().iter().map(|_| "\u{fffd}".into())),
    };
    for text in texts {
        match byte_of(&text) {
            Some(byte) => run.push(byte),
            None => {
                end_run(&mut run, &mut result);
                result.push(text);
            }
        }
    }
    end_run(&mut run, &mut result);
    result
}
