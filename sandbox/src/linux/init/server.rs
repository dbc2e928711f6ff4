//! The server: starts a sandbox's first process for whoever asks at the control socket, and buries it. When the launcher
//! is gone, it ends every sandbox, removes their control groups and goes, too.
//!
//! It is small, has one thread, an empty environment and nothing of any job in its memory, and a copy of it is all that
//! a sandbox starts with. That costs less than starting a program anew.

use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};
use rustix::thread::UnshareFlags;

use super::filter::Filters;
use super::{At, Fail, idmap};
use crate::linux::cgroup;
use crate::linux::spec::{Bounds, Identity, MAX_REQUEST, PROTOCOL, Reply, Request, Start};
use crate::linux::sys::{self, Fork};

/// Most descriptors that come with a request.
const MAX_DESCRIPTORS: usize = 8;
/// Most mappings of owners that are kept for later jobs.
const MAX_KEPT: usize = 64;

/// What a new first process starts with.
pub(super) struct Newborn {
    /// The job's socket.
    pub(super) socket: OwnedFd,
    /// What becomes standard output and standard error.
    pub(super) outputs: [OwnedFd; 2],
    /// Who the command will be.
    pub(super) identity: Identity,
    /// User and group of the server, as the host knows them.
    pub(super) host_ids: (u32, u32),
    /// A user namespace that maps the tree's owner to the command's identity.
    pub(super) idmap: Option<OwnedFd>,
    /// The control groups to enter.
    pub(super) groups: Vec<(Bounds, OwnedFd)>,
    /// What the command may ask of the kernel.
    pub(super) filters: Filters,
}

/// Serves until the launcher hangs up, which gives nothing; in each first process it gives what that starts with.
pub(super) fn serve() -> io::Result<Option<Newborn>> {
    // Nothing inherited survives but the three streams, whoever started us.
    sys::close_from(3)?;
    let launcher = rustix::process::getppid();
    // A session of our own: no terminal, and no process group shared with the launcher.
    let _ = rustix::process::setsid();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let mut server = Server {
        control: take_over_stdin()?,
        filters: Filters::new(),
        idmaps: BTreeMap::new(),
        living: Vec::new(),
    };
    let parting = loop {
        match server.next() {
            Ok(Next::Nothing) => {}
            Ok(Next::Newborn(newborn)) => return Ok(Some(newborn)),
            Ok(Next::Leave) => break true,
            // Whoever hangs up without a word, or in the middle of one, has died.
            Err(_) => break false,
        }
    };
    server.end();
    if let (false, Some(launcher)) = (parting, launcher) {
        cgroup::remove_all_of(launcher);
    }
    Ok(None)
}

/// What came of waiting.
enum Next {
    Nothing,
    /// This process is a sandbox's first.
    Newborn(Newborn),
    /// No more will be asked.
    Leave,
}

/// Moves descriptor 0 aside and puts an empty input in its place.
fn take_over_stdin() -> io::Result<OwnedFd> {
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let null = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(socket)
}

struct Server {
    control: OwnedFd,
    filters: Filters,
    idmaps: BTreeMap<(u32, u32, u32), OwnedFd>,
    /// First processes that were not yet waited for.
    living: Vec<(Pid, OwnedFd)>,
}

impl Server {
    /// Waits for something to happen and does it.
    fn next(&mut self) -> io::Result<Next> {
        if !self.wait() {
            return Ok(Next::Nothing);
        }
        let (request, descriptors) = match self.receive()? {
            (Request::Start(request), descriptors) => (request, descriptors),
            (Request::Leave, _) => return Ok(Next::Leave),
        };
        match self.start(&request, descriptors) {
            Ok(Some(newborn)) => return Ok(Next::Newborn(newborn)),
            Ok(None) => {}
            Err(fail) => {
                let reply =
                    Reply::Failed { step: fail.step.into(), message: fail.message, errno: fail.errno };
                self.reply(&reply, None)?;
            }
        }
        Ok(Next::Nothing)
    }

    /// Waits for something to happen and buries the dead; says whether there is a request.
    fn wait(&mut self) -> bool {
        let mut polled = vec![PollFd::new(&self.control, PollFlags::IN)];
        polled.extend(self.living.iter().map(|(_, process)| PollFd::new(process, PollFlags::IN)));
        if rustix::event::poll(&mut polled, None).is_err() {
            return false;
        }
        let mut woken: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        let asked = woken.remove(0);
        let mut woken = woken.into_iter();
        self.living.retain(|(pid, _)| {
            let dead = woken.next() == Some(true);
            if dead {
                let _ = rustix::process::waitpid(Some(*pid), WaitOptions::empty());
            }
            !dead
        });
        asked
    }

    /// Ends every sandbox that is left.
    fn end(&mut self) {
        for (pid, process) in self.living.drain(..) {
            let _ = rustix::process::pidfd_send_signal(&process, Signal::KILL);
            let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
        }
    }

    /// The next request; an error when the launcher has hung up.
    fn receive(&self) -> io::Result<(Request, Vec<OwnedFd>)> {
        let mut bytes = [0u8; MAX_REQUEST];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let slices = &mut [IoSliceMut::new(&mut bytes)];
        let got = rustix::net::recvmsg(&self.control, slices, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let mut descriptors = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                descriptors.extend(received);
            }
        }
        if got.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let request = serde_json::from_slice(bytes.get(..got.bytes).unwrap_or_default())?;
        Ok((request, descriptors))
    }

    fn reply(&self, reply: &Reply, process: Option<&OwnedFd>) -> io::Result<()> {
        let bytes = serde_json::to_vec(reply)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors: Vec<_> = process.iter().map(|process| process.as_fd()).collect();
        if !descriptors.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        rustix::net::sendmsg(&self.control, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Starts a first process: in it, gives what it starts with.
    fn start(&mut self, request: &Start, descriptors: Vec<OwnedFd>) -> Result<Option<Newborn>, Fail> {
        if request.protocol != PROTOCOL {
            return Err(Fail::new("helper", "launcher and helper are of different builds"));
        }
        let mut descriptors = descriptors.into_iter();
        let (Some(socket), Some(stdout), Some(stderr)) =
            (descriptors.next(), descriptors.next(), descriptors.next())
        else {
            return Err(Fail::new("helper", "the request is cut short"));
        };
        let newborn = Newborn {
            socket,
            outputs: [stdout, stderr],
            identity: request.identity,
            host_ids: (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
            idmap: self.idmap(request),
            groups: request.groups.iter().copied().zip(descriptors).collect(),
            filters: Filters::default(),
        };
        match fork(request.identity)? {
            Fork::Child => Ok(Some(Newborn { filters: std::mem::take(&mut self.filters), ..newborn })),
            Fork::Parent(pid) => {
                let process =
                    rustix::process::pidfd_open(pid, PidfdFlags::empty()).at("pidfd", "pidfd_open")?;
                let told = self.reply(&Reply::Started, Some(&process));
                self.living.push((pid, process));
                told.at("report", "")?;
                Ok(None)
            }
        }
    }

    /// The mapping of the tree's owner, made when it is asked for the first time.
    fn idmap(&mut self, request: &Start) -> Option<OwnedFd> {
        let (Some(owner), Identity::Drop(id)) = (request.owner, request.identity) else { return None };
        let key = (owner.0, owner.1, id);
        if !self.idmaps.contains_key(&key) {
            if self.idmaps.len() >= MAX_KEPT {
                self.idmaps.pop_first();
            }
            self.idmaps.insert(key, idmap::user_namespace(owner, id)?);
        }
        self.idmaps.get(&key)?.try_clone().ok()
    }
}

/// Forks into new namespaces. (That of control groups comes when the groups were entered.)
fn fork(identity: Identity) -> Result<Fork, Fail> {
    let namespaces = UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS;
    match identity {
        Identity::Drop(_) => sys::fork_into(namespaces).at("namespaces", "clone"),
        Identity::UserNamespace => sys::fork_into(namespaces | UnshareFlags::NEWUSER).or_else(|error| {
            // Which of them is refused is known by asking for one alone.
            match sys::fork_into(UnshareFlags::NEWUSER).at("user namespace", "clone")? {
                Fork::Child => sys::exit_now(0),
                Fork::Parent(pid) => {
                    let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
                    Err(error).at("namespaces", "clone")
                }
            }
        }),
    }
}
