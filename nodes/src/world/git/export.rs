//! Laying a commit's files out in a folder.

use std::path::{Path, PathBuf};

use prunella_engine::EffectError;

use super::tree::{EXECUTABLE, LINK, files_below, is_component};
use super::{GitRepo, UNREADABLE, failed};

impl GitRepo {
    /// Writes the files of `commit` below `dir`, which must be empty: no `.git`, no submodules, and symbolic
    /// links only where their target stays inside the tree (others become a file that holds the target's text,
    /// as git does where links are not supported).
    ///
    /// # Errors
    /// When the commit cannot be read, the folder not be written, or a path would leave it.
    pub fn export(&self, commit: &str, dir: &Path) -> Result<(), EffectError> {
        let io = |path: &Path, e: &std::io::Error| {
            EffectError::new("git.export", 6, format!("write {}: {e}", path.display()))
        };
        self.with(|repo| {
            let mut links = Vec::new();
            for file in files_below(repo, commit)? {
                let path = relative(&file.path)?;
                let target = dir.join(&path);
                if let Some(parent) = target.parent() {
                    std::fs::create_dir_all(parent).map_err(|e| io(parent, &e))?;
                }
                let blob = repo.find_blob(file.id).map_err(failed("read a file"))?;
                if file.mode == LINK {
                    links.push((file.path, target, blob.content().to_vec()));
                    continue;
                }
                std::fs::write(&target, blob.content()).map_err(|e| io(&target, &e))?;
                if file.mode == EXECUTABLE {
                    executable(&target).map_err(|e| io(&target, &e))?;
                }
            }
            // Links come last, so that nothing is ever written through one.
            for (path, target, content) in links {
                if stays_inside(&path, &content) {
                    link(&content, &target).map_err(|e| io(&target, &e))?;
                } else {
                    std::fs::write(&target, content).map_err(|e| io(&target, &e))?;
                }
            }
            Ok(())
        })
    }
}

/// The path as the file system takes it; one that a hand-made tree would lead outside is refused.
fn relative(path: &[u8]) -> Result<PathBuf, EffectError> {
    if path.split(|b| *b == b'/').all(is_component) {
        return Ok(os_path(path));
    }
    let path = String::from_utf8_lossy(path);
    Err(EffectError::new(
        "git.path",
        UNREADABLE,
        format!("the commit holds the path {path:?}, which is refused"),
    ))
}

/// Whether a link at `path` to `target` stays in the tree: `..` only in front, and not more of them than the
/// link is deep. A `..` after a name could follow another link and come out elsewhere.
fn stays_inside(path: &[u8], target: &[u8]) -> bool {
    let depth = path.iter().filter(|b| **b == b'/').count();
    let mut parts = target.split(|b| *b == b'/').peekable();
    let mut up = 0;
    while parts.next_if(|part| matches!(*part, b".." | b".")).is_some_and(|part| {
        up += usize::from(part == b"..");
        true
    }) {}
    !target.starts_with(b"/") && up <= depth && parts.all(|part| part != b"..")
}

#[cfg(unix)]
fn os_path(path: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(path).into()
}

#[cfg(unix)]
fn executable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

#[cfg(unix)]
fn link(to: &[u8], at: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(os_path(to), at)
}
