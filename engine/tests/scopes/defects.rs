//! Defects that others shipped, and what their users complain of most: where each is a test here.
//!
//! | source | what went wrong | test |
//! |---|---|---|
//! | adk-rust #467 | a resume ran finished nodes again; a stream mode ran nodes twice | `kill::killed_anywhere_…`, `streams::what_is_told_changes_nothing_in_the_run` |
//! | adk-rust #564 | a static interrupt could not be passed | `questions::several_questions_…` |
//! | adk-rust #564 | a fan-in ran once per branch; the result depended on who was first | `random::the_order_of_finishing_…` |
//! | adk-rust #564 | an unknown route ended as success | `branches::a_switch_and_a_goto_…`, and `E021`, `E040` in `graphs/invalid` |
//! | tinyagents #91 | an answer reached every pending node | `questions::several_questions_…` |
//! | tinyagents #91 | an update as a node skipped the barrier | `travel::an_update_in_a_branch_does_not_skip_the_join` |
//! | tinyagents #91 | async durability wrote out of order | `kill::killed_between_an_effect_and_its_record_…`, `store/journal` |
//! | langgraph #8618 | a barrier came back from the store in another shape | `random` (restored after every step), `kill` |
//! | fabro #490 | a fan-in did not hand on what branches gave | `branches::branches_start_from_the_fork_…` |
//! | sdk-python #1578 | parallel results landed in another order in replay | `an_answer_belongs_to_its_question_whoever_is_first` |
//! | rs-graph-llm #11, langgraph-rs | parallel nodes ran one after another | `branches_really_run_side_by_side` |
//! | lionagi #3235 | a failed step was replayed as final | `failures::without_an_error_target_the_run_stops_and_can_be_resumed` |
//! | langgraph-rs, adk | a step cost more in a larger graph | `a_step_costs_the_same_in_a_larger_graph` |
//! | complaint 1 | stores grow with the square of the run | `store/cost`, `run_engine/owner` |
//! | complaint 2 | effects repeated after a crash | `kill` here and in `run_engine` |
//! | complaint 3, 4 | a question runs its node again; answers get mixed up | `questions::several_questions_…` |
//! | complaint 5 | time travel wrong around subgraphs | `travel::a_fork_in_the_middle_of_branches_…` |
//! | complaint 6 | a value of another type comes back as something else | `run_scheduler::writes_see_the_state_before_…` (it names its path) |
//! | complaint 7 | static edges fire beside a goto; opaque routing | `branches::a_switch_and_a_goto_…`: there is one way on |
//! | complaint 8 | a changed graph under a parked run | `travel::another_graph_is_refused_with_what_changed` |
//! | complaint 9 | runaway loops | `branches::a_limit_ends_all_branches`, `E044` |
//! | complaint 10 | events of subgraphs are lost | `streams::every_mode_tells_of_every_scope_once` |

use std::sync::Arc;

use async_trait::async_trait;
use prunella_engine::run::{Engine, NewInputs, Options};
use prunella_engine::store::Store;
use prunella_engine::{Call, Class, Done, EffectError, Reconciled, World};
use serde_json::json;

use crate::puppet::{Play, Stage, graph, kinds};

/// Answers nobody before so many have asked.
struct Together(tokio::sync::Barrier);

#[async_trait]
impl World for Together {
    fn class(&self, _: &str) -> Option<Class> {
        Some(Class::Read)
    }

    async fn perform(&self, call: Call) -> Result<Done, EffectError> {
        self.0.wait().await;
        Ok(Done::free(call.request))
    }

    async fn reconcile(&self, _: Call) -> Result<Reconciled, EffectError> {
        Ok(Reconciled::DidNot)
    }
}

#[test]
fn branches_really_run_side_by_side() {
    const WIDTH: usize = 40;
    let names: Vec<String> = (0..WIDTH).map(|i| format!("b{i}")).collect();
    let nodes: String = names
        .iter()
        .map(|name| format!("  {name}: {{kind: puppet, with: {{does: ['look {name}']}}, next: join}}\n"))
        .collect();
    let source = format!(
        "format: 1\nname: wide\nends: {{done: success}}\nstart: begin\nnodes:\n  begin: {{kind: puppet, next: [{}]}}\n{nodes}  join: {{kind: puppet, next: done}}\n",
        names.join(", ")
    );
    let world = Arc::new(Together(tokio::sync::Barrier::new(WIDTH)));
    let engine = Engine::new(Store::in_memory().unwrap(), kinds(), world, Options::new(&kinds()));
    let new = NewInputs { inputs: json!({}), settings: json!({}), local: json!({}) };
    let run = engine.start(&graph(&source), new).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // Were one of them to wait for another, this would never end.
    assert_eq!(runtime.block_on(engine.run(&run, &mut |_| {})).unwrap().exit, 0);
}

#[test]
fn an_answer_belongs_to_its_question_whoever_is_first() {
    let source = "
format: 1
name: both
state: {text: string}
ends: {done: {outcome: success, output: =text}}
start: a
nodes:
  a: {kind: puppet, with: {does: ['both x y z']}, writes: {text: =output.text}, next: done}
";
    for order in [["x", "y", "z"], ["z", "x", "y"], ["y", "z", "x"]] {
        let (_, result) = Play::new(Stage::in_order(&order)).play(source, json!({}));
        assert_eq!(result.output, json!("x y z"));
    }
}

#[test]
fn a_step_costs_the_same_in_a_larger_graph() {
    let bytes_a_step = |nodes: usize| {
        let chain: String = (0..nodes)
            .map(|i| {
                let next = if i + 1 == nodes { "done".to_owned() } else { format!("n{:04}", i + 1) };
                format!("  n{i:04}: {{kind: puppet, next: {next}}}\n")
            })
            .collect();
        let source = format!(
            "format: 1\nname: chain\nends: {{done: success}}\nlimits: {{steps: 5000, exhausted: done}}\nstart: n0000\nnodes:\n{chain}"
        );
        let play = Play::new(Stage::default());
        let run = play.start(&source, json!({}));
        assert_eq!(play.go(&run).0.exit, 0);
        let records = play.engine.store().records(&run).unwrap();
        records.iter().skip(1).map(|sealed| sealed.bytes.len()).sum::<usize>() / nodes
    };
    let (small, large) = (bytes_a_step(10), bytes_a_step(600));
    assert!(large <= small + 16, "{small} bytes a step among 10 nodes, {large} among 600");
}
