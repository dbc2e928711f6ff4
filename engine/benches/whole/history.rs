//! (g) Time travel over about N checkpoints: the whole history, the newest state, the oldest, the slowest of fifty, a
//! fork from the middle.

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
    // Fifty places, whatever their distance from a snapshot; the middle one of three looks at each, for a machine that
    // does something else for a moment is not what is measured.
    let places = (2..=n + 1).step_by((n / 50).max(1));
    let looks = places.map(|step| {
        let mut looks = [0; 3].map(|_| messages(step).wall_s);
        looks.sort_by(f64::total_cmp);
        looks[1]
    });
    let slowest = looks.fold(0.0, f64::max);
    let (fork, forked) = timed(|| bench.engine.fork(&run, &(n / 2).to_string(), Change::default()).unwrap());
    assert_eq!(bench.state(&fork)["i"], json!(n / 2 - 1));
    let ms = |seconds: f64| seconds * 1e3;
    emit(
        &format!("g_history_{n}_growing"),
        json!({"checkpoints": history.len(), "full_history_ms": ms(all.wall_s), "get_latest_ms": ms(latest.wall_s),
               "get_oldest_ms": ms(oldest.wall_s), "get_slowest_ms": ms(slowest), "fork_mid_ms": ms(forked.wall_s)}),
    );
}
