//! safetensors files: eight bytes of header length, a JSON header, the tensors' bytes without gaps.
//!
//! The header is read here rather than with the `safetensors` crate because that asks for the whole file in memory,
//! lets the last of two equal names win, and does not say which tensor is wrong where.

use std::collections::BTreeMap;
use std::fmt;

use nomul::{Result, bail};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::source::{Folder, Source, is_plain_name};
use super::values::{ElementType, Extent};

/// The longest header that is read, as in the reference implementation.
pub const HEADER_LIMIT: u64 = 100_000_000;

/// A tensor as the header describes it.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// Reads and checks a file's header: every byte after it belongs to exactly one tensor.
pub fn read_header(source: &Source) -> Result<BTreeMap<String, Extent>> {
    let file = source.name();
    if source.len() < 8 {
        bail!(Format, "{file}: {} bytes are too few for a safetensors file", source.len());
    }
    let mut length = [0; 8];
    source.read(0, &mut length)?;
    let length = u64::from_le_bytes(length);
    if length > HEADER_LIMIT {
        bail!(Format, "{file}: header length {length} at offset 0 is over the limit of {HEADER_LIMIT}");
    }
    if length > source.len() - 8 {
        bail!(Format, "{file}: header of {length} bytes at offset 8 runs past the file's {} bytes", source.len());
    }
    let header = source.read_vec(8, length)?;
    let UniqueMap(entries) = match serde_json::from_slice::<UniqueMap<Entry>>(&header) {
        Ok(entries) => entries,
        Err(e) => bail!(Format, "{file}: header at offset 8: {e}"),
    };
    lay_out(entries, file, 8 + length, source.len())
}

/// Checks types, shapes and ranges against each other and turns ranges into offsets in the file.
fn lay_out(
    mut entries: Vec<(String, Entry)>,
    file: &str,
    data_start: u64,
    file_len: u64,
) -> Result<BTreeMap<String, Extent>> {
    entries.sort_by_key(|(_, entry)| entry.data_offsets);
    let mut end_so_far = 0;
    let mut tensors = BTreeMap::new();
    for (name, entry) in entries {
        let (begin, end) = entry.data_offsets;
        let Some((element, bits)) = element_type(&entry.dtype) else {
            bail!(Unsupported, "{file}: tensor {name}: type {} is unknown", entry.dtype);
        };
        let elements = entry.shape.iter().try_fold(1u64, |product, &n| product.checked_mul(n));
        let Some(total_bits) = elements.and_then(|n| n.checked_mul(bits)) else {
            bail!(Format, "{file}: tensor {name}: shape {:?} is too large", entry.shape);
        };
        let bytes = total_bits.div_ceil(8);
        if begin > end || end - begin != bytes {
            bail!(
                Format,
                "{file}: tensor {name}: shape {:?} of {} takes {bytes} bytes, but its offsets are {begin}..{end}",
                entry.shape,
                entry.dtype
            );
        }
        if begin < end_so_far {
            bail!(Format, "{file}: tensor {name}: starts at offset {begin}, inside another that ends at {end_so_far}");
        }
        if begin > end_so_far {
            bail!(Format, "{file}: tensor {name}: starts at offset {begin}, leaving a hole from {end_so_far} on");
        }
        if begin % bits.div_ceil(8) != 0 {
            bail!(Format, "{file}: tensor {name}: offset {begin} is not aligned for {}", entry.dtype);
        }
        if end > file_len - data_start {
            bail!(
                Format,
                "{file}: tensor {name}: offsets {begin}..{end} run past the {} bytes of data in the file",
                file_len - data_start
            );
        }
        end_so_far = end;
        // The product fits 64 bits, but a dimension beside a zero may still be too long for this machine.
        let Ok(shape) = entry.shape.iter().map(|&n| usize::try_from(n)).collect() else {
            bail!(Format, "{file}: tensor {name}: shape {:?} is too large", entry.shape);
        };
        tensors.insert(name, Extent { shape, element, offset: data_start + begin, bytes });
    }
    if end_so_far != file_len - data_start {
        bail!(
            Format,
            "{file}: {} bytes from offset {} on belong to no tensor",
            file_len - data_start - end_so_far,
            data_start + end_so_far
        );
    }
    Ok(tensors)
}

/// A type and the bits of its elements, `None` for types that the format does not know.
fn element_type(dtype: &str) -> Option<(ElementType, u64)> {
    const OTHERS: [(&str, u64); 18] = [
        ("F4", 4),
        ("F6_E2M3", 6),
        ("F6_E3M2", 6),
        ("BOOL", 8),
        ("U8", 8),
        ("I8", 8),
        ("F8_E5M2", 8),
        ("F8_E4M3", 8),
        ("F8_E8M0", 8),
        ("F8_E4M3FNUZ", 8),
        ("F8_E5M2FNUZ", 8),
        ("U16", 16),
        ("I16", 16),
        ("U32", 32),
        ("I32", 32),
        ("U64", 64),
        ("I64", 64),
        ("F64", 64),
    ];
    match dtype {
        "F32" => Some((ElementType::F32, 32)),
        "F16" => Some((ElementType::F16, 16)),
        "BF16" => Some((ElementType::BF16, 16)),
        _ => OTHERS.iter().find(|(name, _)| *name == dtype).map(|&(name, bits)| (ElementType::Other(name), bits)),
    }
}

/// Opens the safetensors files of a folder, each with its checked header. With an index, only the tensors that it
/// lists are kept, each from the shard that it names.
pub fn open_folder(folder: &Folder) -> Result<Vec<(Source, BTreeMap<String, Extent>)>> {
    if let Some(source) = folder.find(SINGLE)? {
        let tensors = read_header(&source)?;
        return Ok(vec![(source, tensors)]);
    }
    let Some(index) = folder.read(INDEX, HEADER_LIMIT)? else {
        let pickled =
            folder.find("pytorch_model.bin")?.is_some() || folder.find("pytorch_model.bin.index.json")?.is_some();
        if pickled {
            bail!(Unsupported, "{}: holds pickled weights only; convert them to {SINGLE}", folder.name());
        }
        bail!(Missing, "{}: neither {SINGLE} nor {INDEX} is there", folder.name());
    };
    let mut shards = Vec::new();
    for (shard, names) in shards_of_index(&index)? {
        let Some(source) = folder.find(&shard)? else {
            bail!(Missing, "{}: {INDEX} names {shard}, which is not there", folder.name());
        };
        let mut stored = read_header(&source)?;
        let mut kept = BTreeMap::new();
        for name in names {
            match stored.remove(&name) {
                Some(tensor) => kept.insert(name, tensor),
                None => bail!(Missing, "{}: tensor {name} is not there, although {INDEX} says so", source.name()),
            };
        }
        shards.push((source, kept));
    }
    Ok(shards)
}

/// The one file of a small checkpoint.
pub const SINGLE: &str = "model.safetensors";
/// The list of shards of a large one.
pub const INDEX: &str = "model.safetensors.index.json";

/// Reads `model.safetensors.index.json`: file names with the tensors they hold. Names that reach outside the folder
/// are refused.
pub fn shards_of_index(json: &[u8]) -> Result<BTreeMap<String, Vec<String>>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: UniqueMap<String>,
    }
    let index: Index = match serde_json::from_slice(json) {
        Ok(index) => index,
        Err(e) => bail!(Format, "{INDEX}: {e}"),
    };
    let mut shards: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, shard) in index.weight_map.0 {
        if !is_plain_name(&shard) || !shard.ends_with(".safetensors") {
            bail!(Format, "{INDEX}: tensor {name}: {shard:?} is not the name of a safetensors file");
        }
        shards.entry(shard).or_default().push(name);
    }
    Ok(shards)
}

/// An object whose keys must differ; `__metadata__` is skipped. Errors inside a value name its key.
struct UniqueMap<T>(Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for UniqueMap<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Pairs<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Pairs<T> {
            type Value = UniqueMap<T>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                let mut seen = std::collections::HashSet::new();
                while let Some(key) = map.next_key::<String>()? {
                    if !seen.insert(key.clone()) {
                        return Err(A::Error::custom(format!("tensor {key} is there twice")));
                    }
                    if key == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    let value = map.next_value().map_err(|e| A::Error::custom(format!("tensor {key}: {e}")))?;
                    pairs.push((key, value));
                }
                Ok(UniqueMap(pairs))
            }
        }

        deserializer.deserialize_map(Pairs(std::marker::PhantomData))
    }
}
