//! How the repository's tests are run here: what the user said, what `prunella.yaml` says, what is found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use prunella_engine::EffectError;
use prunella_sandbox::Mount;
use serde::{Deserialize, Serialize};

use super::command::{self, Command, Unittest};
use super::interpreter::{Facts, Interpreter, Search};
use super::runners::detect::{self, detect};
use super::runners::prepare::{self, Preparation};
use super::runners::toolchain::{Kit, Places};
use super::runners::{Foreign, Tool};
use super::{UNSTARTABLE, yaml};
use crate::gate::is_test_module;
use crate::world::git::GitRepo;

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
    let interpreter = search.find(repo, python.as_deref(), &pythonpath, &mounts, wants_pytest)?;
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
        kit: Kit::default(),
        files: files.into_iter().collect(),
        others,
    })
}

/// The runner that is not ours, when it is one, and the others that the repository speaks of.
fn choose(
    repo: &GitRepo,
    files: &[String],
    given: &HostSettings,
    places: &Places<'_>,
) -> Result<(Option<Foreign>, Vec<String>), String> {
    let found =
        detect(files, &repo.subfolder, &|path| places.read(path), &|name| places.program(name).is_some());
    let mut seen = found.others.clone();
    let script = || places.read("package.json").and_then(|text| detect::script(&text));
    let report = match given.report.as_deref() {
        None => None,
        Some(word) => match Tool::named(word).filter(|tool| matches!(tool, Tool::Junit | Tool::Tap)) {
            Some(tool) => Some(tool),
            None => return Err(format!("report `{word}` is neither `junit` nor `tap`")),
        },
    };
    let named = match given.runner.as_deref() {
        None => None,
        Some("pytest" | "unittest") => {
            seen.extend(found.foreign.map(|foreign| format!("{} ({})", foreign.tool.name(), found.by)));
            return Ok((None, seen));
        }
        Some(name) => Some(Tool::named(name).ok_or_else(|| {
            let names: Vec<&str> = Tool::ALL.iter().map(|tool| tool.name()).collect();
            format!("runner `{name}` is not known; there are pytest, unittest, {}", names.join(", "))
        })?),
    };
    if named.is_some() && named != found.foreign.as_ref().map(|foreign| foreign.tool) {
        let by = found.foreign.as_ref().map(|foreign| format!("{} ({})", foreign.tool.name(), found.by));
        seen.extend(by);
    }
    let npm = |argv: &[String]| {
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        matches!(words.as_slice(), ["npm" | "yarn" | "pnpm", "test" | "t", ..] | ["npm", "run", "test", ..])
    };
    let (tool, words) = match (&given.command, named, report) {
        // The command's own report comes before what the command looks like.
        (Some(argv), None, Some(tool)) => (tool, argv.clone()),
        (Some(argv), Some(tool), _) => match detect::typed(argv) {
            Some((same, words)) if same == tool => (tool, words),
            _ => (tool, argv.clone()),
        },
        (Some(argv), None, None) => {
            let typed = if npm(argv) { script() } else { detect::typed(argv) };
            match typed {
                Some(typed) => typed,
                None => return Ok((None, seen)),
            }
        }
        (None, Some(tool), _) => match script().filter(|(other, _)| *other == tool) {
            Some(typed) if tool.on_node() => typed,
            _ => (tool, tool.words()),
        },
        (None, None, _) => return Ok((found.foreign, seen)),
    };
    if words.is_empty() {
        return Err(format!(
            "runner `{}` needs the command that writes the report: --test-command, or `tests: {{command: […]}}` in prunella.yaml",
            tool.name()
        ));
    }
    if tool == Tool::Junit && given.report_paths.is_empty() {
        return Err("runner `junit` needs to know where the report is: `tests: {report: junit, path: build/*.xml}` in prunella.yaml".to_owned());
    }
    for path in &given.report_paths {
        if path.starts_with('/') || path.split('/').any(|part| part == "..") || path.contains('\n') {
            return Err(format!("report path `{path}` does not lie below where the tests are started"));
        }
    }
    let own = matches!(tool, Tool::Junit | Tool::Tap) || report.is_some();
    let reports = if own { given.report_paths.clone() } else { Vec::new() };
    if words.iter().chain(&reports).any(|word| word.contains('\n')) {
        return Err("a word of the test command goes over more than one line".to_owned());
    }
    Ok((Some(Foreign { tool, words, reports }), seen))
}

/// The settings of a runner that is not ours.
fn foreign_settings(
    foreign: Foreign,
    others: Vec<String>,
    given: &HostSettings,
    files: &[String],
    places: &Places<'_>,
) -> Result<Settings, EffectError> {
    let repo = places.repo;
    let (_, mut mounts) =
        paths(repo, files, given).map_err(|why| EffectError::new("tests.settings", 2, why))?;
    let kit = Kit::find(&foreign, places)?;
    mounts.extend(kit.mounts.iter().cloned());
    mounts.sort();
    mounts.dedup();
    let program = foreign.words.first().map(PathBuf::from).unwrap_or_default();
    Ok(Settings {
        interpreter: Interpreter {
            exe: kit.program.clone().unwrap_or(program),
            facts: Facts { version: kit.version.clone(), ..Facts::default() },
            ..Interpreter::default()
        },
        command: Command::Foreign(foreign),
        env: given.env.clone(),
        pythonpath: Vec::new(),
        mounts,
        subfolder: repo.subfolder.clone(),
        kit,
        files: files.iter().cloned().collect(),
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

type Paths = (Vec<String>, Vec<Mount>);

/// The folders that modules are found in, and what has to be visible for them.
fn paths(repo: &GitRepo, files: &[String], given: &HostSettings) -> Result<Paths, String> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let here = repo.root.join(&repo.subfolder);
    let mut mounts = Vec::new();
    let mut entries = Vec::new();
    for entry in &given.pythonpath {
        match inside(&repo.root, &here, entry) {
            Some(relative) => entries.push(relative),
            None => {
                let mount = mount(&here, entry, home.as_deref())?;
                entries.push(mount.guest.to_string_lossy().into_owned());
                mounts.push(mount);
            }
        }
    }
    if given.pythonpath.is_empty() {
        let prefix = if repo.subfolder.is_empty() { String::new() } else { format!("{}/", repo.subfolder) };
        if files.iter().any(|file| file.starts_with(&format!("{prefix}src/")) && file.ends_with(".py")) {
            entries.push(format!("{prefix}src"));
        }
    }
    if !entries.contains(&repo.subfolder) {
        entries.push(repo.subfolder.clone());
    }
    for entry in &given.mounts {
        mounts.push(mount(&here, entry, home.as_deref())?);
    }
    let mut seen = std::collections::BTreeSet::new();
    entries.retain(|entry| seen.insert(entry.clone()));
    Ok((entries, mounts))
}

/// Where `entry` lies below the repository's top, when it does; the top itself is the empty string.
fn inside(root: &Path, here: &Path, entry: &str) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in here.join(entry).components() {
        match part {
            Component::ParentDir => {
                parts.pop();
            }
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    let full = PathBuf::from(format!("/{}", parts.join("/")));
    full.strip_prefix(root).ok().map(|rest| rest.to_string_lossy().into_owned())
}

/// Names that no folder of secrets is made visible under.
const SECRETS: &[&str] = &[
    ".ssh",
    ".aws",
    ".gnupg",
    ".kube",
    ".docker",
    ".config",
    ".azure",
    ".gcloud",
    ".netrc",
    ".git-credentials",
    ".npmrc",
    ".pypirc",
    ".password-store",
    ".mozilla",
    ".git",
    "keyrings",
];

/// A folder of this machine as a mount at its own path.
fn mount(here: &Path, entry: &str, home: Option<&Path>) -> Result<Mount, String> {
    let named = here.join(entry);
    let host = named
        .canonicalize()
        .map_err(|e| format!("`{entry}` (of pythonpath or mounts) at {}: {e}", named.display()))?;
    if host.parent().is_none() || home.is_some_and(|home| home.starts_with(&host)) {
        return Err(format!(
            "`{entry}` would make {} visible to the tests; name the folder in it that they need",
            host.display()
        ));
    }
    if let Some(part) = host.components().find(|part| SECRETS.iter().any(|name| part.as_os_str() == *name)) {
        return Err(format!(
            "`{entry}` lies in `{}`, where secrets are kept",
            part.as_os_str().to_string_lossy()
        ));
    }
    Ok(Mount { guest: host.clone(), host })
}

/// Variables that would change the interpreter or the loader, or look like secrets, are refused.
pub(super) fn check_env(env: &BTreeMap<String, String>) -> Result<(), String> {
    for name in env.keys() {
        let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !plain {
            return Err(format!("`{}` is no name of an environment variable", name.escape_debug()));
        }
        let upper = name.to_uppercase();
        let loader = upper.starts_with("LD_")
            || upper.starts_with("DYLD_")
            || upper.starts_with("PRUNELLA_")
            || matches!(
                upper.as_str(),
                "PATH" | "HOME" | "PYTHONHOME" | "PYTHONPATH" | "PYTHONSTARTUP" | "PYTHONINSPECT"
            );
        if loader {
            return Err(format!(
                "variable {name} is not the tests' to set; use `pythonpath`, `python` or `mounts`"
            ));
        }
        let secret = [
            "SECRET",
            "TOKEN",
            "PASSWORD",
            "PASSWD",
            "CREDENTIAL",
            "API_KEY",
            "APIKEY",
            "PRIVATE_KEY",
            "ACCESS_KEY",
        ];
        if let Some(word) = secret.iter().find(|word| upper.contains(**word)) {
            return Err(format!("variable {name} looks like a secret ({word}); candidates could read it"));
        }
    }
    Ok(())
}
