//! What was set up, on disk: the source, the compiled code, and a record that is written last.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use super::engine;

/// The record's name.
const RECORD: &str = "current.json";
/// Its format.
const FORMAT: u32 = 1;

/// An interpreter that was set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Where it came from: a file's name.
    pub name: String,
    /// SHA-256 of the source, in hex.
    pub sha256: String,
    /// The compiled code.
    pub(super) compiled: PathBuf,
    /// BLAKE3 of the compiled code, in hex.
    pub(super) blake3: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    format: u32,
    name: String,
    sha256: String,
    /// File names in the same folder.
    source: String,
    compiled: String,
    blake3: String,
    /// What it was compiled by and for.
    key: String,
}

/// Why there is nothing to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Absent {
    /// It was never set up.
    Never,
    /// It was compiled by another version of this program, or for another processor.
    Stale,
    /// Something is wrong with what is there.
    Damaged(String),
}

impl Absent {
    /// What to say of it.
    pub(super) fn message(&self) -> String {
        match self {
            Self::Never => "no interpreter was set up for it".into(),
            Self::Stale => "its interpreter was compiled by another version, or for another processor".into(),
            Self::Damaged(why) => format!("its interpreter is damaged: {why}"),
        }
    }
}

/// The interpreter that was set up in `folder`.
pub(super) fn current(folder: &Path) -> Result<Installed, Absent> {
    let record = record(folder)?;
    let key = engine::engine().map(|engine| engine::key(&engine)).map_err(Absent::Damaged)?;
    if record.key != key {
        return Err(Absent::Stale);
    }
    let compiled = folder.join(&record.compiled);
    if !compiled.is_file() {
        return Err(Absent::Damaged(format!("{} is gone", compiled.display())));
    }
    Ok(Installed { name: record.name, sha256: record.sha256, compiled, blake3: record.blake3 })
}

/// The source that `folder` holds for `sha256`, whatever it was compiled by.
pub(super) fn source(folder: &Path, sha256: &str) -> Option<Vec<u8>> {
    let record = record(folder).ok().filter(|record| record.sha256 == sha256)?;
    fs::read(folder.join(record.source)).ok()
}

fn record(folder: &Path) -> Result<Record, Absent> {
    let damaged = |why: String| Absent::Damaged(why);
    let path = folder.join(RECORD);
    let text = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Absent::Never),
        read => read.map_err(|e| damaged(format!("{}: {e}", path.display())))?,
    };
    // Who can write here decides what code runs on this machine.
    for place in [folder, &path] {
        let kind = fs::metadata(place).map_err(|e| damaged(format!("{}: {e}", place.display())))?;
        let mine = kind.uid() == rustix::process::geteuid().as_raw();
        if !mine || kind.permissions().mode() & 0o022 != 0 {
            return Err(damaged(format!("{} can be written by others", place.display())));
        }
    }
    let record: Record = serde_json::from_slice(&text).map_err(|e| damaged(format!("{RECORD}: {e}")))?;
    if record.format != FORMAT {
        return Err(Absent::Stale);
    }
    for name in [&record.source, &record.compiled] {
        if name.contains('/') || name.starts_with('.') {
            return Err(damaged(format!("{RECORD} names {name}")));
        }
    }
    Ok(record)
}

/// Takes the right to write in `folder`, which is made if it is not there; the right goes with what is returned.
pub(super) fn lock(folder: &Path) -> io::Result<fs::File> {
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    let lock = fs::File::create(folder.join(".lock"))?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
    Ok(lock)
}

/// Writes source, code and record; the record last, so that what is half written is never used. What an older record
/// named is deleted.
pub(super) fn keep(
    folder: &Path,
    name: &str,
    sha256: &str,
    key: &str,
    source: &[u8],
    compiled: &[u8],
) -> io::Result<()> {
    let before = record(folder).ok();
    let short = sha256.get(..16).unwrap_or(sha256);
    let record = Record {
        format: FORMAT,
        name: name.to_owned(),
        sha256: sha256.to_owned(),
        source: format!("{short}.wasm"),
        compiled: format!("{short}-{key}.cwasm"),
        blake3: blake3::hash(compiled).to_hex().to_string(),
        key: key.to_owned(),
    };
    write(folder, &record.source, source)?;
    write(folder, &record.compiled, compiled)?;
    write(folder, RECORD, &serde_json::to_vec_pretty(&record)?)?;
    for old in before.iter().flat_map(|before| [&before.source, &before.compiled]) {
        if *old != record.source && *old != record.compiled {
            let _ = fs::remove_file(folder.join(old));
        }
    }
    Ok(())
}

/// Writes a file beside its place and moves it there. Readable by all: the sandbox is another user.
fn write(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let mut draft = tempfile::Builder::new().prefix(".draft-").tempfile_in(folder)?;
    draft.write_all(content)?;
    draft.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    draft.as_file().sync_all()?;
    draft.persist(folder.join(name)).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let key = engine::key(&engine::engine().unwrap());
        keep(folder.path(), "p.wasm", &"ab".repeat(32), &key, b"source", b"code").unwrap();
        folder
    }

    #[test]
    fn what_was_kept_is_found_again() {
        let folder = kept();
        let found = current(folder.path()).unwrap();
        assert_eq!((found.name.as_str(), found.sha256), ("p.wasm", "ab".repeat(32)));
        assert_eq!(fs::read(found.compiled).unwrap(), b"code");
        assert_eq!(source(folder.path(), &"ab".repeat(32)).unwrap(), b"source");
        assert_eq!(source(folder.path(), "other"), None);
    }

    #[test]
    fn what_is_missing_stale_or_open_to_others_is_not_used() {
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(current(empty.path()), Err(Absent::Never));
        let folder = kept();
        keep(folder.path(), "p.wasm", &"ab".repeat(32), "another", b"source", b"code").unwrap();
        assert_eq!(current(folder.path()), Err(Absent::Stale));
        let folder = kept();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(
            matches!(current(folder.path()), Err(Absent::Damaged(why)) if why.contains("written by others"))
        );
        let folder = kept();
        fs::remove_file(current(folder.path()).unwrap().compiled).unwrap();
        assert!(matches!(current(folder.path()), Err(Absent::Damaged(why)) if why.contains("is gone")));
        let folder = kept();
        fs::write(folder.path().join(RECORD), "{").unwrap();
        assert!(matches!(current(folder.path()), Err(Absent::Damaged(_))));
    }

    #[test]
    fn another_interpreter_takes_the_place_of_the_first() {
        let folder = kept();
        let key = engine::key(&engine::engine().unwrap());
        keep(folder.path(), "q.wasm", &"cd".repeat(32), &key, b"s2", b"c2").unwrap();
        assert_eq!(current(folder.path()).unwrap().name, "q.wasm");
        // Source, code and record; the first one's are gone.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
