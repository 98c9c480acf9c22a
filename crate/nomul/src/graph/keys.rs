//! What callers call their nodes: numbers of 64 bits or texts, with gaps, in any order.

use alloc::{string::String, vec::Vec};
use core::{fmt, hash::BuildHasher};

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use super::memory;
use crate::{Code, Error, Result};

/// A node as its caller names it. Digits without leading zeros, up to 2^64 - 1, are a number, however they came;
/// everything else is a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key<'a> {
    /// A number.
    Number(u64),
    /// Anything else.
    Text(&'a str),
}

impl<'a> From<&'a str> for Key<'a> {
    fn from(text: &'a str) -> Key<'a> {
        let canonical =
            text == "0" || (text.as_bytes().first().is_some_and(u8::is_ascii_digit) && !text.starts_with('0'));
        match text.parse() {
            Ok(number) if canonical => Key::Number(number),
            _ => Key::Text(text),
        }
    }
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Number(number) => write!(f, "{number}"),
            Key::Text(text) => f.write_str(text),
        }
    }
}

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// The keys of nodes 0, 1, 2… and the way back.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// Of each node: its number, or where its text ends in `texts`.
    slots: Vec<u64>,
    /// Which slots are texts, a bit each; shorter than there are nodes where the last are numbers.
    is_text: Vec<u64>,
    /// Where each text begins, by node, in order: needed only where there are texts.
    texts: String,
    /// Nodes of small numbers, [`NONE`] where there is none.
    small: Vec<u32>,
    /// Nodes of other numbers, and of texts.
    others: HashTable<u32>,
}

impl Keys {
    /// The most nodes.
    pub const MOST: usize = u32::MAX as usize - 1;

    /// Numbers alone: of each its node, counted from 0 in ascending order, or [`NONE`].
    pub(super) fn numbered(small: Vec<u32>) -> Result<Keys> {
        let mut slots = Vec::new();
        memory::reserve(&mut slots, small.iter().filter(|&&node| node != NONE).count(), "keys of nodes")?;
        slots.extend((0..).zip(&small).filter(|(_, node)| **node != NONE).map(|(number, _)| number));
        Ok(Keys { slots, small, ..Keys::default() })
    }

    /// The node of a number that is known to be in the table of small ones.
    #[inline(always)]
    pub(super) fn small(&self, number: u32) -> u32 {
        self.small[number as usize]
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// True if every key is a number.
    pub fn are_numbers(&self) -> bool {
        self.is_text.is_empty()
    }

    /// The key of a node.
    pub fn get(&self, node: usize) -> Key<'_> {
        get(&self.slots, &self.is_text, &self.texts, node)
    }

    /// Every key.
    pub fn iter(&self) -> impl Iterator<Item = Key<'_>> {
        (0..self.len()).map(|node| self.get(node))
    }

    /// The node of a key.
    pub fn find(&self, key: Key) -> Option<u32> {
        if let Key::Number(number) = key
            && let Some(&node) = usize::try_from(number).ok().and_then(|number| self.small.get(number))
        {
            return (node != NONE).then_some(node);
        }
        self.others.find(hash(key), |&node| self.get(node as usize) == key).copied()
    }

    /// The node of a key, a new one if there was none.
    #[inline]
    pub fn find_or_add(&mut self, key: Key) -> Result<u32> {
        if let Key::Number(number) = key
            && let Some(&node) = usize::try_from(number).ok().and_then(|number| self.small.get(number))
            && node != NONE
        {
            return Ok(node);
        }
        match self.find(key) {
            Some(node) => Ok(node),
            None => self.add(key),
        }
    }

    fn add(&mut self, key: Key) -> Result<u32> {
        let node = self.len();
        if node >= Self::MOST {
            return Err(Error::new(Code::Capacity, alloc::format!("more than {} nodes", Self::MOST)));
        }
        if node == self.slots.capacity() {
            memory::reserve(&mut self.slots, (node / 2).max(64), "keys of nodes")?;
        }
        match key {
            Key::Number(number) => {
                self.slots.push(number);
                // Numbers are often nearly dense: a table that may be mostly holes costs less than a hash of them all.
                let wanted = usize::try_from(number).unwrap_or(usize::MAX);
                if wanted < self.small.len().max(4 * node).max(1 << 12) {
                    self.add_small(wanted, node as u32)?;
                    return Ok(node as u32);
                }
            }
            Key::Text(text) => {
                let start = self.texts.len() as u64;
                self.texts
                    .try_reserve(text.len() + 4)
                    .map_err(|_| memory::refused(text.len() as u64, "keys of nodes"))?;
                self.texts.push_str(text);
                let words = node / 64 + 1;
                if self.is_text.len() < words {
                    let more = words - self.is_text.len();
                    memory::reserve(&mut self.is_text, more, "keys of nodes")?;
                    self.is_text.resize(words, 0);
                }
                self.is_text[node / 64] |= 1 << (node % 64);
                // Place and length in one word.
                if start >= 1 << 40 || text.len() >= 1 << 24 {
                    return Err(Error::new(Code::Capacity, "keys of nodes: one of 16 MB, or 1 TB together"));
                }
                self.slots.push(start << 24 | text.len() as u64);
            }
        }
        let Keys { slots, is_text, texts, others, .. } = self;
        others
            .try_reserve(1, |&node| hash(get(slots, is_text, texts, node as usize)))
            .map_err(|_| memory::refused(4 * node as u64, "keys of nodes"))?;
        others.insert_unique(hash(key), node as u32, |&node| hash(get(slots, is_text, texts, node as usize)));
        Ok(node as u32)
    }

    /// Enters a node into the table of small numbers, which may have to grow.
    fn add_small(&mut self, number: usize, node: u32) -> Result<()> {
        if number >= self.small.len() {
            let (before, length) = (self.small.len(), (number + 1).next_power_of_two().max(1 << 12));
            memory::reserve(&mut self.small, length - before, "keys of nodes")?;
            self.small.resize(length, NONE);
            // Numbers that were too large for the table until now.
            let (small, slots, is_text, texts) = (&mut self.small, &self.slots, &self.is_text, &self.texts);
            self.others.retain(|&mut other| match get(slots, is_text, texts, other as usize) {
                Key::Number(number) if number < length as u64 => {
                    small[number as usize] = other;
                    false
                }
                _ => true,
            });
        }
        self.small[number] = node;
        Ok(())
    }

    /// Puts numbers into ascending order, if all keys are numbers; answers with the new number of each old node where
    /// any has changed.
    pub(super) fn sort(&mut self) -> Result<Option<Vec<u32>>> {
        if !self.are_numbers() || self.slots.is_sorted() {
            return Ok(None);
        }
        let mut old: Vec<u32> = Vec::new();
        memory::reserve(&mut old, self.len(), "keys of nodes")?;
        old.extend(0..self.len() as u32);
        old.sort_unstable_by_key(|&node| self.slots[node as usize]);
        let mut new = memory::zeroed(self.len(), "keys of nodes")?;
        let mut slots = Vec::new();
        memory::reserve(&mut slots, self.len(), "keys of nodes")?;
        for (place, &node) in old.iter().enumerate() {
            new[node as usize] = place as u32;
            slots.push(self.slots[node as usize]);
        }
        self.slots = slots;
        for node in self.small.iter_mut().filter(|node| **node != NONE).chain(self.others.iter_mut()) {
            *node = new[*node as usize];
        }
        Ok(Some(new))
    }

    /// Bytes taken.
    pub(super) fn bytes(&self) -> usize {
        8 * (self.slots.capacity() + self.is_text.capacity())
            + self.texts.capacity()
            + 4 * self.small.capacity()
            + 5 * self.others.capacity()
    }
}

fn get<'a>(slots: &[u64], is_text: &[u64], texts: &'a str, node: usize) -> Key<'a> {
    let slot = slots[node];
    if is_text.get(node / 64).is_some_and(|word| word >> (node % 64) & 1 == 1) {
        let (start, length) = ((slot >> 24) as usize, (slot & 0xff_ffff) as usize);
        Key::Text(&texts[start..start + length])
    } else {
        Key::Number(slot)
    }
}

fn hash(key: Key) -> u64 {
    FxBuildHasher.hash_one(key)
}
