//! The same for real, where an engine answers and has the image that `PRUNELLA_CONTAINER_IMAGE` names.

use std::time::Duration;

use prunella_sandbox::{ContainerSandbox, End, Probe, Sandbox};

use super::stand_in::shell;

#[test]
fn a_real_engine_holds_what_a_job_tries() {
    let sandbox = ContainerSandbox::new(std::env::var("PRUNELLA_CONTAINER_IMAGE").ok());
    if let Probe::Unavailable { message, .. } = sandbox.probe() {
        eprintln!("not run: {message}");
        return;
    }
    let script = "
id -u; cat a.txt
(echo x > /etc/x) 2>/dev/null && echo BREACH root
(echo x > tests/t.txt) 2>/dev/null && echo BREACH protected
cat /var/run/docker.sock 2>/dev/null && echo BREACH socket
grep -q '^CapEff:.0*$' /proc/self/status || echo BREACH capabilities
grep -q '^NoNewPrivs:.1$' /proc/self/status || echo BREACH privileges
[ \"$(ls /sys/class/net)\" = lo ] || echo BREACH network
echo made > /repo/made; echo record >&$PRUNELLA_FD
";
    let (_tree, mut job) = shell(script);
    job.protect = vec!["tests".into()];
    job.channel = true;
    let report = sandbox.run(&job);
    let said = report.stderr.text();
    assert_eq!(report.end, End::Exited { code: 0 }, "{said}");
    assert!(said.contains("alpha") && !said.contains("BREACH") && !said.starts_with("0\n"), "{said}");
    assert_eq!(report.channel, b"record\n");
    assert_eq!(report.changed.len(), 1);
    let (_tree, mut job) = shell("sleep 600");
    job.limits.wall = Duration::from_secs(3);
    assert_eq!(sandbox.run(&job).end, End::TimedOut);
    let (_tree, mut job) = shell("x=x; while :; do x=$x$x; done");
    job.limits.memory = 64 << 20;
    assert_eq!(sandbox.run(&job).end, End::OutOfMemory);
}
