//! (a) What the engine itself costs: a node looped N times, or N nodes in a row.

use prunella_engine::graph::{Builder, Outcome};
use serde_json::json;

use crate::measure::{emit, timed};
use crate::setting::Bench;

/// One node that counts to `inputs.n`, with a conditional edge back to itself.
pub(crate) fn counter() -> Builder {
    Builder::new("loop")
        .input("n", "int")
        .state("i", "int")
        .end("done", Outcome::Success)
        .end("stuck", Outcome::Failure)
        .node("seed", |node| node.writes("i", "=output.i").to("step"))
        .node("step", |node| {
            node.kind("count")
                .with("i", "=i")
                .writes("i", "=output.i")
                .when("output.i >= inputs.n", "done")
                .retry("step", u32::MAX, "stuck")
        })
}

/// `n` nodes that do nothing, in a row.
pub(crate) fn row(n: usize) -> Builder {
    let graph = Builder::new("chain").end("done", Outcome::Success);
    (0..n).fold(graph, |graph, i| {
        let next = if i + 1 == n { "done".to_owned() } else { format!("n{}", i + 1) };
        graph.node(&format!("n{i}"), |node| node.kind("pass").to(&next))
    })
}

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
