//! Starts a helper, follows it to its end, and says how the job ended.

use std::io::{self, IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use rustix::process::Signal;

use super::cgroup::Cgroup;
use super::remedy::remedy;
use super::server::Server;
use super::spec::{Done, How, Identity, Message, PROTOCOL, Spec, Start, Stop};
use crate::job::Job;
use crate::report::{Change, End, Isolation, Report, Usage};
use crate::streams::Streams;

/// How long a set-up may take before it counts as failed.
const SETUP: Duration = Duration::from_secs(60);
/// How long the helper may take to clean up before it is killed too.
const GRACE: Duration = Duration::from_secs(3);
/// How often the control group is looked at.
const TICK: Duration = Duration::from_millis(25);
/// Stands for changed files beyond those that are told.
const MORE: &str = "…";
/// Most bytes of messages from a helper.
const MAX_MESSAGES: usize = 32 << 20;

/// Why the launcher ended the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    Wall,
    Memory,
    Output,
    Setup,
}

/// A set-up that failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) step: String,
    pub(super) message: String,
    pub(super) errno: Option<i32>,
}

impl Failed {
    /// A failed step with what was wrong.
    pub(super) fn new(step: &str, message: impl Into<String>) -> Self {
        Self { step: step.into(), message: message.into(), errno: None }
    }

    /// The end of a job whose set-up failed.
    pub(super) fn end(self) -> End {
        let remedy = remedy(&self.step, self.errno);
        End::CouldNotStart { step: self.step, message: self.message, remedy }
    }

    /// The whole report of a job whose set-up failed before there was anything else to tell.
    pub(super) fn report(self) -> Report {
        let remedy = remedy(&self.step, self.errno);
        Report::not_started(&self.step, self.message, &remedy)
    }
}

fn io(step: &str) -> impl Fn(io::Error) -> Failed {
    move |error| Failed { step: step.into(), message: error.to_string(), errno: error.raw_os_error() }
}

/// Everything that is known of a running job.
struct Run {
    socket: UnixStream,
    messages: Vec<u8>,
    init: OwnedFd,
    silent: bool,
    missing: Vec<String>,
    failed: Option<Failed>,
    started: Option<Instant>,
    stopped: Option<Stop>,
    done: Option<Done>,
}

/// Runs `spec` in a sandbox that `server` starts.
pub(super) fn run(server: &Server, spec: &Spec, blobs: &[u8], job: &Job) -> Result<Report, Failed> {
    let (socket, theirs) = UnixStream::pair().map_err(io("socket"))?;
    socket.set_write_timeout(Some(SETUP)).map_err(io("socket"))?;
    let keep = job.limits.output_keep;
    let (stdout, to_stdout) = io::pipe().map_err(io("streams"))?;
    let (stderr, to_stderr) = io::pipe().map_err(io("streams"))?;
    let mut sources = vec![(OwnedFd::from(stdout), keep), (OwnedFd::from(stderr), keep)];
    let channel = if job.channel {
        let (reader, writer) = io::pipe().map_err(io("channel"))?;
        let most = usize::try_from(job.limits.output_max).unwrap_or(usize::MAX);
        sources.push((OwnedFd::from(reader), most.saturating_mul(2)));
        Some(OwnedFd::from(writer))
    } else {
        None
    };
    let mut streams = Streams::new(sources).map_err(io("streams"))?;

    server.run()?;
    let cgroup = Cgroup::new(spec.memory, spec.processes, job.limits.cores);
    let (groups, entrances): (Vec<_>, Vec<_>) = cgroup.entrances().into_iter().unzip();
    let owner = matches!(spec.identity, Identity::Drop(_)) && !spec.copy;
    let owner = owner.then(|| std::fs::metadata(&spec.tree).ok()).flatten();
    let start = Start {
        protocol: PROTOCOL,
        identity: spec.identity,
        owner: owner.map(|owner| (owner.uid(), owner.gid())),
        host_network: spec.host_network,
        groups,
    };
    let mut descriptors = vec![theirs.as_fd(), to_stdout.as_fd(), to_stderr.as_fd()];
    descriptors.extend(entrances.iter().map(AsFd::as_fd));
    let init = server.start(start, &descriptors)?;
    drop((theirs, to_stdout, to_stderr, entrances));

    let mut run = Run {
        socket,
        messages: Vec::new(),
        init,
        silent: false,
        missing: Vec::new(),
        failed: None,
        started: None,
        stopped: None,
        done: None,
    };
    // A first process that dies early says why; that beats the broken pipe it leaves.
    let sent = run.send_order(spec, blobs, channel);
    let reason = run.attend(&mut streams, &cgroup, job);
    let ended = Instant::now();
    streams.drain(job.limits.output_max.saturating_add(1 << 20));
    if run.done.is_none() && run.failed.is_none() && run.started.is_none() {
        run.failed = Some(match (reason, sent) {
            (Some(Reason::Setup), _) => {
                Failed::new("set-up", format!("took longer than {} s", SETUP.as_secs()))
            }
            (_, Err(error)) => io("helper")(error),
            (_, Ok(())) => Failed::new("helper", "ended before it said anything"),
        });
    }
    let (oom, refused, cores) = (cgroup.out_of_memory(), cgroup.out_of_processes(), cgroup.cores);
    // The group goes last, when it is empty.
    drop(cgroup);
    let mut report = run.report(streams, reason, oom, refused, ended, job);
    report.usage.cores = cores;
    Ok(report)
}

impl Run {
    fn send_order(&mut self, spec: &Spec, blobs: &[u8], channel: Option<OwnedFd>) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [channel.as_ref().map(AsFd::as_fd)];
        let descriptors: Vec<_> = descriptors.into_iter().flatten().collect();
        if !descriptors.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        rustix::net::sendmsg(&self.socket, &[IoSlice::new(&[1])], &mut control, SendFlags::NOSIGNAL)?;
        let text = serde_json::to_vec(spec)?;
        for block in [text.as_slice(), blobs] {
            self.socket.write_all(&(block.len() as u64).to_le_bytes())?;
            self.socket.write_all(block)?;
        }
        Ok(())
    }

    /// Reads streams and messages until the sandbox's first process is dead, and sees to it that it dies in time.
    fn attend(&mut self, streams: &mut Streams, cgroup: &Cgroup, job: &Job) -> Option<Reason> {
        let setup_until = Instant::now() + SETUP;
        let mut reason = None;
        let mut kill_at: Option<Instant> = None;
        let mut look_at = Instant::now();
        loop {
            let now = Instant::now();
            let until = match (kill_at, self.started) {
                (Some(at), _) => at,
                (None, Some(started)) => started + job.limits.wall,
                (None, None) => setup_until,
            };
            let dead = self.wait(streams, until.saturating_duration_since(now).min(TICK));
            streams.read();
            if dead {
                return reason;
            }
            let now = Instant::now();
            if let Some(at) = kill_at {
                if now >= at {
                    self.kill();
                    kill_at = Some(now + GRACE);
                }
                continue;
            }
            reason = if self.started.map_or(now >= setup_until, |started| now >= started + job.limits.wall) {
                Some(if self.started.is_some() { Reason::Wall } else { Reason::Setup })
            } else if streams.total() > job.limits.output_max {
                Some(Reason::Output)
            } else if now >= look_at {
                look_at = now + TICK;
                cgroup.out_of_memory().then_some(Reason::Memory)
            } else {
                None
            };
            if reason.is_some() {
                // The helper kills everything, looks at what was written, and says so; if it does not, it is killed.
                let _ = self.socket.shutdown(std::net::Shutdown::Write);
                kill_at = Some(now + GRACE);
            }
        }
    }

    /// Waits for something to happen; says whether the first process is dead.
    fn wait(&mut self, streams: &Streams, time: Duration) -> bool {
        let (mut talked, mut dead) = (false, false);
        {
            let mut polled: Vec<PollFd<'_>> = Vec::with_capacity(5);
            polled.push(PollFd::from_borrowed_fd(self.init.as_fd(), PollFlags::IN));
            // A socket that has hung up would wake this up for ever.
            if !self.silent {
                polled.push(PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::IN));
            }
            polled.extend(streams.poll_fds());
            let time = Timespec::try_from(time).ok();
            if rustix::event::poll(&mut polled, time.as_ref()).is_ok() {
                let mut woken = polled.iter().map(|fd| !fd.revents().is_empty());
                dead = woken.next() == Some(true);
                talked = !self.silent && woken.next() == Some(true);
            }
        }
        if talked || dead {
            self.listen();
        }
        dead
    }

    fn kill(&self) {
        let _ = rustix::process::pidfd_send_signal(&self.init, Signal::KILL);
    }

    /// Reads all messages that are there.
    fn listen(&mut self) {
        let mut chunk = vec![0u8; 64 << 10];
        loop {
            match rustix::net::recv(&self.socket, chunk.as_mut_slice(), RecvFlags::DONTWAIT) {
                Ok((got, _)) if got > 0 && self.messages.len() < MAX_MESSAGES => {
                    self.messages.extend_from_slice(chunk.get(..got).unwrap_or_default());
                }
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => break,
                _ => {
                    self.silent = true;
                    break;
                }
            }
        }
        while let Some(end) = self.messages.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.messages.drain(..=end).collect();
            self.take(&line);
        }
    }

    fn take(&mut self, line: &[u8]) {
        match serde_json::from_slice(line) {
            Ok(Message::Missing(what)) => self.missing.push(what),
            Ok(Message::Failed { step, message, errno }) => {
                self.failed.get_or_insert(Failed { step, message, errno });
            }
            Ok(Message::Started) => {
                self.started.get_or_insert_with(Instant::now);
            }
            Ok(Message::Stopped(stop)) => self.stopped = Some(stop),
            Ok(Message::Done(done)) => self.done = Some(done),
            Err(_) => {
                self.failed.get_or_insert(Failed::new("helper", "it speaks otherwise than this program"));
            }
        }
    }

    /// Puts everything together. The order of the questions is the order of [`End`].
    fn report(
        self,
        streams: Streams,
        reason: Option<Reason>,
        oom: bool,
        refused: bool,
        ended: Instant,
        job: &Job,
    ) -> Report {
        let done = self.done.unwrap_or_default();
        let mut changed: Vec<Change> =
            done.changed.into_iter().map(|(path, how)| Change { path, how: how.word() }).collect();
        if done.truncated {
            changed.push(Change { path: MORE.into(), how: How::Changed.word() });
        }
        let total = streams.total();
        let mut outputs = streams.finish();
        let stdout = outputs.next().unwrap_or_default();
        let stderr = outputs.next().unwrap_or_default();
        let channel = outputs.next().map(|output| output.kept).unwrap_or_default();
        let cpu_limit = u64::try_from(job.limits.cpu.as_millis()).unwrap_or(u64::MAX);
        let killed_for_cpu = done.signal == Some(libc::SIGXCPU)
            || (done.signal == Some(libc::SIGKILL) && done.cpu_ms >= cpu_limit && reason.is_none());
        let isolation = if self.failed.is_some() {
            Isolation::None
        } else if self.missing.is_empty() {
            Isolation::Full
        } else {
            Isolation::Reduced { missing: self.missing }
        };
        let end = if let Some(failed) = self.failed {
            failed.end()
        } else if reason == Some(Reason::Wall) || reason == Some(Reason::Setup) {
            End::TimedOut
        } else if killed_for_cpu {
            End::CpuTimedOut
        } else if oom || reason == Some(Reason::Memory) || self.stopped == Some(Stop::Memory) {
            End::OutOfMemory
        } else if reason == Some(Reason::Output) || total > job.limits.output_max {
            End::OutputLimit
        } else if self.stopped == Some(Stop::Disk) || done.signal == Some(libc::SIGXFSZ) {
            End::DiskLimit
        } else if refused && done.code != Some(0) {
            End::ProcessLimit
        } else if done.signal == Some(libc::SIGSYS) {
            End::Denied { what: "a system call of a foreign interface".into() }
        } else if let Some(code) = done.code {
            End::Exited { code }
        } else {
            End::Signalled { signal: done.signal.unwrap_or(libc::SIGKILL) }
        };
        let wall = self.started.map_or(Duration::ZERO, |started| ended.saturating_duration_since(started));
        Report {
            end,
            isolation,
            stdout,
            stderr,
            channel,
            changed,
            usage: Usage {
                wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
                cpu_ms: done.cpu_ms,
                peak_memory: done.peak_memory,
                cores: None,
            },
        }
    }
}
