//! WordPiece: a word becomes the longest token that it begins with, then the longest that the rest begins with, and so on.
//! (BERT; Wu et al., arXiv 1609.08144, has the idea.)

use nomul::{Result, bail};

use super::{compact::Tables, file, vocabulary::Vocabulary};

/// Words of more characters are not looked at, unless the file says otherwise.
const LONGEST_WORD: usize = 100;

/// A WordPiece encoder.
#[derive(Clone, Debug)]
pub struct WordPiece {
    vocabulary: Vocabulary,
    /// For words that cannot be put together from tokens.
    unknown: u32,
    /// What tokens begin with that go on with a word.
    prefix: String,
    longest_word: usize,
}

impl WordPiece {
    /// From the `model` of `tokenizer.json`, whose tokens may stand elsewhere.
    pub fn new(model: file::Model, tables: Option<Tables>) -> Result<WordPiece> {
        let vocabulary = match tables {
            Some(mut tables) => tables.vocabulary()?,
            None => Vocabulary::new(model.vocab)?,
        };
        let token = model.unk_token.as_deref().unwrap_or("[UNK]");
        let Some(unknown) = vocabulary.get(token) else { bail!(Missing, "model: unk_token {token:?} is not in vocab") };
        Ok(WordPiece {
            vocabulary,
            unknown,
            prefix: model.continuing_subword_prefix.unwrap_or_else(|| "##".into()),
            longest_word: model.max_input_chars_per_word.unwrap_or(LONGEST_WORD),
        })
    }

    /// The tokens.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Appends the ids of a word: those of its pieces, or the unknown token alone. `piece` is scratch.
    pub fn encode(&self, word: &str, piece: &mut String, ids: &mut Vec<u32>) {
        if word.chars().nth(self.longest_word).is_some() {
            return ids.push(self.unknown);
        }
        let (first, mut rest) = (ids.len(), word);
        while !rest.is_empty() {
            piece.clear();
            if rest.len() < word.len() {
                piece.push_str(&self.prefix);
            }
            let prefix = piece.len();
            piece.push_str(rest);
            let found = loop {
                if piece.len() == prefix {
                    break None;
                }
                match self.vocabulary.get(piece) {
                    None => piece.pop(),
                    id => break id,
                };
            };
            let Some(id) = found else {
                ids.truncate(first);
                return ids.push(self.unknown);
            };
            ids.push(id);
            rest = &rest[piece.len() - prefix..];
        }
    }
}
