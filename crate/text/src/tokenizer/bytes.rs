//! The alphabet of byte-level tokenizers: a printable character for each byte.

/// Bytes that stand for themselves.
fn is_itself(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
}

/// The character of each byte: itself where that is printable, the others from U+0100 on in order.
#[derive(Clone, Debug)]
pub struct ByteAlphabet(Box<[char; 256]>);

impl ByteAlphabet {
    /// The alphabet.
    pub fn new() -> ByteAlphabet {
        let mut others = '\u{100}'..;
        ByteAlphabet(Box::new(std::array::from_fn(|byte| {
            let byte = byte as u8;
            if is_itself(byte) { byte as char } else { others.next().unwrap_or_default() }
        })))
    }

    /// The character of a byte.
    pub fn character(&self, byte: u8) -> char {
        self.0[byte as usize]
    }

    /// The bytes of a text of such characters; `None` if one is not such a character.
    pub fn bytes(&self, text: &str) -> Option<Vec<u8>> {
        let byte = |c: char| match u8::try_from(c) {
            Ok(byte) if is_itself(byte) => Some(byte),
            _ => self.0.iter().position(|&other| other == c).map(|byte| byte as u8),
        };
        text.chars().map(byte).collect()
    }
}
