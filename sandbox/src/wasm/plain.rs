//! The host program as a plain process, where no other sandbox stands around it.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::Timespec;

use super::wire::{self, Own, Spec};
use super::{Host, end, folders, report};
use crate::job::Job;
use crate::place::Place;
use crate::report::{End, Isolation, Report};
use crate::streams::Streams;

/// How often the host is looked after.
const TICK: Duration = Duration::from_millis(20);
/// How long after its guest's time the host may take to say so before it is killed: it loads a module first.
const GRACE: Duration = Duration::from_secs(10);
/// The signals by which the kernel says that CPU time or a file's size is used up; the same on Linux and macOS.
const SIGXCPU: i32 = 24;
const SIGXFSZ: i32 = 25;

/// What is missing without another sandbox around the host.
pub(super) fn missing() -> Vec<String> {
    [
        "a second wall around the WebAssembly machine (namespaces and a filter of system calls)",
        "a bounded disk (its use is polled)",
        "protected files that cannot be written (they are looked at afterwards)",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Why the host was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    Wall,
    Output,
    Disk,
}

/// Runs the host over `job`.
pub(super) fn run(host: &Host<'_>, mut spec: Spec, job: &Job) -> io::Result<Report> {
    let mut place = Place::new(job)?;
    folders(&mut spec, job, &place.repo(), &place.files(), &place.temporary(), &place.home());
    spec.own = Some(Own {
        cpu_seconds: job.limits.cpu.as_secs().max(1),
        file: job.limits.disk,
        place: place.top().to_owned(),
    });
    let mut command = Command::new(host.program);
    command.args(host.arguments).env_clear().current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let result = follow(&mut child, &spec, job, &mut place);
    let _ = child.kill();
    let status = child.wait()?;
    let (reason, streams) = result?;
    let mut outputs = streams.finish();
    let frames = outputs.next().unwrap_or_default();
    let own = outputs.next().unwrap_or_default();
    let mut said = wire::read(&frames.kept, job.limits.output_keep);
    if said.done.is_none() {
        said.stderr.kept.extend_from_slice(&own.kept);
    }
    let (changed, touched) = place.changes();
    let ended = match reason {
        Some(Reason::Wall) => End::TimedOut,
        Some(Reason::Output) => End::OutputLimit,
        Some(Reason::Disk) => End::DiskLimit,
        None => match &said.done {
            Some(done) => end(done),
            None => died(status),
        },
    };
    let ended = match (ended, touched) {
        (End::Exited { .. } | End::Signalled { .. }, _) if place.full() => End::DiskLimit,
        (End::Exited { .. } | End::Signalled { .. }, Some(path)) => {
            End::Denied { what: format!("writing to the protected {path}") }
        }
        (ended, _) => ended,
    };
    let mut report = report(said, ended, Isolation::Reduced { missing: missing() });
    report.changed = changed;
    Ok(report)
}

/// Sends the order and reads what is said until the host is dead, or has to be.
fn follow(
    child: &mut Child,
    spec: &Spec,
    job: &Job,
    place: &mut Place,
) -> io::Result<(Option<Reason>, Streams)> {
    let order = serde_json::to_vec(spec)?;
    let mut stdin = child.stdin.take().ok_or_else(|| io::Error::other("the host has no input"))?;
    // A host that dies early says why itself.
    let _ = stdin
        .write_all(&(order.len() as u64).to_le_bytes())
        .and_then(|()| stdin.write_all(&order))
        .and_then(|()| stdin.write_all(&job.input))
        .and_then(|()| stdin.flush());
    // The host counts exactly; this bounds a host that does not, with room for the frames around single bytes.
    let most = job.limits.output_max.saturating_mul(8).saturating_add(64 << 20);
    let keep = usize::try_from(most).unwrap_or(usize::MAX);
    let mut sources = Vec::new();
    sources.extend(child.stdout.take().map(|stream| (OwnedFd::from(stream), keep.saturating_mul(2))));
    sources.extend(child.stderr.take().map(|stream| (OwnedFd::from(stream), 64 << 10)));
    let mut streams = Streams::new(sources)?;
    let until = Instant::now() + job.limits.wall + GRACE;
    let tick = Timespec::try_from(TICK).ok();
    let reason = loop {
        {
            let mut polled: Vec<_> = streams.poll_fds().collect();
            let _ = rustix::event::poll(&mut polled, tick.as_ref());
        }
        let any = streams.read();
        if child.try_wait()?.is_some() {
            break None;
        }
        if !any && streams.poll_fds().next().is_none() {
            // Both streams are closed; the end of the process is a moment away.
            std::thread::sleep(TICK / 20);
        }
        if Instant::now() >= until {
            break Some(Reason::Wall);
        }
        if streams.total() > most {
            break Some(Reason::Output);
        }
        if place.over() {
            break Some(Reason::Disk);
        }
    };
    let _ = child.kill();
    let _ = child.wait();
    streams.drain(most.saturating_add(1 << 20));
    drop(stdin);
    Ok((reason, streams))
}

/// How a job ended whose host was cut off.
fn died(status: ExitStatus) -> End {
    match status.signal() {
        Some(SIGXCPU) => End::CpuTimedOut,
        Some(SIGXFSZ) => End::DiskLimit,
        Some(signal) => End::Signalled { signal },
        None => End::CouldNotStart {
            step: "host".into(),
            message: format!("the host program ended early ({status})"),
            remedy: "report this, or choose another sandbox with `--sandbox`".into(),
        },
    }
}
