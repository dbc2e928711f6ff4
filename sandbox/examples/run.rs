//! Runs a command over a tree: `run TREE [HOST=GUEST…] -- COMMAND…`. For trying things by hand.

fn main() {
    #[cfg(target_os = "linux")]
    {
        use prunella_sandbox::{Job, LinuxSandbox, Mount, Sandbox};
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let split = arguments.iter().position(|word| word == "--").unwrap_or(arguments.len());
        let (before, command) = arguments.split_at(split);
        let mut job = Job { argv: command.iter().skip(1).cloned().collect(), ..Job::default() };
        job.tree = before.first().map(Into::into).unwrap_or_default();
        for mount in before.iter().skip(1) {
            let (host, guest) = mount.split_once('=').unwrap_or((mount, mount));
            job.mounts.push(Mount { host: host.into(), guest: guest.into() });
        }
        let report = LinuxSandbox::new().run(&job);
        use std::io::Write;
        let _ = writeln!(
            std::io::stdout(),
            "{}{}{:?} {:?} {:?}\nchanged: {:?}",
            report.stdout.text(),
            report.stderr.text(),
            report.end,
            report.isolation,
            report.usage,
            report.changed
        );
    }
}
