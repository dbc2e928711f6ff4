//! Bounds on the whole job by a control group, where one can be had: version 1 or 2.
//!
//! The group is made below the one this process is in, so that whatever bounds us bounds the job too.

use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::spec::Bounds;

/// A control group of one job.
#[derive(Debug)]
pub(super) struct Cgroup {
    memory: Option<Group>,
    processes: Option<Group>,
    /// Of version 1, where each controller has a group of its own.
    cpu: Option<Group>,
    /// How many processors the job may keep busy, where that is bounded.
    pub(super) cores: Option<u32>,
}

#[derive(Debug)]
struct Group {
    path: PathBuf,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// How long a period is after which processor time is counted anew, in microseconds.
const PERIOD: u64 = 100_000;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// What all groups of a launcher are called, before their number.
fn stem(launcher: i32) -> String {
    format!("prunella-{launcher}-")
}

/// Removes all groups of a launcher that has died.
pub(super) fn remove_all_of(launcher: Pid) {
    let (places, stem) = (Places::own(), stem(launcher.as_raw_nonzero().get()));
    for parent in places.all() {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(stem.as_bytes()) {
                remove(&entry.path());
            }
        }
    }
}

/// Removes a group whose processes are dead, or are dying.
fn remove(path: &Path) {
    let until = Instant::now() + Duration::from_secs(1);
    // The kernel lets go of the last process a moment after it was reaped.
    while matches!(fs::remove_dir(path), Err(error) if error.kind() == io::ErrorKind::ResourceBusy)
        && Instant::now() < until
    {
        std::thread::sleep(Duration::from_micros(500));
    }
}

impl Cgroup {
    /// Makes the groups that can be made. Never fails: what is missing is asked for by the caller, but for processors,
    /// which jobs take from each other and from nobody's safety.
    pub(super) fn new(memory: u64, processes: u64, cores: u32) -> Self {
        let own = stem(rustix::process::getpid().as_raw_nonzero().get());
        let name = format!("{own}{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let places = Places::own();
        let quota = u64::from(cores.max(1)).saturating_mul(PERIOD);
        if let Some((group, bound)) =
            places.unified.as_ref().and_then(|parent| two(parent, &name, memory, processes, quota))
        {
            let processes = Group { path: group.path.clone(), version: Version::Two };
            let cores = bound.then_some(cores.max(1));
            return Self { memory: Some(group), processes: Some(processes), cpu: None, cores };
        }
        let bytes = memory.to_string();
        let memory = places.memory.as_ref().and_then(|parent| {
            let group = one(parent, &name, &[("memory.limit_in_bytes", &bytes)])?;
            // Only there when the kernel accounts for swap.
            let _ = fs::write(group.path.join("memory.memsw.limit_in_bytes"), &bytes);
            Some(group)
        });
        // One process is the helper's.
        let most = processes.saturating_add(1).to_string();
        let processes = places.pids.as_ref().and_then(|parent| one(parent, &name, &[("pids.max", &most)]));
        let (period, quota) = (PERIOD.to_string(), quota.to_string());
        let bounds = [("cpu.cfs_period_us", period.as_str()), ("cpu.cfs_quota_us", quota.as_str())];
        let cpu = places.cpu.as_ref().and_then(|parent| one(parent, &name, &bounds));
        let cores = cpu.is_some().then_some(cores.max(1));
        Self { memory, processes, cpu, cores }
    }

    /// What a process writes itself to, to enter the groups. One that cannot be opened is left out.
    pub(super) fn entrances(&self) -> Vec<(Bounds, OwnedFd)> {
        let open = |group: &Group, bounds| {
            let file = fs::OpenOptions::new().write(true).open(group.path.join("cgroup.procs")).ok()?;
            Some((bounds, OwnedFd::from(file)))
        };
        let one = |memory| Bounds { memory, processes: !memory };
        match (&self.memory, &self.processes) {
            (Some(group), Some(same)) if group.path == same.path => {
                open(group, Bounds { memory: true, processes: true }).into_iter().collect()
            }
            (memory, processes) => {
                let memory = memory.as_ref().and_then(|group| open(group, one(true)));
                let processes = processes.as_ref().and_then(|group| open(group, one(false)));
                let neither = Bounds { memory: false, processes: false };
                let cpu = self.cpu.as_ref().and_then(|group| open(group, neither));
                memory.into_iter().chain(processes).chain(cpu).collect()
            }
        }
    }

    /// Whether the kernel has ended a process of the job for want of memory.
    pub(super) fn out_of_memory(&self) -> bool {
        let Some(group) = &self.memory else { return false };
        let file = match group.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        fs::read_to_string(group.path.join(file)).is_ok_and(|text| {
            text.lines().any(|line| line.strip_prefix("oom_kill ").is_some_and(|count| count.trim() != "0"))
        })
    }

    /// Whether the kernel has refused the job a process because it had as many as it may.
    pub(super) fn out_of_processes(&self) -> bool {
        let Some(group) = &self.processes else { return false };
        fs::read_to_string(group.path.join("pids.events")).is_ok_and(|text| {
            text.lines().any(|line| line.strip_prefix("max ").is_some_and(|count| count.trim() != "0"))
        })
    }
}

impl Drop for Cgroup {
    /// Ends what may be left in the groups, and removes them.
    fn drop(&mut self) {
        for group in [&self.memory, &self.processes, &self.cpu].into_iter().flatten() {
            if group.version == Version::Two {
                let _ = fs::write(group.path.join("cgroup.kill"), "1");
            }
            remove(&group.path);
        }
    }
}

/// Our own groups, by controller.
#[derive(Debug, Default)]
struct Places {
    unified: Option<PathBuf>,
    memory: Option<PathBuf>,
    pids: Option<PathBuf>,
    cpu: Option<PathBuf>,
}

impl Places {
    /// Looked up once a process.
    fn own() -> &'static Self {
        static OWN: OnceLock<Places> = OnceLock::new();
        OWN.get_or_init(|| {
            let read = |path| fs::read_to_string(path).unwrap_or_default();
            let own = Self::parse(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
            own.sweep();
            own
        })
    }

    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.unified, &self.memory, &self.pids, &self.cpu].into_iter().flatten()
    }

    /// Removes what a launcher that was killed has left behind.
    fn sweep(&self) {
        for parent in self.all() {
            for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let pid = name.to_str().and_then(|name| name.strip_prefix("prunella-")?.split('-').next());
                if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                    // Refused as long as anything lives in it.
                    let _ = fs::remove_dir(entry.path());
                }
            }
        }
    }

    /// From the texts of `/proc/self/mountinfo` and `/proc/self/cgroup`.
    fn parse(mounts: &str, own: &str) -> Self {
        let mut places = Self::default();
        for line in mounts.lines() {
            let Some((left, right)) = line.split_once(" - ") else { continue };
            let mut left = left.split(' ').skip(3);
            let (Some(root), Some(point)) = (left.next(), left.next()) else { continue };
            let mut right = right.split(' ');
            let (kind, options) = (right.next(), right.nth(1).unwrap_or_default());
            let controllers: Vec<&str> = options.split(',').collect();
            let group = |wanted: &str| {
                let path = own.lines().find_map(|line| {
                    let (_, rest) = line.split_once(':')?;
                    let (names, path) = rest.split_once(':')?;
                    (names == wanted || names.split(',').any(|name| name == wanted)).then_some(path)
                })?;
                // What is mounted may itself be a part of the hierarchy.
                let below = path.strip_prefix(root.trim_end_matches('/')).unwrap_or(path);
                Some(Path::new(point).join(below.trim_start_matches('/')))
            };
            match kind {
                Some("cgroup2") => places.unified = group(""),
                Some("cgroup") if controllers.contains(&"memory") => places.memory = group("memory"),
                Some("cgroup") if controllers.contains(&"pids") => places.pids = group("pids"),
                Some("cgroup") if controllers.contains(&"cpu") => places.cpu = group("cpu"),
                _ => {}
            }
        }
        places
    }
}

fn one(parent: &Path, name: &str, settings: &[(&str, &str)]) -> Option<Group> {
    make(parent, name, Version::One, settings)
}

/// The group, and whether it bounds processor time, too.
fn two(parent: &Path, name: &str, memory: u64, processes: u64, quota: u64) -> Option<(Group, bool)> {
    let given = fs::read_to_string(parent.join("cgroup.controllers")).ok()?;
    if !["memory", "pids"].iter().all(|wanted| given.split_whitespace().any(|name| name == *wanted)) {
        return None;
    }
    // Refused where processes live in the parent itself; then there is no group to be had.
    let _ = fs::write(parent.join("cgroup.subtree_control"), "+memory +pids");
    if given.split_whitespace().any(|name| name == "cpu") {
        // By itself: a parent that may not hand it on still hands on the others.
        let _ = open(&parent.join("cgroup.subtree_control")).and_then(|mut file| file.write_all(b"+cpu"));
    }
    let (memory, processes) = (memory.to_string(), processes.saturating_add(1).to_string());
    let group = make(
        parent,
        name,
        Version::Two,
        &[("memory.max", memory.as_str()), ("pids.max", processes.as_str())],
    )?;
    for (file, value) in [("memory.swap.max", "0"), ("memory.oom.group", "1")] {
        let _ = fs::write(group.path.join(file), value);
    }
    // Only there where the controller is.
    let bound = open(&group.path.join("cpu.max"))
        .and_then(|mut file| file.write_all(format!("{quota} {PERIOD}").as_bytes()))
        .is_ok();
    Some((group, bound))
}

/// A file of the kernel's, to be written to; none is made.
fn open(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().append(true).open(path)
}

fn make(parent: &Path, name: &str, version: Version, settings: &[(&str, &str)]) -> Option<Group> {
    let path = parent.join(name);
    fs::create_dir(&path).ok()?;
    let group = Group { path, version };
    if settings.iter().all(|(file, value)| fs::write(group.path.join(file), value).is_ok()) {
        Some(group)
    } else {
        let _ = fs::remove_dir(&group.path);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_groups_of_both_versions() {
        let mounts = "30 25 0:26 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n\
                      31 25 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
                      32 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let own = "8:pids:/\n4:memory:/service/a\n0::/user.slice\n";
        let places = Places::parse(mounts, own);
        assert_eq!(places.memory.as_deref(), Some(Path::new("/sys/fs/cgroup/memory/service/a")));
        assert_eq!(places.pids.as_deref(), Some(Path::new("/sys/fs/cgroup/pids/")));
        assert_eq!(places.unified.as_deref(), Some(Path::new("/sys/fs/cgroup/unified/user.slice")));
    }

    #[test]
    fn a_mounted_part_of_a_hierarchy_is_not_counted_twice() {
        let mounts = "30 25 0:26 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let places = Places::parse(mounts, "0::/docker/x/inner\n");
        assert_eq!(places.unified.as_deref(), Some(Path::new("/sys/fs/cgroup/inner")));
    }

    fn said(group: &Path, file: &str) -> String {
        fs::read_to_string(group.join(file)).unwrap_or_else(|error| format!("{file}: {error}"))
    }

    /// A folder takes what is written to it as the kernel would.
    #[test]
    fn a_group_of_version_two_bounds_memory_without_swap_as_a_whole_and_processes() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("cgroup.controllers"), "cpuset cpu io memory pids\n").unwrap();
        fs::write(parent.path().join("cgroup.subtree_control"), "").unwrap();
        let (group, bound) = two(parent.path(), "prunella-1-0", 4096, 10, 200_000).unwrap();
        assert_eq!(said(parent.path(), "cgroup.subtree_control"), "+memory +pids+cpu");
        // In a plain folder there is no file of the controller's to write to.
        assert!(!bound);
        for (file, value) in
            [("memory.max", "4096"), ("memory.swap.max", "0"), ("memory.oom.group", "1"), ("pids.max", "11")]
        {
            assert_eq!(said(&group.path, file), value, "{file}");
        }
        let path = group.path.clone();
        let same = Group { path: path.clone(), version: Version::Two };
        let groups = Cgroup { memory: Some(group), processes: Some(same), cpu: None, cores: None };
        fs::write(path.join("cgroup.procs"), "").unwrap();
        let entrances = groups.entrances();
        assert_eq!(entrances.len(), 1);
        assert_eq!(entrances[0].0, Bounds { memory: true, processes: true });
        for (events, expected) in [("oom 3\noom_kill 0\n", false), ("oom 0\noom_kill 1\n", true)] {
            fs::write(path.join("memory.events"), events).unwrap();
            assert_eq!(groups.out_of_memory(), expected, "{events}");
        }
        drop(groups);
        assert_eq!(said(&path, "cgroup.kill"), "1");
    }

    #[test]
    fn without_its_controllers_there_is_no_group_of_version_two() {
        let parent = tempfile::tempdir().unwrap();
        for given in ["hugetlb\n", "memory\n", "pids\n", ""] {
            fs::write(parent.path().join("cgroup.controllers"), given).unwrap();
            assert!(two(parent.path(), "x", 1, 1, 1).is_none(), "{given:?}");
        }
        assert!(!parent.path().join("x").exists());
    }

    #[test]
    fn groups_of_version_one_are_entered_each() {
        let parent = tempfile::tempdir().unwrap();
        let memory = one(parent.path(), "memory", &[("memory.limit_in_bytes", "4096")]).unwrap();
        let processes = one(parent.path(), "pids", &[("pids.max", "11")]).unwrap();
        for group in [&memory, &processes] {
            fs::write(group.path.join("cgroup.procs"), "").unwrap();
        }
        fs::write(memory.path.join("memory.oom_control"), "under_oom 0\noom_kill 2\n").unwrap();
        let cpu = one(parent.path(), "cpu", &[("cpu.cfs_quota_us", "100000")]).unwrap();
        fs::write(cpu.path.join("cgroup.procs"), "").unwrap();
        fs::write(processes.path.join("pids.events"), "max 0\n").unwrap();
        let path = processes.path.clone();
        let groups =
            Cgroup { memory: Some(memory), processes: Some(processes), cpu: Some(cpu), cores: Some(1) };
        let bounds: Vec<Bounds> = groups.entrances().into_iter().map(|(bounds, _)| bounds).collect();
        let one = |memory| Bounds { memory, processes: !memory };
        assert_eq!(bounds, [one(true), one(false), Bounds { memory: false, processes: false }]);
        assert!(groups.out_of_memory() && !groups.out_of_processes());
        fs::write(path.join("pids.events"), "max 7\n").unwrap();
        assert!(groups.out_of_processes());
    }
}
