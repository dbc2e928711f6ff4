//! (d) A loop of N supersteps, each of which appends a message of 456 characters.

use std::time::Instant;

use prunella_engine::event::Event;
use serde_json::json;

use crate::graphs::growing;
use crate::measure::{emit, timed};
use crate::setting::{Bench, db_mb, temp_dir};

pub(crate) fn run(n: usize, saver: &str) -> Option<()> {
    if saver == "none" {
        let bench = Bench::in_memory();
        let graph = bench.graph(&growing());
        let (state, took) = timed(|| bench.unrecorded(&graph, json!({"n": n}), "done"));
        assert_eq!((&state["i"], state["messages"].as_array().unwrap().len()), (&json!(n), n));
        emit(&format!("d_loop_{n}_add_none"), json!({"wall_s": took.wall_s, "cpu_s": took.cpu_s}));
        return Some(());
    }
    let dir = temp_dir();
    let bench = match saver {
        "memory" => Bench::in_memory(),
        "sync" => Bench::on_disk(dir.path()),
        _ => return None,
    };
    let graph = bench.graph(&growing());
    let began = Instant::now();
    let (mut steps, mut marks) = (0, Vec::new());
    let mut sink = |event: Event| {
        if let Event::Committed { .. } = event {
            steps += 1;
            if steps % 100 == 0 {
                marks.push(began.elapsed().as_secs_f64());
            }
        }
    };
    let (run, took) = timed(|| bench.told(&graph, json!({"n": n}), "done", &mut sink));
    let (state, looked) = timed(|| bench.state(&run));
    assert_eq!((&state["i"], state["messages"].as_array().unwrap().len()), (&json!(n), n));
    let raw_mb = bench.raw_mb(&run);
    let records = bench.engine.store().records(&run).unwrap().len();
    drop(bench);
    let first = marks.first().map_or(0.0, |at| at * 10.0);
    let last =
        marks.last().zip(marks.iter().rev().nth(1)).map_or(0.0, |(last, before)| (last - before) * 10.0);
    emit(
        &format!("d_loop_{n}_add_{saver}"),
        json!({"wall_s": took.wall_s, "cpu_s": took.cpu_s, "ms_step_first100": first, "ms_step_last100": last,
               "db_mb": db_mb(dir.path()), "raw_mb": raw_mb, "records": records, "get_state_ms": looked.wall_s * 1e3}),
    );
    Some(())
}
