//! `git.commit`: two commits on a branch of ours. Objects and one reference are written, nothing else: the
//! working tree, the index, HEAD and the current branch stay byte for byte as they are.

#[cfg(test)]
pub(crate) mod tests;

use git2::{Oid, Repository, Signature, Time};
use prunella_engine::blob::Blobs;
use prunella_engine::{EffectError, NodeError};

use super::{FileEdit, GitRepo, apply_to_base, failed, write_tree};
use crate::effects::{CommitRequest, CommitResponse};
use crate::world::forge::Forge;

/// Who the commits are by. Fixed, so that the same request makes the same commit, and so that a branch tells
/// whether a person has worked on it.
const NAME: &str = "Prunella";
const EMAIL: &str = "prunella@localhost";
/// What every message of ours holds.
const TRAILER: &str = "\nPrunella-Run: ";
/// Exit code where the forge (or git) refuses.
const REFUSED: u8 = 32;

/// Performs `git.commit`: the failing test, then the fix, as commits on top of the branch or of the base, and
/// the branch moved forward to them, never forced. Doing it again finds it done.
///
/// Where the branch's last commit is a person's, or the branch is checked out, nothing is written and
/// `kept` says why.
///
/// # Errors
/// `patch.apply` when the diff does not fit the base, `git.judged` when the result is not the tree that was
/// judged, `git.branch` (32) when the branch cannot be written.
pub fn commit(
    repo: &GitRepo,
    forge: &dyn Forge,
    request: &CommitRequest,
    blobs: &dyn Blobs,
) -> Result<CommitResponse, EffectError> {
    let plan = Plan::new(repo, forge, request, blobs)?;
    match repo.with(|git| plan.done(git, request))? {
        Some(done) => Ok(done),
        None => repo.with(|git| plan.write(git, request)),
    }
}

/// Whether [`commit`] with this request has happened: its response, or nothing when it can be performed now.
///
/// # Errors
/// As [`commit`].
pub fn reconcile_commit(
    repo: &GitRepo,
    forge: &dyn Forge,
    request: &CommitRequest,
    blobs: &dyn Blobs,
) -> Result<Option<CommitResponse>, EffectError> {
    let plan = Plan::new(repo, forge, request, blobs)?;
    repo.with(|git| plan.done(git, request))
}

/// What a request comes to in this repository. Making it writes blobs and trees, which nothing refers to yet.
struct Plan {
    branch: String,
    /// Where the branch is now.
    head: Option<Oid>,
    base: Oid,
    /// The tree of base and test, when there is a generated test.
    red: Option<Oid>,
    /// The tree of base, test and fix.
    green: Oid,
    /// Why the branch must be left alone; empty when not.
    kept: String,
}

impl Plan {
    fn new(
        repo: &GitRepo,
        forge: &dyn Forge,
        request: &CommitRequest,
        blobs: &dyn Blobs,
    ) -> Result<Self, EffectError> {
        let diff =
            blobs.get(&request.diff).map_err(|e: NodeError| EffectError::new(&e.code, 6, e.message))?;
        let fix = apply_to_base(repo, &request.commit, &diff)?;
        let test: Vec<FileEdit> = request
            .test
            .iter()
            .map(|test| (test.path.0.clone(), Some(test.source.clone().into_bytes())))
            .collect();
        if let Some((path, _)) = test.first()
            && (fix.iter().any(|(fixed, _)| fixed == path) || repo.read(&request.commit, path)?.is_some())
        {
            return Err(EffectError::new("git.test_path", 1, format!("there is a file {path:?} already")));
        }
        // The judge names the tree with the generated test in it, a search the one without.
        let all = [fix.as_slice(), &test].concat();
        let trees = [repo.tree_with(&request.commit, &all)?, repo.tree_with(&request.commit, &fix)?];
        if !request.judged.is_empty() && !trees.contains(&request.judged) {
            return Err(EffectError::new(
                "git.judged",
                1,
                format!("base, test and fix make the tree {}, but {} was judged", trees[0], request.judged),
            ));
        }
        let branch = forge.branch_for(&request.fingerprint, &request.branch)?;
        let kept = if checked_out(repo, &branch)? {
            format!("the branch {branch} is checked out in a working tree")
        } else {
            String::new()
        };
        repo.with(|git| {
            let head = git.refname_to_id(&reference(&branch)).ok();
            let kept = match head {
                Some(head) if !is_ours(git, head) => {
                    format!("the last commit on the branch {branch} is not ours")
                }
                _ => kept,
            };
            Ok(Self {
                head,
                base: Oid::from_str(&request.commit).map_err(failed("read a commit's id"))?,
                red: match test.is_empty() {
                    true => None,
                    false => Some(write_tree(git, &request.commit, &test)?),
                },
                green: write_tree(git, &request.commit, &all)?,
                branch,
                kept,
            })
        })
    }

    /// The response, where the branch holds what is asked for (or is not to be touched) already.
    fn done(&self, git: &Repository, request: &CommitRequest) -> Result<Option<CommitResponse>, EffectError> {
        let Some(head) = self.head else { return Ok(None) };
        let top = git.find_commit(head).map_err(failed("read the branch"))?;
        let response = |red: String, updated, kept: &str| CommitResponse {
            branch: self.branch.clone(),
            head: head.to_string(),
            red,
            tree: top.tree_id().to_string(),
            updated,
            kept: kept.to_owned(),
        };
        if is_ours(git, head) && top.tree_id() == self.green {
            let below = top.parent(0).map_err(failed("read the branch"))?;
            let has_red = self.red.is_some_and(|red| red == below.tree_id());
            let first = if has_red { &below } else { &top };
            // The same fix by an earlier run counts as done too, but nothing was added then.
            let mine = top.message_bytes() == message(&request.fix_message).as_bytes();
            let updated = mine && first.parent_ids().collect::<Vec<_>>() != [self.base];
            let red = if has_red { below.id().to_string() } else { String::new() };
            return Ok(Some(response(red, updated, "")));
        }
        Ok(if self.kept.is_empty() { None } else { Some(response(String::new(), false, &self.kept)) })
    }

    fn write(&self, git: &Repository, request: &CommitRequest) -> Result<CommitResponse, EffectError> {
        // Every move of the branch goes forward: on top of it, of a base that holds it, or of both.
        let mut parents = match self.head {
            None => vec![self.base],
            Some(head) if head == self.base || descends(git, self.base, head)? => vec![self.base],
            Some(head) if descends(git, head, self.base)? => vec![head],
            Some(head) => vec![head, self.base],
        };
        let updated = parents != [self.base];
        let mut red = String::new();
        if let Some(tree) = self.red {
            let id = write_commit(git, request, &request.test_message, tree, &parents)?;
            red = id.to_string();
            parents = vec![id];
        }
        let head = write_commit(git, request, &request.fix_message, self.green, &parents)?;
        sync(git, self.base, head, &parents)?;
        let name = reference(&self.branch);
        let log = "prunella: propose a fix";
        match self.head {
            None => git.reference(&name, head, false, log),
            // Only if it still is where it was: somebody may have moved it since.
            Some(old) => git.reference_matching(&name, head, true, old, log),
        }
        .map_err(|e| {
            EffectError::new("git.branch", REFUSED, format!("write the branch {}: {}", self.branch, e.message()))
                .help("a branch called `prunella`, a lock file that was left, or another program at work on the branch is in the way")
        })?;
        Ok(CommitResponse {
            branch: self.branch.clone(),
            head: head.to_string(),
            red,
            tree: self.green.to_string(),
            updated,
            kept: String::new(),
        })
    }
}

fn write_commit(
    git: &Repository,
    request: &CommitRequest,
    text: &str,
    tree: Oid,
    parents: &[Oid],
) -> Result<Oid, EffectError> {
    let time = Time::new(i64::try_from(request.time).unwrap_or(i64::MAX), 0);
    let who = Signature::new(NAME, EMAIL, &time).map_err(failed("sign a commit"))?;
    let tree = git.find_tree(tree).map_err(failed("read a tree"))?;
    let parents = parents.iter().map(|id| git.find_commit(*id)).collect::<Result<Vec<_>, _>>();
    let parents = parents.map_err(failed("read the branch"))?;
    git.commit(None, &who, &who, &message(text), &tree, &parents.iter().collect::<Vec<_>>())
        .map_err(failed("write a commit"))
}

/// Brings the new objects to disk, which libgit2 leaves to the system: the journal will say that they are there,
/// also after a power failure.
fn sync(git: &Repository, base: Oid, head: Oid, below: &[Oid]) -> Result<(), EffectError> {
    let tree_of = |commit: Oid| git.find_commit(commit).and_then(|commit| commit.tree());
    let base = tree_of(base).map_err(failed("read the base commit"))?;
    let mut objects = vec![head];
    for commit in below.iter().copied().chain([head]) {
        let tree = tree_of(commit).map_err(failed("read a tree"))?;
        objects.extend([commit, tree.id()]);
        let delta = git.diff_tree_to_tree(Some(&base), Some(&tree), None).map_err(failed("read a tree"))?;
        for change in delta.deltas() {
            objects.push(change.new_file().id());
            let folders = change.new_file().path().into_iter().flat_map(|path| path.ancestors().skip(1));
            objects.extend(folders.filter_map(|folder| tree.get_path(folder).ok()).map(|entry| entry.id()));
        }
    }
    objects.sort();
    objects.dedup();
    for id in objects {
        let name = id.to_string();
        let path = git.commondir().join("objects").join(&name[..2]).join(&name[2..]);
        // What lies in a pack was there before.
        if let Ok(file) = std::fs::File::open(&path) {
            file.sync_all()
                .map_err(|e| EffectError::new("git.failed", 6, format!("sync {}: {e}", path.display())))?;
        }
    }
    Ok(())
}

/// As git keeps it: without NUL, ending in one line feed.
fn message(text: &str) -> String {
    format!("{}\n", text.replace('\0', "").trim_end())
}

fn reference(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

fn descends(git: &Repository, commit: Oid, ancestor: Oid) -> Result<bool, EffectError> {
    git.graph_descendant_of(commit, ancestor).map_err(failed("compare the branch with the base"))
}

/// Whether the commit is by us: our identity as committer (a person who rebases or amends puts theirs there)
/// and our trailer. We never commit on top of a person's, so the last commit speaks for the branch.
pub fn is_ours(git: &Repository, commit: Oid) -> bool {
    git.find_commit(commit).is_ok_and(|commit| {
        commit.committer().email_bytes() == EMAIL.as_bytes()
            && String::from_utf8_lossy(commit.message_bytes()).contains(TRAILER)
    })
}

/// Whether a working tree of the repository, the main one or another, is on `branch`: then moving the branch
/// would change what that person sees.
fn checked_out(repo: &GitRepo, branch: &str) -> Result<bool, EffectError> {
    let common = repo.with(|git| Ok(git.commondir().to_owned()))?;
    let mut heads = vec![common.join("HEAD")];
    if let Ok(worktrees) = std::fs::read_dir(common.join("worktrees")) {
        heads.extend(worktrees.flatten().map(|entry| entry.path().join("HEAD")));
    }
    let ours = format!("ref: {}", reference(branch));
    Ok(heads.iter().any(|head| std::fs::read_to_string(head).is_ok_and(|text| text.trim_end() == ours)))
}
