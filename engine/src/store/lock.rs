//! The lock that makes one owner: an operating system's lock on a file of the run's name.
//!
//! The file is there while somebody owns the run and is taken away by whoever lets it go, so that thousands of runs
//! leave nothing. A lock counts only on the file that has the name *now*: who got one on a file that was taken away
//! in the meantime tries again. After a kill the file stays and nobody holds it; the next owner, or `gc`, takes it.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use super::Store;
use crate::Fault;

/// Somebody who only looks whether a run is live holds its lock for a moment: an owner looks this many times.
const TRIES: u32 = 50;

/// What holds the run: a locked file, or a word in the store's table while it is in memory.
#[derive(Debug)]
pub(super) enum Lock {
    File { file: File, path: PathBuf },
    Memory(Arc<Store>, String),
}

impl Drop for Lock {
    fn drop(&mut self) {
        match self {
            // While it is still locked, so that nobody else can have locked the file of this name.
            Self::File { file, path } => {
                if has_name(file, path) {
                    // What stays is found free by the next owner.
                    let _ = std::fs::remove_file(path);
                }
            }
            Self::Memory(store, run) => {
                store.held.lock().unwrap_or_else(PoisonError::into_inner).remove(run);
            }
        }
    }
}

/// Whether `id` can name a run, and with it a file.
pub(super) fn is_name(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl Store {
    /// Whether some process owns the run right now.
    ///
    /// # Errors
    /// Exit 6 when the lock file cannot be used.
    pub fn is_live(self: &Arc<Self>, run: &str) -> Result<bool, Fault> {
        if !is_name(run) {
            return Ok(false);
        }
        let Some(dir) = &self.dir else {
            return Ok(self.held.lock().unwrap_or_else(PoisonError::into_inner).contains(run));
        };
        is_held(&dir.join("locks").join(run))
    }

    /// The run's lock, or nothing while somebody else holds it.
    pub(super) fn try_lock(self: &Arc<Self>, run: &str) -> Result<Option<Lock>, Fault> {
        if !is_name(run) {
            return Err(Fault::new("run.id", 2, format!("`{}` is no id of a run", run.escape_debug())));
        }
        let Some(dir) = &self.dir else {
            let free = self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(run.to_owned());
            return Ok(free.then(|| Lock::Memory(Arc::clone(self), run.to_owned())));
        };
        let path = dir.join("locks").join(run);
        for _ in 0..TRIES {
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)
                .map_err(|e| unusable(&path, &e))?;
            match file.try_lock() {
                Ok(()) if has_name(&file, &path) => return Ok(Some(Lock::File { file, path })),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => std::thread::yield_now(),
                Err(TryLockError::Error(e)) => return Err(unusable(&path, &e)),
            }
        }
        Ok(None)
    }
}

/// Whether somebody holds the lock file at `path`. One that nobody holds is taken away.
pub(super) fn is_held(path: &Path) -> Result<bool, Fault> {
    let file = match File::options().write(true).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(unusable(path, &e)),
    };
    match file.try_lock() {
        Ok(()) => {
            drop(Lock::File { file, path: path.to_owned() });
            Ok(false)
        }
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(e)) => Err(unusable(path, &e)),
    }
}

/// The names of all lock files in the store at `dir`, sorted.
pub(super) fn names(dir: &Path) -> Result<Vec<String>, Fault> {
    let locks = dir.join("locks");
    let entries = std::fs::read_dir(&locks).map_err(|e| unusable(&locks, &e))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|e| unusable(&locks, &e))?.file_name();
        names.extend(name.into_string().ok().filter(|name| is_name(name)));
    }
    names.sort();
    Ok(names)
}

/// Whether `file` is the one at `path`, and not one that was there before.
#[cfg(unix)]
fn has_name(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(mine), Ok(named)) = (file.metadata(), std::fs::symlink_metadata(path)) else { return false };
    (mine.dev(), mine.ino()) == (named.dev(), named.ino())
}

/// Elsewhere a file that is open cannot be taken away.
#[cfg(not(unix))]
fn has_name(_: &File, path: &Path) -> bool {
    path.exists()
}

fn unusable(path: &Path, e: &std::io::Error) -> Fault {
    Fault::new("store.unusable", 6, format!("lock file {}: {e}", path.display()))
        .help("mend the permissions of the store's directory")
}
