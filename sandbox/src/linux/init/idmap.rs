//! Lets a tree that belongs to somebody else look as if it belonged to the command.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use rustix::process::{Signal, WaitOptions};
use rustix::thread::UnshareFlags;

use crate::linux::sys::{self, Fork};

/// A user namespace that maps user and group of a tree to `id`, for an id-mapped mount; nothing when it cannot be had,
/// then the tree is copied.
pub(super) fn user_namespace((uid, gid): (u32, u32), id: u32) -> Option<OwnedFd> {
    let (hold_in, mut hold_out) = std::io::pipe().ok()?;
    match sys::fork_into(UnshareFlags::NEWUSER).ok()? {
        Fork::Child => {
            drop(hold_out);
            let _ = (&hold_in).read(&mut [0u8; 1]);
            sys::exit_now(0)
        }
        Fork::Parent(child) => {
            drop(hold_in);
            let namespace = map(child.as_raw_nonzero().get(), (uid, gid), id);
            let _ = hold_out.write_all(&[0]);
            let _ = rustix::process::kill_process(child, Signal::KILL);
            let _ = rustix::process::waitpid(Some(child), WaitOptions::empty());
            namespace
        }
    }
}

fn map(child: i32, (uid, gid): (u32, u32), id: u32) -> Option<OwnedFd> {
    std::fs::write(format!("/proc/{child}/uid_map"), format!("{uid} {id} 1")).ok()?;
    std::fs::write(format!("/proc/{child}/gid_map"), format!("{gid} {id} 1")).ok()?;
    std::fs::File::open(format!("/proc/{child}/ns/user")).ok().map(OwnedFd::from)
}
