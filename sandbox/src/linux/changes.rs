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
    Folder {
        opaque: bool,
    },
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
                    Kind::Folder { opaque: opaque(&fd, name) }
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

/// Whether an overlay's folder hides what the lower one of that name holds.
fn opaque(folder: &OwnedFd, name: &std::ffi::CStr) -> bool {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(fd) = rustix::fs::openat(folder, name, flags, Mode::empty()) else { return false };
    [c"trusted.overlay.opaque", c"user.overlay.opaque"].iter().any(|attribute| {
        let mut value = [0u8; 1];
        matches!(rustix::fs::fgetxattr(&fd, *attribute, &mut value), Ok(1)) && value == *b"y"
    })
}

/// What differs between two listings of what was written; `lower` is the tree under it, if it is an overlay.
/// Gives sorted paths, and whether there were more.
pub(crate) fn compare(
    start: &Snapshot,
    end: &Snapshot,
    lower: Option<&OwnedFd>,
) -> (Vec<(String, How)>, bool) {
    let mut found: BTreeMap<Vec<u8>, How> = BTreeMap::new();
    let exists = |path: &[u8]| {
        lower.is_some_and(|lower| rustix::fs::statat(lower, path, AtFlags::SYMLINK_NOFOLLOW).is_ok())
    };
    for (path, stamp) in &end.entries {
        let before = start.entries.get(path);
        let how = match stamp.kind {
            _ if before == Some(stamp) => continue,
            Kind::Whiteout => How::Removed,
            Kind::Folder { opaque } => {
                if let (true, Some(lower)) = (opaque, lower) {
                    hidden(lower, path, end, &mut found);
                }
                continue;
            }
            Kind::File if before.is_some_and(|before| before.kind == Kind::File) || exists(path) => {
                How::Changed
            }
            Kind::File => How::Added,
        };
        found.insert(path.clone(), how);
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

/// Adds the files of the lower folder `path` that its replacement does not have.
fn hidden(lower: &OwnedFd, path: &[u8], end: &Snapshot, found: &mut BTreeMap<Vec<u8>, How>) {
    let mut below = Snapshot::default();
    if list(lower, path, &mut below).is_ok() {
        for (path, stamp) in below.entries {
            if stamp.kind == Kind::File && !end.entries.contains_key(&path) {
                found.insert(path, How::Removed);
            }
        }
    }
}
