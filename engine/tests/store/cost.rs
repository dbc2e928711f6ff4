//! What a run costs on disk: bytes, which are the same on every machine. Figures are printed, bars asserted.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use prunella_engine::run::{Engine, NewInputs};
use prunella_engine::store::{Durability, Store};
use prunella_engine::types::Type;
use prunella_engine::{Ctx, Kind, Kinds, Node, NodeError, Output};
use serde_json::{Value, json};

use crate::scene::{LOOP, Scene, Script, ScriptedWorld, options, runtime};

/// Says a message of 456 characters in every pass, until it has said as many as it is told.
struct Talk;

/// Words that repeat as little as text does: a message of its own for every pass.
fn message(pass: u64) -> String {
    let words = [
        "parser",
        "drops",
        "the",
        "last",
        "row",
        "when",
        "file",
        "has",
        "no",
        "trailing",
        "newline",
        "failing",
        "assertion",
        "compares",
        "parsed",
        "total",
        "with",
        "sum",
        "of",
        "line",
        "items",
    ];
    let mut state = pass.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = String::new();
    while text.len() < 456 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word = words[usize::try_from(state >> 33).unwrap() % words.len()];
        text.push_str(&format!("{word}{} ", (state >> 40) % 100));
    }
    text.truncate(456);
    text
}

#[async_trait(?Send)]
impl Node for Talk {
    async fn run(&self, ctx: &Ctx, _: Value) -> Result<Value, NodeError> {
        let pass = u64::from(ctx.task().attempt);
        Ok(json!({"messages": [{"content": message(pass), "role": "assistant"}], "more": true}))
    }
}

fn kinds() -> Kinds {
    let output = Type::parse("{messages: list<{role: string, content: string}>, more: bool}", &mut |_| None);
    Kinds::default().with_kind(Kind {
        name: "talk",
        version: 1,
        doc: "",
        with: vec![],
        variables: false,
        output: Output::Fixed(output.unwrap()),
        settings: vec![],
        needs: &[],
        one_of: &[],
        effects: &[],
        node: Arc::new(Talk),
    })
}

fn graph(passes: u32) -> String {
    format!(
        "format: 1
name: talk
types:
  Message: {{role: string, content: string}}
state:
  messages: {{type: list<Message>, reduce: append}}
limits: {{steps: 100000, wall: 1h, exhausted: over}}
ends: {{over: success}}
start: talk
nodes:
  talk:
    writes: {{messages: =output.messages}}
    next:
      - {{when: '!output.more', to: over}}
      - {{retry: talk, max_attempts: {passes}, exhausted: over}}
"
    )
}

/// Talks `passes` times into a store in `dir`, or in memory.
fn talk(store: Arc<Store>, passes: u32) {
    let mut options = options();
    options.load = prunella_engine::run::loader(&kinds());
    let world = Arc::new(ScriptedWorld::new(Script::default()));
    let engine = Engine::new(store, kinds(), world, options.clone());
    let new = NewInputs { inputs: json!({}), settings: json!({}), local: json!({}) };
    let run = engine.start(&(options.load)(&graph(passes).as_str().into()).unwrap(), new).unwrap();
    let result = runtime().block_on(engine.run(&run, &mut |_| {})).unwrap();
    assert_eq!(result.exit, 0, "{result:?}");
}

fn size(dir: &Path) -> u64 {
    std::fs::metadata(dir.join("runs.db")).unwrap().len()
}

#[test]
fn messages_are_stored_in_less_than_twice_their_size() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let empty = size(dir.path());
    talk(Store::open(dir.path()).unwrap(), 400);
    let (raw, stored) = (400 * 456, size(dir.path()));
    println!(
        "400 messages of 456 characters, {raw} bytes: {stored} bytes, {empty} of them for an empty store"
    );
    assert!(stored < 2 * raw, "{stored}");
}

#[test]
fn a_wide_state_is_stored_in_less_than_three_times_what_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    crate::both::create(&store, "a", "g", 1);
    let (mut owner, _) = store.own("a").unwrap();
    let mut raw = 0;
    for step in 0..100_u64 {
        let mut writes = serde_json::Map::new();
        for key in 0..15 {
            writes.insert(format!("key {key}"), json!({"inline": message(step * 15 + key)}));
            raw += 456;
        }
        let record = json!({"kind": "commit", "lane": format!("n#{}", step + 1), "superstep": step + 1,
            "output": {"inline": null}, "writes": writes, "active_ms": 1, "cost_microusd": 0, "at_ms": 1});
        let record = serde_json::from_value(record).unwrap();
        owner.append(&[record], None, Durability::Process, step).unwrap();
    }
    drop((owner, store));
    let stored = size(dir.path());
    println!("100 supersteps that write 15 keys, {raw} bytes: {stored} bytes");
    assert!(stored < 3 * raw, "{stored}");
}

#[test]
fn a_parked_run_costs_less_than_two_and_a_half_kilobytes() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let failures = [("work.do work#1 0".to_owned(), u32::MAX)].into();
    let scene = Scene::on(store, ScriptedWorld::new(Script { failures, ..Script::default() }));
    let (few, many) = (20, 220);
    let mut sizes = Vec::new();
    for n in 1..=many {
        assert_eq!(scene.finish(&scene.start(LOOP)).exit, 30);
        if n == few || n == many {
            // Written back, so that the file is all there is.
            scene.engine.store().gc(&[], 0).unwrap();
            sizes.push(size(dir.path()));
        }
    }
    let each = (sizes[1] - sizes[0]) / (many - few);
    println!("a run stopped after one superstep and three failed tries: {each} bytes with its journal");
    assert!(each < 2500, "{each}");
    assert_eq!(std::fs::read_dir(dir.path().join("locks")).unwrap().count(), 0);
}
