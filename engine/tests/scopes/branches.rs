//! Fan-outs.

use serde_json::json;

use crate::puppet::{Play, Stage};

const FORK: &str = "
format: 1
name: fork
state:
  notes: {type: list<string>, reduce: append}
  seen: {type: list<string>, reduce: union}
  total: {type: int, reduce: sum}
  most: {type: int, reduce: max}
  left: string
  right: string
limits: {steps: 50, exhausted: stopped}
ends: {done: success, stopped: failure}
start: begin
nodes:
  begin: {kind: puppet, writes: {notes: ['begin'], most: 5}, next: [left, right]}
  left:
    kind: puppet
    with: {does: ['look l1'], list: =notes}
    writes: {left: =output.text, notes: '=[output.lane]', seen: ['x', 'l'], total: 1}
    next: left2
  left2:
    kind: puppet
    with: {does: ['look l2', '9'], list: =notes, n: =total}
    writes: {notes: '=[output.lane]', most: =output.n, total: =total}
    next: join
  right:
    kind: puppet
    with: {does: ['look r1'], list: =notes}
    writes: {right: =output.text, notes: '=[output.lane]', seen: ['r', 'x'], total: 10}
    next: join
  join:
    kind: puppet
    with: {does: ['=left + right'], n: =total}
    next: done
";

#[test]
fn branches_start_from_the_fork_and_land_together_in_their_order() {
    let mut states = Vec::new();
    for order in [["l1", "l2", "r1"], ["r1", "l1", "l2"], ["l1", "r1", "l2"]] {
        let play = Play::new(Stage::in_order(&order));
        let (run, result) = play.play(FORK, json!({}));
        assert_eq!(result.end.as_deref(), Some("done"));
        let mut lanes = play.lanes(&run);
        lanes.sort();
        let expected = ["begin#1", "begin[0]/left#1", "begin[0]/left2#1", "begin[1]/right#1", "join#1"];
        assert_eq!(lanes, expected);
        states.push(play.state(&run));
    }
    let state = &states[0];
    assert_eq!(state["notes"], json!(["begin", "begin[0]/left#1", "begin[0]/left2#1", "begin[1]/right#1"]));
    assert_eq!(state["seen"], json!(["x", "l", "r"]));
    // left2 read its own branch's total, which knew nothing of its sibling.
    assert_eq!(state["total"], json!(1 + 1 + 10));
    assert_eq!((&state["most"], &state["left"], &state["right"]), (&json!(9), &json!("l1"), &json!("r1")));
    assert!(states.iter().all(|other| other == state));
}

const LOOP: &str = "
format: 1
name: again
state: {notes: {type: list<string>, reduce: append}}
limits: {steps: 50, exhausted: stopped}
ends: {done: success, stopped: failure}
start: head
nodes:
  head: {kind: puppet, next: [a, b]}
  a:
    kind: puppet
    with: {does: ['until 2']}
    writes: {notes: '=[output.lane]'}
    next:
      - {when: output.ok, to: join}
      - {retry: a, max_attempts: 3, exhausted: join}
  b: {kind: puppet, next: [c, d]}
  c: {kind: puppet, writes: {notes: '=[output.lane]'}, next: join}
  d: {kind: puppet, writes: {notes: '=[output.lane]'}, next: join}
  join:
    kind: puppet
    with: {does: ['until 2']}
    next:
      - {when: output.ok, to: done}
      - {retry: head, max_attempts: 2, exhausted: stopped}
";

#[test]
fn loops_in_branches_and_branches_in_loops_have_counters_of_their_own() {
    let play = Play::new(Stage::default());
    let (run, result) = play.play(LOOP, json!({}));
    assert_eq!(result.end.as_deref(), Some("done"));
    let expected = [
        "head[0]/a#1",
        "head[0]/a#2",
        "head[1]/b[0]/c#1",
        "head[1]/b[1]/d#1",
        "head#2[0]/a#1",
        "head#2[0]/a#2",
        "head#2[1]/b[0]/c#1",
        "head#2[1]/b[1]/d#1",
    ];
    assert_eq!(play.state(&run)["notes"], json!(expected));
}

#[test]
fn a_limit_ends_all_branches() {
    let play = Play::new(Stage::default());
    let source = LOOP.replace("steps: 50", "steps: 4");
    let (run, result) = play.play(&source, json!({}));
    assert_eq!(
        (result.end.as_deref(), result.limit.as_deref(), result.exit),
        (Some("stopped"), Some("steps"), 14)
    );
    assert_eq!(play.lanes(&run).len(), 4);
}

#[test]
fn a_switch_and_a_goto_lead_where_the_word_says() {
    let source = "
format: 1
name: ways
inputs: {word: enum<one|two>, to: string}
state: {notes: {type: list<string>, reduce: append}}
ends: {done: success, other: nothing}
start: a
nodes:
  a: {kind: puppet, next: {switch: inputs.word, cases: {one: b, two: done}}}
  b: {kind: puppet, next: {goto: inputs.to, among: [c, other]}}
  c: {kind: puppet, next: done}
";
    let play = Play::new(Stage::default());
    for (word, to, end, steps) in
        [("two", "c", "done", 1), ("one", "c", "done", 3), ("one", "other", "other", 2)]
    {
        let (run, result) = play.play(source, json!({"word": word, "to": to}));
        assert_eq!((result.end.as_deref(), play.lanes(&run).len()), (Some(end), steps));
    }
    let run = play.start(source, json!({"word": "one", "to": "nowhere"}));
    let (result, _) = play.go(&run);
    let error = result.error.unwrap();
    assert_eq!((result.end, result.exit, error.code.as_str()), (None, 3, "graph.goto"));
    assert!(error.message.contains("b#1") && error.message.contains("`nowhere`"), "{}", error.message);
}
