//! (g) Time travel over about N checkpoints: the whole history, the newest state, the oldest, a fork from the middle.

use prunella_engine::run::Change;
use serde_json::json;

use crate::graphs::growing;
use crate::measure::{emit, timed};
use crate::setting::{Bench, temp_dir};

pub(crate) fn run(n: usize) {
    let dir = temp_dir();
    let bench = Bench::on_disk(dir.path());
    let graph = bench.graph(&growing());
    let run = bench.go(&graph, json!({"n": n}), "done");
    drop(bench);
    // As somebody who looks later: nothing of the run is in memory.
    let bench = Bench::on_disk(dir.path());
    let (history, all) = timed(|| bench.engine.history(&run).unwrap());
    assert_eq!(history.len(), n + 1);
    let messages = |step: usize| {
        let (state, took) = timed(|| bench.engine.state_at(&run, &step.to_string()).unwrap());
        // The first step only seeds the counter.
        assert_eq!(state.states[""].get("messages").map_or(0, |all| all.as_array().unwrap().len()), step - 1);
        took
    };
    let (latest, oldest) = (messages(n + 1), messages(2));
    let slowest = [n / 4, n / 2, 3 * n / 4].map(|step| messages(step).wall_s).into_iter().fold(0.0, f64::max);
    let (fork, forked) = timed(|| bench.engine.fork(&run, &(n / 2).to_string(), Change::default()).unwrap());
    assert_eq!(bench.state(&fork)["i"], json!(n / 2 - 1));
    let ms = |seconds: f64| seconds * 1e3;
    emit(
        &format!("g_history_{n}_growing"),
        json!({"checkpoints": history.len(), "full_history_ms": ms(all.wall_s), "get_latest_ms": ms(latest.wall_s),
               "get_oldest_ms": ms(oldest.wall_s), "get_middle_ms": ms(slowest), "fork_mid_ms": ms(forked.wall_s)}),
    );
}
