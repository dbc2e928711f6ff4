//! What a run does when nothing goes wrong outside of it.

use prunella_engine::event::Event;
use prunella_engine::store::RunStatus;
use serde_json::json;

use crate::scene::{LOOP, Scene, Script, graph};

#[test]
fn the_third_attempt_succeeds_and_everybody_is_told() {
    let scene = Scene::new(Script::default());
    let run = scene.start(LOOP);
    let (result, events) = scene.go(&run);
    let result = result.unwrap();
    assert_eq!((result.status, result.end.as_deref(), result.exit), (RunStatus::Ended, Some("done"), 0));
    assert_eq!(result.output, json!({"url": "forge/0", "goal": "mend"}));

    let begun: Vec<String> = events
        .iter()
        .filter_map(|event| match event {
            Event::TaskStarted { lane, attempt, max_attempts, .. } => {
                Some(format!("{lane} {attempt}/{max_attempts}"))
            }
            _ => None,
        })
        .collect();
    let expected =
        ["plan#1 1/3", "work#1 1/3", "plan#2 2/3", "work#2 2/3", "plan#3 3/3", "work#3 3/3", "ship#1 3/3"];
    assert_eq!(begun, expected);

    let view = scene.engine.view(&run).unwrap();
    assert_eq!(view.state["lessons"], json!(["attempt 1 failed", "attempt 2 failed", "attempt 3 failed"]));
    assert_eq!(
        view.state["plan"],
        json!("\"saw here ([redacted:TOKEN])\" \"saw there ([redacted:TOKEN])\" after 2")
    );
    assert_eq!(view.cost_microusd, 60);
    let work = view.steps.iter().find(|step| step.lane.to_string() == "work#3").unwrap();
    assert_eq!(work.output["visits"], 3);
    assert_eq!(work.edge.as_deref(), Some("next[0]"));
    let ship = view.steps.last().unwrap();
    assert_eq!(ship.output["draft"], true);
    assert_eq!(view.run.local, json!({"repo": "/here"}));
    // A run that is over gives its result again and does nothing.
    assert_eq!(scene.finish(&run), result);
    assert_eq!(scene.world.performed().len(), 3 * 2 + 3 * 2 + 1);
}

#[test]
fn the_first_attempt_may_do() {
    let scene = Scene::new(Script { ok_at: 1, ..Script::default() });
    let run = scene.start(LOOP);
    assert_eq!(scene.finish(&run).exit, 0);
    assert_eq!(scene.engine.view(&run).unwrap().steps.len(), 3);
}

#[test]
fn attempts_run_out() {
    let scene = Scene::new(Script { ok_at: 9, ..Script::default() });
    let run = scene.start(LOOP);
    let result = scene.finish(&run);
    assert_eq!((result.end.as_deref(), result.limit, result.exit), (Some("gave_up"), None, 10));
    let view = scene.engine.view(&run).unwrap();
    assert_eq!(view.steps.last().unwrap().edge.as_deref(), Some("next[1].exhausted"));
    assert_eq!(view.state["lessons"].as_array().unwrap().len(), 3);
}

#[test]
fn a_limit_is_told_wherever_it_leads() {
    for (source, script, limit) in [
        (LOOP.replace("60", "3"), Script::default(), "steps"),
        (LOOP.replace("1h", "1ms"), Script::default(), "wall"),
        (LOOP.to_owned(), Script { cost: 600_000, ..Script::default() }, "cost"),
    ] {
        let scene = Scene::new(script);
        let result = scene.finish(&scene.start(&source));
        assert_eq!(
            (result.end.as_deref(), result.limit.as_deref(), result.exit),
            (Some("gave_up"), Some(limit), 14)
        );
    }
}

#[test]
fn a_run_is_held_to_the_limit_of_its_settings_and_so_is_its_replay() {
    let held = |most: u64| {
        let scene = Scene::new(Script { cost: 300_000, ..Script::default() });
        let new = prunella_engine::run::NewInputs {
            inputs: json!({"goal": "mend"}),
            settings: json!({"limits": {"cost_microusd": most}}),
            local: json!({}),
        };
        let run = scene.engine.start(&graph(LOOP), new).unwrap();
        let result = scene.finish(&run);
        let trace = prunella_engine::trace::Trace::of_run(scene.engine.store(), &run).unwrap();
        let replayed =
            prunella_engine::replay::replay(&trace, Some(&crate::scene::kinds()), &crate::scene::loader());
        assert_eq!(replayed.unwrap().end, result.end);
        (result.limit, result.exit)
    };
    assert_eq!(held(1), (Some("cost".to_owned()), 14));
    // Settings never raise what the graph allows, which is a dollar.
    assert_eq!(held(u64::MAX), held(1_000_000));
}

#[test]
fn inputs_are_checked_before_there_is_a_run() {
    let scene = Scene::new(Script::default());
    for (inputs, words) in [
        (json!({}), "input `goal` (string) is missing"),
        (json!({"goal": 5}), "input `goal`: expected string"),
        (json!({"goal": "x", "gaol": 1}), "no input `gaol`"),
    ] {
        let new = prunella_engine::run::NewInputs { inputs, settings: json!({}), local: json!({}) };
        let fault = scene.engine.start(&graph(LOOP), new).unwrap_err();
        assert!(fault.message.contains(words), "{}", fault.message);
        assert_eq!(fault.exit, 2);
    }
    assert!(scene.engine.store().list().unwrap().is_empty());
}
