//! What a way of doing something costs, measured in turn with others.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use prunella_sandbox::LinuxSandbox;
use prunella_sandbox::testing::processor_time;
use rustix::process::{Pid, WaitOptions};

/// A way to measure: its name, how it is done, what it has cost.
pub(crate) struct Way<'a> {
    name: &'static str,
    run: Box<dyn Fn() -> bool + 'a>,
    cost: Cost,
}

impl<'a> Way<'a> {
    /// Nothing measured yet.
    pub(crate) fn new(name: &'static str, run: impl Fn() -> bool + 'a) -> Self {
        Self { name, run: Box::new(run), cost: Cost::default() }
    }

    /// What was measured.
    pub(crate) fn finished(self) -> Measured {
        Measured { name: self.name, cost: self.cost }
    }
}

/// What a way has cost.
pub(crate) struct Measured {
    name: &'static str,
    cost: Cost,
}

#[derive(Default)]
struct Cost {
    processor: Duration,
    walls: Vec<Duration>,
}

impl Cost {
    fn cpu(&self) -> f64 {
        self.processor.as_secs_f64() * 1000.0 / self.walls.len().max(1) as f64
    }
}

/// Does every way `rounds` times, each in turn. (What orphans cost is counted, too: this process becomes their parent.)
pub(crate) fn measure(ways: &mut Vec<Way<'_>>, rounds: usize) {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .expect("to be the parent of orphans");
    // Once for the caches; what cannot be done here is left out.
    ways.retain(|way| {
        let there = (way.run)();
        if !there {
            let _ = writeln!(std::io::stderr(), "{:34} cannot be done here", way.name);
        }
        there
    });
    for _ in 0..rounds {
        for way in ways.iter_mut() {
            let (began, before) = (Instant::now(), processor_time());
            assert!((way.run)(), "{} has failed", way.name);
            way.cost.walls.push(began.elapsed());
            way.cost.processor += processor_time().saturating_sub(before);
        }
    }
}

/// Prints it, beside the one that is `compared`. What the helper of a sandbox and the sandboxes' first processes have used
/// is known when it has ended, which it does here.
pub(crate) fn tell(mut all: Vec<Measured>, sandboxes: Vec<(&'static str, LinuxSandbox)>, compared: &str) {
    for (name, sandbox) in sandboxes {
        let before = processor_time();
        drop(sandbox);
        if let Some(one) = all.iter_mut().find(|one| one.name == name) {
            one.cost.processor += processor_time().saturating_sub(before);
        }
    }
    let ours = all.iter().find(|one| one.name == compared).map_or(0.0, |one| one.cost.cpu());
    let mut out = std::io::stdout();
    for Measured { name, cost } in &mut all {
        cost.walls.sort();
        let wall = |index: usize| cost.walls.get(index).map_or(0.0, |time| time.as_secs_f64() * 1000.0);
        let _ = writeln!(
            out,
            "{name:34} cpu {:7.2} ms   wall min {:7.2} ms  median {:7.2} ms   {compared}/this {:5.2}",
            cost.cpu(),
            wall(0),
            wall(cost.walls.len() / 2),
            ours / cost.cpu(),
        );
    }
}

/// Runs a command to its end, and what it left behind to theirs.
pub(crate) fn spawn(words: &[&str]) -> bool {
    let mut words = words.iter();
    let mut command = Command::new(words.next().unwrap_or(&""));
    command.args(words).env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let done = command.status().is_ok_and(|status| status.success());
    bury_orphans();
    done
}

/// Waits for what an ended child has left to this process.
fn bury_orphans() {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let children =
        tasks.map(|task| std::fs::read_to_string(task.path().join("children")).unwrap_or_default());
    for pid in children.collect::<String>().split_whitespace().filter_map(|word| word.parse().ok()) {
        // A sandbox's helper is no orphan.
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if name != "sandbox-init\n" {
            let _ = rustix::process::waitpid(Pid::from_raw(pid), WaitOptions::empty());
        }
    }
}
