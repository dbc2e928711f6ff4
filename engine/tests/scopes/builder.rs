//! Graphs from Rust have everything that files have.

use prunella_engine::graph::{At, Builder, Failed, Outcome, Reducer};
use serde_json::json;

use crate::puppet::{Play, Stage, kinds};

#[test]
fn a_built_graph_forks_calls_maps_asks_and_fails_like_a_file() {
    let inner = Builder::new("inner")
        .input("text", "string")
        .returns("string")
        .end_with("out", Outcome::Success, "=inputs.text")
        .node("look", |node| node.kind("puppet").to("out"));
    let builder = Builder::new("built")
        .input("word", "enum<one|two>")
        .graph("inner", &inner)
        .reduce("notes", "list<string>", Reducer::Append)
        .end_with("done", Outcome::Success, "=notes")
        .end("broken", Outcome::Failure)
        .node("start", |node| node.kind("puppet").fork(&["call", "each"]))
        .node("call", |node| {
            node.call("inner").with("text", "called").writes("notes", "=[output.value]").to("meet")
        })
        .node("each", |node| {
            node.map("inner", "['a', 'b']", Failed::Skip)
                .with("text", "=item")
                .writes("notes", "=output.values")
                .to("meet")
        })
        .node("meet", |node| {
            node.kind("puppet")
                .interrupt(At::After, "go on?", "bool")
                .timeout("1h")
                .writes("notes", "=[string(answer)]")
                .switch("inputs.word", &[("one", "fails"), ("two", "done")])
        })
        .node("fails", |node| {
            node.kind("puppet").with("does", json!(["fail it"])).on_error("last").to("done")
        })
        .node("last", |node| node.kind("puppet").goto("'done'", &["done", "broken"]));
    let source = builder.source();
    assert!(builder.build(&kinds()).is_ok(), "{source}");
    let play = Play::new(Stage::default());
    let run = play.start(&source, json!({"word": "one"}));
    // The clock of the tests lets every timeout pass at once, but not while a person is asked.
    let (result, _) = play.go(&run);
    assert_eq!(result.exit, 12, "{result:?}");
    play.answer(&run, &[("meet#1/after", json!(true))]).unwrap();
    let (result, _) = play.go(&run);
    assert_eq!(result.output, json!(["called", "a", "b", "true"]));
    assert!(play.lanes(&run).contains(&"last#1".to_owned()));
}
