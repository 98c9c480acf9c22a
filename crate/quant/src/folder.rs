//! Writing a model folder: its room is taken before a byte of it is made; it is written beside its place, and moved there when
//! complete. Tensors lie in a file in the order in which they came.

mod partial;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use nomul::{Code, Error, Result, bail};
use nomul_text::tokenizer::COMPACT_FILE;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use partial::abandon;
use partial::{Partial, split};

/// A tensor that is to come.
pub struct Planned {
    /// Its name.
    pub name: String,
    /// safetensors' name of its type.
    pub dtype: &'static str,
    /// Its shape.
    pub shape: Vec<usize>,
    /// It may come with fewer bytes.
    is_coded: bool,
}

impl Planned {
    /// A tensor of this shape.
    pub fn exact(name: String, dtype: &'static str, shape: Vec<usize>) -> Planned {
        Planned { name, dtype, shape, is_coded: false }
    }

    /// A tensor of so many bytes at most.
    pub fn coded(name: String, most: usize) -> Planned {
        Planned { name, dtype: "U8", shape: vec![most], is_coded: true }
    }

    /// The entry of a header for a tensor of `bytes` bytes from `offset` on.
    fn entry(&self, offset: u64, bytes: u64) -> Value {
        let shape = if self.is_coded { json!([bytes]) } else { json!(self.shape) };
        json!({ "dtype": self.dtype, "shape": shape, "data_offsets": [offset, offset + bytes] })
    }

    /// The most that it can have.
    fn bytes(&self) -> u64 {
        let width = match self.dtype {
            "U8" => 1,
            "U16" => 2,
            _ => 4,
        };
        self.shape.iter().product::<usize>() as u64 * width
    }
}

/// A file of the folder and the tensors in it.
pub struct PlannedShard {
    /// Its name.
    pub file: String,
    /// Its tensors.
    pub tensors: Vec<Planned>,
}

/// A model folder in the making. Dropped before [`FolderWriter::finish`], it leaves nothing behind.
pub struct FolderWriter {
    place: PathBuf,
    // Before the folder: files are closed before they are moved or removed.
    files: Vec<Shard>,
    partial: Partial,
    /// The tensors that have not come yet, and the shard of each.
    missing: BTreeMap<String, (usize, Planned)>,
    weight_map: serde_json::Map<String, Value>,
}

/// A file in the making.
struct Shard {
    name: String,
    file: File,
    /// Where its tensors begin.
    start: u64,
    /// Where the next one goes.
    end: u64,
    /// Entries of those that have come.
    header: serde_json::Map<String, Value>,
}

impl Shard {
    /// A header, filled up to the room that it has.
    fn header(mut entries: serde_json::Map<String, Value>, room: Option<u64>) -> Vec<u8> {
        entries.insert("__metadata__".into(), json!({ "format": "nomul" }));
        let mut text = Value::Object(entries).to_string().into_bytes();
        // Data starts at a multiple of eight, as other writers do it.
        text.resize(room.map_or(text.len().next_multiple_of(8), |room| room as usize), b' ');
        [(text.len() as u64).to_le_bytes().to_vec(), text].concat()
    }
}

impl FolderWriter {
    /// Takes the room of all shards. `place` must not exist, unless `replace` is set.
    pub fn new(place: &Path, replace: bool, shards: Vec<PlannedShard>) -> Result<FolderWriter> {
        // First of all: it may put back a folder that a writer was about to replace when it was killed.
        let partial = Partial::new(place)?;
        if !replace && fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_some()) {
            bail!(Input, "{}: exists and is not empty; use --force to replace it", place.display());
        }
        if place.is_file() {
            bail!(Input, "{}: is a file", place.display());
        }
        let mut writer = FolderWriter {
            place: place.into(),
            files: Vec::new(),
            partial,
            missing: BTreeMap::new(),
            weight_map: serde_json::Map::new(),
        };
        for PlannedShard { file, tensors } in shards {
            writer.add_shard(file, tensors)?;
        }
        Ok(writer)
    }

    fn add_shard(&mut self, name: String, tensors: Vec<Planned>) -> Result<()> {
        let position = self.files.len();
        let most: u64 = tensors.iter().map(Planned::bytes).sum();
        // In which order they come is not known: no offset has more digits than the end.
        let mut longest = serde_json::Map::new();
        for tensor in tensors {
            longest.insert(tensor.name.clone(), tensor.entry(most, tensor.bytes()));
            self.weight_map.insert(tensor.name.clone(), name.clone().into());
            self.missing.insert(tensor.name.clone(), (position, tensor));
        }
        let start = Shard::header(longest, None).len() as u64;
        let (file, path) = (self.create(&name)?, self.place.join(&name));
        // A disk that is too small says so now, not after an hour.
        reserve(&file, 0, start + most).map_err(|e| {
            let message = format!("{}: no room for {} bytes: {e}", path.display(), start + most);
            Error::new(Code::Io, message)
        })?;
        self.files.push(Shard { name, file, start, end: start, header: serde_json::Map::new() });
        Ok(())
    }

    /// Puts a tensor into its file.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let Some((position, tensor)) = self.missing.remove(name) else {
            bail!(Input, "tensor {name:?} is not planned or was written before");
        };
        let (length, most) = (bytes.len() as u64, tensor.bytes());
        if length > most || length < most && !tensor.is_coded {
            bail!(Shape, "tensor {name:?} has {length} bytes, not {most}");
        }
        let shard = &mut self.files[position];
        write_at(&mut shard.file, &self.place.join(&shard.name), shard.end, bytes)?;
        shard.header.insert(name.into(), tensor.entry(shard.end - shard.start, length));
        shard.end += length;
        Ok(())
    }

    /// Writes the index, the configuration and the other files, and moves the folder into its place.
    pub fn finish(mut self, config: &Value, others: &[(String, Vec<u8>)]) -> Result<()> {
        if let Some(name) = self.missing.keys().next() {
            bail!(Missing, "tensor {name:?} was planned but never written");
        }
        let (mut shards, mut total) = (Vec::new(), 0);
        for Shard { name, file, start, end, header } in &mut self.files {
            let path = self.place.join(&*name);
            write_at(file, &path, 0, &Shard::header(std::mem::take(header), Some(*start - 8)))?;
            file.set_len(*end).map_err(|e| io_error(&path, e))?;
            file.sync_all().map_err(|e| flush_error(&path, *end, e))?;
            let digest = digest(file).map_err(|e| io_error(&path, e))?;
            shards.push(json!({ "file": name, "bytes": end, "sha256": digest }));
            total += *end - *start;
        }
        let mut index = json!({
            "metadata": { "format": "nomul", "total_size": total, "shards": shards },
            "weight_map": std::mem::take(&mut self.weight_map),
        });
        if others.iter().any(|(name, _)| name == COMPACT_FILE) {
            index["metadata"]["tokenizer"] = COMPACT_FILE.into();
        }
        let pretty = |value: &Value| serde_json::to_vec_pretty(value).expect("a JSON value can be written");
        self.write_file("model.safetensors.index.json", &pretty(&index))?;
        self.write_file("config.json", &pretty(config))?;
        for (name, bytes) in others {
            self.write_file(name, bytes)?;
        }
        drop(std::mem::take(&mut self.files));
        self.partial.finish()
    }

    fn create(&self, name: &str) -> Result<File> {
        let file = File::options().read(true).write(true).create_new(true).open(self.partial.folder().join(name));
        file.map_err(|e| io_error(&self.place.join(name), e))
    }

    fn write_file(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.place.join(name);
        let mut file = self.create(name)?;
        write_at(&mut file, &path, 0, bytes)?;
        file.sync_all().map_err(|e| flush_error(&path, bytes.len() as u64, e))
    }
}

/// Takes room on the disk for `bytes` bytes from `start` on, which read as zeros. A longer file alone is a promise:
/// most file systems make it without having the room.
fn reserve(file: &File, start: u64, bytes: u64) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    if bytes > 0 {
        use rustix::{fs, io::Errno};
        match fs::fallocate(file, fs::FallocateFlags::empty(), start, bytes) {
            Ok(()) => return Ok(()),
            // Some file systems cannot.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => (),
            Err(e) => return Err(e.into()),
        }
    }
    file.set_len(start + bytes)
}

/// Writes into a file. An error names the first byte that was not written; `path` is what the user knows the file by.
fn write_at(file: &mut File, path: &Path, offset: u64, bytes: &[u8]) -> Result<()> {
    file.seek(SeekFrom::Start(offset)).and_then(|_| file.write_all(bytes)).map_err(|e| {
        let at = file.stream_position().unwrap_or(offset);
        Error::new(Code::Io, format!("{}: at byte {at}: {e}", path.display()))
    })
}

fn digest(file: &mut File) -> std::io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => hash.update(&buffer[..count]),
        }
    }
    Ok(hex(&hash.finalize()))
}

/// Bytes as digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a disk refuses only now may be anywhere in the file.
fn flush_error(path: &Path, bytes: u64, error: std::io::Error) -> Error {
    Error::new(Code::Io, format!("{}: bytes 0 to {bytes}, to the disk: {error}", path.display()))
}

/// A hidden path beside a place: `.NAME.ENDING`.
pub(crate) fn hidden_beside(place: &Path, ending: &str) -> Result<PathBuf> {
    let (parent, name) = split(place)?;
    Ok(parent.join(format!(".{name}.{ending}")))
}

pub(crate) fn io_error(path: &Path, error: std::io::Error) -> Error {
    Error::new(Code::Io, format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Vec<PlannedShard> {
        let exact = |name: &str, shape: &[usize]| Planned::exact(name.into(), "U8", shape.into());
        vec![
            PlannedShard { file: "a.safetensors".into(), tensors: vec![exact("x", &[3]), exact("y", &[2, 2])] },
            PlannedShard { file: "b.safetensors".into(), tensors: vec![Planned::coded("z".into(), 1000)] },
        ]
    }

    #[test]
    fn nothing_is_left_behind_when_it_is_not_finished() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("model");
        let mut writer = FolderWriter::new(&place, false, plan()).unwrap();
        writer.write("x", &[1, 2, 3]).unwrap();
        assert_eq!(writer.write("x", &[1, 2, 3]).unwrap_err().code, Code::Input);
        assert_eq!(writer.write("z", &[1; 1001]).unwrap_err().code, Code::Shape);
        let error = writer.finish(&json!({}), &[]).unwrap_err();
        assert!(error.message.contains("\"y\""), "{error}");
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_finished_folder_replaces_another_only_when_told() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("model");
        let write = |replace| -> Result<()> {
            let mut writer = FolderWriter::new(&place, replace, plan())?;
            writer.write("z", &[5; 5])?;
            writer.write("y", &[4; 4])?;
            writer.write("x", &[3; 3])?;
            writer.finish(&json!({ "a": 1 }), &[("tokenizer.json".into(), b"{}".to_vec())])
        };
        write(false).unwrap();
        assert_eq!(write(false).unwrap_err().code, Code::Input);
        write(true).unwrap();
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
        let bytes = fs::read(place.join("a.safetensors")).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(tensors.tensor("y").unwrap().data(), [4; 4]);
        let bytes = fs::read(place.join("b.safetensors")).unwrap();
        let coded = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!((coded.tensor("z").unwrap().data(), coded.tensor("z").unwrap().shape()), (&[5; 5][..], &[5][..]));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_write_that_fails_names_the_file_and_the_byte() {
        // This device has the room of a full disk.
        let mut file = File::options().write(true).open("/dev/full").unwrap();
        let error = write_at(&mut file, Path::new("model/a.safetensors"), 1000, &[0; 10]).unwrap_err();
        assert_eq!(error.code, Code::Io);
        assert!(error.message.starts_with("model/a.safetensors: at byte "), "{error}");
        assert!(error.message.contains("No space left"), "{error}");
    }
}
