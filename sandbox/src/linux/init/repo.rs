//! The tree at `/repo`: an overlay over the pristine one, or a copy; the edits on it; what may not change in it.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;
use rustix::mount::{MountFlags, OpenTreeFlags};

use super::root::{Built, bind, clone, command_id, give, move_to};
use super::{At, Fail};
use crate::linux::changes::{self, Snapshot};
use crate::linux::spec::{Identity, Spec, SpecEdit};
use crate::linux::sys;
use crate::paths;

/// Deepest folder of a tree that is copied.
const MAX_DEPTH: usize = 128;

/// Takes the tree off the host; says whether it looks as if it belonged to the command.
pub(super) fn take_tree(spec: &Spec, idmap: Option<OwnedFd>) -> Result<(OwnedFd, bool), Fail> {
    let what = "the tree";
    let tree = clone(&spec.tree).at("tree", what)?;
    let owner = rustix::fs::statat(&tree, "", AtFlags::EMPTY_PATH).at("tree", what)?.st_uid;
    let mapped = owner == command_id(spec)
        || idmap.is_some_and(|namespace| sys::mount_idmap(tree.as_fd(), namespace.as_fd()).is_ok());
    sys::mount_setattr(tree.as_fd(), sys::RDONLY | sys::NOSUID | sys::NODEV, true).at("tree", what)?;
    Ok((tree, mapped))
}

/// Attaches the tree where the overlay looks for it; gives its folder.
pub(super) fn attach_tree(new: &str, tree: OwnedFd) -> Result<OwnedFd, Fail> {
    let place = format!("{new}/.lower");
    let target = rustix::fs::open(&place, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .at("tree", &place)?;
    move_to(&tree, &target).at("tree", "attach")?;
    rustix::fs::open(&place, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .at("tree", "open")
}

/// Mounts `/repo`; says whether it is an overlay.
pub(super) fn mount(
    new: &str,
    spec: &Spec,
    lower: &OwnedFd,
    scratch: &OwnedFd,
    mapped: bool,
) -> Result<bool, Fail> {
    let upper = upper(scratch)?;
    let mode = rustix::fs::fstat(lower).at("tree", "stat")?.st_mode;
    rustix::fs::fchmod(&upper, Mode::from_raw_mode(mode & 0o777 | 0o700)).at("tree", "mode")?;
    let repo = format!("{new}/repo");
    if !spec.copy && mapped {
        let base = format!("lowerdir={new}/.lower,upperdir={new}/.w/upper,workdir={new}/.w/work");
        let variants: &[&str] = match spec.identity {
            Identity::Drop(_) => &[""],
            // Without privileges on the host an overlay keeps its notes in the user's attributes.
            Identity::UserNamespace => &[",userxattr", ""],
        };
        for variant in variants {
            let Ok(options) = std::ffi::CString::new(format!("{base}{variant}")) else { continue };
            let flags = MountFlags::NOSUID | MountFlags::NODEV;
            if rustix::mount::mount("overlay", &repo, "overlay", flags, options.as_c_str()).is_ok() {
                return Ok(true);
            }
        }
    }
    copy_folder(lower.as_fd(), upper.as_fd(), spec, 0)?;
    bind(&format!("{new}/.w/upper"), &repo, sys::NOSUID | sys::NODEV)?;
    Ok(false)
}

/// The folder that takes what is written to `/repo`.
pub(super) fn upper(scratch: &OwnedFd) -> Result<OwnedFd, Fail> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat(scratch, "upper", flags, Mode::empty()).at("tree", "upper")
}

/// Copies what is in `from` to `to` and gives it to the command: folders, files and links, nothing special.
fn copy_folder(from: BorrowedFd<'_>, to: BorrowedFd<'_>, spec: &Spec, depth: usize) -> Result<(), Fail> {
    if depth > MAX_DEPTH {
        return Err(Fail::new("tree", "folders are nested too deeply to copy"));
    }
    let id = command_id(spec);
    for entry in Dir::read_from(from).at("tree", "list")? {
        let entry = entry.at("tree", "list")?;
        let name = entry.file_name();
        let shown = name.to_string_lossy();
        if matches!(name.to_bytes(), b"." | b"..") || (depth == 0 && name.to_bytes() == b".git") {
            continue;
        }
        let stat = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW).at("tree", &shown)?;
        let mode = Mode::from_raw_mode(stat.st_mode & 0o777);
        let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                rustix::fs::mkdirat(to, name, Mode::from_raw_mode(0o700)).at("tree", &shown)?;
                let from = rustix::fs::openat(from, name, read | OFlags::DIRECTORY, Mode::empty())
                    .at("tree", &shown)?;
                let to = rustix::fs::openat(to, name, read | OFlags::DIRECTORY, Mode::empty())
                    .at("tree", &shown)?;
                copy_folder(from.as_fd(), to.as_fd(), spec, depth + 1)?;
                rustix::fs::fchmod(&to, mode).at("tree", &shown)?;
                give(&to, spec).at("tree", &shown)?;
            }
            FileType::RegularFile => {
                let mut from: std::fs::File =
                    rustix::fs::openat(from, name, read | OFlags::NONBLOCK, Mode::empty())
                        .at("tree", &shown)?
                        .into();
                let mut to = create(to, Path::new(shown.as_ref()), name, mode)?;
                std::io::copy(&mut (&mut from).take(u64::MAX), &mut to).at("tree", &shown)?;
                give(&to, spec).at("tree", &shown)?;
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(from, name, Vec::new()).at("tree", &shown)?;
                rustix::fs::symlinkat(target.as_c_str(), to, name).at("tree", &shown)?;
                let owner = (Some(Uid::from_raw(id)), Some(Gid::from_raw(id)));
                rustix::fs::chownat(to, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)
                    .at("tree", &shown)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn create<N: rustix::path::Arg>(
    folder: BorrowedFd<'_>,
    shown: &Path,
    name: N,
    mode: Mode,
) -> Result<std::fs::File, Fail> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let shown = shown.display().to_string();
    let file = rustix::fs::openat(folder, name, flags, Mode::from_raw_mode(0o600)).at("tree", &shown)?;
    rustix::fs::fchmod(&file, mode).at("tree", &shown)?;
    Ok(file.into())
}

/// Lays the edits over `/repo`, then makes what is protected read-only; gives what had been written by then.
pub(super) fn prepare(spec: &Spec, contents: &[Option<Vec<u8>>], built: &Built) -> Result<Snapshot, Fail> {
    let repo = open()?;
    // A candidate never meets the repository's history or its hooks.
    if built.overlay && rustix::fs::statat(&built.lower, ".git", AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        hide_git(&repo)?;
    }
    for (edit, content) in spec.edits.iter().zip(contents) {
        apply(&repo, spec, edit, content.as_deref())?;
    }
    protect(&repo, &spec.protect)?;
    changes::snapshot(&upper(&built.scratch)?).at("tree", "list")
}

/// Opens `/repo`.
pub(super) fn open() -> Result<OwnedFd, Fail> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open("/repo", flags, Mode::empty()).at("tree", "/repo")
}

/// Covers `.git` with an empty folder or file.
fn hide_git(repo: &OwnedFd) -> Result<(), Fail> {
    let target = below(repo, Path::new(".git")).at("tree", ".git")?;
    let folder = FileType::from_raw_mode(rustix::fs::fstat(&target).at("tree", ".git")?.st_mode).is_dir();
    let cover = if folder { clone(Path::new("/var/empty")) } else { clone(Path::new("/dev/null")) };
    let cover = cover.at("tree", ".git")?;
    sys::mount_setattr(cover.as_fd(), sys::RDONLY | sys::NOSUID | sys::NOEXEC, true).at("tree", ".git")?;
    move_to(&cover, &target).at("tree", ".git")
}

/// Opens `path` below `/repo`, through no link.
fn below(repo: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat2(
        repo,
        path,
        flags,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
    )?;
    Ok(fd)
}

fn apply(repo: &OwnedFd, spec: &Spec, edit: &SpecEdit, content: Option<&[u8]>) -> Result<(), Fail> {
    let at = |result: rustix::io::Result<OwnedFd>| {
        result.map_err(|error| match error {
            Errno::LOOP => Fail::new("edits", format!("{}: lies behind a symbolic link", edit.path)),
            other => Fail::new("edits", format!("{}: {other}", edit.path)),
        })
    };
    let names = paths::relative(&edit.path)
        .ok_or_else(|| Fail::new("edits", format!("{:?} is no path of the tree", edit.path)))?;
    let (name, folders) = names.split_last().ok_or_else(|| Fail::new("edits", "empty path"))?;
    let mut path = std::path::PathBuf::from(".");
    let mut folder = at(below(repo, &path))?;
    for name in folders {
        path.push(name);
        folder = match below(repo, &path) {
            Err(Errno::NOENT) if content.is_none() => return Ok(()),
            Err(Errno::NOENT) => {
                rustix::fs::mkdirat(&folder, *name, Mode::from_raw_mode(0o755)).at("edits", &edit.path)?;
                let owner = (Some(Uid::from_raw(command_id(spec))), Some(Gid::from_raw(command_id(spec))));
                rustix::fs::chownat(&folder, *name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)
                    .at("edits", &edit.path)?;
                at(below(repo, &path))?
            }
            other => at(other)?,
        };
    }
    match rustix::fs::unlinkat(&folder, *name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(Fail::new("edits", format!("{}: {error}", edit.path))),
    }
    if let Some(content) = content {
        let mode = Mode::from_raw_mode(if edit.executable { 0o755 } else { 0o644 });
        let mut file = create(folder.as_fd(), Path::new(&edit.path), *name, mode)?;
        file.write_all(content).at("edits", &edit.path)?;
        give(&file, spec).at("edits", &edit.path)?;
    }
    Ok(())
}

/// Binds each path over itself, read-only, and the folders on the way over themselves: a mount point cannot be
/// renamed, so nothing can be moved away and put back changed.
fn protect(repo: &OwnedFd, wanted: &[String]) -> Result<(), Fail> {
    let mut paths: Vec<Vec<&str>> = Vec::new();
    for path in wanted {
        paths.push(
            paths::relative(path)
                .filter(|names| !names.is_empty())
                .ok_or_else(|| Fail::new("protect", format!("{path:?} is no path of the tree")))?,
        );
    }
    paths.sort();
    let mut held: BTreeSet<Vec<&str>> = BTreeSet::new();
    let mut done: Option<Vec<&str>> = None;
    for names in paths {
        if done.as_ref().is_some_and(|done| names.starts_with(done)) {
            continue;
        }
        for length in 1..=names.len() {
            let (part, last) = (names.get(..length).unwrap_or_default(), length == names.len());
            let path = part.join("/");
            let target = match below(repo, Path::new(&path)) {
                Ok(target) => target,
                Err(Errno::NOENT | Errno::NOTDIR) => break,
                Err(error) => return Err(Fail::new("protect", format!("{path}: {error}"))),
            };
            let kind = FileType::from_raw_mode(rustix::fs::fstat(&target).at("protect", &path)?.st_mode);
            if kind == FileType::Symlink {
                return Err(Fail::new("protect", format!("{path}: a symbolic link cannot be held in place")));
            }
            if !last && held.contains(part) {
                continue;
            }
            let flags = OpenTreeFlags::OPEN_TREE_CLONE
                | OpenTreeFlags::OPEN_TREE_CLOEXEC
                | OpenTreeFlags::AT_RECURSIVE
                | OpenTreeFlags::AT_EMPTY_PATH;
            let tree = rustix::mount::open_tree(&target, "", flags).at("protect", &path)?;
            let attributes = sys::NOSUID | sys::NODEV | if last { sys::RDONLY } else { 0 };
            sys::mount_setattr(tree.as_fd(), attributes, true).at("protect", &path)?;
            move_to(&tree, &target).at("protect", &path)?;
            held.insert(part.to_vec());
            if last {
                done = Some(names.clone());
            }
        }
    }
    Ok(())
}
