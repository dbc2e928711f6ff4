//! Real incidents of published packages, laid out through the package registry as git repositories.
//!
//! `tests/cases` holds names, versions and triggers; no package's code. What is laid out is kept in the target
//! folder, so a second run of the tests needs no network.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::Value;

/// Where a case laid out with a failing test has it.
const REPRO: &str = "tests/test_incident_repro.py";

/// One case, laid out.
pub struct Case {
    /// The folder with `repo`, `incident.log`, `deps`, `oracle.patch`.
    dir: PathBuf,
    /// A copy of the repository that the test may change.
    work: tempfile::TempDir,
    /// `case.json`.
    pub meta: Value,
}

/// What the case's own judge says of a patched checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oracle {
    /// The trigger no longer raises and no test newly fails.
    pub plausible: bool,
    /// And it behaves as the fix must.
    pub correct: bool,
}

fn target() -> PathBuf {
    let exe = std::env::current_exe().expect("a test knows its own path");
    exe.ancestors().nth(3).expect("tests lie in target/PROFILE/deps").join("prunella-cases")
}

/// The Python of a virtual environment with pytest, made once and kept in the target folder.
///
/// # Panics
/// When `python3` or the package registry cannot be had.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let dir = target();
        std::fs::create_dir_all(&dir).expect("the target folder is writable");
        let _one_process = lock(&dir.join("venv.lock"));
        let venv = dir.join("venv");
        let python = venv.join("bin/python");
        if !dir.join("venv.ready").exists() {
            succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
            succeed(Command::new(&python).args([
                "-m",
                "pip",
                "-q",
                "install",
                "pytest==9.0.0",
                "setuptools",
                "wheel",
            ]));
            std::fs::write(dir.join("venv.ready"), "").expect("the target folder is writable");
        }
        python
    })
}

/// A lock that other test processes wait for; freed when dropped.
fn lock(path: &Path) -> std::fs::File {
    let file = std::fs::File::create(path).expect("the target folder is writable");
    file.lock().expect("files can be locked");
    file
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{text}");
    text
}

impl Case {
    /// Lays the case `id` out, with a failing test committed when `with_repro`.
    ///
    /// # Panics
    /// When the registry does not give the package.
    #[must_use]
    pub fn lay_out(id: &str, with_repro: bool) -> Self {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _one_thread = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let out = target().join(if with_repro { "repro" } else { "plain" });
        std::fs::create_dir_all(&out).expect("the target folder is writable");
        let python = python();
        let _one_process = lock(&out.join(".lock"));
        let dir = out.join(id);
        if !dir.join("case.json").exists() {
            let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
            let mut build = Command::new(python);
            build.arg(cases.join("materialise.py")).arg("build").arg(cases.join("incidents.json")).arg(&out);
            build.args(["--only", id]);
            if with_repro {
                build.arg("--with-repro");
            }
            let text = succeed(&mut build);
            assert!(dir.join("case.json").exists(), "{id} was not laid out: {text}");
        }
        let meta = std::fs::read_to_string(dir.join("case.json")).expect("the case is laid out");
        let work = tempfile::tempdir().expect("a temporary folder");
        succeed(Command::new("cp").arg("-a").arg(dir.join("repo")).arg(work.path().join("repo")));
        Self { dir, work, meta: serde_json::from_str(&meta).expect("case.json is JSON") }
    }

    /// The repository, a copy of this test's own.
    #[must_use]
    pub fn repo(&self) -> PathBuf {
        self.work.path().join("repo")
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.dir.join("incident.log")
    }

    /// The released fix, which a model that is right would find.
    ///
    /// # Panics
    /// When the case is not laid out.
    #[must_use]
    pub fn oracle_patch(&self) -> String {
        std::fs::read_to_string(self.dir.join("oracle.patch")).expect("the case is laid out")
    }

    /// The released fix as a model's reply: search/replace blocks.
    #[must_use]
    pub fn oracle_reply(&self) -> String {
        let mut reply = String::from("The period arrives as text. I convert it.\n\n");
        let mut path = String::new();
        let (mut old, mut new) = (String::new(), String::new());
        let flush = |reply: &mut String, path: &str, old: &mut String, new: &mut String| {
            if old != new {
                reply.push_str(&format!("{path}\n<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE\n\n"));
            }
            old.clear();
            new.clear();
        };
        for line in self.oracle_patch().lines() {
            if let Some(to) = line.strip_prefix("+++ b/") {
                path = to.to_owned();
            } else if line.starts_with("@@") {
                flush(&mut reply, &path, &mut old, &mut new);
            } else if let Some(text) = line.strip_prefix(' ') {
                old.push_str(&format!("{text}\n"));
                new.push_str(&format!("{text}\n"));
            } else if let Some(text) = line.strip_prefix('-').filter(|_| !line.starts_with("---")) {
                old.push_str(&format!("{text}\n"));
            } else if let Some(text) = line.strip_prefix('+') {
                new.push_str(&format!("{text}\n"));
            }
        }
        flush(&mut reply, &path, &mut old, &mut new);
        reply
    }

    /// The path of the released fix as a file.
    #[must_use]
    pub fn oracle_file(&self) -> PathBuf {
        self.dir.join("oracle.patch")
    }

    /// How this case's tests run, as arguments of `run`, `judge` and `doctor`.
    #[must_use]
    pub fn test_args(&self) -> Vec<String> {
        let list = |key: &str| -> Vec<String> {
            let items = self.meta[key].as_array().cloned().unwrap_or_default();
            items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
        };
        let mut command = vec!["python".to_owned(), "-m".to_owned(), "pytest".to_owned()];
        command.extend(
            ["-o", "addopts=", "-o", "filterwarnings=", "-o", "xfail_strict=false"].map(str::to_owned),
        );
        command.extend(list("pytest_args"));
        let tests = list("tests");
        command.extend(tests.iter().cloned());
        // The test that reproduces the incident, where the suite's own command does not reach it.
        if self.repo().join(REPRO).exists() && !tests.iter().any(|path| path == "tests") {
            command.push(REPRO.to_owned());
        }
        let deps = self.dir.join("deps").to_string_lossy().into_owned();
        let src = self.meta["src"].as_str().unwrap_or(".").to_owned();
        let mut args = vec!["--test-command".to_owned(), command.join(" ")];
        for path in [src, ".".to_owned(), deps.clone()] {
            args.extend(["--pythonpath".to_owned(), path]);
        }
        args.extend(["--mount".to_owned(), deps]);
        args
    }

    /// `run GRAPH` on this case, with its test settings and `more`.
    #[must_use]
    pub fn run_args(&self, graph: &str, more: &[&str]) -> Vec<String> {
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        let mut args = ["run", graph, "--incident"].map(str::to_owned).to_vec();
        args.extend([path(self.log()), "--repo".to_owned(), path(self.repo())]);
        args.extend(more.iter().map(|&word| word.to_owned()));
        args.extend(self.test_args());
        args
    }

    /// What the case's own judge says of `checkout`.
    ///
    /// # Panics
    /// When the judge cannot run.
    #[must_use]
    pub fn judge(&self, checkout: &Path) -> Oracle {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/materialise.py");
        let output = Command::new(python())
            .arg(script)
            .arg("check")
            .arg(&self.dir)
            .arg(checkout)
            .output()
            .expect("the judge runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let said: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        Oracle { plausible: said["plausible"] == true, correct: said["correct"] == true }
    }

    /// Runs git in the repository and returns what it printed.
    ///
    /// # Panics
    /// When git fails.
    #[must_use]
    pub fn git(&self, args: &[&str]) -> String {
        succeed(Command::new("git").arg("-C").arg(self.repo()).args(args))
    }

    /// A checkout of `rev` in a folder of its own.
    ///
    /// # Panics
    /// When git fails.
    #[must_use]
    pub fn checkout(&self, rev: &str) -> PathBuf {
        let to = self.work.path().join(format!("checkout-{}", rev.replace('/', "-")));
        let from = self.repo();
        succeed(Command::new("git").args(["clone", "-q"]).arg(&from).arg(&to));
        succeed(Command::new("git").arg("-C").arg(&to).args(["checkout", "-q"]).arg(format!("origin/{rev}")));
        to
    }
}
