//! The shipped graph checks, and what comes out is what the file says.

#[path = "graph_support/kinds.rs"]
mod kinds;

use prunella_engine::graph::{Guard, Next, Step, Target, Vars, load};
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
