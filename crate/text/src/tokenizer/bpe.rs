//! Byte-pair encoding: a word starts as its characters, and the neighbours whose merge was learned first become one
//! token, again and again, until no two neighbours merge.

use std::{cmp::Reverse, collections::BinaryHeap};

use hashbrown::HashMap;
use nomul::{Result, bail};
use rustc_hash::FxBuildHasher;

use super::{file, vocabulary::Vocabulary};

/// Place of a merge in the order of learning, and the token it makes.
type Merge = (u32, u32);

/// A byte-pair encoder.
#[derive(Clone, Debug)]
pub struct Bpe {
    vocabulary: Vocabulary,
    merges: HashMap<(u32, u32), Merge, FxBuildHasher>,
    unknown: Option<u32>,
    fuse_unknown: bool,
    /// Token of each byte, for characters that have none; `None` if a byte has none or it is not wanted.
    byte_fallback: bool,
    /// Words that are tokens are taken whole.
    ignore_merges: bool,
}

/// A token in a word that is being merged, linked to its neighbours.
#[derive(Clone, Copy)]
struct Symbol {
    token: u32,
    previous: usize,
    next: usize,
    merged: bool,
}

const NONE: usize = usize::MAX;

/// Room for [`Bpe::encode`], used again for each word.
#[derive(Default)]
pub struct Scratch {
    symbols: Vec<Symbol>,
    /// (rank, position of the left token, token it makes), least rank first, then leftmost.
    queue: BinaryHeap<Reverse<(u32, usize, u32)>>,
}

impl Bpe {
    /// From the `model` of `tokenizer.json`.
    pub fn new(model: file::Model) -> Result<Bpe> {
        let Some(file::Tokens(tokens)) = model.vocab else { bail!(Missing, "model: no vocab") };
        for (field, value) in [
            ("continuing_subword_prefix", &model.continuing_subword_prefix),
            ("end_of_word_suffix", &model.end_of_word_suffix),
        ] {
            if value.as_ref().is_some_and(|value| !value.is_empty()) {
                bail!(Unsupported, "model: {field} is not supported");
            }
        }
        if model.dropout.is_some_and(|dropout| dropout != 0.0) {
            bail!(Unsupported, "model: dropout is not supported");
        }
        let vocabulary = Vocabulary::new(&tokens)?;
        let list = model.merges.unwrap_or_default();
        let mut merges = HashMap::with_capacity_and_hasher(list.len(), FxBuildHasher);
        let mut joined = String::new();
        let mut made = 0;
        for (rank, file::Merge(left, right)) in list.iter().enumerate() {
            joined.clear();
            joined.extend([left.as_ref(), right.as_ref()]);
            let id = |token: &str| match vocabulary.get(token) {
                Some(id) => Ok(id),
                None => bail!(Format, "model: merge {rank} needs {token:?}, which is not in vocab"),
            };
            // Ids follow the order of learning in most files: a comparison then saves a search.
            made = if vocabulary.token(made + 1) == Some(&joined) { made + 1 } else { id(&joined)? };
            merges.insert((id(left)?, id(right)?), (rank as u32, made));
        }
        let unknown = match &model.unk_token {
            None => None,
            Some(token) => match vocabulary.get(token) {
                None => bail!(Missing, "model: unk_token {token:?} is not in vocab"),
                id => id,
            },
        };
        Ok(Bpe {
            vocabulary,
            merges,
            unknown,
            fuse_unknown: model.fuse_unk.unwrap_or(false),
            byte_fallback: model.byte_fallback.unwrap_or(false),
            ignore_merges: model.ignore_merges.unwrap_or(false),
        })
    }

    /// The tokens.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Appends the ids of a word. Characters without a token become their bytes' tokens, or the unknown token, or
    /// nothing, as the tokenizer has it.
    pub fn encode(&self, word: &str, scratch: &mut Scratch, ids: &mut Vec<u32>) {
        if self.ignore_merges
            && let Some(id) = self.vocabulary.get(word)
        {
            ids.push(id);
            return;
        }
        let symbols = &mut scratch.symbols;
        symbols.clear();
        let mut unknown = None;
        let mut add = |token| {
            let here = symbols.len();
            symbols.push(Symbol { token, previous: here.wrapping_sub(1), next: here + 1, merged: false });
        };
        for (at, c) in word.char_indices() {
            let character = &word[at..at + c.len_utf8()];
            if let Some(token) = self.vocabulary.get(character) {
                unknown.take().into_iter().for_each(&mut add);
                add(token);
            } else if !(self.byte_fallback && self.add_bytes(character, &mut add)) {
                if !self.fuse_unknown {
                    unknown.take().into_iter().for_each(&mut add);
                }
                unknown = self.unknown;
            }
        }
        unknown.into_iter().for_each(&mut add);
        if let Some(last) = symbols.last_mut() {
            last.next = NONE;
        }
        self.merge(scratch);
        ids.extend(scratch.symbols.iter().filter(|symbol| !symbol.merged).map(|symbol| symbol.token));
    }

    /// Adds the tokens of a character's bytes, if every one has a token.
    fn add_bytes(&self, character: &str, add: &mut impl FnMut(u32)) -> bool {
        let mut tokens = [0; 4];
        for (token, byte) in tokens.iter_mut().zip(character.bytes()) {
            match self.vocabulary.get(&format!("<0x{byte:02X}>")) {
                Some(id) => *token = id,
                None => return false,
            }
        }
        tokens[..character.len()].iter().copied().for_each(add);
        true
    }

    fn merge(&self, Scratch { symbols, queue }: &mut Scratch) {
        let merge_at = |symbols: &[Symbol], left: usize| {
            let right = symbols[left].next;
            let pair = (symbols[left].token, symbols.get(right)?.token);
            self.merges.get(&pair).map(|&(rank, token)| Reverse((rank, left, token)))
        };
        queue.clear();
        queue.extend((0..symbols.len()).filter_map(|left| merge_at(symbols, left)));
        while let Some(Reverse((_, left, token))) = queue.pop() {
            // Entries are not removed when one of their tokens is merged away: they are found out here.
            let current = merge_at(symbols, left).filter(|_| !symbols[left].merged);
            if current.is_none_or(|Reverse((_, _, current))| current != token) {
                continue;
            }
            let right = symbols[left].next;
            let next = symbols[right].next;
            symbols[right].merged = true;
            symbols[left].token = token;
            symbols[left].next = next;
            if next != NONE {
                symbols[next].previous = left;
            }
            let previous = symbols[left].previous;
            if previous != NONE {
                queue.extend(merge_at(symbols, previous));
            }
            queue.extend(merge_at(symbols, left));
        }
    }
}
