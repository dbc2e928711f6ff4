//! `prunella judge` as a script meets it: exit codes, JSON, named tests, several patches.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::path::Path;
use std::process::Command;

use prunella_tests::{Outcome, Prunella};

const CODE: &str = "def half(n):\n    return n[\"whole\"] / 2\n\n\ndef twice(n):\n    return n * 2\n";
const TESTS: &str = "import unittest\n\nfrom calc import half, twice\n\n\nclass T(unittest.TestCase):\n    def test_half(self):\n        self.assertEqual(half({}), 0)\n\n    def test_twice(self):\n        self.assertEqual(twice(2), 4)\n";

fn git(dir: &Path, args: &[&str]) {
    let who = ["-c", "user.name=a", "-c", "user.email=a@localhost"];
    let output = Command::new("git").arg("-C").arg(dir).args(who).args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

struct Scene {
    prunella: Prunella,
    dir: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repo = dir.path().join("repo");
        std::fs::create_dir(&repo).unwrap();
        std::fs::write(repo.join("calc.py"), CODE).unwrap();
        std::fs::write(repo.join("test_calc.py"), TESTS).unwrap();
        git(&repo, &["init", "-q"]);
        git(&repo, &["add", "-A"]);
        git(&repo, &["commit", "-qm", "one"]);
        Self { prunella: Prunella::new(), dir }
    }

    /// A patch file that makes `calc.py` this.
    fn patch(&self, name: &str, code: &str) -> String {
        let repo = self.dir.path().join("repo");
        std::fs::write(repo.join("calc.py"), code).unwrap();
        let output = Command::new("git").arg("-C").arg(&repo).arg("diff").output().unwrap();
        std::fs::write(repo.join("calc.py"), CODE).unwrap();
        self.file(name, &output.stdout)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn judge(&self, args: &[&str]) -> Outcome {
        let repo = self.dir.path().join("repo");
        let mut all = vec!["judge", "--repo", repo.to_str().unwrap()];
        all.extend(["--test-command", "python -m unittest discover"]);
        all.extend(args);
        self.prunella.run(&all)
    }
}

#[test]
fn each_verdict_has_its_exit_code_and_json_says_what_it_was_made_from() {
    let scene = Scene::new();
    let good = scene.patch("good.diff", &CODE.replace("n[\"whole\"]", "n.get(\"whole\", 0)"));
    let useless = scene.patch("useless.diff", &CODE.replace("n * 2", "2 * n"));
    let breaking = scene
        .patch("breaking.diff", &CODE.replace("n[\"whole\"]", "n.get(\"whole\", 0)").replace("n * 2", "n"));
    let leaving = scene.patch("leaving.diff", &format!("import os\nos._exit(0)\n{CODE}"));
    let reaching =
        scene.file("reaching.diff", b"--- a/test_calc.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-import unittest\n");
    let told = scene.judge(&[&good, "--json"]).code(0).json();
    assert_eq!((&told["format"], &told["verdict"]["status"]), (&1.into(), &"fixed".into()));
    let half = told["tests"].as_array().unwrap().iter().find(|test| test["role"] == "fail_to_pass").unwrap();
    assert_eq!((&half["before"], &half["after"]), (&"failed".into(), &"passed".into()));
    for key in ["base_tree", "candidate_tree"] {
        assert_eq!(told["verdict"][key].as_str().unwrap().len(), 40, "{key}");
    }
    assert!(told["verdict"]["confidence"].as_f64().unwrap() > 0.5 && told["policy"] == "default");
    assert!(scene.judge(&[&good, "--json"]).code(0).json()["remembered"].as_bool().unwrap());
    assert!(!scene.judge(&[&good, "--json", "--fresh"]).code(0).json()["remembered"].as_bool().unwrap());
    for (patch, code) in [(&useless, 10), (&breaking, 16), (&reaching, 17), (&leaving, 18)] {
        let _ = scene.judge(&[patch]).code(code);
    }
    // Several at once: one that is fixed is enough, and each is told.
    let told = scene.judge(&[&useless, &good, "--json"]).code(0).json();
    let words: Vec<_> =
        told["judged"].as_array().unwrap().iter().map(|one| &one["verdict"]["status"]).collect();
    assert_eq!(words, ["no_evidence", "fixed"]);
    let _ = scene.judge(&[&useless, &reaching]).code(10);
}

#[test]
fn named_tests_decide_and_what_is_not_there_is_refused() {
    let scene = Scene::new();
    let fixed = CODE.replace("n[\"whole\"]", "n.get(\"whole\", 0)");
    let breaking = scene.patch("breaking.diff", &fixed.replace("n * 2", "n"));
    let half = "test_calc.T.test_half";
    let _ = scene
        .judge(&[&breaking, "--fail-to-pass", half, "--pass-to-pass", "test_calc.T.test_twice"])
        .code(16);
    let wrong = scene.judge(&[&breaking, "--fail-to-pass", "test_calc.T.test_haff"]).code(2);
    assert!(
        wrong.stderr.contains("not a test of the base commit") && wrong.stderr.contains(half),
        "{wrong:?}"
    );
    let none = scene.judge(&["no-such-patch"]);
    assert_ne!(none.code, 0);
    assert!(none.stderr.contains("name a file with a unified diff, or a branch"), "{none:?}");
    let binary = scene.file("binary.diff", b"\xff\xfe\x00");
    assert!(scene.judge(&[&binary]).code(5).stderr.contains("not UTF-8"));
    let huge = scene.file("huge.diff", "+\u{e9}".repeat(8 << 20).as_bytes());
    assert!(scene.judge(&[&huge]).code(10).stdout.contains("bytes"));
    // What a test prints moves no cursor.
    let loud = "raise_ = '\\x1b[2Jfixed: all is well'\n\n\n";
    let loud = scene.patch(
        "loud.diff",
        &format!("{loud}{}", CODE.replace("n[\"whole\"]", "next((_ for _ in ()).throw(OSError(raise_)))")),
    );
    let shown = scene.judge(&[&loud, "--fail-to-pass", half]).code(10);
    assert!(!shown.stdout.contains('\u{1b}'), "{shown:?}");
}
