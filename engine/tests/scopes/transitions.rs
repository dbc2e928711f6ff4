//! That the scheduler's list of transitions is what it does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use prunella_engine::Lane;
use prunella_engine::graph::Graph;
use prunella_engine::scheduler::transition::{Cause, Transition, transitions};
use prunella_engine::scheduler::{Command, Event, Scheduler, Task, Update, Used, Writes};
use serde_json::{Value, json};

use crate::model::{Draw, output};
use crate::parts::{few, wild};
use crate::puppet::graph;

/// What is under way.
enum Open {
    Task(Task),
    Question,
}

/// A run in which anything may happen at any time: tasks return and fail, answers come in any order, a person changes
/// the state or stands in for a task, and the run is cancelled.
struct Wander {
    scheduler: Scheduler,
    draw: Draw,
    open: BTreeMap<Lane, Open>,
}

impl Wander {
    /// What happens next.
    fn event(&mut self) -> Event {
        let at_ms = 0;
        if self.draw.below(150) == 0 {
            return Event::Cancel { at_ms };
        }
        let at = self.draw.below(self.open.len());
        let (lane, open) = self.open.iter().nth(at).unwrap();
        let lane = lane.clone();
        if self.draw.below(8) == 0 {
            let (node, output) = match self.draw.below(2) {
                0 => (None, None),
                _ => (Some(lane.node.to_string()), Some(self.stand_in(&lane))),
            };
            let (scope, writes) = (lane.scope.to_string(), Writes::default());
            return Event::Update(Update { scope, node, output, writes, at_ms });
        }
        match open {
            Open::Question => Event::Answered { lane, value: json!(self.draw.below(2) == 0), at_ms },
            Open::Task(task) => {
                let used = Used { active_ms: 1, cost_microusd: 1 };
                match output(task) {
                    Ok(output) => Event::TaskDone { lane, output, used, at_ms },
                    Err(error) => Event::TaskFailed { lane, error, used, at_ms },
                }
            }
        }
    }

    /// What a person says that the node returned.
    fn stand_in(&self, lane: &Lane) -> Value {
        match self.scheduler.node(lane).unwrap().1.kind.as_str() {
            "subgraph" => json!({"end": "good", "outcome": "success", "value": 1}),
            "map" => json!({"values": [1], "failed": 0}),
            _ => {
                json!({"ok": (self.draw.0 >> 40).is_multiple_of(2), "n": 7, "text": "by hand", "lane": lane.to_string()})
            }
        }
    }

    /// Goes on until the run is over, or a person's change is refused, and tells each transition.
    fn go(graph: &Arc<Graph>, seed: u64, told: &mut dyn FnMut(Transition)) {
        let scheduler = Scheduler::new(Arc::clone(graph), json!({})).unwrap();
        let mut wander = Self { scheduler, draw: Draw(seed), open: BTreeMap::new() };
        let mut event = Event::Start { at_ms: 0 };
        loop {
            let commands = match (wander.scheduler.step(event.clone()), &event) {
                (Ok(commands), _) => commands,
                (Err(fault), Event::Update(_)) if fault.exit == 2 => return,
                (Err(fault), _) => panic!("{event:?}: {fault:?}"),
            };
            transitions(&event, &commands).into_iter().for_each(&mut *told);
            if let Event::TaskDone { lane, .. }
            | Event::TaskFailed { lane, .. }
            | Event::Answered { lane, .. } = event
            {
                wander.open.remove(&lane);
            }
            for command in commands {
                match command {
                    Command::RunTask(task) => drop(wander.open.insert(task.lane.clone(), Open::Task(task))),
                    Command::Ask(ask) => drop(wander.open.insert(ask.lane.clone(), Open::Question)),
                    Command::Drop(lane) => {
                        assert!(wander.open.remove(&lane).is_some(), "{lane} was not under way")
                    }
                    Command::Finish(_) => return,
                    Command::Commit(_) | Command::Opened(_) => {}
                }
            }
            assert!(!wander.open.is_empty(), "the run waits for nothing");
            event = wander.event();
        }
    }
}

/// What the random graphs hardly ever come to: an item that fails, after which the next one begins with a map of
/// nothing.
const RARE: &str = "
format: 1
name: rare
ends: {done: success}
graphs:
  leaf:
    inputs: {i: int}
    returns: int
    ends: {out: {outcome: success, output: =inputs.i}}
    start: one
    nodes:
      one: {kind: puppet, next: out}
  inner:
    inputs: {i: int}
    returns: int
    ends: {out: {outcome: success, output: =inputs.i}}
    start: none
    nodes:
      none: {kind: map, graph: leaf, over: '[]', failed: skip, with: {i: =item}, next: fails}
      fails: {kind: puppet, with: {does: ['fail always']}, next: out}
start: each
nodes:
  each: {kind: map, graph: inner, over: '[1, 2, 3]', parallel: 1, failed: skip, with: {i: =item}, next: done}
";

/// Covers [`Cause::leads_to`], the list of what an event or a superstep may lead to within one step of the scheduler:
/// every pair on it is taken by a random graph (one pair by [`RARE`]), and none is taken that is not on it. It does not cover what a pair
/// carries (values, counters, limits): that is what the other tests here are for.
#[test]
fn every_transition_on_the_list_is_taken_and_no_other() {
    let listed: BTreeSet<Transition> =
        Cause::ALL.iter().flat_map(|cause| cause.leads_to().iter().map(|led| (*cause, *led))).collect();
    let mut taken: BTreeSet<Transition> = BTreeSet::new();
    let mut runner = TestRunner::deterministic();
    let mut wander = |source: &str, seed: u64| {
        let graph = Arc::new(graph(source));
        for way in 0..12 {
            Wander::go(&graph, seed * 31 + way, &mut |transition| {
                assert!(listed.contains(&transition), "{transition:?} is not on the list: {source}");
                taken.insert(transition);
            });
        }
        taken == listed
    };
    let mut all_taken = wander(RARE, 0);
    for seed in 0..1000 {
        // As many as are needed, and some for what is not on the list.
        if seed > 40 && all_taken {
            break;
        }
        let (all, inner, leaf) = (few(), few(), few()).new_tree(&mut runner).unwrap().current();
        all_taken = wander(&wild(&all, &inner, &leaf, seed), seed);
    }
    let missing: Vec<&Transition> = listed.difference(&taken).collect();
    assert!(missing.is_empty(), "never taken: {missing:?}");
}
