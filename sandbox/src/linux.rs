//! The `linux` backend: namespaces, a pivoted read-only root, Landlock, seccomp, rlimits and control groups.

mod cgroup;
mod changes;
pub(crate) mod init;
mod launch;
mod locate;
mod order;
mod remedy;
mod spawner;
mod spec;
mod sys;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) use locate::HELPER_FLAG;

use crate::Sandbox;
use crate::job::Job;
use crate::report::{End, Isolation, Probe, Report};
use launch::Failed;
use spawner::Spawner;
use spec::Identity;

/// Runs jobs in private namespaces, without a daemon.
///
/// Every job is started by a small helper program (`sandbox-init`, or `prunella --sandbox-init`) with an empty
/// environment; see [`LinuxSandbox::new`] for how it is found.
#[derive(Debug)]
pub struct LinuxSandbox {
    spawner: Result<Spawner, String>,
    helper: Option<(PathBuf, Vec<OsString>)>,
    copy: bool,
}

impl Default for LinuxSandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl LinuxSandbox {
    /// A sandbox whose helper is looked for: what the variable `PRUNELLA_SANDBOX_INIT` names; else `sandbox-init`
    /// in the folder of the running program or the one above it (so a test in `target/debug/deps` finds
    /// `target/debug/sandbox-init`); else `prunella` in the same places, the running program included.
    ///
    /// Never fails: a helper that is not found is told by [`LinuxSandbox::run`] and [`LinuxSandbox::probe`].
    #[must_use]
    pub fn new() -> Self {
        let helper = locate::helper()
            .map(|(path, arguments)| (path, arguments.into_iter().map(OsString::from).collect()));
        Self { spawner: Spawner::new().map_err(|error| error.to_string()), helper, copy: false }
    }

    /// Uses the helper at `path` with `arguments`: a program that calls [`crate::init_main`], or one that calls
    /// [`crate::run_if_init`] first in its `main`, with `--sandbox-init` as its argument.
    #[must_use]
    pub fn with_helper(mut self, path: impl Into<PathBuf>, arguments: &[&str]) -> Self {
        self.helper = Some((path.into(), arguments.iter().map(OsString::from).collect()));
        self
    }

    /// Copies the tree for every job at once, instead of trying an overlay first.
    #[must_use]
    pub fn with_copies(mut self) -> Self {
        self.copy = true;
        self
    }

    /// Finds out what can be had here by doing it: sets a whole sandbox up around an empty tree and lets it end.
    /// Blocks the calling thread for some milliseconds.
    #[must_use]
    pub fn probe(&self) -> Probe {
        let tree = match tempfile::tempdir() {
            Ok(tree) => tree,
            Err(error) => return Self::unavailable(Failed::new("tree", error.to_string()).end()),
        };
        let job = Job { tree: tree.path().into(), ..Job::default() };
        let report = self.start(&job).unwrap_or_else(Failed::report);
        match (report.end, report.isolation) {
            (End::Exited { code: 0 }, Isolation::Full) => Probe::Full,
            (End::Exited { code: 0 }, Isolation::Reduced { missing }) => Probe::Reduced(missing),
            (end, _) => Self::unavailable(end),
        }
    }

    fn unavailable(end: End) -> Probe {
        match end {
            End::CouldNotStart { step, message, remedy } => Probe::Unavailable { step, message, remedy },
            other => Probe::Unavailable {
                step: "trial".into(),
                message: format!("an empty job ended otherwise than it should: {other:?}"),
                remedy: "report this".into(),
            },
        }
    }

    fn start(&self, job: &Job) -> Result<Report, Failed> {
        let spawner = self.spawner.as_ref().map_err(|error| Failed::new("spawner", error.clone()))?;
        let (path, arguments) = self
            .helper
            .as_ref()
            .ok_or_else(|| Failed::new("helper", "found neither `sandbox-init` nor `prunella`"))?;
        let (spec, blobs) =
            order::order(job, identity(), self.copy).map_err(|message| Failed::new("job", message))?;
        let mut command = Command::new(path);
        command.args(arguments);
        launch::run(spawner, command, spec, &blobs, job)
    }
}

impl Sandbox for LinuxSandbox {
    fn run(&self, job: &Job) -> Report {
        if job.argv.is_empty() {
            return Failed::new("job", "there is no command").report();
        }
        self.start(job).unwrap_or_else(Failed::report)
    }
}

/// Who the command will be. Started by root, it becomes a user that nothing on this host belongs to, another one for
/// each job so that their limits do not add up.
fn identity() -> Identity {
    const FIRST: u32 = 64_100;
    const COUNT: u32 = 800;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    if !rustix::process::geteuid().is_root() {
        return Identity::UserNamespace;
    }
    let taken = |path| -> io::Result<BTreeSet<u32>> {
        let text = fs::read_to_string(path)?;
        Ok(text.lines().filter_map(|line| line.split(':').nth(2)?.parse().ok()).collect())
    };
    let mut used = taken("/etc/passwd").unwrap_or_default();
    used.extend(taken("/etc/group").unwrap_or_default());
    let from = std::process::id().wrapping_mul(31).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
    let id = (0..COUNT).map(|step| FIRST + from.wrapping_add(step) % COUNT).find(|id| !used.contains(id));
    Identity::Drop(id.unwrap_or(FIRST))
}
