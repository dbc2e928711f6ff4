//! One thread that starts every helper.
//!
//! A helper asks the kernel to be killed with its parent, and the kernel takes the parent to be the *thread* that
//! started it. Threads of a pool come and go, so a thread of ours does it, which lives as long as the sandbox.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};

type Request = (Command, Sender<io::Result<Child>>);

/// Starts processes from one thread.
#[derive(Debug)]
pub(super) struct Spawner(Sender<Request>);

impl Spawner {
    /// Starts the thread; it ends with the last use of the spawner.
    pub(super) fn new() -> io::Result<Self> {
        let (sender, requests) = channel::<Request>();
        std::thread::Builder::new().name("sandbox-spawner".into()).spawn(move || {
            for (mut command, reply) in requests {
                let _ = reply.send(command.spawn());
            }
        })?;
        Ok(Self(sender))
    }

    /// Starts `command`.
    pub(super) fn spawn(&self, command: Command) -> io::Result<Child> {
        let gone = || io::Error::other("the thread that starts helpers is gone");
        let (reply, answer) = channel();
        self.0.send((command, reply)).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }
}
