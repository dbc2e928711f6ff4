//! The `wasm` backend: CPython for WASI under wasmtime, on any platform, for programs in pure Python.
//!
//! The guest is one program in a machine without processes, threads, sockets or a way out of the folders it is given.
//! It runs in a host process of its own, which in turn runs inside the `linux` sandbox where there is one.

mod channel;
mod engine;
mod guest;
mod host;
mod load;
mod obtain;
mod out;
mod plain;
mod setup;
mod store;
mod walled;
mod wire;

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

pub(crate) use host::main;
pub use setup::{SetupError, Source, set_up};
pub use store::Installed;

use crate::environment::{self, Places};
use crate::job::Job;
use crate::report::{End, Isolation, Probe, Report, Usage};
use crate::{Sandbox, mounts, paths};
use wire::{Done, Folder, PROTOCOL, Spec, Stopped};

/// Names the host program in the environment.
const HOST_VARIABLE: &str = "PRUNELLA_WASM_HOST";
/// Turns the `prunella` program into the host.
pub(crate) const HOST_FLAG: &str = "--wasm-host";
/// What to do when there is no interpreter.
const SET_UP: &str = "run `prunella setup wasm`";

/// Runs Python programs in a WebAssembly machine.
///
/// A job's first word must be `python` (or `python3`, or what [`Sandbox::python`] gives); its other words are the
/// interpreter's. There is no other program, and a program cannot start one. Where the `linux` sandbox works, the
/// machine runs inside it and the job is bounded by both; elsewhere the tree is a copy on disk, its use is polled, and
/// protected files are looked at afterwards: a job that changed one is [`End::Denied`].
pub struct WasmSandbox {
    store: PathBuf,
    host: Option<(PathBuf, Vec<OsString>)>,
    wall: OnceLock<Option<Arc<dyn Sandbox>>>,
    installed: OnceLock<Result<Installed, store::Absent>>,
}

impl WasmSandbox {
    /// A sandbox whose interpreter was [set up](set_up) in `store`. Its host program is what `PRUNELLA_WASM_HOST`
    /// names; else `wasm-host` in the folder of the running program or the one above it; else `prunella` there.
    ///
    /// Never fails: what is missing is told by [`Sandbox::run`] and [`WasmSandbox::probe`].
    #[must_use]
    pub fn new(store: impl Into<PathBuf>) -> Self {
        Self { store: store.into(), host: locate(), wall: OnceLock::new(), installed: OnceLock::new() }
    }

    /// Uses the host program at `path` with `arguments`: one that calls [`crate::wasm_host_main`], or one that calls
    /// [`crate::run_if_init`] first in its `main`, with `--wasm-host` as its argument.
    #[must_use]
    pub fn with_host(mut self, path: impl Into<PathBuf>, arguments: &[&str]) -> Self {
        self.host = Some((path.into(), arguments.iter().map(OsString::from).collect()));
        self
    }

    /// Runs the host program inside `wall`, or in nothing, instead of finding out what there is.
    #[must_use]
    pub fn with_wall(mut self, wall: Option<Arc<dyn Sandbox>>) -> Self {
        self.wall = OnceLock::from(wall);
        self
    }

    /// The interpreter that jobs run with, if one is set up.
    #[must_use]
    pub fn installed(&self) -> Option<&Installed> {
        self.interpreter().as_ref().ok()
    }

    /// Whether jobs can be run here, found out by looking at what was set up.
    #[must_use]
    pub fn probe(&self) -> Probe {
        match (self.interpreter(), &self.host, self.wall()) {
            (Err(absent), ..) => Probe::Unavailable {
                step: "interpreter".into(),
                message: absent.message(),
                remedy: SET_UP.into(),
            },
            (Ok(_), None, _) => Probe::Unavailable {
                step: "host".into(),
                message: "found neither `wasm-host` nor `prunella`".into(),
                remedy: no_host(),
            },
            (Ok(_), Some(_), None) => Probe::Reduced(plain::missing()),
            (Ok(_), Some(_), Some(_)) => Probe::Full,
        }
    }

    fn interpreter(&self) -> &Result<Installed, store::Absent> {
        self.installed.get_or_init(|| store::current(&self.store))
    }

    fn wall(&self) -> Option<&dyn Sandbox> {
        self.wall
            .get_or_init(|| match crate::probe() {
                Probe::Unavailable { .. } => None,
                _ => Some(crate::native().into()),
            })
            .as_deref()
    }

    fn start(&self, job: &Job) -> Result<Report, Box<Report>> {
        let failed = |step: &str, why: String, remedy: &str| Box::new(Report::not_started(step, why, remedy));
        let installed =
            self.interpreter().as_ref().map_err(|absent| failed("interpreter", absent.message(), SET_UP))?;
        let (host, arguments) = self
            .host
            .as_ref()
            .ok_or_else(|| failed("host", "found neither `wasm-host` nor `prunella`".into(), &no_host()))?;
        let spec = order(job, installed).map_err(|why| failed("job", why, "correct the job"))?;
        let name = job.argv.first().map(|word| word.rsplit('/').next().unwrap_or(word)).unwrap_or_default();
        if !name.starts_with("python") {
            let why = format!("{name:?} is not there: in the wasm sandbox there is Python alone");
            return Err(failed("exec", why, "choose another sandbox with `--sandbox`"));
        }
        let host = Host { program: host, arguments, installed };
        Ok(match self.wall() {
            Some(wall) => walled::run(wall, &host, spec, job),
            None => plain::run(&host, spec, job).unwrap_or_else(|error| {
                *failed("set-up", error.to_string(), "check the job's tree and edits")
            }),
        })
    }
}

impl Sandbox for WasmSandbox {
    fn run(&self, job: &Job) -> Report {
        self.start(job).unwrap_or_else(|report| *report)
    }

    fn python(&self) -> Option<String> {
        let short = self.installed().and_then(|found| found.sha256.get(..12)).unwrap_or("none");
        Some(format!("python-{short}.wasm"))
    }

    fn forks(&self) -> bool {
        false
    }
}

/// The program that runs guests.
struct Host<'a> {
    program: &'a Path,
    arguments: &'a [OsString],
    installed: &'a Installed,
}

fn locate() -> Option<(PathBuf, Vec<OsString>)> {
    let with = |path: PathBuf| {
        let whole = path.file_name().is_some_and(|name| name == "prunella");
        let arguments = if whole { vec![OsString::from(HOST_FLAG)] } else { Vec::new() };
        (path, arguments)
    };
    if let Some(path) = env::var_os(HOST_VARIABLE).filter(|path| !path.is_empty()) {
        return Some(with(path.into()));
    }
    let program = env::current_exe().ok()?;
    let folders: Vec<&Path> = program.ancestors().skip(1).take(2).collect();
    ["wasm-host", "prunella"]
        .iter()
        .find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()).map(with))
}

fn no_host() -> String {
    format!("put `wasm-host` (built with this program) beside it, or name it in {HOST_VARIABLE}")
}

/// What the host is told of `job`, as far as it is the same everywhere; its folders are those of a place yet to come.
fn order(job: &Job, installed: &Installed) -> Result<Spec, String> {
    paths::relative(&job.cwd)
        .ok_or_else(|| format!("working directory {:?} is no path of the tree", job.cwd))?;
    if job.argv.iter().chain(job.env.values()).any(|text| text.contains('\0')) {
        return Err("an argument or a variable has a zero byte".into());
    }
    let places = Places { home: "/home/sbx", temporary: "/tmp", repo: "/repo", files: "/prunella" };
    let mut folders = Vec::new();
    for (host, guest) in mounts::resolved(job)? {
        if !host.is_dir() {
            return Err(format!(
                "mount {}: the wasm sandbox shows folders, not single files",
                host.display()
            ));
        }
        let guest = guest.to_str().ok_or("a mount's place is no UTF-8")?.to_owned();
        folders.push(Folder { host, guest, writable: false });
    }
    Ok(Spec {
        protocol: PROTOCOL,
        module: installed.compiled.clone(),
        blake3: installed.blake3.clone(),
        args: job.argv.clone(),
        env: environment::whole(&job.env, &places)?,
        folders,
        scratch: PathBuf::new(),
        wall_ms: u64::try_from(job.limits.wall.as_millis()).unwrap_or(u64::MAX),
        memory: job.limits.memory,
        output: job.limits.output_max,
        channel: job.channel,
        input: job.input.len() as u64,
        own: None,
    })
}

/// The four folders that every guest has; where it starts is the tree too, seen as `/`.
fn folders(spec: &mut Spec, job: &Job, repo: &Path, files: &Path, temporary: &Path, home: &Path) {
    let folder =
        |host: &Path, guest: &str, writable| Folder { host: host.into(), guest: guest.into(), writable };
    spec.folders.extend([
        folder(&repo.join(&job.cwd), "/", true),
        folder(repo, "/repo", true),
        folder(files, "/prunella", false),
        folder(temporary, "/tmp", true),
        folder(home, "/home/sbx", true),
    ]);
    spec.scratch = temporary.to_owned();
}

/// How a job ended whose host came to its end.
fn end(done: &Done) -> End {
    match &done.stopped {
        Stopped::Exited(code) => End::Exited { code: *code },
        // What a machine does where a processor would raise a signal: the program is aborted.
        Stopped::Trapped(_) => End::Signalled { signal: 6 },
        Stopped::Wall => End::TimedOut,
        Stopped::Memory => End::OutOfMemory,
        Stopped::Output => End::OutputLimit,
        Stopped::NotStarted(why) => End::CouldNotStart {
            step: "host".into(),
            message: why.clone(),
            remedy: format!("{SET_UP}, or choose another sandbox with `--sandbox`"),
        },
    }
}

/// Everything that a host said, with how the job ended and what held it.
fn report(said: wire::Said, end: End, isolation: Isolation) -> Report {
    let wire::Said { stdout, mut stderr, channel, done } = said;
    let mut usage = Usage::default();
    if let Some(done) = done {
        if let Stopped::Trapped(why) = &done.stopped {
            stderr.kept.extend_from_slice(format!("the program was aborted: {why}\n").as_bytes());
        }
        usage = Usage { wall_ms: done.wall_ms, peak_memory: done.memory, ..usage };
    }
    let isolation = if matches!(end, End::CouldNotStart { .. }) { Isolation::None } else { isolation };
    Report { end, isolation, stdout, stderr, channel, changed: Vec::new(), usage }
}
