//! How numbers are kept in checkpoints, and how they become `f32`: every type is blocks of so many elements in so many
//! bytes; the plain types are blocks of one.

use std::fmt;

use half::{bf16, f16};
use nomul::{Result, bail};

use super::gguf::blocks;
use super::source::{Source, reserved};

/// The element types that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// IEEE single.
    F32,
    /// IEEE half.
    F16,
    /// The upper half of a single.
    BF16,
    /// 32 elements: a half scale, 4-bit integers around 8.
    Q4_0,
    /// 32 elements: a half scale and minimum, 4-bit integers.
    Q4_1,
    /// 32 elements: a half scale, 5-bit integers around 16.
    Q5_0,
    /// 32 elements: a half scale and minimum, 5-bit integers.
    Q5_1,
    /// 32 elements: a half scale, signed bytes.
    Q8_0,
    /// 256 elements: eight 6-bit scales and minima, 4-bit integers.
    Q4K,
    /// 256 elements: eight 6-bit scales and minima, 5-bit integers.
    Q5K,
    /// 256 elements: sixteen byte scales, 6-bit integers around 32.
    Q6K,
    /// Well known, but not floats of 16 or 32 bits; the name. Such a tensor may lie in a file as long as none reads it.
    Other(&'static str),
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            ElementType::Other(name) => f.write_str(name),
            ElementType::Q4K => f.write_str("Q4_K"),
            ElementType::Q5K => f.write_str("Q5_K"),
            ElementType::Q6K => f.write_str("Q6_K"),
            plain => write!(f, "{plain:?}"),
        }
    }
}

impl ElementType {
    /// (elements, bytes) of a block; `None` for types that cannot be read.
    pub fn block(self) -> Option<(u64, u64)> {
        Some(match self {
            ElementType::F32 => (1, 4),
            ElementType::F16 | ElementType::BF16 => (1, 2),
            ElementType::Q4_0 => (32, 18),
            ElementType::Q4_1 => (32, 20),
            ElementType::Q5_0 => (32, 22),
            ElementType::Q5_1 => (32, 24),
            ElementType::Q8_0 => (32, 34),
            ElementType::Q4K => (256, 144),
            ElementType::Q5K => (256, 176),
            ElementType::Q6K => (256, 210),
            ElementType::Other(_) => return None,
        })
    }

    /// Turns whole blocks into floats, appended to `out`. Bytes of a last, partial block are left out.
    fn decode(self, bytes: &[u8], out: &mut Vec<f32>) {
        match self {
            ElementType::F32 => out.extend(bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b))),
            ElementType::F16 => out.extend(bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32())),
            ElementType::BF16 => out.extend(bytes.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32())),
            ElementType::Q4_0 => bytes.as_chunks().0.iter().for_each(|b| blocks::q4_0(b, out)),
            ElementType::Q4_1 => bytes.as_chunks().0.iter().for_each(|b| blocks::q4_1(b, out)),
            ElementType::Q5_0 => bytes.as_chunks().0.iter().for_each(|b| blocks::q5_0(b, out)),
            ElementType::Q5_1 => bytes.as_chunks().0.iter().for_each(|b| blocks::q5_1(b, out)),
            ElementType::Q8_0 => bytes.as_chunks().0.iter().for_each(|b| blocks::q8_0(b, out)),
            ElementType::Q4K => bytes.as_chunks().0.iter().for_each(|b| blocks::q4_k(b, out)),
            ElementType::Q5K => bytes.as_chunks().0.iter().for_each(|b| blocks::q5_k(b, out)),
            ElementType::Q6K => bytes.as_chunks().0.iter().for_each(|b| blocks::q6_k(b, out)),
            ElementType::Other(_) => {}
        }
    }
}

/// Where a tensor lies. Whoever makes one has checked that the bytes lie in the file and fit shape and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Rows first; the last dimension is contiguous.
    pub shape: Vec<usize>,
    /// How elements are kept.
    pub element: ElementType,
    /// Of the first byte in the file.
    pub offset: u64,
    /// Length in the file.
    pub bytes: u64,
}

/// Blocks are read this many at a time, so that a tensor's bytes and its floats are never both held whole.
const BLOCKS_PER_READ: u64 = 1 << 13;

impl Extent {
    /// (elements, bytes) of a block. Errors: `Unsupported` naming file, tensor and type.
    pub fn block(&self, file: &str, name: &str) -> Result<(u64, u64)> {
        match (self.element, self.element.block()) {
            (_, Some(block)) => Ok(block),
            (element, None) => bail!(Unsupported, "{file}: tensor {name}: type {element} is not F32, F16 or BF16"),
        }
    }
}

/// Reads a tensor's elements, row after row. Errors: `Value` naming the first element that is not finite, with its
/// index and the offset of its block; `Unsupported` for types that cannot be read.
pub fn read(source: &Source, name: &str, extent: &Extent) -> Result<Vec<f32>> {
    let (block_elements, block_bytes) = extent.block(source.name(), name)?;
    let blocks = extent.bytes / block_bytes;
    let mut out = reserved::<f32>(blocks * block_elements, name).map_err(|e| e.at(source.name()))?;
    let mut buffer = Vec::new();
    let mut done = 0;
    while done < blocks {
        let now = BLOCKS_PER_READ.min(blocks - done);
        buffer.resize((now * block_bytes) as usize, 0);
        source.read(extent.offset + done * block_bytes, &mut buffer).map_err(|e| e.at(name))?;
        let checked = out.len();
        extent.element.decode(&buffer, &mut out);
        if let Some(at) = out[checked..].iter().position(|x| !x.is_finite()) {
            let index = checked + at;
            let offset = extent.offset + index as u64 / block_elements * block_bytes;
            bail!(
                Value,
                "{}: tensor {name}: element {index} of {:?} is {} (offset {offset})",
                source.name(),
                extent.shape,
                out[index]
            );
        }
        done += now;
    }
    Ok(out)
}
