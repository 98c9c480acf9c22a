//! An index as bytes, to be kept and to be sent.
//!
//! ```text
//! 0    8 bytes  "nomulidx"
//! 8    u32      version, 1
//! 12   u8       kind: 0 signs, 1 ternary, 2 i8, 3 i16
//! 13   u8       metric: 0 dot, 1 cosine
//! 14   u16      0
//! 16   u32      dimensions
//! 20   u32      bytes of the encoder's name
//! 24   u64      vectors
//! 32            the encoder's name, UTF-8
//!               for each vector its key, u64, and its record: packed bits; for ternary numbers a plane of signs (a one
//!               is minus) and a plane that says which are not zero; else the numbers
//!      32 bytes SHA-256 of everything before
//! ```
//!
//! Integers are little-endian. Codes and lengths are not kept: they follow from the numbers.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use sha2::{Digest, Sha256};

use super::{Index, Kind, Metric, Shape, numbers::Row};
use crate::{Result, bail};

/// The longest name of an encoder.
pub const MAX_ENCODER_BYTES: usize = 1024;

const MAGIC: [u8; 8] = *b"nomulidx";
const VERSION: u32 = 1;
const HEADER: usize = 32;
const CHECKSUM: usize = 32;

/// Writes an index, part by part.
pub struct Image<'a> {
    index: &'a Index,
    writer: Writer,
}

/// Where writing is.
#[derive(Clone)]
pub struct Writer {
    sha256: Sha256,
    /// The next row; behind the last one comes the checksum.
    row: usize,
    revision: u64,
}

impl<'a> Image<'a> {
    /// The image of an index.
    pub fn new(index: &'a Index) -> Image<'a> {
        Image { index, writer: Writer::new(index) }
    }

    /// Its bytes in all.
    pub fn bytes(&self) -> u64 {
        let record = 8 + self.index.shape.vector_bytes() as u64;
        (HEADER + self.index.encoder.len() + CHECKSUM) as u64 + record * self.index.len() as u64
    }

    /// The whole image.
    pub fn to_vec(mut self) -> Result<Vec<u8>> {
        let mut whole = Vec::new();
        let bytes = self.bytes();
        if usize::try_from(bytes).is_err() || whole.try_reserve_exact(bytes as usize).is_err() {
            bail!(Capacity, "no memory for an image of {bytes} bytes");
        }
        while self.writer.part(self.index, usize::MAX, &mut whole)? {}
        Ok(whole)
    }
}

impl Writer {
    /// Begins an image.
    pub fn new(index: &Index) -> Writer {
        Writer { sha256: Sha256::new(), row: 0, revision: index.revision }
    }

    /// Adds about `bytes` more bytes, at least one record, to `out`; false once the image has ended.
    pub fn part(&mut self, index: &Index, bytes: usize, out: &mut Vec<u8>) -> Result<bool> {
        if self.revision != index.revision {
            bail!(Input, "the index has changed while it was saved");
        }
        if self.row > index.len() {
            return Ok(false);
        }
        let from = out.len();
        if self.row == 0 {
            header(index, out);
        }
        while self.row < index.len() && (out.len() - from < bytes || out.len() == from) {
            out.extend_from_slice(&index.keys[self.row].to_le_bytes());
            index.record(self.row, out);
            self.row += 1;
        }
        self.sha256.update(&out[from..]);
        if self.row == index.len() {
            self.row += 1;
            out.extend_from_slice(&self.sha256.clone().finalize());
        }
        Ok(true)
    }
}

fn header(index: &Index, out: &mut Vec<u8>) {
    let shape = index.shape;
    let place = |of: Option<usize>| of.unwrap_or_default() as u8;
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.push(place(Kind::ALL.iter().position(|kind| *kind == shape.kind())));
    out.push(place(Metric::ALL.iter().position(|metric| *metric == shape.metric())));
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&(shape.dimensions() as u32).to_le_bytes());
    out.extend_from_slice(&(index.encoder.len() as u32).to_le_bytes());
    out.extend_from_slice(&(index.len() as u64).to_le_bytes());
    out.extend_from_slice(index.encoder.as_bytes());
}

/// Reads an image that comes in parts, cut anywhere.
pub struct Loader {
    sha256: Sha256,
    /// Who must have made the vectors, if it matters.
    expected: Option<String>,
    /// What has come of the next piece: header, name, record or checksum.
    piece: Vec<u8>,
    wanted: usize,
    index: Option<Index>,
    header: Option<Header>,
    /// Records to come.
    left: u64,
    offset: u64,
    done: bool,
}

#[derive(Clone, Copy)]
struct Header {
    shape: Shape,
    name_bytes: usize,
    vectors: u64,
}

impl Loader {
    /// For an image that `encoder` has made, or, without a name, anyone.
    pub fn new(encoder: Option<&str>) -> Loader {
        Loader {
            sha256: Sha256::new(),
            expected: encoder.map(ToString::to_string),
            piece: Vec::new(),
            wanted: HEADER,
            index: None,
            header: None,
            left: 0,
            offset: 0,
            done: false,
        }
    }

    /// Takes the next bytes. What is wrong with them is told as soon as it can be known.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            if self.done {
                bail!(Format, "image: bytes behind its end, at {}", self.offset);
            }
            let (part, rest) = bytes.split_at(bytes.len().min(self.wanted - self.piece.len()));
            self.piece.extend_from_slice(part);
            self.offset += part.len() as u64;
            bytes = rest;
            if self.piece.len() == self.wanted {
                self.take()?;
            }
        }
        Ok(())
    }

    /// The index, once all has come.
    pub fn finish(self) -> Result<Index> {
        match self.index {
            Some(index) if self.done => Ok(index),
            _ => bail!(Format, "image: truncated at {} bytes", self.offset),
        }
    }

    /// Takes a piece that is complete.
    fn take(&mut self) -> Result<()> {
        let piece = core::mem::take(&mut self.piece);
        match (self.header, &mut self.index) {
            (None, _) => {
                let header = Header::read(&piece)?;
                self.header = Some(header);
                self.left = header.vectors;
                self.wanted = header.name_bytes;
                self.sha256.update(&piece);
                // A name of no bytes has come already.
                return if header.name_bytes == 0 { self.take() } else { Ok(()) };
            }
            (Some(header), None) => {
                let Ok(name) = core::str::from_utf8(&piece) else { bail!(Format, "image: encoder: no UTF-8") };
                if let Some(expected) = &self.expected
                    && expected != name
                {
                    bail!(Unsupported, "image: its vectors are of encoder {name:?}, not of {expected:?}");
                }
                self.index = Some(Index::new(header.shape, name)?);
                self.sha256.update(&piece);
            }
            (Some(header), Some(index)) if self.left > 0 => {
                let (key, record) = piece.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
                let key = u64::from_le_bytes(*key);
                let place = header.vectors - self.left;
                let row = Row::from_record(&header.shape, record);
                let row = row.map_err(|error| error.at(crate::format!("image: vector {place}")))?;
                if index.contains(key) {
                    bail!(Format, "image: vector {place}: key {key} comes twice");
                }
                index.push(key, row)?;
                self.left -= 1;
                self.sha256.update(&piece);
            }
            _ => {
                if self.sha256.clone().finalize().as_slice() != piece {
                    bail!(Checksum, "image: its checksum is another: the bytes have changed");
                }
                self.done = true;
            }
        }
        if let Some(header) = self.header {
            self.wanted = if self.left > 0 { 8 + header.shape.vector_bytes() } else { CHECKSUM };
        }
        // The room of one piece serves the next.
        self.piece = piece;
        self.piece.clear();
        Ok(())
    }
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Header> {
        let u32_at = |at: usize| bytes[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let vectors = bytes[24..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        if bytes[..8] != MAGIC {
            bail!(Format, "image: this is no index of vectors");
        }
        if u32_at(8) != VERSION {
            bail!(Unsupported, "image: version {}, this program reads version {VERSION}", u32_at(8));
        }
        let (Some(kind), Some(metric), [0, 0]) =
            (Kind::ALL.get(bytes[12] as usize), Metric::ALL.get(bytes[13] as usize), &bytes[14..16])
        else {
            bail!(Format, "image: kind {}, metric {}: not known", bytes[12], bytes[13]);
        };
        let shape = Shape::new(*kind, u32_at(16) as usize, *metric)
            .map_err(|error| crate::Error { code: crate::Code::Format, ..error.at("image") })?;
        let name_bytes = u32_at(20) as usize;
        if name_bytes > MAX_ENCODER_BYTES {
            bail!(Format, "image: encoder: a name of {name_bytes} bytes");
        }
        if vectors > super::MAX_VECTORS as u64 {
            bail!(Format, "image: {vectors} vectors");
        }
        Ok(Header { shape, name_bytes, vectors })
    }
}

impl Index {
    /// The index as one piece of bytes.
    pub fn save(&self) -> Result<Vec<u8>> {
        Image::new(self).to_vec()
    }

    /// The index of an image. With `encoder`, one of vectors that something else made is refused.
    pub fn load(image: &[u8], encoder: Option<&str>) -> Result<Index> {
        let mut loader = Loader::new(encoder);
        loader.push(image)?;
        loader.finish()
    }
}
