//! The system calls that no safe wrapper covers. The only module of this crate with `unsafe` code.
#![expect(unsafe_code, reason = "these system calls have no safe wrapper; each use says why it is sound")]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// Make a mount read-only.
pub(super) const RDONLY: u64 = libc::MOUNT_ATTR_RDONLY;
/// Ignore set-user-id bits on a mount.
pub(super) const NOSUID: u64 = libc::MOUNT_ATTR_NOSUID;
/// Refuse device files on a mount.
pub(super) const NODEV: u64 = libc::MOUNT_ATTR_NODEV;
/// Refuse to execute files of a mount.
pub(super) const NOEXEC: u64 = libc::MOUNT_ATTR_NOEXEC;

/// Which side of a fork this is.
pub(super) enum Fork {
    /// The new process.
    Child,
    /// The old one, with the new one's number as this process sees it.
    Parent(Pid),
}

/// Forks. The caller must be single-threaded, which the helper is from its first instruction on.
pub(super) fn fork() -> io::Result<Fork> {
    // SAFETY: only the helper calls this, and it never starts a thread, so the child has every lock of the
    // process in a state that its one thread left behind; it may allocate and run ordinary code.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => {
            Pid::from_raw(pid).map(Fork::Parent).ok_or_else(|| io::Error::other("fork gave no process id"))
        }
    }
}

/// Forks into new namespaces. The caller must be single-threaded.
pub(super) fn fork_into(namespaces: UnshareFlags) -> io::Result<Fork> {
    let flags = libc::c_long::from(namespaces.bits().cast_signed()) | libc::c_long::from(libc::SIGCHLD);
    // SAFETY: without a stack and without `CLONE_VM` this is `fork`: the child has a copy of all memory. As there, the
    // one thread leaves no lock in a state of its own. All other arguments are unused with these flags.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .map(Fork::Parent)
            .ok_or_else(|| io::Error::other("clone gave no process id")),
    }
}

/// Ends this process at once, without running anything that was registered for its end.
pub(super) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` takes any number and does not return; nothing of this process is used afterwards.
    unsafe { libc::_exit(code) }
}

/// Closes every descriptor from `first` on.
pub(super) fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: called first thing in the helper, before it owns any descriptor beside 0, 1 and 2, so no owner in
    // this process loses one.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0u32) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Enters new namespaces.
pub(super) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: the helper is single-threaded and no flag here unshares the descriptor table under a borrowed
    // descriptor (`FILES` is never asked for).
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(io::Error::from)
}

/// Sets attributes of the mount at `fd`; `recursive` for everything below it too.
pub(super) fn mount_setattr(fd: BorrowedFd<'_>, set: u64, recursive: bool) -> io::Result<()> {
    set_attributes(
        fd,
        libc::mount_attr { attr_set: set, attr_clr: 0, propagation: 0, userns_fd: 0 },
        recursive,
    )
}

/// Clears attributes of the one mount at `fd`.
pub(super) fn mount_clear(fd: BorrowedFd<'_>, clear: u64) -> io::Result<()> {
    let attributes = libc::mount_attr { attr_set: 0, attr_clr: clear, propagation: 0, userns_fd: 0 };
    set_attributes(fd, attributes, false)
}

/// Makes a detached mount show its files under other owners, as the user namespace `userns` maps them.
pub(super) fn mount_idmap(fd: BorrowedFd<'_>, userns: BorrowedFd<'_>) -> io::Result<()> {
    let userns_fd = u64::try_from(userns.as_raw_fd()).map_err(io::Error::other)?;
    let attributes =
        libc::mount_attr { attr_set: libc::MOUNT_ATTR_IDMAP, attr_clr: 0, propagation: 0, userns_fd };
    set_attributes(fd, attributes, false)
}

fn set_attributes(fd: BorrowedFd<'_>, attributes: libc::mount_attr, recursive: bool) -> io::Result<()> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is an empty C string, the structure lives across the call and its size is passed with it;
    // the descriptor is borrowed and so open.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sends SIGKILL to every process of this process-id namespace but the caller, which must be its first process.
pub(super) fn kill_everything() {
    // SAFETY: `kill` touches no memory of ours. Guarded so that it can never mean "every process of the host".
    if rustix::process::getpid().as_raw_nonzero().get() == 1 {
        // SAFETY: as above.
        unsafe { libc::kill(-1, libc::SIGKILL) };
    }
}

/// Processor time, user's and system's, and largest resident size in bytes of the ended children and theirs.
pub(crate) fn usage_of_children() -> (Duration, u64) {
    usage(libc::RUSAGE_CHILDREN)
}

/// The same of this process.
pub(crate) fn usage_of_self() -> (Duration, u64) {
    usage(libc::RUSAGE_SELF)
}

fn usage(whose: libc::c_int) -> (Duration, u64) {
    // SAFETY: `rusage` is plain integers, for which all zeroes is a value; the call fills it in.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(whose, &raw mut usage);
        usage
    };
    let time = |t: libc::timeval| {
        let micros = u64::try_from(t.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(t.tv_usec).unwrap_or(0);
        Duration::from_micros(micros)
    };
    let peak = u64::try_from(usage.ru_maxrss).unwrap_or(0).saturating_mul(1024);
    (time(usage.ru_utime) + time(usage.ru_stime), peak)
}

/// Brings the loopback interface of this network namespace up; `socket` is any internet socket in it.
pub(super) fn loopback_up(socket: BorrowedFd<'_>) -> io::Result<()> {
    let name: &CStr = c"lo";
    // SAFETY: `ifreq` is plain data, for which all zeroes is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.to_bytes()) {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    let up = libc::IFF_UP | libc::IFF_RUNNING;
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(up).map_err(io::Error::other)?;
    // SAFETY: SIOCSIFFLAGS reads one `ifreq`, which lives across the call; the descriptor is open.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
