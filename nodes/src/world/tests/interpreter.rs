//! Finds the interpreter that the repository's tests are made for, and asks it inside the sandbox what it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use prunella_engine::EffectError;
use prunella_sandbox::{Limits, Mount};
use serde::{Deserialize, Serialize};

use super::UNSTARTABLE;
use super::jobs::{Launcher, Plan};
use super::runners::prepare;
use crate::world::git::GitRepo;

/// What an interpreter says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// Such as `3.12.1`.
    pub(crate) version: String,
    /// `sys.executable`.
    pub(crate) executable: String,
    /// `sys.prefix`.
    pub(crate) prefix: String,
    /// `sys.base_prefix`.
    pub(crate) base_prefix: String,
    /// Folders of installed packages.
    pub(crate) sites: Vec<String>,
    /// pytest's version; empty when it is not there.
    pub(crate) pytest: String,
    /// Modules of the standard library.
    pub(crate) stdlib: Vec<String>,
}

/// An interpreter that was run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interpreter {
    /// Its path.
    pub(crate) exe: PathBuf,
    /// What has to be visible for it, each at its own path.
    pub(crate) mounts: Vec<Mount>,
    /// What it says of itself.
    pub(crate) facts: Facts,
}

impl Interpreter {
    /// When the folders of installed packages changed last: a baseline does not outlive an installation.
    pub(crate) fn stamps(&self) -> Vec<String> {
        let stamp = |path: &str| {
            let time = std::fs::metadata(path).and_then(|meta| meta.modified()).ok()?;
            let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
            Some(format!("{path} {}", since.as_nanos()))
        };
        self.facts.sites.iter().filter_map(|site| stamp(site)).collect()
    }
}

/// Where to look, and how to ask.
pub(crate) struct Search<'a> {
    /// Runs the question.
    pub(crate) launcher: &'a Launcher,
    /// `$VIRTUAL_ENV`.
    pub(crate) virtual_env: Option<&'a Path>,
    /// `$PATH`.
    pub(crate) path: &'a [PathBuf],
    /// Answers so far, by interpreter and mounted folders.
    pub(crate) known: &'a Mutex<BTreeMap<String, Interpreter>>,
}

impl Search<'_> {
    /// The named interpreter, else the first one that has what is wanted; else the first one that runs at all.
    ///
    /// # Errors
    /// Exit 15 with every place that was looked at; 31 when the sandbox cannot start.
    pub(crate) fn find(
        &self,
        repo: &GitRepo,
        named: Option<&str>,
        pythonpath: &[String],
        extra: &[Mount],
        wants_pytest: bool,
    ) -> Result<Interpreter, EffectError> {
        if let Some(own) = self.launcher.python() {
            return self.brought(&own, repo, named, pythonpath, extra, wants_pytest);
        }
        let mut looked = Vec::new();
        let mut runs = None;
        for exe in self.places(repo, named) {
            let shown = exe.display().to_string();
            if !exe.is_file() {
                if named.is_some() {
                    looked.push(format!("{shown} (not there)"));
                }
                continue;
            }
            let (exe, mounts) = match toolchain(&exe, &repo.root) {
                Ok(found) => found,
                Err(why) => {
                    looked.push(format!("{shown} ({why})"));
                    continue;
                }
            };
            match self.ask(exe, mounts, pythonpath, extra, &[])? {
                Ok(found) if !wants_pytest || !found.facts.pytest.is_empty() => return Ok(found),
                Ok(found) => {
                    looked.push(format!("{shown} (Python {}, no pytest)", found.facts.version));
                    runs = runs.or(Some(found));
                }
                Err(why) => looked.push(format!("{shown} ({why})")),
            }
        }
        runs.ok_or_else(|| {
            let looked = if looked.is_empty() { "nowhere to look".to_owned() } else { looked.join(", ") };
            EffectError::new(
                "tests.interpreter",
                UNSTARTABLE,
                format!("no Python interpreter runs here: {looked}"),
            )
            .help("name one with --python, or with `tests: {python: …}` in prunella.yaml")
        })
    }

    /// Whether the sandbox brings an interpreter along.
    pub(crate) fn brings(&self) -> bool {
        self.launcher.python().is_some()
    }

    /// Whether an interpreter is that of an environment which the user made for the repository.
    pub(crate) fn own(&self, repo: &GitRepo, found: &Interpreter) -> bool {
        found.exe.starts_with(&repo.root) || self.virtual_env.is_some_and(|env| found.exe.starts_with(env))
    }

    /// The interpreter of the environment in `folder` that was prepared with `base`.
    ///
    /// # Errors
    /// Exit 15 when it does not run; 31 when the sandbox cannot start.
    pub(crate) fn prepared(
        &self,
        base: &Interpreter,
        folder: &Path,
        pythonpath: &[String],
        extra: &[Mount],
    ) -> Result<Interpreter, EffectError> {
        let mount = Mount { host: folder.to_owned(), guest: prepare::PREPARED.into() };
        let mut extra = extra.to_vec();
        extra.push(mount.clone());
        let mut found = self
            .ask(prepare::environment(), base.mounts.clone(), pythonpath, &extra, &[])?
            .map_err(|why| {
                let why = format!("the prepared environment in {} does not run: {why}", folder.display());
                EffectError::new("tests.interpreter", UNSTARTABLE, why)
                    .help("delete that folder, so that it is made anew")
            })?;
        found.mounts.push(mount);
        Ok(found)
    }

    /// The interpreter that the sandbox brings along. One that has no packages of its own is lent those of the first
    /// environment of this machine that has what is wanted.
    fn brought(
        &self,
        own: &str,
        repo: &GitRepo,
        named: Option<&str>,
        pythonpath: &[String],
        extra: &[Mount],
        wants_pytest: bool,
    ) -> Result<Interpreter, EffectError> {
        let mut tries: Vec<(PathBuf, Vec<Mount>, Vec<String>)> = Vec::new();
        if self.launcher.forks() {
            tries.push((named.unwrap_or(own).into(), Vec::new(), Vec::new()));
        } else {
            for exe in self.places(repo, named).into_iter().filter(|exe| exe.is_file()) {
                let sites = toolchain(&exe, &repo.root).map(|(exe, _)| sites(&exe)).unwrap_or_default();
                let mounts =
                    sites.iter().map(|site| Mount { host: site.clone(), guest: site.clone() }).collect();
                let sites: Vec<String> =
                    sites.iter().map(|site| site.to_string_lossy().into_owned()).collect();
                if !sites.is_empty() && tries.iter().all(|(_, _, before)| *before != sites) {
                    tries.push((own.into(), mounts, sites));
                }
            }
            tries.push((own.into(), Vec::new(), Vec::new()));
        }
        let mut looked = Vec::new();
        let mut runs = None;
        for (exe, mounts, sites) in tries {
            match self.ask(exe, mounts, pythonpath, extra, &sites)? {
                Ok(found) if !wants_pytest || !found.facts.pytest.is_empty() => return Ok(found),
                // The last one has no packages of others: what is not needed is not shown.
                Ok(found) => runs = Some(found),
                Err(why) => looked.push(why),
            }
        }
        runs.ok_or_else(|| {
            let why = format!("the sandbox's own Python does not run ({own}): {}", looked.join("; "));
            EffectError::new("tests.interpreter", UNSTARTABLE, why)
        })
    }

    /// Paths of interpreters, best first.
    fn places(&self, repo: &GitRepo, named: Option<&str>) -> Vec<PathBuf> {
        let here = repo.root.join(&repo.subfolder);
        if let Some(named) = named {
            if named.contains('/') {
                let path = here.join(named);
                // The folder of an environment will do as well.
                return vec![if path.is_dir() { path.join("bin/python") } else { path }];
            }
            return self.path.iter().map(|dir| dir.join(named)).collect();
        }
        let mut places = Vec::new();
        for env in self
            .virtual_env
            .map(Path::to_owned)
            .into_iter()
            .chain([&here, &repo.root].into_iter().flat_map(|top| [top.join(".venv"), top.join("venv")]))
        {
            places.push(env.join("bin/python"));
        }
        for name in ["python3", "python"] {
            places.extend(self.path.iter().filter(|dir| dir.is_absolute()).map(|dir| dir.join(name)));
        }
        let mut seen = std::collections::BTreeSet::new();
        places.retain(|place| seen.insert(place.clone()));
        places
    }

    /// Runs the interpreter in the sandbox. The inner error says why it is of no use.
    fn ask(
        &self,
        exe: PathBuf,
        mounts: Vec<Mount>,
        pythonpath: &[String],
        extra: &[Mount],
        sites: &[String],
    ) -> Result<Result<Interpreter, String>, EffectError> {
        let key = format!("{}\n{pythonpath:?}\n{extra:?}\n{sites:?}", exe.display());
        let lock = || self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = lock().get(&key) {
            return Ok(Ok(known.clone()));
        }
        let plan = Plan { pythonpath: pythonpath.to_vec(), sites: sites.to_vec(), ..Plan::asking("facts") };
        let mut all = mounts.clone();
        all.extend(extra.iter().cloned());
        let limits = Limits { wall: Duration::from_secs(60), ..Limits::default() };
        let answer = self.launcher.ask(&exe, all, &plan, limits, "facts")?;
        Ok(match answer.and_then(|value| serde_json::from_value::<Facts>(value).map_err(|e| e.to_string())) {
            Ok(facts) => {
                let found = Interpreter { exe, mounts, facts };
                lock().insert(key, found.clone());
                Ok(found)
            }
            Err(why) => Err(why),
        })
    }
}

/// The real interpreter behind `exe` and the folders it needs. A program of the repository itself is never started
/// on this machine; a launcher script on `PATH` (such as a version manager's) is asked which one it stands for.
pub(crate) fn toolchain(exe: &Path, root: &Path) -> Result<(PathBuf, Vec<Mount>), String> {
    let mut exe = exe.to_owned();
    if is_script(&exe) {
        let real = exe.canonicalize().map_err(|e| e.to_string())?;
        if real.starts_with(root) {
            return Err("a script of the repository".to_owned());
        }
        exe = launched(&exe)?;
    }
    let real = exe.canonicalize().map_err(|e| e.to_string())?;
    let prefix = |path: &Path| path.parent().and_then(Path::parent).map(Path::to_owned);
    let mut folders: Vec<PathBuf> = prefix(&real).into_iter().collect();
    if let Some(env) = prefix(&exe).filter(|env| env.join("pyvenv.cfg").is_file()) {
        let config = std::fs::read_to_string(env.join("pyvenv.cfg")).unwrap_or_default();
        let home =
            config.lines().filter_map(|line| line.split_once('=')).find(|(key, _)| key.trim() == "home");
        if let Some((_, home)) = home {
            folders.extend(Path::new(home.trim()).parent().map(Path::to_owned));
        }
        folders.push(env);
    } else {
        folders.extend(prefix(&exe));
    }
    let system =
        |folder: &Path| folder == Path::new("/") || folder.starts_with("/usr") || folder == Path::new("/bin");
    folders.retain(|folder| !system(folder) && folder.is_dir());
    folders.sort();
    folders.dedup();
    let home = std::env::var_os("HOME").map(PathBuf::from);
    if let Some(folder) =
        folders.iter().find(|folder| home.as_deref().is_some_and(|home| home.starts_with(folder)))
    {
        return Err(format!("it needs all of {}", folder.display()));
    }
    Ok((exe, folders.into_iter().map(|folder| Mount { guest: folder.clone(), host: folder }).collect()))
}

/// The folders of installed packages of the interpreter `exe`, found without running it.
fn sites(exe: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut prefixes: Vec<PathBuf> = Vec::new();
    for exe in [Some(exe.to_owned()), exe.canonicalize().ok()].into_iter().flatten() {
        prefixes.extend(exe.parent().and_then(Path::parent).map(Path::to_owned));
    }
    if prefixes.iter().any(|prefix| prefix == Path::new("/usr")) {
        prefixes.push("/usr/local".into());
    }
    for prefix in prefixes {
        let Ok(entries) = std::fs::read_dir(prefix.join("lib")) else { continue };
        let mut libraries: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        libraries.sort();
        let pythons = libraries.iter().filter(|library| {
            library.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python3"))
        });
        for library in pythons {
            let folders = ["site-packages", "dist-packages"].map(|name| library.join(name));
            found.extend(folders.into_iter().filter(|folder| folder.is_dir() && !folder.is_symlink()));
        }
        // An environment's own packages are all that it shows.
        if prefix.join("pyvenv.cfg").is_file() {
            break;
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|folder| seen.insert(folder.clone()));
    found
}

fn is_script(exe: &Path) -> bool {
    use std::io::Read;
    let mut head = [0; 2];
    std::fs::File::open(exe).and_then(|mut file| file.read_exact(&mut head)).is_ok() && &head == b"#!"
}

/// Which interpreter a launcher script of this machine stands for. It is started in `/`, so that nothing of the
/// repository has a say, without site packages.
fn launched(script: &Path) -> Result<PathBuf, String> {
    let output = Command::new(script)
        .args(["-I", "-S", "-c", "import sys; print(sys.executable)"])
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .map_err(|e| e.to_string())?;
    let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() || !path.starts_with('/') {
        return Err("a launcher that leads to no interpreter".to_owned());
    }
    Ok(PathBuf::from(path))
}
