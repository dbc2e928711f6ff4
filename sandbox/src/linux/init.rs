//! The helper: a server, and what it turns into for every job: the sandbox's first process, which builds it, runs the
//! command in it, and says how that went.
//!
//! Started with an empty environment and nothing but descriptor 0, the control socket. It stays single-threaded. While
//! a command runs there is one process of it beside the server, the first of a new process-id namespace, with whose end
//! the kernel ends every other.

mod command;
mod filter;
mod idmap;
mod repo;
mod root;
mod server;
mod supervise;
mod wire;

use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::UnshareFlags;

use super::spec::{Bounds, Done, INSIDE_ID, Identity, Message};
use super::sys;
use filter::Filters;
use server::Newborn;
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
    let done = match server::serve() {
        Ok(Some(newborn)) => first_process(newborn),
        Ok(None) => Ok(()),
        Err(_) => Err(()),
    };
    sys::exit_now(i32::from(done.is_err()))
}

/// The first process: builds the sandbox, starts the command, watches it, reports.
fn first_process(newborn: Newborn) -> Result<(), ()> {
    // It dies with the server, and the server goes with the launcher. (When the launcher hangs up, it ends by itself.)
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(drop)?;
    let Newborn { socket, outputs: [stdout, stderr], identity, host_ids, idmap, groups, filters } = newborn;
    rustix::stdio::dup2_stdout(&stdout).map_err(drop)?;
    rustix::stdio::dup2_stderr(&stderr).map_err(drop)?;
    drop((stdout, stderr));
    let mut wire = Wire::new(socket);
    let done = settle(&mut wire, identity, host_ids, groups)
        .and_then(|memory_is_bounded| prepare_and_run(&mut wire, idmap, &filters, memory_is_bounded));
    match done {
        Ok(done) => wire.send(&Message::Done(done)).map_err(drop),
        Err(fail) => {
            sys::kill_everything();
            wire.failed(fail)
        }
    }
}

/// Makes itself at home in the new namespaces; says whether a control group bounds its memory.
fn settle(
    wire: &mut Wire,
    identity: Identity,
    (uid, gid): (u32, u32),
    groups: Vec<(Bounds, OwnedFd)>,
) -> Result<bool, Fail> {
    rustix::process::setsid().at("setsid", "")?;
    let mut bounded = Bounds { memory: false, processes: false };
    for (bounds, procs) in groups {
        // Zero is whoever writes it.
        if rustix::io::write(&procs, b"0").is_ok() {
            bounded.memory |= bounds.memory;
            bounded.processes |= bounds.processes;
        }
    }
    if !bounded.memory {
        wire.missing("a control group for memory (a watcher stands in)")?;
    }
    if !bounded.processes {
        wire.missing("a control group for processes (a limit of the user stands in)")?;
    }
    if matches!(identity, Identity::UserNamespace) {
        let map = |file: &str, text: String| {
            std::fs::write(format!("/proc/self/{file}"), text).at("user namespace", file)
        };
        map("setgroups", "deny".into())?;
        map("uid_map", format!("{INSIDE_ID} {uid} 1"))?;
        map("gid_map", format!("{INSIDE_ID} {gid} 1"))?;
    }
    // Only now: the maps of a process that is not dumpable belong to root.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .at("prctl", "DUMPABLE")?;
    // Now that the groups are entered they are what is seen as the top.
    sys::unshare(UnshareFlags::NEWCGROUP).at("namespaces", "cgroup")?;
    rustix::system::sethostname(b"sandbox").at("hostname", "")?;
    Ok(bounded.memory)
}

fn prepare_and_run(
    wire: &mut Wire,
    idmap: Option<OwnedFd>,
    filters: &Filters,
    memory_is_bounded: bool,
) -> Result<Done, Fail> {
    let mut order: Order = wire.receive()?;
    if order.spec.loopback {
        let socket =
            rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)
                .at("loopback", "socket")?;
        sys::loopback_up(std::os::fd::AsFd::as_fd(&socket)).at("loopback", "up")?;
    }
    let built = root::build(wire, &order.spec, idmap)?;
    let blobs = order.split()?;
    root::write_own_files(&order.spec, &blobs.files)?;
    let start = repo::prepare(&order.spec, &blobs.edits, &built)?;
    root::seal(&built)?;
    let input = command::input(&blobs.input)?;
    drop(blobs);
    let channel: Option<OwnedFd> = order.channel.take();
    command::confine(filters.of(order.spec.loopback || order.spec.host_network)?)?;
    let child = command::start(wire, &order.spec, channel, input)?;
    command::keep_little()?;
    supervise::watch(wire, &order.spec, child, &built, &start, memory_is_bounded)
}
