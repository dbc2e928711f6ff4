//! Random graphs through the whole engine, on a store: bodies that look, pay and change the world, effects that fail and
//! are tried again, questions, branches, calls and maps. Each property is held against the scheduler's own play of the
//! same graph (`model`), which knows no engine.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use prunella_engine::graph::Graph;
use prunella_engine::journal::{Phase, Record};
use prunella_engine::run::{Loader, RunResult};
use prunella_engine::store::Store;
use serde_json::{Value, json};

use crate::model::{self, Played};
use crate::parts::{Part, Random, few, parts, random};
use crate::prefix::{self, Left, store_with};
use crate::puppet::{Play, Stage, graph};

/// A random graph that was run once, without a stop.
struct Whole {
    random: Random,
    graph: Arc<Graph>,
    played: Played,
    play: Play,
    run: String,
    result: RunResult,
}

impl Whole {
    fn new(random: Random, order: &[String]) -> Self {
        let graph = Arc::new(graph(&random.source));
        let (played, _) = model::play(&graph, 0, false);
        let stage = Stage::in_order(order);
        stage.failing.lock().unwrap().clone_from(&random.failing);
        let play = Play::with(Store::in_memory().unwrap(), stage, checked(&graph));
        let run = play.start_graph(&graph, json!({}));
        let result = play.finish(&run);
        Self { random, graph, played, play, run, result }
    }

    fn records(&self) -> Vec<Record> {
        prefix::records(self.play.engine.store(), &self.run)
    }
}

/// Checking a graph takes longer than running it, and these are read again and again.
fn checked(graph: &Arc<Graph>) -> Loader {
    let graph = Arc::clone(graph);
    Arc::new(move |_| Ok(graph.as_ref().clone()))
}

/// The same graphs in every run of the tests.
fn graphs(many: usize, parts: impl Strategy<Value = Vec<Part>>) -> impl Iterator<Item = Random> {
    let mut runner = TestRunner::deterministic();
    (0..many).map(move |_| random(&parts.new_tree(&mut runner).unwrap().current()))
}

/// What a journal says that is promised to be the same whoever is first and however often the run was stopped: all but
/// times, tries that were not answered, and the order of what went on side by side.
fn substance(records: &[Record]) -> Vec<String> {
    let mut lines: Vec<String> = records
        .iter()
        .filter(|record| match record {
            Record::Header(_) | Record::Resume(_) => false,
            Record::Effect(effect) => effect.phase == Phase::Done,
            _ => true,
        })
        .map(|record| {
            let mut value = serde_json::to_value(record).unwrap();
            for key in ["at_ms", "took_ms", "active_ms", "try", "request"] {
                value.as_object_mut().unwrap().remove(key);
            }
            if let Some(used) = value.get_mut("used").and_then(Value::as_object_mut) {
                used.remove("active_ms");
            }
            value.to_string()
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn every_task_and_join_runs_once_and_no_write_is_lost() {
    for random in graphs(14, parts()) {
        let whole = Whole::new(random, &[]);
        let source = &whole.random.source;
        assert_eq!((whole.result.exit, whole.result.end.as_deref()), (0, Some("done")), "{source}");
        assert_eq!(whole.result.output, whole.played.output, "{source}");
        let view = whole.play.engine.view(&whole.run).unwrap();
        assert_eq!(view.state, whole.played.state, "{source}");
        let lanes: BTreeSet<_> = view.steps.iter().map(|step| step.lane.clone()).collect();
        assert_eq!(lanes.len(), view.steps.len(), "{source}");
        assert_eq!(lanes, whole.played.committed, "{source}");
        // Nothing that was asked for was asked for twice but what had failed.
        let answered = whole.play.stage.answered.lock().unwrap().clone();
        let once: BTreeSet<&String> = answered.iter().collect();
        assert_eq!(once.len(), answered.len(), "{source}");
    }
}

#[test]
fn a_replay_is_the_run() {
    let mut effects = 0;
    for random in graphs(14, parts()) {
        let whole = Whole::new(random, &[]);
        let source = &whole.random.source;
        let again = whole.play.replay(&whole.run);
        assert!(again.bodies, "{source}");
        assert_eq!((&again.end, again.outcome), (&whole.result.end, whole.result.outcome), "{source}");
        assert_eq!((&again.state, again.steps), (&whole.played.state, whole.played.steps), "{source}");
        let answered = whole.play.stage.answered.lock().unwrap().len();
        assert_eq!(again.effects, answered as u64, "{source}");
        effects += answered;
    }
    assert!(effects > 60, "{effects} effects among all graphs");
}

#[test]
fn whoever_is_first_the_result_and_the_records_are_the_same() {
    let mut orders = 0;
    for random in graphs(8, parts()) {
        let first = Whole::new(random, &[]);
        let (source, substance_of_first) = (&first.random.source, substance(&first.records()));
        let mut seen = BTreeSet::from([first.play.stage.performed.lock().unwrap().clone()]);
        for seed in 1..4 {
            let (_, order) = model::play(&first.graph, seed, false);
            let random = Random { source: source.clone(), failing: first.random.failing.clone() };
            let other = Whole::new(random, &order);
            assert_eq!(*other.play.stage.performed.lock().unwrap(), order, "{source}");
            assert_eq!(other.result, first.result, "{source}");
            assert_eq!(substance(&other.records()), substance_of_first, "{source}");
            seen.insert(order);
        }
        orders += seen.len() - 1;
    }
    assert!(orders > 8, "only {orders} orders that differ");
}

#[test]
fn a_resume_from_any_prefix_of_the_journal_equals_the_uninterrupted_run() {
    let mut cuts = 0;
    // A run for every record of every graph: many small ones tell more than a few large ones.
    for random in graphs(4, few()) {
        let whole = Whole::new(random, &[]);
        let (source, records) = (&whole.random.source, whole.records());
        let substance_of_whole = substance(&records);
        let performed = whole.play.stage.answered.lock().unwrap().clone();
        for cut in 1..=records.len() {
            let kept = &records[..cut];
            let left = Left::after(kept, performed.clone());
            let stage = Stage::default();
            *stage.shipped.lock().unwrap() = left.happened;
            let play = Play::with(store_with(source, kept), stage, checked(&whole.graph));
            let place = || format!("cut after {cut}: {source}");
            assert_eq!(play.finish(&whole.run), whole.result, "{}", place());
            assert_eq!(play.state(&whole.run), whole.played.state, "{}", place());
            let resumed = prefix::records(play.engine.store(), &whole.run);
            assert_eq!(&resumed[..cut], kept, "{}", place());
            assert_eq!(substance(&resumed), substance_of_whole, "{}", place());
            let mut answered = play.stage.answered.lock().unwrap().clone();
            answered.sort();
            assert_eq!(answered, left.performed, "{}", place());
            cuts += 1;
        }
    }
    assert!(cuts > 40, "only {cuts} prefixes");
}
