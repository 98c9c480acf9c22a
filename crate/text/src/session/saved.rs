//! A conversation as bytes, to be kept and gone on with.
//!
//! ```text
//! 0    8 bytes  "nomulkvc"
//! 8    u32      version, 1
//! 12   u32      levels of planes that the keys and values were computed with
//! 16   32 bytes what tells the model: SHA-256 of the checksums of its shards
//! 48   u32      tokens
//! 52            their ids, u32
//!               their keys and values (nomul/src/cache/image.rs)
//!      32 bytes SHA-256 of everything before
//! ```
//!
//! Integers are little-endian. The length of the context is not part of it.

use nomul::{Result, bail};
use sha2::{Digest, Sha256};

use super::{Level, Session};

const MAGIC: [u8; 8] = *b"nomulkvc";
const VERSION: u32 = 1;
const HEADER: usize = 52;
const CHECKSUM: usize = 32;

impl Session {
    /// What was read and said so far, as bytes. The model may not be arriving still.
    pub fn save(&self) -> Result<Vec<u8>> {
        let in_use = self.model.level_in_use();
        let level = match (self.cached_with, self.cached.is_empty()) {
            (_, true) => in_use,
            (Level::One(level), false) => level.min(in_use),
            _ => bail!(
                NotReady,
                "the planes in use have changed since the conversation was read: it is read anew with the next answer"
            ),
        };
        let state = self.state.save()?;
        let ids = self.cached.iter().flat_map(|id| id.to_le_bytes());
        let mut image = Vec::with_capacity(HEADER + 4 * self.cached.len() + state.len() + CHECKSUM);
        image.extend_from_slice(&MAGIC);
        image.extend_from_slice(&VERSION.to_le_bytes());
        image.extend_from_slice(&(level as u32).to_le_bytes());
        image.extend_from_slice(&self.identity());
        image.extend_from_slice(&(self.cached.len() as u32).to_le_bytes());
        image.extend(ids);
        image.extend_from_slice(&state);
        let checksum = Sha256::digest(&image);
        image.extend_from_slice(&checksum);
        Ok(image)
    }

    /// Goes back to what was saved, of this model with the same planes in use, or with more where it is arriving still. The
    /// context may be of another length. An answer that was being made is dropped. After an error the conversation is what
    /// it was.
    pub fn restore(&mut self, image: &[u8]) -> Result<()> {
        if image.len() < HEADER + CHECKSUM || !image.starts_with(&MAGIC) {
            bail!(Format, "this is no saved conversation");
        }
        let (body, checksum) = image.split_at(image.len() - CHECKSUM);
        let number = |at: usize| {
            let bytes: Vec<u8> = body[at..at + 4].to_vec();
            u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
        };
        if number(8) != VERSION {
            bail!(Unsupported, "a saved conversation of version {}; {VERSION} is supported", number(8));
        }
        if Sha256::digest(body).as_slice() != checksum {
            bail!(Checksum, "the saved conversation is damaged: it has not the SHA-256 that it ends with");
        }
        if body[16..48] != self.identity() {
            bail!(Input, "the conversation was saved of another model");
        }
        let (level, tokens) = (number(12) as usize, number(48) as usize);
        let (arrived, in_use) = (self.model.level(), self.model.level_in_use());
        let arriving = arrived == in_use && arrived < level && level <= self.model.levels();
        if tokens > 0 && level != in_use && !arriving {
            bail!(Input, "the conversation was saved with {level} levels of planes in use, the model uses {in_use}");
        }
        if (body.len() - HEADER) / 4 < tokens {
            bail!(Format, "{} bytes are no conversation of {tokens} tokens", image.len());
        }
        let (ids, state) = body[HEADER..].split_at(4 * tokens);
        let ids: Vec<u32> = ids.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        self.check(&ids)?;
        self.state.restore(tokens, state)?;
        (self.answer, self.reading) = (None, None);
        self.cached = ids;
        self.cached_with = Level::One(if arriving { level } else { arrived });
        Ok(())
    }

    /// Tokens whose keys and values are there.
    pub fn cached(&self) -> usize {
        self.cached.len()
    }

    fn identity(&self) -> [u8; 32] {
        let mut sha256 = Sha256::new();
        self.model.shards().iter().for_each(|shard| sha256.update(shard.sha256));
        sha256.finalize().into()
    }
}
