//! A diff, applied to nothing but the base commit's content, in the same way as it was judged.

use prunella_engine::EffectError;

use super::{FileEdit, GitRepo};
use crate::gate;

/// The files that `diff` (unified, with or without git's headers) makes of the base commit's, sorted by path.
/// Every line of context must be there: nothing is guessed, nothing is left out.
///
/// # Errors
/// `patch.apply` (10) when the diff is none, or does not fit the commit; what git2 says when the commit cannot be
/// read.
pub fn apply_to_base(repo: &GitRepo, commit: &str, diff: &[u8]) -> Result<Vec<FileEdit>, EffectError> {
    let refused = |why: &str| EffectError::new("patch.apply", 10, format!("the diff does not apply: {why}"));
    let diff = std::str::from_utf8(diff).map_err(|_| refused("it is no UTF-8"))?;
    let patches = gate::parse(diff).map_err(|refusal| refused(&refusal.reason))?;
    let mut unreadable = None;
    let edits = gate::apply(&patches, |path| {
        repo.read(commit, path).unwrap_or_else(|e| {
            unreadable.get_or_insert(e);
            None
        })
    });
    match unreadable {
        Some(error) => Err(error),
        None => edits.map_err(|refusal| refused(&refusal.reason)),
    }
}
