//! (c) A wide state: 15 keys, each round appends a nested message of 25 entries, until there are N of them.

use prunella_engine::graph::{Builder, Outcome};
use serde_json::json;

use crate::kinds::WIDE;
use crate::measure::{emit, timed};
use crate::setting::{Bench, db_mb, temp_dir};

fn rounds() -> Builder {
    let list = format!("list<{WIDE}>");
    let appended = ["messages", "events", "categories", "responses"];
    let plain = ["auto", "issue", "user", "crm", "people", "assignees"];
    let graph = Builder::new("wide").input("n", "int");
    let graph = appended.iter().fold(graph, |graph, key| graph.append(key, &list));
    let graph = plain.iter().fold(graph, |graph, key| graph.state(key, WIDE));
    let graph = ["medium", "mail", "bot"].iter().fold(graph, |graph, key| graph.state(key, "string"));
    graph
        .state("rules", &list)
        .state("docs", &list)
        .end("done", Outcome::Success)
        .end("stuck", Outcome::Failure)
        .node("seed", |node| node.kind("six").with("n", 0).writes("messages", "=output").to("one"))
        .node("one", |node| {
            node.with("last", "=messages[size(messages) - 1]")
                .with("n", "=size(messages)")
                .writes("events", "=output.events")
                .writes("medium", "=output.medium")
                .to("two")
        })
        .node("two", |node| {
            node.with("last", "=events[size(events) - 1]")
                .writes("auto", "=output")
                .writes("issue", "=output")
                .to("three")
        })
        .node("three", |node| node.with("last", "=auto").writes("rules", "=output").to("four"))
        .node("four", |node| {
            node.with("last", "=events[size(events) - 1]")
                .writes("categories", "=output.last")
                .writes("responses", "=output.last")
                .writes("docs", "=output.docs")
                .to("five")
        })
        .node("five", |node| {
            ["user", "crm", "people", "assignees"]
                .iter()
                .fold(node, |node, key| node.writes(key, "=output.last"))
                .with("last", "=categories[size(categories) - 1]")
                .writes("mail", "=output.mail")
                .writes("bot", "=output.bot")
                .to("six")
        })
        .node("six", |node| {
            node.with("n", "=size(messages)")
                .writes("messages", "=output")
                .when("size(messages) >= inputs.n", "done")
                .retry("one", u32::MAX, "stuck")
        })
}

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
