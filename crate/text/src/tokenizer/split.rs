//! Pre-tokenizers: where a text is cut into words, each of which is encoded on its own.

use std::ops::Range;

use nomul::{Result, bail};
use serde_json::Value;

use super::{bytes::ByteAlphabet, character_of, flag, pattern::Pattern, pattern_of, unicode::is_punctuation};

/// How GPT-2 cuts, and every byte-level tokenizer that does not say otherwise.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// A step of cutting.
#[derive(Clone, Debug)]
pub enum Splitter {
    /// Several, one after the other.
    Sequence(Vec<Splitter>),
    /// At the matches of a pattern.
    Pattern {
        /// What is sought.
        pattern: Pattern,
        /// What becomes of it.
        behavior: Behavior,
        /// What is between the matches takes their place.
        invert: bool,
    },
    /// At characters of a kind.
    Characters {
        /// The kind.
        is: fn(char) -> bool,
        /// What becomes of them.
        behavior: Behavior,
    },
    /// Bytes become printable characters, after cutting by [`GPT2`] if there is a pattern.
    ByteLevel {
        /// A word that does not start with a space gets one.
        add_prefix_space: bool,
        /// How to cut.
        pattern: Option<Pattern>,
        /// The printable characters.
        alphabet: ByteAlphabet,
    },
    /// Spaces become a visible character, and words start with it.
    Metaspace {
        /// The visible character.
        replacement: char,
        /// Which words get one in front that have none.
        prepend: Prepend,
        /// Cut before each.
        split: bool,
    },
}

/// What becomes of a match, [`Splitter::Pattern`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Behavior {
    /// It is dropped.
    Removed,
    /// It is a word.
    Isolated,
    /// It is the end of the word before.
    MergedWithPrevious,
    /// It is the start of the word behind.
    MergedWithNext,
    /// Neighbouring matches are one word.
    Contiguous,
}

/// Which words get the visible space in front, [`Splitter::Metaspace`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Prepend {
    /// All.
    Always,
    /// The first of the text.
    First,
    /// None.
    Never,
}

/// A text and where it is cut.
pub struct Words {
    text: String,
    words: Vec<Range<usize>>,
    /// The text is the start of the whole.
    at_start: bool,
}

impl Words {
    /// One word.
    pub fn new(text: String, at_start: bool) -> Words {
        let all = 0..text.len();
        Words { text, words: vec![all], at_start }
    }

    /// The words.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(|range| &self.text[range.clone()])
    }

    /// Replaces each word; the function appends what it becomes, and is told whether it starts the whole text.
    fn rewrite(&mut self, mut write: impl FnMut(&str, bool, &mut String)) {
        let mut text = String::with_capacity(self.text.len() * 2);
        for range in &mut self.words {
            let start = text.len();
            write(&self.text[range.clone()], self.at_start && range.start == 0, &mut text);
            *range = start..text.len();
        }
        self.text = text;
    }

    /// Cuts each word at the matches that the function finds in it.
    fn cut(
        &mut self,
        behavior: Behavior,
        invert: bool,
        mut find: impl FnMut(&str) -> Result<Vec<Range<usize>>>,
    ) -> Result<()> {
        let mut words = Vec::with_capacity(self.words.len());
        for range in &self.words {
            let matches = find(&self.text[range.clone()])?;
            let parts = parts(matches, range.len(), invert);
            words
                .extend(behavior.apply(parts).into_iter().map(|part| range.start + part.start..range.start + part.end));
        }
        self.words = words;
        Ok(())
    }
}

/// Matches and what is between them: `(range, is a match)`, covering `length` bytes.
fn parts(matches: Vec<Range<usize>>, length: usize, invert: bool) -> Vec<(Range<usize>, bool)> {
    let mut parts = Vec::with_capacity(2 * matches.len() + 1);
    let mut done = 0;
    for range in matches {
        if done < range.start {
            parts.push((done..range.start, invert));
        }
        done = range.end;
        parts.push((range, !invert));
    }
    if done < length {
        parts.push((done..length, invert));
    }
    parts
}

impl Behavior {
    fn new(json: &Value) -> Result<Behavior> {
        Ok(match json.as_str() {
            Some("Removed") => Behavior::Removed,
            Some("Isolated") => Behavior::Isolated,
            Some("MergedWithPrevious") => Behavior::MergedWithPrevious,
            Some("MergedWithNext") => Behavior::MergedWithNext,
            Some("Contiguous") => Behavior::Contiguous,
            _ => bail!(Unsupported, "behavior {json} is unknown"),
        })
    }

    fn apply(self, parts: Vec<(Range<usize>, bool)>) -> Vec<Range<usize>> {
        let mut words: Vec<Range<usize>> = Vec::with_capacity(parts.len());
        let mut before = false;
        for (part, is_match) in parts {
            let joins = match self {
                Behavior::Removed if is_match => continue,
                Behavior::Removed | Behavior::Isolated => false,
                // The part before was of the same kind.
                Behavior::Contiguous => is_match == before,
                // The first match after something else; a second one stands alone.
                Behavior::MergedWithPrevious => is_match && !before,
                // Something else after a match.
                Behavior::MergedWithNext => !is_match && before,
            };
            before = is_match;
            match words.last_mut() {
                Some(last) if joins => last.end = part.end,
                _ => words.push(part),
            }
        }
        words
    }
}

impl Splitter {
    /// From the `pre_tokenizer` of `tokenizer.json`, null for none.
    pub fn new(json: &Value) -> Result<Splitter> {
        if json.is_null() {
            return Ok(Splitter::Sequence(Vec::new()));
        }
        Ok(match json["type"].as_str().unwrap_or_default() {
            "Sequence" => {
                let steps = json["pretokenizers"].as_array().map(Vec::as_slice).unwrap_or_default();
                Splitter::Sequence(steps.iter().map(Splitter::new).collect::<Result<_>>()?)
            }
            "ByteLevel" => Splitter::ByteLevel {
                add_prefix_space: flag(json, "add_prefix_space", None)?,
                pattern: flag(json, "use_regex", Some(true))?.then(|| Pattern::new(GPT2)).transpose()?,
                alphabet: ByteAlphabet::new(),
            },
            "Split" => Splitter::Pattern {
                pattern: pattern_of(json)?,
                behavior: Behavior::new(&json["behavior"])?,
                invert: flag(json, "invert", Some(false))?,
            },
            "Digits" => {
                let behavior = match flag(json, "individual_digits", None)? {
                    true => Behavior::Isolated,
                    false => Behavior::Contiguous,
                };
                Splitter::Characters { is: char::is_numeric, behavior }
            }
            "Punctuation" => {
                let behavior = match &json["behavior"] {
                    Value::Null => Behavior::Isolated,
                    behavior => Behavior::new(behavior)?,
                };
                Splitter::Characters { is: is_punctuation, behavior }
            }
            // Between words, and around each mark of punctuation.
            "BertPreTokenizer" => Splitter::Sequence(vec![
                Splitter::Characters { is: char::is_whitespace, behavior: Behavior::Removed },
                Splitter::Characters { is: is_punctuation, behavior: Behavior::Isolated },
            ]),
            "WhitespaceSplit" => Splitter::Characters { is: char::is_whitespace, behavior: Behavior::Removed },
            "Whitespace" => {
                Splitter::Pattern { pattern: Pattern::new(r"\w+|[^\w\s]+")?, behavior: Behavior::Removed, invert: true }
            }
            "Metaspace" => Splitter::Metaspace {
                replacement: character_of(json, "replacement")?,
                prepend: Prepend::new(json)?,
                split: flag(json, "split", Some(true))?,
            },
            _ => bail!(
                Unsupported,
                "pre_tokenizer {} is unknown; known are Sequence, ByteLevel, Split, Digits, Punctuation, WhitespaceSplit, \
                 Whitespace, Metaspace, BertPreTokenizer",
                json["type"]
            ),
        })
    }

    /// Cuts the words further.
    pub fn apply(&self, words: &mut Words) -> Result<()> {
        match self {
            Splitter::Sequence(steps) => steps.iter().try_for_each(|step| step.apply(words)),
            Splitter::Pattern { pattern, behavior, invert } => {
                words.cut(*behavior, *invert, |word| pattern.matches(word))
            }
            Splitter::Characters { is, behavior } => words.cut(*behavior, false, |word| {
                let found = word.match_indices(*is).map(|(at, found)| at..at + found.len());
                Ok(found.collect())
            }),
            Splitter::ByteLevel { add_prefix_space, pattern, alphabet } => {
                if *add_prefix_space {
                    words.rewrite(|word, _, text| {
                        text.push_str(if word.starts_with(' ') { "" } else { " " });
                        text.push_str(word);
                    });
                }
                if let Some(pattern) = pattern {
                    words.cut(Behavior::Isolated, false, |word| pattern.matches(word))?;
                }
                words.rewrite(|word, _, text| text.extend(word.bytes().map(|byte| alphabet.character(byte))));
                Ok(())
            }
            Splitter::Metaspace { replacement, prepend, split } => {
                words.rewrite(|word, first, text| {
                    let wanted = match prepend {
                        Prepend::Always => true,
                        Prepend::First => first,
                        Prepend::Never => false,
                    };
                    if wanted && !word.starts_with([' ', *replacement]) {
                        text.push(*replacement);
                    }
                    text.extend(word.chars().map(|c| if c == ' ' { *replacement } else { c }));
                });
                if *split {
                    let pattern = Pattern::Literal((*replacement).into());
                    words.cut(Behavior::MergedWithNext, false, |word| pattern.matches(word))?;
                }
                Ok(())
            }
        }
    }
}

impl Prepend {
    /// From a `Metaspace`, which in older files has `add_prefix_space` alone.
    pub fn new(json: &Value) -> Result<Prepend> {
        Ok(match &json["prepend_scheme"] {
            Value::Null if flag(json, "add_prefix_space", Some(true))? => Prepend::Always,
            Value::Null => Prepend::Never,
            scheme => match scheme.as_str() {
                Some("always") => Prepend::Always,
                Some("first") => Prepend::First,
                Some("never") => Prepend::Never,
                _ => bail!(Unsupported, "prepend_scheme {scheme} is unknown"),
            },
        })
    }
}
