//! One owner a run, and a store that refuses clearly.

use std::sync::Arc;

use prunella_engine::store::{Durability, Store};

use crate::scene::{LOOP, Scene, Script, ScriptedWorld};

#[test]
fn a_second_owner_is_refused_also_from_another_connection() {
    let dir = tempfile::tempdir().unwrap();
    let one = Store::open(dir.path()).unwrap();
    let scene = Scene::on(Arc::clone(&one), ScriptedWorld::new(Script::default()));
    let run = scene.start(LOOP);
    let two = Scene::on(Store::open(dir.path()).unwrap(), ScriptedWorld::new(Script::default()));
    let (owner, _) = one.own(&run).unwrap();
    assert!(one.is_live(&run).unwrap() && two.engine.store().is_live(&run).unwrap());
    let fault = two.go(&run).0.unwrap_err();
    assert_eq!((fault.code.as_str(), fault.exit), ("run.owned", 7));
    drop(owner);
    assert_eq!(two.finish(&run).exit, 0);
}

#[test]
fn an_owner_that_lost_its_run_cannot_write() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let scene = Scene::on(Arc::clone(&store), ScriptedWorld::new(Script::default()));
    let run = scene.start(LOOP);
    let (mut old, _) = store.own(&run).unwrap();
    // As on a file system that forgets locks.
    std::fs::remove_file(dir.path().join("locks").join(&run)).unwrap();
    let (_new, _) = store.own(&run).unwrap();
    let fault = old.append(&[], None, Durability::Disk, 0).unwrap_err();
    assert_eq!(fault.exit, 7);
}

#[test]
fn a_store_that_cannot_be_used_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert_eq!(Store::open(&file).unwrap_err().exit, 6);

    let damaged = dir.path().join("damaged");
    std::fs::create_dir_all(&damaged).unwrap();
    std::fs::write(damaged.join("runs.db"), "this is no database at all, and long enough to be looked at")
        .unwrap();
    let fault = Store::open(&damaged).unwrap_err();
    assert_eq!((fault.code.as_str(), fault.exit), ("store.corrupt", 6));
    assert!(fault.message.contains("damaged"), "{}", fault.message);
}

#[test]
fn a_newer_store_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let db = rusqlite::Connection::open(dir.path().join("runs.db")).unwrap();
    db.execute("UPDATE meta SET value = '99' WHERE key = 'format'", []).unwrap();
    drop(db);
    let fault = Store::open(dir.path()).unwrap_err();
    assert_eq!((fault.code.as_str(), fault.exit), ("format.unknown", 22));
}

#[test]
fn a_full_disk_stops_the_run_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let scene = Scene::on(Arc::clone(&store), ScriptedWorld::new(Script { ok_at: 60, ..Script::default() }));
    // Long enough that it does not fit into what is left of the pages that are there.
    let source = LOOP.replace("steps: 60", "steps: 999").replace("max_attempts: 3", "max_attempts: 99");
    let earlier = scene.start(&source);
    assert_eq!(scene.finish(&earlier).exit, 0);
    let run = scene.start(&source);
    store.limit_pages(Some(1)).unwrap();
    let stopped = scene.go(&run).0;
    let fault = match stopped {
        Ok(result) => result.error.unwrap(),
        Err(fault) => fault,
    };
    assert_eq!((fault.code.as_str(), fault.exit), ("store.full", 6));
    store.limit_pages(None).unwrap();
    assert_eq!(scene.engine.view(&earlier).unwrap().state["url"], "forge/0");
    assert_eq!(scene.finish(&run).exit, 0);
}

#[test]
fn runs_are_found_by_prefix_and_latest() {
    let scene = Scene::new(Script::default());
    let store = scene.engine.store();
    assert_eq!(store.find("@latest").unwrap_err().exit, 2);
    let (a, b) = (scene.start(LOOP), scene.start(LOOP));
    assert_eq!(store.find("@latest").unwrap(), b);
    assert_eq!(store.find(&a).unwrap(), a);
    assert_eq!(store.find(&a[..11]).unwrap(), a);
    assert_eq!(store.find(&a[..2]).unwrap_err().code, "run.ambiguous");
    assert_eq!(store.find("zz").unwrap_err().code, "run.unknown");
    assert_eq!(store.claim("repo fp", &a).unwrap(), a);
    assert_eq!(store.claim("repo fp", &b).unwrap(), a);
    store.release_claims(&a).unwrap();
    assert_eq!(store.claim("repo fp", &b).unwrap(), b);
    // Who is over holds nothing any more.
    scene.engine.cancel(&b).unwrap();
    assert_eq!(store.claim("repo fp", &a).unwrap(), a);
}

#[cfg(unix)]
#[test]
fn a_store_that_cannot_be_written_says_so() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let scene = Scene::on(Store::open(&store).unwrap(), ScriptedWorld::new(Script::default()));
    let run = scene.start(LOOP);
    drop(scene);
    let mode = |mode| {
        for path in [store.join("runs.db"), store.join("locks"), store.clone()] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    mode(0o555);
    // For root no permission is missing; there is nothing to see then.
    if std::fs::write(store.join("probe"), "x").is_err() {
        assert_eq!(Store::open(&store).unwrap_err().exit, 6);
    }
    mode(0o755);
    let scene = Scene::on(Store::open(&store).unwrap(), ScriptedWorld::new(Script::default()));
    assert_eq!(scene.finish(&run).exit, 0);
}

#[test]
fn what_a_run_stores_grows_with_what_it_adds() {
    let size = |steps: usize| {
        let dir = tempfile::tempdir().unwrap();
        let script = Script { ok_at: 999, ..Script::default() };
        let scene = Scene::on(Store::open(dir.path()).unwrap(), ScriptedWorld::new(script));
        let attempts = format!("max_attempts: {}", steps / 2);
        let source = LOOP.replace("60", "9999").replace("max_attempts: 3", &attempts);
        assert_eq!(scene.finish(&scene.start(&source)).exit, 10);
        drop(scene);
        std::fs::metadata(dir.path().join("runs.db")).unwrap().len()
    };
    let (once, thrice) = (size(40), size(120));
    assert!(thrice < 3 * once + 64 * 1024, "{once} {thrice}");
}
