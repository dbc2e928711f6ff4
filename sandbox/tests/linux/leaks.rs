//! Nothing stays: after very many jobs, and after a launcher was killed at any moment.
//!
//! How many is in the environment: `PRUNELLA_LEAK_JOBS=10000 cargo test -p prunella-sandbox --test linux -- leaks`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use prunella_sandbox::{End, LinuxSandbox, Sandbox};

use super::common::{Case, alive, python, sandbox, shell};

/// How many jobs in a row.
const JOBS: (&str, u32) = ("PRUNELLA_LEAK_JOBS", 300);
/// How many launchers are killed.
const KILLS: (&str, u32) = ("PRUNELLA_LEAK_KILLS", 40);
/// Names the test that is to run as a process of its own.
const ALONE: &str = "PRUNELLA_TEST_ALONE";
/// Has the mark of that process.
const MARKED: &str = "PRUNELLA_TEST_MARK";

fn count((name, count): (&str, u32)) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(count)
}

/// This program, to run only `test`, told by the environment that it is.
fn alone(test: &str, temporary: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("linux::leaks::{test}"), "--nocapture"])
        .env(ALONE, test)
        .env(MARKED, mark(test))
        .env("TMPDIR", temporary);
    command
}

/// In the command line of every process that could stay after `test`: a number of seconds that no other run of it, nor
/// another test beside it, has.
fn mark(test: &str) -> String {
    std::env::var(MARKED).unwrap_or_else(|_| format!("98765.{}{}", std::process::id(), test.len()))
}

fn is_alone(test: &str) -> bool {
    std::env::var(ALONE).is_ok_and(|name| name == test)
}

/// What this process has, and what could be left of its jobs.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    descriptors: usize,
    mounts: usize,
    threads: usize,
    children: usize,
    temporary: usize,
    groups: Vec<PathBuf>,
}

fn traces() -> Traces {
    let entries = |path: &Path| fs::read_dir(path).unwrap().count();
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let children = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
    Traces {
        descriptors: entries(Path::new("/proc/self/fd")),
        mounts: fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count(),
        threads: entries(Path::new("/proc/self/task")),
        children: children.map(|text| text.split_whitespace().count()).sum(),
        temporary: entries(&std::env::temp_dir()),
        groups: groups_of(std::process::id()),
    }
}

/// Control groups that the launcher `pid` has made, anywhere.
fn groups_of(pid: u32) -> Vec<PathBuf> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![(PathBuf::from("/sys/fs/cgroup"), 0)];
    while let Some((folder, depth)) = waiting.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            if entry.file_name().to_string_lossy().starts_with(&format!("prunella-{pid}-")) {
                found.insert(entry.path());
            } else if depth < 8 {
                waiting.push((entry.path(), depth + 1));
            }
        }
    }
    found.into_iter().collect()
}

/// A job, and whether it has ended as it should.
type Expected = (Case, fn(&End) -> bool);

/// A few of every kind of end.
fn cases(mark: &str) -> Vec<Expected> {
    let mut late = shell(&format!("sleep {mark}"));
    late.job.limits.wall = Duration::from_millis(20);
    let mut loud = shell("yes");
    loud.job.limits.output_max = 1 << 16;
    let mut full = shell("cat /dev/zero > /tmp/x");
    full.job.limits.disk = 1 << 20;
    let mut refused = shell("");
    refused.job.argv = vec!["no-such-command".into()];
    let mut wrong = shell("true");
    wrong.job.cwd = "no/such/folder".into();
    let mut records = shell("echo record >&$PRUNELLA_FD; echo x > new; rm pkg/b.txt");
    records.job.channel = true;
    vec![
        (shell("true"), |end| *end == End::Exited { code: 0 }),
        (records, |end| *end == End::Exited { code: 0 }),
        (shell(&format!("(setsid sleep {mark} &); sleep {mark} & exit 3")), |end| {
            *end == End::Exited { code: 3 }
        }),
        (shell("kill -SEGV $$"), |end| matches!(end, End::Signalled { .. })),
        (late, |end| *end == End::TimedOut),
        (loud, |end| *end == End::OutputLimit),
        (full, |end| *end == End::DiskLimit),
        (refused, |end| matches!(end, End::CouldNotStart { .. })),
        (wrong, |end| matches!(end, End::CouldNotStart { .. })),
        (python("import os\nfor _ in range(5): os.fork()\nos.abort()"), |end| {
            matches!(end, End::Signalled { .. })
        }),
    ]
}

#[test]
fn many_jobs_leave_nothing() {
    if !is_alone("many_jobs_leave_nothing") {
        let temporary = tempfile::tempdir().unwrap();
        let output = alone("many_jobs_leave_nothing", temporary.path()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("1 passed"), "{text}");
        return;
    }
    let mark = mark("many_jobs_leave_nothing");
    let cases = cases(&mark);
    let run = |sandbox: &LinuxSandbox, number: usize| {
        let (case, expected) = &cases[number % cases.len()];
        let end = sandbox.run(&case.job).end;
        assert!(expected(&end), "job {number}: {end:?}");
    };
    let before = traces();
    {
        let sandbox = sandbox();
        for number in 0..cases.len() {
            run(&sandbox, number);
        }
        let early = traces();
        for number in 0..count(JOBS) as usize {
            run(&sandbox, number);
        }
        // The helper itself is there for as long as the sandbox is.
        assert_eq!(traces(), early);
        assert_eq!(early.children, before.children + 1);
    }
    assert_eq!(traces(), before);
    assert_eq!(alive(&mark), 0);
}

/// Tells whoever started this process.
fn say(what: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{what}").unwrap();
}

/// A launcher with two jobs at a time, without end; says so whenever one has ended.
fn launch_for_ever() {
    let (sandbox, cases) = (sandbox(), cases(&mark("a_launcher_killed_at_any_moment_leaves_nothing")));
    say("laid out");
    std::thread::scope(|scope| {
        for first in [0, 5] {
            let (sandbox, cases) = (&sandbox, &cases);
            scope.spawn(move || {
                for number in first.. {
                    let (case, _) = &cases[number % cases.len()];
                    let _ = sandbox.run(&case.job);
                    say(&format!("ended {number}"));
                }
            });
        }
    });
}

/// The next of a fixed sequence of numbers that look random.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

#[test]
fn a_launcher_killed_at_any_moment_leaves_nothing() {
    if is_alone("a_launcher_killed_at_any_moment_leaves_nothing") {
        return launch_for_ever();
    }
    let mounts = || fs::read_to_string("/proc/1/mountinfo").unwrap_or_default().lines().count();
    let before = mounts();
    let mut seed = 2026;
    for round in 0..count(KILLS) {
        let temporary = tempfile::tempdir().unwrap();
        let mut launcher = alone("a_launcher_killed_at_any_moment_leaves_nothing", temporary.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = launcher.id();
        let mut lines = BufReader::new(launcher.stdout.take().unwrap()).lines();
        while lines.next().unwrap().unwrap() != "laid out" {}
        // Some jobs in, and then anywhere in the next.
        for _ in 0..next(&mut seed) % 12 {
            lines.next().unwrap().unwrap();
        }
        for _ in 0..next(&mut seed) % 20_000 {
            std::thread::yield_now();
        }
        let helpers = descendants(pid);
        launcher.kill().unwrap();
        launcher.wait().unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let (processes, groups) = (living(&helpers), groups_of(pid));
            if processes.is_empty() && groups.is_empty() {
                break;
            }
            assert!(Instant::now() < until, "round {round}: {processes:?} {groups:?}");
            std::thread::yield_now();
        }
        // What the test itself laid out is all there is; the sandbox has nothing on the host's disk.
        for entry in fs::read_dir(temporary.path()).unwrap().flatten() {
            assert!(entry.path().join("a.txt").exists(), "round {round}: {}", entry.path().display());
        }
    }
    assert_eq!(alive(&mark("a_launcher_killed_at_any_moment_leaves_nothing")), 0);
    assert_eq!(mounts(), before);
}

/// Every process below `pid`, with the time of its start, by which it is known again.
fn descendants(pid: u32) -> Vec<(u32, String)> {
    let mut all = Vec::new();
    let mut waiting = vec![pid];
    while let Some(pid) = waiting.pop() {
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace().filter_map(|word| word.parse().ok()) {
                all.push((child, start_of(child)));
                waiting.push(child);
            }
        }
    }
    all
}

fn start_of(pid: u32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rsplit(") ").next().unwrap_or_default().split(' ').nth(19).unwrap_or_default().to_owned()
}

/// Those that are still there. (One that is dead and only not yet fetched by its parent is not.)
fn living(processes: &[(u32, String)]) -> Vec<u32> {
    let there = |(pid, start): &&(u32, String)| {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let dead = text.rsplit(") ").next().is_none_or(|rest| rest.starts_with(['Z', 'X']));
        !text.is_empty() && !dead && start_of(*pid) == *start && !start.is_empty()
    };
    processes.iter().filter(there).map(|(pid, _)| *pid).collect()
}
