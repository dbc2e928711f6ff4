//! What a branch changes, as a diff against where it left off.

use git2::{Commit, DiffFormat, DiffOptions, Repository};
use prunella_engine::EffectError;

use super::{GitRepo, failed};

/// Most commits of ours on one branch.
const MAX_UPDATES: usize = 50;

/// What a branch is judged as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchPatch {
    /// The commit that it is judged against.
    pub base: String,
    /// Its unified diff from there.
    pub diff: String,
    /// Whether that commit is the branch's own, with the failing test.
    pub brought: bool,
}

impl GitRepo {
    /// The commit that `branch` is judged against, and its unified diff from there.
    ///
    /// A branch of ours is judged against its commit with the failing test, so that the test counts as the
    /// repository's own; any other against `at`, or where it left HEAD. What a branch says of itself is not
    /// believed: a commit that does more than add such a test is the branch's, not the repository's.
    ///
    /// # Errors
    /// When `branch` names no commit, or has nothing in common with HEAD.
    pub fn branch_patch(&self, branch: &str, at: Option<&str>) -> Result<BranchPatch, EffectError> {
        let tip = self.resolve(branch)?;
        let (base, brought) = match at {
            Some(at) => (self.resolve(at)?, false),
            None => self.with(|repo| left_off(repo, &tip))?,
        };
        let diff = self.with(|repo| diff(repo, &base, &tip))?;
        Ok(BranchPatch { base, diff, brought })
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

/// The commit that `tip` is judged against, and whether it is the branch's own.
fn left_off(repo: &Repository, tip: &str) -> Result<(String, bool), EffectError> {
    let tip = find(repo, tip)?;
    let head = repo.head().and_then(|head| head.peel_to_commit()).map_err(failed("find HEAD"))?;
    let base = repo.merge_base(head.id(), tip.id()).map_err(failed("find where the branch left HEAD"))?;
    // The fix, earlier fixes that it updates, and at the bottom the failing test.
    let mut below = tip;
    for _ in 0..MAX_UPDATES {
        match below.parent(0) {
            Ok(parent) if is_of_a_run(&below) && parent.id() != base => below = parent,
            _ => break,
        }
        if adds_only_our_test(repo, base, &below)? {
            return Ok((below.id().to_string(), true));
        }
    }
    Ok((base.to_string(), false))
}

/// Whether all that `commit` has beyond `base` is one new file with the name that our reproductions have.
fn adds_only_our_test(repo: &Repository, base: git2::Oid, commit: &Commit<'_>) -> Result<bool, EffectError> {
    let trees = (repo.find_commit(base).and_then(|base| base.tree()), commit.tree());
    let (from, to) = (trees.0.map_err(failed("read a tree"))?, trees.1.map_err(failed("read a tree"))?);
    let diff = repo.diff_tree_to_tree(Some(&from), Some(&to), None).map_err(failed("compare trees"))?;
    let ours = |delta: git2::DiffDelta<'_>| {
        let name = delta.new_file().path().and_then(std::path::Path::file_name);
        let name = name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        delta.status() == git2::Delta::Added
            && delta.new_file().mode() == git2::FileMode::Blob
            && name.starts_with("test_incident_")
            && name.ends_with(".py")
    };
    Ok(diff.deltas().len() == 1 && diff.deltas().all(ours))
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

#[cfg(test)]
mod tests {
    use crate::world::git::tests::fixture;

    #[test]
    fn a_branch_that_brings_its_own_tests_is_judged_by_the_repositorys() {
        let f = fixture(&[("a.py", "x = 1\n"), ("tests/test_a.py", "def test(): assert 0\n")]);
        let git = git2::Repository::open(f.dir.path()).unwrap();
        let who = git2::Signature::new("x", "x@example.com", &git2::Time::new(1_700_000_000, 0)).unwrap();
        let commit = |parent: &str, files: &[(&str, &str)]| {
            let parent = git.find_commit(git2::Oid::from_str(parent).unwrap()).unwrap();
            let mut index = git2::Index::new().unwrap();
            index.read_tree(&parent.tree().unwrap()).unwrap();
            for (path, text) in files {
                let entry = git2::IndexEntry {
                    id: git.blob(text.as_bytes()).unwrap(),
                    path: path.as_bytes().to_vec(),
                    mode: 0o100_644,
                    ctime: git2::IndexTime::new(0, 0),
                    mtime: git2::IndexTime::new(0, 0),
                    dev: 0,
                    ino: 0,
                    uid: 0,
                    gid: 0,
                    file_size: 0,
                    flags: 0,
                    flags_extended: 0,
                };
                index.add(&entry).unwrap();
            }
            let tree = git.find_tree(index.write_tree_to(&git).unwrap()).unwrap();
            let message = "x\n\nPrunella-Run: a@b\n";
            git.commit(None, &who, &who, message, &tree, &[&parent]).unwrap().to_string()
        };
        // As our runs make it.
        let red = commit(&f.base, &[("tests/test_incident_ab12cd34.py", "def test(): assert 0\n")]);
        let fix = commit(&red, &[("a.py", "x = 2\n")]);
        let update = commit(&fix, &[("a.py", "x = 3\n")]);
        for tip in [&fix, &update] {
            let patch = f.repo.branch_patch(tip, None).unwrap();
            assert_eq!((&patch.base, patch.brought), (&red, true));
            assert!(!patch.diff.contains("test_incident"));
        }
        // One that weakens a test first, and says that it is ours.
        let weak = commit(&f.base, &[("tests/test_a.py", "def test(): pass\n")]);
        let both = commit(&f.base, &[("tests/test_incident_x.py", "\n"), ("conftest.py", "\n")]);
        for red in [weak, both] {
            let tip = commit(&red, &[("a.py", "x = 2\n")]);
            let patch = f.repo.branch_patch(&tip, None).unwrap();
            assert_eq!((&patch.base, patch.brought), (&f.base, false));
        }
    }
}
