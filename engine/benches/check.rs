//! Reading and checking graph files of growing length, with everything that files have: values, conditions, templates,
//! loops, fan-outs, calls. `cargo bench -p prunella-engine --bench check`.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot be made stops")]

use std::fmt::Write as _;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use prunella_engine::graph::{fmt, load};

#[path = "../tests/graph_support/kinds.rs"]
mod kinds;

/// A graph of `nodes` nodes: rows of ten that are tried again together, each with a fan-out, a call and a prompt.
fn rows(nodes: usize) -> String {
    let mut text = String::from(
        "format: 1
name: rows
models: {fixer: {use: default}}
state:
  note: string
  frame: Frame?
  notes: {type: list<string>, reduce: append}
ends: {done: success}
graphs:
  inner:
    inputs: {text: string}
    returns: string
    state: {note: string}
    ends: {good: {outcome: success, output: =note}}
    start: look
    nodes:
      look: {kind: step, with: {text: =inputs.text}, writes: {note: =output.note}, next: good}
start: n0
nodes:
",
    );
    for i in 0..nodes {
        let (row, next) =
            (i - i % 10, if i + 1 == nodes { "done".to_owned() } else { format!("n{}", i + 1) });
        // The last rows may be short: a fan-out needs its join, a retry its head.
        let whole = row + 10 <= nodes;
        let leads = match i % 10 {
            2 if whole => format!("[n{}, n{}]", i + 1, i + 2),
            3 if whole => format!("n{}", i + 2),
            9 => format!(
                "\n      - {{when: \"output.ok && output.count > {i} && note != ''\", to: {next}}}
      - {{when: \"frame != null && frame.path != null && frame.path.endsWith('.py')\", to: {next}}}
      - {{retry: n{row}, max_attempts: 3, exhausted: done}}"
            ),
            _ => next,
        };
        let written = match i % 10 {
            3 | 4 => "{notes: =output.list}",
            _ => "{note: =output.note, frame: =output.frame, notes: =output.list}",
        };
        let body = match i % 10 {
            6 => "    kind: subgraph
    graph: inner
    with: {text: \"='row: ' + note\"}
    writes: {note: =output.value}
"
            .to_owned(),
            _ => format!(
                "    kind: step
    with: {{text: \"=size(notes) > {i} ? 'a' : 'b'\", number: =attempt + {i}, list: \"=notes.filter(n, n.startsWith('x'))\"}}
    model: fixer
    prompt: |
      {{{{ evidence }}}} {{{{ text | upper }}}}
      {{% for one in list %}}{{{{ loop.index }}}}: {{{{ one }}}}
      {{% endfor %}}
    writes: {written}
"
            ),
        };
        write!(text, "  n{i}:\n{body}    next: {leads}\n").unwrap();
    }
    text
}

fn check(c: &mut Criterion) {
    let kinds = kinds::kinds();
    let mut group = c.benchmark_group("check");
    for nodes in [500, 1000, 2000] {
        let source = rows(nodes);
        let (graph, warnings) = load("rows", &source, &kinds).unwrap();
        let told: String = warnings.iter().map(|one| one.render(&source)).collect();
        assert_eq!((graph.nodes.len(), told.as_str()), (nodes, ""));
        group.throughput(Throughput::Elements(nodes as u64));
        group.bench_with_input(BenchmarkId::from_parameter(nodes), &source, |b, source| {
            b.iter(|| load("rows", source, &kinds).unwrap())
        });
    }
    group.finish();
    let source = rows(500);
    c.bench_function("fmt/500", |b| b.iter(|| fmt("rows", &source).unwrap()));
}

criterion_group! {
    name = checks;
    config = Criterion::default().sample_size(20).without_plots();
    targets = check
}
criterion_main!(checks);
