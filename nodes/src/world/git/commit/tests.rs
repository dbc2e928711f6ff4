use std::sync::Arc;

use git2::Repository;
use prunella_engine::blob::MemoryBlobs;

use super::*;
use crate::effects::ProbeFile;
use crate::world::forge::{Forge, LocalForge};
use crate::world::git::tests::{Fixture, booby_trap, commit_all, fixture, snapshot};

pub(crate) const FINGERPRINT: &str = "ab12cd34ef56ab12cd34ef56";
const DIFF: &str =
    "--- a/app.py\n+++ b/app.py\n@@ -1,2 +1,2 @@\n def f(x):\n-    return x.y\n+    return x and x.y\n";
const OTHER: &str = "--- a/app.py\n+++ b/app.py\n@@ -1,2 +1,2 @@\n def f(x):\n-    return x.y\n+    return getattr(x, 'y', 0)\n";

/// A repository, its local forge in a store beside it, and blobs.
pub(crate) struct Bench {
    pub(crate) f: Fixture,
    pub(crate) repo: Arc<GitRepo>,
    pub(crate) forge: LocalForge,
    pub(crate) blobs: MemoryBlobs,
    pub(crate) store: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let f = fixture(&[("app.py", "def f(x):\n    return x.y\n"), ("README", "r\n")]);
        let repo = Arc::new(GitRepo::open(f.dir.path()).unwrap());
        let store = tempfile::tempdir().unwrap();
        let forge = LocalForge::new(store.path(), Arc::clone(&repo));
        Self { f, repo, forge, blobs: MemoryBlobs::default(), store }
    }

    pub(crate) fn git(&self) -> Repository {
        Repository::open(self.f.dir.path()).unwrap()
    }

    /// What `pr` asks for: with a generated test, by the run `run`.
    pub(crate) fn request(&self, run: &str, diff: &str) -> CommitRequest {
        let message = |title: &str| format!("{title}\n\nPrunella-Run: {run}@00\nIncident: {FINGERPRINT}\n");
        CommitRequest {
            fingerprint: FINGERPRINT.to_owned(),
            commit: self.f.base.clone(),
            branch: "prunella/ab12cd34".to_owned(),
            judged: String::new(),
            test: Some(ProbeFile {
                path: "tests/test_incident_ab12cd34.py".into(),
                source: "t\n".to_owned(),
            }),
            diff: self.blobs.put(diff.as_bytes()).unwrap(),
            test_message: message("Add a failing test"),
            fix_message: message("Fix it"),
            time: 1_750_000_000,
        }
    }

    pub(crate) fn first(&self) -> CommitRequest {
        self.request("r1", DIFF)
    }

    pub(crate) fn other(&self) -> CommitRequest {
        self.request("r2", OTHER)
    }

    pub(crate) fn commit(&self, request: &CommitRequest) -> Result<CommitResponse, EffectError> {
        commit(&self.repo, &self.forge, request, &self.blobs)
    }

    pub(crate) fn reconcile(&self, request: &CommitRequest) -> Option<CommitResponse> {
        reconcile_commit(&self.repo, &self.forge, request, &self.blobs).unwrap()
    }

    pub(crate) fn tip(&self, branch: &str) -> Option<String> {
        self.git().refname_to_id(&reference(branch)).ok().map(|id| id.to_string())
    }

    fn file(&self, commit: &str, path: &str) -> Option<String> {
        self.repo.read(commit, path).unwrap().map(|content| String::from_utf8(content).unwrap())
    }
}

#[test]
fn two_commits_the_failing_test_then_the_fix() {
    let b = Bench::new();
    let made = b.commit(&b.first()).unwrap();
    assert_eq!(b.tip("prunella/ab12cd34").unwrap(), made.head);
    assert_eq!((made.branch.as_str(), made.updated, made.kept.as_str()), ("prunella/ab12cd34", false, ""));
    let test = "tests/test_incident_ab12cd34.py";
    assert_eq!(b.file(&made.red, test).unwrap(), "t\n");
    assert!(b.file(&made.red, "app.py").unwrap().contains("return x.y"));
    assert_eq!(b.file(&made.head, test).unwrap(), "t\n");
    assert!(b.file(&made.head, "app.py").unwrap().contains("x and x.y"));
    let git = b.git();
    let head = git.find_commit(made.head.parse().unwrap()).unwrap();
    assert_eq!(head.parent_id(0).unwrap().to_string(), made.red);
    assert_eq!(head.parent(0).unwrap().parent_id(0).unwrap().to_string(), b.f.base);
    assert_eq!(head.tree_id().to_string(), made.tree);
    assert_eq!(head.author().email().unwrap(), "prunella@localhost");
    assert_eq!(head.time().seconds(), 1_750_000_000);
}

#[test]
fn with_a_test_that_was_there_the_fix_is_the_only_commit() {
    let b = Bench::new();
    let made = b.commit(&CommitRequest { test: None, ..b.first() }).unwrap();
    assert_eq!(made.red, "");
    let head = b.git().find_commit(made.head.parse().unwrap()).unwrap().parent_id(0).unwrap();
    assert_eq!(head.to_string(), b.f.base);
}

#[test]
fn a_dirty_tree_its_index_and_head_stay_byte_for_byte() {
    let b = Bench::new();
    let dir = b.f.dir.path();
    let proof = booby_trap(dir);
    std::fs::write(dir.join("app.py"), "def f(x): # in the middle of something\n").unwrap();
    std::fs::write(dir.join("untracked"), "u\n").unwrap();
    std::fs::write(dir.join("staged"), "s\n").unwrap();
    let git = b.git();
    let mut index = git.index().unwrap();
    index.add_path(std::path::Path::new("staged")).unwrap();
    index.write().unwrap();
    let before = snapshot(dir);
    b.commit(&b.first()).unwrap();
    let mut after = snapshot(dir);
    // New are objects, our branch and its log, and nothing else.
    after.retain(|path, _| {
        let ours = path.starts_with(".git/objects/") || path.contains("refs/heads/prunella/");
        !ours || before.contains_key(path)
    });
    assert_eq!(after, before);
    assert!(!proof.exists(), "a hook ran");
}

#[test]
fn the_same_request_again_finds_it_done() {
    let b = Bench::new();
    let request = b.first();
    assert_eq!(b.reconcile(&request), None);
    let made = b.commit(&request).unwrap();
    let objects = snapshot(b.f.dir.path());
    assert_eq!(b.reconcile(&request), Some(made.clone()));
    assert_eq!(b.commit(&request).unwrap(), made);
    assert_eq!(snapshot(b.f.dir.path()), objects);
}

#[test]
fn killed_between_objects_and_branch_it_comes_out_the_same() {
    let b = Bench::new();
    let made = b.commit(&b.first()).unwrap();
    b.git().find_reference("refs/heads/prunella/ab12cd34").unwrap().delete().unwrap();
    assert_eq!(b.reconcile(&b.first()), None);
    assert_eq!(b.commit(&b.first()).unwrap(), made);
}

#[test]
fn another_fix_goes_on_top_and_nothing_is_forced() {
    let b = Bench::new();
    let first = b.commit(&b.first()).unwrap();
    let second = b.commit(&b.other()).unwrap();
    assert!(second.updated);
    let git = b.git();
    assert!(git.graph_descendant_of(second.head.parse().unwrap(), first.head.parse().unwrap()).unwrap());
    assert!(b.file(&second.red, "app.py").unwrap().contains("return x.y"), "below the fix it is red again");
    assert_eq!(b.reconcile(&b.other()), Some(second.clone()));
    assert_eq!(b.commit(&b.other()).unwrap(), second);
}

#[test]
fn the_same_fix_by_another_run_adds_nothing() {
    let b = Bench::new();
    let first = b.commit(&b.first()).unwrap();
    let again = b.commit(&b.request("r9", DIFF)).unwrap();
    assert_eq!((again.head, again.red, again.updated), (first.head, first.red, false));
}

#[test]
fn a_base_that_went_on_is_merged_in() {
    let b = Bench::new();
    let first = b.commit(&b.first()).unwrap();
    std::fs::write(b.f.dir.path().join("README"), "more\n").unwrap();
    let base = commit_all(&b.git(), "more");
    let second = b.commit(&CommitRequest { commit: base.clone(), ..b.other() }).unwrap();
    let git = b.git();
    for ancestor in [&first.head, &base] {
        assert!(git.graph_descendant_of(second.head.parse().unwrap(), ancestor.parse().unwrap()).unwrap());
    }
    assert_eq!(b.file(&second.head, "README").unwrap(), "more\n");
}

#[test]
fn a_branch_with_a_persons_commit_is_not_touched() {
    let b = Bench::new();
    let made = b.commit(&b.first()).unwrap();
    // Only an open pull request makes it the branch to go on with.
    let pull = crate::effects::OpenPullRequest {
        fingerprint: FINGERPRINT.to_owned(),
        base: b.f.base.clone(),
        branch: made.branch.clone(),
        head: made.head.clone(),
        ..Default::default()
    };
    b.forge.open(&pull, "page").unwrap();
    let git = b.git();
    let who = Signature::new("Dana", "dana@example.com", &Time::new(1_750_000_100, 0)).unwrap();
    let top = git.find_commit(made.head.parse().unwrap()).unwrap();
    let theirs = git
        .commit(Some("refs/heads/prunella/ab12cd34"), &who, &who, "polish", &top.tree().unwrap(), &[&top])
        .unwrap();
    let kept = b.commit(&b.other()).unwrap();
    assert_eq!(kept.head, theirs.to_string());
    assert!(kept.kept.contains("not ours"), "{}", kept.kept);
    assert_eq!(b.tip("prunella/ab12cd34").unwrap(), theirs.to_string());
    assert_eq!(b.reconcile(&b.other()), Some(kept));
}

#[test]
fn a_branch_that_is_checked_out_is_not_moved() {
    let b = Bench::new();
    let made = b.commit(&b.first()).unwrap();
    b.git().set_head("refs/heads/prunella/ab12cd34").unwrap();
    let kept = b.commit(&b.other()).unwrap();
    assert!(kept.kept.contains("checked out"), "{}", kept.kept);
    assert_eq!(b.tip("prunella/ab12cd34").unwrap(), made.head);
}

#[test]
fn a_persons_branch_of_that_name_gets_another_beside_it() {
    let b = Bench::new();
    let git = b.git();
    let base = git.find_commit(b.f.base.parse().unwrap()).unwrap();
    git.branch("prunella/ab12cd34", &base, false).unwrap();
    let made = b.commit(&b.first()).unwrap();
    assert_eq!(made.branch, "prunella/ab12cd34-2");
    assert_eq!(b.tip("prunella/ab12cd34").unwrap(), b.f.base);
}

#[test]
fn what_was_not_judged_is_not_committed() {
    let b = Bench::new();
    let before = snapshot(b.f.dir.path());
    let error = b.commit(&CommitRequest { judged: "0".repeat(40), ..b.first() }).unwrap_err();
    assert_eq!(error.code, "git.judged");
    let error =
        b.commit(&b.request("r1", "--- a/app.py\n+++ b/app.py\n@@ -1 +1 @@\n-other\n+x\n")).unwrap_err();
    assert_eq!(error.code, "patch.apply");
    let test = Some(ProbeFile { path: "app.py".into(), source: "t\n".to_owned() });
    assert_eq!(b.commit(&CommitRequest { test, ..b.first() }).unwrap_err().code, "git.test_path");
    assert_eq!(snapshot(b.f.dir.path()), before, "a refusal leaves the repository as it was");
    let judged =
        b.repo.tree_with(&b.f.base, &apply_to_base(&b.repo, &b.f.base, DIFF.as_bytes()).unwrap()).unwrap();
    b.commit(&CommitRequest { judged, ..b.first() }).unwrap();
}

#[test]
fn a_branch_called_prunella_is_in_the_way_and_said() {
    let b = Bench::new();
    let git = b.git();
    git.branch("prunella", &git.find_commit(b.f.base.parse().unwrap()).unwrap(), false).unwrap();
    let error = b.commit(&b.first()).unwrap_err();
    assert_eq!((error.code.as_str(), error.exit), ("git.branch", 32));
    assert!(error.help.unwrap().contains("`prunella`"));
}
