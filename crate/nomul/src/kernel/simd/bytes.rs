//! Words as bytes, for algorithms to whom the order within a word does not matter.

/// The bytes of words. Which of a word's bytes comes first is the machine's choice.
pub fn bytes_of(words: &[u64]) -> &[u8] {
    // SAFETY: a word is eight bytes without padding, any of which may be read; bytes ask for no alignment.
    unsafe { core::slice::from_raw_parts(words.as_ptr().cast(), core::mem::size_of_val(words)) }
}

/// The same, to be changed.
pub fn bytes_of_mut(words: &mut [u64]) -> &mut [u8] {
    // SAFETY: as above; any eight bytes are a word, and nobody else has the words while the bytes are lent.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), core::mem::size_of_val(words)) }
}
