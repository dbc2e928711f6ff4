//! (h) The product's own graph with empty nodes: each run fails twice and passes at the third attempt.

use serde_json::json;

use crate::graphs::healing;
use crate::measure::{emit, timed};
use crate::setting::{Bench, db_mb, temp_dir};

pub(crate) fn run(runs: usize, saver: &str) -> Option<()> {
    let inputs = || json!({"ticket": "x".repeat(300)});
    if saver == "none" {
        let bench = Bench::in_memory();
        let graph = bench.graph(&healing());
        let (state, took) =
            timed(|| (0..runs).map(|_| bench.unrecorded(&graph, inputs(), "healed")).last().unwrap());
        assert_eq!((&state["pr"], state["log"].as_array().unwrap().len()), (&json!("pr-1"), 11));
        emit(
            &format!("h_selfheal_{runs}_none"),
            json!({"wall_s": took.wall_s, "cpu_s": took.cpu_s, "ms_per_run": took.wall_s / runs as f64 * 1e3}),
        );
        return Some(());
    }
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
            last = bench.go(&graph, inputs(), "healed");
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
