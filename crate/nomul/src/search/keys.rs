//! From a key to its row, and sets of keys. The table holds row numbers alone; the keys lie with the rows.

use alloc::vec::Vec;
use hashbrown::HashTable;

use crate::{Code, Error, Result};

/// Where a key lies. `hashbrown` is what the standard library's maps are made of, and its tables of bare entries need no
/// second copy of the keys.
#[derive(Clone, Default)]
pub struct KeyTable {
    rows: HashTable<u32>,
}

/// Keys are often small numbers in sequence; this spreads them over all bits (the finaliser of MurmurHash3).
fn hash(key: u64) -> u64 {
    let key = (key ^ (key >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let key = (key ^ (key >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    key ^ (key >> 33)
}

impl KeyTable {
    /// Makes room for `more` keys.
    pub fn reserve(&mut self, more: usize, key_of: impl Fn(u32) -> u64) -> Result<()> {
        self.rows
            .try_reserve(more, |row| hash(key_of(*row)))
            .map_err(|_| Error::new(Code::Capacity, crate::format!("no memory for a table of {more} more keys")))
    }

    /// The row of a key.
    pub fn find(&self, key: u64, key_of: impl Fn(u32) -> u64) -> Option<u32> {
        self.rows.find(hash(key), |row| key_of(*row) == key).copied()
    }

    /// Puts a key that is not there; there is room for it.
    pub fn put(&mut self, key: u64, row: u32, key_of: impl Fn(u32) -> u64) {
        self.rows.insert_unique(hash(key), row, |row| hash(key_of(*row)));
    }

    /// Takes a key out.
    pub fn take(&mut self, key: u64, key_of: impl Fn(u32) -> u64) -> Option<u32> {
        let entry = self.rows.find_entry(hash(key), |row| key_of(*row) == key).ok()?;
        Some(entry.remove().0)
    }

    /// A key's vector lies in another row now.
    pub fn moved(&mut self, key: u64, from: u32, to: u32) {
        if let Some(row) = self.rows.find_mut(hash(key), |row| *row == from) {
            *row = to;
        }
    }
}

/// A set of keys, to filter a search by: bits where the keys are small numbers, else a table.
pub enum KeySet {
    /// Key `k` is bit `k % 64` of word `k / 64`.
    Bits(Vec<u64>),
    /// Any keys.
    Table(HashTable<u64>),
}

impl KeySet {
    /// The set of some keys, which may come more than once.
    pub fn new(keys: &[u64]) -> Result<KeySet> {
        let no_memory = || Error::new(Code::Capacity, crate::format!("no memory for a set of {} keys", keys.len()));
        let words = keys.iter().max().map_or(0, |largest| largest / 64 + 1);
        // A table takes at least nine bytes a key.
        if words <= keys.len() as u64 + 64 {
            let mut bits = Vec::new();
            bits.try_reserve_exact(words as usize).map_err(|_| no_memory())?;
            bits.resize(words as usize, 0);
            keys.iter().for_each(|key| bits[(key / 64) as usize] |= 1 << (key % 64));
            return Ok(KeySet::Bits(bits));
        }
        let mut table = HashTable::new();
        table.try_reserve(keys.len(), |key| hash(*key)).map_err(|_| no_memory())?;
        for key in keys {
            table.entry(hash(*key), |other| other == key, |key| hash(*key)).or_insert(*key);
        }
        Ok(KeySet::Table(table))
    }

    /// Whether a key is in it.
    pub fn contains(&self, key: u64) -> bool {
        match self {
            KeySet::Bits(bits) => {
                let word = usize::try_from(key / 64).ok().and_then(|word| bits.get(word));
                word.is_some_and(|word| word >> (key % 64) & 1 == 1)
            }
            KeySet::Table(table) => table.find(hash(key), |other| *other == key).is_some(),
        }
    }
}

/// Bytes of a table of so many keys: a row number and a byte of hash for each of a power of two of buckets, of which
/// an eighth stays empty.
pub fn table_bytes(keys: usize) -> u64 {
    let keys = keys as u64;
    if keys == 0 { 0 } else { (keys.saturating_mul(8) / 7 + 1).next_power_of_two() * 5 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_set_holds_its_keys(keys in prop::collection::vec(0u64..2000, 0..60), scale in 0u32..50) {
            let keys: Vec<u64> = keys.iter().map(|key| key << scale).collect();
            let set = KeySet::new(&keys).unwrap();
            for key in (0..2100).map(|key| key << scale).chain([u64::MAX, 1, 63]) {
                prop_assert_eq!(set.contains(key), keys.contains(&key));
            }
        }
    }
}
