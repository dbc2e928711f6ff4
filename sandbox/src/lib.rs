//! Runs a command over a copy of a tree, isolated and bounded, and says what really happened.
//!
//! Knows neither graphs nor nodes. `Sandbox::run(Job) -> Report`; the `linux` backend is built from namespaces,
//! Landlock, seccomp and rlimits, without a daemon.

mod job;
mod report;

pub use job::{Edit, File, Job, Limits, Mount, Network};
pub use report::{Change, End, Isolation, Output, Report, Usage};

/// Something that runs jobs.
pub trait Sandbox: Send + Sync {
    /// Runs `job` to its end and kills whatever it left behind. Blocks the calling thread.
    ///
    /// Never fails silently: a job that could not be started is [`End::CouldNotStart`].
    fn run(&self, job: &Job) -> Report;
}
