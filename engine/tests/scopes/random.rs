//! Random graphs: whatever the order in which tasks finish, the run comes to the same, and no write is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use prunella_engine::graph::Graph;
use prunella_engine::scheduler::{Command, Event, Scheduler, Task, Used};
use prunella_engine::{Failure, Lane};
use serde_json::{Value, json};

use crate::puppet::graph;

/// A part of a graph: what stands between a node and the next one.
#[derive(Debug, Clone)]
enum Part {
    /// A task that appends its lane, adds to the sum and joins a set.
    Step,
    /// A task that fails into an error target.
    Failing,
    /// A task that is repeated until its attempt is reached, or its attempts are used up.
    Loop { until: u32, most: u32 },
    /// Branches side by side.
    Fork(Vec<Vec<Self>>),
    /// A choice between two ways.
    Choice(Vec<Self>, Vec<Self>),
    /// A call of the graph under `graphs:` for some items.
    Map { items: u32, parallel: u32, keep: bool },
    /// A call of it.
    Call,
}

fn part() -> impl Strategy<Value = Part> {
    let leaf = prop_oneof![
        4 => Just(Part::Step),
        1 => Just(Part::Failing),
        2 => (1_u32..4, 1_u32..4).prop_map(|(until, most)| Part::Loop { until, most }),
        1 => (0_u32..5, 1_u32..4, any::<bool>()).prop_map(|(items, parallel, keep)| Part::Map { items, parallel, keep }),
        1 => Just(Part::Call),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let parts = prop::collection::vec(inner, 1..3);
        prop_oneof![
            3 => prop::collection::vec(parts.clone(), 2..4).prop_map(Part::Fork),
            1 => (parts.clone(), parts).prop_map(|(a, b)| Part::Choice(a, b)),
        ]
    })
}

/// Writes a graph file node by node.
#[derive(Default)]
struct Printer {
    nodes: String,
    count: u32,
}

const WRITES: &str = "writes: {lanes: '=[output.lane]', total: 1, seen: '=[output.text]', most: =output.n}";

impl Printer {
    fn name(&mut self) -> String {
        self.count += 1;
        format!("n{}", self.count)
    }

    /// Prints `parts` so that they lead to `next`, and returns where they begin.
    fn parts(&mut self, parts: &[Part], next: &str) -> String {
        parts.iter().rev().fold(next.to_owned(), |next, part| self.part(part, &next))
    }

    fn part(&mut self, part: &Part, next: &str) -> String {
        let name = self.name();
        let mut line = |text: String| writeln!(self.nodes, "  {text}").unwrap();
        match part {
            Part::Step => line(format!("{name}: {{kind: puppet, {WRITES}, next: {next}}}")),
            Part::Failing => line(format!(
                "{name}: {{kind: puppet, with: {{does: ['fail always']}}, on_error: {{to: {next}, writes: {{lanes: ['failed'], total: 1}}}}, next: {next}}}"
            )),
            Part::Loop { until, most } => {
                line(format!("{name}: {{kind: puppet, with: {{does: ['until {until}']}}, {WRITES},"));
                line(format!(
                    "  next: [{{when: output.ok, to: {next}}}, {{retry: {name}, max_attempts: {most}, exhausted: {next}}}]}}"
                ));
            }
            Part::Call => line(format!(
                "{name}: {{kind: subgraph, graph: inner, with: {{i: 1}}, writes: {{total: '=output.value == null ? 0 : output.value'}}, next: {next}}}"
            )),
            Part::Map { items, parallel, keep } => {
                let list: Vec<u32> = (0..*items).collect();
                let failed = if *keep { "keep" } else { "skip" };
                line(format!(
                    "{name}: {{kind: map, graph: inner, over: '{list:?}', parallel: {parallel}, failed: {failed}, with: {{i: =item}}, writes: {{total: =size(output.values)}}, next: {next}}}"
                ));
            }
            Part::Choice(a, b) => {
                let (a, b) = (self.parts(a, next), self.parts(b, next));
                writeln!(
                    self.nodes,
                    "  {name}: {{kind: puppet, {WRITES}, next: [{{when: output.n > 4, to: {a}}}, {{else: {b}}}]}}"
                )
                .unwrap();
            }
            Part::Fork(branches) => {
                // Every fan-out has a join of its own, so that branches never share one with what holds them.
                let join = self.name();
                writeln!(self.nodes, "  {join}: {{kind: puppet, {WRITES}, next: {next}}}").unwrap();
                let heads: Vec<String> = branches.iter().map(|branch| self.parts(branch, &join)).collect();
                writeln!(self.nodes, "  {name}: {{kind: puppet, {WRITES}, next: [{}]}}", heads.join(", "))
                    .unwrap();
            }
        }
        name
    }
}

fn source(parts: &[Part]) -> String {
    let mut printer = Printer::default();
    let start = printer.parts(parts, "done");
    let calls = printer.nodes.contains("graph: inner");
    let inner = "graphs:
  inner:
    inputs: {i: int}
    returns: int
    state: {own: int}
    ends: {good: {outcome: success, output: =own}, bad: failure}
    start: one
    nodes:
      one: {kind: puppet, writes: {own: 1}, next: [two, three]}
      two: {kind: puppet, next: four}
      three: {kind: puppet, next: four}
      four: {kind: puppet, next: [{when: inputs.i == 2, to: bad}, {else: good}]}
";
    format!(
        "format: 1
name: random
state:
  lanes: {{type: list<string>, reduce: append}}
  seen: {{type: list<string>, reduce: union}}
  total: {{type: int, reduce: sum}}
  most: {{type: int, reduce: max}}
limits: {{steps: 100000, exhausted: late}}
ends: {{done: success, late: failure}}
{}start: {start}
nodes:
{}",
        if calls { inner } else { "" },
        printer.nodes
    )
}

/// What a task returns: the same for the same lane and attempt, whenever it runs.
fn output(task: &Task) -> Result<Value, Failure> {
    let words: Vec<&str> =
        task.input["does"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if words.iter().any(|word| word.starts_with("fail")) {
        return Err(Failure::new("puppet.failed", "always"));
    }
    let until = words.iter().find_map(|word| word.strip_prefix("until ")).map(|n| n.parse::<u32>().unwrap());
    let n = task.lane.to_string().bytes().map(u32::from).sum::<u32>() % 10;
    let ok = until.is_none_or(|until| task.attempt >= until);
    Ok(json!({"ok": ok, "n": n, "text": format!("t{}", n % 3), "lane": task.lane.to_string()}))
}

/// What a play came to.
#[derive(Debug, Clone, PartialEq)]
struct Played {
    end: String,
    state: BTreeMap<String, Value>,
    tasks: BTreeMap<Lane, (Value, u32)>,
    steps: u64,
}

/// Plays the graph; which of the running tasks is done next is drawn from `seed`. With `torn`, the scheduler is written
/// down as text and restored after every step.
fn play(graph: &Arc<Graph>, mut seed: u64, torn: bool) -> Played {
    let mut scheduler = Scheduler::new(Arc::clone(graph), json!({})).unwrap();
    let mut running: BTreeMap<Lane, Task> = BTreeMap::new();
    let mut tasks = BTreeMap::new();
    let mut supersteps: BTreeMap<String, u64> = BTreeMap::new();
    let mut commands = scheduler.step(Event::Start { at_ms: 0 }).unwrap();
    loop {
        for command in std::mem::take(&mut commands) {
            match command {
                Command::RunTask(task) => {
                    let lane = task.lane.clone();
                    assert!(task.attempt <= task.max_attempts, "{lane}");
                    let seen = tasks.insert(lane.clone(), (task.input.clone(), task.attempt));
                    assert_eq!(seen, None, "{lane} ran twice");
                    running.insert(lane, task);
                }
                Command::Commit(step) => {
                    let last = supersteps.entry(step.lane.scope.to_string()).or_insert(0);
                    assert_eq!(step.number, *last + 1, "{}", step.lane);
                    *last = step.number;
                }
                Command::Finish(finish) => {
                    assert!(running.is_empty(), "{running:?} still runs at the end");
                    let (end, state) = (finish.end.unwrap(), scheduler.state());
                    return Played { end, state, tasks, steps: scheduler.steps() };
                }
                Command::Opened(_) => {}
                other => panic!("{other:?}"),
            }
        }
        if torn {
            let text = scheduler.snapshot().unwrap().to_string();
            scheduler =
                Scheduler::restored(Arc::clone(graph), &serde_json::from_str(&text).unwrap()).unwrap();
            let again: BTreeSet<Lane> =
                scheduler.under_way().unwrap().iter().filter_map(Command::lane).collect();
            assert_eq!(again, running.keys().cloned().collect());
        }
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let at = usize::try_from(seed >> 33).unwrap() % running.len();
        let lane = running.keys().nth(at).unwrap().clone();
        let task = running.remove(&lane).unwrap();
        let used = Used { active_ms: 1, cost_microusd: 1 };
        let event = match output(&task) {
            Ok(output) => Event::TaskDone { lane, output, used, at_ms: 0 },
            Err(error) => Event::TaskFailed { lane, error, used, at_ms: 0 },
        };
        commands = scheduler.step(event).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_finishing_changes_nothing_and_no_write_is_lost(
        parts in prop::collection::vec(part(), 1..5),
        seeds in prop::collection::vec(any::<u64>(), 3),
    ) {
        let source = source(&parts);
        let graph = Arc::new(graph(&source));
        let first = play(&graph, seeds[0], false);
        prop_assert_eq!(&first.end, "done");
        for seed in &seeds[1..] {
            prop_assert_eq!(&play(&graph, *seed, false), &first, "{}", source);
        }
        prop_assert_eq!(&play(&graph, seeds[0], true), &first, "restored after every step: {}", source);

        // Every task of the run's own graph that did not fail left its lane, once, in some place of its own.
        let own: BTreeSet<String> = first
            .tasks
            .iter()
            .filter(|(lane, (input, _))| {
                let fails = input["does"][0] == "fail always";
                let called = graph.nodes.get(lane.node.as_str()).is_none();
                !fails && !called
            })
            .map(|(lane, _)| lane.to_string())
            .collect();
        let lanes: Vec<&str> =
            first.state["lanes"].as_array().unwrap().iter().filter_map(Value::as_str).filter(|lane| *lane != "failed").collect();
        let distinct: BTreeSet<String> = lanes.iter().map(|lane| (*lane).to_owned()).collect();
        prop_assert_eq!(distinct.len(), lanes.len());
        prop_assert_eq!(distinct, own);
    }
}
