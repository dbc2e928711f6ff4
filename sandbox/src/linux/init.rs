//! The helper: becomes the sandbox's first process, builds it, runs the command in it, and says how that went.
//!
//! Started with an empty environment and nothing but descriptors 0 (the socket to the launcher), 1 and 2 (the
//! command's output). It stays single-threaded. Two processes of it live while a command runs: the outer one, which
//! only waits, and the first process of the new process-id namespace, with whose end the kernel ends every other.

mod command;
mod filter;
mod idmap;
mod repo;
mod root;
mod supervise;
mod wire;

use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, Signal, WaitOptions, set_parent_process_death_signal};
use rustix::thread::UnshareFlags;

use super::spec::{INSIDE_ID, Identity, Message};
use super::sys::{self, Fork};
use wire::{Order, Wire};

/// A step of the set-up that failed.
#[derive(Debug)]
pub(super) struct Fail {
    step: &'static str,
    message: String,
    errno: Option<i32>,
}

impl Fail {
    fn new(step: &'static str, message: impl Into<String>) -> Self {
        Self { step, message: message.into(), errno: None }
    }
}

/// Names the step an error belongs to.
trait At<T> {
    /// The same value, or a [`Fail`] of `step` about `what`.
    fn at(self, step: &'static str, what: &str) -> Result<T, Fail>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, step: &'static str, what: &str) -> Result<T, Fail> {
        self.map_err(|error| {
            let error: io::Error = error.into();
            let message = if what.is_empty() { error.to_string() } else { format!("{what}: {error}") };
            Fail { step, message, errno: error.raw_os_error() }
        })
    }
}

/// Runs the helper to its end.
pub(crate) fn main() -> ! {
    let code = match outer() {
        Ok(()) => 0,
        Err(()) => 1,
    };
    sys::exit_now(code)
}

/// The outer process: enters the namespaces, starts the first process, waits for it.
fn outer() -> Result<(), ()> {
    // Nothing inherited survives but the three streams, whoever started us.
    sys::close_from(3).map_err(drop)?;
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(drop)?;
    // A session of our own: no terminal, and no process group shared with the launcher.
    let _ = rustix::process::setsid();
    let mut wire = Wire::take_over_stdin().map_err(drop)?;
    let order = match wire.receive() {
        Ok(order) => order,
        Err(fail) => return wire.failed(fail),
    };
    match start(&mut wire, &order) {
        Ok(Some(init)) => {
            drop(order);
            drop(wire);
            let _ = rustix::process::waitpid(Some(init), WaitOptions::empty());
            Ok(())
        }
        Ok(None) => first_process(&mut wire, order),
        Err(fail) => wire.failed(fail),
    }
}

/// Enters the namespaces and forks; gives the first process's number to the outer process and nothing to the new one.
fn start(wire: &mut Wire, order: &Order) -> Result<Option<Pid>, Fail> {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let mut namespaces = UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    if order.spec.host_network {
        namespaces.remove(UnshareFlags::NEWNET);
    }
    match order.spec.identity {
        Identity::Drop(_) => sys::unshare(namespaces).at("namespaces", "unshare")?,
        Identity::UserNamespace => {
            let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
            // In two calls, so that what is refused is known by its name.
            sys::unshare(UnshareFlags::NEWUSER).at("user namespace", "unshare")?;
            let map = |file: &str, text: String| {
                std::fs::write(format!("/proc/self/{file}"), text).at("user namespace", file)
            };
            map("setgroups", "deny".into())?;
            map("uid_map", format!("{INSIDE_ID} {} 1", uid.as_raw()))?;
            map("gid_map", format!("{INSIDE_ID} {} 1", gid.as_raw()))?;
            sys::unshare(namespaces).at("namespaces", "unshare")?;
        }
    }
    match sys::fork().at("fork", "")? {
        Fork::Child => Ok(None),
        Fork::Parent(init) => {
            let pidfd = rustix::process::pidfd_open(init, rustix::process::PidfdFlags::empty())
                .at("pidfd", "pidfd_open")?;
            wire.send_with(&Message::Init, &pidfd).at("report", "")?;
            Ok(Some(init))
        }
    }
}

/// The first process: builds the sandbox, starts the command, watches it, reports.
fn first_process(wire: &mut Wire, mut order: Order) -> Result<(), ()> {
    match prepare_and_run(wire, &mut order) {
        Ok(done) => wire.send(&Message::Done(done)).map_err(drop),
        Err(fail) => {
            sys::kill_everything();
            wire.failed(fail)
        }
    }
}

fn prepare_and_run(wire: &mut Wire, order: &mut Order) -> Result<super::spec::Done, Fail> {
    // The outer process dies with the launcher, and this one with the outer.
    set_parent_process_death_signal(Some(Signal::KILL)).at("prctl", "PDEATHSIG")?;
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .at("prctl", "DUMPABLE")?;
    rustix::system::sethostname(b"sandbox").at("hostname", "")?;
    if order.spec.loopback {
        let socket =
            rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)
                .at("loopback", "socket")?;
        sys::loopback_up(std::os::fd::AsFd::as_fd(&socket)).at("loopback", "up")?;
    }
    let built = root::build(wire, &order.spec, order.idmap.take())?;
    let blobs = order.split()?;
    root::write_own_files(&order.spec, &blobs.files)?;
    let start = repo::prepare(&order.spec, &blobs.edits, &built)?;
    root::seal(&built)?;
    drop(blobs);
    let channel: Option<OwnedFd> = order.channel.take();
    let filter = filter::compile(order.spec.loopback || order.spec.host_network)?;
    let child = command::start(wire, &order.spec, channel, &filter)?;
    command::confine_init(&filter)?;
    supervise::watch(wire, &order.spec, child, &built, &start)
}
