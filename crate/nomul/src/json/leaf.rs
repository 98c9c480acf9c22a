//! A leaf becomes a symbol.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use super::{
    date,
    schema::{Hint, NumberMode, Schema, StringMode},
    value::Value,
};
use crate::{
    Result, bail,
    vsa::{
        Bits, Bundle, Spreader,
        draw::{Draw, Kind},
        levels::Line,
    },
};

/// Symbols of leaves, and memory that making them takes.
pub(super) struct Leaves {
    dimension: usize,
    seed: u64,
    ties: Bits,
    numbers: Line,
    dates: Line,
    moments: Line,
    words: Bundle,
    word: Bits,
    name: Vec<u8>,
    /// Vectors of texts, as symbols.
    texts: BTreeMap<String, Bits>,
    spreader: Option<Spreader>,
}

impl Leaves {
    pub fn new(schema: &Schema) -> Leaves {
        let (dimension, seed) = (schema.dimension, schema.seed);
        Leaves {
            dimension,
            seed,
            ties: Bits::ties(dimension, seed),
            numbers: Line::new(dimension, seed, b"number"),
            dates: Line::new(dimension, seed, b"date"),
            moments: Line::new(dimension, seed, b"moment"),
            words: Bundle::new(dimension),
            word: Bits::identity(dimension),
            name: Vec::new(),
            texts: BTreeMap::new(),
            spreader: None,
        }
    }

    pub fn ties(&self) -> &Bits {
        &self.ties
    }

    /// The symbol of a leaf, which is no container with something in it, put into `out`.
    pub fn symbol(&mut self, value: &Value, hint: &Hint, out: &mut Bits) -> Result<()> {
        match value {
            Value::Null => self.named(b'c', b"null", out),
            Value::Bool(true) => self.named(b'c', b"true", out),
            Value::Bool(false) => self.named(b'c', b"false", out),
            Value::Array(_) => self.named(b'c', b"[]", out),
            Value::Object(_) => self.named(b'c', b"{}", out),
            Value::Number(number) => self.number(*number, hint, out),
            Value::String(text) => return self.string(text, hint, out),
        }
        Ok(())
    }

    /// The symbol of a name; the first byte keeps different kinds of leaves apart.
    fn named(&mut self, kind: u8, name: &[u8], out: &mut Bits) {
        self.named_first(kind, name, out.words().len(), out);
    }

    /// Its first so many words.
    fn named_first(&mut self, kind: u8, name: &[u8], words: usize, out: &mut Bits) {
        if words == 0 {
            return;
        }
        self.name.clear();
        self.name.push(kind);
        self.name.extend_from_slice(name);
        out.draw_first(words, &mut Draw::new(self.seed, Kind::Atom, &self.name));
    }

    fn number(&mut self, number: f64, hint: &Hint, out: &mut Bits) {
        let standard = NumberMode::default();
        let mode = hint.number.as_ref().unwrap_or(&standard);
        match mode.level(number) {
            // Zero has no sign here.
            None => self.named(b'n', &(number + 0.0).to_bits().to_le_bytes(), out),
            Some(level) => {
                let exact = hint.exact_words(self.dimension);
                self.named_first(b'n', &(number + 0.0).to_bits().to_le_bytes(), exact, out);
                let others = exact..out.words().len();
                match mode {
                    NumberMode::Circular { .. } => self.line(mode).put(level, others, out),
                    _ => self.numbers.put(level, others, out),
                }
            }
        }
    }

    /// The line, or the circle, of numbers.
    pub fn line(&self, mode: &NumberMode) -> Line {
        match mode {
            // A schema was checked: there are marks enough.
            NumberMode::Circular { marks, .. } => {
                Line::circle(self.dimension, self.seed, b"circle", *marks).unwrap_or_else(|_| self.numbers.clone())
            }
            _ => self.numbers.clone(),
        }
    }

    /// The line of dates.
    pub fn dates(&self) -> &Line {
        &self.dates
    }

    fn string(&mut self, text: &str, hint: &Hint, out: &mut Bits) -> Result<()> {
        let exact = hint.exact_words(self.dimension);
        match hint.string.unwrap_or_default() {
            StringMode::Whole => self.named(b's', text.as_bytes(), out),
            StringMode::Words => {
                let lower = text.to_lowercase();
                let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
                self.majority(b'w', words, text, out);
                self.named_first(b's', text.as_bytes(), exact, out);
            }
            StringMode::Ngrams { size } => {
                let runs = ngrams(text, size);
                self.majority(b'g', runs.iter().map(String::as_str), text, out);
                self.named_first(b's', text.as_bytes(), exact, out);
            }
            StringMode::Date { unit, near } => match date::seconds(text) {
                Some(seconds) => {
                    // Ways to write one and the same time are equal.
                    self.named_first(b'd', &(seconds + 0.0).to_bits().to_le_bytes(), exact, out);
                    let coarse = hint.coarse_words(self.dimension);
                    if let Some(near) = near {
                        self.moments.put(seconds / near, exact..coarse, out);
                    }
                    self.dates.put(seconds / unit, coarse..out.words().len(), out);
                }
                None => self.named(b's', text.as_bytes(), out),
            },
            StringMode::Embedding => match self.texts.get(text) {
                Some(symbol) => out.clone_from(symbol),
                None => bail!(Missing, "no vector was attached for the text {}", super::value::quoted(text)),
            },
        }
        Ok(())
    }

    /// The majority of the symbols of parts; of the whole text where there are none.
    fn majority<'a>(&mut self, kind: u8, parts: impl Iterator<Item = &'a str>, text: &str, out: &mut Bits) {
        self.words.clear();
        let mut word = core::mem::replace(&mut self.word, Bits::placeholder());
        for part in parts {
            self.named(kind, part.as_bytes(), &mut word);
            self.words.add(&word, 1);
        }
        self.word = word;
        match self.words.total() {
            0 => self.named(b's', text.as_bytes(), out),
            _ => self.words.majority_into(&self.ties, out),
        }
    }

    /// Gives a text the vector of a text encoder.
    pub fn attach(&mut self, text: &str, vector: &[f32]) -> Result<()> {
        if self.spreader.is_none() {
            self.spreader = Some(Spreader::new(vector.len(), self.dimension, self.seed)?);
        }
        if let Some(spreader) = &self.spreader {
            self.texts.insert(text.into(), spreader.spread(vector)?);
        }
        Ok(())
    }

    pub fn is_attached(&self, text: &str) -> bool {
        self.texts.contains_key(text)
    }
}

/// Runs of `size` characters in lower case, with a blank before and after the text; a shorter text is one run.
fn ngrams(text: &str, size: usize) -> Vec<String> {
    let characters: Vec<char> = core::iter::once(' ').chain(text.to_lowercase().chars()).chain([' ']).collect();
    characters.windows(size.min(characters.len())).map(|run| run.iter().collect()).collect()
}
