//! The first part of an index file: which encoder made it, and what it knows.
//!
//! ```text
//! 8 bytes   "nomulJSN"
//! u32       version of the layout, 1
//! u32       0
//! u64       bytes of the header
//! u64       bytes that follow the header
//! 32 bytes  SHA-256 of the header
//! header    JSON: identity, schema, vocabulary, names
//! …         vectors, as the caller keeps them
//! ```
//!
//! Numbers are little-endian.

use alloc::{collections::BTreeMap, format, string::String, vec::Vec};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Encoder, Schema, Vocabulary};
use crate::{Code, Error, Result, bail};

/// What an index file begins with.
pub const MAGIC: [u8; 8] = *b"nomulJSN";

const LAYOUT: u32 = 1;
const FIXED: usize = 64;

/// All of an index but its vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`Schema::identity`] of the schema below.
    pub identity: String,
    /// What the vectors were made with.
    pub schema: Schema,
    /// What the documents hold.
    pub vocabulary: Vocabulary,
    /// The names of the documents, by the keys of their vectors.
    pub names: BTreeMap<u64, String>,
}

impl Header {
    /// The header of what an encoder made.
    pub fn new(encoder: &Encoder, vocabulary: Vocabulary, names: BTreeMap<u64, String>) -> Header {
        Header { identity: encoder.identity().into(), schema: encoder.schema().clone(), vocabulary, names }
    }

    /// The bytes of the file up to the vectors, of which `following` bytes are to come.
    pub fn write(&self, following: u64) -> Vec<u8> {
        // Writing to memory does not fail, and keys are strings.
        let json = serde_json::to_vec(self).unwrap_or_default();
        let mut bytes = Vec::with_capacity(FIXED + json.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&LAYOUT.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&(json.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&following.to_le_bytes());
        bytes.extend_from_slice(&Sha256::digest(&json));
        bytes.extend_from_slice(&json);
        bytes
    }

    /// Reads a file: the header, and the bytes that follow it.
    pub fn read(bytes: &[u8]) -> Result<(Header, &[u8])> {
        if bytes.len() < FIXED || bytes[..8] != MAGIC {
            bail!(Format, "not an index of JSON documents");
        }
        let number = |at: usize, count: usize| bytes[at..at + count].iter().rev().fold(0u64, |n, b| n << 8 | *b as u64);
        if number(8, 4) != LAYOUT as u64 {
            bail!(Unsupported, "an index of layout {}, this version reads {LAYOUT}", number(8, 4));
        }
        let (header, following) = (number(16, 8), number(24, 8));
        let all = (FIXED as u64).checked_add(header).and_then(|sum| sum.checked_add(following));
        if all != Some(bytes.len() as u64) {
            let all = all.map_or_else(|| "more than there can be".into(), |all| format!("{all} bytes"));
            bail!(Format, "{} bytes, the index says {all}: it was cut or something was added", bytes.len());
        }
        let (json, rest) = bytes[FIXED..].split_at(header as usize);
        if Sha256::digest(json)[..] != bytes[32..FIXED] {
            bail!(Checksum, "the header's SHA-256 is another one: the index was changed");
        }
        let read: Header = serde_json::from_slice(json)
            .map_err(|error| Error::new(Code::Format, format!("the header of the index: {error}")))?;
        read.schema.check()?;
        if read.schema.identity() != read.identity {
            bail!(Unsupported, "an index of the encoder {}, this one is {}", read.identity, read.schema.identity());
        }
        Ok((read, rest))
    }
}
