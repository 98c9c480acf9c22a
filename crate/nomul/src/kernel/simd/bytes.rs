//! Words as bytes, for algorithms to whom the order within a word does not matter.

/// Integers: all of their bytes may be read, and may be any.
pub trait Word: sealed::Sealed {}

impl Word for u64 {}
impl Word for i16 {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for u64 {}
    impl Sealed for i16 {}
}

/// The bytes of words. Which of a word's bytes comes first is the machine's choice.
pub fn bytes_of<W: Word>(words: &[W]) -> &[u8] {
    // SAFETY: a word has no padding, and any of its bytes may be read; bytes ask for no alignment.
    unsafe { core::slice::from_raw_parts(words.as_ptr().cast(), core::mem::size_of_val(words)) }
}

/// The same, to be changed.
pub fn bytes_of_mut(words: &mut [u64]) -> &mut [u8] {
    // SAFETY: as above; any eight bytes are a word, and nobody else has the words while the bytes are lent.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), core::mem::size_of_val(words)) }
}
