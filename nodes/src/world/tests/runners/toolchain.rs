//! What a foreign runner needs of this machine: its programs and its dependencies, read-only at their own paths, and
//! the variables that keep it off the network.

mod go;
mod java;
mod node;
mod rust;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use prunella_engine::EffectError;
use prunella_sandbox::Mount;

use super::{Foreign, Tool, prepare};
use crate::world::git::GitRepo;
use crate::world::tests::UNSTARTABLE;
use crate::world::tests::interpreter::toolchain;

/// A runner's programs and dependencies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kit {
    /// The program that the first word of the command stands for; nothing to look it up in the sandbox.
    pub(crate) program: Option<PathBuf>,
    /// What it says of itself; empty when unknown.
    pub(crate) version: String,
    /// Rust's name for this machine.
    pub(crate) triple: String,
    /// What is visible, each at its own path.
    pub(crate) mounts: Vec<Mount>,
    /// Variables.
    pub(crate) env: BTreeMap<String, String>,
    /// Symbolic links in the sandbox: where to, and where they lie.
    pub(crate) links: Vec<(String, String)>,
    /// Files under `/prunella`.
    pub(crate) files: Vec<(String, String)>,
    /// Where dependencies were found, for a person.
    pub(crate) dependencies: Vec<String>,
    /// What is missing and may not be fetched: the error, should the tests not run without it.
    pub(crate) missing: Option<EffectError>,
}

/// Where to look.
pub(crate) struct Places<'a> {
    /// The repository.
    pub(crate) repo: &'a GitRepo,
    /// The base commit.
    pub(crate) commit: &'a str,
    /// `$PATH`.
    pub(crate) path: &'a [PathBuf],
    /// Prepared dependencies, when there are any.
    pub(crate) prepared: Option<&'a Path>,
}

impl Places<'_> {
    /// The first program of that name on `PATH` that is none of the repository's.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        use std::os::unix::fs::PermissionsExt;
        self.path
            .iter()
            .filter(|dir| dir.is_absolute() && !dir.starts_with(&self.repo.root))
            .map(|dir| dir.join(name))
            .find(|file| file.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0))
    }

    /// [`Self::program`], or the error that names what is missing.
    pub(super) fn need(&self, name: &str, tool: Tool) -> Result<PathBuf, EffectError> {
        self.program(name).ok_or_else(|| {
            EffectError::new(
                "tests.toolchain",
                UNSTARTABLE,
                format!("the tests need `{name}` ({}), and it is not on PATH", tool.name()),
            )
            .help("install it, put it on PATH, or name another runner with --runner")
        })
    }

    /// A file of the base commit below the folder that the tests are started in, as text.
    pub(crate) fn read(&self, path: &str) -> Option<String> {
        let path = match self.repo.subfolder.as_str() {
            "" => path.to_owned(),
            folder => format!("{folder}/{path}"),
        };
        let bytes = self.repo.read(self.commit, &path).ok().flatten()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The folder that tests are started in, in the sandbox.
    pub(crate) fn start(&self) -> String {
        match self.repo.subfolder.as_str() {
            "" => "/repo".to_owned(),
            folder => format!("/repo/{folder}"),
        }
    }
}

impl Kit {
    /// Finds what `foreign` needs.
    ///
    /// # Errors
    /// Exit 15 when a program or its dependencies are not here.
    pub(crate) fn find(foreign: &Foreign, places: &Places<'_>) -> Result<Self, EffectError> {
        let mut kit = match foreign.tool {
            Tool::Cargo | Tool::Nextest => rust::kit(foreign.tool, places)?,
            Tool::Node | Tool::Jest | Tool::Vitest | Tool::Mocha => node::kit(foreign.tool, places)?,
            Tool::Go => go::kit(places)?,
            Tool::Maven | Tool::Gradle => java::kit(foreign, places)?,
            Tool::Junit | Tool::Tap => any(foreign, places)?,
        };
        if let Some(prepared) = places.prepared {
            // Programs that were installed know themselves by the place where that was.
            let guest = PathBuf::from(prepare::PREPARED);
            kit.mounts.push(Mount { host: prepared.to_owned(), guest: guest.clone() });
            kit.path(&guest.join("bin"));
            kit.dependencies.push(prepared.display().to_string());
        }
        kit.mounts.sort();
        kit.mounts.dedup();
        Ok(kit)
    }

    /// Makes `folder` visible at its own path, unless it is visible anyway.
    pub(super) fn show(&mut self, folder: &Path) {
        if !folder.starts_with("/usr") && folder.exists() {
            self.mounts.push(Mount { host: folder.to_owned(), guest: folder.to_owned() });
        }
    }

    /// Puts a folder of programs first on `PATH`.
    pub(super) fn path(&mut self, folder: &Path) {
        let rest = self.env.remove("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".to_owned());
        self.env.insert("PATH".to_owned(), format!("{}:{rest}", folder.display()));
    }

    /// A program with what lies around it.
    pub(crate) fn take(&mut self, exe: &Path, places: &Places<'_>) -> Result<PathBuf, EffectError> {
        let (exe, mounts) = toolchain(exe, &places.repo.root).map_err(|why| {
            EffectError::new("tests.toolchain", UNSTARTABLE, format!("{}: {why}", exe.display()))
        })?;
        self.mounts.extend(mounts);
        if let Some(folder) = exe.parent().filter(|folder| !folder.starts_with("/usr")) {
            self.path(folder);
        }
        Ok(exe)
    }
}

/// A command that is nobody's: its program when it is on `PATH`, and node's dependencies where there are some.
fn any(foreign: &Foreign, places: &Places<'_>) -> Result<Kit, EffectError> {
    let mut kit = Kit::default();
    if let Some(node) = places.program("node") {
        // Most scripts that write TAP are node's.
        let _ = kit.take(&node, places);
        node::modules(&mut kit, places);
    }
    let word = foreign.words.first().map_or("", String::as_str);
    if !word.contains('/') {
        let exe = places.need(word, foreign.tool)?;
        if !exe.starts_with("/usr") && !exe.starts_with("/bin") {
            let exe = kit.take(&exe, places)?;
            kit.program = Some(exe);
        }
    }
    Ok(kit)
}

/// What a program of this machine says, started in `/`, so that nothing of the repository has a say.
pub(crate) fn ask(exe: &Path, words: &[&str], env: &[(&str, &str)]) -> Option<String> {
    let output = Command::new(exe)
        .args(words)
        .envs(env.iter().copied())
        .current_dir("/")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The user's home.
pub(super) fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute())
}

/// A folder that a variable names, else one below the home.
pub(crate) fn folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
        .or_else(|| home().map(|home| home.join(below_home)))
        .filter(|folder| folder.is_absolute())
}

impl Kit {
    /// Changes when the kit does: results of another one are not used.
    pub(crate) fn stamp(&self) -> serde_json::Value {
        let changed = |path: &String| {
            let time = std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
            time.and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok()).map(|t| t.as_nanos().to_string())
        };
        serde_json::json!({
            "program": self.program.as_ref().map(|path| path.display().to_string()),
            "version": self.version,
            "env": self.env,
            "links": self.links,
            "dependencies": self.dependencies.iter().map(|path| (path.clone(), changed(path))).collect::<Vec<_>>(),
        })
    }
}
