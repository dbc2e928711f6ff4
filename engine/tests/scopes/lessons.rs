//! Behaviours that peers got wrong and no other test here is about; `defects` says whose.

#![expect(clippy::disallowed_methods, reason = "a test looks at files of the store")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use prunella_engine::clock::StepClock;
use prunella_engine::event::{Mode, Modes};
use prunella_engine::journal::Record;
use prunella_engine::replay::replay;
use prunella_engine::run::{Engine, NewInputs, Options, RunResult, StopWish, loader};
use prunella_engine::scheduler::{Command, Event, Scheduler, Used};
use prunella_engine::store::{Prune, RunStatus, Store};
use prunella_engine::trace::Trace;
use prunella_engine::{Ctx, Kinds, Lane, Node, NodeError};
use serde_json::{Value, json};

use crate::prefix;
use crate::puppet::{Look, Play, Stage, graph, kinds};

fn options() -> Options {
    let mut options = Options::new(&kinds());
    options.clock = Arc::new(StepClock::at(1_795_000_000_000));
    options
}

fn start(engine: &Engine, source: &str, inputs: Value, settings: Value) -> String {
    engine.start(&graph(source), NewInputs { inputs, settings, local: json!({}) }).unwrap()
}

fn go(engine: &Engine, run: &str) -> RunResult {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(engine.run(run, &mut |_| {})).unwrap()
}

/// The kinds of the tests with another body.
fn kinds_with(node: impl Node + Send + Sync + 'static) -> Kinds {
    let mut kinds = kinds();
    kinds.kinds.get_mut("puppet").unwrap().node = Arc::new(node);
    kinds
}

fn said(text: &str, lane: &Lane) -> Value {
    json!({"ok": true, "n": 0, "text": text, "lane": lane.to_string()})
}

const SPLIT: &str = "
format: 1
name: split
state: {lanes: {type: list<string>, reduce: append}}
ends: {done: {outcome: success, output: =lanes}}
start: begin
nodes:
  begin: {kind: puppet, writes: {lanes: '=[output.lane]'}, next: [a, b]}
  a: {kind: puppet, writes: {lanes: '=[output.lane]'}, next: join}
  b: {kind: puppet, writes: {lanes: '=[output.lane]'}, next: join}
  join: {kind: puppet, writes: {lanes: '=[output.lane]'}, next: done}
";

/// Looks once, and counts how often its body began.
struct Counted(Arc<AtomicUsize>);

#[async_trait(?Send)]
impl Node for Counted {
    async fn run(&self, ctx: &Ctx, _: Value) -> Result<Value, NodeError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let seen = ctx.call::<Look>(&json!("it")).await?;
        Ok(said(seen.as_str().unwrap_or_default(), &ctx.task().lane))
    }
}

#[test]
fn whatever_is_streamed_every_node_runs_once_and_every_superstep_is_recorded() {
    let mut told = Vec::new();
    for modes in [Modes::of(&[]), Modes::of(&[Mode::Tokens]), Modes::of(&Mode::ALL)] {
        let count = Arc::new(AtomicUsize::new(0));
        let stage = Arc::new(Stage::default());
        let options = Options { modes, ..options() };
        let kinds = kinds_with(Counted(Arc::clone(&count)));
        let engine = Engine::new(Store::in_memory().unwrap(), kinds, stage.clone(), options);
        let run = start(&engine, SPLIT, json!({}), json!({}));
        assert_eq!(go(&engine, &run).exit, 0);
        assert_eq!((count.load(Ordering::SeqCst), stage.performed.lock().unwrap().len()), (4, 4));
        told.push(engine.history(&run).unwrap().len());
    }
    assert_eq!(told, [4, 4, 4]);
}

/// Waits for two things at once without the context's help, as `join!` does.
struct Joins;

#[async_trait(?Send)]
impl Node for Joins {
    async fn run(&self, ctx: &Ctx, _: Value) -> Result<Value, NodeError> {
        let (x, y, z) = (json!("x"), json!("y"), json!("z"));
        let after = async {
            ctx.call::<Look>(&y).await?;
            ctx.call::<Look>(&z).await
        };
        let (x, z) = tokio::join!(ctx.call::<Look>(&x), after);
        Ok(said(&format!("{} {}", x?, z?), &ctx.task().lane))
    }
}

#[test]
fn a_body_that_joins_its_calls_itself_comes_to_the_same_in_any_order() {
    let source = SPLIT.replace("next: [a, b]", "next: join").replace("output.lane", "output.text");
    let source: String = source
        .lines()
        .filter(|line| !line.contains(" a: ") && !line.contains(" b: "))
        .fold(String::new(), |text, line| text + line + "\n");
    let mut ends = Vec::new();
    for order in [["begin#1 x", "begin#1 y"], ["begin#1 y", "begin#1 x"]] {
        let (stage, kinds) = (Arc::new(Stage::in_order(&order)), kinds_with(Joins));
        let engine = Engine::new(Store::in_memory().unwrap(), kinds.clone(), stage.clone(), options());
        let run = start(&engine, &source, json!({}), json!({}));
        let result = go(&engine, &run);
        assert_eq!(stage.performed.lock().unwrap()[..2], order);
        let trace = Trace::of_run(engine.store(), &run).unwrap();
        let again = replay(&trace, Some(&kinds), &loader(&kinds)).unwrap();
        assert_eq!((again.end, again.effects), (result.end.clone(), 6));
        let mut asked: Vec<(String, Value)> = Vec::new();
        for record in prefix::records(engine.store(), &run) {
            if let Record::Effect(effect) = record {
                asked.push((format!("{} {}", effect.lane, effect.ordinal), json!(effect.request_hash)));
            }
        }
        asked.sort_by(|a, b| a.0.cmp(&b.0));
        ends.push((result.output, asked));
    }
    assert_eq!(ends[0], ends[1]);
}

const NESTED: &str = "
format: 1
name: nested
inputs: {ask: string}
state: {notes: {type: list<string>, reduce: append}}
ends: {done: {outcome: success, output: =notes}}
graphs:
  inner:
    inputs: {ask: string}
    returns: string
    state: {own: string, seen: {type: list<string>, reduce: append}}
    ends: {out: {outcome: success, output: \"=own + seen[0]\"}}
    start: one
    nodes:
      one: {kind: puppet, with: {does: \"=['look ' + inputs.ask]\"}, writes: {seen: '=[output.text]'}, next: two}
      two: {kind: puppet, with: {does: \"=['ask ' + inputs.ask]\"}, writes: {own: \"=string(output.ok)\"}, next: out}
start: begin
nodes:
  begin: {kind: puppet, next: [call, each]}
  call: {kind: subgraph, graph: inner, with: {ask: =inputs.ask}, writes: {notes: '=[output.value]'}, next: join}
  each: {kind: map, graph: inner, over: \"['m', 'n']\", failed: skip, with: {ask: =item}, writes: {notes: =output.values}, next: join}
  join: {kind: puppet, next: done}
";

#[test]
fn pruning_takes_no_scope_of_a_run_that_stays() {
    let play = Play::new(Stage::default());
    let parked = play.start(NESTED, json!({"ask": "parked"}));
    assert_eq!(play.go(&parked).0.status, RunStatus::Waiting);
    let over: Vec<String> = (0..3)
        .map(|_| {
            let run = play.start(NESTED, json!({"ask": "over"}));
            assert_eq!(play.finish(&run).exit, 0);
            run
        })
        .collect();
    let store = play.engine.store();
    let last = play.engine.history(&parked).unwrap().len().to_string();
    let before = play.engine.state_at(&parked, &last).unwrap();
    let scopes: Vec<&str> = before.states.keys().map(String::as_str).collect();
    assert_eq!(scopes, ["", "begin[0]", "begin[0]/call", "begin[1]", "begin[1]/each[0]", "begin[1]/each[1]"]);

    let pruned = store.prune(&Prune { keep_latest: 1, ..Prune::default() }, u64::MAX >> 2).unwrap().removed;
    let pruned: Vec<String> = pruned.into_iter().map(|row| row.id).collect();
    assert_eq!((pruned.len(), pruned.contains(&over[2]), pruned.contains(&parked)), (2, false, false));
    store.gc(&[], u64::MAX >> 2).unwrap();
    assert!(store.verify(None).unwrap().is_empty());

    assert_eq!(play.engine.state_at(&parked, &last).unwrap(), before);
    assert_eq!(play.finish(&parked).output, json!(["trueparked", "truem", "truen"]));
    for run in [&parked, &over[2]] {
        assert_eq!(play.replay(run).end.as_deref(), Some("done"));
    }
}

const LOOP: &str = "
format: 1
name: loop
inputs: {text: string}
state: {notes: {type: list<string>, reduce: append}, n: {type: int, reduce: sum}}
limits: {steps: 20, exhausted: late}
ends: {done: {outcome: success, output: =notes}, late: failure}
start: work
nodes:
  work: {kind: puppet, with: {does: \"=['work ' + inputs.text, 'ship it']\"}, writes: {notes: '=[output.text]', n: 1}, next: judge}
  judge:
    kind: puppet
    with: {does: ['look at it', 'until 3']}
    writes: {notes: '=[string(n)]'}
    next:
      - {when: output.ok, to: done}
      - {retry: work, max_attempts: 5, exhausted: late}
";

/// The records of a run, times and the run's own name left out.
fn told(store: &Store, run: &str) -> Vec<String> {
    let line = |record: &Record| {
        let mut value = serde_json::to_value(record).unwrap();
        for key in ["at_ms", "took_ms", "active_ms", "settings"] {
            value.as_object_mut().unwrap().remove(key);
        }
        value.to_string().replace(run, "RUN")
    };
    prefix::records(store, run).iter().skip(1).map(line).collect()
}

#[test]
fn at_every_level_records_stand_in_the_order_in_which_things_happened() {
    let mut all = Vec::new();
    for level in ["sync", "async", "exit"] {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let engine = Engine::new(Arc::clone(&store), kinds(), Arc::new(Stage::default()), options());
        let run = start(&engine, LOOP, json!({"text": "it"}), json!({"durability": level}));
        assert_eq!(go(&engine, &run).exit, 0);
        all.push(told(&store, &run));
    }
    assert_eq!(all[0].iter().filter(|line| line.contains(r#""kind":"commit""#)).count(), 6);
    assert_eq!((&all[1], &all[2]), (&all[0], &all[0]));
}

#[test]
fn what_a_run_knows_survives_every_stop_and_is_of_that_run_alone() {
    let dir = tempfile::tempdir().unwrap();
    let stage = Arc::new(Stage::default());
    // A process for each superstep: it opens the store, goes one step, and stops.
    let step = |run: &str| {
        let options = options();
        options.stop.wish_for(StopWish::Drain);
        let store = Store::open(dir.path()).unwrap();
        go(&Engine::new(store, kinds(), stage.clone(), options), run)
    };
    let engine = Engine::new(Store::open(dir.path()).unwrap(), kinds(), stage.clone(), options());
    let runs: Vec<String> =
        ["a", "b"].iter().map(|text| start(&engine, LOOP, json!({"text": text}), json!({}))).collect();
    let mut results = Vec::new();
    for n in 1..=6 {
        results = runs.iter().map(|run| step(run)).collect();
        let exits: Vec<u8> = results.iter().map(|result| result.exit).collect();
        assert_eq!(exits, if n < 6 { [130, 130] } else { [0, 0] }, "superstep {n}");
        for run in &runs {
            assert_eq!(engine.history(run).unwrap().len(), n);
        }
    }
    for (text, result) in ["a", "b"].iter().zip(&results) {
        let work = format!("{text} it");
        assert_eq!(result.output, json!([work, "1", work, "2", work, "3"]));
    }
    assert_eq!(stage.performed.lock().unwrap().len(), 2 * 3 * 3);
}

/// The frames of a write-ahead log that end a transaction.
fn commits(dir: &Path) -> usize {
    let log = std::fs::read(dir.join("runs.db-wal")).unwrap();
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
    let size = usize::try_from(number(8)).unwrap() + 24;
    // SQLite's file format, 4.1: a frame's header has the database's size where it ends a transaction, else 0, and
    // the salts of the log while it is of this round.
    (32..log.len())
        .step_by(size)
        .filter(|at| number(at + 4) > 0 && log[at + 8..at + 16] == log[16..24])
        .count()
}

#[test]
fn a_superstep_is_one_commit_to_a_write_ahead_log() {
    let of = |nodes: usize| {
        let chain: String = (0..nodes)
            .map(|i| {
                let next = if i + 1 == nodes { "done".to_owned() } else { format!("n{}", i + 1) };
                format!("  n{i}: {{kind: puppet, writes: {{n: 1}}, next: {next}}}\n")
            })
            .collect();
        let source = format!(
            "format: 1\nname: chain\nstate: {{n: {{type: int, reduce: sum}}}}\nends: {{done: success}}\nstart: n0\nnodes:\n{chain}"
        );
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let engine = Engine::new(Arc::clone(&store), kinds(), Arc::new(Stage::default()), options());
        let run = start(&engine, &source, json!({}), json!({}));
        let before = commits(dir.path());
        assert_eq!(go(&engine, &run).exit, 0);
        commits(dir.path()) - before
    };
    assert_eq!(of(30) - of(10), 20);
}

#[test]
fn a_run_through_the_plain_interface_is_in_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let engine =
        Engine::new(Store::open(dir.path()).unwrap(), kinds(), Arc::new(Stage::default()), options());
    let run = start(&engine, SPLIT, json!({}), json!({}));
    let result = go(&engine, &run);
    drop(engine);
    // As another process finds it.
    let store = Store::open(dir.path()).unwrap();
    let row = store.row(&store.find("@latest").unwrap()).unwrap();
    assert_eq!((row.id.as_str(), row.status), (run.as_str(), RunStatus::Ended));
    let engine = Engine::new(store, kinds(), Arc::new(Stage::default()), options());
    let view = engine.view(&run).unwrap();
    assert_eq!((&view.state["lanes"], view.steps.len()), (&result.output, 4));
}

#[test]
fn a_superstep_and_a_fork_copy_nothing_of_the_state() {
    let items: Vec<u32> = (0..100).collect();
    let source = format!(
        "format: 1
name: wide
state: {{big: list<int>, grown: {{type: list<int>, reduce: append}}}}
limits: {{steps: 500, exhausted: done}}
ends: {{done: success}}
start: begin
nodes:
  begin: {{kind: puppet, writes: {{big: {items:?}}}, next: step}}
  step:
    kind: puppet
    writes: {{grown: '=[output.n]'}}
    next:
      - {{when: size(grown) >= 200, to: split}}
      - {{retry: step, max_attempts: 400, exhausted: done}}
  split: {{kind: puppet, next: [a, b]}}
  a: {{kind: puppet, next: join}}
  b: {{kind: puppet, next: join}}
  join: {{kind: puppet, next: done}}
"
    );
    let mut scheduler = Scheduler::new(Arc::new(graph(&source)), json!({})).unwrap();
    let place = |scheduler: &Scheduler, scope: &str, key: &str| {
        scheduler.value(scope, key).and_then(Value::as_array).map(|list| list.as_ptr())
    };
    let mut running: Vec<Lane> =
        scheduler.step(Event::Start { at_ms: 0 }).unwrap().iter().filter_map(Command::lane).collect();
    let (mut big, mut grown, mut moved) = (None, None, 0);
    while let Some(lane) = running.pop() {
        let (output, used) = (said("", &lane), Used::default());
        let commands = scheduler.step(Event::TaskDone { lane, output, used, at_ms: 0 }).unwrap();
        running.extend(commands.iter().filter_map(Command::lane));
        let now = place(&scheduler, "", "big");
        assert_eq!(now, *big.get_or_insert(now), "a superstep copied a value that nobody wrote");
        if running.len() == 2 {
            for branch in ["split[0]", "split[1]"] {
                assert_eq!(place(&scheduler, branch, "big"), now, "{branch} has a copy");
            }
        }
        moved += usize::from(place(&scheduler, "", "grown") != grown);
        grown = place(&scheduler, "", "grown");
    }
    assert!(scheduler.is_over());
    // A list that grows by one moves when its room is used up, which doubles then: not at every superstep.
    assert!(moved < 20, "{moved} copies of a list that was appended to 200 times");
}

#[test]
fn one_sqlite_is_in_the_workspace() {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    let lock = std::fs::read_to_string(lock).unwrap();
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    let bindings: Vec<&str> = names
        .filter(|name| name.contains("sqlite3") || name.starts_with("sqlx") || *name == "rusqlite")
        .collect();
    assert_eq!(bindings, ["libsqlite3-sys", "rusqlite"]);
}
