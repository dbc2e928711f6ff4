//! Measures what starting Python costs: natively, and in the wasm sandbox with and without a wall around it.
//! `cargo run --release -p prunella-sandbox --example wasm_startup`, after building the same profile's programs.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use prunella_sandbox::{End, Job, Sandbox, WasmSandbox, native, testing};

const RUNS: usize = 30;

fn main() {
    let store = testing::interpreter().expect("an interpreter that is set up");
    let tree = tempfile::tempdir().expect("a temporary directory");
    let argv = ["python", "-I", "-S", "-c", "pass"].map(str::to_owned).to_vec();
    let job = Job { tree: tree.path().into(), argv, ..Job::default() };
    let plain = WasmSandbox::new(&store).with_wall(None);
    let walled = WasmSandbox::new(&store).with_wall(Some(Arc::from(native())));
    let python = || {
        let mut command = Command::new("python3");
        command.args(["-I", "-S", "-c", "pass"]).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let done = |sandbox: &WasmSandbox| sandbox.run(&job).end == End::Exited { code: 0 };
    let runs: [(&str, &dyn Fn() -> bool); 3] =
        [("native python", &python), ("wasm, plain", &|| done(&plain)), ("wasm, walled", &|| done(&walled))];
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

/// Processor time of this process and its ended children, where the kernel has such an account (in ticks of 10 ms).
fn cpu_millis() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(4);
    fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() * 10.0
}
