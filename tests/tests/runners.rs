//! Runners that are not Python's, as a script meets them: named or found, judged, told by `doctor`.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::path::{Path, PathBuf};
use std::process::Command;

use prunella_tests::Prunella;

fn git(dir: &Path, args: &[&str]) -> Vec<u8> {
    let who = ["-c", "user.name=a", "-c", "user.email=a@localhost"];
    let output = Command::new("git").arg("-C").arg(dir).args(who).args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A repository of these files.
fn repo(dir: &Path, files: &[(&str, &str)]) -> PathBuf {
    let repo = dir.join("repo");
    for (path, text) in files {
        let full = repo.join(path);
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        std::fs::write(full, text).unwrap();
    }
    git(&repo, &["init", "-q"]);
    git(&repo, &["add", "-A"]);
    git(&repo, &["commit", "-qm", "one"]);
    repo
}

/// A patch that replaces `from` by `to` in `path`.
fn patch(repo: &Path, path: &str, from: &str, to: &str) -> String {
    let before = std::fs::read_to_string(repo.join(path)).unwrap();
    assert!(before.contains(from));
    std::fs::write(repo.join(path), before.replacen(from, to, 1)).unwrap();
    let diff = git(repo, &["diff"]);
    std::fs::write(repo.join(path), before).unwrap();
    let file = repo.with_file_name(format!("{}.diff", to.len()));
    std::fs::write(&file, diff).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_crate_is_judged_by_cargo() {
    let dir = tempfile::tempdir().unwrap();
    let files = [
        ("Cargo.toml", "[package]\nname = \"half\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
        (
            "src/lib.rs",
            "pub fn half(n: u32, by: u32) -> u32 {\n    n / by\n}\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn by_two() {\n        assert_eq!(super::half(4, 2), 2);\n    }\n\n    #[test]\n    fn by_none() {\n        assert_eq!(super::half(4, 0), 0);\n    }\n}\n",
        ),
    ];
    let repo = repo(dir.path(), &files);
    let mut prunella = Prunella::new();
    // Where this machine's toolchain is; the test's own home is empty.
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    for (name, below) in [("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo")] {
        let folder = std::env::var_os(name).map_or_else(|| home.join(below), PathBuf::from);
        prunella = prunella.env(name, folder.to_str().unwrap());
    }
    let at = repo.to_str().unwrap();
    let good = patch(&repo, "src/lib.rs", "n / by", "n.checked_div(by).unwrap_or(0)");
    let told = prunella.run(&["judge", &good, "--repo", at, "--runner", "cargo", "--json"]).code(0).json();
    assert_eq!(told["verdict"]["status"], "fixed");
    assert!(told["verdict"]["confidence"].as_f64().unwrap() < 0.9);
    let broken = patch(&repo, "src/lib.rs", "n / by", "n.divided(by)");
    let id = "half::half::tests::by_none";
    let told =
        prunella.run(&["judge", &broken, "--repo", at, "--fail-to-pass", id, "--json"]).code(10).json();
    assert_eq!(told["verdict"]["status"], "not_fixed");
    assert!(told["verdict"]["lessons"][0].as_str().unwrap().contains("no method named `divided`"));
    let leaving = patch(&repo, "src/lib.rs", "n / by", "if by == 0 { std::process::exit(0) }\n    n / by");
    assert_ne!(prunella.run(&["judge", &leaving, "--repo", at]).code, 0);
}

#[test]
fn doctor_says_which_runner_and_which_others() {
    let dir = tempfile::tempdir().unwrap();
    let files = [
        ("package.json", r#"{"scripts": {"test": "node --test"}}"#),
        ("go.mod", "module a\n"),
        (
            "a.test.js",
            "const t = require('node:test');\nt('one', () => {});\nt('two', () => { throw new Error('no'); });\n",
        ),
    ];
    let repo = repo(dir.path(), &files);
    let prunella = Prunella::new();
    let at = repo.to_str().unwrap();
    let told = prunella.run(&["doctor", "--repo", at, "--json"]).code(0).json();
    let tests = &told["tests"];
    assert_eq!((&tests["runner"], &tests["others"][0]), (&"node".into(), &"go (go.mod)".into()));
    assert_eq!(
        (&tests["results"][0]["id"], &tests["results"][0]["outcome"]),
        (&"a.test.js::one".into(), &"passed".into())
    );
    assert_eq!(tests["results"][1]["message"], "Error: no");
    assert!(prunella.run(&["doctor", "--repo", at]).code(0).stdout.contains("choose it with --runner"));
    let wrong = prunella.run(&["doctor", "--repo", at, "--runner", "rake"]).code(2);
    assert!(wrong.stderr.contains("runner `rake` is not known"), "{wrong:?}");
}
