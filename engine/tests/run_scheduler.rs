//! The scheduler alone: events in, commands out, no clock and no store.

use std::sync::Arc;

use async_trait::async_trait;
use prunella_engine::scheduler::{Command, Event, Scheduler, Used};
use prunella_engine::types::Type;
use prunella_engine::{Ctx, Fault, Field, Kind, Kinds, Node, NodeError, Output};
use serde_json::{Value, json};

struct Nothing;

#[async_trait(?Send)]
impl Node for Nothing {
    async fn run(&self, _: &Ctx, input: Value) -> Result<Value, NodeError> {
        Ok(input)
    }
}

/// One kind, `step`: it takes nothing that must be there and says where to go.
#[cfg(test)]
fn kinds() -> Kinds {
    let ty = |text: &str| Type::parse(text, &mut |_| None).unwrap();
    Kinds::default().with_kind(Kind {
        name: "step",
        version: 1,
        doc: "",
        with: vec![Field { name: "see", ty: ty("int?"), doc: "" }],
        variables: false,
        output: Output::Fixed(ty("{go: string, n: int}")),
        settings: vec![],
        needs: &[],
        one_of: &[],
        effects: &[],
        node: Arc::new(Nothing),
    })
}

#[cfg(test)]
fn scheduler(source: &str) -> Scheduler {
    match prunella_engine::graph::load("t.yaml", source, &kinds()) {
        Ok((graph, _)) => Scheduler::new(Arc::new(graph), json!({})).unwrap(),
        Err(found) => panic!("{}", found.iter().map(|one| one.render(source)).collect::<String>()),
    }
}

/// Plays the outputs `go`, one a task, and tells each task as `lane attempt/most`, then the end.
#[cfg(test)]
fn play(source: &str, go: &[&str]) -> Vec<String> {
    let mut scheduler = scheduler(source);
    let mut told = Vec::new();
    let mut go = go.iter();
    let mut commands = scheduler.step(Event::Start { at_ms: 0 }).unwrap();
    while let Some(command) = commands.pop() {
        match command {
            Command::RunTask(task) => {
                told.push(format!("{} {}/{}", task.lane, task.attempt, task.max_attempts));
                let Some(go) = go.next() else { break };
                let output = json!({"go": go, "n": 7});
                let done = Event::TaskDone { lane: task.lane, output, used: Used::default(), at_ms: 0 };
                commands = scheduler.step(done).unwrap();
            }
            Command::Finish(finish) => told.push(finish.end.unwrap_or_default()),
            _ => {}
        }
    }
    told
}

/// A head with two retry edges of different bounds: they share its counter.
const SHARED: &str = "
format: 1
name: shared
limits: {steps: 50, exhausted: no}
ends: {yes: success, no: failure, few: failure}
start: head
nodes:
  head: {kind: step, next: a}
  a:
    kind: step
    next:
      - {when: output.go == 'on', to: b}
      - {retry: head, max_attempts: 2, exhausted: few}
  b:
    kind: step
    next:
      - {when: output.go == 'on', to: after}
      - {retry: head, max_attempts: 4, exhausted: no}
  after: {kind: step, next: yes}
";

#[test]
fn retry_edges_share_the_counter_of_their_head_and_compare_their_own_bound() {
    let told = play(SHARED, &["", "on", "back", "", "on", "back", "", "back"]);
    let expected = [
        "head#1 1/4",
        "a#1 1/4",
        "b#1 1/4",
        "head#2 2/4",
        "a#2 2/4",
        "b#2 2/4",
        "head#3 3/4",
        "a#3 3/4",
        "few",
    ];
    assert_eq!(told, expected);
    let four = ["", "on", "back"].repeat(4);
    assert_eq!(play(SHARED, &four).last().unwrap(), "no");
    assert_eq!(play(SHARED, &four).len(), 13);
}

#[test]
fn what_follows_a_loop_belongs_to_its_last_attempt() {
    let told = play(SHARED, &["", "back", "", "on", "on", ""]);
    assert_eq!(told[4..], ["b#1 2/4", "after#1 2/4", "yes"]);
}

/// A loop in a loop.
const NESTED: &str = "
format: 1
name: nested
limits: {steps: 50, exhausted: no}
ends: {yes: success, no: failure}
start: outer
nodes:
  outer: {kind: step, next: inner}
  inner:
    kind: step
    next:
      - {when: output.go == 'on', to: last}
      - {retry: inner, max_attempts: 2, exhausted: last}
  last:
    kind: step
    next:
      - {when: output.go == 'on', to: yes}
      - {retry: outer, max_attempts: 3, exhausted: no}
";

#[test]
fn an_inner_loop_begins_anew_when_it_is_entered_by_a_plain_edge_and_visits_never_do() {
    let told = play(NESTED, &["", "again", "again", "back", "", "again", "on", "on"]);
    let expected = [
        "outer#1 1/3",
        "inner#1 1/2",
        "inner#2 2/2",
        "last#1 2/2",
        "outer#2 2/3",
        "inner#3 1/2",
        "inner#4 2/2",
        "last#2 2/2",
        "yes",
    ];
    assert_eq!(told, expected);
}

/// Two keys that change places.
const SWAP: &str = "
format: 1
name: swap
state: {a: int, b: int, list: {type: list<int>, reduce: append}}
limits: {steps: 50, exhausted: no}
ends: {yes: success, no: failure}
start: set
nodes:
  set: {kind: step, writes: {a: 1, b: 2, list: '=[output.n]'}, next: swap}
  swap:
    kind: step
    with: {see: =a}
    writes: {a: =b, b: =a, list: '=list + [a]'}
    next:
      - {when: a == 2 && b == 1 && size(list) == 3, to: yes}
      - {else: no}
";

#[test]
fn writes_see_the_state_before_and_the_route_sees_them_landed() {
    assert_eq!(play(SWAP, &["", ""]).last().unwrap(), "yes");
    let mut scheduler = scheduler(SWAP);
    scheduler.step(Event::Start { at_ms: 0 }).unwrap();
    let lane = prunella_engine::Lane::root("set", 1);
    let done = |output| Event::TaskDone { lane: lane.clone(), output, used: Used::default(), at_ms: 0 };
    let fault: Fault = scheduler.step(done(json!({"go": "", "n": "seven"}))).unwrap_err();
    assert_eq!(fault.exit, 3);
    assert!(fault.message.starts_with("set#1: state key `list[0]`: expected int"), "{}", fault.message);
}

#[test]
fn an_event_that_does_not_fit_is_a_bug_not_a_step() {
    let mut scheduler = scheduler(SWAP);
    let lane = prunella_engine::Lane::root("swap", 1);
    let done = Event::TaskDone { lane, output: json!({}), used: Used::default(), at_ms: 0 };
    assert_eq!(scheduler.step(done.clone()).unwrap_err().exit, 1);
    scheduler.step(Event::Start { at_ms: 0 }).unwrap();
    assert_eq!(scheduler.step(done).unwrap_err().exit, 1);
    assert!(matches!(scheduler.step(Event::Cancel { at_ms: 5 }).unwrap()[..], [Command::Finish(_)]));
    assert_eq!(scheduler.step(Event::Start { at_ms: 0 }).unwrap_err().exit, 1);
}
