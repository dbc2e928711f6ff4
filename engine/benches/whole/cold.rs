//! (e) A whole process that runs one node that does nothing. CPU time counts from the start of the process; whoever
//! starts it can ask the kernel for the same numbers from outside.

use prunella_engine::graph::{Builder, Outcome};
use serde_json::json;

use crate::measure::{cpu_s, emit};
use crate::setting::{Bench, temp_dir};

pub(crate) fn run(shape: &str) -> Option<()> {
    let dir = temp_dir();
    let bench = match shape {
        "one_node" => Bench::in_memory(),
        "one_node_sqlite" => Bench::on_disk(dir.path()),
        _ => return None,
    };
    let builder = Builder::new("one")
        .input("x", "int")
        .state("x", "int")
        .end("done", Outcome::Success)
        .node("a", |node| node.kind("count").with("i", "=inputs.x").writes("x", "=output.i").to("done"));
    let graph = bench.graph(&builder);
    let state = match shape {
        "one_node" => bench.unrecorded(&graph, json!({"x": 1}), "done"),
        _ => bench.state(&bench.go(&graph, json!({"x": 1}), "done")),
    };
    assert_eq!(state, json!({"x": 2}));
    emit(&format!("e_cold_{shape}"), json!({"cpu_s": cpu_s()}));
    Some(())
}
