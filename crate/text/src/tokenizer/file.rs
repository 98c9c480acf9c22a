//! `tokenizer.json` as it is written down. Nothing is interpreted here, except that tokens and merges, which make up
//! nearly all of it, are read straight into place.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize,
    de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

#[derive(Deserialize)]
pub struct File<'a> {
    pub added_tokens: Option<Vec<AddedToken>>,
    #[serde(default)]
    pub normalizer: Value,
    #[serde(default)]
    pub pre_tokenizer: Value,
    #[serde(default)]
    pub post_processor: Value,
    #[serde(default)]
    pub decoder: Value,
    #[serde(borrow)]
    pub model: Model<'a>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct AddedToken {
    pub id: u32,
    pub content: String,
    #[serde(default)]
    pub single_word: bool,
    #[serde(default)]
    pub lstrip: bool,
    #[serde(default)]
    pub rstrip: bool,
    #[serde(default)]
    pub normalized: bool,
    #[serde(default)]
    pub special: bool,
}

#[derive(Deserialize)]
pub struct Model<'a> {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    #[serde(borrow)]
    pub vocab: Option<Tokens<'a>>,
    #[serde(borrow)]
    pub merges: Option<Vec<Merge<'a>>>,
    pub dropout: Option<f64>,
    pub unk_token: Option<String>,
    pub continuing_subword_prefix: Option<String>,
    pub end_of_word_suffix: Option<String>,
    pub fuse_unk: Option<bool>,
    pub byte_fallback: Option<bool>,
    pub ignore_merges: Option<bool>,
    pub max_input_chars_per_word: Option<usize>,
}

/// A string of the file, left where it is unless it has escapes: there are a hundred thousand of them.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Tokens and their ids. Unigram models have a list here; they are refused later, by name.
pub struct Tokens<'a>(pub Vec<(Cow<'a, str>, u32)>);

impl<'de: 'a, 'a> Deserialize<'de> for Tokens<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tokenful;
        impl<'de> Visitor<'de> for Tokenful {
            type Value = Tokens<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tokens")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tokens<'de>, A::Error> {
                let mut tokens = Vec::new();
                while let Some((Text(token), id)) = map.next_entry()? {
                    tokens.push((token, id));
                }
                Ok(Tokens(tokens))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tokens<'de>, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Tokens(Vec::new()))
            }
        }
        deserializer.deserialize_any(Tokenful)
    }
}

/// Two tokens that become one: `"a b"` in older files, `["a", "b"]` in newer ones.
pub struct Merge<'a>(pub Cow<'a, str>, pub Cow<'a, str>);

/// The two tokens of `"a b"`.
fn pair<E: Error>(text: &str) -> Result<(&str, &str), E> {
    match text.split_once(' ') {
        Some((left, right)) if !right.contains(' ') => Ok((left, right)),
        _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &Pair)),
    }
}

struct Pair;

impl<'de> Visitor<'de> for Pair {
    type Value = Merge<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("two tokens, as a list or with a space between")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Merge<'de>, E> {
        pair(text).map(|(left, right)| Merge(left.into(), right.into()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Merge<'de>, E> {
        pair(text).map(|(left, right)| Merge(left.to_string().into(), right.to_string().into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Merge<'de>, A::Error> {
        match (list.next_element()?, list.next_element()?, list.next_element::<IgnoredAny>()?) {
            (Some(Text(left)), Some(Text(right)), None) => Ok(Merge(left, right)),
            _ => Err(A::Error::custom("a merge is not of two tokens")),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Merge<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Pair)
    }
}
