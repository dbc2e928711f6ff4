//! Going on after a stop: nothing lost, nothing repeated.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use prunella_engine::Kinds;
use prunella_engine::journal::Record;
use prunella_engine::run::{Engine, StopWish};
use prunella_engine::store::RunStatus;
use serde_json::json;

use crate::prefix::{Left, records, store_with};
use crate::scene::{LOOP, Scene, Script, ScriptedWorld, graph, kinds, options};

#[test]
fn a_resume_from_any_prefix_of_the_journal_equals_the_uninterrupted_run() {
    let whole = Scene::new(Script::default());
    let run = whole.start(LOOP);
    let result = whole.finish(&run);
    let state = whole.engine.view(&run).unwrap().state;
    let records = records(whole.engine.store(), &run);
    assert!(records.len() > 35, "{}", records.len());

    for cut in 1..=records.len() {
        let kept = &records[..cut];
        let left = Left::after(kept, whole.world.performed());
        let world = ScriptedWorld { shipped: Mutex::new(left.happened), ..ScriptedWorld::default() };
        let scene = Scene::on(store_with(LOOP, kept), world);
        assert_eq!(scene.finish(&run), result, "cut after {cut}");
        assert_eq!(scene.engine.view(&run).unwrap().state, state, "cut after {cut}");
        let mut performed = scene.world.performed();
        // Effects of one task that are asked for together are performed in any order.
        performed.sort();
        assert_eq!(performed, left.performed, "cut after {cut}");
    }
}

#[test]
fn a_failing_effect_is_tried_again_and_then_stops_the_run_resumable() {
    let failing =
        |times| Script { failures: BTreeMap::from([("work.do".to_owned(), times)]), ..Script::default() };
    let scene = Scene::new(failing(2));
    let run = scene.start(LOOP);
    assert_eq!(scene.finish(&run).exit, 0);
    let view = scene.engine.view(&run).unwrap();
    assert!(
        view.steps
            .iter()
            .flat_map(|step| &step.effects)
            .filter(|e| e.name == "work.do")
            .all(|e| e.tries == 3)
    );

    let scene = Scene::new(failing(4));
    let run = scene.start(LOOP);
    let result = scene.finish(&run);
    let fault = result.error.unwrap();
    assert_eq!(
        (result.status, result.exit, fault.code.as_str()),
        (RunStatus::Stopped, 30, "model.throttled")
    );
    assert_eq!(fault.message, "work#1: work.do: no. 3 with [redacted:TOKEN]");
    assert_eq!(scene.engine.store().row(&run).unwrap().status, RunStatus::Stopped);
    // A new round of tries; each of the six effects needs one resume.
    for _ in 0..5 {
        assert_eq!(scene.finish(&run).exit, 30);
    }
    assert_eq!(scene.finish(&run).exit, 0);
    let performed = scene.world.performed();
    assert_eq!(performed.len(), 3 * 2 + 3 * 2 + 1, "{performed:?}");
}

#[test]
fn the_answer_of_one_effect_survives_the_failure_of_its_sibling() {
    let failures = BTreeMap::from([("look.at plan#1 1".to_owned(), 3)]);
    let scene = Scene::new(Script { failures, ..Script::default() });
    let run = scene.start(LOOP);
    assert_eq!(scene.finish(&run).exit, 30);
    assert_eq!(scene.world.performed(), ["look.at plan#1 0"]);
    assert_eq!(scene.finish(&run).exit, 0);
    assert_eq!(scene.world.performed()[..2], ["look.at plan#1 0", "look.at plan#1 1"]);
    let view = scene.engine.view(&run).unwrap();
    assert_eq!(view.steps[0].effects.iter().map(|e| e.tries).collect::<Vec<_>>(), [1, 4]);
}

#[test]
fn what_cannot_be_told_waits_for_a_person() {
    let whole = Scene::new(Script::default());
    let run = whole.start(LOOP);
    whole.finish(&run);
    let records = records(whole.engine.store(), &run);
    let started = |record: &Record| matches!(record, Record::Effect(e) if e.name == "ship.it");
    let cut = records.iter().position(started).unwrap() + 1;
    let store = store_with(LOOP, &records[..cut]);
    let scene =
        Scene::on(Arc::clone(&store), ScriptedWorld::new(Script { unknown: true, ..Script::default() }));
    let result = scene.finish(&run);
    assert_eq!((result.status, result.exit), (RunStatus::Waiting, 12));
    assert!(result.error.unwrap().message.contains("the forge does not answer"));
    assert!(scene.world.performed().is_empty());
    // Once it can be told, the run goes on.
    let scene = Scene::on(store, ScriptedWorld::new(Script::default()));
    assert_eq!(scene.finish(&run).exit, 0);
    assert_eq!(scene.world.performed(), ["ship.it ship#1 0"]);
}

#[test]
fn a_run_drains_at_a_superstep_and_goes_on() {
    let scene = Scene::new(Script::default());
    let run = scene.start(LOOP);
    let options = options();
    let stop = options.stop.clone();
    stop.wish_for(StopWish::Drain);
    let drained = Engine::new(Arc::clone(scene.engine.store()), kinds(), scene.world.clone(), options);
    let result = crate::scene::runtime().block_on(drained.run(&run, &mut |_| {})).unwrap();
    assert_eq!((result.status, result.exit), (RunStatus::Stopped, 130));
    assert_eq!(scene.engine.view(&run).unwrap().steps.len(), 1);
    assert_eq!(scene.finish(&run).exit, 0);
}

#[test]
fn a_cancelled_run_is_over() {
    let scene = Scene::new(Script::default());
    let run = scene.start(LOOP);
    scene.engine.cancel(&run).unwrap();
    let result = scene.finish(&run);
    assert_eq!((result.status, result.end, result.exit), (RunStatus::Cancelled, None, 130));
    assert!(scene.world.performed().is_empty());
    assert_eq!(scene.engine.cancel(&run).unwrap_err().exit, 7);
    // From outside, while another is at work: it ends at the next occasion.
    let run = scene.start(LOOP);
    let store = Arc::clone(scene.engine.store());
    let mut seen = 0;
    let result = crate::scene::runtime()
        .block_on(scene.engine.run(&run, &mut |_| {
            seen += 1;
            if seen == 5 {
                scene.engine.cancel(&run).unwrap();
            }
        }))
        .unwrap();
    assert_eq!(result.status, RunStatus::Cancelled);
    assert_eq!(store.row(&run).unwrap().status, RunStatus::Cancelled);
}

#[test]
fn a_run_is_pinned_to_its_graph_and_kinds() {
    let scene = Scene::new(Script::default());
    let run = scene.start(LOOP);
    let with = |kinds: Kinds, load: prunella_engine::run::Loader| {
        let mut options = options();
        options.load = load;
        let engine = Engine::new(Arc::clone(scene.engine.store()), kinds, scene.world.clone(), options);
        crate::scene::runtime().block_on(engine.run(&run, &mut |_| {})).unwrap_err()
    };
    let mut newer = kinds();
    newer.kinds.get_mut("work").unwrap().version = 2;
    let fault = with(newer, crate::scene::loader());
    assert_eq!(
        (fault.exit, fault.message.as_str()),
        (7, "the run is pinned to version 1 of kind `work`; this is 2")
    );
    let fault = with(kinds(), Arc::new(|_| Ok(graph(&LOOP.replace("60", "61")))));
    assert_eq!(fault.exit, 7);
    assert!(fault.message.contains("pinned to graph"), "{}", fault.message);
    assert_eq!(scene.engine.store().row(&run).unwrap().status, RunStatus::Created);
}

#[test]
fn a_body_that_asks_for_something_else_is_not_answered_from_the_journal() {
    let scene = Scene::new(Script::default());
    let run = scene.start(LOOP);
    scene.finish(&run);
    let mut records = records(scene.engine.store(), &run);
    records.truncate(3);
    let Record::Effect(effect) = &mut records[2] else { panic!("{:?}", records[2]) };
    effect.request_hash = prunella_engine::canonical::hash(&json!("something else"));
    let scene = Scene::on(store_with(LOOP, &records), ScriptedWorld::new(Script::default()));
    let result = scene.finish(&run);
    assert_eq!(result.exit, 20);
    assert!(result.error.unwrap().message.starts_with("plan#1: request"));
}
