//! (h) The product's own graph with empty nodes: each run fails twice and passes at the third attempt.

use prunella_engine::graph::{Builder, NodeBuilder, Outcome};
use serde_json::json;

use crate::measure::{emit, timed};
use crate::setting::{Bench, db_mb, temp_dir};

fn healing() -> Builder {
    let text = |node: NodeBuilder, letter: &str, times: u32| {
        node.kind("repeat").with("text", letter).with("times", times)
    };
    Builder::new("selfheal")
        .input("ticket", "string")
        .state("analysis", "string")
        .state("patch", "string")
        .state("passed", "bool")
        .append("log", "list<string>")
        .state("pr", "string")
        .end("healed", Outcome::Success)
        .end("unhealed", Outcome::Failure)
        .node("detect", |node| node.kind("pass").writes("log", json!(["detect"])).to("analyze"))
        .node("analyze", |node| {
            text(node, "a", 500)
                .writes("analysis", "=output")
                .writes("log", json!(["analyze"]))
                .to("generate")
        })
        .node("generate", |node| {
            text(node, "+", 1000).writes("patch", "=output").writes("log", json!(["generate"])).to("test")
        })
        .node("test", |node| {
            node.kind("judge")
                .writes("passed", "=output")
                .writes("log", json!(["test output ".repeat(50)]))
                .when("output", "open_pr")
                .retry("analyze", 3, "unhealed")
        })
        .node("open_pr", |node| {
            node.kind("pass").writes("pr", "pr-1").writes("log", json!(["pr"])).to("healed")
        })
}

pub(crate) fn run(runs: usize, saver: &str) -> Option<()> {
    let dir = temp_dir();
    let bench = match saver {
        "memory" => Bench::in_memory(),
        "sqlite_sync" => Bench::on_disk(dir.path()),
        _ => return None,
    };
    let graph = bench.graph(&healing());
    let (last, took) = timed(|| {
        let mut last = String::new();
        for _ in 0..runs {
            last = bench.go(&graph, json!({"ticket": "x".repeat(300)}), "healed");
        }
        last
    });
    let view = bench.engine.view(&last).unwrap();
    assert_eq!((&view.state["pr"], view.steps.len()), (&json!("pr-1"), 11));
    drop(bench);
    let db_mb = db_mb(dir.path());
    emit(
        &format!("h_selfheal_{runs}_{saver}"),
        json!({"wall_s": took.wall_s, "cpu_s": took.cpu_s, "ms_per_run": took.wall_s / runs as f64 * 1e3,
               "db_mb": db_mb, "kb_per_run": db_mb / runs as f64 * 1e3}),
    );
    Some(())
}
