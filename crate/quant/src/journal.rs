//! What a stopped run had done, for the next one to go on from.
//!
//! ```text
//! .NAME.resume/     beside the folder that is made
//!     lock          held by the run that writes here
//!     key           digest of everything that decides about the result
//!     NAME          a part that is done, one file each; it gets this name once it is all there
//! ```
//!
//! A run gives the same result every time, so parts of one can be used by another whose key is the same; what a run with another key
//! has left is removed. Parts are kept in postcard's form, which writes numbers as they are and needs no names.

use std::{
    fs::{self, File, TryLockError},
    io::{BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use nomul::{Code, Error, Result, bail};
use serde::{Serialize, de::DeserializeOwned};

use crate::folder::{hidden_beside, io_error};

/// Counts the ways in which a result came about: a part of an older way is of no use.
const WAY: u32 = 1;

const LOCK: &str = "lock";
const KEY: &str = "key";

/// Parts that are done.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    /// `None` where the system has no locks.
    _lock: Option<File>,
    found: usize,
}

impl Journal {
    /// Opens the journal for the folder `place`. Parts from a run with the same `key` are there; others are removed.
    ///
    /// Errors: [`Code::Input`] where another run holds it, [`Code::Io`].
    pub fn open(place: &Path, key: &str) -> Result<Journal> {
        let folder = hidden_beside(place, "resume")?;
        let key = format!("{WAY} {key}");
        fs::create_dir_all(&folder).map_err(|e| io_error(&folder, e))?;
        let path = folder.join(LOCK);
        let lock = File::options().write(true).create(true).truncate(false).open(&path);
        let lock = lock.map_err(|e| io_error(&path, e))?;
        let lock = match lock.try_lock() {
            Ok(()) => Some(lock),
            Err(TryLockError::WouldBlock) => {
                bail!(Input, "{}: another run that can be resumed is making this folder", place.display())
            }
            Err(TryLockError::Error(_)) => None,
        };
        let mut journal = Journal { folder, _lock: lock, found: 0 };
        let known = fs::read_to_string(journal.folder.join(KEY)).is_ok_and(|found| found == key);
        for name in journal.names()? {
            if !known || name.ends_with(".new") {
                let path = journal.folder.join(name);
                fs::remove_file(&path).map_err(|e| io_error(&path, e))?;
            }
        }
        if !known {
            journal.write(KEY, |file| file.write_all(key.as_bytes()))?;
        }
        journal.found = journal.names()?.iter().filter(|name| *name != KEY).count();
        Ok(journal)
    }

    /// How many parts were there when it was opened.
    pub fn found(&self) -> usize {
        self.found
    }

    /// A part, if it is done. One that cannot be read counts as not done.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let file = File::open(self.folder.join(name)).ok()?;
        let mut buffer = vec![0; 64 << 10];
        postcard::from_io((BufReader::new(file), &mut buffer)).ok().map(|(part, _)| part)
    }

    /// Keeps a part.
    ///
    /// Errors: [`Code::Io`] where the disk takes no more.
    pub fn put(&self, name: &str, part: &impl Serialize) -> Result<()> {
        self.write(name, |file| postcard::to_io(part, file).map(|_| ()).map_err(std::io::Error::other))
    }

    /// Removes all: the folder that was to be made is there.
    pub fn finish(self) {
        // What stays is removed by the next run; what was made is not to be lost for it.
        fs::remove_dir_all(&self.folder).ok();
    }

    /// All files but the lock.
    fn names(&self) -> Result<Vec<String>> {
        let entries = fs::read_dir(&self.folder).map_err(|e| io_error(&self.folder, e))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names.filter(|name| name != LOCK).collect())
    }

    fn write(&self, name: &str, fill: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) -> Result<()> {
        let (fresh, path) = (self.folder.join(format!("{name}.new")), self.folder.join(name));
        let written = File::create(&fresh).and_then(|file| {
            let mut file = BufWriter::new(file);
            fill(&mut file)?;
            file.into_inner()?.sync_all()?;
            fs::rename(&fresh, &path)
        });
        written.map_err(|e| Error::new(Code::Io, format!("{}: {e}", path.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_outlive_a_run_and_serve_the_same_one_alone() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("model");
        let journal = Journal::open(&place, "a").unwrap();
        assert_eq!(journal.found(), 0);
        journal.put("x", &vec![1.5f32, f32::MIN_POSITIVE]).unwrap();
        journal.put("y", &7u64).unwrap();
        // Killed while it wrote.
        fs::write(journal.folder.join("z.new"), "half").unwrap();
        drop(journal);

        let journal = Journal::open(&place, "a").unwrap();
        assert_eq!(journal.found(), 2);
        assert_eq!(journal.get::<Vec<f32>>("x"), Some(vec![1.5, f32::MIN_POSITIVE]));
        assert_eq!(journal.get::<u64>("z"), None);
        // A disk that lost the end of a file.
        fs::write(journal.folder.join("x"), [2, 0, 0]).unwrap();
        assert_eq!(journal.get::<Vec<f32>>("x"), None);
        drop(journal);

        let journal = Journal::open(&place, "b").unwrap();
        assert_eq!((journal.found(), journal.get::<u64>("y")), (0, None));
        journal.finish();
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[cfg(not(target_family = "wasm"))]
    #[test]
    fn two_runs_do_not_share_a_journal() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("model");
        let first = Journal::open(&place, "a").unwrap();
        assert_eq!(Journal::open(&place, "a").unwrap_err().code, Code::Input);
        drop(first);
        Journal::open(&place, "a").unwrap();
    }
}
