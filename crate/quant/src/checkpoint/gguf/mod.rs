//! GGUF files, versions 2 and 3: key-value metadata, a list of tensors, then their bytes, each tensor aligned.
//!
//! [`families`] holds all that differs between architectures, [`config`] and [`tokenizer`] rebuild the files of a
//! Hugging Face folder, [`blocks`] undoes the quantisation.

pub mod blocks;
mod config;
mod cursor;
pub mod families;
mod tokenizer;

use std::collections::BTreeMap;

use nomul::{Result, bail};

use super::source::Source;
use super::values::{ElementType, Extent};
pub use config::config_json;
use cursor::Cursor;
pub use tokenizer::text_files;

/// A file's metadata and where its tensors lie, all checked.
pub struct Gguf {
    /// The file.
    pub source: Source,
    /// Metadata by key.
    pub metadata: Metadata,
    /// Tensors by GGUF name, rows first.
    pub tensors: BTreeMap<String, Extent>,
}

/// A value of the metadata.
pub enum Meta {
    /// Any unsigned integer.
    Unsigned(u64),
    /// Any signed integer.
    Signed(i64),
    /// Any float.
    Float(f64),
    /// A truth value.
    Flag(bool),
    /// UTF-8.
    Text(String),
    /// An array of texts.
    Texts(Vec<String>),
    /// An array of numbers or truth values, as it lies in the file.
    Numbers {
        /// The type of an element.
        kind: Scalar,
        /// The elements, little-endian.
        bytes: Vec<u8>,
    },
}

/// The metadata types of a fixed length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// Unsigned, of so many bytes.
    Unsigned(u8),
    /// Two's complement, of so many bytes.
    Signed(u8),
    /// IEEE, of so many bytes.
    Float(u8),
    /// A byte, 0 or 1.
    Flag,
}

impl Scalar {
    fn from_id(id: u32) -> Option<Scalar> {
        Some(match id {
            0 => Scalar::Unsigned(1),
            1 => Scalar::Signed(1),
            2 => Scalar::Unsigned(2),
            3 => Scalar::Signed(2),
            4 => Scalar::Unsigned(4),
            5 => Scalar::Signed(4),
            6 => Scalar::Float(4),
            7 => Scalar::Flag,
            10 => Scalar::Unsigned(8),
            11 => Scalar::Signed(8),
            12 => Scalar::Float(8),
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Scalar::Unsigned(n) | Scalar::Signed(n) | Scalar::Float(n) => n.into(),
            Scalar::Flag => 1,
        }
    }

    /// Reads one value from exactly as many bytes as it has.
    fn decode(self, bytes: &[u8]) -> Meta {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let bits = u64::from_le_bytes(wide);
        match self {
            Scalar::Unsigned(_) => Meta::Unsigned(bits),
            Scalar::Signed(n) => {
                let unused = 64 - 8 * u32::from(n);
                Meta::Signed((bits << unused) as i64 >> unused)
            }
            Scalar::Float(4) => Meta::Float(f32::from_bits(bits as u32).into()),
            Scalar::Float(_) => Meta::Float(f64::from_bits(bits)),
            Scalar::Flag => Meta::Flag(bits != 0),
        }
    }
}

const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// Metadata by key, with typed access; errors name the key.
pub struct Metadata {
    file: String,
    values: BTreeMap<String, Meta>,
}

impl Metadata {
    /// The file, for errors.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// A text.
    pub fn text(&self, key: &str) -> Result<Option<&str>> {
        match self.values.get(key) {
            None => Ok(None),
            Some(Meta::Text(text)) => Ok(Some(text)),
            Some(_) => bail!(Format, "{}: {key} is not a text", self.file),
        }
    }

    /// A whole number that is not negative.
    pub fn unsigned(&self, key: &str) -> Result<Option<u64>> {
        match self.values.get(key) {
            None => Ok(None),
            Some(&Meta::Unsigned(n)) => Ok(Some(n)),
            Some(&Meta::Signed(n)) if n >= 0 => Ok(Some(n as u64)),
            Some(_) => bail!(Format, "{}: {key} is not a whole number", self.file),
        }
    }

    /// A number.
    pub fn float(&self, key: &str) -> Result<Option<f32>> {
        match self.values.get(key) {
            None => Ok(None),
            Some(&Meta::Float(x)) if (x as f32).is_finite() => Ok(Some(x as f32)),
            Some(_) => bail!(Format, "{}: {key} is not a finite float", self.file),
        }
    }

    /// A truth value.
    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        match self.values.get(key) {
            None => Ok(None),
            Some(&Meta::Flag(flag)) => Ok(Some(flag)),
            Some(_) => bail!(Format, "{}: {key} is not true or false", self.file),
        }
    }

    /// An array of texts.
    pub fn texts(&self, key: &str) -> Result<Option<&[String]>> {
        match self.values.get(key) {
            None => Ok(None),
            Some(Meta::Texts(texts)) => Ok(Some(texts)),
            Some(_) => bail!(Format, "{}: {key} is not an array of texts", self.file),
        }
    }

    /// An array of whole numbers.
    pub fn integers(&self, key: &str) -> Result<Option<Vec<i64>>> {
        let wrong = || bail!(Format, "{}: {key} is not an array of whole numbers", self.file);
        match self.values.get(key) {
            None => Ok(None),
            Some(Meta::Numbers { kind, bytes }) => {
                let numbers = bytes.chunks_exact(kind.bytes()).map(|b| match kind.decode(b) {
                    Meta::Unsigned(n) => i64::try_from(n).ok(),
                    Meta::Signed(n) => Some(n),
                    _ => None,
                });
                numbers.collect::<Option<Vec<i64>>>().map_or_else(wrong, |numbers| Ok(Some(numbers)))
            }
            Some(_) => wrong(),
        }
    }

    /// A whole number that must be there.
    pub fn needed(&self, key: &str) -> Result<u64> {
        match self.unsigned(key)? {
            Some(n) => Ok(n),
            None => bail!(Missing, "{}: no {key}", self.file),
        }
    }
}

impl Gguf {
    /// Reads and checks the header. Errors name the key or the tensor, and the offset where reading stopped.
    pub fn open(source: Source) -> Result<Gguf> {
        let mut cursor = Cursor::new(&source);
        let magic = cursor.array::<4>("magic")?;
        if &magic != b"GGUF" {
            bail!(Format, "{}: does not start with GGUF", source.name());
        }
        let version = cursor.u32("version")?;
        match version {
            2 | 3 => {}
            _ if matches!(version.swap_bytes(), 2 | 3) => {
                bail!(Unsupported, "{}: is big-endian GGUF; only little-endian is read", source.name())
            }
            _ => bail!(Unsupported, "{}: GGUF version {version} is not 2 or 3", source.name()),
        }
        // The least that a tensor takes: name length, dimension count, one dimension, type, offset; and an entry: key
        // length, type, one byte of value.
        let tensor_count = cursor.count("tensor count", 8 + 4 + 8 + 4 + 8)?;
        let entry_count = cursor.count("metadata count", 8 + 4 + 1)?;
        let metadata = read_metadata(&mut cursor, entry_count)?;
        if let Some(parts @ 2..) = metadata.unsigned("split.count")? {
            bail!(Unsupported, "{}: is one of {parts} parts; merge them first", source.name());
        }
        let infos = read_tensor_infos(&mut cursor, tensor_count)?;
        let alignment = match metadata.unsigned("general.alignment")? {
            None => 32,
            Some(n) if n.is_power_of_two() && n <= 1 << 20 => n,
            Some(n) => bail!(Format, "{}: general.alignment {n} is not a power of two up to 2^20", source.name()),
        };
        let data_start = cursor.position().next_multiple_of(alignment);
        let tensors = lay_out(infos, &source, data_start, alignment)?;
        Ok(Gguf { source, metadata, tensors })
    }
}

fn read_metadata(cursor: &mut Cursor, count: u64) -> Result<Metadata> {
    let file = cursor.file().to_string();
    let mut values = BTreeMap::new();
    for _ in 0..count {
        let key = cursor.text("a metadata key")?;
        let value = read_value(cursor, &key)?;
        if values.contains_key(&key) {
            bail!(Format, "{file}: metadata key {key} is there twice");
        }
        values.insert(key, value);
    }
    Ok(Metadata { file, values })
}

fn read_value(cursor: &mut Cursor, key: &str) -> Result<Meta> {
    let id = cursor.u32(key)?;
    if let Some(scalar) = Scalar::from_id(id) {
        return Ok(scalar.decode(cursor.bytes(scalar.bytes() as u64, key)?));
    }
    match id {
        TEXT => cursor.text(key).map(Meta::Text),
        ARRAY => read_array(cursor, key),
        _ => bail!(Unsupported, "{}: {key}: metadata type {id} is unknown", cursor.file()),
    }
}

fn read_array(cursor: &mut Cursor, key: &str) -> Result<Meta> {
    let id = cursor.u32(key)?;
    if let Some(kind) = Scalar::from_id(id) {
        let count = cursor.count(key, kind.bytes() as u64)?;
        let bytes = cursor.bytes(count * kind.bytes() as u64, key)?.to_vec();
        return Ok(Meta::Numbers { kind, bytes });
    }
    match id {
        TEXT => {
            let count = cursor.count(key, 8)?;
            (0..count).map(|_| cursor.text(key)).collect::<Result<_>>().map(Meta::Texts)
        }
        ARRAY => bail!(Unsupported, "{}: {key}: an array of arrays is not read", cursor.file()),
        _ => bail!(Unsupported, "{}: {key}: metadata type {id} is unknown", cursor.file()),
    }
}

/// A tensor as the header describes it.
struct Info {
    name: String,
    shape: Vec<usize>,
    element: ElementType,
    offset: u64,
    bytes: u64,
}

fn read_tensor_infos(cursor: &mut Cursor, count: u64) -> Result<Vec<Info>> {
    (0..count).map(|_| read_tensor_info(cursor)).collect()
}

fn read_tensor_info(cursor: &mut Cursor) -> Result<Info> {
    let name = cursor.text("a tensor's name")?;
    let rank = cursor.u32(&name)?;
    if !(1..=4).contains(&rank) {
        bail!(Format, "{}: tensor {name}: {rank} dimensions are not 1 to 4", cursor.file());
    }
    // The file lists the contiguous dimension first.
    let mut dimensions = (0..rank).map(|_| cursor.u64(&name)).collect::<Result<Vec<u64>>>()?;
    let id = cursor.u32(&name)?;
    let offset = cursor.u64(&name)?;
    let element = element_type(id);
    let Some((element, (block_elements, block_bytes))) = element.and_then(|e| Some((e, e.block()?))) else {
        bail!(Unsupported, "{}: tensor {name}: type {} cannot be read", cursor.file(), type_name(id));
    };
    if dimensions[0] % block_elements != 0 {
        bail!(
            Format,
            "{}: tensor {name}: rows of {} do not fill blocks of {block_elements} ({element})",
            cursor.file(),
            dimensions[0]
        );
    }
    let elements = dimensions.iter().try_fold(1u64, |product, &n| product.checked_mul(n));
    dimensions.reverse();
    let bytes = elements.and_then(|n| (n / block_elements).checked_mul(block_bytes));
    let shape = dimensions.iter().map(|&n| usize::try_from(n).ok().filter(|&n| n > 0)).collect();
    match (bytes, shape) {
        (Some(bytes), Some(shape)) => Ok(Info { name, shape, element, offset, bytes }),
        _ => bail!(Format, "{}: tensor {name}: shape {dimensions:?} is empty or too large", cursor.file()),
    }
}

/// Checks ranges against each other and the file: tensors follow each other with less than one alignment between.
fn lay_out(mut infos: Vec<Info>, source: &Source, data_start: u64, alignment: u64) -> Result<BTreeMap<String, Extent>> {
    let file = source.name();
    infos.sort_by_key(|info| info.offset);
    let data_len = source.len().saturating_sub(data_start);
    let mut end_so_far = 0u64;
    let mut tensors = BTreeMap::new();
    for Info { name, shape, element, offset, bytes } in infos {
        if offset % alignment != 0 {
            bail!(Format, "{file}: tensor {name}: offset {offset} is no multiple of the alignment {alignment}");
        }
        if offset < end_so_far {
            bail!(Format, "{file}: tensor {name}: starts at offset {offset}, inside another that ends at {end_so_far}");
        }
        if offset - end_so_far >= alignment {
            bail!(Format, "{file}: tensor {name}: starts at offset {offset}, leaving a hole from {end_so_far} on");
        }
        end_so_far = match offset.checked_add(bytes) {
            Some(end) if end <= data_len => end,
            _ => bail!(
                Format,
                "{file}: tensor {name}: {bytes} bytes at offset {offset} run past the {data_len} bytes of data in the file"
            ),
        };
        if tensors.contains_key(&name) {
            bail!(Format, "{file}: tensor {name} is there twice");
        }
        tensors.insert(name, Extent { shape, element, offset: data_start + offset, bytes });
    }
    Ok(tensors)
}

fn element_type(id: u32) -> Option<ElementType> {
    Some(match id {
        0 => ElementType::F32,
        1 => ElementType::F16,
        2 => ElementType::Q4_0,
        3 => ElementType::Q4_1,
        6 => ElementType::Q5_0,
        7 => ElementType::Q5_1,
        8 => ElementType::Q8_0,
        12 => ElementType::Q4K,
        13 => ElementType::Q5K,
        14 => ElementType::Q6K,
        30 => ElementType::BF16,
        _ => return None,
    })
}

/// What ggml calls a type, for errors.
fn type_name(id: u32) -> String {
    const NAMES: [&str; 42] = [
        "F32", "F16", "Q4_0", "Q4_1", "", "", "Q5_0", "Q5_1", "Q8_0", "Q8_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K",
        "Q8_K", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8", "I16", "I32",
        "I64", "F64", "IQ1_M", "BF16", "", "", "", "TQ1_0", "TQ2_0", "", "", "", "MXFP4", "NVFP4", "Q1_0",
    ];
    match NAMES.get(id as usize) {
        Some(name) if !name.is_empty() => (*name).into(),
        _ => format!("{id}"),
    }
}
