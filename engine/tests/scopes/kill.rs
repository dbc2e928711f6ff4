//! `kill -9` of a real process in the middle of branches, items, retries and effects that change the world.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a process is killed and counted from outside"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use prunella_engine::run::{Engine, NewInputs, Options};
use prunella_engine::store::Store;
use prunella_engine::types::Type;
use prunella_engine::{
    Call, Class, Ctx, Done, Effect, EffectError, Field, Kind, Kinds, Node, NodeError, Output, Reconciled,
    World,
};
use serde_json::{Value, json};

const DIR: &str = "PRUNELLA_TEST_SCOPES_DIR";
const POINT: &str = "PRUNELLA_TEST_SCOPES_POINT";

macro_rules! effect {
    ($marker:ident, $name:literal, $class:ident) => {
        struct $marker;
        impl Effect for $marker {
            const NAME: &'static str = $name;
            const CLASS: Class = Class::$class;
            type Request = Value;
            type Response = Value;
        }
    };
}
effect!(Work, "work.do", Costly);
effect!(Ship, "ship.it", External);

/// Works, ships, and works again; fails the first attempt where it is told to.
struct Worker;

#[async_trait(?Send)]
impl Node for Worker {
    async fn run(&self, ctx: &Ctx, input: Value) -> Result<Value, NodeError> {
        let lane = ctx.task().lane.to_string();
        ctx.call::<Work>(&json!(format!("{lane} first"))).await?;
        ctx.call::<Ship>(&json!(format!("{lane} ship"))).await?;
        ctx.call::<Work>(&json!(format!("{lane} second"))).await?;
        let ok = input["until"].as_u64().is_none_or(|until| u64::from(ctx.task().attempt) >= until);
        Ok(json!({"ok": ok, "lane": lane}))
    }
}

fn kinds() -> Kinds {
    let ty = |text: &str| Type::parse(text, &mut |_| None).unwrap();
    Kinds::default().with_kind(Kind {
        name: "work",
        version: 1,
        doc: "",
        with: vec![Field { name: "until", ty: ty("int?"), doc: "" }],
        variables: false,
        output: Output::Fixed(ty("{ok: bool, lane: string}")),
        settings: vec![],
        needs: &[],
        one_of: &[],
        effects: &["work.do", "ship.it"],
        node: Arc::new(Worker),
    })
}

const SOURCE: &str = "
format: 1
name: crash
state: {lanes: {type: list<string>, reduce: append}, n: {type: int, reduce: sum}}
limits: {steps: 100, exhausted: late}
ends: {done: success, late: failure}
graphs:
  item:
    inputs: {i: int}
    returns: int
    ends: {out: {outcome: success, output: =inputs.i}}
    start: one
    nodes:
      one: {kind: work, retry: {tries: 3, backoff: 1ms}, next: out}
start: begin
nodes:
  begin: {kind: work, writes: {lanes: '=[output.lane]'}, next: [a, b, c]}
  a:
    kind: work
    with: {until: 2}
    writes: {lanes: '=[output.lane]', n: 1}
    next:
      - {when: output.ok, to: join}
      - {retry: a, max_attempts: 3, exhausted: join}
  b: {kind: work, writes: {lanes: '=[output.lane]', n: 1}, next: b2}
  b2: {kind: work, writes: {lanes: '=[output.lane]', n: 1}, next: join}
  c: {kind: subgraph, graph: item, with: {i: 7}, writes: {n: 1}, next: join}
  join: {kind: map, graph: item, over: '[1, 2, 3]', parallel: 2, failed: skip, with: {i: =item}, writes: {n: =size(output.values)}, next: done}
";

/// Keeps a list, in a file, of what really happened.
struct Outside {
    file: PathBuf,
    /// The process stops for good when this has happened and its answer is not on its way.
    halt_after: Option<String>,
}

#[async_trait]
impl World for Outside {
    fn class(&self, name: &str) -> Option<Class> {
        match name {
            Work::NAME => Some(Class::Costly),
            Ship::NAME => Some(Class::External),
            _ => None,
        }
    }

    async fn perform(&self, call: Call) -> Result<Done, EffectError> {
        let what = call.request.as_str().unwrap().to_owned();
        // The first try of an item's second work fails: retries are lived through as well.
        let tried = std::fs::read_to_string(&self.file).unwrap_or_default();
        let mut file = std::fs::File::options().create(true).append(true).open(&self.file).unwrap();
        if what.ends_with("one#1 second") && !tried.contains(&format!("failed {what}\n")) {
            file.write_all(format!("failed {what}\n").as_bytes()).unwrap();
            return Err(EffectError::new("outside.down", 30, "not now").retryable());
        }
        file.write_all(format!("{what}\n").as_bytes()).unwrap();
        if self.halt_after.as_deref() == Some(&what) {
            halt();
        }
        Ok(Done::free(json!(what)))
    }

    async fn reconcile(&self, call: Call) -> Result<Reconciled, EffectError> {
        let what = call.request.as_str().unwrap();
        let done = std::fs::read_to_string(&self.file).unwrap_or_default().lines().any(|line| line == what);
        Ok(if done { Reconciled::Happened(Done::free(json!(what))) } else { Reconciled::DidNot })
    }
}

/// Says that the point is reached and waits to be killed.
fn halt() {
    println!("HALT");
    std::io::stdout().flush().unwrap();
    loop {
        std::thread::park();
    }
}

fn engine(dir: &Path, halt_after: Option<String>) -> Engine {
    let world = Outside { file: dir.join("effects"), halt_after };
    Engine::new(Store::open(dir).unwrap(), kinds(), Arc::new(world), Options::new(&kinds()))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn start(engine: &Engine, durability: &str) -> String {
    let (graph, _) = prunella_engine::graph::load("crash.yaml", SOURCE, &kinds())
        .unwrap_or_else(|found| panic!("{}", found.iter().map(|one| one.render(SOURCE)).collect::<String>()));
    let settings = json!({"durability": durability});
    engine.start(&graph, NewInputs { inputs: json!({}), settings, local: json!({}) }).unwrap()
}

/// The process that is killed: does nothing in an ordinary run of the tests.
#[test]
fn child() {
    let (Ok(dir), Ok(point)) = (std::env::var(DIR), std::env::var(POINT)) else { return };
    let at: Option<usize> = point.parse().ok();
    let engine = engine(Path::new(&dir), at.is_none().then_some(point));
    let run = engine.store().find("@latest").unwrap();
    let mut seen = 0;
    let result = runtime().block_on(engine.run(&run, &mut |_| {
        seen += 1;
        if at == Some(seen) {
            halt();
        }
    }));
    assert_eq!(result.unwrap().exit, 0);
    println!("DONE");
}

/// What a run came to: its lanes, its state but for the order of lists made by who was when, and what was outside.
fn survive(point: &str, durability: &str) -> BTreeMap<String, u32> {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path(), None);
    let run = start(&engine, durability);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["kill::child", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIR, dir.path())
        .env(POINT, point)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.map(Result::unwrap).find(|line| line.contains("HALT") || line.contains("DONE")).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();

    let result = runtime().block_on(engine.run(&run, &mut |_| {})).unwrap();
    assert_eq!(result.exit, 0, "{point}: {result:?}");
    let view = engine.view(&run).unwrap();
    let expected = ["begin#1", "begin[0]/a#1", "begin[0]/a#2", "begin[1]/b#1", "begin[1]/b2#1"]
        .map(Value::from)
        .to_vec();
    assert_eq!(view.state["lanes"], Value::Array(expected), "{point}");
    assert_eq!(view.state["n"], json!(2 + 2 + 1 + 3), "{point}");
    assert_eq!(view.steps.len(), 1 + 2 + 2 + 2 + 4, "{point}");
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for line in std::fs::read_to_string(dir.path().join("effects")).unwrap().lines() {
        *counts.entry(line.to_owned()).or_default() += 1;
    }
    let shipped: Vec<u32> =
        counts.iter().filter(|(what, _)| what.ends_with("ship")).map(|(_, count)| *count).collect();
    assert_eq!(shipped, [1; 9], "{point}: {counts:?}");
    counts
}

/// Survives every one of `points`, several at once.
fn survive_all(points: &[String], durability: &str, most_twice: u32) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                while let Some(point) = points.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let counts = survive(point, durability);
                    let again: u32 = counts.values().map(|count| count.saturating_sub(1)).sum();
                    assert!(again <= most_twice, "{point}: {counts:?}");
                }
            });
        }
    });
}

#[test]
fn killed_anywhere_in_branches_and_items_nothing_outside_happens_twice() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path(), None);
    let run = start(&engine, "sync");
    let mut events = 0;
    assert_eq!(runtime().block_on(engine.run(&run, &mut |_| events += 1)).unwrap().exit, 0);
    assert!(events > 90, "{events}");
    // Whatever is in the air at the kill may have happened unrecorded: at most one a branch or item.
    let points: Vec<String> = (1..events).map(|event| event.to_string()).collect();
    survive_all(&points, "sync", 3);
}

#[test]
fn killed_between_an_effect_and_its_record_the_run_finds_out_at_every_level() {
    let points = [
        "begin[0]/a#2 ship",
        "begin[1]/b#1 second",
        "begin[2]/one#1 ship",
        "join[1]/one#1 ship",
        "join[2]/one#1 first",
    ]
    .map(|lane| lane.replace("begin[2]/one", "begin[2]/c/one"));
    for durability in ["sync", "async"] {
        survive_all(&points, durability, 3);
    }
    // What `exit` had not written is done again, but for what changes the world.
    survive_all(&points, "exit", 30);
}
