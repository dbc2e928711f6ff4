//! The `linux` backend: namespaces, a pivoted read-only root, Landlock, seccomp, rlimits and control groups.

mod cgroup;
mod changes;
mod identity;
pub(crate) mod init;
mod launch;
mod locate;
mod order;
mod remedy;
mod server;
mod spec;
pub(crate) mod sys;

use std::ffi::OsString;
use std::path::PathBuf;

pub(crate) use locate::HELPER_FLAG;

use crate::Sandbox;
use crate::job::Job;
use crate::report::{End, Isolation, Probe, Report};
use launch::Failed;
use server::Server;

/// Runs jobs in private namespaces, without a daemon.
///
/// Every job is started by a small helper program (`sandbox-init`, or `prunella --sandbox-init`) with an empty
/// environment, which runs from the first job on for as long as the sandbox lives; see [`LinuxSandbox::new`] for how it
/// is found.
#[derive(Debug)]
pub struct LinuxSandbox {
    server: Option<Server>,
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
        let server = locate::helper()
            .map(|(path, arguments)| Server::new(path, arguments.into_iter().map(OsString::from).collect()));
        Self { server, copy: false }
    }

    /// Uses the helper at `path` with `arguments`: a program that calls [`crate::init_main`], or one that calls
    /// [`crate::run_if_init`] first in its `main`, with `--sandbox-init` as its argument.
    #[must_use]
    pub fn with_helper(mut self, path: impl Into<PathBuf>, arguments: &[&str]) -> Self {
        self.server = Some(Server::new(path.into(), arguments.iter().map(OsString::from).collect()));
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
        let server = self
            .server
            .as_ref()
            .ok_or_else(|| Failed::new("helper", "found neither `sandbox-init` nor `prunella`"))?;
        let identity = identity::take();
        let (spec, blobs) =
            order::order(job, identity.value(), self.copy).map_err(|message| Failed::new("job", message))?;
        launch::run(server, &spec, &blobs, job)
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
