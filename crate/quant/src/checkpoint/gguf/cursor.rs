//! Reading a header from front to back through a small window, every length checked before memory is taken.

use nomul::{Result, bail};

use crate::checkpoint::source::Source;

/// A header longer than this is refused; the largest vocabularies of today take a quarter.
const HEADER_LIMIT: u64 = 100_000_000;
const WINDOW: u64 = 1 << 16;

/// A position in a header.
pub struct Cursor<'a> {
    source: &'a Source,
    /// Where the header must end at the latest.
    limit: u64,
    position: u64,
    /// Bytes of the file from `window_start` on.
    window: Vec<u8>,
    window_start: u64,
}

impl<'a> Cursor<'a> {
    /// At the start of the file.
    pub fn new(source: &'a Source) -> Self {
        Cursor { source, limit: source.len().min(HEADER_LIMIT), position: 0, window: Vec::new(), window_start: 0 }
    }

    /// The file, for errors.
    pub fn file(&self) -> &'a str {
        self.source.name()
    }

    /// Offset of the next byte.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next `len` bytes; `what` is named in the error if the header ends before.
    pub fn bytes(&mut self, len: u64, what: &str) -> Result<&[u8]> {
        self.check(Some(len), what)?;
        let window_end = self.window_start + self.window.len() as u64;
        if self.position + len > window_end {
            self.window = self.source.read_vec(self.position, len.max(WINDOW).min(self.limit - self.position))?;
            self.window_start = self.position;
        }
        let start = (self.position - self.window_start) as usize;
        self.position += len;
        Ok(&self.window[start..start + len as usize])
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N as u64, what)?);
        Ok(array)
    }

    /// A little-endian integer.
    pub fn u32(&mut self, what: &str) -> Result<u32> {
        self.array(what).map(u32::from_le_bytes)
    }

    /// A little-endian integer.
    pub fn u64(&mut self, what: &str) -> Result<u64> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A count of items that take at least `item_bytes` each, so that what is left of the header bounds it.
    pub fn count(&mut self, what: &str, item_bytes: u64) -> Result<u64> {
        let count = self.u64(what)?;
        self.check(count.checked_mul(item_bytes), what)?;
        Ok(count)
    }

    /// A length and as many bytes of UTF-8.
    pub fn text(&mut self, what: &str) -> Result<String> {
        let len = self.count(what, 1)?;
        let start = self.position;
        let file = self.file();
        match str::from_utf8(self.bytes(len, what)?) {
            Ok(text) => Ok(text.into()),
            Err(e) => bail!(Format, "{file}: {what} is not UTF-8 at offset {}", start + e.valid_up_to() as u64),
        }
    }

    fn check(&self, len: Option<u64>, what: &str) -> Result<()> {
        if len.is_some_and(|len| len <= self.limit - self.position) {
            return Ok(());
        }
        let (file, position) = (self.file(), self.position);
        let end =
            if self.limit < self.source.len() { "the longest header that is read" } else { "the end of the file" };
        match len {
            Some(len) => bail!(Format, "{file}: {what} at offset {position} takes {len} bytes, past {end}"),
            None => bail!(Format, "{file}: {what} at offset {position} has an impossible length"),
        }
    }
}
