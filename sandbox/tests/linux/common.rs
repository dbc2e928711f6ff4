//! What the tests share.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use prunella_sandbox::{End, Job, Limits, LinuxSandbox, Mount, Report, Sandbox};

/// A sandbox with the helper of this build.
pub(super) fn sandbox() -> LinuxSandbox {
    match std::env::var_os("PRUNELLA_SANDBOX_INIT") {
        Some(_) => LinuxSandbox::new(),
        None => LinuxSandbox::new().with_helper(env!("CARGO_BIN_EXE_sandbox-init"), &[]),
    }
}

/// A tree with a few files, and a job over it.
pub(super) struct Case {
    /// The pristine tree.
    pub(super) tree: tempfile::TempDir,
    /// The job, to be changed by the test.
    pub(super) job: Job,
}

/// A job that runs `script` by the shell.
pub(super) fn shell(script: &str) -> Case {
    case(&["sh", "-c", script], Vec::new())
}

/// A job that runs `script` by Python.
pub(super) fn python(script: &str) -> Case {
    let (program, mounts) = interpreter();
    case(&[program, "-c", script], mounts.clone())
}

/// A Python that the user of these tests can read.
fn interpreter() -> &'static (String, Vec<Mount>) {
    static FOUND: OnceLock<(String, Vec<Mount>)> = OnceLock::new();
    FOUND.get_or_init(|| {
        if Path::new("/usr/bin/python3").exists() {
            return ("/usr/bin/python3".into(), Vec::new());
        }
        private_python().expect("a Python interpreter")
    })
}

/// The Python on the path with what it needs, wherever that lies.
pub(super) fn private_python() -> Option<(String, Vec<Mount>)> {
    let script = "import sys; print(sys.base_prefix); print('%s/bin/python%d.%d' % (sys.base_prefix, *sys.version_info[:2]))";
    let output = Command::new("python3").args(["-c", script]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (prefix, program) = text.trim().split_once('\n')?;
    Some((program.into(), vec![Mount { host: prefix.into(), guest: prefix.into() }]))
}

fn case(argv: &[&str], mounts: Vec<Mount>) -> Case {
    let tree = tempfile::tempdir().unwrap();
    let at = |path: &str| tree.path().join(path);
    fs::create_dir_all(at("pkg/inner")).unwrap();
    fs::create_dir(at("tests")).unwrap();
    for (path, text) in [
        ("a.txt", "alpha\n"),
        ("pkg/b.txt", "beta\n"),
        ("pkg/inner/c.txt", "gamma\n"),
        ("tests/t.txt", "test\n"),
    ] {
        fs::write(at(path), text).unwrap();
    }
    let limits = Limits { wall: Duration::from_secs(20), ..Limits::default() };
    let argv = argv.iter().map(|word| (*word).to_owned()).collect();
    let job = Job { tree: tree.path().into(), argv, mounts, limits, ..Job::default() };
    Case { tree, job }
}

impl Case {
    /// Runs the job.
    pub(super) fn run(&self) -> Report {
        sandbox().run(&self.job)
    }

    /// Runs the job, which has to end with status 0, and gives what it printed.
    pub(super) fn output(&self) -> String {
        let report = self.run();
        assert_eq!(report.end, End::Exited { code: 0 }, "{}{}", report.stdout.text(), report.stderr.text());
        report.stdout.text()
    }
}

/// Processes of this machine that have `mark` in their command line.
pub(super) fn alive(mark: &str) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok())
        .filter(|entry| entry.file_name().to_string_lossy() != std::process::id().to_string())
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| String::from_utf8_lossy(line).contains(mark))
        .count()
}

/// Whether these tests run as root.
pub(super) fn root() -> bool {
    rustix_uid() == 0
}

fn rustix_uid() -> u32 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid()
}

/// A changed file as `how path`.
pub(super) fn changes(report: &Report) -> Vec<String> {
    report.changed.iter().map(|change| format!("{} {}", change.how, change.path)).collect()
}

/// Every file below `top` with its content, mode and time.
pub(super) fn state(top: &Path) -> Vec<(PathBuf, String)> {
    let mut waiting = vec![top.to_path_buf()];
    let mut seen = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let kind = entry.metadata().unwrap();
            if kind.is_dir() {
                waiting.push(entry.path());
            }
            let content = fs::read(entry.path()).unwrap_or_default();
            seen.push((
                entry.path(),
                format!("{:?} {:?} {content:?}", kind.permissions(), kind.modified().unwrap()),
            ));
        }
    }
    seen.sort();
    seen
}
