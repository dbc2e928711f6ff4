//! Questions to a person: declared by the graph and asked by nodes, in several scopes at once.

use prunella_engine::event::Event;
use prunella_engine::journal::Record;
use prunella_engine::store::RunStatus;
use serde_json::json;

use crate::puppet::{Play, Stage};

const ASK: &str = "
format: 1
name: ask
state: {go: bool, notes: {type: list<string>, reduce: append}, text: string}
limits: {steps: 50, exhausted: stopped}
ends: {done: {outcome: success, output: =notes}, no: declined, stopped: failure}
start: begin
nodes:
  begin: {kind: puppet, with: {does: ['look begin']}, next: [declared, inside, quick]}
  declared:
    kind: puppet
    interrupt: {at: after, ask: \"='ship ' + output.text + '?'\", answer: '{go: bool, note: string?}'}
    with: {does: ['look one']}
    writes: {go: =answer.go, notes: \"=[answer.note == null ? 'none' : answer.note]\"}
    next: join
  inside:
    kind: puppet
    with: {does: ['look two', 'ask first?', 'look three', 'ask second?', 'look four']}
    writes: {text: =output.text, notes: \"=[string(output.ok)]\"}
    next: join
  quick: {kind: puppet, with: {does: ['look five']}, next: join}
  join:
    kind: puppet
    interrupt: {at: before, when: go, ask: sure?, answer: bool}
    with: {does: \"=[answer == null ? 'nobody' : 'somebody']\"}
    writes: {notes: '=[output.text]'}
    next:
      - {when: go && answer == true, to: done}
      - {else: no}
";

#[test]
fn several_questions_are_answered_one_by_one_and_nothing_is_done_twice() {
    let play = Play::new(Stage::default());
    let run = play.start(ASK, json!({}));
    let (result, events) = play.go(&run);
    assert_eq!((result.status, result.exit), (RunStatus::Waiting, 12));
    let asked = events.iter().filter(|event| matches!(event, Event::Interrupted { .. })).count();
    assert_eq!(asked, 2);
    let ids = |run: &str| -> Vec<String> {
        play.engine.interrupts(run).unwrap().into_iter().map(|one| one.id).collect()
    };
    assert_eq!(ids(&run), ["begin[0]/declared#1/after", "begin[1]/inside#1/1"]);
    let declared = &play.engine.interrupts(&run).unwrap()[0];
    assert_eq!(
        (declared.question.as_str(), declared.answer.as_str()),
        ("ship one?", "{go: bool, note: string?}")
    );

    for (id, value, words) in [
        ("begin[0]/declared#1/after", json!(true), "expected"),
        ("begin[0]/declared#1/after", json!({"go": "yes"}), "expected bool"),
        ("begin[0]/declared#1", json!(true), "does not wait"),
    ] {
        let fault = play.answer(&run, &[(id, value)]).unwrap_err();
        assert_eq!(fault.exit, 2);
        assert!(fault.message.contains(words), "{}", fault.message);
    }
    // A wrong one among several: none is taken.
    play.answer(&run, &[("begin[1]/inside#1/1", json!(true)), ("nobody", json!(1))]).unwrap_err();
    assert_eq!(ids(&run).len(), 2);

    play.answer(&run, &[("begin[1]/inside#1/1", json!(true))]).unwrap();
    assert_eq!(ids(&run), ["begin[0]/declared#1/after"]);
    assert_eq!(play.go(&run).0.exit, 12);
    assert_eq!(ids(&run), ["begin[0]/declared#1/after", "begin[1]/inside#1/3"]);
    let again = play.answer(&run, &[("begin[1]/inside#1/1", json!(false))]).unwrap_err();
    assert!(again.message.contains("does not wait"), "{}", again.message);

    let answer = json!({"go": true, "note": null});
    play.answer(&run, &[("begin[0]/declared#1/after", answer), ("begin[1]/inside#1/3", json!(false))])
        .unwrap();
    assert_eq!(play.go(&run).0.exit, 12);
    assert_eq!(ids(&run), ["join#1/before"]);
    play.answer(&run, &[("join#1/before", json!(true))]).unwrap();
    let (result, _) = play.go(&run);
    assert_eq!((result.end.as_deref(), result.output), (Some("done"), json!(["none", "false", "somebody"])));
    assert_eq!(play.state(&run)["text"], json!("two three four"));

    let mut performed = play.stage.performed.lock().unwrap().clone();
    performed.sort();
    let mut once = performed.clone();
    once.dedup();
    assert_eq!((performed.len(), &performed), (6, &once));
    assert_eq!(play.replay(&run).end.as_deref(), Some("done"));
    assert!(play.engine.answer(&run, &[("x".to_owned(), json!(1))].into()).is_err());
}

#[test]
fn where_the_condition_does_not_hold_nobody_is_asked() {
    let play = Play::new(Stage::default());
    let run = play.start(ASK, json!({}));
    play.go(&run);
    let answer = json!({"go": false, "note": "not now"});
    play.answer(&run, &[("begin[0]/declared#1/after", answer), ("begin[1]/inside#1/1", json!(true))])
        .unwrap();
    play.go(&run);
    play.answer(&run, &[("begin[1]/inside#1/3", json!(true))]).unwrap();
    let (result, _) = play.go(&run);
    assert_eq!((result.end.as_deref(), result.exit), (Some("no"), 13));
    assert_eq!(play.state(&run)["notes"], json!(["not now", "true", "nobody"]));
}

const CALLED: &str = "
format: 1
name: called
state: {notes: {type: list<string>, reduce: append}}
limits: {steps: 50, exhausted: stopped}
ends: {done: {outcome: success, output: =notes}, stopped: failure}
graphs:
  inner:
    inputs: {i: int}
    returns: int
    ends: {out: {outcome: success, output: =inputs.i}}
    start: one
    nodes:
      one: {kind: puppet, with: {does: ['ship it']}, next: out}
start: begin
nodes:
  begin: {kind: puppet, next: [call, each]}
  call:
    kind: subgraph
    graph: inner
    with: {i: 7}
    interrupt: {at: after, ask: \"='take ' + string(output.value) + '?'\", answer: bool}
    writes: {notes: '=[string(answer)]'}
    next: join
  each:
    kind: map
    graph: inner
    over: '[1, 2]'
    failed: skip
    with: {i: =item}
    interrupt: {at: after, when: size(output.values) == 2, answer: string}
    writes: {notes: \"=[answer == 'well' ? 'yes' : 'no']\"}
    next: join
  join: {kind: puppet, next: done}
";

#[test]
fn a_call_and_a_map_ask_when_all_that_they_called_has_returned() {
    let play = Play::new(Stage::default());
    let run = play.start(CALLED, json!({}));
    assert_eq!(play.go(&run).0.exit, 12);
    let open = play.engine.interrupts(&run).unwrap();
    let asked: Vec<(&str, &str)> = open.iter().map(|one| (one.id.as_str(), one.question.as_str())).collect();
    assert_eq!(
        asked,
        [("begin[0]/call#1/after", "take 7?"), ("begin[1]/each#1/after", "after `each`: go on?")]
    );
    // Asked once, however often somebody looks.
    assert_eq!(play.go(&run).0.exit, 12);
    let interrupts = |run: &str| {
        let records = play.engine.store().records(run).unwrap();
        records.iter().filter(|sealed| matches!(sealed.record, Record::Interrupt(_))).count()
    };
    assert_eq!(interrupts(&run), 2);
    play.answer(&run, &[("begin[0]/call#1/after", json!(false)), ("begin[1]/each#1/after", json!("well"))])
        .unwrap();
    assert_eq!(play.go(&run).0.output, json!(["false", "yes"]));
    assert_eq!(play.replay(&run).end.as_deref(), Some("done"));
    assert_eq!(play.stage.performed.lock().unwrap().len(), 3);
}
