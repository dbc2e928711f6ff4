//! 1 to 9: reading what the host keeps to itself.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::payload::{ABSENT, payload, refused};
use crate::linux::bystanders::{SECRETS, attack};
use crate::linux::common::python;

/// Reads every file of the host whose content is `canary`: by its path, by its place under this user's home and
/// everybody's, through the file systems of processes, through links left in the tree.
fn steal(canary: &'static str) {
    let wanted: Vec<&str> =
        SECRETS.iter().filter(|(_, text)| *text == canary).map(|(path, _)| *path).collect();
    assert!(!wanted.is_empty());
    let report = attack(|host| {
        let home = std::env::home_dir().unwrap_or_default();
        let script = format!(
            "
for path in {wanted:?}:
    for top in ({host:?}, {home:?}, '/root', '/home/user', '/home/ubuntu', os.path.expanduser('~'), '/proc/1/root' + {host:?},
                '/proc/self/root' + {host:?}, '/proc/thread-self/root/root', '/proc/1/cwd', '/repo/link', '/repo/climb'):
        attempt(top + '/' + path, open, top + '/' + path)
"
        );
        let case = payload(&script);
        control(host, wanted.first().unwrap());
        symlink(host, case.tree.path().join("link")).unwrap();
        let climb = format!("../../../../../../../..{}", host.display());
        symlink(climb, case.tree.path().join("climb")).unwrap();
        case
    });
    refused(&report, wanted.len() * 12, ABSENT);
}

/// Out here the same reading works.
fn control(host: &Path, path: &str) {
    let read = "import sys; print(open(sys.argv[1]).read()[:6])";
    let output = Command::new("python3").arg("-c").arg(read).arg(host.join(path)).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "canary");
}

#[test]
fn a01_aws_credentials() {
    steal("canary-aws");
}

#[test]
fn a02_ssh_keys() {
    steal("canary-ssh");
}

#[test]
fn a03_netrc_and_git_credentials() {
    steal("canary-git");
}

#[test]
fn a04_package_registry_tokens() {
    steal("canary-token");
}

#[test]
fn a05_container_and_cloud_credentials() {
    steal("canary-cloud");
}

/// Names the test that is to run as a process of its own, with secrets around it.
const LAUNCHER: &str = "PRUNELLA_TEST_AS_LAUNCHER";
/// A secret in that process's environment.
const TOKEN: (&str, &str) = ("CANARY_API_TOKEN", "canary-5f0e2b7c91");

/// Runs `body` in a process of this program that has a secret in its environment and in its arguments.
fn as_launcher(test: &str, body: impl FnOnce()) {
    if std::env::var(LAUNCHER).is_ok_and(|name| name == test) {
        return body();
    }
    let name = format!("{}::{test}", module_path!().split_once("::").map_or("", |(_, path)| path));
    let output = Command::new(std::env::current_exe().unwrap())
        // The second filter fits no test, and is seen in the list of processes.
        .args(["--exact", &name, "--nocapture", "--skip", TOKEN.1])
        .env(LAUNCHER, test)
        .env(TOKEN.0, TOKEN.1)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
fn a06_secrets_in_the_environment() {
    as_launcher("a06_secrets_in_the_environment", || {
        let report = attack(|_| {
            python(
                "import os, subprocess\nprint(dict(os.environ), subprocess.check_output(['env']), os.environb)",
            )
        });
        let said = report.stdout.text();
        assert!(
            said.contains("PRUNELLA_REPO") && !said.contains("CANARY") && !said.contains(TOKEN.1),
            "{said}"
        );
        // Nor under another name.
        let mut case = python("import os; print(os.environ)");
        case.job.env.insert("INNOCENT".into(), TOKEN.1.into());
        let report = case.run();
        assert!(matches!(report.end, prunella_sandbox::End::CouldNotStart { .. }), "{:?}", report.end);
    });
}

#[test]
fn a07_environment_and_arguments_of_the_launcher() {
    as_launcher("a07_environment_and_arguments_of_the_launcher", || {
        let script = format!(
            "
seen = []
for pid in [*range(1, 5000), {own}, {parent}]:
    for name in ('environ', 'cmdline', 'maps', 'mem', 'stat', 'status', 'task', 'fd', 'root'):
        path = '/proc/%d/%s' % (pid, name)
        try:
            with open(path, 'rb') as file: text = file.read(1 << 16)
        except OSError: continue
        if pid != os.getpid(): seen.append(path)
        if b'canary' in text and pid != os.getpid(): print('FOUND', path)
print(seen)
for pid in ({own}, {parent}):
    attempt('signal', os.kill, pid, 0)
    attempt('pidfd', os.pidfd_open, pid)
",
            own = std::process::id(),
            parent = std::os::unix::process::parent_id(),
        );
        let report = attack(|_| payload(&script));
        assert_eq!(report.stdout.text(), "[]\nsignal ESRCH\npidfd ESRCH\nsignal ESRCH\npidfd ESRCH\n");
    });
}

#[test]
fn a08_inherited_descriptors() {
    let report = attack(|host| {
        let low: OwnedFd = File::open(host.join(".netrc")).unwrap().into();
        let high = rustix::io::fcntl_dupfd_cloexec(&low, 700).unwrap();
        for descriptor in [low, high] {
            // Every process that is started from now on has it.
            rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::empty()).unwrap();
            std::mem::forget(descriptor);
        }
        payload(
            "
for fd in range(4096):
    try: os.fstat(fd)
    except OSError: continue
    try: text = os.pread(fd, 99, 0)
    except OSError: text = b''
    print(fd, b'canary' in text)
print(os.listdir('/proc/1/fd') if os.access('/proc/1/fd', os.R_OK) else 'closed')
",
        )
    });
    assert_eq!(report.stdout.text(), "0 False\n1 False\n2 False\nclosed\n", "{}", report.stderr.text());
}

#[test]
fn a09_passwords_disks_and_memory() {
    let mut paths: Vec<String> =
        ["/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/ssh/ssh_host_rsa_key", "/dev/mem"]
            .into_iter()
            .chain([
                "/dev/kmem",
                "/dev/port",
                "/dev/sda",
                "/dev/vda",
                "/dev/nvme0n1",
                "/dev/loop0",
                "/proc/1/mem",
            ])
            .chain([
                "/sys/firmware",
                "/sys/kernel/debug",
                "/boot/vmlinuz",
                "/var/lib/dpkg/status",
                "/run/secrets",
            ])
            .map(String::from)
            .collect();
    let disks = std::fs::read_dir("/sys/class/block").into_iter().flatten().flatten();
    paths.extend(disks.map(|disk| format!("/dev/{}", disk.file_name().to_string_lossy())));
    let script = format!("for path in {paths:?}: attempt(path, os.open, path, os.O_RDONLY)");
    refused(&attack(|_| payload(&script)), paths.len(), ABSENT);
    // There under every name, with nothing in them.
    let script = "
for name in ('kcore', 'keys', 'kallsyms', 'kmsg', 'timer_list', 'sysrq-trigger', 'vmallocinfo', 'slabinfo', 'cmdline'):
    try: text = open('/proc/' + name, 'rb').read(64)
    except OSError: text = b''
    print(len(text), end=' ')
";
    let empty = python(script);
    assert_eq!(attack(|_| empty).stdout.text(), "0 ".repeat(9));
}
