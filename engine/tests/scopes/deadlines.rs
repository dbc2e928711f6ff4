//! Questions that time answers where nobody did, and waiting for nothing but time.

use prunella_engine::store::{RunStatus, Store};
use serde_json::json;

use crate::puppet::{Play, Stage};

const HOUR: u64 = 3_600_000;

/// A graph whose one task does `does`; it ends in `yes` or `no` by what was answered.
fn asks(does: &str) -> String {
    format!(
        "
format: 1
name: asks
ends: {{yes: success, no: declined}}
start: one
nodes:
  one:
    kind: puppet
    with: {{does: ['look a', '{does}', 'look b']}}
    next:
      - {{when: output.ok, to: yes}}
      - {{else: no}}
"
    )
}

fn at_rest(play: &Play, run: &str) -> (u8, Option<String>) {
    let (result, _) = play.go(run);
    (result.exit, result.end)
}

#[test]
fn a_question_is_answered_in_time_or_by_time() {
    let graph = asks(&format!("by {HOUR} ship?"));
    let play = Play::new(Stage::default());
    let run = play.start(&graph, json!({}));
    let (result, _) = play.go(&run);
    assert_eq!((result.status, result.exit), (RunStatus::Waiting, 12), "a person is never waited for");
    let why = result.error.unwrap();
    assert!(why.message.contains("one#1/1 until 2026-11-18 12:06"), "{}", why.message);
    let open = play.engine.interrupts(&run).unwrap();
    let until = open[0].until_ms.unwrap();
    // Taken up again before it is due: the same question with the same time.
    assert_eq!(at_rest(&play, &run), (12, None));
    assert_eq!(play.engine.interrupts(&run).unwrap()[0].until_ms, Some(until));
    play.answer(&run, &[("one#1/1", json!(true))]).unwrap();
    assert_eq!(at_rest(&play, &run), (0, Some("yes".to_owned())));
    assert_eq!(play.replay(&run).end.as_deref(), Some("yes"));

    let run = play.start(&graph, json!({}));
    assert_eq!(at_rest(&play, &run), (12, None));
    play.clock.advance(HOUR);
    let late = play.answer(&run, &[("one#1/1", json!(true))]).unwrap_err();
    assert_eq!((late.code.as_str(), late.exit), ("interrupt.late", 2), "{}", late.message);
    assert_eq!(at_rest(&play, &run), (13, Some("no".to_owned())));
    assert_eq!(play.replay(&run).end.as_deref(), Some("no"), "time's answer is recorded");
    let looks = play.stage.performed.lock().unwrap().iter().filter(|line| line.ends_with(" a")).count();
    assert_eq!(looks, 2, "once a run");
}

#[test]
fn a_short_wait_is_sat_out_and_a_long_one_parks_the_run() {
    let play = Play::new(Stage::default());
    let run = play.start(&asks("wait 60000"), json!({}));
    let (result, _) = play.go(&run);
    assert_eq!((result.exit, result.end.as_deref()), (13, Some("no")));
    let view = play.engine.view(&run).unwrap();
    assert!(view.steps[0].active_ms < 60_000, "waiting is no work: {}", view.steps[0].active_ms);
    assert_eq!(play.replay(&run).end.as_deref(), Some("no"));

    let run = play.start(&asks(&format!("wait {HOUR}")), json!({}));
    let (result, _) = play.go(&run);
    assert_eq!((result.status, result.exit), (RunStatus::Waiting, 12));
    let why = result.error.unwrap();
    assert!(why.message.starts_with("waiting one#1/1 until 2026-"), "{}", why.message);
    play.clock.advance(HOUR);
    assert_eq!(at_rest(&play, &run), (13, Some("no".to_owned())));
    assert_eq!(play.replay(&run).end.as_deref(), Some("no"));
}

#[test]
fn a_wait_goes_on_from_where_a_killed_process_left_it() {
    let dir = tempfile::tempdir().unwrap();
    let run = {
        let play = Play::on(Store::open(dir.path()).unwrap(), Stage::default());
        let run = play.start(&asks(&format!("wait {HOUR}")), json!({}));
        assert_eq!(at_rest(&play, &run), (12, None));
        run
    };
    // Another process, half an hour later by its clock: the rest of the time, not all of it.
    let play = Play::on(Store::open(dir.path()).unwrap(), Stage::default());
    play.clock.advance(HOUR / 2);
    assert_eq!(at_rest(&play, &run), (12, None));
    play.clock.advance(HOUR / 2);
    assert_eq!(at_rest(&play, &run), (13, Some("no".to_owned())));
}

#[test]
fn whoever_will_not_wait_answers() {
    let play = Play::new(Stage::default());
    let run = play.start(&asks(&format!("wait {HOUR}")), json!({}));
    assert_eq!(at_rest(&play, &run), (12, None));
    play.answer(&run, &[("one#1/1", json!(true))]).unwrap();
    assert_eq!(at_rest(&play, &run), (0, Some("yes".to_owned())));
}
