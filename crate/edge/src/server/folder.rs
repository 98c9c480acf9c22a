//! The model folder that the host opens as `/model`.

use nomul::{Code, Error, Result, bail};
use wasip2::filesystem::{
    preopens,
    types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags},
};

use crate::{bindings::exports::nomul::runtime::types::Files, loaded::Loaded};

const FOLDER: &str = "/model";

/// Bytes read at once.
const PART: u64 = 1 << 20;

/// Reads all of the model.
pub fn load(context: Option<usize>) -> Result<Loaded> {
    let folders = preopens::get_directories();
    let Some((folder, _)) = folders.into_iter().find(|(_, name)| name == FOLDER) else {
        bail!(Missing, "no model: the host has opened no folder {FOLDER}, and the component is no image with one");
    };
    let required = |name| file(&folder, name)?.ok_or_else(|| Error::new(Code::Missing, format!("{name}: not there")));
    let files = Files {
        config: required("config.json")?,
        index: required("model.safetensors.index.json")?,
        tokenizer: required("tokenizer.json")?,
        tokenizer_config: file(&folder, "tokenizer_config.json")?,
        generation_config: file(&folder, "generation_config.json")?,
        chat_template: file(&folder, "chat_template.jinja")?,
    };
    let context = context.map(|context| u32::try_from(context).unwrap_or(u32::MAX));
    let mut loaded = Loaded::open(&files, context)?;
    let shards = loaded.session.model().shards().to_vec();
    for shard in shards {
        let Some(file) = open(&folder, &shard.file)? else { bail!(Missing, "{}: not there", shard.file) };
        let mut left = shard.bytes;
        while left > 0 {
            let bytes = part(&file, &shard.file, shard.bytes - left)?;
            if bytes.is_empty() {
                bail!(Format, "{}: ends {left} bytes early", shard.file);
            }
            // A file that is longer than its index says must not run into the next one.
            let count = left.min(bytes.len() as u64);
            loaded.session.push(&bytes[..count as usize])?;
            left -= count;
        }
    }
    Ok(loaded)
}

fn refused(name: &str, error: ErrorCode) -> Error {
    Error::new(Code::Io, format!("{name}: {error}"))
}

fn open(folder: &Descriptor, name: &str) -> Result<Option<Descriptor>> {
    match folder.open_at(PathFlags::SYMLINK_FOLLOW, name, OpenFlags::empty(), DescriptorFlags::READ) {
        Ok(file) => Ok(Some(file)),
        Err(ErrorCode::NoEntry) => Ok(None),
        Err(error) => Err(refused(name, error)),
    }
}

/// The bytes from a place on, as many as come at once; none at the end.
fn part(file: &Descriptor, name: &str, from: u64) -> Result<Vec<u8>> {
    file.read(PART, from).map(|(bytes, _)| bytes).map_err(|error| refused(name, error))
}

/// All of a small file.
fn file(folder: &Descriptor, name: &str) -> Result<Option<Vec<u8>>> {
    let Some(file) = open(folder, name)? else { return Ok(None) };
    let mut all = Vec::new();
    loop {
        let bytes = part(&file, name, all.len() as u64)?;
        if bytes.is_empty() {
            return Ok(Some(all));
        }
        all.extend(bytes);
    }
}
