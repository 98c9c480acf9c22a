//! Byte-pair encoding: a word starts as its characters, and the neighbours whose merge was learned first become one
//! token, again and again, until no two neighbours merge.

use std::{cmp::Reverse, collections::BinaryHeap, hash::BuildHasher};

use hashbrown::HashTable;
use nomul::{Result, bail};
use rustc_hash::FxBuildHasher;

use super::{compact::Tables, file, vocabulary::Vocabulary};

/// Two tokens and what they become, in the order of learning.
#[derive(Clone, Debug)]
pub struct Merges {
    list: Vec<Merge>,
    /// Places in the list, found by the hash of the two tokens.
    places: HashTable<u32>,
}

#[derive(Clone, Debug)]
struct Merge {
    pair: (u32, u32),
    made: u32,
}

impl Merges {
    /// None yet, and room for some.
    pub fn with_capacity(count: usize) -> Merges {
        Merges { list: Vec::with_capacity(count), places: HashTable::with_capacity(count) }
    }

    /// The merges of `tokenizer.json`.
    fn new(list: &[file::Merge], vocabulary: &Vocabulary) -> Result<Merges> {
        let mut merges = Merges::with_capacity(list.len());
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
            merges.add(id(left)?, id(right)?, made);
        }
        Ok(merges)
    }

    /// Adds the next; where the same two tokens were there before, it counts in their stead.
    pub fn add(&mut self, left: u32, right: u32, made: u32) {
        let (pair, place) = ((left, right), self.list.len() as u32);
        self.list.push(Merge { pair, made });
        let list = &self.list;
        let same = |other: &u32| list[*other as usize].pair == pair;
        let entry = self.places.entry(hash(pair), same, |other| hash(list[*other as usize].pair));
        entry.insert(place);
    }

    /// Place of the merge of two tokens in the order of learning, and the token it makes.
    fn get(&self, pair: (u32, u32)) -> Option<(u32, u32)> {
        let place = *self.places.find(hash(pair), |&place| self.list[place as usize].pair == pair)?;
        Some((place, self.list[place as usize].made))
    }

    /// Those that count, in order: two tokens and what they become.
    pub fn list(&self) -> impl Iterator<Item = (u32, u32, u32)> {
        let counts =
            |(place, merge): &(usize, &Merge)| self.get(merge.pair).is_some_and(|(other, _)| other as usize == *place);
        self.list.iter().enumerate().filter(counts).map(|(_, &Merge { pair: (left, right), made })| (left, right, made))
    }
}

fn hash(pair: (u32, u32)) -> u64 {
    FxBuildHasher.hash_one(pair)
}

/// A byte-pair encoder.
#[derive(Clone, Debug)]
pub struct Bpe {
    vocabulary: Vocabulary,
    merges: Merges,
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
    /// From the `model` of `tokenizer.json`, whose tokens and merges may stand elsewhere.
    pub fn new(model: file::Model, tables: Option<Tables>) -> Result<Bpe> {
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
        let (vocabulary, merges) = match tables {
            Some(mut tables) => {
                let vocabulary = tables.vocabulary()?;
                let merges = tables.merges(&vocabulary)?;
                (vocabulary, merges)
            }
            None => {
                let vocabulary = Vocabulary::new(model.vocab)?;
                let merges = Merges::new(&model.merges.unwrap_or_default(), &vocabulary)?;
                (vocabulary, merges)
            }
        };
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

    /// The merges.
    pub fn merges(&self) -> &Merges {
        &self.merges
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
            self.merges.get(pair).map(|(rank, token)| Reverse((rank, left, token)))
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
