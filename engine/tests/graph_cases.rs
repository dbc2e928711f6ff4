//! Cases of graphs with everything that the language has: branches, calls, maps, questions, failures, limits.

#[path = "graph_support/kinds.rs"]
mod kinds;

use std::sync::Arc;

use prunella_engine::graph::{Graph, load};
use prunella_engine::testing::cases::{Coverage, Ended, Played, read};

const SCOPES: &str = include_str!("graphs/valid/scopes.yaml");

fn scopes() -> Arc<Graph> {
    let (graph, _) = load("scopes.yaml", SCOPES, &kinds::kinds()).expect("a valid file");
    Arc::new(graph)
}

/// Plays every case; each must be as it expects.
fn play(source: &str) -> (Vec<Played>, Coverage) {
    let graph = scopes();
    let suite = read("scopes.test.yaml", source, &graph, &kinds::kinds())
        .unwrap_or_else(|found| panic!("{}", found.iter().map(|one| one.render(source)).collect::<String>()));
    let mut coverage = Coverage::of(&graph);
    let played = suite.cases.iter().map(|case| {
        let played = suite.play(case, &graph);
        coverage.count(&played);
        assert_eq!(suite.compare(case, &played), [], "{}: {played:#?}", case.name);
        played
    });
    (played.collect(), coverage)
}

const STUBS: &str = "
format: 1
inputs: {files: [a, b], n: 3}
stubs:
  begin: {gives: {}}
  left: {gives: {}}
  inner: {gives: {}}
  deep: {gives: {}}
  deeper: {gives: {}}
  right: {gives: {ok: true}}
  mended: {gives: {}}
  join: {gives: {}}
  look: {gives: {ok: true}}
  ask: {gives: {ok: false}}
  choose: {answer: go on, gives: {ok: true}}
cases:
";

fn with(cases: &str) -> String {
    format!("{STUBS}{cases}")
}

#[test]
fn branches_calls_and_items_are_told_by_scope() {
    let (_, coverage) = play(&with(
        "
  all well:
    expect:
      path: [begin, join, each, once, ask, choose]
      paths:
        begin[0]: [left, inner]
        begin[0]/inner[0]: [deep]
        begin[0]/inner[1]: [deeper]
        begin[1]: [right, mended]
        each[0]: [look]
        each[1]: [look]
        once: [look]
      state: {left: 3, right: 3, total: 1, most: 3, seen: [x, y], notes: [met], why: ''}
      output: {left: 3, total: 1}
      end: done
  an item fails twice and is kept:
    stubs:
      each[1]/look: {gives: {ok: false}}
    expect:
      paths: {'each[0]': [look], 'each[1]': [look, look]}
      state: {reviews: [{note: seen a}, null], total: 2}
      end: done
  any item, or one visit of it:
    stubs:
      each/look: [{gives: {ok: false}}, {gives: {ok: true}}]
      each[0]/look#1: {gives: {ok: true}}
    expect: {paths: {'each[0]': [look], 'each[1]': [look, look], once: [look]}, end: done}
  a call fails and the map runs again:
    stubs:
      once/look: {gives: {ok: false}}
      once#2/look: {gives: {ok: true}}
    expect:
      path: [begin, join, each, once, each, once, ask, choose]
      paths: {once: [look, look], 'once#2': [look], 'each#2[0]': [look]}
      end: done
  calls fail for good:
    stubs: {once/look: {gives: {ok: false}}}
    expect: {end: stopped, outcome: failure}
  a branch fails and is mended:
    stubs: {right: {fails: {code: node.timeout, message: too slow}}}
    expect: {state: {why: too slow, right: 0}, end: done}
  a branch tries again:
    stubs: {right: [{gives: {ok: false}}, {gives: {ok: true}}]}
    expect: {paths: {'begin[1]': [right, right, mended]}, end: done}
  a branch gives up:
    stubs: {right: {gives: {ok: false}}}
    expect: {paths: {'begin[1]': [right, right, mended]}, end: done}
  a person is asked after a task, and says nothing yet:
    stubs: {ask: {gives: {ok: true}}}
    expect: {path: [begin, join, each, once], waits: ask#1/after}
  a person answers:
    stubs:
      ask: {gives: {ok: true}, answer: done}
      choose: {answer: no, gives: {ok: false}}
    expect: {end: refused, outcome: declined}
",
    ));
    let left: Vec<_> = coverage.edges.iter().filter(|edge| edge.taken == 0).collect();
    assert_eq!((coverage.percent(), left.len()), (100, 0), "{left:#?}");
}

#[test]
fn a_failure_that_nobody_takes_stops_and_limits_count() {
    let (played, _) = play(&with(
        "
  nobody takes it:
    stubs: {mended: {fails: disk.full}}
    expect: {stops: 'begin[1]/mended#1'}
  time and money count only where a limit is:
    stubs: {look: {gives: {ok: true}, takes: 1h, cost_usd: 0.5}}
    expect: {end: done}
",
    ));
    assert!(matches!(&played[0].ended, Ended::Stops(_, failure) if failure.code == "disk.full"));
}

#[test]
fn a_place_that_is_not_there_is_told() {
    let source = with(
        "
  one:
    stubs:
      begin[2]/left: {gives: {}}
      once/lok: {gives: {}}
      each: {gives: {}}
      look#0: {gives: {}}
      ask#1: [{gives: {}}]
      left: {answer: x}
    expect:
      paths: {'each[x]': [look], 'once': [ask]}
      waits: ask
      stops: ask#1
",
    );
    let found = read("f", &source, &scopes(), &kinds::kinds()).expect_err("it is wrong");
    let shown: Vec<String> = found.iter().map(|one| format!("{} {}", one.code, one.message)).collect();
    assert_eq!(
        shown,
        [
            "E021 `begin` has no scope of this name",
            "E021 the graph has no node `lok`",
            "E007 `each` calls a graph and has no stub of its own",
            "E007 `look#0` is no place of a node",
            "E007 one visit has one stub, this is a list",
            "E007 `left` asks nobody",
            "E007 `each[x]` is no scope",
            "E021 the graph has no node `ask`",
            "E007 `waits` names questions that stay open",
            "E007 a case ends, waits or stops: one of the three",
        ]
    );
}
