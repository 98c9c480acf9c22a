//! Memory that may be refused: one line that says how much was wanted, and for what.

use alloc::vec::Vec;

use crate::{Code, Error, Result};

/// Room for so many more items.
pub fn reserve<T>(items: &mut Vec<T>, more: usize, what: &str) -> Result<()> {
    items.try_reserve_exact(more).map_err(|_| refused(more as u64 * size_of::<T>() as u64, what))
}

/// So many zeros.
pub fn zeroed<T: Clone + Default>(count: usize, what: &str) -> Result<Vec<T>> {
    let mut items = Vec::new();
    reserve(&mut items, count, what)?;
    items.resize(count, T::default());
    Ok(items)
}

/// The error of memory that was not to be had.
pub fn refused(bytes: u64, what: &str) -> Error {
    Error::new(Code::Capacity, alloc::format!("{what}: {} of memory were refused", shown(bytes)))
}

/// Bytes as people read them.
pub fn shown(bytes: u64) -> alloc::string::String {
    match bytes {
        0..1_000_000 => alloc::format!("{bytes} bytes"),
        1_000_000..10_000_000_000 => alloc::format!("{} MB", bytes / 1_000_000),
        _ => alloc::format!("{} GB", bytes / 1_000_000_000),
    }
}
