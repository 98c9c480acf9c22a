//! Index files, JSON Lines, and texts given on the command line.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write, stdin},
    path::{Path, PathBuf},
};

use nomul::{
    Code, Error, Result, bail,
    json::{Space, Value, parse, parse_line},
};

use crate::folder::io;

/// Reads an index.
pub fn open(path: &Path) -> Result<Space> {
    let bytes = fs::read(path).map_err(|error| io(path, error))?;
    Space::load(&bytes, None).map_err(|error| error.at(path.display()))
}

/// Writes a file: to a hidden sibling first, so that it is there whole or not at all.
pub fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    let Some(name) = path.file_name() else { bail!(Input, "{}: not the name of a file", path.display()) };
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".partial");
    let partial = Partial(path.with_file_name(hidden));
    let mut file = File::create(&partial.0).map_err(|error| io(path, error))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| io(path, error))?;
    fs::rename(&partial.0, path).map_err(|error| io(path, error))
}

/// A file that is removed unless it was renamed.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // After the renaming there is none.
        let _ = fs::remove_file(&self.0);
    }
}

/// The documents of a file of JSON Lines, or of standard input where it is called "-".
pub struct Lines {
    name: String,
    reader: Box<dyn BufRead>,
    buffer: Vec<u8>,
    /// The line that was read last, counted from 1.
    pub line: usize,
    /// Bytes read so far, and in all if that is known.
    pub done: u64,
    pub total: Option<u64>,
}

impl Lines {
    pub fn open(path: &Path) -> Result<Lines> {
        let new = |name: String, reader: Box<dyn BufRead>, total| Lines {
            name,
            reader,
            buffer: Vec::new(),
            line: 0,
            done: 0,
            total,
        };
        if path.as_os_str() == "-" {
            return Ok(new("standard input".into(), Box::new(BufReader::new(stdin())), None));
        }
        let file = File::open(path).map_err(|error| io(path, error))?;
        let metadata = file.metadata().map_err(|error| io(path, error))?;
        if metadata.is_dir() {
            bail!(Input, "{}: a folder, not a file of JSON Lines", path.display());
        }
        let total = metadata.is_file().then_some(metadata.len());
        Ok(new(path.display().to_string(), Box::new(BufReader::with_capacity(1 << 20, file)), total))
    }

    /// An error with the file and the line it is about.
    pub fn place(&self, error: Error) -> Error {
        error.at(format!("{}: line {}", self.name, self.line))
    }

    /// The next document; empty lines are none.
    pub fn document(&mut self) -> Result<Option<Value>> {
        loop {
            self.buffer.clear();
            let read = self.reader.read_until(b'\n', &mut self.buffer);
            let read = read.map_err(|error| Error::new(Code::Io, format!("{}: {error}", self.name)))?;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            self.done += read as u64;
            let line = self.buffer.strip_prefix(b"\xef\xbb\xbf").filter(|_| self.line == 1).unwrap_or(&self.buffer);
            // Without its end, so that columns of errors at the end are right.
            let line = line.trim_ascii_end();
            if !line.is_empty() {
                return parse_line(line, self.line).map(Some).map_err(|error| error.at(&self.name));
            }
        }
    }
}

/// A value on the command line: JSON, `@FILE`, or `-` for standard input.
pub fn value(text: &str) -> Result<Value> {
    if let Some(name) = text.strip_prefix('@') {
        let path = Path::new(name);
        return parse(&fs::read(path).map_err(|error| io(path, error))?).map_err(|error| error.at(name));
    }
    if text == "-" {
        let mut bytes = Vec::new();
        stdin().read_to_end(&mut bytes).map_err(|error| Error::new(Code::Io, format!("standard input: {error}")))?;
        return parse(&bytes).map_err(|error| error.at("standard input"));
    }
    parse(text.as_bytes()).map_err(|error| error.at("the query"))
}
