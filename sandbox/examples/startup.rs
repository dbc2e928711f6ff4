//! Measures what starting `true` costs: plain, in the sandbox, and under bubblewrap where that is installed.
//! `cargo run --release -p prunella-sandbox --example startup`, after building the same profile's `sandbox-init`.

#[cfg(target_os = "linux")]
fn main() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    use std::time::Instant;

    use prunella_sandbox::{End, Job, LinuxSandbox, Sandbox};

    const RUNS: usize = 60;
    let tree = tempfile::tempdir().expect("a temporary directory");
    let job = Job { tree: tree.path().into(), argv: vec!["/bin/true".into()], ..Job::default() };
    let sandbox = LinuxSandbox::new();
    let spawn = |words: &[&str]| {
        let (program, arguments) = words.split_first().expect("a program");
        let mut command = Command::new(program);
        command.args(arguments).env_clear().stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let bubblewrap = [
        "/usr/bin/bwrap",
        "--unshare-all",
        "--ro-bind",
        "/usr",
        "/usr",
        "--symlink",
        "usr/lib",
        "/lib",
        "--symlink",
        "usr/lib64",
        "/lib64",
        "--symlink",
        "usr/bin",
        "/bin",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--tmpfs",
        "/tmp",
        "/bin/true",
    ];
    let runs: [(&str, &dyn Fn() -> bool); 3] = [
        ("fork and exec", &|| spawn(&["/bin/true"])),
        ("sandbox", &|| sandbox.run(&job).end == End::Exited { code: 0 }),
        ("bubblewrap", &|| spawn(&bubblewrap)),
    ];
    let mut out = std::io::stdout();
    for (name, run) in runs {
        if !run() {
            let _ = writeln!(out, "{name:14} cannot be run here");
            continue;
        }
        let cpu = cpu_millis();
        let mut times: Vec<f64> = (0..RUNS)
            .map(|_| {
                let began = Instant::now();
                run();
                began.elapsed().as_secs_f64() * 1000.0
            })
            .collect();
        let cpu = (cpu_millis() - cpu) / RUNS as f64;
        times.sort_by(f64::total_cmp);
        let _ = writeln!(
            out,
            "{name:14} min {:6.2} ms  median {:6.2} ms  cpu {cpu:6.2} ms",
            times.first().copied().unwrap_or_default(),
            times.get(RUNS / 2).copied().unwrap_or_default(),
        );
    }
}

/// Processor time of this process and its ended children, from the kernel's own account (in ticks of 10 ms).
#[cfg(target_os = "linux")]
fn cpu_millis() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(4);
    fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() * 10.0
}

#[cfg(not(target_os = "linux"))]
fn main() {}
