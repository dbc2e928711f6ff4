//! Defects that others shipped, and what their users complain of most: where each is a test here.
//!
//! | source | what went wrong | test |
//! |---|---|---|
//! | adk-rust #467 | a resume ran finished nodes again | `resume::a_resume_from_any_prefix_of_the_journal_equals_the_uninterrupted_run`, `whole::a_resume_from_any_prefix_of_the_journal_equals_the_uninterrupted_run` |
//! | adk-rust #467 | a streamed run wrote no checkpoints; a stream mode ran each node twice | `lessons::whatever_is_streamed_every_node_runs_once_and_every_superstep_is_recorded` |
//! | adk-rust #564 | a static interrupt could not be passed | `questions::several_questions_are_answered_one_by_one_and_nothing_is_done_twice` |
//! | adk-rust #564 | a fan-in ran once per branch | `whole::every_task_and_join_runs_once_and_no_write_is_lost` |
//! | adk-rust #564 | the result depended on who was first | `whole::whoever_is_first_the_result_and_the_records_are_the_same` |
//! | adk-rust #564 | an unknown route ended as success | `branches::a_switch_and_a_goto_lead_where_the_word_says` |
//! | tinyagents #91 | an answer reached every pending node | `questions::several_questions_are_answered_one_by_one_and_nothing_is_done_twice` |
//! | tinyagents #91 | pruning deleted subgraphs of runs that stay | `lessons::pruning_takes_no_scope_of_a_run_that_stays` |
//! | tinyagents #91 | async durability wrote out of order | `lessons::at_every_level_records_stand_in_the_order_in_which_things_happened` |
//! | tinyagents #91 | an update as a node skipped the barrier | `travel::an_update_in_a_branch_does_not_skip_the_join` |
//! | langgraph #8618 | a barrier came back from the store in another shape | `random::the_order_of_finishing_changes_nothing_and_no_write_is_lost` |
//! | fabro #490 | a fan-in did not hand on what branches gave | `branches::branches_start_from_the_fork_and_land_together_in_their_order` |
//! | fabro #738 | a run's own state was lost at a resume | `lessons::what_a_run_knows_survives_every_stop_and_is_of_that_run_alone` |
//! | rs-graph-llm #11, langgraph-rs | parallel nodes ran one after another | `defects::branches_really_run_side_by_side` |
//! | sdk-rust #1133 | bodies that join futures themselves were not deterministic | `lessons::a_body_that_joins_its_calls_itself_comes_to_the_same_in_any_order` |
//! | sdk-python #1578 | parallel results landed in another order in replay | `defects::an_answer_belongs_to_its_question_whoever_is_first` |
//! | lionagi #3235 | a failed step was replayed as final | `failures::without_an_error_target_the_run_stops_and_can_be_resumed` |
//! | openhuman #4261 | two SQLite bindings that did not go together | `lessons::one_sqlite_is_in_the_workspace` |
//! | langgraph-rust #30, #31 | every superstep copied the state | `lessons::a_superstep_and_a_fork_copy_nothing_of_the_state` |
//! | langgraph-rs, adk | a step cost more in a larger graph | `defects::a_step_costs_the_same_in_a_larger_graph` |
//! | adk | a commit with a rollback journal for every step | `lessons::a_superstep_is_one_commit_to_a_write_ahead_log` |
//! | juncture | a plain run was never attached to its store | `lessons::a_run_through_the_plain_interface_is_in_the_store` |
//! | complaint 1 | stores grow with the square of the run | `cost::messages_are_stored_in_less_than_twice_their_size`, `owner::what_a_run_stores_grows_with_what_it_adds` |
//! | complaint 2 | effects repeated after a crash | `kill::killed_anywhere_in_branches_and_items_nothing_outside_happens_twice` |
//! | complaint 3, 4 | a question runs its node again; answers get mixed up | `questions::several_questions_are_answered_one_by_one_and_nothing_is_done_twice` |
//! | complaint 5 | time travel wrong around subgraphs | `travel::a_fork_in_the_middle_of_branches_goes_on_from_there_under_another_graph` |
//! | complaint 6 | a value of another type comes back as something else | `run_scheduler::writes_see_the_state_before_and_the_route_sees_them_landed` |
//! | complaint 7 | static edges fire beside a goto; opaque routing | `branches::a_switch_and_a_goto_lead_where_the_word_says` |
//! | complaint 8 | a changed graph under a parked run | `travel::another_graph_is_refused_with_what_changed` |
//! | complaint 9 | runaway loops | `branches::a_limit_ends_all_branches` |
//! | complaint 10 | events of subgraphs are lost | `streams::every_mode_tells_of_every_scope_once` |

#![expect(clippy::disallowed_methods, reason = "a test reads the sources of the tests")]

use std::path::{Path, PathBuf};
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

/// The sources of a module of the tests: the files of this name, in whichever test it is.
fn sources(module: &str) -> Vec<PathBuf> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let file = format!("{module}.rs");
    let folders = std::fs::read_dir(&tests).unwrap().map(|entry| entry.unwrap().path().join(&file));
    folders.chain([tests.join(&file)]).filter(|path| path.is_file()).collect()
}

#[test]
fn every_test_that_the_table_names_is_there() {
    let table = include_str!("defects.rs").lines().filter(|line| line.starts_with("//! | ")).skip(1);
    let mut named = 0;
    for row in table {
        let cell = row.rsplit(" | ").next().unwrap();
        let names: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test: {row}");
        for name in names {
            let (module, test) = name.split_once("::").unwrap();
            let head = format!("#[test]\nfn {test}()");
            let is_there = sources(module).iter().any(|path| {
                let text = std::fs::read_to_string(path).unwrap();
                // Those of a property stand in a macro, with arguments.
                text.contains(&head) || text.contains(&format!("#[test]\n    fn {test}("))
            });
            assert!(is_there, "there is no test {name}: {row}");
            named += 1;
        }
    }
    assert!(named > 30, "{named} tests");
}
