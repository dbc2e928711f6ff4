//! A run without an engine: the scheduler, and tasks that finish in an order drawn from a seed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use prunella_engine::graph::Graph;
use prunella_engine::scheduler::{Command, Event, Scheduler, Task, Used};
use prunella_engine::{Failure, Lane};
use serde_json::{Value, json};

/// The words of a task.
pub(crate) fn words(input: &Value) -> Vec<String> {
    let words = input["does"].as_array().into_iter().flatten().filter_map(Value::as_str);
    words.map(str::to_owned).collect()
}

/// What a puppet returns for a task when everything it asks for is answered with what was asked, and with yes.
pub(crate) fn output(task: &Task) -> Result<Value, Failure> {
    let (mut ok, mut n, mut text) = (true, 0, Vec::new());
    for word in words(&task.input) {
        match word.split_once(' ') {
            Some(("fail", why)) => return Err(Failure::new("puppet.failed", why)),
            Some(("until", attempt)) => ok = task.attempt >= attempt.parse().unwrap(),
            Some(("ask", _)) => ok = true,
            Some((_, what)) => text.push(what.to_owned()),
            None => n = word.parse::<i64>().unwrap(),
        }
    }
    Ok(json!({"ok": ok, "n": n, "text": text.join(" "), "lane": task.lane.to_string()}))
}

/// Draws numbers; the same ones from the same seed.
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// What a play came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Played {
    pub(crate) end: String,
    pub(crate) output: Value,
    pub(crate) state: BTreeMap<String, Value>,
    /// What ran, with its input and attempt.
    pub(crate) tasks: BTreeMap<Lane, (Value, u32)>,
    /// What left its output and writes: what ran, and the calls and maps.
    pub(crate) committed: BTreeSet<Lane>,
    pub(crate) steps: u64,
}

/// A task at work, and what it still does before it returns.
struct AtWork {
    task: Task,
    words: VecDeque<String>,
}

impl AtWork {
    fn asks(&self) -> bool {
        self.words.front().is_some_and(|word| word.starts_with("ask "))
    }
}

/// What is at work, and what asks.
#[derive(Default)]
struct Table {
    running: BTreeMap<Lane, AtWork>,
    asking: BTreeSet<Lane>,
    /// Every request that was answered, as a task and what it asked for, in order.
    order: Vec<String>,
}

impl Table {
    /// Does the next thing that one of the tasks does, drawn; gives what the scheduler is to be told, when that is
    /// something. Who asks is answered when nothing else is left to do, as by a person who comes back then.
    fn advance(&mut self, draw: &mut Draw) -> Vec<Event> {
        let free: Vec<Lane> =
            self.running.iter().filter(|(_, work)| !work.asks()).map(|(lane, _)| lane.clone()).collect();
        if free.is_empty() {
            for work in self.running.values_mut() {
                work.words.pop_front();
            }
            let answered = |lane| Event::Answered { lane, value: json!(true), at_ms: 0 };
            return std::mem::take(&mut self.asking).into_iter().map(answered).collect();
        }
        let lane = free[draw.below(free.len())].clone();
        let work = self.running.get_mut(&lane).unwrap();
        if let Some(word) = work.words.pop_front() {
            let asked = match word.split_once(' ') {
                Some(("look" | "work" | "ship" | "both", what)) => what.split(' ').collect(),
                _ => Vec::new(),
            };
            self.order.extend(asked.into_iter().map(|what| format!("{lane} {what}")));
            return Vec::new();
        }
        let task = self.running.remove(&lane).unwrap().task;
        let used = Used { active_ms: 1, cost_microusd: 1 };
        vec![match output(&task) {
            Ok(output) => Event::TaskDone { lane, output, used, at_ms: 0 },
            Err(error) => Event::TaskFailed { lane, error, used, at_ms: 0 },
        }]
    }
}

/// Plays the graph; which of the running tasks goes on next is drawn from `seed`. With `torn`, the scheduler is written
/// down as text and restored after every step. Gives what it came to, and the order in which requests were answered.
pub(crate) fn play(graph: &Arc<Graph>, seed: u64, torn: bool) -> (Played, Vec<String>) {
    let mut scheduler = Scheduler::new(Arc::clone(graph), json!({})).unwrap();
    let (mut draw, mut table) = (Draw(seed), Table::default());
    let (mut tasks, mut committed) = (BTreeMap::new(), BTreeSet::new());
    let mut supersteps: BTreeMap<String, u64> = BTreeMap::new();
    let mut events = VecDeque::from([Event::Start { at_ms: 0 }]);
    loop {
        let Some(event) = events.pop_front() else {
            events.extend(table.advance(&mut draw));
            continue;
        };
        for command in scheduler.step(event).unwrap() {
            match command {
                Command::RunTask(task) => {
                    let lane = task.lane.clone();
                    assert!(task.attempt <= task.max_attempts, "{lane}");
                    let seen = tasks.insert(lane.clone(), (task.input.clone(), task.attempt));
                    assert_eq!(seen, None, "{lane} ran twice");
                    let words = words(&task.input).into();
                    table.running.insert(lane, AtWork { task, words });
                }
                Command::Ask(ask) => assert!(table.asking.insert(ask.lane)),
                Command::Commit(step) => {
                    let last = supersteps.entry(step.lane.scope.to_string()).or_insert(0);
                    assert_eq!(step.number, *last + 1, "{}", step.lane);
                    *last = step.number;
                    assert!(committed.insert(step.lane.clone()), "{} came to two results", step.lane);
                }
                Command::Finish(finish) => {
                    assert!(table.running.is_empty() && table.asking.is_empty(), "something runs at the end");
                    let (end, output) = (finish.end.unwrap(), finish.output);
                    let (state, steps) = (scheduler.state(), scheduler.steps());
                    return (Played { end, output, state, tasks, committed, steps }, table.order);
                }
                Command::Opened(_) => {}
                Command::Drop(lane) => panic!("{lane} is dropped"),
            }
        }
        if torn {
            let text = scheduler.snapshot().unwrap().to_string();
            let snapshot = serde_json::from_str(&text).unwrap();
            scheduler = Scheduler::restored(Arc::clone(graph), &snapshot).unwrap();
            let again: BTreeSet<Lane> =
                scheduler.under_way().unwrap().iter().filter_map(Command::lane).collect();
            let waiting = events.iter().filter_map(|event| match event {
                Event::Answered { lane, .. } => Some(lane),
                _ => None,
            });
            let here = table.running.keys().chain(&table.asking).chain(waiting).cloned().collect();
            assert_eq!(again, here);
        }
    }
}
