//! A store and a trace of every format that ever was: opened by this program, they go on.
//!
//! `fixtures/v<N>/runs.db` holds three runs of the scripted scene: `ended`, `stopped` in its second attempt with a
//! claim, `cancelled`. `fixtures/v<N>/ended.trace` is the first one's trace. They are made once, by the program
//! whose format N was, and never made again:
//! `UPDATE=1 cargo test -p prunella-engine --test store every_format_has_its_fixture`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use prunella_engine::format;
use prunella_engine::replay::replay;
use prunella_engine::run::RunResult;
use prunella_engine::store::{RunRow, RunStatus, Store};
use prunella_engine::trace::{Trace, read};
use serde_json::json;

use crate::scene::{LOOP, Scene, Script, ScriptedWorld, kinds, loader};

/// What the stopped run claims.
const CLAIM: &str = "repo fingerprint";

fn folder(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/v{version}"))
}

/// A store that can be written, with the database of format `version` in it.
pub(crate) fn copy_of(version: u32) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(folder(version).join("runs.db"), dir.path().join("runs.db")).unwrap();
    dir
}

fn by_status(store: &Store) -> BTreeMap<&'static str, RunRow> {
    store.list().unwrap().into_iter().map(|row| (row.status.word(), row)).collect()
}

/// Makes the fixture of this program's format.
fn make(folder: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let failures = BTreeMap::from([("work.do work#2 1".to_owned(), 9)]);
    let scene = Scene::on(Store::open(dir.path()).unwrap(), ScriptedWorld::new(Script::default()));
    let ended = scene.start(LOOP);
    assert_eq!(scene.finish(&ended).exit, 0);
    let cancelled = scene.start(LOOP);
    scene.engine.cancel(&cancelled).unwrap();
    let trace = Trace::of_run(scene.engine.store(), &ended).unwrap().to_bytes().unwrap();
    let store = std::sync::Arc::clone(scene.engine.store());
    let failing = Scene::on(store, ScriptedWorld::new(Script { failures, ..Script::default() }));
    let stopped = scene.start(LOOP);
    failing.engine.store().claim(CLAIM, &stopped).unwrap();
    assert_eq!(failing.finish(&stopped).exit, 30);
    drop((scene, failing));
    std::fs::create_dir_all(folder).unwrap();
    std::fs::copy(dir.path().join("runs.db"), folder.join("runs.db")).unwrap();
    std::fs::write(folder.join("ended.trace"), trace).unwrap();
}

#[test]
fn every_format_has_its_fixture() {
    let newest = folder(format::STORE);
    if std::env::var_os("UPDATE").is_some() && !newest.exists() {
        make(&newest);
    }
    for version in 1..=format::STORE {
        let size = std::fs::metadata(folder(version).join("runs.db")).unwrap().len();
        assert!(size < 200_000, "v{version}: {size}");
    }
}

#[test]
fn a_store_of_any_format_is_opened_listed_and_resumed() {
    for version in 1..=format::STORE {
        let dir = copy_of(version);
        let scene = Scene::on(Store::open(dir.path()).unwrap(), ScriptedWorld::new(Script::default()));
        let store = std::sync::Arc::clone(scene.engine.store());
        let runs = by_status(&store);
        assert_eq!(runs.keys().copied().collect::<Vec<_>>(), ["cancelled", "ended", "stopped"], "v{version}");
        assert!(runs.values().all(|row| row.graph == "scripted" && row.local == json!({"repo": "/here"})));

        // The one that is over gives its result, and its world is not asked for anything.
        let result: RunResult = scene.finish(&runs["ended"].id);
        assert_eq!((result.status, result.end.as_deref(), result.exit), (RunStatus::Ended, Some("done"), 0));
        assert_eq!(scene.finish(&runs["cancelled"].id).status, RunStatus::Cancelled);
        assert!(scene.world.performed().is_empty());

        // The one that stopped goes on where it was, and only there.
        let stopped = &runs["stopped"].id;
        assert_eq!(store.claimed(CLAIM).unwrap().as_ref(), Some(stopped));
        assert_eq!(scene.engine.view(stopped).unwrap().steps.len(), 4);
        assert_eq!(scene.finish(stopped).exit, 0);
        assert_eq!(scene.world.performed()[0], "work.do work#2 1", "v{version}");
        assert_eq!(scene.world.performed().len(), 1 + 2 + 2 + 1);
        let view = scene.engine.view(stopped).unwrap();
        assert_eq!((view.steps.len(), view.state["lessons"].as_array().unwrap().len()), (7, 3));
        let work = view.steps.iter().find(|step| step.lane.to_string() == "work#2").unwrap();
        assert_eq!(work.effects[1].tries, 4, "the tries before the stop count");

        // Opened again, nothing is done twice.
        drop((scene, store));
        let again = Store::open(dir.path()).unwrap();
        assert_eq!(again.row(stopped).unwrap().status, RunStatus::Ended);
    }
}

#[test]
fn a_run_and_a_trace_of_any_format_replay() {
    for version in 1..=format::STORE {
        let dir = copy_of(version);
        let store = Store::open(dir.path()).unwrap();
        let run = by_status(&store)["ended"].id.clone();
        let bytes = std::fs::read(folder(version).join("ended.trace")).unwrap();
        let trace = read(&bytes).unwrap();
        let stored = Trace::of_run(&store, &run).unwrap();
        assert_eq!(
            stored.records, trace.records,
            "v{version}: the store's records are the trace's, to the byte"
        );
        for trace in [stored, trace] {
            let replayed = replay(&trace, Some(&kinds()), &loader()).unwrap();
            assert_eq!((replayed.steps, replayed.effects, replayed.end.as_deref()), (7, 13, Some("done")));
            assert_eq!(replayed.state["url"], json!("forge/0"));
        }
    }
}
