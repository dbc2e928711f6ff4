//! What starting a command costs: plain, in the sandbox, and under bubblewrap where that is installed (`bwrap`), each in
//! turn. `cargo run --release -p prunella-sandbox --example startup [ROUNDS]`, after building the same profile's
//! `sandbox-init`.
//!
//! Processor time is the kernel's own account of this process and all it started, helpers included, to the microsecond.
//! (bubblewrap leaves before its inner process does, whose time would then be nobody's: this program becomes its parent.)

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::Write as _;
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use prunella_sandbox::testing::processor_time;
    use prunella_sandbox::{End, Job, LinuxSandbox, Sandbox};

    /// What is run. It does nothing, so that what is left is what starting it costs.
    const PROGRAM: &str = "/bin/true";

    /// The namespaces and the few mounts that any sandbox needs.
    const PLAIN: &str = "--unshare-all --ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 \
                         --symlink usr/bin /bin --symlink usr/sbin /sbin --proc /proc --dev /dev --tmpfs /tmp";

    /// As much of what the sandbox does as bubblewrap can: no Landlock, no filter of calls, no control group, no overlay.
    fn like_ours(tree: &Path) -> String {
        let mut flags = format!(
            "{PLAIN} --die-with-parent --new-session --clearenv --hostname sandbox --cap-drop ALL --tmpfs /home/sbx \
             --tmpfs /dev/shm --ro-bind {} /repo --tmpfs /repo.upper --chdir /repo",
            tree.display()
        );
        for path in [
            "/etc/alternatives",
            "/etc/ld.so.cache",
            "/etc/mime.types",
            "/etc/protocols",
            "/etc/services",
            "/etc/ssl/certs",
            "/etc/ssl/openssl.cnf",
            "/etc/ca-certificates",
        ] {
            flags.push_str(&format!(" --ro-bind-try {path} {path}"));
        }
        for name in [
            "kcore",
            "keys",
            "key-users",
            "timer_list",
            "sysrq-trigger",
            "kmsg",
            "kallsyms",
            "modules",
            "cmdline",
        ] {
            if Path::new("/proc").join(name).exists() {
                flags.push_str(&format!(" --ro-bind /dev/null /proc/{name}"));
            }
        }
        for name in ["bus", "fs", "irq", "tty"] {
            flags.push_str(&format!(" --tmpfs /proc/{name}"));
        }
        flags.push_str(" --ro-bind /proc/sys /proc/sys");
        flags
    }

    fn spawn(words: &str) -> bool {
        let mut words = words.split_whitespace();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
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
            // The sandbox's helper is no orphan.
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if name != "sandbox-init\n" {
                let _ = rustix::process::waitpid(
                    rustix::process::Pid::from_raw(pid),
                    rustix::process::WaitOptions::empty(),
                );
            }
        }
    }

    /// What one way of starting has cost.
    #[derive(Default)]
    struct Cost {
        processor: Duration,
        walls: Vec<Duration>,
    }

    impl Cost {
        fn add(&mut self, run: &dyn Fn() -> bool) -> bool {
            let (began, before) = (Instant::now(), processor_time());
            let done = run();
            self.walls.push(began.elapsed());
            self.processor += processor_time().saturating_sub(before);
            done
        }

        fn cpu(&self) -> f64 {
            self.processor.as_secs_f64() * 1000.0 / self.walls.len().max(1) as f64
        }

        fn line(&mut self, name: &str) -> String {
            self.walls.sort();
            let wall = |index: usize| self.walls.get(index).map_or(0.0, |time| time.as_secs_f64() * 1000.0);
            format!(
                "{name:32} cpu {:6.2} ms   wall min {:6.2} ms  median {:6.2} ms",
                self.cpu(),
                wall(0),
                wall(self.walls.len() / 2)
            )
        }
    }

    /// Its name, how it is done, what it has cost.
    type Way<'a> = (&'static str, Box<dyn Fn() -> bool + 'a>, Cost);

    pub(super) fn main() {
        let rounds: usize = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(200);
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .expect("to be the parent of orphans");
        let tree = tempfile::tempdir().expect("a temporary directory");
        let job = Job { tree: tree.path().into(), argv: vec![PROGRAM.into()], ..Job::default() };
        let sandbox = LinuxSandbox::new();
        let bubblewrap = format!("bwrap {PLAIN} {PROGRAM}");
        let wide = format!("bwrap {} {PROGRAM}", like_ours(tree.path()));
        let mut ways: Vec<Way<'_>> = vec![
            ("fork and exec", Box::new(|| spawn(PROGRAM)), Cost::default()),
            ("bubblewrap", Box::new(move || spawn(&bubblewrap)), Cost::default()),
            ("bubblewrap, mounts like ours", Box::new(move || spawn(&wide)), Cost::default()),
            ("sandbox", Box::new(|| sandbox.run(&job).end == End::Exited { code: 0 }), Cost::default()),
        ];
        let mut out = std::io::stdout();
        // Once for the caches; what cannot be run here is left out.
        ways.retain(|(name, run, _)| {
            let there = run();
            if !there {
                let _ = writeln!(out, "{name:32} cannot be run here");
            }
            there
        });
        for _ in 0..rounds {
            for (_, run, cost) in &mut ways {
                cost.add(run);
            }
        }
        // The helper's own time, and that of the sandboxes' first processes, is known when it has ended.
        let before = processor_time();
        let mut costs: Vec<(&str, Cost)> = ways.into_iter().map(|(name, _, cost)| (name, cost)).collect();
        drop(sandbox);
        if let Some((_, ours)) = costs.iter_mut().find(|(name, _)| *name == "sandbox") {
            ours.processor += processor_time().saturating_sub(before);
        }
        let ours = costs.iter().find(|(name, _)| *name == "sandbox").map_or(0.0, |(_, cost)| cost.cpu());
        for (name, cost) in &mut costs {
            let _ = writeln!(out, "{}   sandbox/this {:5.2}", cost.line(name), ours / cost.cpu());
        }
    }
}
