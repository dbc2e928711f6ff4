//! A diff, applied to nothing but the base commit's content.

use std::collections::BTreeMap;

use diffy::patch_set::{FileOperation, ParseOptions, PatchSet};
use prunella_engine::EffectError;

use super::{FileEdit, GitRepo};

/// The largest diff that is applied, in bytes.
const LARGEST_DIFF: usize = 4 << 20;

/// The files that `diff` (unified, with or without git's headers) makes of the base commit's, sorted by path.
/// Every line of context must be there: nothing is guessed, nothing is left out.
///
/// # Errors
/// `patch.apply` (10) when the diff is none, or does not fit the commit; what git2 says when the commit cannot be
/// read.
pub fn apply_to_base(repo: &GitRepo, commit: &str, diff: &[u8]) -> Result<Vec<FileEdit>, EffectError> {
    let refused =
        |why: String| EffectError::new("patch.apply", 10, format!("the diff does not apply: {why}"));
    if diff.len() > LARGEST_DIFF {
        return Err(refused(format!("it has {} bytes, more than {LARGEST_DIFF}", diff.len())));
    }
    let git = diff.split(|b| *b == b'\n').any(|line| line.starts_with(b"diff --git "));
    let options = if git { ParseOptions::gitdiff() } else { ParseOptions::unidiff() };
    let mut edits: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
    for file in PatchSet::parse_bytes(diff, options) {
        let file = file.map_err(|e| refused(e.to_string()))?;
        let patch = file.patch().as_text().ok_or_else(|| refused("it holds a binary file".to_owned()))?;
        let (old, new) = match file.operation() {
            FileOperation::Delete(path) => (Some(plain(path, "a/")?), None),
            FileOperation::Create(path) => (None, Some(plain(path, "b/")?)),
            FileOperation::Modify { original, modified } => {
                (Some(plain(original, "a/")?), Some(plain(modified, "b/")?))
            }
            FileOperation::Rename { from, to } => (Some(plain(from, "")?), Some(plain(to, "")?)),
            FileOperation::Copy { .. } => return Err(refused("it copies a file".to_owned())),
        };
        let before = match &old {
            None => Vec::new(),
            Some(path) => repo
                .read(commit, path)?
                .ok_or_else(|| refused(format!("there is no file {path:?} at the base commit")))?,
        };
        let after = diffy::apply_bytes(&before, patch).map_err(|e| {
            refused(format!("{}: {e}", new.as_deref().or(old.as_deref()).unwrap_or_default()))
        })?;
        let mut changes = Vec::new();
        if let Some(path) = old.filter(|old| Some(old) != new.as_ref()) {
            changes.push((path, None));
        }
        if let Some(path) = new {
            changes.push((path, Some(after)));
        }
        for (path, content) in changes {
            if edits.insert(path.clone(), content).is_some() {
                return Err(refused(format!("it has {path:?} twice")));
            }
        }
    }
    if edits.is_empty() {
        return Err(refused("it changes nothing".to_owned()));
    }
    Ok(edits.into_iter().collect())
}

/// The path without the `a/` or `b/` that diffs put in front.
fn plain(path: &[u8], prefix: &str) -> Result<String, EffectError> {
    let path = std::str::from_utf8(path)
        .map_err(|_| EffectError::new("patch.apply", 10, "the diff names a path that is no UTF-8"))?;
    Ok(path.strip_prefix(prefix).unwrap_or(path).to_owned())
}
