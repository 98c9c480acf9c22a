//! Where a model folder is made: a hidden folder beside its place, which no end of the process leaves behind for good.
//!
//! ```text
//! .NAME.0123456789abcdef.part/   one for each writer; the digits are random
//!     lock                       held as long as the writer lives: the system lets go of it with the process
//!     new/                       the folder in the making
//!     old/                       what it replaces, from when it is moved away until the new one has its place
//! ```
//!
//! A signal removes it ([`abandon`]); what a process that was killed outright has left is found by the next one that
//! writes to the same place, because nobody holds its lock.

use std::{
    fs::{self, File, TryLockError},
    hash::{BuildHasher, RandomState},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nomul::{Result, bail};

use super::io_error;

const LOCK: &str = "lock";
const NEW: &str = "new";
const OLD: &str = "old";
const ENDING: &str = "part";
/// Digits of the random number in a name.
const DIGITS: usize = 16;

/// The partial folders of this process, each with the place it is meant for.
static OWN: Mutex<Vec<(PathBuf, PathBuf)>> = Mutex::new(Vec::new());

fn own() -> MutexGuard<'static, Vec<(PathBuf, PathBuf)>> {
    OWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A folder in the making. Dropped, it leaves nothing behind but what it replaced.
pub struct Partial {
    place: PathBuf,
    folder: PathBuf,
    /// `None` where the system has no locks; then nobody takes the folder for a stale one.
    lock: Option<File>,
}

impl Partial {
    /// Clears away what writers to `place` that were killed have left, and begins anew.
    pub fn new(place: &Path) -> Result<Partial> {
        let (parent, name) = split(place)?;
        fs::create_dir_all(parent).map_err(|e| io_error(parent, e))?;
        sweep(place)?;
        let mut own = own();
        loop {
            let folder = parent.join(format!(".{name}.{:016x}.{ENDING}", RandomState::new().hash_one(0)));
            let made = fs::create_dir(&folder).and_then(|()| begin(&folder));
            match made {
                Ok(Some(lock)) => {
                    own.push((folder.clone(), place.into()));
                    return Ok(Partial { place: place.into(), folder, lock });
                }
                // Someone who sweeps was quicker than we with our own lock.
                Ok(None) => continue,
                Err(e) => {
                    remove(&folder);
                    return Err(io_error(&folder, e));
                }
            }
        }
    }

    /// Where the new folder's files go.
    pub fn folder(&self) -> PathBuf {
        self.folder.join(NEW)
    }

    /// Moves the folder into its place. What is there is replaced; if that fails, it is put back.
    pub fn finish(self) -> Result<()> {
        // A signal must not come between the two moves.
        let _own = own();
        let old = self.folder.join(OLD);
        let replaced = self.place.exists();
        if replaced {
            fs::rename(&self.place, &old).map_err(|e| io_error(&self.place, e))?;
        }
        if let Err(e) = fs::rename(self.folder(), &self.place) {
            if replaced {
                // If even that fails, the first error is the one to tell.
                fs::rename(&old, &self.place).ok();
            }
            return Err(io_error(&self.place, e));
        }
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        self.lock = None;
        discard(&self.folder, &self.place);
        own().retain(|(folder, _)| *folder != self.folder);
    }
}

/// Removes the partial folders of this process, which is about to end: to be called when a signal asks it to. As long
/// as what it returns lives, no writer of this process begins or finishes another.
pub fn abandon() -> impl Drop {
    let own = own();
    own.iter().for_each(|(folder, place)| discard(folder, place));
    own
}

/// Removes the partial folders of writers to `place` that live no more. If one was killed after it had moved away what
/// it was to replace, that is put back.
fn sweep(place: &Path) -> Result<()> {
    let (parent, name) = split(place)?;
    for entry in fs::read_dir(parent).map_err(|e| io_error(parent, e))? {
        let Ok(entry) = entry else { continue };
        let is_partial = entry.file_name().to_str().is_some_and(|found| is_partial(found, &name));
        // A link to a folder is none of ours.
        if !is_partial || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let folder = entry.path();
        match File::options().read(true).write(true).open(folder.join(LOCK)) {
            // Locked until it is gone: its writer may be about to ask for the lock for the first time.
            Ok(lock) if lock.try_lock().is_ok() => discard(&folder, place),
            Ok(_) => (),
            // Killed before it had a lock; one that is not empty is not removed by this.
            Err(_) => drop(fs::remove_dir(&folder)),
        }
    }
    Ok(())
}

/// Whether a name is one that [`Partial::new`] gives.
fn is_partial(found: &str, name: &str) -> bool {
    let digits = found
        .strip_prefix('.')
        .and_then(|rest| rest.strip_prefix(name))
        .and_then(|rest| rest.strip_prefix('.'))
        .and_then(|rest| rest.strip_suffix(ENDING))
        .and_then(|rest| rest.strip_suffix('.'));
    digits.is_some_and(|digits| {
        digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

/// The folder around a place and the place's name in it.
pub(super) fn split(place: &Path) -> Result<(&Path, String)> {
    let name = place.file_name().map(|name| name.to_string_lossy().into_owned());
    let Some(name) = name else { bail!(Input, "{}: not a folder that can be made", place.display()) };
    let parent = place.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((parent, name))
}

/// Locks an empty folder, and makes the one inside. `None` if the folder was swept away meanwhile.
fn begin(folder: &Path) -> io::Result<Option<Option<File>>> {
    let path = folder.join(LOCK);
    let lock = match File::create_new(&path) {
        Ok(lock) => lock,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let lock = match lock.try_lock() {
        // Whoever sweeps may have had the lock before us, and removed the folder.
        Ok(()) if path.exists() => Some(lock),
        Ok(()) | Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(_)) => {
            fs::remove_file(&path)?;
            None
        }
    };
    fs::create_dir(folder.join(NEW))?;
    Ok(Some(lock))
}

/// Removes a partial folder, after what it moved away is back in its place or replaced there.
fn discard(folder: &Path, place: &Path) {
    let old = folder.join(OLD);
    if old.exists() && !place.exists() && fs::rename(&old, place).is_err() {
        // Better a hidden folder than a model lost.
        return;
    }
    remove(folder);
}

/// Nothing sensible can be done about a failure here: an error or a signal is on its way already.
fn remove(folder: &Path) {
    // Again if another thread has made a file in it meanwhile.
    for _ in 0..20 {
        match fs::remove_dir_all(folder) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => std::thread::sleep(Duration::from_millis(5)),
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(parent: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// What a writer leaves that is killed: everything but the lock.
    fn killed(place: &Path) -> PathBuf {
        let (parent, name) = split(place).unwrap();
        let folder = parent.join(format!(".{name}.{:016x}.part", RandomState::new().hash_one(0)));
        fs::create_dir_all(folder.join(NEW)).unwrap();
        File::create(folder.join(LOCK)).unwrap();
        fs::write(folder.join(NEW).join("a.safetensors"), "half").unwrap();
        folder
    }

    #[test]
    fn what_a_killed_writer_left_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("model");
        killed(&place);
        // Killed before it had a lock.
        fs::create_dir(parent.path().join(".model.0123456789abcdef.part")).unwrap();
        let others = [
            ".model.0123456789ABCDEF.part",
            ".model.0123.part",
            ".model.0123456789abcdef.parts",
            ".model.2.0123456789abcdef.part",
            "model.0123456789abcdef.part",
            // The name is right, but what is in it is not ours.
            ".model.fedcba9876543210.part",
        ];
        for other in others {
            fs::create_dir(parent.path().join(other)).unwrap();
            fs::write(parent.path().join(other).join("x"), "").unwrap();
        }
        let other = killed(&parent.path().join("mode")).file_name().unwrap().to_str().unwrap().to_owned();
        let mut expected: Vec<&str> = others.into_iter().chain([other.as_str()]).collect();
        expected.sort();
        drop(Partial::new(&place).unwrap());
        assert_eq!(names(parent.path()), expected);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("model");
        let folder = killed(&place);
        let elsewhere = parent.path().join("elsewhere");
        fs::rename(&folder, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &folder).unwrap();
        drop(Partial::new(&place).unwrap());
        assert!(elsewhere.join(NEW).join("a.safetensors").exists());
    }

    #[test]
    fn a_writer_that_lives_keeps_its_folder() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("model");
        let first = Partial::new(&place).unwrap();
        fs::write(first.folder().join("x"), "first").unwrap();
        let second = Partial::new(&place).unwrap();
        fs::write(second.folder().join("x"), "second").unwrap();
        assert_eq!(names(parent.path()).len(), 2);
        first.finish().unwrap();
        assert_eq!(fs::read_to_string(place.join("x")).unwrap(), "first");
        second.finish().unwrap();
        assert_eq!(fs::read_to_string(place.join("x")).unwrap(), "second");
        assert_eq!(names(parent.path()), ["model"]);
    }

    #[test]
    fn a_model_that_was_moved_away_comes_back() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("model");
        let folder = killed(&place);
        fs::create_dir(folder.join(OLD)).unwrap();
        fs::write(folder.join(OLD).join("x"), "old").unwrap();
        drop(Partial::new(&place).unwrap());
        assert_eq!(fs::read_to_string(place.join("x")).unwrap(), "old");
        assert_eq!(names(parent.path()), ["model"]);
    }

    #[test]
    fn many_writers_at_once_do_not_take_each_others_folders() {
        let parent = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let place = parent.path().join("model");
                scope.spawn(move || {
                    for round in 0..50 {
                        let partial = Partial::new(&place).unwrap();
                        let path = partial.folder().join("x");
                        fs::write(&path, format!("{thread} {round}")).unwrap();
                        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{thread} {round}"));
                    }
                });
            }
        });
        assert_eq!(names(parent.path()), [""; 0]);
    }
}
