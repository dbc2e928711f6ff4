//! What a branch changes, as a diff against where it left off.

use git2::{Commit, DiffFormat, DiffOptions, Repository};
use prunella_engine::EffectError;

use super::{GitRepo, failed};

impl GitRepo {
    /// The commit that `branch` is judged against, and its unified diff from there.
    ///
    /// A branch of ours is judged against its commit with the failing test, so that the test counts as the
    /// repository's own; any other against `at`, or where it left HEAD.
    ///
    /// # Errors
    /// When `branch` names no commit, or has nothing in common with HEAD.
    pub fn branch_patch(&self, branch: &str, at: Option<&str>) -> Result<(String, String), EffectError> {
        let tip = self.resolve(branch)?;
        let base = match at {
            Some(at) => self.resolve(at)?,
            None => self.with(|repo| left_off(repo, &tip))?,
        };
        let diff = self.with(|repo| diff(repo, &base, &tip))?;
        Ok((base, diff))
    }
}

fn find<'r>(repo: &'r Repository, id: &str) -> Result<Commit<'r>, EffectError> {
    let id = git2::Oid::from_str(id).map_err(failed("read a commit's id"))?;
    repo.find_commit(id).map_err(failed("find a commit"))
}

/// Whether the commit's message ends with our trailer.
fn is_of_a_run(commit: &Commit<'_>) -> bool {
    let message = String::from_utf8_lossy(commit.message_bytes());
    message.lines().any(|line| line.starts_with("Prunella-Run: "))
}

fn left_off(repo: &Repository, tip: &str) -> Result<String, EffectError> {
    let tip = find(repo, tip)?;
    if is_of_a_run(&tip)
        && let Ok(parent) = tip.parent(0)
    {
        return Ok(parent.id().to_string());
    }
    let head = repo.head().and_then(|head| head.peel_to_commit()).map_err(failed("find HEAD"))?;
    let base = repo.merge_base(head.id(), tip.id()).map_err(failed("find where the branch left HEAD"))?;
    Ok(base.to_string())
}

fn diff(repo: &Repository, from: &str, to: &str) -> Result<String, EffectError> {
    let trees = (find(repo, from)?.tree(), find(repo, to)?.tree());
    let (from, to) = (trees.0.map_err(failed("read a tree"))?, trees.1.map_err(failed("read a tree"))?);
    let mut options = DiffOptions::new();
    options.show_binary(true).context_lines(3);
    let diff = repo
        .diff_tree_to_tree(Some(&from), Some(&to), Some(&mut options))
        .map_err(failed("compare trees"))?;
    let mut text = Vec::new();
    diff.print(DiffFormat::Patch, |_, _, line| {
        if matches!(line.origin(), '+' | '-' | ' ') {
            text.push(line.origin() as u8);
        }
        text.extend_from_slice(line.content());
        true
    })
    .map_err(failed("write a diff"))?;
    String::from_utf8(text)
        .map_err(|_| EffectError::new("git.diff", 5, "the branch changes files that are not UTF-8"))
}
