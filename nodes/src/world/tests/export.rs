//! The base commit as a folder that the sandbox lays its copies over: written once a tree, never changed.

use std::path::PathBuf;

use prunella_engine::EffectError;
use prunella_sandbox::Edit;

use super::{STORE, Tester, mode_of};
use crate::world::git::FileEdit;

impl Tester {
    /// The folder that holds `commit`, written when it is not there yet.
    ///
    /// # Errors
    /// Exit 5 when the commit cannot be read, 6 when the folder cannot be written.
    pub(crate) fn export(&self, commit: &str) -> Result<PathBuf, EffectError> {
        let io =
            |what: &str, e: &std::io::Error| EffectError::new("tests.cache", STORE, format!("{what}: {e}"));
        let exports = self.cache.join("trees");
        let target = exports.join(self.repo.tree_of(commit)?);
        if target.is_dir() {
            return Ok(target);
        }
        std::fs::create_dir_all(&exports).map_err(|e| io("create the cache of trees", &e))?;
        // Written beside and moved into place, so that a half-written tree is never taken for a whole one.
        let draft = tempfile::Builder::new()
            .prefix(".draft-")
            .tempdir_in(&exports)
            .map_err(|e| io("create a folder for a tree", &e))?;
        self.repo.export(commit, draft.path())?;
        readable(draft.path()).map_err(|e| io("open a tree for the sandbox", &e))?;
        let draft = draft.keep();
        if let Err(e) = std::fs::rename(&draft, &target) {
            let _ = std::fs::remove_dir_all(&draft);
            // Another run was faster.
            if !target.is_dir() {
                return Err(io("move a tree into place", &e));
            }
        }
        Ok(target)
    }

    /// `edits` as the sandbox takes them: an executable file stays one.
    pub(crate) fn sandbox_edits(&self, commit: &str, edits: &[FileEdit]) -> Vec<Edit> {
        edits
            .iter()
            .map(|(path, content)| Edit {
                path: path.clone(),
                content: content.clone(),
                executable: mode_of(&self.repo, commit, path) == Some(0o100_755),
            })
            .collect()
    }
}

/// The sandbox reads the tree as another user.
#[cfg(unix)]
fn readable(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}
