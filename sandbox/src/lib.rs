//! Runs a command over a copy of a tree, isolated and bounded, and says what really happened.
//!
//! Knows neither graphs nor nodes. `Sandbox::run(Job) -> Report`; the `linux` backend is built from namespaces,
//! Landlock, seccomp and rlimits, without a daemon.

#[cfg(target_os = "linux")]
mod capture;
#[cfg(target_os = "linux")]
mod environment;
mod job;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod paths;
mod report;
#[cfg(target_os = "linux")]
mod streams;

pub use job::{Edit, File, Job, Limits, Mount, Network};
#[cfg(target_os = "linux")]
pub use linux::{LinuxSandbox, Probe};
pub use report::{Change, End, Isolation, Output, Report, Usage};

/// Something that runs jobs.
pub trait Sandbox: Send + Sync {
    /// Runs `job` to its end and kills whatever it left behind. Blocks the calling thread.
    ///
    /// Never fails silently: a job that could not be started is [`End::CouldNotStart`].
    fn run(&self, job: &Job) -> Report;
}

/// The whole `main` of the helper program; never returns.
pub fn init_main() -> ! {
    #[cfg(target_os = "linux")]
    linux::init::main();
    #[cfg(not(target_os = "linux"))]
    std::process::abort();
}

/// Becomes the helper when this program was started as `PROGRAM --sandbox-init`, and never returns then. To be
/// called first in `main`, before any thread is started, by a program that is its own helper.
pub fn run_if_init() {
    #[cfg(target_os = "linux")]
    if std::env::args_os().nth(1).is_some_and(|argument| argument == linux::HELPER_FLAG) {
        init_main();
    }
}
