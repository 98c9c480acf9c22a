//! Normalizers: what a tokenizer changes in a text before it cuts it.

use std::borrow::Cow;

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use nomul::{Result, bail};
use serde_json::Value;

use super::{
    flag,
    pattern::Pattern,
    pattern_of, text_of,
    unicode::{is_ideograph, is_nonspacing, is_other},
};

/// A step of normalisation.
#[derive(Clone, Debug)]
pub enum Normalizer {
    /// Several, one after the other.
    Sequence(Vec<Normalizer>),
    /// Canonical composition.
    Nfc,
    /// Canonical decomposition.
    Nfd,
    /// Small letters.
    Lowercase,
    /// White space off the ends.
    Strip {
        /// Off the start.
        left: bool,
        /// Off the end.
        right: bool,
    },
    /// This text before every text that is not empty.
    Prepend(String),
    /// Every match becomes this text.
    Replace(Pattern, String),
    /// What BERT does to texts.
    Bert {
        /// Control characters vanish, white space becomes spaces.
        clean_text: bool,
        /// Chinese characters stand between spaces.
        handle_chinese_chars: bool,
        /// Letters lose their accents.
        strip_accents: bool,
        /// Letters become small.
        lowercase: bool,
    },
}

impl Normalizer {
    /// From the `normalizer` of `tokenizer.json`, null for none.
    pub fn new(json: &Value) -> Result<Normalizer> {
        if json.is_null() {
            return Ok(Normalizer::Sequence(Vec::new()));
        }
        Ok(match json["type"].as_str().unwrap_or_default() {
            "Sequence" => {
                let steps = json["normalizers"].as_array().map(Vec::as_slice).unwrap_or_default();
                Normalizer::Sequence(steps.iter().map(Normalizer::new).collect::<Result<_>>()?)
            }
            "NFC" => Normalizer::Nfc,
            "NFD" => Normalizer::Nfd,
            "Lowercase" => Normalizer::Lowercase,
            "Strip" => Normalizer::Strip {
                left: flag(json, "strip_left", Some(true))?,
                right: flag(json, "strip_right", Some(true))?,
            },
            "Prepend" => Normalizer::Prepend(text_of(json, "prepend")?.into()),
            "Replace" => Normalizer::Replace(pattern_of(json)?, text_of(json, "content")?.into()),
            "BertNormalizer" => {
                let lowercase = flag(json, "lowercase", Some(true))?;
                Normalizer::Bert {
                    clean_text: flag(json, "clean_text", Some(true))?,
                    handle_chinese_chars: flag(json, "handle_chinese_chars", Some(true))?,
                    strip_accents: flag(json, "strip_accents", Some(lowercase))?,
                    lowercase,
                }
            }
            _ => bail!(
                Unsupported,
                "normalizer {} is unknown; known are Sequence, NFC, NFD, Lowercase, Strip, Prepend, Replace, BertNormalizer",
                json["type"]
            ),
        })
    }

    /// The normalised text.
    pub fn apply<'t>(&self, text: &'t str) -> Result<Cow<'t, str>> {
        Ok(match self {
            Normalizer::Sequence(steps) => {
                let mut result = Cow::Borrowed(text);
                for step in steps {
                    result = Cow::Owned(step.apply(&result)?.into_owned());
                }
                result
            }
            Normalizer::Nfc => ComposingNormalizerBorrowed::new_nfc().normalize(text),
            Normalizer::Nfd => DecomposingNormalizerBorrowed::new_nfd().normalize(text),
            // Letter by letter, not word by word: a final sigma stays an ordinary one.
            Normalizer::Lowercase => text.chars().flat_map(char::to_lowercase).collect(),
            Normalizer::Strip { left, right } => {
                let text = if *left { text.trim_start() } else { text };
                Cow::Borrowed(if *right { text.trim_end() } else { text })
            }
            Normalizer::Prepend(_) if text.is_empty() => Cow::Borrowed(text),
            Normalizer::Prepend(prefix) => Cow::Owned(format!("{prefix}{text}")),
            Normalizer::Replace(pattern, content) => replace(pattern, content, text)?,
            Normalizer::Bert { clean_text, handle_chinese_chars, strip_accents, lowercase } => {
                let mut text = Cow::Borrowed(text);
                if *clean_text {
                    text = Cow::Owned(text.chars().filter_map(cleaned).collect());
                }
                if *handle_chinese_chars && text.chars().any(is_ideograph) {
                    text = Cow::Owned(set_apart(&text));
                }
                if *strip_accents {
                    let parts = DecomposingNormalizerBorrowed::new_nfd().normalize(&text);
                    text = Cow::Owned(parts.chars().filter(|&c| !is_nonspacing(c)).collect());
                }
                if *lowercase {
                    text = Cow::Owned(text.chars().flat_map(char::to_lowercase).collect());
                }
                text
            }
        })
    }
}

/// A character of a text as BERT reads it; `None` for one that it does not see.
fn cleaned(c: char) -> Option<char> {
    match c {
        '\t' | '\n' | '\r' => Some(' '),
        '\u{fffd}' => None,
        c if is_other(c) => None,
        c if c.is_whitespace() => Some(' '),
        c => Some(c),
    }
}

/// The text with a space on both sides of each Chinese character.
fn set_apart(text: &str) -> String {
    let mut result = String::with_capacity(2 * text.len());
    for c in text.chars() {
        match is_ideograph(c) {
            true => result.extend([' ', c, ' ']),
            false => result.push(c),
        }
    }
    result
}

/// The text with every match of the pattern replaced.
pub fn replace<'t>(pattern: &Pattern, content: &str, text: &'t str) -> Result<Cow<'t, str>> {
    let matches = pattern.matches(text)?;
    if matches.is_empty() {
        return Ok(Cow::Borrowed(text));
    }
    let mut result = String::with_capacity(text.len() + matches.len() * content.len());
    let mut done = 0;
    for range in matches {
        result.push_str(&text[done..range.start]);
        result.push_str(content);
        done = range.end;
    }
    result.push_str(&text[done..]);
    Ok(Cow::Owned(result))
}
