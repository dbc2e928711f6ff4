//! The tests at the base commit, run twice: what passes, what fails and how, what cannot be trusted.

mod foreign;
mod measure;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use prunella_engine::{EffectError, canonical};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Tester;
use super::canary::Canaries;
use super::command::{Command, without_choice};
use super::jobs::{Ran, Step, harness_hash};
use super::records::{Broken, Failure, Outcome};
use super::runners::names;
use super::runners::prepare::Preparation;
use super::runners::toolchain::Places;
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
    /// How long it took the first time, in milliseconds, where that is known.
    #[serde(default)]
    pub(crate) ms: Option<u64>,
}

/// What both runs found; kept on disk.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// Files of the repository that take canaries, for a runner that is not ours.
    #[serde(default)]
    pub(crate) canary_files: Vec<String>,
    /// The seed of the second run's order: that of every later second run, too.
    #[serde(default)]
    pub(crate) order: u32,
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
    /// Steps over the plain base, by what they are: every candidate asks for the same.
    pub(crate) known: Mutex<BTreeMap<String, Arc<Ran>>>,
}

impl Prepared {
    /// What steps over the plain base came to: known, or found out by `run`. `key` is everything that they hang on.
    pub(crate) fn once(
        &self,
        key: &serde_json::Value,
        run: impl FnOnce() -> Result<Ran, EffectError>,
    ) -> Result<Arc<Ran>, EffectError> {
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = canonical::hash(key);
        if let Some(known) = lock().get(&key) {
            return Ok(Arc::clone(known));
        }
        let ran = Arc::new(run()?);
        // What broke off may go well another time.
        if ran.incomplete().is_none() && ran.steps.steps.iter().all(|step| step.incomplete().is_none()) {
            lock().insert(key, Arc::clone(&ran));
        }
        Ok(ran)
    }

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
        let collected = self.data.tests.values().map(|test| &test.path).filter(|path| !path.is_empty());
        let foreign = self.settings.command.foreign().is_some();
        let named = self.files.iter().filter(|path| foreign && names::is_test(path));
        collected.chain(broken).chain(named).cloned().collect()
    }

    /// Tests of ours for a run of the whole suite; `read` gives a file as the run will find it.
    pub(crate) fn canaries(&self, read: &dyn Fn(&str) -> Option<Vec<u8>>) -> Canaries {
        match self.settings.command.foreign() {
            Some(foreign) => {
                Canaries::among(foreign.tool, self.data.canary_files.iter().map(String::as_str), read)
            }
            None => Canaries::new(&self.test_dir, self.settings.command.runner()),
        }
    }

    /// The whole suite as a step, in the order that tests have where the hash seed is `seed`.
    pub(crate) fn suite(&self, extra: Vec<String>, limit: f64, seed: u32) -> Step {
        let order = order_of(seed, self.data.order);
        Step { order, ..suite(&self.settings, &self.data.overridden, extra, limit) }
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
            Command::Foreign(_) => {
                // Reports do not always say where a test is; then all are run.
                step.only = self.files.contains(path);
                step.extra = vec![self.below_start(path)];
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
        let at = words.len().min(3);
        words.splice(at..at, self.data.overridden.iter().cloned());
        words
    }
}

/// The first run keeps the runner's own order, the second has another.
fn order_of(seed: u32, order: u32) -> Option<u32> {
    (seed != 0).then_some(order)
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
        Command::Foreign(_) => {}
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

    /// The base commit, exported, and how its tests are run; what they depend on is prepared.
    pub(crate) fn settle(
        &self,
        commit: &str,
        command: Option<&[String]>,
    ) -> Result<(PathBuf, Settings), EffectError> {
        let tree = self.export(commit)?;
        let fetch = |needed: &Preparation, places: &Places<'_>, allowed: bool| {
            needed.run(&self.launcher, &tree, &self.cache, places, allowed)
        };
        let settings = settings::resolve(&self.repo, commit, command, &self.host, &self.search(), &fetch)?;
        Ok((tree, settings))
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
        let (tree, settings) = self.settle(commit, command)?;
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
            "kit": settings.kit.stamp(),
        }));
        let kept = self.cache.join("baselines").join(format!("{key}.json"));
        let data = match self.sealed.read::<Data>(&kept) {
            Some(data) => data,
            None => {
                // By the tree, so that whoever asks again gets the same.
                let order = tree_id.get(..8).and_then(|hex| u32::from_str_radix(hex, 16).ok()).unwrap_or(1);
                let data = match settings.command.foreign() {
                    Some(foreign) => self.measure_foreign(&settings, foreign, &tree, &files, order)?,
                    None => self.measure(&settings, &tree, &files, order)?,
                };
                self.sealed.keep(&kept, &data);
                data
            }
        };
        let test_dir =
            test_dir(data.tests.values().map(|test| test.path.as_str()), &files, &self.repo.subfolder);
        let prepared =
            Arc::new(Prepared { settings, tree, tree_id, files, test_dir, data, known: Mutex::default() });
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
        collected.contains(*file)
            || is_test_module(file)
            || config.contains(&name(file).as_str())
            || names::is_test(file)
            || names::is_config(file)
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
