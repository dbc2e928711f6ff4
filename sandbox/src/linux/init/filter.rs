//! The system-call filter: what a test suite never needs and an attacker would start with.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

use super::Fail;

/// A compiled filter.
pub(super) struct Filter(BpfProgram);

/// Both filters there are, compiled once by the server.
#[derive(Default)]
pub(super) struct Filters([Option<Filter>; 2]);

impl Filters {
    /// Compiles them.
    pub(super) fn new() -> Self {
        Self([false, true].map(|loopback| compile(loopback).ok()))
    }

    /// The one for a job with or without a private loopback.
    pub(super) fn of(&self, loopback: bool) -> Result<&Filter, Fail> {
        let known = self.0.get(usize::from(loopback)).and_then(Option::as_ref);
        // What was wrong with it is known from trying again.
        known.ok_or_else(|| match compile(loopback) {
            Err(fail) => fail,
            Ok(_) => Fail::new("seccomp", "the filter was not compiled"),
        })
    }
}

/// Compiles the filter; `loopback` lets internet sockets be opened.
fn compile(loopback: bool) -> Result<Filter, Fail> {
    let wrong = |error: &dyn std::fmt::Display| Fail::new("seccomp", error.to_string());
    let arch: TargetArch = std::env::consts::ARCH.try_into().map_err(|error| wrong(&error))?;
    let errno = |number: i32| SeccompAction::Errno(number.unsigned_abs());
    let denied = rules(loopback).map_err(|error| wrong(&error))?;
    let denied = SeccompFilter::new(denied, SeccompAction::Allow, errno(libc::EPERM), arch);
    let denied: BpfProgram =
        denied.and_then(SeccompFilter::try_into).map_err(|error: seccompiler::BackendError| wrong(&error))?;
    let mut program = first();
    program.extend(denied);
    Ok(Filter(program))
}

/// Puts the filter on the calling process and all it starts, for good.
pub(super) fn apply(filter: &Filter) -> Result<(), Fail> {
    seccompiler::apply_filter(&filter.0).map_err(|error| Fail::new("seccomp", error.to_string()))
}

/// What stands before all rules. Jumps are relative, so that one program may follow another.
fn first() -> BpfProgram {
    const LOAD_NUMBER: u16 = 0x20;
    const JUMP_EQ: u16 = 0x15;
    const JUMP_GE: u16 = 0x35;
    const RETURN: u16 = 0x06;
    let clone3 = u32::try_from(libc::SYS_clone3).unwrap_or_default();
    let absent = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
    let mut program = vec![
        sock_filter { code: LOAD_NUMBER, jt: 0, jf: 0, k: 0 },
        // The C library falls back to `clone`, whose flags a filter can see.
        sock_filter { code: JUMP_EQ, jt: 0, jf: 1, k: clone3 },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: absent },
    ];
    if cfg!(target_arch = "x86_64") {
        // The x32 numbering would walk around every rule by number. (−1 is what a tracer writes to skip a call; no
        // tracer is possible here.)
        program.extend([
            sock_filter { code: JUMP_GE, jt: 0, jf: 1, k: 0x4000_0000 },
            sock_filter { code: RETURN, jt: 0, jf: 0, k: libc::SECCOMP_RET_KILL_PROCESS },
        ]);
    }
    program
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// One rule that holds when all its conditions do.
fn when(conditions: Vec<(u8, Op, u64)>) -> Result<SeccompRule, seccompiler::BackendError> {
    let conditions = conditions
        .into_iter()
        .map(|(argument, op, value)| SeccompCondition::new(argument, Len::Dword, op, value))
        .collect::<Result<_, _>>()?;
    SeccompRule::new(conditions)
}

fn rules(loopback: bool) -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = always().iter().map(|number| (*number, Vec::new())).collect();
    let masked = |argument: u8, bits: libc::c_int| {
        let bits = u64::from(bits.unsigned_abs());
        when(vec![(argument, Op::MaskedEq(bits), bits)])
    };
    // New namespaces by way of clone.
    let new = [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ];
    rules.insert(libc::SYS_clone, new.iter().map(|flag| masked(0, *flag)).collect::<Result<_, _>>()?);
    // Only sockets that cannot leave.
    let mut other: Vec<(u8, Op, u64)> = vec![(0, Op::Ne, libc::AF_UNIX as u64)];
    if loopback {
        other.push((0, Op::Ne, libc::AF_INET as u64));
        other.push((0, Op::Ne, libc::AF_INET6 as u64));
    }
    rules.insert(libc::SYS_socket, vec![when(other)?]);
    rules.insert(libc::SYS_socketpair, vec![when(vec![(0, Op::Ne, libc::AF_UNIX as u64)])?]);
    // Typing into somebody's terminal.
    let terminal = [0x5412 /* TIOCSTI */, 0x541C /* TIOCLINUX */];
    rules.insert(
        libc::SYS_ioctl,
        terminal.iter().map(|request| when(vec![(1, Op::Eq, *request)])).collect::<Result<_, _>>()?,
    );
    // The personality may be asked for, not changed.
    rules.insert(libc::SYS_personality, vec![when(vec![(0, Op::Ne, 0), (0, Op::Ne, 0xffff_ffff)])?]);
    // Other processes' limits: the first process of the sandbox is one of them.
    // And the own limit on core dumps, which keeps the host's handler of them from being run.
    let core = u64::from(libc::RLIMIT_CORE);
    let sets = SeccompCondition::new(2, Len::Qword, Op::Ne, 0)?;
    let lowers_core = SeccompRule::new(vec![SeccompCondition::new(1, Len::Dword, Op::Eq, core)?, sets])?;
    rules.insert(libc::SYS_prlimit64, vec![when(vec![(0, Op::Ne, 0)])?, lowers_core]);
    rules.insert(libc::SYS_setrlimit, vec![when(vec![(0, Op::Eq, core)])?]);
    let set_id =
        |argument| -> Result<Vec<_>, _> { Ok(vec![masked(argument, 0o4000)?, masked(argument, 0o2000)?]) };
    rules.insert(libc::SYS_fchmod, set_id(1)?);
    rules.insert(libc::SYS_fchmodat, set_id(2)?);
    rules.insert(FCHMODAT2, set_id(2)?);
    let device = |argument| -> Result<Vec<_>, _> {
        let of_kind = |kind: u64| when(vec![(argument, Op::MaskedEq(u64::from(libc::S_IFMT)), kind)]);
        Ok(vec![of_kind(u64::from(libc::S_IFCHR))?, of_kind(u64::from(libc::S_IFBLK))?])
    };
    rules.insert(libc::SYS_mknodat, device(2)?);
    #[cfg(target_arch = "x86_64")]
    {
        rules.insert(libc::SYS_chmod, set_id(1)?);
        rules.insert(libc::SYS_mknod, device(1)?);
    }
    Ok(rules)
}

/// Newer than the C library's headers, the same number everywhere.
const FCHMODAT2: i64 = 452;

/// Refused whatever the arguments.
fn always() -> Vec<i64> {
    let everywhere = vec![
        // The mount family.
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_fsopen,
        libc::SYS_fsmount,
        libc::SYS_fsconfig,
        libc::SYS_fspick,
        libc::SYS_open_tree,
        libc::SYS_move_mount,
        libc::SYS_mount_setattr,
        467, /* open_tree_attr */
        libc::SYS_unshare,
        libc::SYS_setns,
        // The kernel's own machinery.
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_kexec_load,
        libc::SYS_reboot,
        libc::SYS_swapon,
        libc::SYS_swapoff,
        libc::SYS_acct,
        libc::SYS_quotactl,
        libc::SYS_quotactl_fd,
        libc::SYS_syslog,
        libc::SYS_vhangup,
        libc::SYS_lookup_dcookie,
        libc::SYS_nfsservctl,
        libc::SYS_fanotify_init,
        // Other processes.
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_process_madvise,
        libc::SYS_pidfd_getfd,
        libc::SYS_kcmp,
        libc::SYS_move_pages,
        libc::SYS_migrate_pages,
        // Files by handle, past every path.
        libc::SYS_open_by_handle_at,
        libc::SYS_name_to_handle_at,
        // Clock and names.
        libc::SYS_settimeofday,
        libc::SYS_clock_settime,
        libc::SYS_clock_adjtime,
        libc::SYS_adjtimex,
        libc::SYS_sethostname,
        libc::SYS_setdomainname,
    ];
    #[cfg(target_arch = "x86_64")]
    let here = [libc::SYS_kexec_file_load, libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt];
    #[cfg(not(target_arch = "x86_64"))]
    let here = [];
    everywhere.into_iter().chain(here).collect()
}
