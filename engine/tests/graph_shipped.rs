//! The shipped graph checks, and what comes out is what the file says.

#[path = "graph_support/kinds.rs"]
mod kinds;

use prunella_engine::graph::{Builder, Guard, Next, Outcome, Step, Target, Vars, draw, load};
use serde_json::json;

const SELF_HEAL: &str = include_str!("../../graphs/self-heal.yaml");

#[test]
fn self_heal_checks_without_a_finding() {
    let (graph, warnings) = load("graphs/self-heal.yaml", SELF_HEAL, &kinds::kinds())
        .unwrap_or_else(|found| panic!("{}", found.iter().map(|d| d.render(SELF_HEAL)).collect::<String>()));
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(graph.start, "detect");
    assert_eq!(graph.limits.wall_ms, Some(1_800_000));
    assert_eq!(graph.limits.cost_microusd, Some(2_000_000));
    assert_eq!(graph.limits.exhausted, "unhealed");
    assert_eq!(
        graph.nodes.keys().collect::<Vec<_>>(),
        ["detect", "reproduce", "analyze", "generate", "test", "pr"]
    );
    let Next::Choose(arms) = &graph.nodes["detect"].next else { panic!("arms") };
    let Guard::When(when) = &arms[0].guard else { panic!("a condition") };
    let output = json!({"status": "known"});
    assert_eq!(when.holds(&Vars::default().with("output", &output)), Ok(true));
    let Next::Choose(arms) = &graph.nodes["test"].next else { panic!("arms") };
    assert_eq!(
        arms[1].step,
        Step::Retry {
            head: "analyze".to_owned(),
            max_attempts: 3,
            exhausted: Target::End("unhealed".to_owned())
        }
    );
    let draft = &graph.nodes["pr"].conditions["draft"];
    let state = json!({"verdict": {"confidence": 0.8}});
    assert_eq!(draft.holds(state.as_object().unwrap()), Ok(true));
}

#[test]
fn the_hash_is_of_the_meaning() {
    let hash = |source: &str| load("f", source, &kinds::kinds()).unwrap().0.hash;
    let plain = hash(SELF_HEAL);
    let comments = SELF_HEAL
        .replace("# found out when absent", "# another comment")
        .replace("output.found,", "  output.found ,");
    assert_eq!(plain, hash(&comments));
    assert_ne!(plain, hash(&SELF_HEAL.replace("An earlier attempt", "An attempt")));
    assert_ne!(plain, hash(&SELF_HEAL.replace("max_attempts: 3", "max_attempts: 2")));
    assert_ne!(plain, hash(&SELF_HEAL.replace("confidence < 0.9", "confidence < 0.8")));
}

#[test]
fn an_attempt_is_that_of_the_innermost_head() {
    let (graph, _) = load("f", SELF_HEAL, &kinds::kinds()).unwrap();
    let loops = graph.loops();
    let heads: Vec<(&str, &str, u32)> =
        loops.iter().map(|(node, found)| (node.as_str(), found.head.as_str(), found.max_attempts)).collect();
    let around =
        [("analyze", "analyze", 3), ("generate", "analyze", 3), ("pr", "analyze", 3), ("test", "analyze", 3)];
    assert_eq!(heads, around);
    assert_eq!(graph.attempt_head("pr").as_deref(), Some("analyze"));
    assert_eq!(graph.attempt_head("detect"), None);
}

#[test]
fn it_is_drawn_as_a_tree_and_as_mermaid() {
    let (graph, _) = load("f", SELF_HEAL, &kinds::kinds()).unwrap();
    insta::with_settings!({snapshot_path => "graphs/drawn", prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!("tree", draw::tree(&graph));
        insta::assert_snapshot!("mermaid", draw::mermaid(&graph));
    });
}

#[test]
fn a_graph_is_built_in_rust_too() {
    let builder = Builder::new("two")
        .input("text", "string")
        .state("note", "string")
        .append("notes", "list<string>")
        .end("done", Outcome::Success)
        .end("gave_up", Outcome::Failure)
        .limits(json!({"steps": 9, "exhausted": "gave_up"}))
        .node("first", |node| {
            node.kind("step")
                .with("text", "=inputs.text")
                .with("list", json!(["=inputs.text", "\"quoted\": é"]))
                .writes("note", "=output.note")
                .to("second")
        })
        .node("second", |node| {
            node.kind("step")
                .with("text", "=note")
                .with("list", "=notes")
                .writes("notes", "=output.list")
                .when("output.ok", "done")
                .retry("first", 3, "gave_up")
        });
    let (graph, warnings) =
        builder.build(&kinds::kinds()).unwrap_or_else(|found| panic!("{found:?}\n{}", builder.source()));
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!((graph.start.as_str(), graph.limits.steps), ("first", Some(9)));
    let (again, _) = load("again", &graph.source, &kinds::kinds()).unwrap();
    assert_eq!(graph.hash, again.hash);
}

/// A chain of `nodes` nodes, in groups of ten that are tried again together.
fn chain(nodes: usize) -> String {
    let mut text = String::from(
        "format: 1\nname: chain\nstate: {note: string, notes: {type: list<string>, reduce: append}}\n\
         ends: {done: success}\nstart: n0\nnodes:\n",
    );
    for i in 0..nodes {
        let next = if i + 1 == nodes { "done".to_owned() } else { format!("n{}", i + 1) };
        let (number, back) = (i % 10, i - i % 10);
        text.push_str(&format!(
            "  n{i}:
    kind: step
    with: {{text: \"=size(notes) > {i} ? 'a' : 'b'\", number: =attempt + {i}}}
    prompt: \"{{{{ evidence }}}} {{{{ text }}}}\"
    writes: {{note: =output.note, notes: =output.list}}
    next:
      - {{when: \"output.ok && output.count > {number} && note != ''\", to: {next}}}
      - {{retry: n{back}, max_attempts: 3, exhausted: done}}
"
        ));
    }
    text
}

#[test]
fn a_graph_of_hundreds_of_nodes_checks() {
    let kinds = kinds::kinds();
    let (graph, warnings) = load("chain", &chain(400), &kinds).unwrap();
    assert_eq!((graph.nodes.len(), warnings.len()), (400, 0));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]
    /// The shipped file with a piece cut out or put in: whatever comes, it is told and not a panic.
    #[test]
    fn a_damaged_file_never_panics(at in 0usize..5000, cut in 0usize..40, put in r#"[a-z{}\[\]:=&'"| \n.-]{0,12}"#) {
        let mut chars: Vec<char> = SELF_HEAL.chars().collect();
        let at = at.min(chars.len());
        let end = (at + cut).min(chars.len());
        chars.splice(at..end, put.chars());
        let source: String = chars.into_iter().collect();
        if let Err(found) = load("f", &source, &kinds::kinds()) {
            assert!(!found.is_empty());
            for one in found {
                assert!(one.span.start <= one.span.end && one.span.end <= source.len());
                let _ = one.render(&source);
            }
        }
    }
}
