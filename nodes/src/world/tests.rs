//! Runs the repository's own tests in the sandbox, and says what they prove.
//!
//! A [`Tester`] belongs to one repository and one sandbox. It exports the base commit once, runs the tests there
//! twice ([`Tester::baseline`]), tries tests of ours ([`Tester::probe`]) and many candidates against one test
//! ([`Tester::batch`]), and judges a candidate ([`Tester::judge`], [`Tester::judge_patch`]).
//!
//! pytest and unittest run under a harness of ours (`harness/*.py`): a parent that never imports a line of the
//! repository forks one process a step, and forwards that process's records over a channel that the step does not
//! have. Where nothing can be forked, each step is a job of its own, and the host stands in for the parent (`solo`).
//! Other runners ([`runners`]) report by themselves, and are believed less.

mod baseline;
mod batch;
mod canary;
mod command;
mod compare;
mod doctor;
mod evidence;
pub(super) mod exec;
mod export;
mod interpreter;
mod jobs;
mod judge;
mod probe;
mod records;
mod regressions;
mod runners;
mod seal;
mod settings;
mod solo;
mod workers;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use prunella_engine::EffectError;
use prunella_sandbox::Sandbox;

pub use batch::BatchRequest;
pub use compare::Comparison;
pub use doctor::Findings;
pub use judge::{Judgement, SeenTest, Wanted};
pub use settings::{HostSettings, sandbox_image};

use crate::gate::{self, Refusal, Refused};
use crate::world::git::{FileEdit, GitRepo};
use baseline::Prepared;
use interpreter::{Interpreter, Search};
use jobs::Launcher;
use seal::Sealed;

/// Exit code when the tests cannot start or be collected.
const UNSTARTABLE: u8 = 15;
/// Exit code when the sandbox is unavailable.
const SANDBOX: u8 = 31;
/// Exit code when our own store cannot be used.
const STORE: u8 = 6;

/// Runs the tests of one repository in one sandbox.
pub struct Tester {
    repo: Arc<GitRepo>,
    launcher: Launcher,
    cache: PathBuf,
    sealed: Sealed,
    host: HostSettings,
    virtual_env: Option<PathBuf>,
    path: Vec<PathBuf>,
    interpreters: Mutex<BTreeMap<String, Interpreter>>,
    prepared: Mutex<BTreeMap<String, Arc<Prepared>>>,
}

impl Tester {
    /// A tester that keeps exports and baselines below `cache`, with settings that override what the repository says.
    /// `$VIRTUAL_ENV` and `$PATH` are read here.
    ///
    /// # Errors
    /// Exit 6 when `cache` cannot be written.
    pub fn new(
        repo: Arc<GitRepo>,
        sandbox: Arc<dyn Sandbox>,
        cache: &Path,
        host: HostSettings,
    ) -> Result<Self, EffectError> {
        let empty = cache.join("empty");
        std::fs::create_dir_all(&empty).map_err(|e| {
            EffectError::new("tests.cache", STORE, format!("create {}: {e}", empty.display()))
        })?;
        Ok(Self {
            repo,
            launcher: Launcher::new(sandbox, empty),
            cache: cache.to_owned(),
            sealed: Sealed::new(cache),
            host,
            virtual_env: std::env::var_os("VIRTUAL_ENV").map(PathBuf::from),
            path: std::env::var_os("PATH")
                .map(|path| std::env::split_paths(&path).collect())
                .unwrap_or_default(),
            interpreters: Mutex::default(),
            prepared: Mutex::default(),
        })
    }

    fn search(&self) -> Search<'_> {
        Search {
            launcher: &self.launcher,
            virtual_env: self.virtual_env.as_deref(),
            path: &self.path,
            known: &self.interpreters,
        }
    }
}

/// The files that `diff` makes of `commit`, sorted by path: new content, or nothing for a deletion.
///
/// Reads the diff strictly and applies it without fuzz. Whether the files may be touched is not asked here.
///
/// # Errors
/// The refusal, when it is no plain diff inside the tree or does not fit the commit.
pub fn apply_diff(repo: &GitRepo, commit: &str, diff: &str) -> Result<Vec<FileEdit>, Refusal> {
    let patches = gate::parse_within(diff, gate::Limits::most())?;
    apply_parsed(repo, commit, &patches)
}

/// [`apply_diff`] of a diff that is parsed.
fn apply_parsed(repo: &GitRepo, commit: &str, patches: &[gate::FilePatch]) -> Result<Vec<FileEdit>, Refusal> {
    for patch in patches {
        for path in patch.old.iter().chain(&patch.new) {
            plain(repo, commit, path)?;
        }
    }
    gate::apply(patches, |path| repo.read(commit, path).ok().flatten())
}

/// A path may name a plain file or nothing, below folders; no links, submodules, or files where folders should be.
fn plain(repo: &GitRepo, commit: &str, path: &str) -> Result<(), Refusal> {
    let mut ends: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
    ends.push(path.len());
    for end in ends {
        let part = path.get(..end).unwrap_or(path);
        let refuse = |kind, what: &str| {
            Err(Refusal {
                kind,
                path: path.to_owned(),
                reason: format!("{part} is {what} at the base commit"),
            })
        };
        match (mode_of(repo, commit, part), end == path.len()) {
            (None, _) => return Ok(()),
            (Some(0o120_000), _) => return refuse(Refused::Symlink, "a symbolic link"),
            (Some(0o160_000), _) => return refuse(Refused::Submodule, "a submodule"),
            (Some(0o040_000), true) => return refuse(Refused::Clash, "a folder"),
            (Some(0o040_000), false) | (Some(_), true) => {}
            (Some(_), false) => return refuse(Refused::Clash, "a file"),
        }
    }
    Ok(())
}

/// The git file mode of `path` at `commit`.
fn mode_of(repo: &GitRepo, commit: &str, path: &str) -> Option<i32> {
    repo.with(|git| {
        let found = git2::Oid::from_str(commit)
            .and_then(|id| git.find_commit(id))
            .and_then(|commit| commit.tree())
            .and_then(|tree| tree.get_path(Path::new(path)));
        Ok(found.ok().map(|entry| entry.filemode()))
    })
    .ok()
    .flatten()
}

#[cfg(test)]
mod trials;
