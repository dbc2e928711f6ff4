//! (c) A wide state: 15 keys, each round appends a nested message of 25 entries, until there are N of them.

use serde_json::json;

use crate::graphs::rounds;
use crate::measure::{emit, timed};
use crate::setting::{Bench, db_mb, temp_dir};

pub(crate) fn run(n: usize, saver: &str) -> Option<()> {
    let dir = temp_dir();
    let bench = match saver {
        "memory_sync" => Bench::in_memory(),
        "sqlite_sync" => Bench::on_disk(dir.path()),
        _ => return None,
    };
    let graph = bench.graph(&rounds());
    let (run, took) = timed(|| bench.go(&graph, json!({"n": n}), "done"));
    let view = bench.engine.view(&run).unwrap();
    assert_eq!(view.state["messages"].as_array().unwrap().len(), n);
    let (steps, raw_mb) = (view.steps.len(), bench.raw_mb(&run));
    drop(bench);
    emit(
        &format!("c_wide_{n}_{saver}"),
        json!({"sync_s": took.wall_s, "cpu_s": took.cpu_s, "supersteps": steps,
               "ms_per_step": took.wall_s / steps as f64 * 1e3, "db_mb": db_mb(dir.path()), "raw_mb": raw_mb}),
    );
    Some(())
}
