//! Watches the command from inside, ends what is left of it, and looks at what it wrote.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, WaitOptions, WaitStatus};

use super::root::Built;
use super::wire::Wire;
use super::{At, Fail, repo};
use crate::linux::changes::{self, Overlay, Snapshot};
use crate::linux::spec::{Done, Message, Spec, Stop};
use crate::linux::sys;

/// How often memory and disk are looked at.
const TICK: Duration = Duration::from_millis(20);

/// Waits for the command's end or a reason to end it; afterwards nothing of it is alive.
pub(super) fn watch(
    wire: &mut Wire,
    spec: &Spec,
    child: Pid,
    built: &Built,
    start: &Snapshot,
    memory_is_bounded: bool,
) -> Result<Done, Fail> {
    let pidfd = rustix::process::pidfd_open(child, PidfdFlags::empty()).at("watch", "pidfd_open")?;
    let tick = Timespec::try_from(TICK).ok();
    let mut status: Option<WaitStatus> = None;
    let mut stopped = None;
    while status.is_none() && stopped.is_none() {
        let mut polled = [
            PollFd::new(&pidfd, PollFlags::IN),
            PollFd::from_borrowed_fd(wire.fd(), PollFlags::IN | PollFlags::RDHUP),
        ];
        let _ = rustix::event::poll(&mut polled, tick.as_ref());
        let asked_to_stop = !polled[1].revents().is_empty();
        while let Ok(Some((pid, how))) = rustix::process::wait(WaitOptions::NOHANG) {
            if pid == child {
                status = Some(how);
            }
        }
        if asked_to_stop {
            break;
        }
        if full(built) {
            stopped = Some(Stop::Disk);
        } else if !memory_is_bounded && memory_in_use(built) > spec.memory {
            stopped = Some(Stop::Memory);
        }
    }
    sys::kill_everything();
    while let Ok(Some((pid, how))) = rustix::process::wait(WaitOptions::empty()) {
        if pid == child {
            status = Some(how);
        }
    }
    if let Some(stop) = stopped {
        wire.send(&Message::Stopped(stop)).at("report", "")?;
    }
    let end = changes::snapshot(&repo::upper(&built.scratch)?).at("changes", "list")?;
    let merged = repo::open()?;
    let overlay = built.overlay.then_some(Overlay { lower: &built.lower, merged: &merged });
    let (changed, truncated) = changes::compare(start, &end, overlay);
    let (cpu, peak_memory) = sys::usage_of_children();
    Ok(Done {
        code: status.and_then(WaitStatus::exit_status),
        signal: status.and_then(WaitStatus::terminating_signal),
        cpu_ms: u64::try_from(cpu.as_millis()).unwrap_or(u64::MAX),
        peak_memory,
        changed,
        truncated,
    })
}

/// Whether the scratch space has no room left, in bytes or in files.
fn full(built: &Built) -> bool {
    rustix::fs::fstatvfs(&built.scratch).is_ok_and(|now| now.f_bfree == 0 || now.f_ffree == 0)
}

/// Bytes of memory that the command and all it started take from the machine, as far as it can be seen from here:
/// their own pages, shared pages that no file of the host backs, and what was written. Pages shared between
/// processes count for each of them.
fn memory_in_use(built: &Built) -> u64 {
    let mut bytes = 0u64;
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if !entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit) {
            continue;
        }
        let Ok(text) = fs::read_to_string(entry.path().join("status")) else { continue };
        let kibibytes = text.lines().filter_map(|line| {
            let value = line.strip_prefix("RssAnon:").or_else(|| line.strip_prefix("RssShmem:"))?;
            value.split_whitespace().next()?.parse::<u64>().ok()
        });
        bytes = bytes.saturating_add(kibibytes.sum::<u64>().saturating_mul(1024));
        bytes = bytes.saturating_add(nameless_files(&entry.path()));
    }
    let written = rustix::fs::fstatvfs(&built.scratch)
        .map_or(0, |now| now.f_blocks.saturating_sub(now.f_bfree).saturating_mul(now.f_frsize));
    bytes.saturating_add(written).saturating_add(shared_segments())
}

/// Bytes in files that a process holds in memory without a name anywhere.
fn nameless_files(process: &Path) -> u64 {
    let files = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    let held = files.filter(|file| {
        fs::read_link(file.path())
            .is_ok_and(|name| name.as_os_str().as_encoded_bytes().starts_with(b"/memfd:"))
    });
    held.filter_map(|file| Some(fs::metadata(file.path()).ok()?.blocks())).sum::<u64>().saturating_mul(512)
}

/// Bytes in System V shared memory, attached or not.
fn shared_segments() -> u64 {
    const RESIDENT: usize = 14;
    let text = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    text.lines().skip(1).filter_map(|line| line.split_whitespace().nth(RESIDENT)?.parse::<u64>().ok()).sum()
}
