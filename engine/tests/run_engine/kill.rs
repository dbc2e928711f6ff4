//! `kill -9`, for real: another process runs, is killed at every point, and the run is taken up here.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use prunella_engine::store::Store;

use crate::scene::{LOOP, Scene, Script, ScriptedWorld};

const DIR: &str = "PRUNELLA_TEST_CHILD_DIR";
const POINT: &str = "PRUNELLA_TEST_CHILD_POINT";

/// Says that the point is reached and waits to be killed.
fn halt() {
    println!("HALT");
    std::io::stdout().flush().unwrap();
    loop {
        std::thread::park();
    }
}

/// The process that is killed: does nothing in an ordinary run of the tests.
#[test]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let point = std::env::var(POINT).unwrap();
    let dir = Path::new(&dir);
    let (kind, at) = point.split_once(' ').unwrap();
    let mut world =
        ScriptedWorld { file: Some(dir.join("effects")), ..ScriptedWorld::new(Script::default()) };
    if kind == "effect" {
        let at = at.to_owned();
        world.hook = Some(Box::new(move |call| {
            if crate::scene::line(call) == at {
                halt();
            }
        }));
    }
    let scene = Scene::on(Store::open(dir).unwrap(), world);
    let run = scene.engine.store().find("@latest").unwrap();
    let at: usize = at.parse().unwrap_or(usize::MAX);
    let mut seen = 0;
    let result = crate::scene::runtime().block_on(scene.engine.run(&run, &mut |_| {
        seen += 1;
        if kind == "event" && seen == at {
            halt();
        }
    }));
    assert_eq!(result.unwrap().exit, 0);
    println!("DONE");
}

/// Runs the child up to `point` and kills it there. False when the run ended before the point.
fn killed(dir: &Path, point: &str) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["kill::child", "--exact", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .env(POINT, point)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let word = lines.map(Result::unwrap).find_map(|line| {
        let word = ["HALT", "DONE"].into_iter().find(|word| line.contains(word))?;
        Some(word)
    });
    // SIGKILL on Unix: nothing of the process's own runs any more.
    child.kill().unwrap();
    child.wait().unwrap();
    word.expect("the child said nothing") == "HALT"
}

/// Kills a run at `point`, takes it up here, and counts from outside. Nothing when there is no such point.
fn survive(point: &str) -> Option<()> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("effects");
    let world = ScriptedWorld { file: Some(file.clone()), ..ScriptedWorld::new(Script::default()) };
    let scene = Scene::on(Store::open(dir.path()).unwrap(), world);
    let run = scene.start(LOOP);
    if !killed(dir.path(), point) {
        return None;
    }
    let result = scene.finish(&run);
    assert_eq!(result.exit, 0, "{point}: {result:?}");
    let view = scene.engine.view(&run).unwrap();
    let lanes: Vec<String> = view.steps.iter().map(|step| step.lane.to_string()).collect();
    assert_eq!(lanes, ["plan#1", "work#1", "plan#2", "work#2", "plan#3", "work#3", "ship#1"], "{point}");
    assert_eq!(view.state["lessons"].as_array().unwrap().len(), 3, "{point}");

    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for line in std::fs::read_to_string(&file).unwrap().lines() {
        *counts.entry(line.to_owned()).or_default() += 1;
    }
    assert_eq!(counts.len(), 13, "{point}: {counts:?}");
    assert_eq!(counts["ship.it ship#1 0"], 1, "{point}: shipped twice");
    let twice: Vec<&String> = counts.iter().filter(|(_, count)| **count > 1).map(|(line, _)| line).collect();
    match point.strip_prefix("effect ") {
        // The journal could not know of its answer; of all others it did.
        Some(effect) => assert!(twice.iter().all(|line| same_task(line, effect)), "{point}: {twice:?}"),
        // Between an effect's start and its answer at most what is in the air is asked again.
        None => assert!(twice.len() <= 2, "{point}: {twice:?}"),
    }
    Some(())
}

/// Whether two effects are of one task, and so may have been in the air together.
fn same_task(a: &str, b: &str) -> bool {
    a.split(' ').nth(1) == b.split(' ').nth(1)
}

#[test]
fn killed_at_every_event_the_run_loses_and_repeats_nothing() {
    let scene = Scene::new(Script::default());
    let events = scene.go(&scene.start(LOOP)).1.len();
    assert!(events >= 40, "only {events} events");
    let next = AtomicUsize::new(1);
    // Most of the time goes into waiting for processes and disks.
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                loop {
                    let point = next.fetch_add(1, Ordering::SeqCst);
                    // The last event is told when the end is on disk; behind it nothing is left to kill.
                    if point > events {
                        return;
                    }
                    assert!(survive(&format!("event {point}")).is_some(), "there is no event {point}");
                }
            });
        }
    });
}

#[test]
fn killed_between_an_effect_and_its_record_the_run_finds_out() {
    for effect in ["look.at plan#1 1", "work.do work#2 1", "work.do work#3 0", "ship.it ship#1 0"] {
        assert!(survive(&format!("effect {effect}")).is_some(), "{effect}");
    }
}
