//! Lets a tree that belongs to somebody else look as if it belonged to the command.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::{Signal, WaitOptions};
use rustix::thread::UnshareFlags;

use crate::linux::sys::{self, Fork};

/// A user namespace that maps the owner of `tree` to `id`, for an id-mapped mount; nothing when it cannot be had,
/// then the tree is copied.
pub(super) fn user_namespace(tree: &Path, id: u32) -> Option<OwnedFd> {
    let owner = std::fs::metadata(tree).ok()?;
    let (mut ready_in, ready_out) = std::io::pipe().ok()?;
    let (hold_in, mut hold_out) = std::io::pipe().ok()?;
    match sys::fork().ok()? {
        Fork::Child => {
            drop((ready_in, hold_out));
            let entered = sys::unshare(UnshareFlags::NEWUSER).is_ok();
            let _ = (&ready_out).write_all(&[u8::from(entered)]);
            let _ = (&hold_in).read(&mut [0u8; 1]);
            sys::exit_now(0)
        }
        Fork::Parent(child) => {
            drop((ready_out, hold_in));
            let mut entered = [0u8; 1];
            let namespace = ready_in
                .read_exact(&mut entered)
                .ok()
                .filter(|()| entered == [1])
                .and_then(|()| map(child.as_raw_nonzero().get(), (owner.uid(), owner.gid()), id));
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
