//! The tokenizer in a form that is read several times as fast as `tokenizer.json`, and that is a third as long: a page
//! waits for this before it can answer, and runs it before its engine's code is optimised.
//!
//! ```text
//! 0    8 bytes  "nomultok"
//! 8    u32      version, 1
//! 12   u32      bytes of the JSON
//! 16            tokenizer.json, but without `vocab` and `merges` of its model
//!               ids: one more than the largest
//!               for each id the bytes of its token plus one, zero where it has none
//!               the tokens' text, one behind the other
//!               merges
//!               for each merge in order the ids of its two tokens, and that of the token they make, counted from one more than the
//!               merge before has made: an even number is twice a step up, an odd one twice a step down less one
//! ```
//!
//! The first integers are little-endian, the others LEB128: seven bits a byte, the lowest first, the highest bit set in
//! all bytes but the last.

use nomul::{Result, bail};
use serde_json::{Value, json};

use super::{Tokenizer, bpe::Merges, vocabulary::Vocabulary};

/// What a model folder calls it.
pub const COMPACT_FILE: &str = "tokenizer.nomul";

const MAGIC: [u8; 8] = *b"nomultok";
const VERSION: u32 = 1;
const HEADER: usize = 16;

/// The compact form of a `tokenizer.json`. Errors: those of [`Tokenizer::from_json`].
pub fn compact(tokenizer_json: &[u8]) -> Result<Vec<u8>> {
    let tokenizer = Tokenizer::from_json(tokenizer_json, None)?;
    let mut rest: Value = match serde_json::from_slice(tokenizer_json) {
        Ok(json) => json,
        Err(error) => bail!(Format, "{}: {error}", super::FILE),
    };
    rest["model"]["vocab"] = json!({});
    if let Some(merges) = rest["model"].get_mut("merges") {
        *merges = json!([]);
    }
    let rest = rest.to_string();
    let Ok(length) = u32::try_from(rest.len()) else { bail!(Capacity, "{}: longer than 4 GiB", super::FILE) };
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(rest.as_bytes());
    let vocabulary = tokenizer.model.vocabulary();
    let tokens = || (0..vocabulary.size() as u32).map(|id| vocabulary.token(id));
    put(&mut bytes, vocabulary.size() as u32);
    tokens().for_each(|token| put(&mut bytes, token.map_or(0, |token| token.len() as u32 + 1)));
    tokens().flatten().for_each(|token| bytes.extend_from_slice(token.as_bytes()));
    let merges: Vec<_> = tokenizer.model.merges().map(|merges| merges.list().collect()).unwrap_or_default();
    put(&mut bytes, merges.len() as u32);
    let mut expected = 0;
    for (left, right, made) in merges {
        put(&mut bytes, left);
        put(&mut bytes, right);
        let step = made.wrapping_sub(expected) as i32;
        put(&mut bytes, (step << 1 ^ step >> 31) as u32);
        expected = made + 1;
    }
    Ok(bytes)
}

fn put(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 128 {
        bytes.push(number as u8 | 128);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// What comes behind the JSON.
pub struct Tables<'a> {
    rest: &'a [u8],
}

/// Whether this is the compact form.
pub fn is_compact(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// JSON and tables of the compact form; `None` for another.
pub fn parts(bytes: &[u8]) -> Result<Option<(&[u8], Tables<'_>)>> {
    if !is_compact(bytes) {
        return Ok(None);
    }
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else { bail!(Format, "it ends in its header") };
    let [_, _, version, length] = [0, 4, 8, 12].map(|at| {
        let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
        u32::from_le_bytes(bytes)
    });
    if version != VERSION {
        bail!(Unsupported, "a compact tokenizer of version {version}; {VERSION} is supported");
    }
    match rest.split_at_checked(length as usize) {
        Some((json, rest)) => Ok(Some((json, Tables { rest }))),
        None => bail!(Format, "{length} bytes of JSON, of which {} are there", rest.len()),
    }
}

impl Tables<'_> {
    /// The tokens, which come first.
    pub fn vocabulary(&mut self) -> Result<Vocabulary> {
        let count = self.number()? as usize;
        if count > self.rest.len() {
            bail!(Format, "{count} ids in {} bytes", self.rest.len());
        }
        let lengths: Vec<u32> = (0..count).map(|_| self.number()).collect::<Result<_>>()?;
        let length: u64 = lengths.iter().map(|&length| u64::from(length.saturating_sub(1))).sum();
        let split = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let Some((text, rest)) = split else {
            bail!(Format, "the tokens have {length} bytes, of which {} are there", self.rest.len());
        };
        self.rest = rest;
        let Ok(text) = std::str::from_utf8(text) else { bail!(Format, "the tokens are no UTF-8") };
        Vocabulary::of_lengths(text, &lengths)
    }

    /// The merges, which come last.
    pub fn merges(&mut self, vocabulary: &Vocabulary) -> Result<Merges> {
        let count = self.number()? as usize;
        if count > self.rest.len() / 3 {
            bail!(Format, "{count} merges in {} bytes", self.rest.len());
        }
        let mut merges = Merges::with_capacity(count);
        let mut expected = 0u32;
        for _ in 0..count {
            let (left, right, step) = (self.number()?, self.number()?, self.number()?);
            let made = expected.wrapping_add(step >> 1 ^ (step & 1).wrapping_neg());
            if [left, right, made].into_iter().any(|id| id as usize >= vocabulary.size()) {
                bail!(Format, "a merge of {left} and {right} to {made}, of {} ids", vocabulary.size());
            }
            merges.add(left, right, made);
            expected = made.wrapping_add(1);
        }
        if !self.rest.is_empty() {
            bail!(Format, "{} bytes behind the merges", self.rest.len());
        }
        Ok(merges)
    }

    fn number(&mut self) -> Result<u32> {
        let mut number = 0;
        for shift in [0, 7, 14, 21, 28] {
            let Some((&byte, rest)) = self.rest.split_first() else { bail!(Format, "it ends in its tables") };
            self.rest = rest;
            number |= u32::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(number);
            }
        }
        bail!(Format, "a number of more than 32 bits")
    }
}
