//! Where bytes come from: a file that is read range by range, or memory.
//!
//! Ranges are read when they are asked for instead of mapping the file. A map would need `unsafe`, is absent under
//! WASI, and turns a file that shrinks underneath it into a signal; a read turns it into an error.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use nomul::{Code, Error, Result, bail};

/// One file: its name for errors, its length, and reads anywhere in it.
pub struct Source {
    name: String,
    len: u64,
    changed: Option<SystemTime>,
    bytes: Bytes,
}

enum Bytes {
    /// Seeking and reading are two steps, so they share a lock.
    File(Mutex<File>),
    Memory(Arc<[u8]>),
}

impl Source {
    /// Opens a file. Errors: `Missing` where there is none, `Io` where it cannot be read.
    pub fn open(path: &Path) -> Result<Source> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|e| io_error(&name, &e))?;
        let metadata = file.metadata().map_err(|e| io_error(&name, &e))?;
        if !metadata.is_file() {
            bail!(Io, "{name}: not a file");
        }
        let changed = metadata.modified().ok();
        Ok(Source { name, len: metadata.len(), changed, bytes: Bytes::File(Mutex::new(file)) })
    }

    /// Reads from memory.
    pub fn memory(name: impl Into<String>, bytes: impl Into<Arc<[u8]>>) -> Source {
        let bytes = bytes.into();
        Source { name: name.into(), len: bytes.len() as u64, changed: None, bytes: Bytes::Memory(bytes) }
    }

    /// The name, for errors.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it was last changed, where the system tells.
    pub fn changed(&self) -> Option<SystemTime> {
        self.changed
    }

    /// Length in bytes when it was opened.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Fills `out` from `offset` on. Errors: `Format` past the end, `Io` where the system refuses.
    pub fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let end = offset.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > self.len) {
            bail!(Format, "{}: {} bytes at offset {offset} run past its {} bytes", self.name, out.len(), self.len);
        }
        match &self.bytes {
            Bytes::Memory(bytes) => {
                let start = offset as usize;
                out.copy_from_slice(&bytes[start..start + out.len()]);
                Ok(())
            }
            Bytes::File(file) => {
                let mut file = file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                let read = file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(out));
                read.map_err(|e| io_error(&self.name, &e).at_offset(offset))
            }
        }
    }

    /// The `len` bytes from `offset` on, in a new buffer. The file's length bounds what is taken from memory.
    pub fn read_vec(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            bail!(Format, "{}: {len} bytes at offset {offset} run past its {} bytes", self.name, self.len);
        }
        let mut out = reserved::<u8>(len, &self.name)?;
        out.resize(len as usize, 0);
        self.read(offset, &mut out)?;
        Ok(out)
    }
}

/// An empty vector with room for `len` items, or `Capacity` naming `what` was to be held.
pub(super) fn reserved<T>(len: u64, what: &str) -> Result<Vec<T>> {
    let mut out = Vec::new();
    match usize::try_from(len).ok().and_then(|len| out.try_reserve_exact(len).ok()) {
        Some(()) => Ok(out),
        None => bail!(Capacity, "{what}: no memory for {len} items of {} bytes", size_of::<T>()),
    }
}

trait AtOffset {
    fn at_offset(self, offset: u64) -> Self;
}

impl AtOffset for Error {
    fn at_offset(self, offset: u64) -> Error {
        Error { code: self.code, message: format!("{} (at offset {offset})", self.message) }
    }
}

fn io_error(name: &str, error: &io::Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::new(Code::Missing, format!("{name}: there is no such file")),
        ErrorKind::UnexpectedEof => Error::new(Code::Io, format!("{name}: became shorter while it was read")),
        _ => Error::new(Code::Io, format!("{name}: {error}")),
    }
}

/// Files by name: a folder, or a set of files in memory.
pub enum Folder {
    /// On disk.
    Disk(PathBuf),
    /// In memory, by file name.
    Memory(BTreeMap<String, Arc<[u8]>>),
}

impl Folder {
    /// The file of that name, `None` where the folder has none.
    pub fn find(&self, name: &str) -> Result<Option<Source>> {
        match self {
            Folder::Memory(files) => Ok(files.get(name).map(|bytes| Source::memory(name, bytes.clone()))),
            Folder::Disk(path) => match Source::open(&path.join(name)) {
                Ok(source) => Ok(Some(source)),
                Err(error) if error.code == Code::Missing => Ok(None),
                Err(error) => Err(error),
            },
        }
    }

    /// The whole of a small text file, `None` where the folder has none. Errors: `Format` over `limit` bytes.
    pub fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some(source) = self.find(name)? else { return Ok(None) };
        if source.len() > limit {
            bail!(
                Format,
                "{}: {} bytes are more than the {limit} that such a file may have",
                source.name(),
                source.len()
            );
        }
        source.read_vec(0, source.len()).map(Some)
    }

    /// The name, for errors.
    pub fn name(&self) -> String {
        match self {
            Folder::Disk(path) => path.display().to_string(),
            Folder::Memory(_) => "the given files".into(),
        }
    }
}

/// Whether `name` is a plain file name: hostile indexes must not reach outside their folder.
pub(super) fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', ':', '\0'])
}
