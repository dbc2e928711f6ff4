//! How the repository's tests are run here: what the user said, what `prunella.yaml` says, what is found.

mod foreign;
mod surroundings;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use prunella_engine::EffectError;
use prunella_sandbox::Mount;
use serde::{Deserialize, Serialize};

use super::command::{self, Command, Unittest};
use super::interpreter::{Interpreter, Search};
use super::runners::prepare::{self, Preparation};
use super::runners::toolchain::{Kit, Places};
use super::{UNSTARTABLE, yaml};
use crate::gate::is_test_module;
use crate::world::git::GitRepo;
use foreign::{choose, foreign_settings};
pub(super) use surroundings::check_env;
use surroundings::paths;

/// Test settings as a user gives them: by flags, by `PRUNELLA_*`, or as `tests:` of `prunella.yaml`. What is empty
/// is found out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostSettings {
    /// The runner by name, such as `cargo`; found out when absent.
    pub runner: Option<String>,
    /// The command, such as `python -m pytest -q tests`.
    pub command: Option<Vec<String>>,
    /// How the command's report is written: `junit` or `tap`.
    pub report: Option<String>,
    /// Where the command writes its reports, relative to where the tests are started; a star stands for anything.
    pub report_paths: Vec<String>,
    /// The command that fetches dependencies, such as `npm ci`; found out when absent. It runs only where
    /// `network_prepare` allows it.
    pub prepare: Option<Vec<String>>,
    /// Whether dependencies may be fetched: the user's to say, never the repository's.
    pub network_prepare: bool,
    /// The interpreter: a path, or a name on `PATH`.
    pub python: Option<String>,
    /// Environment variables of the tests.
    pub env: BTreeMap<String, String>,
    /// Folders that modules are found in, relative to the repository's top; one outside it is made visible read-only.
    pub pythonpath: Vec<String>,
    /// Further folders of this machine that tests read, relative to the top or absolute; visible read-only at their
    /// own path.
    pub mounts: Vec<String>,
}

impl HostSettings {
    /// These settings, completed by `other` where they say nothing. Variables are merged name by name.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        // Who names a runner or a command names both; a report belongs to its runner.
        let same = self.runner.is_none() || self.runner == other.runner;
        if same && self.report.is_none() && self.report_paths.is_empty() {
            self.report = other.report;
            self.report_paths = other.report_paths;
        }
        if self.command.is_none() && same {
            self.runner = self.runner.or(other.runner);
            self.command = other.command;
        }
        self.prepare = self.prepare.or(other.prepare);
        self.python = self.python.or(other.python);
        for (name, value) in other.env {
            self.env.entry(name).or_insert(value);
        }
        if self.pythonpath.is_empty() {
            self.pythonpath = other.pythonpath;
        }
        if self.mounts.is_empty() {
            self.mounts = other.mounts;
        }
        self
    }
}

/// Settings that a run can be started with.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// What to run.
    pub(crate) command: Command,
    /// By which interpreter.
    pub(crate) interpreter: Interpreter,
    /// Environment variables.
    pub(crate) env: BTreeMap<String, String>,
    /// Folders that modules are found in: absolute for mounted ones, else relative to the top.
    pub(crate) pythonpath: Vec<String>,
    /// What is visible beside the tree.
    pub(crate) mounts: Vec<Mount>,
    /// Where the tests are started, relative to the top.
    pub(crate) subfolder: String,
    /// What a runner needs that is not ours.
    pub(crate) kit: Kit,
    /// The files of the base commit.
    pub(crate) files: BTreeSet<String>,
    /// Other runners that the repository speaks of.
    pub(crate) others: Vec<String>,
}

/// Fetches dependencies, when that is allowed, and gives their folder.
pub(crate) type Fetch<'a> = &'a dyn Fn(&Preparation, &Places<'_>, bool) -> Result<PathBuf, EffectError>;

/// Works out how the tests of `commit` are run. `command` overrides what `host` and `prunella.yaml` say.
///
/// # Errors
/// Exit 2 for settings that cannot be followed, 15 when no interpreter is found.
pub(crate) fn resolve(
    repo: &GitRepo,
    commit: &str,
    command: Option<&[String]>,
    host: &HostSettings,
    search: &Search<'_>,
    fetch: Fetch<'_>,
) -> Result<Settings, EffectError> {
    let usage = |why: String| EffectError::new("tests.settings", 2, why);
    let mut given = host.clone();
    if let Some(command) = command {
        given.command = Some(command.to_vec());
    }
    if let Some(text) = repo.read(commit, "prunella.yaml")? {
        given = given.or(yaml::read(&String::from_utf8_lossy(&text)).map_err(usage)?);
    }
    let files = repo.files(commit)?;
    check_env(&given.env).map_err(usage)?;
    let mut places = Places { repo, commit, path: search.path, prepared: None };
    let (foreign, others) = choose(repo, &files, &given, &places).map_err(usage)?;
    if let Some(foreign) = foreign {
        let mut missing = None;
        let prepared = match prepare::needed(&foreign, &places, given.prepare.as_deref()) {
            Some(needed) => match fetch(&needed, &places, given.network_prepare) {
                Ok(folder) => Some(folder),
                // It may well do without.
                Err(error) if !given.network_prepare => {
                    missing = Some(error);
                    None
                }
                Err(error) => return Err(error),
            },
            None => None,
        };
        places.prepared = prepared.as_deref();
        return match foreign_settings(foreign, others, &given, &files, &places) {
            Ok(mut settings) => {
                settings.kit.missing = missing;
                Ok(settings)
            }
            Err(error) => Err(missing.unwrap_or(error)),
        };
    }
    let mut python = given.python.clone();
    let parsed = match &given.command {
        Some(argv) => {
            let (named, command) = command::parse(argv).map_err(|why| {
                EffectError::new("tests.command", UNSTARTABLE, why)
                    .help("give --test-command, or `tests: {command: [python, -m, pytest]}` in prunella.yaml")
            })?;
            python = python.or(named);
            Some(command)
        }
        None => None,
    };
    let (pythonpath, mut mounts) = paths(repo, &files, &given).map_err(usage)?;
    let wants_pytest = match &parsed {
        Some(command) => command.runner() == "pytest",
        None => given.runner.as_deref() != Some("unittest"),
    };
    let found = search.find(repo, python.as_deref(), &pythonpath, &mounts, wants_pytest)?;
    let own = python.is_none() && !search.brings() && !search.own(repo, &found);
    let locked =
        own.then(|| prepare::python(&places, &found.exe, &found.facts.version, &found.mounts)).flatten();
    let (interpreter, missing) = match locked.map(|needed| fetch(&needed, &places, given.network_prepare)) {
        Some(Ok(folder)) => (search.prepared(&found, &folder, &pythonpath, &mounts)?, None),
        Some(Err(error)) if given.network_prepare => return Err(error),
        // This machine's own may do.
        Some(Err(error)) => (found, Some(error)),
        None => (found, None),
    };
    mounts.extend(interpreter.mounts.iter().cloned());
    mounts.sort();
    mounts.dedup();
    let command = parsed.unwrap_or_else(|| {
        let wanted = given.runner.as_deref();
        if wanted == Some("unittest") || (wanted.is_none() && interpreter.facts.pytest.is_empty()) {
            Command::Unittest(default_unittest(&files, &repo.subfolder))
        } else {
            Command::Pytest { options: Vec::new(), paths: Vec::new() }
        }
    });
    if command.runner() == "pytest" && interpreter.facts.pytest.is_empty() {
        return Err(EffectError::new(
            "tests.runner",
            UNSTARTABLE,
            format!("no module named pytest in {}", interpreter.exe.display()),
        )
        .help("install pytest there, or name another interpreter with --python or `tests: {python: …}` in prunella.yaml"));
    }
    Ok(Settings {
        command,
        interpreter,
        env: given.env,
        pythonpath,
        mounts,
        subfolder: repo.subfolder.clone(),
        kit: Kit { missing, ..Kit::default() },
        files: files.into_iter().collect(),
        others,
    })
}

/// The container image that `prunella.yaml` names at `commit`: `sandbox: {image: NAME}`.
///
/// # Errors
/// Exit 2 when the file cannot be followed, 5 when the commit cannot be read.
pub fn sandbox_image(repo: &GitRepo, commit: &str) -> Result<Option<String>, EffectError> {
    let Some(text) = repo.read(commit, "prunella.yaml")? else { return Ok(None) };
    yaml::image(&String::from_utf8_lossy(&text)).map_err(|why| EffectError::new("tests.settings", 2, why))
}

/// unittest's discovery where no command is given: from the top when the folder of tests is a package, else in it.
fn default_unittest(files: &[String], subfolder: &str) -> Unittest {
    let prefix = if subfolder.is_empty() { String::new() } else { format!("{subfolder}/") };
    let below = || files.iter().filter_map(|file| file.strip_prefix(&prefix));
    let start = ["tests", "test"].into_iter().find(|folder| {
        let inside = format!("{folder}/");
        below().any(|file| file.starts_with(&inside) && is_test_module(file))
            && !below().any(|file| file == format!("{folder}/__init__.py"))
    });
    Unittest { start: start.unwrap_or(".").to_owned(), pattern: "test*.py".to_owned(), ..Unittest::default() }
}
