//! (a) What the engine itself costs: a node looped N times, or N nodes in a row.

use serde_json::json;

use crate::graphs::{CEL, NATIVE, counter, row};
use crate::measure::{emit, timed};
use crate::setting::Bench;

/// `shape` is `loop`, `loop_cel` (its edge is a CEL condition, not one in Rust) or `chain`.
pub(crate) fn run(shape: &str, n: usize, saver: &str) -> Option<()> {
    let bench = Bench::in_memory();
    let (builder, inputs) = match shape {
        "loop" => (counter(NATIVE), json!({"n": n})),
        "loop_cel" => (counter(CEL), json!({"n": n})),
        "chain" => (row(n), json!({})),
        _ => return None,
    };
    let (graph, compiled) = timed(|| bench.graph(&builder));
    let (state, took) = match saver {
        "none" => timed(|| bench.unrecorded(&graph, inputs, "done")),
        "memory" => {
            let (run, took) = timed(|| bench.go(&graph, inputs, "done"));
            let view = bench.engine.view(&run).unwrap();
            assert_eq!(view.steps.len(), if shape == "chain" { n } else { n + 1 });
            (json!(view.state), took)
        }
        _ => return None,
    };
    // Every node of the chain counts too: one that was left out would show.
    assert_eq!(state["i"], json!(n));
    emit(
        &format!("a_{shape}_{n}_{saver}"),
        json!({"sync_s": took.wall_s, "sync_cpu_s": took.cpu_s, "us_per_step_sync": took.wall_s / n as f64 * 1e6,
               "compile_s": compiled.wall_s}),
    );
    Some(())
}
