//! From a key to its row.

/// Bytes of a table of so many keys: a row number and a byte of hash for each of a power of two of buckets, of which
/// an eighth stays empty.
pub fn table_bytes(keys: usize) -> u64 {
    let keys = keys as u64;
    if keys == 0 { 0 } else { (keys.saturating_mul(8) / 7 + 1).next_power_of_two() * 5 }
}
