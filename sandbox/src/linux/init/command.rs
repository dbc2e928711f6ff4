//! The last steps before the command: limits, identity, capabilities, Landlock, the filter, and away.

use std::fs;
use std::io::{Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use rustix::fs::MemfdFlags;
use rustix::io::FdFlags;
use rustix::process::{DumpableBehavior, Gid, Pid, Resource, Rlimit, Uid, getrlimit, setrlimit};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};

use super::filter::{self, Filter};
use super::wire::Wire;
use super::{At, Fail};
use crate::linux::spec::{Identity, Message, Spec};
use crate::linux::sys::{self, Fork};

/// Newest Landlock that is asked for; an older kernel gives what it has.
const LANDLOCK: ABI = ABI::V6;

/// What the command reads, as a file without a name; nothing where there is nothing to read.
pub(super) fn input(bytes: &[u8]) -> Result<Option<OwnedFd>, Fail> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let file = rustix::fs::memfd_create("input", MemfdFlags::CLOEXEC).at("input", "")?;
    let mut file = fs::File::from(file);
    file.write_all(bytes).and_then(|()| file.rewind()).at("input", "")?;
    Ok(Some(file.into()))
}

/// Starts the command in a process of its own.
pub(super) fn start(
    wire: &mut Wire,
    spec: &Spec,
    channel: Option<OwnedFd>,
    input: Option<OwnedFd>,
) -> Result<Pid, Fail> {
    match sys::fork().at("fork", "")? {
        Fork::Parent(pid) => Ok(pid),
        Fork::Child => {
            let code = match become_command(wire, spec, channel.as_ref(), input) {
                Ok(()) => 0,
                Err(fail) => {
                    let _ = wire.failed(fail);
                    127
                }
            };
            sys::exit_now(code)
        }
    }
}

/// Puts the filter on the first process, and so on the command. What the filter forbids comes before.
pub(super) fn confine(filter: &Filter) -> Result<(), Fail> {
    // Where a program of the host takes core dumps, the kernel asks it even at 0, and at 1 only not.
    limit(Resource::Core, 1, 0)?;
    rustix::thread::set_no_new_privs(true).at("no_new_privs", "")?;
    filter::apply(filter)
}

/// What the first process keeps: enough to end every other and to list what they wrote.
pub(super) fn keep_little() -> Result<(), Fail> {
    let keep = CapabilitySet::KILL | CapabilitySet::DAC_READ_SEARCH | CapabilitySet::SYS_PTRACE;
    let sets = CapabilitySets { effective: keep, permitted: keep, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets).at("capabilities", "first process")
}

/// Never returns when all went well, but for a job without a command.
fn become_command(
    wire: &mut Wire,
    spec: &Spec,
    channel: Option<&OwnedFd>,
    input: Option<OwnedFd>,
) -> Result<(), Fail> {
    rustix::process::setsid().at("setsid", "")?;
    if let Some(input) = input {
        rustix::stdio::dup2_stdin(&input).at("input", "")?;
    }
    let folder = Path::new("/repo").join(&spec.cwd);
    let mut env = spec.env.clone();
    if let Some(channel) = channel {
        rustix::io::fcntl_setfd(channel, FdFlags::empty()).at("channel", "")?;
        env.insert("PRUNELLA_FD".into(), channel.as_raw_fd().to_string());
    }
    goes_first_when_memory_runs_out();
    limits(spec)?;
    drop_identity(spec)?;
    std::env::set_current_dir(&folder).at("working directory", &spec.cwd)?;
    landlock(wire, spec)?;
    let program = if spec.argv.is_empty() { None } else { Some(find(spec, &env)?) };
    let (Some(program), Some((name, arguments))) = (program, spec.argv.split_first()) else {
        wire.send(&Message::Started).at("report", "")?;
        return Ok(());
    };
    let mut command = Command::new(&program);
    command.arg0(name).args(arguments).env_clear().envs(&env);
    wire.send(&Message::Started).at("report", "")?;
    let error = command.exec();
    Err::<(), _>(error).at("exec", &program.display().to_string())
}

fn limits(spec: &Spec) -> Result<(), Fail> {
    // One more than a control group lets in, so that it is the group that refuses, and counts that it did.
    let own = match spec.identity {
        Identity::Drop(_) => 1,
        // The first process is this user's, too.
        Identity::UserNamespace => 2,
    };
    for (resource, soft, extra) in [
        // First a signal that says why, then the one that cannot be ignored.
        (Resource::Cpu, spec.cpu_seconds, 2),
        (Resource::Fsize, spec.disk, 0),
        (Resource::Nofile, 1024, 0),
        (Resource::Nproc, spec.processes + own, 0),
        (Resource::Stack, 8 << 20, 0),
        (Resource::Memlock, 0, 0),
        (Resource::Msgqueue, 1 << 16, 0),
        (Resource::Rtprio, 0, 0),
        (Resource::Nice, 0, 0),
    ] {
        limit(resource, soft, extra)?;
    }
    Ok(())
}

/// Lowers a limit of this process to `soft`, which it may raise by `extra`.
fn limit(resource: Resource, soft: u64, extra: u64) -> Result<(), Fail> {
    let most = getrlimit(resource).maximum;
    let within = |wanted: u64| most.map_or(wanted, |most| most.min(wanted));
    let new = Rlimit { current: Some(within(soft)), maximum: Some(within(soft.saturating_add(extra))) };
    setrlimit(resource, new).at("limits", &format!("{resource:?}"))
}

fn drop_identity(spec: &Spec) -> Result<(), Fail> {
    for capability in CapabilitySet::all().iter() {
        // A kernel that does not know a capability has nothing to take away.
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(error).at("capabilities", "bounding set"),
        }
    }
    let _ = rustix::thread::clear_ambient_capability_set();
    let bits = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    rustix::thread::set_capabilities_secure_bits(bits).at("capabilities", "secure bits")?;
    if let Identity::Drop(id) = spec.identity {
        let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
        rustix::thread::set_thread_groups(&[]).at("identity", "groups")?;
        rustix::thread::set_thread_res_gid(gid, gid, gid).at("identity", "group")?;
        rustix::thread::set_thread_res_uid(uid, uid, uid).at("identity", "user")?;
    }
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).at("capabilities", "drop")
}

/// The second wall: should a mount ever be writable that ought not to be, this still refuses.
fn landlock(wire: &mut Wire, spec: &Spec) -> Result<(), Fail> {
    let wrong = |error: landlock::RulesetError| Fail::new("landlock", error.to_string());
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(LANDLOCK))
        .map_err(wrong)?
        .scope(Scope::from_all(LANDLOCK))
        .map_err(wrong)?;
    if !spec.loopback && !spec.host_network {
        rules = rules.handle_access(AccessNet::from_all(LANDLOCK)).map_err(wrong)?;
    }
    let mut rules = rules.create().map_err(wrong)?;
    let all = AccessFs::from_all(LANDLOCK);
    for (path, access) in [
        ("/", AccessFs::from_read(LANDLOCK)),
        ("/repo", all),
        ("/tmp", all),
        ("/home/sbx", all),
        ("/dev", AccessFs::from_file(LANDLOCK)),
        ("/dev/shm", all),
    ] {
        let place = PathFd::new(path).map_err(|error| Fail::new("landlock", error.to_string()))?;
        rules = rules.add_rule(PathBeneath::new(place, access)).map_err(wrong)?;
    }
    match rules.restrict_self().map_err(wrong)?.ruleset {
        RulesetStatus::FullyEnforced => Ok(()),
        RulesetStatus::PartiallyEnforced => wire.missing("parts of Landlock that this kernel is too old for"),
        RulesetStatus::NotEnforced => wire.missing("Landlock"),
    }
}

/// Should memory run out, it is the command that goes, not what reports on it.
fn goes_first_when_memory_runs_out() {
    // The files of a process that is not dumpable are root's.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable);
    // There may be no /proc.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// The command's file, searched in its own `PATH`.
fn find(spec: &Spec, env: &std::collections::BTreeMap<String, String>) -> Result<PathBuf, Fail> {
    let name = spec.argv.first().map_or("", String::as_str);
    if name.contains('/') {
        return Ok(name.into());
    }
    let search = env.get("PATH").map_or("", String::as_str);
    search
        .split(':')
        .map(|folder| Path::new(folder).join(name))
        .find(|path| {
            fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
        })
        .ok_or_else(|| Fail::new("exec", format!("{name}: not found in {search}")))
}
