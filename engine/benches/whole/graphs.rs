//! The graphs of the jobs.

use prunella_engine::graph::{At, Builder, Failed, NodeBuilder, Outcome};
use serde_json::json;

use crate::kinds::WIDE;

/// One node that counts to `inputs.n`, with an edge back to itself unless `enough` holds.
pub(crate) fn counter(enough: &str) -> Builder {
    Builder::new("loop")
        .input("n", "int")
        .state("i", "int")
        .end("done", Outcome::Success)
        .end("stuck", Outcome::Failure)
        .node("seed", |node| node.writes("i", "=output.i").to("step"))
        .node("step", |node| {
            node.kind("count").with("i", "=i").writes("i", "=output.i").when(enough, "done").retry(
                "step",
                u32::MAX,
                "stuck",
            )
        })
}

/// The condition in Rust, and in CEL.
pub(crate) const NATIVE: &str = "enough()";
pub(crate) const CEL: &str = "output.i >= inputs.n";

/// `n` nodes in a row; each counts one, so that one that was left out would show.
pub(crate) fn row(n: usize) -> Builder {
    let graph = Builder::new("chain").state("i", "int").end("done", Outcome::Success);
    (0..n).fold(graph, |graph, at| {
        let next = if at + 1 == n { "done".to_owned() } else { format!("n{}", at + 1) };
        graph.node(&format!("n{at}"), |node| {
            let node = if at == 0 { node.kind("one_more") } else { node.kind("count").with("i", "=i") };
            node.writes("i", "=output.i").to(&next)
        })
    })
}

/// A loop that appends a message in every superstep.
pub(crate) fn growing() -> Builder {
    Builder::new("growth")
        .input("n", "int")
        .state("i", "int")
        .append("messages", "list<{role: string, content: string}>")
        .end("done", Outcome::Success)
        .end("stuck", Outcome::Failure)
        .node("seed", |node| node.writes("i", "=output.i").to("step"))
        .node("step", |node| {
            node.kind("say")
                .with("i", "=i")
                .writes("i", "=output.i")
                .writes("messages", "=output.messages")
                .when("output.i >= inputs.n", "done")
                .retry("step", u32::MAX, "stuck")
        })
}

/// The product's own shape: `test` fails twice and passes at the third attempt.
pub(crate) fn healing() -> Builder {
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

/// A map over `inputs.subjects` to a graph of 12 supersteps, and a join.
pub(crate) fn fan() -> Builder {
    let bounds = || json!({"steps": 1_000_000_000, "exhausted": "stuck"});
    let worker = Builder::new("worker")
        .input("subject", "string")
        .returns("string")
        .state("text", "string")
        .end_with("done", Outcome::Success, "=text")
        .end("stuck", Outcome::Failure)
        .limits(bounds())
        .node("edit", |node| {
            node.kind("edited").with("text", "=inputs.subject").writes("text", "=output").to("generate")
        })
        .node("generate", |node| node.kind("joke").with("text", "=text").writes("text", "=output").to("bump"))
        .node("bump", |node| {
            node.kind("bumped").with("text", "=text").writes("text", "=output").when("ten()", "done").retry(
                "bump",
                u32::MAX,
                "stuck",
            )
        });
    Builder::new("fan")
        .input("subjects", "list<string>")
        .state("jokes", "list<string>")
        .state("count", "int")
        .end("done", Outcome::Success)
        .end("stuck", Outcome::Failure)
        .limits(bounds())
        .graph("worker", &worker)
        .node("each", |node| {
            node.map("worker", "inputs.subjects", Failed::Fail)
                .setting("parallel", 1000)
                .with("subject", "=item")
                .writes("jokes", "=output.values")
                .on_error("stuck")
                .to("join")
        })
        .node("join", |node| node.kind("size").with("list", "=jokes").writes("count", "=output").to("done"))
}

/// `plan -> gate -> finish`, where a person opens the gate.
pub(crate) fn gated() -> Builder {
    Builder::new("gated")
        .input("ticket", "string")
        .state("plan", "string")
        .state("answer", "string")
        .end("done", Outcome::Success)
        .node("plan", |node| {
            node.kind("repeat").with("text", "p").with("times", 100).writes("plan", "=output").to("gate")
        })
        .node("gate", |node| {
            node.kind("pass")
                .interrupt(At::Before, "apply?", "string")
                .writes("answer", "=answer")
                .to("finish")
        })
        .node("finish", |node| node.kind("pass").writes("plan", "done").to("done"))
}

/// A state of 15 keys; each round appends a nested message, until there are `inputs.n`.
pub(crate) fn rounds() -> Builder {
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
