//! The tests at the base commit, run twice: what passes, what fails and how, what cannot be trusted.

mod measure;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use prunella_engine::{EffectError, canonical};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Tester;
use super::command::{Command, without_choice};
use super::jobs::{Step, harness_hash};
use super::records::{Broken, Failure, Outcome};
use super::settings::{self, Settings};
use crate::effects::{BaselineRequest, BaselineResponse, FailedTest};
use crate::gate::is_test_module;
use crate::types::Frame;

/// Most files that are bound read-only.
const MAX_PROTECTED: usize = 600;

/// One test at the base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct BaseTest {
    /// Its file.
    pub(crate) path: String,
    /// What became of it in both runs; nothing when they disagree.
    pub(crate) outcome: Option<Outcome>,
    /// How it failed the first time.
    pub(crate) failure: Option<Failure>,
    /// How often it started.
    pub(crate) starts: u32,
}

/// What both runs found; kept on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Data {
    /// Tests by id.
    pub(crate) tests: BTreeMap<String, BaseTest>,
    /// Modules that cannot be collected.
    pub(crate) broken: Vec<Broken>,
    /// Options of the configuration that had to be overridden.
    pub(crate) overridden: Vec<String>,
    /// How long the slower run took, in seconds.
    pub(crate) seconds: f64,
    /// Whether canaries are reported truly here.
    pub(crate) canaries: bool,
    /// What was enforced.
    pub(crate) isolation: String,
}

/// Everything about a base commit that later questions need.
pub(crate) struct Prepared {
    /// How its tests are run.
    pub(crate) settings: Settings,
    /// Its tree as a folder.
    pub(crate) tree: PathBuf,
    /// Its git tree.
    pub(crate) tree_id: String,
    /// Its files.
    pub(crate) files: BTreeSet<String>,
    /// Where a test of ours belongs.
    pub(crate) test_dir: String,
    /// What both runs found.
    pub(crate) data: Data,
}

impl Prepared {
    /// Ids of the tests that have `outcome` in both runs.
    pub(crate) fn having(&self, outcome: Outcome) -> impl Iterator<Item = &str> {
        self.data
            .tests
            .iter()
            .filter(move |(_, test)| test.outcome == Some(outcome))
            .map(|(id, _)| id.as_str())
    }

    /// Tests whose two runs disagree.
    pub(crate) fn flaky(&self) -> Vec<String> {
        self.data.tests.iter().filter(|(_, test)| test.outcome.is_none()).map(|(id, _)| id.clone()).collect()
    }

    /// Files that tests were collected from.
    pub(crate) fn test_files(&self) -> BTreeSet<String> {
        let broken =
            self.data.broken.iter().map(|broken| &broken.path).filter(|path| self.files.contains(*path));
        self.data.tests.values().map(|test| &test.path).chain(broken).cloned().collect()
    }

    /// The whole suite as a step.
    pub(crate) fn suite(&self, extra: Vec<String>, limit: f64) -> Step {
        suite(&self.settings, &self.data.overridden, extra, limit)
    }

    /// Tests of one file as a step: all of them, or those in `ids`.
    pub(crate) fn one_file(&self, path: &str, ids: Option<Vec<String>>, limit: f64) -> Step {
        let mut step = Step { limit, ids, ..Step::default() };
        match &self.settings.command {
            Command::Pytest { options, .. } => {
                step.args = pytest_args(&without_choice(options), &self.data.overridden);
                step.args.push(self.below_start(path));
            }
            Command::Unittest(unittest) => {
                step.unittest = Some(unittest.clone());
                step.extra = vec![path.to_owned()];
                step.only = true;
            }
        }
        step
    }

    /// `path` as seen from the folder that the tests are started in.
    fn below_start(&self, path: &str) -> String {
        let start = &self.settings.subfolder;
        match path.strip_prefix(start.as_str()).and_then(|rest| rest.strip_prefix('/')) {
            Some(rest) if !start.is_empty() => rest.to_owned(),
            _ => path.to_owned(),
        }
    }

    /// The command in words, with what had to be overridden.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = self.settings.command.words();
        words.splice(3..3, self.data.overridden.iter().cloned());
        words
    }
}

fn pytest_args(options: &[String], overridden: &[String]) -> Vec<String> {
    let mut args: Vec<String> =
        ["-q", "--tb=no", "--continue-on-collection-errors"].map(str::to_owned).to_vec();
    args.extend(options.iter().cloned());
    args.extend(overridden.iter().cloned());
    args
}

fn suite(settings: &Settings, overridden: &[String], extra: Vec<String>, limit: f64) -> Step {
    let mut step = Step { limit, extra, ..Step::default() };
    match &settings.command {
        Command::Pytest { options, paths } => {
            step.args = pytest_args(options, overridden);
            step.args.extend(paths.iter().cloned());
        }
        Command::Unittest(unittest) => step.unittest = Some(unittest.clone()),
    }
    step
}

impl Tester {
    /// Runs the repository's own tests at the base commit, twice.
    ///
    /// # Errors
    /// Exit 15 when nothing decisive can be collected, 31 when the sandbox cannot start, 2 for settings that cannot be
    /// followed.
    pub fn baseline(&self, request: &BaselineRequest) -> Result<BaselineResponse, EffectError> {
        // A policy that cannot be followed is told before anything is paid for.
        self.policy(&request.commit)?;
        let base = self.prepare(&request.commit, request.command.as_deref())?;
        let failed = base
            .data
            .tests
            .iter()
            .filter(|(_, test)| test.outcome == Some(Outcome::Failed))
            .map(|(id, test)| failed_test(id, &test.path, test.failure.as_ref()))
            .collect();
        Ok(BaselineResponse {
            runner: base.settings.command.runner().to_owned(),
            command: base.words(),
            test_dir: base.test_dir.as_str().into(),
            passed: base.having(Outcome::Passed).count() as u64,
            failed,
            skipped: base.having(Outcome::Skipped).count() as u64,
            flaky: base.flaky(),
            not_runnable: base.data.broken.iter().map(|b| format!("{}: {}", b.path, b.why)).collect(),
        })
    }

    /// The base commit, exported and run; from memory or disk when nothing changed.
    pub(crate) fn prepare(
        &self,
        commit: &str,
        command: Option<&[String]>,
    ) -> Result<Arc<Prepared>, EffectError> {
        let memory = canonical::hash(&json!({"commit": commit, "command": command}));
        let lock = || self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&memory) {
            return Ok(Arc::clone(known));
        }
        let settings = settings::resolve(&self.repo, commit, command, &self.host, &self.search())?;
        let tree = self.export(commit)?;
        let tree_id = self.repo.tree_of(commit)?;
        let files: BTreeSet<String> = self.repo.files(commit)?.into_iter().collect();
        let key = canonical::hash(&json!({
            "tree": tree_id,
            "command": settings.command,
            "python": settings.interpreter.exe,
            "facts": settings.interpreter.facts,
            "env": settings.env,
            "pythonpath": settings.pythonpath,
            "subfolder": settings.subfolder,
            "harness": harness_hash(),
            "mounts": settings.mounts.iter().map(|mount| mount.host.display().to_string()).collect::<Vec<_>>(),
            "sites": settings.interpreter.stamps(),
        }));
        let kept = self.cache.join("baselines").join(format!("{key}.json"));
        let data =
            match std::fs::read(&kept).ok().and_then(|bytes| serde_json::from_slice::<Data>(&bytes).ok()) {
                Some(data) => data,
                None => {
                    let data = self.measure(&settings, &tree, &files)?;
                    keep(&kept, &data);
                    data
                }
            };
        let test_dir =
            test_dir(data.tests.values().map(|test| test.path.as_str()), &files, &self.repo.subfolder);
        let prepared = Arc::new(Prepared { settings, tree, tree_id, files, test_dir, data });
        lock().insert(memory, Arc::clone(&prepared));
        Ok(prepared)
    }
}

/// The folder that a test of ours belongs in: where most tests are; before any were collected, where most test
/// modules are.
fn test_dir<'a>(
    collected: impl Iterator<Item = &'a str>,
    files: &BTreeSet<String>,
    subfolder: &str,
) -> String {
    let mut folders: BTreeMap<String, usize> = BTreeMap::new();
    let count = |path: &str, folders: &mut BTreeMap<String, usize>| {
        *folders.entry(path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned()).or_default() += 1;
    };
    for path in collected {
        count(path, &mut folders);
    }
    if folders.is_empty() {
        let below = |file: &&String| subfolder.is_empty() || file.starts_with(&format!("{subfolder}/"));
        for file in files.iter().filter(|file| is_test_module(file)).filter(below) {
            count(file, &mut folders);
        }
    }
    // The fullest one; of equals the one nearest to the top.
    folders
        .into_iter()
        .max_by(|(a, n), (b, m)| n.cmp(m).then(b.len().cmp(&a.len())).then(b.cmp(a)))
        .map_or_else(|| subfolder.to_owned(), |(folder, _)| folder)
}

/// Files that a run may not write: test modules, what configures them, and what lies beside them.
pub(crate) fn protected(files: &BTreeSet<String>, collected: &BTreeSet<String>) -> Vec<String> {
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let config = [
        "conftest.py",
        "pytest.ini",
        ".pytest.ini",
        "pytest.toml",
        "pyproject.toml",
        "tox.ini",
        "setup.cfg",
        "prunella.yaml",
    ];
    let first = files.iter().filter(|file| {
        collected.contains(*file) || is_test_module(file) || config.contains(&name(file).as_str())
    });
    let folders = ["test", "tests", "testing"];
    let beside =
        files.iter().filter(|file| file.split('/').rev().skip(1).any(|part| folders.contains(&part)));
    let mut out: Vec<String> = Vec::new();
    let mut seen = BTreeSet::new();
    for file in first.chain(beside) {
        if out.len() < MAX_PROTECTED && seen.insert(file) {
            out.push(file.clone());
        }
    }
    out
}

/// A failing test as nodes see it.
pub(crate) fn failed_test(id: &str, path: &str, failure: Option<&Failure>) -> FailedTest {
    let failure = failure.cloned().unwrap_or_default();
    FailedTest {
        id: id.to_owned(),
        path: path.into(),
        exception: failure.exception,
        message: failure.message,
        frames: failure
            .frames
            .into_iter()
            .map(|frame| Frame {
                file: frame.file,
                line: frame.line,
                function: frame.function,
                code: frame.code,
                repo_line: frame.path.is_some().then_some(frame.line),
                path: frame.path.map(|path| path.as_str().into()),
                ..Frame::default()
            })
            .collect(),
    }
}

/// A cache that cannot be written costs time, not truth.
pub(crate) fn keep(path: &std::path::Path, data: &impl Serialize) {
    if let (Some(folder), Ok(bytes)) = (path.parent(), serde_json::to_vec(data)) {
        let _ = std::fs::create_dir_all(folder);
        let draft = path.with_extension(format!("{}.draft", super::canary::token()));
        if std::fs::write(&draft, bytes).is_ok() {
            let _ = std::fs::rename(&draft, path);
        }
    }
}
