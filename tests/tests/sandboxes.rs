//! Other sandboxes than the linux one, by the command line: obtained, asked for, and chosen where there is nothing else.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use prunella_tests::Prunella;

/// A store of these tests' own where the interpreter is set up by the command itself, once a checkout.
fn set_up() -> &'static Path {
    static STORE: OnceLock<PathBuf> = OnceLock::new();
    STORE.get_or_init(|| {
        let exe = std::env::current_exe().unwrap();
        // TARGET/PROFILE/deps/TEST
        let store = exe.ancestors().nth(3).unwrap().join("tmp/wasm-store");
        let prunella = Prunella::new();
        let said = prunella.run(&["--store", store.to_str().unwrap(), "setup", "wasm", "--json"]).code(0);
        let sha256 = said.json()["sha256"].as_str().unwrap().to_owned();
        assert_eq!(sha256, "e5dc5a398b07b54ea8fdb503bf68fb583d533f10ec3f930963e02b9505f7a763");
        store
    })
}

/// The binary where the linux sandbox cannot be set up, as on other systems, with the interpreter of [`set_up`].
fn elsewhere() -> Prunella {
    let prunella = Prunella::new().env("PRUNELLA_SANDBOX_INIT", "/bin/false");
    std::fs::create_dir(prunella.store()).unwrap();
    std::os::unix::fs::symlink(set_up().join("wasm"), prunella.store().join("wasm")).unwrap();
    prunella
}

fn git(dir: &Path, args: &[&str]) {
    let who = ["-c", "user.name=a", "-c", "user.email=a@localhost"];
    let output = Command::new("git").arg("-C").arg(dir).args(who).args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A repository whose one module breaks without `whole`, and the log of that.
fn repository() -> (tempfile::TempDir, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    std::fs::create_dir(&repo).unwrap();
    std::fs::write(
        repo.join("calc.py"),
        "def half(order):\n    return order[\"whole\"] / 2\n\n\ndef report(orders):\n    return [half(order) for order in orders]\n",
    )
    .unwrap();
    std::fs::write(
        repo.join("test_calc.py"),
        "import unittest\n\nfrom calc import half, report\n\n\nclass TestCalc(unittest.TestCase):\n    def test_half(self):\n        self.assertEqual(half({\"whole\": 4}), 2)\n\n    def test_report(self):\n        self.assertEqual(report([{\"whole\": 2}]), [1])\n\n    def test_empty(self):\n        self.assertEqual(half({}), 0)\n",
    )
    .unwrap();
    git(&repo, &["init", "-q"]);
    git(&repo, &["add", "-A"]);
    git(&repo, &["commit", "-qm", "one"]);
    let patch = dir.path().join("fix.diff");
    std::fs::write(
        &patch,
        "--- a/calc.py\n+++ b/calc.py\n@@ -1,3 +1,3 @@\n def half(order):\n-    return order[\"whole\"] / 2\n+    return order.get(\"whole\", 0) / 2\n \n",
    )
    .unwrap();
    let text = |path: PathBuf| path.to_str().unwrap().to_owned();
    (dir, text(repo), text(patch))
}

const UNITTEST: &str = "python -m unittest discover";

/// One test at a time: an interpreter in WebAssembly is slow enough beside nothing, and candidates have their time.
fn turn() -> std::sync::MutexGuard<'static, ()> {
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[test]
fn wasm_runs_python_where_it_is_asked_for() {
    let _turn = turn();
    let prunella = elsewhere();
    let (_dir, repo, patch) = repository();
    let script = "import sys; print(sys.platform, open('calc.py').readline().strip())";
    let run = ["sandbox", "run", "--sandbox", "wasm", "--repo", &repo, "--", "python", "-c", script];
    assert_eq!(prunella.run(&run).code(0).stdout, "wasi def half(order):\n");
    let run = ["sandbox", "run", "--sandbox", "wasm", "--repo", &repo, "--", "ls"];
    assert!(prunella.run(&run).code(10).stderr.contains("there is Python alone"));
    let judge = ["judge", &patch, "--repo", &repo, "--sandbox", "wasm", "--test-command", UNITTEST, "--json"];
    let verdict = prunella.run(&judge).code(0).json();
    assert_eq!(verdict["verdict"]["status"], "fixed", "{verdict}");
    assert!(verdict["verdict"]["isolation"].as_str().unwrap().starts_with("reduced: "), "{verdict}");
}

#[test]
fn an_incident_is_healed_in_wasm() {
    let _turn = turn();
    let prunella = elsewhere();
    let (dir, repo, _) = repository();
    let log = dir.path().join("app.log");
    std::fs::write(
        &log,
        "Traceback (most recent call last):\n  File \"/srv/calc.py\", line 6, in report\n    return [half(order) for order in orders]\n  File \"/srv/calc.py\", line 2, in half\n    return order[\"whole\"] / 2\nKeyError: 'whole'\n",
    )
    .unwrap();
    let log = log.to_str().unwrap();
    let run = [
        "run",
        "self-heal",
        "--incident",
        log,
        "--repo",
        &repo,
        "--sandbox",
        "wasm",
        "--test-command",
        UNITTEST,
    ];
    let said = prunella.run(&run).code(0);
    let shown = prunella.run(&["pulls", "list", "--repo", &repo]).code(0).stdout;
    assert!(shown.contains("draft"), "what held it was not everything: {shown} {said:?}");
}

/// Waits until `done`, which has to come soon.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !done() {
        assert!(began.elapsed() < std::time::Duration::from_secs(120), "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_killed_command_leaves_no_copy_behind() {
    let _turn = turn();
    let prunella = elsewhere();
    let (_dir, repo, _) = repository();
    let place = tempfile::tempdir().unwrap();
    let script = "import time; open('/tmp/begun', 'w').close(); time.sleep(600)";
    let run = [
        "sandbox",
        "run",
        "--sandbox",
        "wasm",
        "--wall",
        "600",
        "--repo",
        &repo,
        "--",
        "python",
        "-c",
        script,
    ];
    let mut child = prunella.command(&run).env("TMPDIR", place.path()).spawn().unwrap();
    let copies = || {
        let entries = std::fs::read_dir(place.path()).unwrap().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("prunella-")).count()
    };
    let begun = || {
        let mut entries = std::fs::read_dir(place.path()).unwrap().flatten();
        entries.any(|entry| entry.path().join("tmp/begun").exists())
    };
    until("the job never began", begun);
    child.kill().unwrap();
    child.wait().unwrap();
    // The host of the machine sees that nobody waits for it any more, takes the copy away, and ends.
    until("the copy is still there", || copies() == 0);
}

#[test]
fn wasm_is_chosen_where_there_is_nothing_else_and_the_tests_were_found_equal() {
    let _turn = turn();
    let prunella = elsewhere();
    let (_dir, repo, patch) = repository();
    let judge = ["judge", &patch, "--repo", &repo, "--test-command", UNITTEST, "--json"];
    // Not compared: nothing runs, and it says what to do.
    let said = prunella.run(&judge).code(31);
    assert!(said.stderr.contains("the sandbox cannot start"), "{}", said.stderr);
    let doctor = ["doctor", "--repo", &repo, "--test-command", UNITTEST, "--json"];
    let found = prunella.run(&doctor).code(31).json();
    assert_eq!(found["backends"]["linux"]["level"], "unavailable", "{found}");
    assert_eq!(found["backends"]["wasm"]["level"], "reduced", "{found}");
    let mut compare = doctor.to_vec();
    compare.push("--compare");
    let said = prunella.run(&compare).code(0);
    assert!(said.stderr.contains("without isolation"), "{}", said.stderr);
    let found = said.json();
    assert_eq!(
        (&found["comparison"]["same"], &found["comparison"]["equal"]),
        (&true.into(), &3.into()),
        "{found}"
    );
    assert_eq!(found["backend"], "wasm", "{found}");
    let said = prunella.run(&judge).code(0);
    assert!(said.stderr.contains("the tests run in wasm"), "{}", said.stderr);
    assert_eq!(said.json()["verdict"]["status"], "fixed");
    // Another tree was not compared.
    std::fs::write(Path::new(&repo).join("more.py"), "").unwrap();
    git(Path::new(&repo), &["add", "-A"]);
    git(Path::new(&repo), &["commit", "-qm", "two"]);
    let said = prunella.run(&judge).code(31);
    assert!(!said.stderr.contains("wasm, where"), "{}", said.stderr);
}

#[test]
fn what_cannot_be_set_up_says_why() {
    let _turn = turn();
    let prunella = Prunella::new();
    let file = prunella.store().with_extension("wasm");
    std::fs::write(&file, "no module").unwrap();
    let file = file.to_str().unwrap();
    let module = |sha256: &str| ["setup", "wasm", "--module", file, "--sha256", sha256].map(str::to_owned);
    assert!(prunella.run(&module(&"0".repeat(64))).code(5).stderr.contains("was expected"));
    assert!(prunella.run(&module("abc")).code(2).stderr.contains("SHA-256"));
    assert!(prunella.run(&["setup", "wasm", "--module", file]).code(2).stderr.contains("--sha256"));
    // No Python with pip anywhere on PATH.
    let bare = Prunella::new().env("PATH", "/nonexistent");
    let said = bare.run(&["setup", "wasm"]).code(31);
    assert!(said.stderr.contains("no Python with pip"), "{}", said.stderr);
    // pip cannot reach an index.
    let offline = Prunella::new().env("PIP_INDEX_URL", "http://127.0.0.1:9/simple").env("PIP_RETRIES", "0");
    let said = offline.run(&["setup", "wasm"]).code(31);
    assert!(said.stderr.contains("could not be obtained"), "{}", said.stderr);
    let without = prunella.run(&["sandbox", "run", "--sandbox", "wasm", "--", "python", "-V"]).code(31);
    assert!(without.stderr.contains("prunella setup wasm"), "{}", without.stderr);
}

#[test]
fn a_container_needs_an_engine_and_an_image() {
    let _turn = turn();
    let prunella = Prunella::new().env("PRUNELLA_CONTAINER_ENGINE", "/no/such/engine");
    let run = ["sandbox", "run", "--sandbox", "container", "--", "true"];
    let said = prunella.run(&run).code(31);
    assert!(said.stderr.contains("/no/such/engine does not answer"), "{}", said.stderr);
    assert!(said.stderr.contains("start the engine"), "{}", said.stderr);
}
