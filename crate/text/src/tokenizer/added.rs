//! Added tokens (`<|im_start|>` and the like): found in the text before anything else looks at it.

use std::{collections::BTreeMap, ops::Range};

use nomul::Result;

use super::{file::AddedToken, normalize::Normalizer, unicode::is_word, vocabulary::Vocabulary};

/// A piece of the text: an added token, or text between them.
#[derive(Debug, PartialEq)]
pub enum Part {
    /// An added token's id.
    Token(u32),
    /// Normalised text; true if it is the start of the whole text.
    Text(String, bool),
}

/// The added tokens of a tokenizer.
#[derive(Clone, Debug)]
pub struct AddedTokens {
    tokens: BTreeMap<u32, AddedToken>,
    /// Sought in the text as it came.
    plain: Finder,
    /// Sought, in their normalised form, in normalised text.
    normalized: Finder,
}

/// Finds the leftmost of many texts, and of several there the longest.
#[derive(Clone, Debug, Default)]
struct Finder {
    /// What to seek and its id, longest first, for each of the 256 first bytes; empty if there is nothing to seek.
    by_first_byte: Vec<Vec<(String, u32)>>,
}

impl Finder {
    fn add(&mut self, text: String, id: u32) {
        let Some(&first) = text.as_bytes().first() else { return };
        self.by_first_byte.resize(256, Vec::new());
        let bucket = &mut self.by_first_byte[first as usize];
        let place = bucket.partition_point(|(other, _)| other.len() >= text.len());
        bucket.insert(place, (text, id));
    }

    fn find(&self, text: &str, from: usize) -> Option<(Range<usize>, u32)> {
        if self.by_first_byte.is_empty() {
            return None;
        }
        let bytes = &text.as_bytes()[from..];
        bytes.iter().enumerate().find_map(|(at, &first)| {
            let found = self.by_first_byte[first as usize]
                .iter()
                .find(|(sought, _)| bytes[at..].starts_with(sought.as_bytes()));
            found.map(|(sought, id)| (from + at..from + at + sought.len(), *id))
        })
    }
}

impl AddedTokens {
    /// A token that is in the model's vocabulary too has the id it has there.
    pub fn new(list: Vec<AddedToken>, vocabulary: &Vocabulary, normalizer: &Normalizer) -> Result<AddedTokens> {
        let mut added =
            AddedTokens { tokens: BTreeMap::new(), plain: Finder::default(), normalized: Finder::default() };
        for mut token in list {
            token.id = vocabulary.get(&token.content).unwrap_or(token.id);
            if token.normalized {
                added.normalized.add(normalizer.apply(&token.content)?.into_owned(), token.id);
            } else {
                added.plain.add(token.content.clone(), token.id);
            }
            added.tokens.insert(token.id, token);
        }
        Ok(added)
    }

    /// The token of an id, and whether it is a special one.
    pub fn token(&self, id: u32) -> Option<(&str, bool)> {
        self.tokens.get(&id).map(|token| (token.content.as_str(), token.special))
    }

    /// The id of a token.
    pub fn get(&self, content: &str) -> Option<u32> {
        self.tokens.values().find(|token| token.content == content).map(|token| token.id)
    }

    /// The largest id.
    pub fn last(&self) -> Option<u32> {
        self.tokens.keys().next_back().copied()
    }

    /// Cuts the text at added tokens, and normalises what is between them.
    pub fn split(&self, text: &str, normalizer: &Normalizer) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        self.cut(&self.plain, text, true, &mut |part| {
            match part {
                Part::Text(text, at_start) => {
                    let text = normalizer.apply(&text)?;
                    self.cut(&self.normalized, &text, at_start, &mut |part| {
                        parts.push(part);
                        Ok(())
                    })?;
                }
                token => parts.push(token),
            }
            Ok(())
        })?;
        Ok(parts)
    }

    fn cut(&self, finder: &Finder, text: &str, at_start: bool, take: &mut dyn FnMut(Part) -> Result<()>) -> Result<()> {
        let mut done = 0;
        let mut from = 0;
        let between = |range: Range<usize>, take: &mut dyn FnMut(Part) -> Result<()>| {
            let at_start = at_start && range.start == 0;
            if range.is_empty() { Ok(()) } else { take(Part::Text(text[range].into(), at_start)) }
        };
        while let Some((Range { mut start, mut end }, id)) = finder.find(text, from) {
            from = end;
            let token = &self.tokens[&id];
            let touches_word = text[..start].chars().next_back().is_some_and(is_word)
                || text[end..].chars().next().is_some_and(is_word);
            if token.single_word && touches_word {
                continue;
            }
            if token.lstrip {
                start = text[..start].trim_end().len().max(done);
            }
            if token.rstrip {
                end = text.len() - text[end..].trim_start().len();
            }
            between(done..start.max(done), take)?;
            take(Part::Token(id))?;
            done = end;
        }
        between(done.min(text.len())..text.len(), take)
    }
}
