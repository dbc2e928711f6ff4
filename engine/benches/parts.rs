//! Parts of the engine, one by one: what a superstep is made of, and what reads a run back.

#![expect(clippy::disallowed_methods, reason = "a measuring program")]
#![allow(clippy::unwrap_used, reason = "a measurement that cannot be made stops")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use prunella_engine::canonical;
use prunella_engine::graph::{Builder, Expr, Graph, Outcome, Vars, load};
use prunella_engine::journal::{self, Past, Record};
use prunella_engine::scheduler::{Command, Event, Scheduler, Used};
use prunella_engine::store::{Durability, NewRun, Store};
use prunella_engine::trace::{self, Trace};
use serde_json::{Value, json};

#[expect(dead_code, reason = "the whole jobs use the rest of it")]
#[path = "whole/graphs.rs"]
mod graphs;
#[path = "whole/kinds.rs"]
mod kinds;
#[expect(dead_code, reason = "the whole jobs use the rest of it")]
#[path = "whole/setting.rs"]
mod setting;

use setting::{Bench, temp_dir};

const STEPS: usize = 1000;

/// A loop of 1000 supersteps through the pure scheduler, and a chain of 1000 nodes.
fn scheduler(c: &mut Criterion) {
    let kinds = Bench::in_memory();
    let drive = |graph: &Arc<Graph>, inputs: &Value, output: &dyn Fn(u64) -> Value| {
        let mut scheduler = Scheduler::new(Arc::clone(graph), inputs.clone()).unwrap();
        let mut commands = scheduler.step(Event::Start { at_ms: 0 }).unwrap();
        let mut steps = 0;
        while let Some(Command::RunTask(task)) = commands.pop() {
            let done =
                Event::TaskDone { lane: task.lane, output: output(steps), used: Used::default(), at_ms: 0 };
            commands = scheduler.step(done).unwrap();
            steps += 1;
        }
        steps
    };
    let mut group = c.benchmark_group("scheduler");
    group.throughput(Throughput::Elements(STEPS as u64));
    let graph = Arc::new(kinds.graph(&graphs::counter(graphs::CEL)));
    let inputs = json!({"n": STEPS});
    group.bench_function("loop_cel", |b| b.iter(|| drive(&graph, &inputs, &|i| json!({"i": i}))));
    let graph = Arc::new(kinds.graph(&graphs::counter(graphs::NATIVE)));
    group.bench_function("loop", |b| b.iter(|| drive(&graph, &inputs, &|i| json!({"i": i}))));
    let graph = Arc::new(kinds.graph(&graphs::row(STEPS)));
    group.bench_function("chain", |b| b.iter(|| drive(&graph, &json!({}), &|i| json!({"i": i}))));
    group.finish();
}

/// A condition in CEL beside the same condition in Rust.
fn conditions(c: &mut Criterion) {
    let output = json!({"i": 7, "ok": true, "status": "known", "list": vec!["a line of text"; 300]});
    let (inputs, state) = (json!({"n": 1000}), json!({"items": vec![json!({"name": "x"}); 1000]}));
    let state = state.as_object().unwrap();
    let vars = Vars::default().with("output", &output).with("inputs", &inputs).over(state);
    let mut group = c.benchmark_group("condition");
    group.bench_function("native", |b| {
        b.iter(|| black_box(&output)["i"].as_i64().unwrap() >= black_box(&inputs)["n"].as_i64().unwrap())
    });
    for (name, source) in [
        ("cel_path", "output.ok"),
        ("cel_compare", "output.i >= inputs.n"),
        ("cel_text", "output.status == 'known' && output.i < 10"),
        ("cel_size", "size(items) >= 300"),
        ("cel_index", "items[size(items) - 1].name == 'x'"),
        ("cel_exists", "output.list.exists(line, line == 'b')"),
    ] {
        let expr = Expr::compile(source).unwrap();
        group.bench_function(name, |b| b.iter(|| expr.holds(black_box(&vars)).unwrap()));
    }
    group.finish();
}

/// The records of a loop of 1000 supersteps that appends a message in each.
fn grown() -> (Bench, String) {
    let bench = Bench::in_memory();
    let graph = bench.graph(&graphs::growing());
    let run = bench.go(&graph, json!({"n": STEPS}), "done");
    (bench, run)
}

/// Canonical bytes and the chain, and reading a run back: its records, its state, its trace.
fn journal(c: &mut Criterion) {
    let (bench, run) = grown();
    let store = bench.engine.store();
    let sealed = store.records(&run).unwrap();
    let commits: Vec<&Record> =
        sealed.iter().map(|one| &one.record).filter(|record| matches!(record, Record::Commit(_))).collect();
    let mut group = c.benchmark_group("journal");
    group.throughput(Throughput::Elements(commits.len() as u64));
    group.bench_function("encode_and_chain", |b| {
        b.iter(|| {
            commits
                .iter()
                .fold(journal::ROOT, |chain, record| journal::link(&chain, &journal::encode(record).unwrap()))
        })
    });
    group.bench_function("decode", |b| {
        b.iter(|| sealed.iter().for_each(|one| drop(black_box(journal::decode(&one.bytes).unwrap()))))
    });
    let graph = Arc::new(bench.graph(&graphs::growing()));
    group.bench_function("fold", |b| {
        b.iter_batched(
            || Past::of(sealed.clone()).unwrap(),
            |past| journal::fold(&graph, &past, store.as_ref(), &mut |_, _| Ok(None)).unwrap(),
            BatchSize::LargeInput,
        )
    });
    group.bench_function("records_from_the_store", |b| b.iter(|| store.records(&run).unwrap()));
    let bytes = Trace::of_run(store, &run).unwrap().to_bytes().unwrap();
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("trace_read", |b| b.iter(|| trace::read(&bytes).unwrap()));
    let value: Value = serde_json::from_slice(&sealed[10].bytes).unwrap();
    let value = Value::Array(vec![value; 1000]);
    group.throughput(Throughput::Bytes(canonical::to_string(&value).len() as u64));
    group.bench_function("canonical", |b| b.iter(|| canonical::to_string(&value)));
    group.finish();
}

/// One superstep's records into the store: in memory, on disk without and with an fsync.
fn append(c: &mut Criterion) {
    let (bench, run) = grown();
    let sealed = bench.engine.store().records(&run).unwrap();
    let (header, step) = (sealed[0].record.clone(), [sealed[11].record.clone(), sealed[12].record.clone()]);
    let dir = temp_dir();
    let disk = Store::open(dir.path()).unwrap();
    let memory = Store::in_memory().unwrap();
    let mut group = c.benchmark_group("append");
    for (name, store, durability) in [
        ("memory", &memory, Durability::Disk),
        ("sqlite", &disk, Durability::Process),
        ("sqlite_fsync", &disk, Durability::Disk),
    ] {
        let new = NewRun { id: name, created_ms: 0, graph: "growth", local: &Value::Null };
        store.create(&new, &header).unwrap();
        let (mut owner, _) = store.own(name).unwrap();
        group.bench_function(name, |b| b.iter(|| owner.append(&step, None, durability, 0).unwrap()));
    }
    group.finish();
}

/// `n` nodes in a row that read and write the state and decide, each in CEL.
fn sized(n: usize) -> Builder {
    let graph = Builder::new("sized")
        .input("n", "int")
        .state("i", "int")
        .append("messages", "list<{role: string, content: string}>")
        .end("done", Outcome::Success)
        .end("early", Outcome::Nothing)
        .node("seed", |node| node.writes("i", "=output.i").to("n0"));
    (0..n.saturating_sub(1)).fold(graph, |graph, i| {
        let next = if i + 2 == n { "done".to_owned() } else { format!("n{}", i + 1) };
        graph.node(&format!("n{i}"), |node| {
            node.kind("say")
                .with("i", "=i + 1")
                .writes("i", "=output.i")
                .writes("messages", "=output.messages")
                .when("output.i >= inputs.n && size(messages) > 3", "early")
                .to(&next)
        })
    })
}

/// Reading and checking graph files of growing length.
fn check(c: &mut Criterion) {
    let kinds = kinds::all();
    let mut group = c.benchmark_group("check");
    for nodes in [50, 500, 5000] {
        let source = sized(nodes).source();
        group.throughput(Throughput::Elements(nodes as u64));
        group.bench_with_input(BenchmarkId::from_parameter(nodes), &source, |b, source| {
            b.iter(|| load("sized", source, &kinds).unwrap())
        });
    }
    group.finish();
}

criterion_group! {
    name = parts;
    config = Criterion::default().sample_size(20).without_plots();
    targets = scheduler, conditions, journal, append, check
}
criterion_main!(parts);
