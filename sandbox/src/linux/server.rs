//! The helper as a server: started once, asked for every job. It goes when the launcher hangs up, by will or by death.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use rustix::net::sockopt::Timeout;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

use super::launch::Failed;
use super::spec::{MAX_REQUEST, Reply, Request, Start};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// Starts first processes of sandboxes.
#[derive(Debug)]
pub(super) struct Server {
    program: PathBuf,
    arguments: Vec<OsString>,
    running: Mutex<Option<Running>>,
}

/// A helper that runs.
#[derive(Debug)]
struct Running {
    control: OwnedFd,
    process: Child,
    /// Whether it has ever answered.
    served: bool,
}

impl Drop for Running {
    /// Lets the helper end, and waits for that.
    fn drop(&mut self) {
        // One that never answered may be anything.
        if !self.served || send(&self.control, &Request::Leave, &[]).is_err() {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

impl Server {
    /// Nothing is started before the first job.
    pub(super) fn new(program: PathBuf, arguments: Vec<OsString>) -> Self {
        Self { program, arguments, running: Mutex::new(None) }
    }

    /// Sees to it that the helper runs: whatever is made for a job afterwards has somebody who removes it.
    pub(super) fn run(&self) -> Result<(), Failed> {
        let mut running = self.lock()?;
        if running.is_none() {
            *running = Some(self.launch().map_err(|error| self.failed(&error))?);
        }
        Ok(())
    }

    fn lock(&self) -> Result<MutexGuard<'_, Option<Running>>, Failed> {
        self.running.lock().map_err(|_| Failed::new("helper", "a thread of this program panicked"))
    }

    fn failed(&self, error: &io::Error) -> Failed {
        let message = format!("{}: {error}", self.program.display());
        Failed { step: "helper".into(), message, errno: error.raw_os_error() }
    }

    /// Has a first process started that gets `descriptors`; gives a descriptor of it.
    pub(super) fn start(&self, start: Start, descriptors: &[BorrowedFd<'_>]) -> Result<OwnedFd, Failed> {
        let request = Request::Start(start);
        let mut running = self.lock()?;
        let answer = self.ask(&mut running, &request, descriptors);
        let answer = if answer.is_err() && running.as_ref().is_some_and(|running| running.served) {
            // It was killed since the last job, perhaps for want of memory. There is another where it came from.
            *running = None;
            self.ask(&mut running, &request, descriptors)
        } else {
            answer
        };
        match answer {
            Ok((Reply::Started, Some(process))) => Ok(process),
            Ok((Reply::Failed { step, message, errno }, _)) => Err(Failed { step, message, errno }),
            Ok((Reply::Started, None)) => Err(Failed::new("helper", "it speaks otherwise than this program")),
            Err(error) => {
                *running = None;
                Err(self.failed(&error))
            }
        }
    }

    fn ask(
        &self,
        running: &mut Option<Running>,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<(Reply, Option<OwnedFd>)> {
        let running = match running {
            Some(running) => running,
            None => running.insert(self.launch()?),
        };
        send(&running.control, request, descriptors)?;
        let answer = receive(&running.control)?;
        running.served = true;
        Ok(answer)
    }

    fn launch(&self) -> io::Result<Running> {
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        // What takes longer to answer is no helper of ours.
        rustix::net::sockopt::set_socket_timeout(&ours, Timeout::Recv, Some(ANSWER))?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = command.spawn()?;
        Ok(Running { control: ours, process, served: false })
    }
}

fn send(control: &OwnedFd, request: &Request, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let bytes = serde_json::to_vec(request)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many descriptors"));
    }
    rustix::net::sendmsg(control, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn receive(control: &OwnedFd) -> io::Result<(Reply, Option<OwnedFd>)> {
    let mut bytes = [0u8; MAX_REQUEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let slices = &mut [IoSliceMut::new(&mut bytes)];
    let got = loop {
        match rustix::net::recvmsg(control, slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    if got.bytes == 0 {
        return Err(io::Error::other("ended before it said anything"));
    }
    let mut process = None;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            process = descriptors.last().or(process);
        }
    }
    let reply = serde_json::from_slice(bytes.get(..got.bytes).unwrap_or_default())
        .map_err(|_| io::Error::other("it speaks otherwise than this program"))?;
    Ok((reply, process))
}
