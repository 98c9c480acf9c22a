//! Item memory: from a noisy vector back to the symbol that it stands for.

use alloc::{string::String, vec::Vec};

use super::{Bits, Bundle, bits::same};
use crate::{Code, Error, Result, bail};

/// An answer of an [`ItemMemory`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// The item, in the order in which they came.
    pub item: usize,
    /// Its dot product with what was asked for.
    pub dot: i64,
}

/// Named symbols that are searched by comparing with all of them.
#[derive(Clone, Debug)]
pub struct ItemMemory {
    dimension: usize,
    names: Vec<String>,
    items: Vec<Bits>,
}

impl ItemMemory {
    /// Without items.
    pub fn new(dimension: usize) -> ItemMemory {
        ItemMemory { dimension, names: Vec::new(), items: Vec::new() }
    }

    /// The symbols of names under a seed.
    pub fn of_atoms<N: AsRef<str>>(dimension: usize, seed: u64, names: impl IntoIterator<Item = N>) -> ItemMemory {
        let mut memory = ItemMemory::new(dimension);
        for name in names {
            let name = name.as_ref();
            memory.items.push(Bits::atom(dimension, seed, name.as_bytes()));
            memory.names.push(name.into());
        }
        memory
    }

    /// `count` symbols with one and the same angle between any two of them, a right one: rows of a Hadamard matrix with
    /// random signs. For small alphabets, whose letters then never disturb each other.
    ///
    /// Fails unless a power of two that is at least `count` divides the dimension.
    pub fn equiangular(dimension: usize, seed: u64, count: usize) -> Result<ItemMemory> {
        super::check_dimension(dimension)?;
        let most = 1usize << dimension.trailing_zeros();
        if count > most {
            bail!(Input, "{count} symbols at right angles: dimension {dimension} has {most}, the power of two in it");
        }
        let signs = Bits::random(dimension, &mut super::draw::Draw::new(seed, super::draw::Kind::Atom, b"equiangular"));
        let mut memory = ItemMemory::new(dimension);
        for row in 0..count {
            let mut item = signs.clone();
            for (w, word) in item.words_mut().iter_mut().enumerate() {
                *word ^= (0..64).fold(0, |word, i| word | ((row & (64 * w + i)).count_ones() as u64 & 1) << i);
            }
            item.trim();
            memory.push(alloc::format!("{row}"), item)?;
        }
        Ok(memory)
    }

    /// Adds an item.
    pub fn push(&mut self, name: impl Into<String>, item: Bits) -> Result<()> {
        if item.dimension() != self.dimension {
            bail!(Shape, "an item of {} signs: the memory is of {}", item.dimension(), self.dimension);
        }
        self.names.push(name.into());
        self.items.push(item);
        Ok(())
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The name of an item.
    pub fn name(&self, item: usize) -> &str {
        &self.names[item]
    }

    /// The symbol of an item.
    pub fn item(&self, item: usize) -> &Bits {
        &self.items[item]
    }

    /// All symbols.
    pub fn items(&self) -> &[Bits] {
        &self.items
    }

    /// Dot products of a bundle with every item.
    pub fn dots(&self, query: &Bundle) -> Vec<i64> {
        same(self.dimension, query.dimension());
        let query = query.against();
        self.items.iter().map(|item| query.dot(item)).collect()
    }

    /// The nearest item of a bundle; the first of several equally near. Fails in an empty memory.
    pub fn nearest(&self, query: &Bundle) -> Result<Match> {
        same(self.dimension, query.dimension());
        let query = query.against();
        self.best(|item| query.dot(item))
    }

    /// The nearest item of signs; the first of several equally near. Fails in an empty memory.
    pub fn nearest_bits(&self, query: &Bits) -> Result<Match> {
        same(self.dimension, query.dimension());
        self.best(|item| query.dot(item))
    }

    fn best(&self, dot: impl Fn(&Bits) -> i64) -> Result<Match> {
        let mut best: Option<Match> = None;
        for (item, bits) in self.items.iter().enumerate() {
            let dot = dot(bits);
            if best.is_none_or(|best| dot > best.dot) {
                best = Some(Match { item, dot });
            }
        }
        best.ok_or_else(|| Error::new(Code::Input, "an item memory without items"))
    }

    /// The nearest item itself: torchhd's `cleanup`.
    pub fn cleanup(&self, query: &Bits) -> Result<&Bits> {
        Ok(&self.items[self.nearest_bits(query)?.item])
    }
}
