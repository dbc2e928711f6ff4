//! The workloads of the Rust peers, printed as they print theirs. Each runs once to warm up, then several times.

use prunella_engine::graph::Graph;
use serde_json::{Value, json};

use crate::graphs::{NATIVE, counter, row};
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

pub(crate) fn run() {
    let memory = Bench::in_memory();
    let (counting, chain, inputs) =
        (memory.graph(&counter(NATIVE)), memory.graph(&row(STEPS)), json!({"n": STEPS}));
    for (name, graph, inputs, reps) in
        [("loop1000_memory", &counting, &inputs, 11), ("chain1000_memory", &chain, &Value::Null, 5)]
    {
        measure(name, STEPS, reps, &mut || {
            assert_eq!(memory.unrecorded(graph, inputs.clone(), "done")["i"], json!(STEPS));
        });
    }
    recorded("loop1000_ckpt_memory", 5, &memory, &counting, &inputs);
    let dir = temp_dir();
    recorded("loop1000_ckpt_sqlite", 3, &Bench::on_disk(dir.path()), &counting, &inputs);
}

/// With a journal.
fn recorded(name: &str, reps: usize, bench: &Bench, graph: &Graph, inputs: &Value) {
    let mut last = String::new();
    measure(name, STEPS, reps, &mut || last = bench.go(graph, inputs.clone(), "done"));
    assert_eq!(bench.state(&last)["i"], json!(STEPS));
}
