//! Builds the sandbox's file system and makes it the root.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags};

use super::wire::Wire;
use super::{At, Fail, repo};
use crate::linux::spec::{INSIDE_ID, Identity, Spec};
use crate::linux::sys;

const RO: u64 = sys::RDONLY | sys::NOSUID | sys::NODEV;
/// An empty file that covers others.
const NOTHING: &str = ".nothing";

/// What the later steps need of the build.
pub(super) struct Built {
    /// The size-capped file system that takes every write; reachable by nothing but this descriptor.
    pub(super) scratch: OwnedFd,
    /// The pristine tree, read-only.
    pub(super) lower: OwnedFd,
    /// Whether `/repo` is an overlay (else a copy).
    pub(super) overlay: bool,
}

/// Something of the host, taken before the host's root goes away.
struct Source {
    tree: OwnedFd,
    guest: PathBuf,
    directory: bool,
}

/// The number of the command's user and group inside the sandbox.
pub(super) fn command_id(spec: &Spec) -> u32 {
    match spec.identity {
        Identity::Drop(id) => id,
        Identity::UserNamespace => INSIDE_ID,
    }
}

/// Gives a file to the command.
pub(super) fn give<Fd: AsFd>(fd: Fd, spec: &Spec) -> rustix::io::Result<()> {
    let id = command_id(spec);
    rustix::fs::fchown(fd, Some(Uid::from_raw(id)), Some(Gid::from_raw(id)))
}

/// Builds everything and pivots into it. Afterwards the host's files are out of reach, but for what was bound.
pub(super) fn build(wire: &mut Wire, spec: &Spec, idmap: Option<OwnedFd>) -> Result<Built, Fail> {
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .at("mounts", "/ private")?;
    let mut links = Vec::new();
    let mut sources = system(&mut links)?;
    let devices = devices()?;
    for (host, guest) in &spec.mounts {
        if host == guest && sources.iter().any(|known| known.directory && guest.starts_with(&known.guest)) {
            continue;
        }
        let what = format!("mount {}", host.display());
        sources.push(take(host, guest).at("mounts", &what)?);
    }
    let (tree, mapped) = repo::take_tree(spec, idmap)?;

    let new = scaffold(&links, spec)?;
    let top = rustix::fs::open(new, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .at("mounts", "new root")?;
    // What is seen below a folder that takes writes is attached when that folder is there.
    let (inner, outer): (Vec<Source>, Vec<Source>) = sources
        .into_iter()
        .partition(|source| ["/tmp", "/var/tmp"].iter().any(|top| source.guest.starts_with(top)));
    for source in outer {
        attach(&top, source)?;
    }
    let proc = mount_proc(wire, new)?;
    // What is there so far is read-only, by one call for all of it; then what is still to be written is opened again.
    sys::mount_setattr(top.as_fd(), RO, true).at("mounts", "read-only")?;
    for fd in std::iter::once(&top).chain(&proc) {
        sys::mount_clear(fd.as_fd(), sys::RDONLY).at("mounts", "new root")?;
    }
    for device in devices {
        attach(&top, device)?;
    }
    let scratch = scratch(new, spec)?;
    for source in inner {
        let tree = source.tree.as_fd();
        sys::mount_setattr(tree, RO, true).at("mounts", &source.guest.display().to_string())?;
        attach(&top, source)?;
    }
    let lower = repo::attach_tree(new, tree)?;
    let overlay = repo::mount(new, spec, &lower, &scratch, mapped)?;
    detach(new)?;
    pivot(new)?;
    Ok(Built { scratch, lower, overlay })
}

/// The host's programs and libraries, and the few files of `/etc` that they need.
fn system(links: &mut Vec<(PathBuf, PathBuf)>) -> Result<Vec<Source>, Fail> {
    let mut sources = Vec::new();
    for path in ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store"] {
        let path = Path::new(path);
        match fs::symlink_metadata(path) {
            Ok(kind) if kind.is_symlink() => {
                links.push((path.into(), fs::read_link(path).at("mounts", "system link")?));
            }
            Ok(kind) if kind.is_dir() => {
                sources.push(take(path, path).at("mounts", &path.display().to_string())?);
            }
            _ => {}
        }
    }
    for path in [
        "/etc/alternatives",
        "/etc/ld.so.cache",
        "/etc/mime.types",
        "/etc/protocols",
        "/etc/services",
        "/etc/ssl/certs",
        "/etc/ssl/openssl.cnf",
        "/etc/ca-certificates",
        "/etc/pki/tls/certs",
        "/etc/pki/ca-trust/extracted",
        // Debian keeps the settings of Java here, and those of Maven: without its `settings.xml`, which may name
        // passwords.
        "/etc/java-8-openjdk",
        "/etc/java-11-openjdk",
        "/etc/java-17-openjdk",
        "/etc/java-21-openjdk",
        "/etc/java-25-openjdk",
        "/etc/maven/m2.conf",
        "/etc/maven/logging",
    ] {
        // None of them is needed everywhere.
        if let Ok(source) = take(Path::new(path), Path::new(path)) {
            sources.push(source);
        }
    }
    Ok(sources)
}

/// The device files that every program expects.
fn devices() -> Result<Vec<Source>, Fail> {
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"]
        .iter()
        .map(|path| take(Path::new(path), Path::new(path)).at("devices", path))
        .collect()
}

fn take(host: &Path, guest: &Path) -> std::io::Result<Source> {
    let tree = clone(host)?;
    let mode = rustix::fs::fstat(&tree)?.st_mode;
    Ok(Source { tree, guest: guest.into(), directory: FileType::from_raw_mode(mode).is_dir() })
}

/// A detached copy of the mount at `host`.
pub(super) fn clone(host: &Path) -> rustix::io::Result<OwnedFd> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    rustix::mount::open_tree(CWD, host, flags)
}

/// Mounts the new root somewhere and fills in what is not bound; gives where.
fn scaffold(links: &[(PathBuf, PathBuf)], spec: &Spec) -> Result<&'static str, Fail> {
    let new = ["/tmp", "/mnt", "/media"]
        .into_iter()
        .find(|path| fs::symlink_metadata(path).is_ok_and(|kind| kind.is_dir()))
        .ok_or_else(|| Fail::new("mounts", "neither /tmp nor /mnt is there to build on"))?;
    rustix::mount::mount(
        "tmpfs",
        new,
        "tmpfs",
        MountFlags::NOSUID | MountFlags::NODEV,
        c"mode=0755,size=64m,nr_inodes=16384",
    )
    .at("mounts", "new root")?;
    let top = Path::new(new);
    for folder in
        ["etc/ssl", "dev/shm", "proc", "tmp", "home/sbx", "repo", "prunella", "var/empty", ".w", ".lower"]
    {
        fs::create_dir_all(top.join(folder)).at("mounts", folder)?;
    }
    for (link, target) in links {
        symlink(target, inside(top, link)).at("mounts", "system link")?;
    }
    for (link, target) in [
        ("dev/fd", "/proc/self/fd"),
        ("dev/stdin", "fd/0"),
        ("dev/stdout", "fd/1"),
        ("dev/stderr", "fd/2"),
        ("var/tmp", "/tmp"),
    ] {
        symlink(target, top.join(link)).at("mounts", link)?;
    }
    fs::write(top.join(NOTHING), []).at("mounts", NOTHING)?;
    let id = command_id(spec);
    // Names are resolved as the host does it, where its network is in reach.
    let of_host = |name: &str, else_: &str| match spec.host_network {
        true => fs::read_to_string(Path::new("/etc").join(name)).unwrap_or_else(|_| else_.to_owned()),
        false => else_.to_owned(),
    };
    let services = if spec.host_network { "files dns" } else { "files" };
    for (name, text) in [
        ("passwd", format!("root:x:0:0::/:/bin/false\nsandbox:x:{id}:{id}::/home/sbx:/bin/sh\n")),
        ("group", format!("root:x:0:\nsandbox:x:{id}:\n")),
        ("hosts", of_host("hosts", "127.0.0.1 localhost\n::1 localhost\n")),
        ("nsswitch.conf", format!("passwd: files\ngroup: files\nhosts: {services}\n")),
        ("resolv.conf", of_host("resolv.conf", "")),
        ("hostname", "sandbox\n".into()),
    ] {
        fs::write(top.join("etc").join(name), text).at("mounts", name)?;
    }
    Ok(new)
}

/// `guest` below `top`.
fn inside(top: &Path, guest: &Path) -> PathBuf {
    top.join(guest.strip_prefix("/").unwrap_or(guest))
}

/// Puts a detached mount at its place below the new root, making the place if there is none.
fn attach(top: &OwnedFd, source: Source) -> Result<(), Fail> {
    let what = source.guest.display().to_string();
    let target = place(top, &source.guest, source.directory).at("mounts", &what)?;
    move_to(&source.tree, &target).at("mounts", &what)
}

/// Attaches the detached mount `tree` over `target`.
pub(super) fn move_to(tree: &OwnedFd, target: &OwnedFd) -> rustix::io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(tree, "", target, "", flags)
}

/// Opens the place `guest` below `top`, whatever links lie on the way, never leaving `top`; makes what is missing.
fn place(top: &OwnedFd, guest: &Path, directory: bool) -> rustix::io::Result<OwnedFd> {
    let names: Vec<_> = guest
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect();
    let mut path = PathBuf::from(".");
    let mut here = open_in(top, &path)?;
    for (index, name) in names.iter().enumerate() {
        path.push(name);
        here = match open_in(top, &path) {
            Err(Errno::NOENT) if index + 1 < names.len() || directory => {
                rustix::fs::mkdirat(&here, *name, Mode::from_raw_mode(0o755))?;
                open_in(top, &path)?
            }
            Err(Errno::NOENT) => {
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                rustix::fs::openat(&here, *name, flags, Mode::from_raw_mode(0o444))?;
                open_in(top, &path)?
            }
            other => other?,
        };
    }
    Ok(here)
}

fn open_in(top: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    rustix::fs::openat2(top, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
}

/// A process file system that shows this namespace only, with the parts that tell of or change the host covered.
/// Gives it opened, if it can be had.
fn mount_proc(wire: &mut Wire, new: &str) -> Result<Option<OwnedFd>, Fail> {
    let proc = format!("{new}/proc");
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    if let Err(error) = rustix::mount::mount("proc", &proc, "proc", flags, c"hidepid=2") {
        wire.missing(&format!("a private /proc ({error}); there is none"))?;
        return Ok(None);
    }
    let sys = format!("{proc}/sys");
    let nothing = format!("{new}/{NOTHING}");
    let empty = format!("{new}/var/empty");
    let over_itself = std::iter::once((&sys, "sys"));
    let files = [
        "kcore",
        "keys",
        "key-users",
        "timer_list",
        "sched_debug",
        "sysrq-trigger",
        "kmsg",
        "latency_stats",
        "kallsyms",
        "modules",
        "config.gz",
        "vmallocinfo",
        "slabinfo",
        "kpagecount",
        "kpageflags",
        "kpagecgroup",
        "cmdline",
    ];
    let folders =
        ["acpi", "scsi", "asound", "bus", "driver", "dynamic_debug", "fs", "irq", "mpt", "pressure", "tty"];
    let covers =
        over_itself.chain(files.map(|name| (&nothing, name))).chain(folders.map(|name| (&empty, name)));
    for (cover, name) in covers {
        match rustix::mount::mount_bind(cover, format!("{proc}/{name}")) {
            // No kernel has them all.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error).at("proc", name),
        }
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(&proc, flags, Mode::empty()).map(Some).at("proc", "open")
}

/// Binds `from` over `to` with `attributes`.
pub(super) fn bind(from: &str, to: &str, attributes: u64) -> Result<(), Fail> {
    let tree = clone(Path::new(from)).at("mounts", from)?;
    sys::mount_setattr(tree.as_fd(), attributes, true).at("mounts", to)?;
    rustix::mount::move_mount(&tree, "", CWD, to, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).at("mounts", to)
}

/// The one place that takes writes, capped; `/tmp`, the home and shared memory are parts of it.
fn scratch(new: &str, spec: &Spec) -> Result<OwnedFd, Fail> {
    let top = format!("{new}/.w");
    let inodes = (spec.disk / 4096).max(4096);
    let options = format!("mode=0700,size={},nr_inodes={inodes}", spec.disk.max(1 << 20));
    let options =
        std::ffi::CString::new(options).map_err(|_| Fail::new("scratch", "option with a zero byte"))?;
    rustix::mount::mount("tmpfs", &top, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, options.as_c_str())
        .at("scratch", "tmpfs")?;
    let fd = rustix::fs::open(&top, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .at("scratch", "open")?;
    for (name, mode) in [("tmp", 0o1777), ("home", 0o755), ("shm", 0o1777), ("upper", 0o755), ("work", 0o700)]
    {
        rustix::fs::mkdirat(&fd, name, Mode::from_raw_mode(mode)).at("scratch", name)?;
        rustix::fs::chmodat(&fd, name, Mode::from_raw_mode(mode), rustix::fs::AtFlags::empty())
            .at("scratch", name)?;
        let id = command_id(spec);
        if name != "work" {
            let owner = (Some(Uid::from_raw(id)), Some(Gid::from_raw(id)));
            rustix::fs::chownat(&fd, name, owner.0, owner.1, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
                .at("scratch", name)?;
        }
    }
    // They have the flags of the whole.
    for (name, place) in [("tmp", "tmp"), ("home", "home/sbx")] {
        rustix::mount::mount_bind(format!("{top}/{name}"), format!("{new}/{place}")).at("scratch", name)?;
    }
    bind(&format!("{top}/shm"), &format!("{new}/dev/shm"), sys::NOSUID | sys::NODEV | sys::NOEXEC)?;
    Ok(fd)
}

/// Takes the working mounts away: what is built on them keeps them alive.
fn detach(new: &str) -> Result<(), Fail> {
    for name in [".w", ".lower"] {
        let path = format!("{new}/{name}");
        rustix::mount::unmount(&path, UnmountFlags::DETACH).at("mounts", &path)?;
        fs::remove_dir(&path).at("mounts", &path)?;
    }
    fs::remove_file(Path::new(new).join(NOTHING)).at("mounts", NOTHING)
}

fn pivot(new: &str) -> Result<(), Fail> {
    std::env::set_current_dir(new).at("pivot", "enter")?;
    rustix::process::pivot_root(".", ".").at("pivot", "pivot_root")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).at("pivot", "leave the host's root")?;
    std::env::set_current_dir("/").at("pivot", "enter")
}

/// Writes the launcher's files under `/prunella`.
pub(super) fn write_own_files(spec: &Spec, contents: &[Vec<u8>]) -> Result<(), Fail> {
    for (file, content) in spec.files.iter().zip(contents) {
        let path = Path::new("/prunella").join(&file.name);
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o444);
        let mut to = options.open(&path).at("files", &file.name)?;
        std::io::Write::write_all(&mut to, content).at("files", &file.name)?;
    }
    Ok(())
}

/// Makes the root itself read-only, now that nothing is to be written there any more; and no file anywhere runs as
/// somebody else.
pub(super) fn seal(_: &Built) -> Result<(), Fail> {
    let root = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .at("seal", "open")?;
    sys::mount_setattr(root.as_fd(), sys::NOSUID, true).at("seal", "set-user-id")?;
    sys::mount_setattr(root.as_fd(), sys::RDONLY | sys::NODEV, false).at("seal", "read-only")
}
