//! What starting a command costs: plain, in the sandbox, and under bubblewrap where that is installed (`bwrap`), each in
//! turn. `cargo run --release -p prunella-sandbox --example startup [ROUNDS]`, after building the same profile's
//! `sandbox-init`.
//!
//! Processor time is the kernel's own account of this process and all it started, helpers included, to the microsecond.
//! (bubblewrap leaves before its inner process does, whose time would then be nobody's: this program becomes its parent.)

#[cfg(target_os = "linux")]
#[path = "common/cost.rs"]
mod cost;

#[cfg(not(target_os = "linux"))]
fn main() {}

/// The namespaces and the few mounts that any sandbox needs.
#[cfg(target_os = "linux")]
const PLAIN: &str = "bwrap --unshare-all --ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 \
                     --symlink usr/bin /bin --symlink usr/sbin /sbin --proc /proc --dev /dev --tmpfs /tmp";

/// As much of what the sandbox does as bubblewrap can: no Landlock, no filter of calls, no control group, no overlay.
#[cfg(target_os = "linux")]
fn like_ours(tree: &std::path::Path) -> String {
    let mut flags = format!(
        "{PLAIN} --die-with-parent --new-session --clearenv --hostname sandbox --cap-drop ALL --tmpfs /home/sbx \
         --tmpfs /dev/shm --ro-bind {} /repo --tmpfs /upper --chdir /repo --ro-bind /proc/sys /proc/sys",
        tree.display()
    );
    for path in
        ["alternatives", "ld.so.cache", "mime.types", "protocols", "services", "ssl/certs", "ssl/openssl.cnf"]
    {
        flags.push_str(&format!(" --ro-bind-try /etc/{path} /etc/{path}"));
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
        if std::path::Path::new("/proc").join(name).exists() {
            flags.push_str(&format!(" --ro-bind /dev/null /proc/{name}"));
        }
    }
    for name in ["bus", "fs", "irq", "tty"] {
        flags.push_str(&format!(" --tmpfs /proc/{name}"));
    }
    flags
}

#[cfg(target_os = "linux")]
fn main() {
    use cost::{Way, measure, spawn, tell};
    use prunella_sandbox::{End, Job, LinuxSandbox, Sandbox};

    // It does nothing, so that what is left is what starting it costs.
    const PROGRAM: &str = "/bin/true";
    let rounds = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(200);
    let tree = tempfile::tempdir().expect("a temporary directory");
    let job = Job { tree: tree.path().into(), argv: vec![PROGRAM.into()], ..Job::default() };
    let sandbox = LinuxSandbox::new();
    let words = |flags: &str| -> bool {
        let words: Vec<&str> = flags.split_whitespace().chain([PROGRAM]).collect();
        spawn(&words)
    };
    let wide = like_ours(tree.path());
    let mut ways = vec![
        Way::new("fork and exec", || spawn(&[PROGRAM])),
        Way::new("bubblewrap", || words(PLAIN)),
        Way::new("bubblewrap, mounts like ours", || words(&wide)),
        Way::new("sandbox", || sandbox.run(&job).end == End::Exited { code: 0 }),
    ];
    measure(&mut ways, rounds);
    let measured = ways.into_iter().map(Way::finished).collect();
    tell(measured, vec![("sandbox", sandbox)], "sandbox");
}
