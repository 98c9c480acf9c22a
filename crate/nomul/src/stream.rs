//! The shards of a model as one stream, read in any cut.
//!
//! This is the only place where bytes from outside become tensors. A header is read whole and checked before a byte of
//! its tensors is taken: every tensor must be one that the configuration asks for, of exactly its type and shape (where it is
//! coded, of no more bytes than it can have), the ranges must cover the data without gap or overlap, and the file must have the length and the SHA-256 of the index.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::String,
    vec::Vec,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{Error, Result, bail, error::Code, index::Shard};

/// The longest header that is read: 100,000 tensors of a hundred bytes each are far from it.
const LONGEST_HEADER: u64 = 16 << 20;

/// What a tensor must look like and what it is for.
#[derive(Clone, Debug)]
pub struct Expected<T> {
    /// safetensors' name of the type.
    pub dtype: &'static str,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its bytes.
    pub bytes: usize,
    /// It is coded: it has one dimension, and may have fewer bytes.
    pub is_coded: bool,
    /// What the caller knows it by.
    pub key: T,
}

/// Where the bytes of the stream go.
pub trait Sink<T> {
    /// Bytes `offset..` of a tensor.
    fn bytes(&mut self, key: &T, offset: usize, bytes: &[u8]) -> Result<()>;
    /// A tensor is complete.
    fn tensor(&mut self, key: &T) -> Result<()>;
    /// A shard is complete and has the right checksum.
    fn shard(&mut self, position: usize) -> Result<()>;
    /// What came since the last complete shard is void.
    fn rewind(&mut self);
}

struct Span<T> {
    name: String,
    key: T,
    bytes: usize,
}

enum Part<T> {
    /// The header's length: eight bytes.
    Length(Vec<u8>),
    /// The header, so far.
    Header { length: usize, bytes: Vec<u8> },
    /// The tensors, in the order of their bytes; how far the first of them has come.
    Data { spans: alloc::collections::VecDeque<Span<T>>, offset: usize },
}

/// Reads the concatenated shards.
pub struct Stream<T> {
    shards: Vec<Shard>,
    expected: BTreeMap<String, Expected<T>>,
    seen: BTreeSet<String>,
    /// Those of the shard that is being received.
    current: Vec<String>,
    position: usize,
    part: Part<T>,
    /// Bytes of the current shard so far.
    taken: u64,
    /// Bytes of all shards so far.
    received: u64,
    /// Of the current shard; none where the caller has checked it.
    hash: Option<Sha256>,
    /// The first error; everything after it is refused with the same.
    failed: Option<Error>,
}

impl<T: Clone> Stream<T> {
    /// A stream of these shards that must bring exactly these tensors.
    pub fn new(shards: Vec<Shard>, expected: BTreeMap<String, Expected<T>>) -> Self {
        Stream {
            shards,
            expected,
            seen: BTreeSet::new(),
            current: Vec::new(),
            position: 0,
            part: Part::Length(Vec::new()),
            taken: 0,
            received: 0,
            hash: Some(Sha256::new()),
            failed: None,
        }
    }

    /// The shards.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// Bytes so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Takes the next bytes. After an error the stream stays broken and repeats it, until it is rewound.
    pub fn push(&mut self, bytes: &[u8], sink: &mut impl Sink<T>) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.take(bytes, sink);
        if let Err(error) = &result {
            self.failed = Some(error.clone());
        }
        result
    }

    /// The caller has checked every byte of the shard that comes next, so it is not hashed here. Without effect when some of
    /// the shard has come already.
    pub fn trust(&mut self) {
        if self.taken == 0 {
            self.hash = None;
        }
    }

    /// Forgets what came of the shard that is being received, and the error that it ended with.
    pub fn rewind(&mut self, sink: &mut impl Sink<T>) {
        for name in self.current.drain(..) {
            self.seen.remove(&name);
        }
        self.received -= self.taken;
        self.taken = 0;
        self.part = Part::Length(Vec::new());
        self.hash = Some(Sha256::new());
        self.failed = None;
        sink.rewind();
    }

    fn take(&mut self, mut bytes: &[u8], sink: &mut impl Sink<T>) -> Result<()> {
        while !bytes.is_empty() {
            let Some(shard) = self.shards.get(self.position) else {
                bail!(Format, "{} bytes after the last shard", bytes.len());
            };
            let left = shard.bytes - self.taken;
            let now = left.min(bytes.len() as u64) as usize;
            let (these, rest) = bytes.split_at(now);
            if let Some(hash) = &mut self.hash {
                hash.update(these);
            }
            self.shard_bytes(these, sink).map_err(|e| e.at(&self.shards[self.position].file))?;
            self.taken += now as u64;
            self.received += now as u64;
            bytes = rest;
            while self.shards.get(self.position).is_some_and(|shard| shard.bytes == self.taken) {
                self.end_of_shard(sink)?;
            }
        }
        Ok(())
    }

    fn shard_bytes(&mut self, mut bytes: &[u8], sink: &mut impl Sink<T>) -> Result<()> {
        while !bytes.is_empty() {
            match &mut self.part {
                Part::Length(prefix) => {
                    let (these, rest) = bytes.split_at(bytes.len().min(8 - prefix.len()));
                    prefix.extend_from_slice(these);
                    bytes = rest;
                    if let Ok(prefix) = <[u8; 8]>::try_from(prefix.as_slice()) {
                        let length = u64::from_le_bytes(prefix);
                        let file = self.shards[self.position].bytes;
                        if length > LONGEST_HEADER || length + 8 > file {
                            bail!(Format, "offset 0: header of {length} bytes in a file of {file}");
                        }
                        self.part = Part::Header { length: length as usize, bytes: Vec::new() };
                    }
                }
                Part::Header { length, bytes: header } => {
                    let (these, rest) = bytes.split_at(bytes.len().min(*length - header.len()));
                    header.extend_from_slice(these);
                    bytes = rest;
                    if header.len() == *length {
                        let data = self.shards[self.position].bytes - 8 - *length as u64;
                        let spans = self.read_header(data)?;
                        self.part = Part::Data { spans: spans.into(), offset: 0 };
                    }
                }
                Part::Data { spans, offset } => {
                    // The header promised exactly the rest of the file, so there is a span for every byte.
                    let Some(span) = spans.front() else { bail!(Format, "bytes after the last tensor") };
                    let (these, rest) = bytes.split_at(bytes.len().min(span.bytes - *offset));
                    sink.bytes(&span.key, *offset, these).map_err(|e| e.at(&span.name))?;
                    *offset += these.len();
                    bytes = rest;
                    if *offset == span.bytes {
                        sink.tensor(&span.key).map_err(|e| e.at(&span.name))?;
                        spans.pop_front();
                        *offset = 0;
                    }
                }
            }
        }
        Ok(())
    }

    /// Checks a header against what is expected; the tensors come back in the order of their bytes.
    fn read_header(&mut self, data: u64) -> Result<Vec<Span<T>>> {
        let Part::Header { bytes, .. } = &self.part else { unreachable!("called with a header") };
        let json: BTreeMap<String, Value> = match serde_json::from_slice(bytes) {
            Ok(json) => json,
            Err(e) => bail!(Format, "offset 8: header is not a JSON object: {e}"),
        };
        let mut spans: Vec<(u64, Span<T>)> = Vec::new();
        for (name, entry) in json {
            if name == "__metadata__" {
                continue;
            }
            let Some(expected) = self.expected.get(&name) else {
                bail!(Format, "tensor {name:?} is not part of this model");
            };
            if !self.seen.insert(name.clone()) {
                bail!(Format, "tensor {name:?} came before");
            }
            self.current.push(name.clone());
            let dtype = entry["dtype"].as_str().unwrap_or("missing");
            if dtype != expected.dtype {
                bail!(Unsupported, "tensor {name:?} has type {dtype}, not {}", expected.dtype);
            }
            let shape = numbers(&entry["shape"]);
            let wanted: Vec<u64> = expected.shape.iter().map(|&n| n as u64).collect();
            let bytes = match shape.as_deref() {
                Some(&[bytes]) if expected.is_coded && (1..=expected.bytes as u64).contains(&bytes) => bytes,
                Some(shape) if !expected.is_coded && shape == wanted => expected.bytes as u64,
                _ if expected.is_coded => {
                    bail!(Shape, "tensor {name:?} has shape {}, not 1 to {} bytes", entry["shape"], expected.bytes)
                }
                _ => bail!(Shape, "tensor {name:?} has shape {}, not {wanted:?}", entry["shape"]),
            };
            let [start, end] = match numbers(&entry["data_offsets"]).as_deref() {
                Some(&[start, end]) => [start, end],
                _ => bail!(Format, "tensor {name:?} has data_offsets {}", entry["data_offsets"]),
            };
            if end > data || start.checked_add(bytes) != Some(end) {
                bail!(Format, "tensor {name:?} lies at {start}..{end} of {data} bytes; it has {bytes} bytes");
            }
            spans.push((start, Span { name, key: expected.key.clone(), bytes: bytes as usize }));
        }
        spans.sort_by_key(|(start, _)| *start);
        let mut covered = 0;
        for (start, span) in &spans {
            if *start != covered {
                let what = if *start > covered { "a gap" } else { "an overlap" };
                bail!(Format, "tensor {:?} starts at {start}: {what} after {covered}", span.name);
            }
            covered += span.bytes as u64;
        }
        if covered != data {
            bail!(Format, "tensors end at {covered} of {data} bytes");
        }
        Ok(spans.into_iter().map(|(_, span)| span).collect())
    }

    fn end_of_shard(&mut self, sink: &mut impl Sink<T>) -> Result<()> {
        let shard = &self.shards[self.position];
        if !matches!(&self.part, Part::Data { spans, .. } if spans.is_empty()) {
            bail!(Format, "{}: ends within its header", shard.file);
        }
        if let Some(hash) = self.hash.replace(Sha256::new()) {
            let digest: [u8; 32] = hash.finalize().into();
            if digest != shard.sha256 {
                bail!(Checksum, "{}: SHA-256 is {}, not {}", shard.file, hex(&digest), hex(&shard.sha256));
            }
        }
        if self.position + 1 == self.shards.len()
            && let Some(name) = self.expected.keys().find(|name| !self.seen.contains(*name))
        {
            bail!(Missing, "{}: the last shard ends and tensor {name:?} has not come", shard.file);
        }
        self.part = Part::Length(Vec::new());
        self.current.clear();
        self.taken = 0;
        self.position += 1;
        sink.shard(self.position - 1)
    }
}

fn numbers(value: &Value) -> Option<Vec<u64>> {
    value.as_array()?.iter().map(Value::as_u64).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A zeroed buffer, or an error that says how much memory was asked for.
pub fn zeroed(bytes: usize, what: &str) -> Result<Vec<u8>> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(bytes).map_err(|_| no_memory(bytes, what))?;
    buffer.resize(bytes, 0);
    Ok(buffer)
}

/// The error of memory that cannot be had.
pub fn no_memory(bytes: usize, what: &str) -> Error {
    Error::new(Code::Capacity, format!("no memory for {what} ({bytes} bytes)"))
}
