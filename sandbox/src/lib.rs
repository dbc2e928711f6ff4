//! Runs a command over a copy of a tree, isolated and bounded, and says what really happened.
//!
//! Knows neither graphs nor nodes. `Sandbox::run(Job) -> Report`; the `linux` backend is built from namespaces,
//! Landlock, seccomp and rlimits, without a daemon; `wasm` runs Python in a WebAssembly machine, on any
//! platform; `container` hands them to docker or podman.

mod capture;
mod container;
mod environment;
mod job;
#[cfg(target_os = "linux")]
mod linux;
mod mounts;
mod none;
mod paths;
mod place;
mod report;
mod streams;
pub mod testing;
mod tree;
mod wasm;

pub use container::ContainerSandbox;
pub use job::{Edit, File, Job, Limits, Mount, Network};
#[cfg(target_os = "linux")]
pub use linux::LinuxSandbox;
pub use none::NoSandbox;
pub use report::{Change, End, Isolation, Output, Probe, Report, Usage};
pub use wasm::{Installed, SetupError, Source, WasmSandbox, set_up};

/// Something that runs jobs.
pub trait Sandbox: Send + Sync {
    /// Runs `job` to its end and kills whatever it left behind. Blocks the calling thread.
    ///
    /// Never fails silently: a job that could not be started is [`End::CouldNotStart`].
    fn run(&self, job: &Job) -> Report;

    /// The Python that the sandbox brings along, as a job's first word, when programs of the host cannot run in it.
    fn python(&self) -> Option<String> {
        None
    }

    /// Whether a program in it can start others.
    fn forks(&self) -> bool {
        true
    }
}

/// The sandbox that this system has of itself: [`LinuxSandbox`] on Linux; elsewhere one whose every report is
/// [`End::CouldNotStart`] with what to do instead.
#[must_use]
pub fn native() -> Box<dyn Sandbox> {
    #[cfg(target_os = "linux")]
    return Box::new(LinuxSandbox::new());
    #[cfg(not(target_os = "linux"))]
    Box::new(Unsupported)
}

/// What [`native`] can do on this machine, found out by doing it. Blocks the calling thread for some milliseconds.
#[must_use]
pub fn probe() -> Probe {
    #[cfg(target_os = "linux")]
    return LinuxSandbox::new().probe();
    #[cfg(not(target_os = "linux"))]
    Probe::Unavailable { step: STEP.into(), message: MESSAGE.into(), remedy: REMEDY.into() }
}

#[cfg(not(target_os = "linux"))]
const STEP: &str = "system";
#[cfg(not(target_os = "linux"))]
const MESSAGE: &str = "this system has none of the namespaces that the sandbox is made of";
#[cfg(not(target_os = "linux"))]
const REMEDY: &str =
    "run on Linux, in a virtual machine for instance, or without isolation: `--sandbox none`";

/// Stands where there is no sandbox.
#[cfg(not(target_os = "linux"))]
struct Unsupported;

#[cfg(not(target_os = "linux"))]
impl Sandbox for Unsupported {
    fn run(&self, _: &Job) -> Report {
        Report::not_started(STEP, MESSAGE.into(), REMEDY)
    }
}

/// The whole `main` of the helper program; never returns.
pub fn init_main() -> ! {
    #[cfg(target_os = "linux")]
    linux::init::main();
    #[cfg(not(target_os = "linux"))]
    std::process::abort();
}

/// The whole `main` of the program that runs WebAssembly guests; never returns.
pub fn wasm_host_main() -> ! {
    wasm::main()
}

/// Becomes the helper when this program was started as `PROGRAM --sandbox-init` or `PROGRAM --wasm-host`, and never
/// returns then. To be called first in `main`, before any thread is started, by a program that is its own helper.
pub fn run_if_init() {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == wasm::HOST_FLAG) {
        wasm_host_main();
    }
    #[cfg(target_os = "linux")]
    if std::env::args_os().nth(1).is_some_and(|argument| argument == linux::HELPER_FLAG) {
        init_main();
    }
}
