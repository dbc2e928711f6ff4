//! The command line as a person and a script meet it: what is refused, with which code, and what it says next.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::path::{Path, PathBuf};
use std::process::Command;

use prunella_tests::Prunella;

fn git(dir: &Path, args: &[&str]) {
    let who = ["-c", "user.name=a", "-c", "user.email=a@localhost"];
    let output = Command::new("git").arg("-C").arg(dir).args(who).args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A small repository with one module, and a log of an incident in it.
struct Small {
    prunella: Prunella,
    dir: tempfile::TempDir,
}

impl Small {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repo = dir.path().join("repo");
        std::fs::create_dir(&repo).unwrap();
        std::fs::write(repo.join("calc.py"), "def half(n):\n    return n[\"whole\"] / 2\n").unwrap();
        std::fs::write(repo.join("test_other.py"), "def test_one():\n    assert True\n").unwrap();
        std::fs::write(
            dir.path().join("app.log"),
            "Traceback (most recent call last):\n  File \"/srv/calc.py\", line 2, in half\n    return n[\"whole\"] / 2\nKeyError: 'whole'\n",
        )
        .unwrap();
        git(&repo, &["init", "-q"]);
        git(&repo, &["add", "-A"]);
        git(&repo, &["commit", "-qm", "one"]);
        Self { prunella: Prunella::new(), dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// `run self-heal` on the incident with further arguments.
    fn run(&self, more: &[&str]) -> prunella_tests::Outcome {
        let (log, repo) = (self.path("app.log"), self.path("repo"));
        let mut args = vec!["run", "self-heal", "--incident", &log, "--repo", &repo];
        args.extend(more);
        self.prunella.run(&args)
    }
}

#[test]
fn a_run_that_is_not_there_is_named_and_nothing_else_happens() {
    let prunella = Prunella::new();
    for args in [
        &["runs", "show", "@latest"][..],
        &["runs", "resume", "zzz"],
        &["runs", "cancel", "@latest"],
        &["replay", "@latest"],
        &["trace", "verify", "zzz"],
    ] {
        let outcome = prunella.run(args).code(2);
        assert!(outcome.stderr.contains("there is no run"), "{args:?}: {}", outcome.stderr);
    }
    assert_eq!(prunella.run(&["runs", "list", "--json"]).code(0).json()["runs"], serde_json::json!([]));
}

#[test]
fn a_fingerprint_that_is_none_is_a_matter_of_usage() {
    let small = Small::new();
    for wrong in ["zzzzzzzz", "12ab"] {
        let outcome = small.run(&["--fingerprint", wrong]).code(2);
        assert!(outcome.stderr.contains("prunella detect"), "{}", outcome.stderr);
    }
    assert_eq!(small.prunella.run(&["runs", "list", "--json"]).code(0).json()["runs"], serde_json::json!([]));
    // One that the log does not hold leaves nothing to do.
    let outcome = small.run(&["--fingerprint", "12345678", "--ok", "11"]).code(0);
    assert!(outcome.stderr.contains("holds no incident 12345678"), "{}", outcome.stderr);
}

#[test]
fn the_report_says_how_to_run_it_again_from_any_folder() {
    let small = Small::new();
    // Nothing of the repository calls the function, so there is nothing to reproduce from.
    let outcome = small.run(&["--max-cost", "0.5"]).code(10);
    let report = PathBuf::from(outcome.stdout.lines().last().unwrap());
    let report = std::fs::read_to_string(report).unwrap();
    let again = report.lines().rfind(|line| line.contains("prunella run")).unwrap_or_default();
    assert!(again.contains("--max-cost 0.5"), "{report}");
    assert!(again.contains(&format!("--incident {}", small.path("app.log"))), "{report}");
    let shown = small.prunella.run(&["runs", "show", "@latest"]).code(0).stdout;
    assert!(shown.contains("KeyError at calc.py:2"), "{shown}");
}

#[test]
fn what_ran_without_isolation_is_never_taken_for_isolated() {
    let small = Small::new();
    let repo = PathBuf::from(small.path("repo"));
    std::fs::write(
        repo.join("test_calc.py"),
        "from calc import half\n\n\ndef test_half():\n    assert half({\"whole\": 2}) == 1\n",
    )
    .unwrap();
    git(&repo, &["add", "-A"]);
    git(&repo, &["commit", "-qm", "two"]);
    let doctor = |sandbox: &str| {
        let args = ["doctor", "--repo", repo.to_str().unwrap(), "--sandbox", sandbox, "--json"];
        small.prunella.run(&args).code(0).json()["tests"]["isolation"].as_str().unwrap().to_owned()
    };
    assert_eq!(doctor("none"), "none");
    assert_eq!(doctor("linux"), "full");
    assert_eq!(doctor("none"), "none");
}

#[test]
fn a_command_that_the_sandbox_does_not_have_is_no_broken_sandbox() {
    let small = Small::new();
    let repo = small.path("repo");
    let outcome = small.prunella.run(&["sandbox", "run", "--repo", &repo, "--", "no-such-command"]).code(10);
    assert!(outcome.stderr.contains("no-such-command"), "{}", outcome.stderr);
}
