//! From a key to its row. The table holds row numbers alone; the keys lie with the rows.

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

/// Bytes of a table of so many keys: a row number and a byte of hash for each of a power of two of buckets, of which
/// an eighth stays empty.
pub fn table_bytes(keys: usize) -> u64 {
    let keys = keys as u64;
    if keys == 0 { 0 } else { (keys.saturating_mul(8) / 7 + 1).next_power_of_two() * 5 }
}
