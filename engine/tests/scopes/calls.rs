//! Calls of graphs, once and for every item of a list.

use serde_json::json;

use crate::puppet::{Play, Stage};

const MAP: &str = "
format: 1
name: map
inputs: {files: list<string>}
state:
  reviews: list<string>
  failed: int
  why: string
  notes: {type: list<string>, reduce: append}
limits: {steps: 200, exhausted: stopped}
ends: {done: {outcome: success, output: =reviews}, stopped: failure, broken: failure}
graphs:
  review:
    inputs: {text: string, n: int}
    returns: string
    state: {last: string}
    ends: {good: {outcome: success, output: \"=last + '!'\"}, bad: failure}
    start: look
    nodes:
      look:
        kind: puppet
        with: {does: \"=['look ' + inputs.text, inputs.text == 'x' ? 'no' : 'ok']\"}
        writes: {last: =output.text}
        next:
          - {when: output.ok, to: more}
          - {else: bad}
      more: {kind: puppet, with: {n: =inputs.n}, next: good}
start: each
nodes:
  each:
    kind: map
    graph: review
    over: inputs.files
    parallel: 2
    failed: skip
    with: {text: =item, n: =index}
    writes: {reviews: =output.values, failed: =output.failed}
    next: done
";

#[test]
fn results_come_in_the_order_of_the_list() {
    for order in [["a", "b", "c", "d"], ["b", "a", "d", "c"], ["b", "c", "d", "a"]] {
        let play = Play::new(Stage::in_order(&order));
        let (run, result) = play.play(MAP, json!({"files": ["a", "b", "c", "d"]}));
        assert_eq!(result.output, json!(["a!", "b!", "c!", "d!"]));
        let mut lanes = play.lanes(&run);
        lanes.sort();
        assert_eq!(lanes[..3], ["each#1", "each[0]/look#1", "each[0]/more#1"]);
        assert_eq!(lanes.len(), 9);
    }
}

#[test]
fn a_failed_item_is_left_out_kept_or_fails_the_map() {
    let play = Play::new(Stage::default());
    let files = json!({"files": ["a", "x", "b"]});
    let (run, result) = play.play(MAP, files.clone());
    assert_eq!(result.output, json!(["a!", "b!"]));
    assert_eq!(play.state(&run)["failed"], json!(1));

    let keep = MAP
        .replace("failed: skip", "failed: keep")
        .replace("reviews: list<string>", "reviews: list<string?>");
    let (_, result) = play.play(&keep, files.clone());
    assert_eq!(result.output, json!(["a!", null, "b!"]));

    let fail = MAP
        .replace("failed: skip", "failed: fail\n    on_error: {to: broken, writes: {why: =error.message}}");
    let (run, result) = play.play(&fail, files);
    assert_eq!(result.end.as_deref(), Some("broken"));
    assert_eq!(play.state(&run)["why"], json!("item 1 came to the end `bad`"));
}

#[test]
fn no_items_are_no_results() {
    let play = Play::new(Stage::default());
    let (run, result) = play.play(MAP, json!({"files": []}));
    assert_eq!((result.output, play.lanes(&run).len()), (json!([]), 1));
}

#[test]
fn items_are_bounded() {
    let play = Play::new(Stage::default());
    let run = play.start(MAP, json!({"files": ["a", "b", "c", "d", "e"]}));
    let (_, events) = play.go(&run);
    let (mut open, mut most) = (0_i32, 0);
    for event in events {
        match event {
            prunella_engine::event::Event::TaskStarted { lane, .. } if lane.node == "look" => open += 1,
            prunella_engine::event::Event::Committed { lane, .. } if lane.node == "more" => open -= 1,
            _ => {}
        }
        most = most.max(open);
    }
    assert_eq!(most, 2);
}

const CALL: &str = "
format: 1
name: call
state: {note: string, end: string}
limits: {steps: 50, exhausted: stopped}
ends: {done: {outcome: success, output: =note}, stopped: failure}
graphs:
  outer:
    inputs: {text: string}
    returns: string
    state: {note: string}
    ends: {out: {outcome: success, output: =note}}
    start: go
    nodes:
      go: {kind: subgraph, graph: inner, with: {text: =inputs.text}, writes: {note: =output.value}, next: out}
  inner:
    inputs: {text: string}
    returns: string
    limits: {steps: 3, exhausted: late}
    state: {note: string}
    ends: {out: {outcome: success, output: =note}, late: {outcome: failure, output: late}}
    start: step
    nodes:
      step:
        kind: puppet
        with: {does: \"=['look ' + inputs.text, inputs.text == 'long' ? 'no' : 'ok']\", n: =remaining_steps}
        writes: {note: =output.text}
        next:
          - {when: output.ok, to: out}
          - {retry: step, max_attempts: 9, exhausted: out}
start: call
nodes:
  call:
    kind: subgraph
    graph: outer
    with: {text: short}
    writes: {note: =output.value, end: =output.end}
    next: done
";

#[test]
fn a_call_has_a_state_of_its_own_and_gives_its_end_and_value() {
    let play = Play::new(Stage::default());
    let (run, result) = play.play(CALL, json!({}));
    assert_eq!(result.output, json!("short"));
    assert_eq!(
        play.state(&run),
        [("end".to_owned(), json!("out")), ("note".to_owned(), json!("short"))].into()
    );
    assert_eq!(play.lanes(&run), ["call/go/step#1", "call/go#1", "call#1"]);
}

#[test]
fn a_call_has_limits_of_its_own() {
    let play = Play::new(Stage::default());
    let (run, result) = play.play(&CALL.replace("text: short", "text: long"), json!({}));
    assert_eq!((result.output, result.limit, result.exit), (json!("late"), None, 0));
    assert_eq!(play.lanes(&run).len(), 5);
}
