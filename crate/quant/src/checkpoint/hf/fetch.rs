//! From a repository's name to a folder of whole, checked files.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nomul::{Code, Error, Result, bail};
use sha2::{Digest, Sha256};

use super::client::{Client, Description};
use super::{Hub, Progress, Repository};
use crate::checkpoint::TEXT_FILES;
use crate::checkpoint::safetensors::{INDEX, SINGLE, shards_of_index};

/// How often a file is continued after its connection broke.
const ATTEMPTS: u32 = 4;
/// Waited after the first break, twice that after the second, and so on.
const PAUSE: Duration = Duration::from_millis(300);
const BUFFER: usize = 1 << 18;

pub fn fetch(hub: &Hub, repository: &Repository, progress: &mut dyn FnMut(&Progress)) -> Result<PathBuf> {
    let client = Client::new(&hub.base, hub.token.as_deref())?;
    let Repository { organisation, name, revision } = repository;
    let address = |revision: &str, file: &str| {
        format!("{}/{organisation}/{name}/resolve/{}/{file}", hub.base, revision.replace('/', "%2F"))
    };
    let Some(config) = client.describe(&address(revision, CONFIG))? else {
        bail!(
            Missing,
            "{}: there is no such model, or it has no {CONFIG} at revision {revision}",
            address(revision, CONFIG)
        );
    };
    // A branch may move while its files are fetched; the commit that it stood for does not.
    let commit = config.commit.as_deref().filter(|commit| commit.bytes().all(|b| b.is_ascii_hexdigit()));
    let pinned = commit.filter(|commit| !commit.is_empty()).unwrap_or(revision);
    let folder = hub.cache.join(format!("{organisation}--{name}")).join(pinned.replace('/', "--"));
    fs::create_dir_all(&folder).map_err(|e| disk(&folder, &e))?;

    let mut get = |file: &str| -> Result<bool> {
        if folder.join(file).is_file() {
            return Ok(true);
        }
        let Some(description) = client.describe(&address(pinned, file))? else { return Ok(false) };
        download(&client, &description, &folder, file, progress)?;
        Ok(true)
    };
    let need = |file: &str, get: &mut dyn FnMut(&str) -> Result<bool>| match get(file)? {
        true => Ok(()),
        false => bail!(Missing, "{}: there is no such file", address(pinned, file)),
    };
    need(CONFIG, &mut get)?;
    for file in TEXT_FILES {
        get(file)?;
    }
    if get(INDEX)? {
        let path = folder.join(INDEX);
        let index = fs::read(&path).map_err(|e| disk(&path, &e))?;
        for shard in shards_of_index(&index)?.into_keys() {
            need(&shard, &mut get)?;
        }
    } else {
        need(SINGLE, &mut get)?;
    }
    Ok(folder)
}

const CONFIG: &str = "config.json";

/// Downloads one file, continuing what an earlier call or a broken connection left.
fn download(
    client: &Client,
    description: &Description,
    folder: &Path,
    file: &str,
    progress: &mut dyn FnMut(&Progress),
) -> Result<()> {
    let mut part = Part::open(folder, file, description)?;
    let mut attempt = 1;
    while let Err(error) = part.receive(client, description, progress) {
        let broken = error.code == Code::Io;
        if !broken || attempt == ATTEMPTS {
            return Err(error);
        }
        thread::sleep(PAUSE * attempt);
        attempt += 1;
    }
    part.finish(description)
}

/// The beginning of a file, under a name that says whose: another version of the file starts anew.
struct Part<'a> {
    file: &'a str,
    path: PathBuf,
    whole: PathBuf,
    handle: File,
    hash: Sha256,
    received: u64,
}

impl<'a> Part<'a> {
    fn open(folder: &Path, file: &'a str, description: &Description) -> Result<Part<'a>> {
        let identity = match &description.etag {
            Some(etag) => hexadecimal(&Sha256::digest(etag))[..16].to_string(),
            None => "new".into(),
        };
        let path = folder.join(format!(".{file}.{identity}.part"));
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut part = Part {
            file,
            whole: folder.join(file),
            handle: opened.map_err(|e| disk(&path, &e))?,
            path,
            hash: Sha256::new(),
            received: 0,
        };
        if description.etag.is_none() {
            part.restart()?;
        }
        part.hash_what_is_there()?;
        if description.size.is_some_and(|size| part.received > size) {
            part.restart()?;
        }
        Ok(part)
    }

    fn hash_what_is_there(&mut self) -> Result<()> {
        let mut buffer = vec![0; BUFFER];
        loop {
            match self.handle.read(&mut buffer).map_err(|e| disk(&self.path, &e))? {
                0 => return Ok(()),
                n => self.count(&buffer[..n]),
            }
        }
    }

    fn count(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.received += bytes.len() as u64;
    }

    fn restart(&mut self) -> Result<()> {
        self.hash = Sha256::new();
        self.received = 0;
        self.handle.set_len(0).and_then(|()| self.handle.rewind()).map_err(|e| disk(&self.path, &e))
    }

    /// Reads until the end of the file. `Io` if the connection breaks: what came is kept.
    fn receive(
        &mut self,
        client: &Client,
        description: &Description,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<()> {
        let total = description.size;
        let report = |part: &Part, progress: &mut dyn FnMut(&Progress)| {
            progress(&Progress { file: part.file, received: part.received, total });
        };
        if total == Some(self.received) {
            report(self, progress);
            return Ok(());
        }
        let (start, mut body) = client.read(description, self.received)?;
        if start != self.received {
            self.restart()?;
            if start != 0 {
                bail!(Format, "{}: asked for the whole file, the hub sends it from {start} on", description.address);
            }
        }
        let mut buffer = vec![0; BUFFER];
        loop {
            let n = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) => bail!(Io, "{}: broke off after {} bytes: {e}", description.address, self.received),
            };
            if total.is_some_and(|total| self.received + n as u64 > total) {
                let error = bail_longer(description, total);
                self.restart()?;
                return Err(error);
            }
            self.handle.write_all(&buffer[..n]).map_err(|e| disk(&self.path, &e))?;
            self.count(&buffer[..n]);
            report(self, progress);
        }
        match total {
            Some(total) if self.received < total => {
                bail!(Io, "{}: ended after {} of {total} bytes", description.address, self.received)
            }
            _ => Ok(()),
        }
    }

    /// Checks the SHA-256, where the hub gave one, and gives the file its name.
    fn finish(self, description: &Description) -> Result<()> {
        let found = hexadecimal(&self.hash.finalize());
        let promised = description.etag.as_deref().filter(|etag| is_sha256(etag));
        if let Some(promised) = promised.filter(|promised| !promised.eq_ignore_ascii_case(&found)) {
            // Nothing in it can be trusted, so the next call starts anew.
            fs::remove_file(&self.path).map_err(|e| disk(&self.path, &e))?;
            bail!(Checksum, "{}: SHA-256 is {found}, but the hub promised {promised}", description.address);
        }
        self.handle.sync_all().map_err(|e| disk(&self.path, &e))?;
        drop(self.handle);
        fs::rename(&self.path, &self.whole).map_err(|e| disk(&self.whole, &e))
    }
}

fn bail_longer(description: &Description, total: Option<u64>) -> Error {
    let line = format!("{}: longer than the {} bytes that the hub promised", description.address, total.unwrap_or(0));
    Error::new(Code::Format, line)
}

fn is_sha256(etag: &str) -> bool {
    etag.len() == 64 && etag.bytes().all(|b| b.is_ascii_hexdigit())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn disk(path: &Path, error: &std::io::Error) -> Error {
    Error::new(Code::Io, format!("{}: {error}", path.display()))
}
