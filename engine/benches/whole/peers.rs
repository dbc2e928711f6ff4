//! The workloads of the Rust peers, printed as they print theirs. Each runs once to warm up, then several times.

use prunella_engine::graph::Graph;
use serde_json::{Value, json};

use crate::graphs::{counter, row};
use crate::measure::timed;
use crate::setting::{Bench, temp_dir};

const STEPS: usize = 1000;

fn measure(workload: &str, units: usize, reps: usize, run: &mut dyn FnMut()) {
    run();
    let mut times: Vec<f64> = (0..reps).map(|_| timed(&mut *run).1.wall_s).collect();
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    println!(
        "prunella\t{workload}\tmedian_ms={:.3}\tmin_ms={:.3}\tus_per_unit={:.2}",
        median * 1e3,
        times[0] * 1e3,
        median * 1e6 / units as f64
    );
}

/// `graph` on an engine of its own, as often as it takes.
fn workload(name: &str, reps: usize, bench: &Bench, graph: &Graph, inputs: &Value) {
    let mut last = String::new();
    measure(name, STEPS, reps, &mut || last = bench.go(graph, inputs.clone(), "done"));
    assert!(bench.engine.view(&last).unwrap().steps.len() >= STEPS);
}

pub(crate) fn run() {
    let memory = Bench::in_memory();
    let counting = memory.graph(&counter());
    let inputs = json!({"n": STEPS});
    workload("loop1000_ckpt_memory", 5, &memory, &counting, &inputs);
    workload("chain1000_ckpt_memory", 5, &memory, &memory.graph(&row(STEPS)), &json!({}));
    let dir = temp_dir();
    workload("loop1000_ckpt_sqlite", 3, &Bench::on_disk(dir.path()), &counting, &inputs);
}
