//! Failures and where they go.

use serde_json::json;

use crate::puppet::{Play, Stage};

const FAIL: &str = "
format: 1
name: fail
inputs: {does: list<string>}
state: {why: string}
limits: {steps: 50, exhausted: stopped}
ends: {done: success, mended: {outcome: nothing, output: =why}, stopped: failure}
start: a
nodes:
  a:
    kind: puppet
    with: {does: =inputs.does}
    retry: {tries: 2, backoff: 1ms}
    on_error: {to: mended, writes: {why: \"=error.code + ': ' + error.message\"}}
    next: done
";

#[test]
fn an_error_target_takes_what_a_node_and_its_effects_fail_with() {
    let play = Play::new(Stage::default());
    let (_, result) = play.play(FAIL, json!({"does": ["fail it broke"]}));
    assert_eq!(
        (result.end.as_deref(), result.output),
        (Some("mended"), json!("puppet.failed: a#1: it broke"))
    );

    play.stage.failing.lock().unwrap().insert("this".to_owned(), 2);
    let (_, result) = play.play(FAIL, json!({"does": ["look this"]}));
    assert_eq!(result.output, json!("stage.down: a#1: look.at: no this"));
    // One failure less, and the retry has it.
    play.stage.failing.lock().unwrap().insert("this".to_owned(), 1);
    let (_, result) = play.play(FAIL, json!({"does": ["look this"]}));
    assert_eq!(result.end.as_deref(), Some("done"));
}

#[test]
fn a_node_that_takes_too_long_is_stopped() {
    // Nobody lets this effect begin; the clock of the tests lets a timeout pass at once.
    let play = Play::new(Stage::in_order(&["first", "never"]));
    let source = FAIL.replace("retry:", "timeout: 5s\n    retry:");
    let (_, result) = play.play(&source, json!({"does": ["look never"]}));
    assert_eq!(result.output, json!("node.timeout: a#1: it took longer than its `timeout` of 5000 ms"));
}

#[test]
fn without_an_error_target_the_run_stops_and_can_be_resumed() {
    let source = FAIL
        .replace("    on_error: {to: mended, writes: {why: \"=error.code + ': ' + error.message\"}}\n", "")
        .replace("mended: {outcome: nothing, output: =why}, ", "")
        .replace("state: {why: string}\n", "");
    let play = Play::new(Stage::default());
    play.stage.failing.lock().unwrap().insert("this".to_owned(), 2);
    let run = play.start(&source, json!({"does": ["look this"]}));
    let (result, _) = play.go(&run);
    assert_eq!((result.exit, result.end), (30, None));
    let (result, _) = play.go(&run);
    assert_eq!((result.exit, result.end.as_deref()), (0, Some("done")));
}

const UP: &str = "
format: 1
name: up
state: {why: string, notes: {type: list<string>, reduce: append}}
limits: {steps: 50, exhausted: stopped}
ends: {done: success, mended: {outcome: nothing, output: =why}, stopped: failure}
graphs:
  inner:
    inputs: {does: list<string>}
    returns: int
    ends: {out: {outcome: success, output: 1}}
    start: fork
    nodes:
      fork: {kind: puppet, next: [a, b]}
      a: {kind: puppet, with: {does: =inputs.does}, next: join}
      b: {kind: puppet, with: {does: ['look b']}, next: join}
      join: {kind: puppet, next: out}
start: call
nodes:
  call:
    kind: subgraph
    graph: inner
    with: {does: ['look a', 'fail deep down']}
    on_error: {to: mended, writes: {why: =error.message}}
    next: done
";

#[test]
fn a_failure_goes_up_to_the_nearest_caller_that_takes_it() {
    for order in [["a", "b"], ["b", "a"]] {
        let play = Play::new(Stage::in_order(&order));
        let (run, result) = play.play(UP, json!({}));
        assert_eq!(result.output, json!("call/fork[0]/a#1: deep down"));
        assert!(play.lanes(&run).contains(&"call/fork[0]/a#1".to_owned()));
        assert!(!play.lanes(&run).contains(&"call/join#1".to_owned()));
    }
}

#[test]
fn a_map_goes_on_without_an_item_that_fails_inside() {
    let source = UP.replace(
        "    kind: subgraph\n    graph: inner\n    with: {does: ['look a', 'fail deep down']}\n    on_error: {to: mended, writes: {why: =error.message}}\n    next: done",
        "    kind: map\n    graph: inner\n    over: \"['ok', 'fail deep down', 'ok']\"\n    failed: skip\n    with: {does: '=[item]'}\n    writes: {why: =string(output.values) + string(output.failed)}\n    next: mended",
    ).replace("string(output.values) + ", "string(size(output.values)) + ");
    let play = Play::new(Stage::default());
    let (_, result) = play.play(&source.replace("done: success, ", ""), json!({}));
    assert_eq!(result.output, json!("21"));
}
