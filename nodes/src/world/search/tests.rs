//! The search over a small repository, with plain processes in place of the sandbox.

use std::path::Path;
use std::process::Command;

use git2::{Repository, Signature};
use prunella_engine::blob::MemoryBlobs;

use super::*;
use crate::types::ReproductionKind;

/// Runs the test's file with plain `python3` in a folder of its own: every function named `test_…` there.
struct Plain<'r> {
    repo: &'r GitRepo,
    /// Whether it looks for regressions, too.
    wide: bool,
}

/// Imports the test's module and runs one test; prints what failed as a line of JSON.
const RUNNER: &str = r#"
import importlib, json, os, sys, traceback
sys.path.insert(0, os.getcwd())
sys.dont_write_bytecode = True
module, names = sys.argv[1], sys.argv[2:]
try:
    m = importlib.import_module(module)
    for name in names or [n for n in dir(m) if n.startswith("test_")]:
        getattr(m, name)()
    print(json.dumps(None))
except BaseException as e:
    frames = []
    for f in traceback.extract_tb(e.__traceback__)[1:]:
        ours = f.filename.startswith(os.getcwd())
        path = os.path.relpath(f.filename) if ours else None
        frames.append(dict(file=f.filename, line=f.lineno, function=f.name, code=f.line or "", mark_start=None,
                           mark_end=None, path=path, repo_line=f.lineno if ours else None))
    print(json.dumps(dict(id="", path=module + ".py", exception=type(e).__name__, message=str(e), frames=frames)))
"#;

impl Plain<'_> {
    fn run(&self, commit: &str, edits: &[FileEdit], module: &str, names: &[&str]) -> Option<FailedTest> {
        let dir = tempfile::tempdir().unwrap();
        self.repo.export(commit, dir.path()).unwrap();
        for (path, content) in edits {
            std::fs::write(dir.path().join(path), content.as_ref().unwrap()).unwrap();
        }
        let mut command = Command::new("python3");
        command.current_dir(dir.path()).arg("-c").arg(RUNNER).arg(module).args(names);
        let out = command.output().unwrap();
        serde_json::from_slice(&out.stdout).unwrap()
    }
}

impl Trial for Plain<'_> {
    fn try_all(
        &self,
        commit: &str,
        reproduction: &Reproduction,
        candidates: &[Vec<FileEdit>],
    ) -> Result<Vec<TrialOutcome>, EffectError> {
        let (file, name) = reproduction.test_id.split_once("::").unwrap();
        let one = |edits: &Vec<FileEdit>| {
            let failure = self.run(commit, edits, file.trim_end_matches(".py"), &[name]);
            TrialOutcome { passed: failure.is_none(), failure, problem: String::new() }
        };
        Ok(candidates.iter().map(one).collect())
    }

    fn regressions(
        &self,
        commit: &str,
        candidates: &[Vec<FileEdit>],
    ) -> Result<Vec<Option<u64>>, EffectError> {
        let one = |edits: &Vec<FileEdit>| {
            self.wide.then(|| u64::from(self.run(commit, edits, "test_m", &[]).is_some()))
        };
        Ok(candidates.iter().map(one).collect())
    }
}

fn repository(dir: &Path, files: &[(&str, &str)]) -> GitRepo {
    let repo = Repository::init(dir).unwrap();
    let mut index = repo.index().unwrap();
    for (path, content) in files {
        std::fs::write(dir.join(path), content).unwrap();
        index.add_path(Path::new(path)).unwrap();
    }
    let tree = repo.find_tree(index.write_tree().unwrap()).unwrap();
    let who = Signature::new("dev", "dev@example.com", &git2::Time::new(0, 0)).unwrap();
    repo.commit(Some("HEAD"), &who, &who, "a program", &tree, &[]).unwrap();
    drop(tree);
    GitRepo::open(dir).unwrap()
}

fn request(repo: &GitRepo, test: &str, most: u64) -> PlaybookRequest {
    let reproduction = Reproduction {
        kind: ReproductionKind::Existing,
        test_id: format!("test_m.py::{test}"),
        path: "test_m.py".into(),
        ..Reproduction::default()
    };
    PlaybookRequest {
        commit: repo.resolve("HEAD").unwrap(),
        reproduction,
        most,
        ..PlaybookRequest::default()
    }
}

const PROGRAM: &str = "def number(text, fallback):\n    try:\n        return int(text)\n    except ValueError:\n        return fallback\n";
const TEST: &str = "from m import number\n\ndef test_none():\n    assert number(None, 3) == 3\n\ndef test_text():\n    assert number('4', 3) == 4\n";

#[test]
fn finds_the_repair_and_its_diff() {
    let dir = tempfile::tempdir().unwrap();
    let repo = repository(dir.path(), &[("m.py", PROGRAM), ("test_m.py", TEST)]);
    let blobs = MemoryBlobs::default();
    let request = request(&repo, "test_none", 60);
    let trial = Plain { repo: &repo, wide: true };
    let found = search(&repo, &trial, &request, &blobs).unwrap();
    let best = &found.found[0];
    assert_eq!(best.template, "widen-handler");
    assert_eq!(best.files, vec![RepoPath("m.py".into())]);
    let diff = String::from_utf8(blobs.get(&best.diff).unwrap()).unwrap();
    assert!(diff.starts_with("--- a/m.py\n+++ b/m.py\n@@ "), "{diff}");
    assert!(diff.contains("-    except ValueError:\n+    except (ValueError, TypeError):\n"), "{diff}");
    assert!(found.tried > 0 && found.tried <= 60 && found.found.len() <= 8);

    // The same again without what was judged: the next best one, and the same answer for the same question.
    let judged = PlaybookRequest { judged: vec![best.tree.clone()], ..request.clone() };
    let next = search(&repo, &trial, &judged, &blobs).unwrap();
    assert!(next.found.iter().all(|f| f.tree != best.tree));
    assert_eq!(search(&repo, &trial, &request, &blobs).unwrap(), found);
}

#[test]
fn what_breaks_another_test_is_no_repair() {
    let program = "def balanced(text):\n    depth = 0\n    for c in text:\n        depth += 1 if c == '(' else -1\n    return True\n";
    let test = "from m import balanced\n\ndef test_open():\n    assert not balanced('(()')\n\ndef test_closed():\n    assert balanced('()')\n";
    let dir = tempfile::tempdir().unwrap();
    let repo = repository(dir.path(), &[("m.py", program), ("test_m.py", test)]);
    let found = search(
        &repo,
        &Plain { repo: &repo, wide: true },
        &request(&repo, "test_open", 80),
        &MemoryBlobs::default(),
    );
    let found = found.unwrap();
    let best = found.found.first().unwrap();
    assert!(best.summary.contains("depth"), "{}", best.summary);
    assert!(!found.found.iter().any(|f| f.summary.contains("`True` becomes `False`")));
}

#[test]
fn two_edits_where_one_is_not_enough() {
    let program = "def ends(a, b):\n    first = a[0]\n    last = b[-1]\n    return first, last\n";
    let test = "from m import ends\n\ndef test_empty():\n    assert ends([], []) == (None, None)\n";
    let dir = tempfile::tempdir().unwrap();
    let repo = repository(dir.path(), &[("m.py", program), ("test_m.py", test)]);
    let found = search(
        &repo,
        &Plain { repo: &repo, wide: false },
        &request(&repo, "test_empty", 120),
        &MemoryBlobs::default(),
    );
    let found = found.unwrap();
    assert!(
        found.found.first().is_some_and(|f| f.summary.contains("m.py:2") && f.summary.contains("m.py:3")),
        "{found:?}"
    );
}

#[test]
fn nothing_to_do_and_no_budget() {
    let dir = tempfile::tempdir().unwrap();
    let repo = repository(dir.path(), &[("m.py", PROGRAM), ("test_m.py", TEST)]);
    let trial = Plain { repo: &repo, wide: true };
    let passes = search(&repo, &trial, &request(&repo, "test_text", 50), &MemoryBlobs::default()).unwrap();
    assert_eq!(passes, PlaybookResponse::default());
    let none = search(&repo, &trial, &request(&repo, "test_none", 0), &MemoryBlobs::default()).unwrap();
    assert_eq!((none.tried, none.found.len()), (0, 0));
}
