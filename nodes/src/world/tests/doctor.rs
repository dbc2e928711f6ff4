//! What a person wants to know before anything else: can the tests be run here, and how.

use prunella_engine::EffectError;
use serde::Serialize;

use super::Tester;
use super::records::Outcome;

/// What was found out about a repository's tests.
#[derive(Debug, Clone, Serialize)]
pub struct Findings {
    /// The commit.
    pub commit: String,
    /// The interpreter's path.
    pub interpreter: String,
    /// Its version.
    pub python: String,
    /// `pytest 9.2.0` or `unittest`.
    pub runner: String,
    /// The command in words.
    pub command: Vec<String>,
    /// Folders that modules are found in, relative to the top or mounted.
    pub pythonpath: Vec<String>,
    /// Folders of this machine that are visible read-only.
    pub mounts: Vec<String>,
    /// Where a test of ours would go.
    pub test_dir: String,
    /// Tests collected.
    pub collected: u64,
    /// Tests that passed twice.
    pub passed: u64,
    /// Tests that failed twice.
    pub failed: Vec<String>,
    /// Tests skipped.
    pub skipped: u64,
    /// Tests whose two runs disagree.
    pub flaky: Vec<String>,
    /// Modules that cannot be run here, each with why.
    pub not_runnable: Vec<String>,
    /// Seconds that the suite takes.
    pub seconds: f64,
    /// `full`, or what is missing.
    pub isolation: String,
    /// What the repository's policy allows and protects, in a phrase; `default` when it says nothing.
    pub policy: String,
}

impl Tester {
    /// Runs the baseline of `commit` and says what it found.
    ///
    /// # Errors
    /// As [`Tester::baseline`].
    pub fn doctor(&self, commit: &str, command: Option<&[String]>) -> Result<Findings, EffectError> {
        let policy = self.policy(commit)?;
        let base = self.prepare(commit, command)?;
        let settings = &base.settings;
        let facts = &settings.interpreter.facts;
        let runner = match settings.command.runner() {
            "pytest" => format!("pytest {}", facts.pytest),
            other => other.to_owned(),
        };
        Ok(Findings {
            commit: commit.to_owned(),
            interpreter: settings.interpreter.exe.display().to_string(),
            python: facts.version.clone(),
            runner,
            command: base.words(),
            pythonpath: settings
                .pythonpath
                .iter()
                .map(|p| if p.is_empty() { ".".to_owned() } else { p.clone() })
                .collect(),
            mounts: settings.mounts.iter().map(|mount| mount.host.display().to_string()).collect(),
            test_dir: base.test_dir.clone(),
            collected: base.data.tests.len() as u64,
            passed: base.having(Outcome::Passed).count() as u64,
            failed: base.having(Outcome::Failed).map(str::to_owned).collect(),
            skipped: base.having(Outcome::Skipped).count() as u64,
            flaky: base.flaky(),
            not_runnable: base.data.broken.iter().map(|b| format!("{}: {}", b.path, b.why)).collect(),
            seconds: base.data.seconds,
            isolation: base.data.isolation.clone(),
            policy: policy.words(),
        })
    }
}
