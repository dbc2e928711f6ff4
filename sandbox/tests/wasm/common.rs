//! What the tests share.
#![expect(clippy::unwrap_used, reason = "a test that cannot be laid out has failed")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use prunella_sandbox::{End, Job, Limits, Report, Sandbox, Source, WasmSandbox, set_up, testing};
use sha2::{Digest, Sha256};

/// A sandbox with the host program of this build over the interpreter that is set up in `store`.
fn over(store: &Path) -> WasmSandbox {
    WasmSandbox::new(store).with_host(env!("CARGO_BIN_EXE_wasm-host"), &[])
}

/// With nothing around the host program: what other systems have.
pub(super) fn plain() -> WasmSandbox {
    over(&testing::interpreter().unwrap()).with_wall(None)
}

/// With the host program inside the `linux` sandbox.
#[cfg(target_os = "linux")]
pub(super) fn walled() -> WasmSandbox {
    let wall = match std::env::var_os("PRUNELLA_SANDBOX_INIT") {
        Some(_) => prunella_sandbox::LinuxSandbox::new(),
        None => prunella_sandbox::LinuxSandbox::new().with_helper(env!("CARGO_BIN_EXE_sandbox-init"), &[]),
    };
    over(&testing::interpreter().unwrap()).with_wall(Some(Arc::new(wall)))
}

/// Both ways to run the host program where there are two.
pub(super) fn all() -> Vec<(&'static str, WasmSandbox)> {
    let mut all = vec![("plain", plain())];
    #[cfg(target_os = "linux")]
    all.push(("walled", walled()));
    all
}

/// A tree with a few files, and a job over it.
pub(super) struct Case {
    /// The pristine tree.
    pub(super) tree: tempfile::TempDir,
    /// The job, to be changed by the test.
    pub(super) job: Job,
}

/// A job that runs `script` by Python.
pub(super) fn python(script: &str) -> Case {
    let tree = tempfile::tempdir().unwrap();
    let at = |path: &str| tree.path().join(path);
    fs::create_dir_all(at("pkg/inner")).unwrap();
    fs::create_dir(at("tests")).unwrap();
    for (path, text) in [("a.txt", "alpha\n"), ("pkg/b.txt", "beta\n"), ("tests/t.txt", "test\n")] {
        fs::write(at(path), text).unwrap();
    }
    let limits = Limits { wall: Duration::from_secs(60), ..Limits::default() };
    let argv = ["python", "-c", script].map(str::to_owned).to_vec();
    let job = Job { tree: tree.path().into(), argv, limits, ..Job::default() };
    Case { tree, job }
}

impl Case {
    /// Runs the job in `sandbox`; it has to end with status 0. Gives what it printed.
    pub(super) fn output(&self, sandbox: &WasmSandbox) -> String {
        let report = sandbox.run(&self.job);
        assert_eq!(report.end, End::Exited { code: 0 }, "{}{}", report.stdout.text(), report.stderr.text());
        report.stdout.text()
    }

    /// Runs the job in every way, each of which has to end as `end`.
    pub(super) fn ends(&self, end: &End) -> Vec<Report> {
        let run = |(name, sandbox): (_, WasmSandbox)| {
            let report = sandbox.run(&self.job);
            assert_eq!(report.end, *end, "{name}: {}{}", report.stdout.text(), report.stderr.text());
            report
        };
        all().into_iter().map(run).collect()
    }
}

/// A job that runs `text`, a program in WebAssembly's own words, in a sandbox of its own.
pub(super) fn program(text: &str) -> (WasmSandbox, tempfile::TempDir, Case) {
    let store = tempfile::tempdir().unwrap();
    let file = store.path().join("program.wasm");
    let bytes = wat::parse_str(text).unwrap();
    fs::write(&file, &bytes).unwrap();
    let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    set_up(&store.path().join("set-up"), &Source::File { path: file, sha256 }, &mut |_| {}).unwrap();
    let sandbox = over(&store.path().join("set-up")).with_wall(None);
    (sandbox, store, python(""))
}

/// A changed file as `how path`.
pub(super) fn changes(report: &Report) -> Vec<String> {
    report.changed.iter().map(|change| format!("{} {}", change.how, change.path)).collect()
}

/// Folders of jobs that are still on this machine's disk for `mark`, a file that they hold.
pub(super) fn left(mark: &str) -> usize {
    let places = fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    places
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("prunella-"))
        .filter(|entry| entry.path().join("files").join(mark).exists())
        .count()
}
