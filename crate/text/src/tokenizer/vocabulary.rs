//! Tokens by id and ids by token.

use std::hash::BuildHasher;

use hashbrown::{HashTable, hash_table::Entry};
use nomul::{Result, bail};
use rustc_hash::FxBuildHasher;

use super::file;

/// More tokens than any tokenizer has.
const LARGEST: u32 = 1 << 22;

/// The tokens of a model. All their text lies in one string.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    text: String,
    /// Where the text of each id starts and ends; `None` where no token has the id.
    spans: Vec<Option<(u32, u32)>>,
    /// Ids, found by the hash of their text.
    ids: HashTable<u32>,
}

impl Vocabulary {
    /// The vocabulary of `tokenizer.json`.
    pub fn new(vocab: Option<file::Tokens>) -> Result<Vocabulary> {
        let Some(file::Tokens(tokens)) = vocab else { bail!(Missing, "model: no vocab") };
        let mut vocabulary = Vocabulary::default();
        vocabulary.text.reserve_exact(tokens.iter().map(|(token, _)| token.len()).sum());
        vocabulary.ids.reserve(tokens.len(), |_| 0);
        for (token, id) in &tokens {
            vocabulary.add(token, *id)?;
        }
        Ok(vocabulary)
    }

    /// The vocabulary whose tokens, by their ids, have so many bytes less one of a text, or none where that is zero. Nothing
    /// looks whether a token is there twice.
    pub fn of_lengths(text: &str, lengths: &[u32]) -> Result<Vocabulary> {
        if lengths.len() > LARGEST as usize {
            bail!(Value, "{} ids; more than {LARGEST} are not supported", lengths.len());
        }
        let mut vocabulary = Vocabulary { text: text.into(), ..Vocabulary::default() };
        vocabulary.spans.reserve_exact(lengths.len());
        vocabulary.ids.reserve(lengths.len(), |_| 0);
        let mut end = 0;
        for (id, &length) in lengths.iter().enumerate() {
            let start = end;
            end += length.saturating_sub(1);
            let Some(token) = text.get(start as usize..end as usize) else {
                bail!(Format, "the token of id {id} ends within a character");
            };
            vocabulary.spans.push((length > 0).then_some((start, end)));
            if length > 0 {
                vocabulary.ids.insert_unique(FxBuildHasher.hash_one(token), id as u32, |_| 0);
            }
        }
        Ok(vocabulary)
    }

    fn add(&mut self, token: &str, id: u32) -> Result<()> {
        let hash = |token: &str| FxBuildHasher.hash_one(token);
        if id >= LARGEST {
            bail!(Value, "token {token:?} has the id {id}; {LARGEST} and more are not supported");
        }
        let (text, spans) = (&self.text, &self.spans);
        let known = |id: &u32| spans[*id as usize].map_or("", |(start, end)| &text[start as usize..end as usize]);
        let place = self.ids.entry(hash(token), |other| known(other) == token, |other| hash(known(other)));
        let (Entry::Vacant(place), None) = (place, spans.get(id as usize).copied().flatten()) else {
            bail!(Format, "token {token:?} with the id {id}: one of both is there twice");
        };
        let (start, end) = (text.len(), text.len() + token.len());
        let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(end)) else {
            bail!(Capacity, "the tokens are longer than 4 GiB");
        };
        place.insert(id);
        self.text.push_str(token);
        if id as usize >= self.spans.len() {
            self.spans.resize(id as usize + 1, None);
        }
        self.spans[id as usize] = Some((start, end));
        Ok(())
    }

    /// The id of a token.
    pub fn get(&self, token: &str) -> Option<u32> {
        self.ids.find(FxBuildHasher.hash_one(token), |&id| self.token(id) == Some(token)).copied()
    }

    /// The token of an id.
    pub fn token(&self, id: u32) -> Option<&str> {
        let (start, end) = (*self.spans.get(id as usize)?)?;
        Some(&self.text[start as usize..end as usize])
    }

    /// One more than the largest id.
    pub fn size(&self) -> usize {
        self.spans.len()
    }
}
