//! The README's first command, and what a recorded run is good for afterwards.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::path::{Path, PathBuf};
use std::process::Command;

use prunella_engine::blob::Blobs;
use prunella_engine::journal::{Payload, Phase, Record};
use prunella_engine::trace::read;
use prunella_tests::Prunella;

fn git(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(dir).args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The demo, run once in a home of its own.
struct Demo {
    prunella: Prunella,
    dir: tempfile::TempDir,
    said: String,
}

impl Demo {
    fn run() -> Self {
        let (prunella, dir) = (Prunella::new(), tempfile::tempdir().unwrap());
        let outcome = prunella.run(&["demo", dir.path().join("demo").to_str().unwrap()]).code(0);
        Self { prunella, said: format!("{}\n{}", outcome.stderr, outcome.stdout), dir }
    }

    fn repo(&self) -> PathBuf {
        self.dir.path().join("demo/repo")
    }

    fn pack(&self) -> PathBuf {
        let file = self.dir.path().join("run.trace");
        let _ = self.prunella.run(&["trace", "pack", "@latest", "--out", file.to_str().unwrap()]).code(0);
        file
    }
}

#[test]
fn the_demo_heals_and_touches_nothing_but_its_branch() {
    let demo = Demo::run();
    assert!(
        demo.said.contains("prunella run self-heal") || demo.said.contains("run self-heal"),
        "{}",
        demo.said
    );
    let repo = demo.repo();
    assert_eq!(git(&repo, &["status", "--porcelain"]), "");
    assert_eq!(git(&repo, &["symbolic-ref", "HEAD"]).trim(), "refs/heads/main");
    let branches = git(&repo, &["branch", "--format=%(refname:short)"]);
    let branch = branches.lines().find(|name| name.starts_with("prunella/")).expect("a branch").to_owned();
    // Two commits: the failing test, then the fix.
    let files = |rev: &str| git(&repo, &["show", "--format=", "--name-only", rev]).trim().to_owned();
    assert!(
        files(&format!("{branch}~1")).starts_with("tests/test_incident_"),
        "{}",
        files(&format!("{branch}~1"))
    );
    assert!(files(&branch).starts_with("service/"), "{}", files(&branch));
    assert_eq!(git(&repo, &["rev-parse", &format!("{branch}~2")]), git(&repo, &["rev-parse", "main"]));
    let message = git(&repo, &["show", "-s", "--format=%B", &branch]);
    for trailer in ["Prunella-Run: ", "Incident: ", "Assisted-by: "] {
        assert!(message.contains(trailer), "{message}");
    }
    assert!(!message.contains("Signed-off-by"));
    // Red before, green after, by the repository's own runner.
    for (rev, green) in [(format!("{branch}~1"), false), (branch.clone(), true)] {
        let copy = demo.dir.path().join(format!("copy-{green}"));
        git(&repo, &["worktree", "add", "-q", "--detach", copy.to_str().unwrap(), &rev]);
        let ran = Command::new("python3")
            .args(["-m", "unittest", "discover", "-q"])
            .current_dir(&copy)
            .output()
            .unwrap();
        assert_eq!(ran.status.success(), green, "{}", String::from_utf8_lossy(&ran.stderr));
    }
    let pulls = demo.prunella.run(&["pulls", "list", "--repo", repo.to_str().unwrap()]).code(0);
    assert!(pulls.stdout.contains(&branch), "{pulls:?}");
    // The page says how to check; what it says works.
    let judged = demo.prunella.run(&["judge", &branch, "--repo", repo.to_str().unwrap(), "--json"]).code(0);
    assert_eq!(judged.json()["verdict"]["status"], "fixed");
}

#[test]
fn an_incident_with_an_open_pull_request_is_known_and_a_closed_one_is_rejected() {
    let demo = Demo::run();
    let (repo, log) = (demo.repo(), demo.dir.path().join("demo/incident.log"));
    let args =
        ["run", "self-heal", "--incident", log.to_str().unwrap(), "--repo", repo.to_str().unwrap(), "--json"];
    let said = demo.prunella.run(&args).code(11).json();
    assert_eq!(said["end"], "known");
    assert!(said["reason"].as_str().unwrap().contains("open pull request"), "{said}");
    let pulls = demo.prunella.run(&["pulls", "list", "--repo", repo.to_str().unwrap()]).code(0);
    let id = pulls.stdout.split_whitespace().next().unwrap().to_owned();
    let _ = demo.prunella.run(&["pulls", "close", &id, "--repo", repo.to_str().unwrap()]).code(0);
    let said = demo.prunella.run(&args).code(11).json();
    assert!(said["reason"].as_str().unwrap().contains("rejected"), "{said}");
}

#[test]
fn a_trace_replays_where_there_is_nothing_but_the_trace() {
    let demo = Demo::run();
    let trace = demo.pack();
    // Neither the repository, nor the store, nor Python is there.
    std::fs::remove_dir_all(demo.repo()).unwrap();
    let elsewhere = Prunella::new().env("PATH", "/nonexistent").env("PRUNELLA_PYTHON", "/nonexistent");
    let said = elsewhere.run(&["replay", trace.to_str().unwrap(), "--json"]).code(0).json();
    assert_eq!(said["replayed"]["end"], "healed");
    assert_eq!(said["replayed"]["bodies"], true);
    let verified = elsewhere.run(&["trace", "verify", trace.to_str().unwrap()]).code(0);
    assert!(verified.stdout.contains("whole"), "{verified:?}");
}

#[test]
fn no_path_of_the_machine_is_in_a_trace() {
    let demo = Demo::run();
    let trace = demo.pack();
    let shown = demo.prunella.run(&["trace", "show", trace.to_str().unwrap()]).code(0);
    let here = demo.dir.path().to_str().unwrap();
    assert!(!shown.stdout.contains(here), "the trace names {here}");
    let read = read(&std::fs::read(&trace).unwrap()).map_err(|damage| damage.fault).unwrap();
    for blob in read.blobs.refs() {
        let text = String::from_utf8_lossy(&read.blobs.get(blob).unwrap()).into_owned();
        assert!(!text.contains(here), "a blob names {here}: {text}");
    }
}

#[test]
fn a_changed_response_diverges_even_when_resealed() {
    let demo = Demo::run();
    let trace = read(&std::fs::read(demo.pack()).unwrap()).map_err(|damage| damage.fault).unwrap();
    let mut changed = 0;
    let forged = trace
        .resealed(&mut |record| {
            if let Record::Effect(effect) = record
                && effect.phase == Phase::Done
                && effect.name == "ledger.claim"
            {
                effect.response = Some(Payload::Inline(serde_json::json!({"owner": "somebody-else"})));
                changed += 1;
            }
        })
        .unwrap();
    assert_eq!(changed, 1);
    let file = demo.dir.path().join("forged.trace");
    std::fs::write(&file, forged.to_bytes().unwrap()).unwrap();
    let _ = demo.prunella.run(&["trace", "verify", file.to_str().unwrap()]).code(0);
    let outcome = demo.prunella.run(&["replay", file.to_str().unwrap()]).code(20);
    assert!(outcome.stderr.contains("detect#1"), "the place is named: {outcome:?}");
}

#[test]
fn a_broken_chain_and_a_torn_file_are_damaged_with_their_valid_prefix() {
    let demo = Demo::run();
    let bytes = std::fs::read(demo.pack()).unwrap();
    let file = demo.dir.path().join("damaged.trace");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let at = text.find("\"ledger.claim\"").expect("the claim is recorded");
    let mut broken = bytes.clone();
    broken[at + 2] ^= 1;
    for damaged in [broken, bytes[..at].to_vec()] {
        std::fs::write(&file, &damaged).unwrap();
        for command in ["verify", "show"] {
            let outcome = demo.prunella.run(&["trace", command, file.to_str().unwrap()]).code(21);
            assert!(outcome.stderr.contains("valid"), "{outcome:?}");
        }
        let _ = demo.prunella.run(&["replay", file.to_str().unwrap()]).code(21);
    }
    let newer =
        String::from_utf8_lossy(&bytes).replacen("{\"prunella-trace\":1}", "{\"prunella-trace\":9}", 1);
    std::fs::write(&file, newer).unwrap();
    let _ = demo.prunella.run(&["trace", "verify", file.to_str().unwrap()]).code(22);
}
