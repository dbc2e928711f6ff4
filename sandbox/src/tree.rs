//! Copies a tree and tells what became different in the copy. For running without isolation.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::job::Edit;
use crate::paths;
use crate::report::Change;

/// Deepest folder that is followed.
const MAX_DEPTH: usize = 128;
/// Most files that are told.
const MAX_TOLD: usize = 10_000;

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
