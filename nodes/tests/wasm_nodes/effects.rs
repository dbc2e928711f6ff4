//! Effects of components are the run's: recorded, resumed, replayed.

use prunella_engine::event::Event;
use prunella_engine::replay::replay;
use prunella_engine::run::StopWish;
use prunella_engine::store::Store;
use prunella_engine::trace::{Trace, read};
use serde_json::json;

use crate::scene::{Scene, kinds, loader, runtime, state, task};

/// What a run of the graph asks for, in order.
const EFFECTS: [&str; 5] = [
    "words.fetch words#1 0",
    "words.fetch words#1 1",
    "reading.take median#1 0",
    "reading.take median#1 1",
    "reading.take median#1 2",
];

#[test]
fn samples_in_two_languages_compute() {
    let kinds = kinds();
    let output = task(&kinds.kinds["median"], json!({"sensors": [8, -1, 4]})).unwrap();
    assert_eq!(output, json!({"count": 3, "median": 20}));
    let output = task(&kinds.kinds["words"], json!({"names": ["oak"]})).unwrap();
    assert_eq!((&output["counts"], &output["attempt"]), (&json!({"oak": 3}), &json!(1)));
}

#[test]
fn a_guests_own_error_keeps_its_code() {
    let error = task(&kinds().kinds["median"], json!({"sensors": []})).unwrap_err();
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        ("component.no_sensors", "there is no sensor to read")
    );
}

#[test]
fn a_run_of_components_is_recorded_and_replays() {
    let scene = Scene::on(Store::in_memory().unwrap());
    let run = scene.start();
    let mut lines = Vec::new();
    let result =
        runtime().block_on(scene.engine.run(&run, &mut |event| lines.push(format!("{event:?}")))).unwrap();
    assert_eq!(result.exit, 0);
    assert_eq!(scene.engine.view(&run).unwrap().state, state());
    assert!(lines.iter().any(|line| line.contains("all sensors read")), "{lines:#?}");
    assert_eq!(scene.world.performed(), EFFECTS);
    let bytes = Trace::of_run(scene.engine.store(), &run).unwrap().to_bytes().unwrap();
    let replayed = replay(&read(&bytes).unwrap(), Some(&kinds()), &loader()).unwrap();
    assert_eq!((replayed.bodies, replayed.effects, replayed.state), (true, 5, state()));
}

#[test]
fn a_run_stopped_inside_a_component_goes_on_after_its_last_effect() {
    let mut stopped_inside = 0;
    for at in 1..40 {
        let store = Store::in_memory().unwrap();
        let first = Scene::on(store.clone());
        let run = first.start();
        let stop = first.stop.clone();
        let (mut seen, mut recorded) = (0, Vec::new());
        let result = runtime().block_on(first.engine.run(&run, &mut |event| {
            seen += 1;
            if seen == at {
                stop.wish_for(StopWish::Now);
            }
            if let Event::EffectDone { lane, ordinal, name, .. } = event {
                recorded.push(format!("{name} {lane} {ordinal}"));
            }
        }));
        if result.unwrap().exit == 0 {
            break;
        }
        stopped_inside += usize::from(matches!(recorded.len(), 1 | 3 | 4));
        drop(first);
        let second = Scene::on(store);
        assert_eq!(
            runtime().block_on(second.engine.run(&run, &mut |_| {})).unwrap().exit,
            0,
            "stopped at {at}"
        );
        assert_eq!(second.engine.view(&run).unwrap().state, state(), "stopped at {at}");
        recorded.extend(second.world.performed());
        assert_eq!(recorded, EFFECTS, "stopped at {at}");
    }
    assert!(stopped_inside > 2, "{stopped_inside}");
}

#[test]
fn two_runs_give_the_same_bytes() {
    let bytes = || {
        let scene = Scene::on(Store::in_memory().unwrap());
        let run = scene.start();
        runtime().block_on(scene.engine.run(&run, &mut |_| {})).unwrap();
        let journal = Trace::of_run(scene.engine.store(), &run).unwrap().to_bytes().unwrap();
        (run, journal)
    };
    assert_eq!(bytes(), bytes());
}
