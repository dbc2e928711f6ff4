//! What the payloads are written in: Python that says of every try what the system answered.

use prunella_sandbox::{End, Report};

use crate::linux::common::{Case, python};

/// Before every payload. `attempt` calls a function, `call` the system; each prints the try's name and an error's name,
/// or `DONE`.
const PRELUDE: &str = r#"
import ctypes, errno, os, signal, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, action, *arguments):
    try: result = action(*arguments)
    except OSError as error: print(name, errno.errorcode.get(error.errno, repr(error)))
    except ValueError as error: print(name, 'ValueError')
    else: print(name, 'DONE', repr(result)[:80])
def call(name, number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(*[ctypes.c_long(a) if isinstance(a, int) else a for a in (number, *arguments)])
    print(name, errno.errorcode.get(ctypes.get_errno(), '?') if result == -1 else 'DONE')
    return result
buffer = ctypes.create_string_buffer(4096)
"#;

/// A job that runs `script` after the prelude.
pub(super) fn payload(script: &str) -> Case {
    python(&format!("{PRELUDE}{}{script}", numbers()))
}

/// The numbers of system calls on this machine, as `SYS.name`.
fn numbers() -> String {
    let numbers = [
        ("acct", libc::SYS_acct),
        ("add_key", libc::SYS_add_key),
        ("adjtimex", libc::SYS_adjtimex),
        ("bpf", libc::SYS_bpf),
        ("capset", libc::SYS_capset),
        ("chroot", libc::SYS_chroot),
        ("clock_adjtime", libc::SYS_clock_adjtime),
        ("clock_settime", libc::SYS_clock_settime),
        ("clone", libc::SYS_clone),
        ("clone3", libc::SYS_clone3),
        ("delete_module", libc::SYS_delete_module),
        ("fanotify_init", libc::SYS_fanotify_init),
        ("fchmodat", libc::SYS_fchmodat),
        ("finit_module", libc::SYS_finit_module),
        ("fsconfig", libc::SYS_fsconfig),
        ("fsmount", libc::SYS_fsmount),
        ("fsopen", libc::SYS_fsopen),
        ("fspick", libc::SYS_fspick),
        ("init_module", libc::SYS_init_module),
        ("io_uring_enter", libc::SYS_io_uring_enter),
        ("io_uring_register", libc::SYS_io_uring_register),
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("ioctl", libc::SYS_ioctl),
        ("ioprio_set", libc::SYS_ioprio_set),
        ("kcmp", libc::SYS_kcmp),
        ("kexec_load", libc::SYS_kexec_load),
        ("keyctl", libc::SYS_keyctl),
        ("migrate_pages", libc::SYS_migrate_pages),
        ("mount", libc::SYS_mount),
        ("mount_setattr", libc::SYS_mount_setattr),
        ("move_mount", libc::SYS_move_mount),
        ("move_pages", libc::SYS_move_pages),
        ("name_to_handle_at", libc::SYS_name_to_handle_at),
        ("open_by_handle_at", libc::SYS_open_by_handle_at),
        ("open_tree", libc::SYS_open_tree),
        ("perf_event_open", libc::SYS_perf_event_open),
        ("pidfd_getfd", libc::SYS_pidfd_getfd),
        ("pivot_root", libc::SYS_pivot_root),
        ("prlimit64", libc::SYS_prlimit64),
        ("process_madvise", libc::SYS_process_madvise),
        ("process_vm_readv", libc::SYS_process_vm_readv),
        ("process_vm_writev", libc::SYS_process_vm_writev),
        ("ptrace", libc::SYS_ptrace),
        ("quotactl", libc::SYS_quotactl),
        ("reboot", libc::SYS_reboot),
        ("request_key", libc::SYS_request_key),
        ("sched_setattr", libc::SYS_sched_setattr),
        ("setdomainname", libc::SYS_setdomainname),
        ("sethostname", libc::SYS_sethostname),
        ("setns", libc::SYS_setns),
        ("settimeofday", libc::SYS_settimeofday),
        ("swapoff", libc::SYS_swapoff),
        ("swapon", libc::SYS_swapon),
        ("syslog", libc::SYS_syslog),
        ("umount2", libc::SYS_umount2),
        ("unshare", libc::SYS_unshare),
        ("userfaultfd", libc::SYS_userfaultfd),
    ];
    let lines = numbers.iter().map(|(name, number)| format!("    {name} = {number}\n"));
    format!("class SYS:\n{}", lines.collect::<String>())
}

/// Every try was answered with one of `answers`, and there were as many as `tries`.
pub(super) fn refused(report: &Report, tries: usize, answers: &[&str]) {
    let said = report.stdout.text();
    assert_eq!(report.end, End::Exited { code: 0 }, "{said}{}", report.stderr.text());
    assert_eq!(said.lines().count(), tries, "{said}");
    for line in said.lines() {
        let answer = line.rsplit(' ').next().unwrap_or_default();
        assert!(answers.contains(&answer), "{line}: not one of {answers:?}");
    }
}

/// There is no such thing, or no way to it.
pub(super) const ABSENT: &[&str] = &["ENOENT", "EACCES", "ENOTDIR", "ELOOP"];
/// It is there and cannot be changed.
pub(super) const FIXED: &[&str] = &["EROFS", "EPERM", "EACCES", "ENOENT", "EXDEV", "EBUSY"];
/// The call itself is refused.
pub(super) const FORBIDDEN: &[&str] = &["EPERM"];
