//! Which files of the tree differ: names only, read after every process of the job is dead.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};

use super::spec::How;

/// Most entries that are looked at.
const MAX_ENTRIES: usize = 200_000;
/// Most changed files that are told.
const MAX_TOLD: usize = 10_000;

/// What was in a folder, by path.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    entries: BTreeMap<Vec<u8>, Stamp>,
    /// Whether there was more, or something that could not be read.
    truncated: bool,
}

/// What changes whenever a file is written to, and cannot be set back by the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    changed: (i64, i64),
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
    /// What an overlay puts in the place of something removed.
    Whiteout,
}

/// Lists `top` and all below it, following no link.
pub(crate) fn snapshot(top: &OwnedFd) -> io::Result<Snapshot> {
    let mut snapshot = Snapshot::default();
    list(top, b".", &mut snapshot)?;
    Ok(snapshot)
}

fn list(top: &OwnedFd, from: &[u8], snapshot: &mut Snapshot) -> io::Result<()> {
    let mut waiting = vec![from.to_vec()];
    while let Some(folder) = waiting.pop() {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let Ok(fd) = rustix::fs::openat2(top, folder.as_slice(), flags, Mode::empty(), resolve) else {
            snapshot.truncated = true;
            continue;
        };
        for entry in Dir::read_from(&fd)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if snapshot.entries.len() >= MAX_ENTRIES {
                snapshot.truncated = true;
                return Ok(());
            }
            let Ok(stat) = rustix::fs::statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let path = if folder == b"." {
                name.to_bytes().to_vec()
            } else {
                [folder.as_slice(), name.to_bytes()].join(&b'/')
            };
            let kind = match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {
                    waiting.push(path.clone());
                    Kind::Folder
                }
                FileType::CharacterDevice if stat.st_rdev == 0 => Kind::Whiteout,
                _ => Kind::File,
            };
            let changed = (stat.st_ctime, i64::try_from(stat.st_ctime_nsec).unwrap_or(0));
            snapshot.entries.insert(path, Stamp { inode: stat.st_ino, changed, kind });
        }
    }
    Ok(())
}

/// The other sides of an overlay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Overlay<'a> {
    /// The tree under it.
    pub(crate) lower: &'a OwnedFd,
    /// What is seen of both.
    pub(crate) merged: &'a OwnedFd,
}

/// What differs between two listings of what was written; over which tree, if it is an overlay.
/// Gives sorted paths, and whether there were more.
pub(crate) fn compare(
    start: &Snapshot,
    end: &Snapshot,
    overlay: Option<Overlay<'_>>,
) -> (Vec<(String, How)>, bool) {
    let mut found: BTreeMap<Vec<u8>, How> = BTreeMap::new();
    for (path, stamp) in &end.entries {
        let before = start.entries.get(path);
        if stamp.kind == Kind::Folder {
            if let Some(overlay) = overlay {
                hidden(overlay, path, end, &mut found);
            }
        } else if before == Some(stamp) {
            // As the command found it.
        } else if stamp.kind == Kind::Whiteout {
            removed(overlay, path, &mut found);
        } else {
            let known = before.is_some_and(|before| before.kind == Kind::File)
                || overlay.is_some_and(|overlay| kind(overlay.lower, path) == Some(Kind::File));
            found.insert(path.clone(), if known { How::Changed } else { How::Added });
            if overlay.is_some_and(|overlay| kind(overlay.lower, path) == Some(Kind::Folder)) {
                // It stands where there was a folder.
                removed(overlay, path, &mut found);
            }
        }
    }
    for (path, stamp) in &start.entries {
        if stamp.kind == Kind::File && !end.entries.contains_key(path) && !end.truncated {
            found.insert(path.clone(), How::Removed);
        }
    }
    let truncated = start.truncated || end.truncated || found.len() > MAX_TOLD;
    let told = found.into_iter().take(MAX_TOLD);
    (told.map(|(path, how)| (String::from_utf8_lossy(&path).into_owned(), how)).collect(), truncated)
}

fn kind(top: &OwnedFd, path: &[u8]) -> Option<Kind> {
    let stat = rustix::fs::statat(top, path, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(if FileType::from_raw_mode(stat.st_mode).is_dir() { Kind::Folder } else { Kind::File })
}

/// Adds what the lower side has in the folder `path` and is seen no more, for want of the folder or because a new one
/// stands in its place. (An overlay's own mark of that is not readable by everybody.)
fn hidden(overlay: Overlay<'_>, path: &[u8], end: &Snapshot, found: &mut BTreeMap<Vec<u8>, How>) {
    match kind(overlay.lower, path) {
        None => {}
        Some(Kind::Folder) => {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let Ok(fd) = rustix::fs::openat(overlay.lower, path, flags, Mode::empty()) else { return };
            let Ok(entries) = Dir::read_from(&fd) else { return };
            for entry in entries.flatten() {
                let name = entry.file_name().to_bytes();
                let child = [path, name].join(&b'/');
                let ours = matches!(name, b"." | b"..") || end.entries.contains_key(&child);
                if !ours && kind(overlay.merged, &child).is_none() {
                    removed(Some(overlay), &child, found);
                }
            }
        }
        Some(_) => {
            found.insert(path.to_vec(), How::Removed);
        }
    }
}

/// Adds a removed file, or the files of a removed folder.
fn removed(overlay: Option<Overlay<'_>>, path: &[u8], found: &mut BTreeMap<Vec<u8>, How>) {
    let folder = overlay.filter(|overlay| kind(overlay.lower, path) == Some(Kind::Folder));
    let Some(overlay) = folder else {
        found.insert(path.to_vec(), How::Removed);
        return;
    };
    let mut below = Snapshot::default();
    // What cannot be listed is told by its folder's name.
    if list(overlay.lower, path, &mut below).is_err() {
        found.insert(path.to_vec(), How::Removed);
    }
    let files = below.entries.into_iter().filter(|(_, stamp)| stamp.kind == Kind::File);
    found.extend(files.map(|(path, _)| (path, How::Removed)));
}
