//! (f) N runs of `plan -> gate -> finish` that all wait for a person; the store is closed and opened again, and each is
//! answered and goes on to its end.

use std::collections::BTreeMap;

use prunella_engine::run::NewInputs;
use prunella_engine::store::RunStatus;
use serde_json::json;

use crate::graphs::gated;
use crate::measure::{emit, timed};
use crate::setting::{Bench, db_mb, temp_dir};

/// Characters of a run's ticket, as on the other side.
const TICKET: usize = 1000;

pub(crate) fn run(n: usize) {
    let dir = temp_dir();
    let bench = Bench::on_disk(dir.path());
    let graph = bench.graph(&gated());
    let (runs, parked) = timed(|| {
        let park = |_| {
            let inputs = json!({"ticket": "t".repeat(TICKET)});
            let new = NewInputs { inputs, settings: json!({}), local: json!({}) };
            let run = bench.engine.start(&graph, new).unwrap();
            let result = bench.runtime.block_on(bench.engine.run(&run, &mut |_| {})).unwrap();
            assert_eq!(result.status, RunStatus::Waiting);
            run
        };
        (0..n).map(park).collect::<Vec<String>>()
    });
    drop(bench);
    let parked_mb = db_mb(dir.path());
    let bench = Bench::on_disk(dir.path());
    let ((), resumed) = timed(|| {
        for run in &runs {
            let answers = BTreeMap::from([("gate#1/before".to_owned(), json!("yes"))]);
            bench.engine.answer(run, &answers).unwrap();
            let result = bench.runtime.block_on(bench.engine.run(run, &mut |_| {})).unwrap();
            assert_eq!(result.end.as_deref(), Some("done"), "{:?}", result.error);
        }
    });
    for run in [&runs[0], &runs[n - 1]] {
        let state = bench.state(run);
        assert_eq!((&state["answer"], &state["plan"]), (&json!("yes"), &json!("done")));
    }
    drop(bench);
    let each = |seconds: f64| seconds / n as f64 * 1e3;
    emit(
        &format!("f_parked_{n}"),
        json!({"park_s": parked.wall_s, "resume_s": resumed.wall_s, "park_ms_each": each(parked.wall_s),
               "resume_ms_each": each(resumed.wall_s), "park_cpu_s": parked.cpu_s, "resume_cpu_s": resumed.cpu_s,
               "db_parked_mb": parked_mb, "db_done_mb": db_mb(dir.path()),
               "bytes_per_parked_thread": parked_mb * 1e6 / n as f64}),
    );
}
