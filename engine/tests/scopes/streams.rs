//! What is told of a run while it goes on: every scope's events, once, and nothing of it changes the run.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use prunella_engine::clock::StepClock;
use prunella_engine::event::{Event, Mode, Modes};
use prunella_engine::redact::Redactor;
use prunella_engine::run::{Engine, NewInputs, Options};
use prunella_engine::store::Store;
use prunella_engine::{Call, Class, Done, EffectError, Reconciled, World};
use serde_json::json;

use crate::puppet::{graph, kinds};

/// Answers in pieces, a secret among them cut in two.
struct Teller;

#[async_trait]
impl World for Teller {
    fn class(&self, _: &str) -> Option<Class> {
        Some(Class::Read)
    }

    async fn perform(&self, call: Call) -> Result<Done, EffectError> {
        for piece in ["the pass", "word is hunter2", "hunter2, né", " forget it"] {
            call.progress.send(piece);
        }
        Ok(Done::free(json!("the password is hunter2hunter2, né forget it")))
    }

    async fn reconcile(&self, _: Call) -> Result<Reconciled, EffectError> {
        Ok(Reconciled::DidNot)
    }
}

const SOURCE: &str = "
format: 1
name: told
state: {notes: {type: list<string>, reduce: append}, n: {type: int, reduce: sum}}
limits: {steps: 50, exhausted: done}
ends: {done: success}
graphs:
  inner:
    inputs: {i: int}
    returns: int
    state: {own: int}
    ends: {out: {outcome: success, output: =own}}
    start: one
    nodes:
      one: {kind: puppet, with: {does: ['tell inside']}, writes: {own: =inputs.i}, next: out}
start: begin
nodes:
  begin: {kind: puppet, next: [a, b]}
  a: {kind: puppet, with: {does: ['look a']}, writes: {notes: '=[output.lane]'}, next: join}
  b: {kind: puppet, with: {does: ['tell b']}, writes: {n: 1}, next: join}
  join: {kind: map, graph: inner, over: '[1, 2]', failed: skip, with: {i: =item}, writes: {n: =size(output.values)}, next: done}
";

fn told(modes: Modes) -> (Vec<Event>, Vec<Vec<u8>>) {
    let mut options = Options::new(&kinds());
    options.clock = Arc::new(StepClock::at(1_795_000_000_000));
    options.redactor = Redactor::new([("TOKEN".to_owned(), "hunter2hunter2".to_owned())]);
    options.modes = modes;
    let engine = Engine::new(Store::in_memory().unwrap(), kinds(), Arc::new(Teller), options);
    let new = NewInputs { inputs: json!({}), settings: json!({}), local: json!({}) };
    let run = engine.start(&graph(SOURCE), new).unwrap();
    let mut events = Vec::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let result = runtime.block_on(engine.run(&run, &mut |event| events.push(event))).unwrap();
    assert_eq!(result.exit, 0);
    let records = engine.store().records(&run).unwrap();
    (events, records.into_iter().skip(1).map(|sealed| sealed.bytes).collect())
}

#[test]
fn every_mode_tells_of_every_scope_once() {
    let (events, _) = told(Modes::of(&Mode::ALL));
    let mut updates: Vec<String> = Vec::new();
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut tokens, mut custom, mut scopes) = (String::new(), Vec::new(), Vec::new());
    for event in &events {
        *counts.entry(event.mode().word()).or_default() += 1;
        match event {
            Event::Updates { lane, .. } => updates.push(lane.to_string()),
            Event::Tokens { text, lane, .. } => {
                assert_eq!(lane.to_string(), "begin[0]/a#1");
                tokens.push_str(text);
            }
            Event::Custom { lane, data } => custom.push(format!("{lane} {data}")),
            Event::Values { scope, .. } => scopes.push(scope.clone()),
            _ => {}
        }
    }
    updates.sort();
    assert_eq!(updates, ["begin[0]/a#1", "begin[1]/b#1", "join#1", "join[0]/one#1", "join[1]/one#1"]);
    // The secret is gone though it came in two pieces.
    assert_eq!(tokens, "the password is [redacted:TOKEN], né forget it");
    custom.sort();
    assert_eq!(custom, [r#"begin[1]/b#1 "b""#, r#"join[0]/one#1 "inside""#, r#"join[1]/one#1 "inside""#]);
    assert_eq!(counts["checkpoints"], 6);
    assert!(scopes.contains(&String::new()));
}

#[test]
fn what_is_told_changes_nothing_in_the_run() {
    let (events, records) = told(Modes::of(&[]));
    assert!(events.iter().all(|event| matches!(event, Event::RunStarted { .. } | Event::Ended { .. })));
    let strip = |records: Vec<Vec<u8>>| -> Vec<serde_json::Value> {
        let parse = |bytes: Vec<u8>| {
            let mut value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            for key in ["at_ms", "took_ms", "active_ms"] {
                value.as_object_mut().unwrap().remove(key);
            }
            value
        };
        records.into_iter().map(parse).collect()
    };
    let mut quiet = strip(records);
    let mut loud = strip(told(Modes::parse(["debug"]).unwrap()).1);
    let text = |value: &serde_json::Value| value.to_string();
    quiet.sort_by_key(text);
    loud.sort_by_key(text);
    assert_eq!(quiet, loud);
    assert_eq!(Modes::parse(["values", "messages"]), Err("messages"));
}
