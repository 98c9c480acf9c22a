//! Index files, JSON Lines, and texts given on the command line.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write, stdin},
    path::{Path, PathBuf},
};

use nomul::{
    Code, Error, Result, bail,
    json::{Encoder, Header, Value, parse, parse_line},
    search::{Image, Index},
    vsa::Bits,
};

use crate::folder::io;

/// An index that was read.
pub struct Opened {
    pub header: Header,
    pub encoder: Encoder,
    pub index: Index,
}

/// Reads an index.
pub fn open(path: &Path) -> Result<Opened> {
    let bytes = fs::read(path).map_err(|error| io(path, error))?;
    let place = |error: Error| error.at(path.display());
    let (header, image) = Header::read(&bytes).map_err(place)?;
    let index = Index::load(image, Some(&header.identity)).map_err(place)?;
    if index.len() != header.ids.len() || index.shape().dimensions() != header.schema.dimension {
        bail!(Format, "{}: {} vectors, {} names", path.display(), index.len(), header.ids.len());
    }
    Ok(Opened { encoder: Encoder::new(header.schema.clone())?, header, index })
}

impl Opened {
    /// The signs of a document.
    pub fn signs(&self, id: &str) -> Result<Bits> {
        let Some(row) = self.header.ids.iter().position(|other| other == id) else {
            bail!(Missing, "no document {id:?} in the index: it has {}", self.header.ids.len());
        };
        let Some(bytes) = self.index.get(row as u64) else { bail!(Format, "no vector of document {id:?}") };
        let dimension = self.header.schema.dimension;
        let mut words: Vec<u64> =
            bytes.chunks(8).map(|part| part.iter().rev().fold(0, |word, byte| word << 8 | *byte as u64)).collect();
        words.truncate(dimension.div_ceil(64));
        Bits::from_words(dimension, words)
    }
}

/// Writes an index: to a hidden sibling first, so that the file is there whole or not at all.
pub fn save(path: &Path, header: &Header, index: &Index) -> Result<u64> {
    let Some(name) = path.file_name() else { bail!(Input, "{}: not the name of a file", path.display()) };
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".partial");
    let partial = Partial(path.with_file_name(hidden));
    let image = Image::new(index);
    let head = header.write(image.bytes());
    let bytes = head.len() as u64 + image.bytes();
    let mut file = File::create(&partial.0).map_err(|error| io(path, error))?;
    let vectors = image.to_vec()?;
    file.write_all(&head).and_then(|()| file.write_all(&vectors)).map_err(|error| io(path, error))?;
    file.sync_all().map_err(|error| io(path, error))?;
    fs::rename(&partial.0, path).map_err(|error| io(path, error))?;
    Ok(bytes)
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
