//! The `container` backend: jobs as containers of docker or podman, by their command lines.
//!
//! The image is the user's choice; nothing is pulled. What a container gets is in `container/words.rs`.

mod engine;
mod sweep;
mod words;

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use rustix::event::Timespec;

use crate::job::Job;
use crate::place::Place;
use crate::report::{End, Isolation, Output, Probe, Report, Usage};
use crate::streams::{self, Streams};
use crate::{Sandbox, mounts, tree};
use engine::{Engine, Owner, State, Trouble};

/// How often a container is looked after.
const TICK: std::time::Duration = std::time::Duration::from_millis(25);

/// Runs jobs as containers, without network, with a read-only root and without capabilities.
///
/// The program is one of the image: its first word is looked up there, in `/usr/local/bin:/usr/bin:/bin`. The image
/// needs `/bin/sh`. A job with a channel has its standard output in [`Report::stderr`]: the engine hands on two
/// streams, and the first of them is the channel.
#[derive(Debug)]
pub struct ContainerSandbox {
    program: Option<PathBuf>,
    image: Option<String>,
    engine: OnceLock<Result<Engine, Trouble>>,
}

impl ContainerSandbox {
    /// A sandbox over the engine that `PRUNELLA_CONTAINER_ENGINE` names, else `docker` or `podman` on `PATH`.
    ///
    /// Never fails: what is missing is told by [`Sandbox::run`] and [`ContainerSandbox::probe`].
    #[must_use]
    pub fn new(image: Option<String>) -> Self {
        Self { program: engine::program(), image, engine: OnceLock::new() }
    }

    /// Uses the engine's command line at `program`.
    #[must_use]
    pub fn with_engine(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Finds out whether the engine answers and has the image.
    #[must_use]
    pub fn probe(&self) -> Probe {
        match self.ready() {
            Ok(_) => Probe::Reduced(missing(0)),
            Err(trouble) => Probe::Unavailable {
                step: trouble.step.into(),
                message: trouble.message,
                remedy: trouble.remedy,
            },
        }
    }

    /// The id of the image, when the engine answers and has it.
    #[must_use]
    pub fn image(&self) -> Option<String> {
        self.ready().ok().map(|(.., id)| id)
    }

    fn ready(&self) -> Result<(&Engine, &str, String), Trouble> {
        let engine = self.engine.get_or_init(|| {
            let engine = Engine::find(self.program.as_deref())?;
            sweep::sweep(&engine);
            Ok(engine)
        });
        let engine = engine.as_ref().map_err(Clone::clone)?;
        let image = self.image.as_deref().filter(|image| !image.is_empty()).ok_or_else(Trouble::no_image)?;
        if image.starts_with('-') {
            return Err(Trouble::bad_image(image));
        }
        let id = engine.id(image)?;
        Ok((engine, image, id))
    }

    fn start(&self, job: &Job) -> Result<Report, Trouble> {
        let (engine, image, _) = self.ready()?;
        let wrong = |why: String| Trouble::new("job", why, "correct the job");
        if job.argv.is_empty() {
            return Err(wrong("there is no command".into()));
        }
        if job.argv.iter().chain(job.env.values()).any(|text| text.contains('\0')) {
            return Err(wrong("an argument or a variable has a zero byte".into()));
        }
        let mounts = mounts::resolved(job).map_err(wrong)?;
        let set_up =
            |error: io::Error| Trouble::new("set-up", error.to_string(), "check the job's tree and edits");
        let mut place = Place::new(job).map_err(set_up)?;
        let owner = engine.owner();
        give(&place, &owner).and_then(|()| place.begin()).map_err(set_up)?;
        let words = words::words(job, &place, &mounts, image, engine, &owner).map_err(wrong)?;
        let name = words::name(&place);
        let mut command = engine.command();
        let input = streams::input(&job.input).map_err(set_up)?;
        command.args(&words.all).stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(set_up)?;
        let began = Instant::now();
        let followed = follow(&mut child, job, &mut place, began);
        if !matches!(followed, Ok((None, _))) {
            engine.kill(&name);
        }
        let wall_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let state = engine.state(&name);
        let removed = engine.remove(&name);
        let _ = child.kill();
        let _ = child.wait();
        // What may still run is no job that came to its end.
        if state.is_some() {
            removed?;
        }
        let (reason, mut streams) = followed.map_err(set_up)?;
        streams.drain(job.limits.output_max.saturating_add(1 << 20));
        let printed = streams.total();
        let mut outputs = streams.finish();
        let first = outputs.next().unwrap_or_default();
        let stderr = outputs.next().unwrap_or_default();
        let (stdout, channel) =
            if job.channel { (Output::default(), first.kept) } else { (first, Vec::new()) };
        let (changed, touched) = place.changes();
        let end = match reason {
            Some(end) => end,
            None => ended(state, &stderr, &name, image)?,
        };
        let end = match (end, touched) {
            (End::Exited { .. } | End::Signalled { .. }, _) if printed > job.limits.output_max => {
                End::OutputLimit
            }
            (End::Exited { .. } | End::Signalled { .. }, _) if place.full() => End::DiskLimit,
            (End::Exited { .. } | End::Signalled { .. }, Some(path)) => {
                End::Denied { what: format!("writing to the protected {path}") }
            }
            (end, _) => end,
        };
        let isolation = Isolation::Reduced { missing: missing(words.unbound) };
        let usage = Usage { wall_ms, ..Usage::default() };
        Ok(Report { end, isolation, stdout, stderr, channel, changed, usage })
    }
}

impl Sandbox for ContainerSandbox {
    fn run(&self, job: &Job) -> Report {
        self.start(job)
            .unwrap_or_else(|trouble| Report::not_started(trouble.step, trouble.message, &trouble.remedy))
    }

    fn python(&self) -> Option<String> {
        Some("python3".into())
    }
}

/// What the engine does not do that the `linux` sandbox does.
fn missing(unbound: usize) -> Vec<String> {
    let mut missing = vec![
        "a filter of system calls of ours, and Landlock (the engine's own filter stands in)".to_owned(),
        "a bounded disk (its use is polled)".to_owned(),
    ];
    if unbound > 0 {
        missing.push(format!(
            "{unbound} protected paths that cannot be written (they are looked at afterwards)"
        ));
    }
    missing
}

/// Makes the copy the property of whom the container runs as.
fn give(place: &Place, owner: &Owner) -> io::Result<()> {
    let Some((uid, gid)) = owner.give_to else { return Ok(()) };
    std::fs::set_permissions(place.top(), std::fs::Permissions::from_mode(0o711))?;
    for top in [place.repo(), place.files()] {
        chown(&top, Some(uid), Some(gid))?;
        tree::each(&top, &mut |path: &Path| std::os::unix::fs::lchown(path, Some(uid), Some(gid)))?;
    }
    Ok(())
}

/// Reads streams until the engine's command line ends, or there is a reason to end the container.
fn follow(
    child: &mut Child,
    job: &Job,
    place: &mut Place,
    began: Instant,
) -> io::Result<(Option<End>, Streams)> {
    let keep = job.limits.output_keep;
    let all = usize::try_from(job.limits.output_max).unwrap_or(usize::MAX).saturating_mul(2);
    let mut sources = Vec::new();
    let first = if job.channel { all } else { keep };
    sources.extend(child.stdout.take().map(|stream| (OwnedFd::from(stream), first)));
    sources.extend(child.stderr.take().map(|stream| (OwnedFd::from(stream), keep)));
    let mut streams = Streams::new(sources)?;
    let tick = Timespec::try_from(TICK).ok();
    let end = loop {
        {
            let mut polled: Vec<_> = streams.poll_fds().collect();
            let _ = rustix::event::poll(&mut polled, tick.as_ref());
        }
        streams.read();
        if child.try_wait()?.is_some() {
            break None;
        }
        if began.elapsed() >= job.limits.wall {
            break Some(End::TimedOut);
        }
        if streams.total() > job.limits.output_max {
            break Some(End::OutputLimit);
        }
        if place.over() {
            break Some(End::DiskLimit);
        }
    };
    Ok((end, streams))
}

/// How a container ended that nobody had to end.
fn ended(state: Option<State>, stderr: &Output, name: &str, image: &str) -> Result<End, Trouble> {
    let said = stderr.text();
    let Some(state) = state.filter(|state| state.ran) else {
        return Err(Trouble::refused(&said, image));
    };
    if state.out_of_memory {
        return Ok(End::OutOfMemory);
    }
    if state.code == 127 && said.contains(&words::not_found(name)) {
        return Ok(End::CouldNotStart {
            step: "exec".into(),
            message: "the command is not there in the image".into(),
            remedy: format!("check that the image {image} has it in /usr/local/bin, /usr/bin or /bin"),
        });
    }
    Ok(match state.code {
        // A status is all that an engine tells; these are what it makes of signals.
        code @ (132 | 134 | 135 | 136 | 137 | 139 | 159) => End::Signalled { signal: code - 128 },
        152 => End::CpuTimedOut,
        153 => End::DiskLimit,
        code => End::Exited { code },
    })
}
