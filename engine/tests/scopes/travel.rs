//! Looking back, going another way, and changing the state by hand.

use prunella_engine::run::{Change, diff};
use prunella_engine::scheduler::{Update, Writes};
use prunella_engine::store::{Reach, RunStatus};
use prunella_engine::trace::Trace;
use serde_json::{Value, json};

use crate::puppet::{Play, Stage, graph};

const LONG: &str = "
format: 1
name: long
inputs: {text: string}
state: {notes: {type: list<string>, reduce: append}, n: {type: int, reduce: sum}, last: string}
limits: {steps: 5000, exhausted: done}
ends: {done: success}
start: step
nodes:
  step:
    kind: puppet
    with: {does: '=[inputs.text]'}
    writes: {notes: '=[output.text]', n: 1, last: =output.text}
    next:
      - {when: n >= 300, to: done}
      - {retry: step, max_attempts: 1000, exhausted: done}
";

#[test]
fn any_state_is_the_fold_of_what_was_written_before_it() {
    let play = Play::new(Stage::default());
    let run = play.start(LONG, json!({"text": "x".repeat(400)}));
    assert_eq!(play.go(&run).0.exit, 0);
    let history = play.engine.history(&run).unwrap();
    assert_eq!(history.len(), 300);
    assert_eq!(history[6].lane.as_ref().unwrap().to_string(), "step#7");
    assert_eq!((history[6].superstep, history[6].edge.as_deref()), (Some(7), Some("next[1].retry")));
    assert_eq!(history[6].keys, ["last", "n", "notes"]);
    let states: Vec<Value> = [0, 1, 77, 150, 299, 300]
        .iter()
        .map(|step| json!(play.engine.state_at(&run, &step.to_string()).unwrap().states[""]["n"]))
        .collect();
    assert_eq!(states, [json!(0), json!(1), json!(77), json!(150), json!(299), json!(300)]);
    let with = play.engine.state_at(&run, "step#200").unwrap();
    assert_eq!(with.states[""]["notes"].as_array().unwrap().len(), 200);
    assert_eq!(with.under_way[0].to_string(), "step#201");
    assert!(play.engine.store().snapshot_within(&run, Reach::Record(u64::MAX >> 33)).unwrap().is_some());
    // Snapshots change nothing but the time it takes.
    play.engine.store().drop_snapshots(&run).unwrap();
    assert_eq!(play.engine.state_at(&run, "step#200").unwrap(), with);
    let fault = play.engine.state_at(&run, "step#301").unwrap_err();
    assert_eq!((fault.exit, fault.code.as_str()), (2, "run.step"));

    let changes = play.engine.changes(&run, "3", "4").unwrap();
    let keys: Vec<&str> = changes.iter().map(|change| change.key.as_str()).collect();
    assert_eq!(keys, ["n", "notes"]);
    assert_eq!((&changes[0].before, &changes[0].after), (&Some(json!(3)), &Some(json!(4))));
}

const WORK: &str = "
format: 1
name: work
inputs: {}
state: {plan: string, notes: {type: list<string>, reduce: append}}
limits: {steps: 50, exhausted: stopped}
ends: {done: {outcome: success, output: =notes}, stopped: failure}
start: plan
nodes:
  plan: {kind: puppet, with: {does: ['look plan']}, writes: {plan: =output.text}, next: [left, right]}
  left: {kind: puppet, with: {does: ['look left', 'look more']}, writes: {notes: '=[output.text]'}, next: join}
  right: {kind: puppet, with: {does: \"=['look ' + plan]\"}, writes: {notes: '=[output.text]'}, next: join}
  join: {kind: puppet, with: {does: ['look join']}, next: done}
";

#[test]
fn a_fork_does_only_what_changed_and_its_trace_stands_alone() {
    let play = Play::new(Stage::default());
    let (run, _) = play.play(WORK, json!({}));
    let before = play.stage.performed.lock().unwrap().len();
    let writes = Writes { values: [("plan".to_owned(), json!("other"))].into(), ..Writes::default() };
    let update = Update { scope: "plan[1]".to_owned(), node: None, output: None, writes, at_ms: 0 };
    let change = Change { update: Some(update), ..Change::default() };
    let fork = play.engine.fork(&run, "plan#1", change).unwrap();
    let (result, _) = play.go(&fork);
    assert_eq!(result.output, json!(["left more", "other"]));
    let done: Vec<String> = play.stage.performed.lock().unwrap()[before..].to_vec();
    assert_eq!(done, ["plan[1]/right#2 other"]);
    let again = play.replay(&fork);
    assert_eq!((again.end.as_deref(), again.effects), (Some("done"), 4));
    assert_eq!(play.state(&run)["notes"], json!(["left more", "plan"]));

    // Where the first run is gone, everything is done anew.
    let second = play.engine.fork(&run, "0", Change::default()).unwrap();
    play.engine.store().delete(&[run.as_str()]).unwrap();
    let before = play.stage.performed.lock().unwrap().len();
    assert_eq!(play.go(&second).0.exit, 0);
    assert_eq!(play.stage.performed.lock().unwrap().len() - before, 5);
    assert_eq!(play.replay(&fork).end.as_deref(), Some("done"));
}

#[test]
fn a_fork_in_the_middle_of_branches_goes_on_from_there_under_another_graph() {
    let play = Play::new(Stage::in_order(&["left", "more", "plan"]));
    let source = WORK.replace("'look plan'", "'start'").replace("'look ' + plan", "'look plan'");
    let (run, _) = play.play(&source, json!({}));
    let lane = "plan[0]/left#1";
    let changed = graph(&source.replace("['look join']", "['look join', 'look again']"));
    let change = Change { graph: Some(changed), ..Change::default() };
    let before = play.stage.performed.lock().unwrap().len();
    let fork = play.engine.fork(&run, lane, change).unwrap();
    assert_eq!(play.go(&fork).0.output, json!(["left more", "plan"]));
    assert_eq!(play.stage.performed.lock().unwrap()[before..], ["join#1 again"]);
    // A graph without what is under way is refused with its name.
    let without = source.replace("right", "gone");
    let change = Change { graph: Some(graph(&without)), ..Change::default() };
    let fault = play.engine.fork(&run, "plan#1", change).unwrap_err();
    assert_eq!(fault.exit, 7);
    assert!(fault.message.contains("`right`"), "{}", fault.message);

    let store = play.engine.store();
    let (a, b) = (store.records(&run).unwrap(), store.records(&fork).unwrap());
    let found = diff((a, store.as_ref()), (b, store.as_ref())).unwrap();
    assert!(found.only_a.iter().any(|lane| lane.to_string() == "plan#1"));
    let join = found.tasks.iter().find(|task| task.lane.to_string() == "join#1").unwrap();
    assert_eq!((join.what.as_str(), &join.b), ("request", &json!("again")));
    let same = Trace::of_run(store, &run).unwrap();
    let same = (same.records.clone(), same.blobs.as_ref() as &dyn prunella_engine::blob::Blobs);
    assert!(diff((store.records(&run).unwrap(), store.as_ref()), same).unwrap().is_empty());
}

const PARKED: &str = "
format: 1
name: parked
state: {notes: {type: list<string>, reduce: append}, n: int}
limits: {steps: 50, exhausted: stopped}
ends: {done: {outcome: success, output: =notes}, stopped: failure}
start: begin
nodes:
  begin: {kind: puppet, writes: {n: 1}, next: [a, b]}
  a: {kind: puppet, interrupt: before, with: {n: =n}, writes: {notes: '=[output.lane]'}, next: a2}
  a2: {kind: puppet, with: {does: \"=['n' + string(n)]\"}, writes: {notes: '=[output.text]'}, next: join}
  b: {kind: puppet, with: {does: ['ask b?']}, writes: {notes: '=[output.lane]'}, next: join}
  join: {kind: puppet, next: done}
";

fn update(scope: &str, node: Option<&str>, output: Option<Value>, values: Value) -> Update {
    let values = values.as_object().unwrap().clone().into_iter().collect();
    let writes = Writes { values, ..Writes::default() };
    Update { scope: scope.to_owned(), node: node.map(str::to_owned), output, writes, at_ms: 0 }
}

#[test]
fn an_update_in_a_branch_does_not_skip_the_join() {
    let play = Play::new(Stage::default());
    let run = play.start(PARKED, json!({}));
    assert_eq!(play.go(&run).0.status, RunStatus::Waiting);
    let records = play.engine.store().records(&run).unwrap().len();
    for (bad, words) in [
        (update("nowhere", None, None, json!({"n": 1})), "no scope"),
        (update("", None, None, json!({"n": 1})), "waits for its branches"),
        (update("begin[0]", None, None, json!({"m": 1})), "no state key `m`"),
        (update("begin[0]", None, None, json!({"n": "x"})), "expected int"),
        (update("begin[0]", Some("zz"), None, json!({})), "`zz`"),
        (update("begin[0]", Some("a"), Some(json!({"ok": 1})), json!({})), "output"),
    ] {
        let fault = play.engine.update(&run, bad).unwrap_err();
        assert_eq!(fault.exit, 2, "{}", fault.message);
        assert!(fault.message.contains(words), "{}", fault.message);
    }
    assert_eq!(play.engine.store().records(&run).unwrap().len(), records);

    // As if `a` had run: its question is void, `a2` comes next, and the join still waits for `b`.
    let output = json!({"ok": true, "n": 0, "text": "", "lane": "by hand"});
    play.engine.update(&run, update("begin[0]", Some("a"), Some(output), json!({"n": 7}))).unwrap();
    let (result, _) = play.go(&run);
    assert_eq!(result.status, RunStatus::Waiting);
    let open: Vec<String> = play.engine.interrupts(&run).unwrap().into_iter().map(|one| one.id).collect();
    assert_eq!(open, ["begin[1]/b#1/0"]);
    play.answer(&run, &[("begin[1]/b#1/0", json!(true))]).unwrap();
    let (result, _) = play.go(&run);
    assert_eq!(result.output, json!(["by hand", "n7", "begin[1]/b#1"]));
    assert_eq!(play.replay(&run).end.as_deref(), Some("done"));
    let fault = play.engine.update(&run, update("", None, None, json!({"n": 1}))).unwrap_err();
    assert_eq!(fault.exit, 7);
}

#[test]
fn another_graph_is_refused_with_what_changed() {
    let play = Play::new(Stage::default());
    let run = play.start(PARKED, json!({}));
    let other = graph(&PARKED.replace("steps: 50", "steps: 60").replace("ask b?", "ask c?"));
    let fault = play.engine.same_graph(&run, &other).unwrap_err();
    assert_eq!(fault.exit, 7);
    assert!(fault.message.contains("limits.steps: 50 -> 60"), "{}", fault.message);
    assert!(fault.message.contains("nodes.b.with.does"), "{}", fault.message);
    play.engine.same_graph(&run, &graph(PARKED)).unwrap();
}
