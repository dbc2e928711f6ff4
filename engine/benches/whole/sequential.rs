//! (a) What the engine itself costs: a node looped N times, or N nodes in a row.

use serde_json::json;

use crate::graphs::{counter, row};
use crate::measure::{emit, timed};
use crate::setting::Bench;

pub(crate) fn run(shape: &str, n: usize, saver: &str) -> Option<()> {
    let bench = match saver {
        "memory" => Bench::in_memory(),
        _ => return None,
    };
    let (builder, inputs) = match shape {
        "loop" => (counter(), json!({"n": n})),
        "chain" => (row(n), json!({})),
        _ => return None,
    };
    let (graph, compiled) = timed(|| bench.graph(&builder));
    let (run, took) = timed(|| bench.go(&graph, inputs, "done"));
    let view = bench.engine.view(&run).unwrap();
    if shape == "loop" {
        assert_eq!(view.state["i"], json!(n));
    } else {
        assert_eq!(view.steps.len(), n);
    }
    emit(
        &format!("a_{shape}_{n}_{saver}"),
        json!({"sync_s": took.wall_s, "sync_cpu_s": took.cpu_s, "us_per_step_sync": took.wall_s / n as f64 * 1e6,
               "compile_s": compiled.wall_s}),
    );
    Some(())
}
