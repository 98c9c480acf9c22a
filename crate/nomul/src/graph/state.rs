//! A graph with its powers as bytes, so that it can grow later.
//!
//! ```text
//! "nomulgr1" | length of the header, u32 | header, JSON | keys: length u32, UTF-8 each | starts u32, neighbours u32, weights f32
//!            | for each power: exponents i16, mantissas i8 (node, column), columns without padding      (all little-endian)
//! ```

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{
    build::Graph,
    csr::{Csr, Direction},
    factor::Tables,
    fastrp::Powers,
    keys::{Key, Keys},
    merge::Vectors,
    options::Options,
    rows::Rows,
};
use crate::{Code, Error, Result, bail, team::Team};

const MAGIC: &[u8; 8] = b"nomulgr1";

#[derive(Serialize, Deserialize)]
struct Header {
    nodes: usize,
    stored: usize,
    weighted: bool,
    direction: Direction,
    options: Options,
    powers: Vec<usize>,
}

/// Hands the bytes to `write`, in parts.
pub fn save(
    graph: &Graph,
    vectors: &Vectors,
    direction: Direction,
    write: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let (csr, options) = (graph.csr(), vectors.options());
    let header = Header {
        nodes: graph.nodes(),
        stored: csr.stored(),
        weighted: csr.is_weighted(),
        direction,
        options: options.clone(),
        powers: vectors.powers.rows.keys().copied().collect(),
    };
    let header = serde_json::to_vec(&header).map_err(|error| Error::new(Code::Value, crate::format!("{error}")))?;
    write(MAGIC)?;
    write(&(header.len() as u32).to_le_bytes())?;
    write(&header)?;
    for key in graph.keys().iter() {
        let text = crate::format!("{key}");
        write(&(text.len() as u32).to_le_bytes())?;
        write(text.as_bytes())?;
    }
    let mut bytes = Vec::new();
    for part in [csr.starts(), csr.targets()].into_iter().flat_map(|words| words.chunks(PART)) {
        bytes.clear();
        part.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        write(&bytes)?;
    }
    for node in 0..graph.nodes() {
        bytes.clear();
        csr.weights(node).iter().for_each(|weight| bytes.extend_from_slice(&weight.to_le_bytes()));
        write(&bytes)?;
    }
    for rows in vectors.powers.rows.values() {
        for node in 0..rows.nodes() {
            write(&rows.exponent(node).to_le_bytes())?;
        }
        for node in 0..rows.nodes() {
            bytes.clear();
            bytes.extend(rows.row(node)[..rows.dimensions()].iter().map(|&mantissa| mantissa as u8));
            write(&bytes)?;
        }
    }
    Ok(())
}

/// Numbers that become bytes at a time.
const PART: usize = 1 << 16;

/// What [`save`] wrote.
pub fn load(team: &dyn Team, bytes: &[u8]) -> Result<(Graph, Vectors, Direction)> {
    let mut rest = Rest { bytes, all: bytes.len() };
    if rest.take(MAGIC.len())? != MAGIC {
        bail!(Format, "not the state of a graph");
    }
    let length = rest.word()? as usize;
    let header: Header = serde_json::from_slice(rest.take(length)?)
        .map_err(|error| Error::new(Code::Format, crate::format!("header: {error}")))?;
    let Header { nodes, stored, weighted, direction, options, powers } = header;
    options.check()?;
    let mut keys = Keys::default();
    for node in 0..nodes {
        let length = rest.word()? as usize;
        let Ok(text) = core::str::from_utf8(rest.take(length)?) else {
            bail!(Format, "the key of node {node} is not UTF-8")
        };
        if keys.find_or_add(Key::from(text))? as usize != node {
            bail!(Format, "node {node}: key {text} is there twice");
        }
    }
    let starts = rest.words(nodes.saturating_add(1))?;
    let targets = rest.words(stored)?;
    let weights = rest.words(if weighted { stored } else { 0 })?.into_iter().map(f32::from_bits).collect();
    let graph = Graph { keys, csr: Csr::from_parts(starts, targets, weights)? };
    let mut kept = Powers::default();
    for power in powers {
        let exponents = rest.take(nodes.saturating_mul(2))?.as_chunks::<2>().0;
        let mantissas = rest.take(nodes.saturating_mul(options.dimensions))?;
        let mut rows = Rows::zeros(nodes, options.dimensions)?;
        for (node, (bytes, values)) in exponents.iter().zip(mantissas.chunks_exact(options.dimensions)).enumerate() {
            let (row, exponent) = rows.row_mut(node);
            *exponent = i16::from_le_bytes(*bytes);
            row.iter_mut().zip(values).for_each(|(mantissa, &byte)| *mantissa = (byte as i8).max(-127));
            if row.iter().all(|&mantissa| mantissa == 0) {
                *exponent = super::rows::ZERO;
            }
        }
        kept.rows.insert(power, rows);
    }
    if !rest.bytes.is_empty() {
        bail!(Format, "{} bytes too many", rest.bytes.len());
    }
    if (0..options.weights.len()).any(|power| !kept.rows.contains_key(&power)) {
        bail!(Format, "powers are missing");
    }
    Ok((graph, Vectors::new(team, kept, options, Tables::new())?, direction))
}

/// Bytes that have not been read yet.
struct Rest<'a> {
    bytes: &'a [u8],
    all: usize,
}

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.bytes.split_at_checked(count) else {
            bail!(Format, "the state ends early, at byte {}", self.all);
        };
        self.bytes = rest;
        Ok(taken)
    }

    fn word(&mut self) -> Result<u32> {
        Ok(self.words(1)?[0])
    }

    fn words(&mut self, count: usize) -> Result<Vec<u32>> {
        let words = self.take(count.saturating_mul(4))?.as_chunks::<4>().0;
        Ok(words.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect())
    }
}
