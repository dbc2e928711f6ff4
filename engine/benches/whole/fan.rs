//! (b) N calls of a graph of 12 supersteps side by side, joined in the order of the list.

use serde_json::{Value, json};

use crate::graphs::fan;
use crate::measure::{emit, timed};
use crate::setting::{Bench, db_mb, temp_dir};

pub(crate) fn run(n: usize, saver: &str) -> Option<()> {
    let inputs = json!({"subjects": subjects(n)});
    let dir = temp_dir();
    let bench = match saver {
        "none" | "memory" => Bench::in_memory(),
        "sqlite_sync" => Bench::on_disk(dir.path()),
        _ => return None,
    };
    let graph = bench.graph(&fan());
    let (state, took) = if saver == "none" {
        timed(|| bench.unrecorded(&graph, inputs.clone(), "done"))
    } else {
        let (run, took) = timed(|| bench.go(&graph, inputs.clone(), "done"));
        (bench.state(&run), took)
    };
    assert_eq!(state["count"], json!(n));
    // Every item went its own twelve steps, and came back in its own place.
    let wanted: Vec<Value> = inputs["subjects"].as_array().unwrap().iter().map(joke).collect();
    assert_eq!(state["jokes"], Value::Array(wanted));
    drop(bench);
    emit(
        &format!("b_fanout_{n}_subgraph_{saver}"),
        json!({"sync_s": took.wall_s, "cpu_s": took.cpu_s, "db_mb": if saver == "sqlite_sync" { db_mb(dir.path()) } else { 0.0 }}),
    );
    Some(())
}

fn joke(subject: &Value) -> Value {
    format!("Joke about {} - edited{}", subject.as_str().unwrap(), " a".repeat(10)).into()
}

/// Texts of 1000 letters, all different, none of which packs well.
fn subjects(n: usize) -> Vec<String> {
    let mut seed = 1_u64;
    let mut letter = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'a' + u8::try_from((seed >> 33) % 26).unwrap())
    };
    (0..n).map(|_| (0..1000).map(|_| letter()).collect()).collect()
}
