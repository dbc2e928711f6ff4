//! Copies a tree, tells what became different in the copy, and takes it away again. For sandboxes that work on a copy
//! of this machine's.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

use crate::job::Edit;
use crate::paths;
use crate::report::Change;

/// Deepest folder that is followed.
const MAX_DEPTH: usize = 128;
/// Most files that are told.
const MAX_TOLD: usize = 10_000;
/// What an entry counts for at least, in bytes: names without content fill a disk too.
const ENTRY: u64 = 512;

/// How often a folder is tried to be taken away, and how long is waited between two tries.
const TRIES: u32 = 50;
const BETWEEN: Duration = Duration::from_millis(20);

/// What changes whenever a file is written to.
type Stamp = (u64, i64, i64);

/// The files of a folder, by path.
pub(crate) type Listing = BTreeMap<PathBuf, Stamp>;

/// Copies folders, files and links from `from` to the existing folder `to`, without the top's `.git`.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    walk(from, Path::new(""), 0, &mut |path, kind| {
        let (source, target) = (from.join(path), to.join(path));
        if path == Path::new(".git") {
            return Ok(false);
        }
        if kind.is_dir() {
            fs::create_dir(&target)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else if kind.is_file() {
            fs::copy(&source, &target)?;
        }
        Ok(true)
    })
}

/// Lays `edits` over the tree at `top`, through no link.
pub(crate) fn edit(top: &Path, edits: &[Edit]) -> io::Result<()> {
    for edit in edits {
        let wrong = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{}: {why}", edit.path));
        let names = paths::relative(&edit.path).ok_or_else(|| wrong("is no path of the tree"))?;
        let (name, folders) = names.split_last().ok_or_else(|| wrong("is no path of the tree"))?;
        let mut folder = top.to_path_buf();
        for part in folders {
            folder.push(part);
            match fs::symlink_metadata(&folder) {
                Ok(kind) if kind.is_dir() => {}
                Ok(_) => return Err(wrong("lies behind something that is no folder")),
                Err(_) if edit.content.is_none() => {}
                Err(_) => fs::create_dir(&folder)?,
            }
        }
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if let Some(content) = &edit.content {
            fs::write(&path, content)?;
            let mode = if edit.executable { 0o755 } else { 0o644 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

/// Lists the files below `top`.
pub(crate) fn list(top: &Path) -> io::Result<Listing> {
    let mut listing = Listing::new();
    walk(top, Path::new(""), 0, &mut |path, kind| {
        if !kind.is_dir() {
            listing.insert(path.to_path_buf(), (kind.ino(), kind.ctime(), kind.ctime_nsec()));
        }
        Ok(true)
    })?;
    Ok(listing)
}

/// What differs between two listings, sorted by path.
pub(crate) fn compare(start: &Listing, end: &Listing) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    let mut tell = |path: &Path, how| changes.push(Change { path: path.to_string_lossy().into_owned(), how });
    for (path, stamp) in end {
        match start.get(path) {
            None => tell(path, "added"),
            Some(before) if before != stamp => tell(path, "changed"),
            Some(_) => {}
        }
    }
    start.keys().filter(|path| !end.contains_key(*path)).for_each(|path| tell(path, "removed"));
    changes.sort();
    if changes.len() > MAX_TOLD {
        changes.truncate(MAX_TOLD);
        changes.push(Change { path: "…".into(), how: "changed" });
    }
    changes
}

/// Calls `visit` with every path below `top`.
pub(crate) fn each(top: &Path, visit: &mut dyn FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    walk(top, Path::new(""), 0, &mut |path, _| visit(&top.join(path)).map(|()| true))
}

/// Bytes that `top` and all below it take up, following no link; nothing when folders are nested too deeply to tell.
/// Somebody may be writing there.
pub(crate) fn used(top: &Path) -> io::Result<Option<u64>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut total = 0;
    let deep = !weigh(&rustix::fs::open(top, flags, Mode::empty())?, flags, 0, &mut total);
    Ok((!deep).then_some(total))
}

fn weigh(folder: &OwnedFd, flags: OFlags, depth: usize, total: &mut u64) -> bool {
    if depth > MAX_DEPTH {
        return false;
    }
    // What is gone by the time that it is looked at takes up nothing.
    let Ok(entries) = Dir::read_from(folder) else { return true };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let Ok(stat) = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let blocks = u64::try_from(stat.st_blocks).unwrap_or(0);
        *total = total.saturating_add((blocks * 512).max(ENTRY));
        if FileType::from_raw_mode(stat.st_mode).is_dir()
            && let Ok(inner) = rustix::fs::openat(folder, name, flags, Mode::empty())
            && !weigh(&inner, flags, depth + 1, total)
        {
            return false;
        }
    }
    true
}

/// Deletes the folder `top`, however deep it is and whatever its permissions; to be called when nobody writes there
/// any more. Folders in folders are moved up first, so that no path gets long.
pub(crate) fn remove(top: &Path) -> io::Result<()> {
    let mut next = 0u64;
    let mut waiting = true;
    while waiting {
        waiting = false;
        for entry in fs::read_dir(top)? {
            let path = entry?.path();
            if !fs::symlink_metadata(&path)?.is_dir() {
                fs::remove_file(&path)?;
                continue;
            }
            open(&path)?;
            for inner in fs::read_dir(&path)? {
                let inner = inner?.path();
                if !fs::symlink_metadata(&inner)?.is_dir() {
                    fs::remove_file(&inner)?;
                    continue;
                }
                open(&inner)?;
                let free = loop {
                    next += 1;
                    let free = top.join(format!(".{next}"));
                    if fs::symlink_metadata(&free).is_err() {
                        break free;
                    }
                };
                fs::rename(&inner, free)?;
                waiting = true;
            }
            fs::remove_dir(&path)?;
        }
    }
    fs::remove_dir(top)
}

/// [`remove`], again and again for a second: what was killed a moment ago may still be in the middle of a write.
pub(crate) fn remove_firmly(top: &Path) {
    for _ in 0..TRIES {
        match remove(top) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => std::thread::sleep(BETWEEN),
            _ => return,
        }
    }
}

/// Lets us into a folder that somebody may have closed.
fn open(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

/// Calls `visit` with every entry below `top`, folders before what is in them; entered if it says so.
fn walk(
    top: &Path,
    below: &Path,
    depth: usize,
    visit: &mut dyn FnMut(&Path, &fs::Metadata) -> io::Result<bool>,
) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(io::Error::other("folders are nested too deeply"));
    }
    let mut names: Vec<_> =
        fs::read_dir(top.join(below))?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
    names.sort();
    for name in names {
        let path = below.join(name);
        let kind = fs::symlink_metadata(top.join(&path))?;
        if visit(&path, &kind)? && kind.is_dir() {
            walk(top, &path, depth + 1, visit)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_away_what_is_deep_closed_and_linked() {
        let place = tempfile::tempdir().unwrap();
        let kept = place.path().join("kept");
        fs::write(&kept, "kept").unwrap();
        let top = place.path().join("top");
        fs::create_dir(&top).unwrap();
        symlink(&kept, top.join("link")).unwrap();
        symlink(place.path(), top.join("up")).unwrap();
        fs::create_dir(top.join(".1")).unwrap();
        // Deeper than a path can say: made from the inside out.
        let mut deep = top.join("deep");
        fs::create_dir(&deep).unwrap();
        for _ in 0..3000 {
            let around = top.join("around");
            fs::create_dir(&around).unwrap();
            fs::rename(&deep, around.join("d")).unwrap();
            fs::rename(&around, &deep).unwrap();
        }
        assert_eq!(used(&top).unwrap(), None);
        deep = top.join("closed");
        fs::create_dir(&deep).unwrap();
        fs::write(deep.join("f"), "x").unwrap();
        fs::set_permissions(&deep, fs::Permissions::from_mode(0o000)).unwrap();
        remove(&top).unwrap();
        assert!(!top.exists());
        assert_eq!(fs::read_to_string(kept).unwrap(), "kept");
    }

    #[test]
    fn links_weigh_nothing_of_what_they_lead_to() {
        let place = tempfile::tempdir().unwrap();
        let (big, top) = (place.path().join("big"), place.path().join("top"));
        fs::write(&big, vec![1; 1 << 20]).unwrap();
        fs::create_dir_all(top.join("a/b")).unwrap();
        symlink(&big, top.join("a/link")).unwrap();
        symlink(place.path(), top.join("a/up")).unwrap();
        assert!(used(&top).unwrap().unwrap() < 1 << 16);
        fs::copy(&big, top.join("a/b/big")).unwrap();
        assert!(used(&top).unwrap().unwrap() >= 1 << 20);
    }
}
