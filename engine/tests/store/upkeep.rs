//! Upkeep: runs filtered, deleted, pruned, copied and verified, and what nothing needs given back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use prunella_engine::blob::{BlobRef, Blobs};
use prunella_engine::store::{Durability, Filter, Prune, Reach, RunStatus, Store};
use serde_json::{Value, json};

use crate::both::{both, create, heard, said};
use crate::scene::{LOOP, Scene, Script, ScriptedWorld};

const HOUR: u64 = 60 * 60 * 1000;

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn stand(store: &Arc<Store>, id: &str, status: RunStatus, at_ms: u64) {
    let (mut owner, _) = store.own(id).unwrap();
    owner.append(&[], Some((status, &Value::Null)), Durability::Process, at_ms).unwrap();
}

fn ids(store: &Store, filter: &Filter) -> Vec<String> {
    store.list_by(filter).unwrap().into_iter().map(|row| row.id).collect()
}

fn exists(store: &Store, id: &str) -> bool {
    store.row(id).is_ok()
}

/// Four runs of two graphs; `a` is the oldest.
fn four(store: &Arc<Store>) {
    for (n, (id, graph)) in [("a", "heal"), ("b", "watch"), ("c", "heal"), ("d", "heal")].iter().enumerate() {
        create(store, id, graph, 1000 * (n as u64 + 1));
    }
    stand(store, "a", RunStatus::Ended, 1500);
    stand(store, "b", RunStatus::Cancelled, 2500);
    stand(store, "c", RunStatus::Waiting, 3500);
}

#[test]
fn every_condition_of_a_filter_must_hold() {
    both(|store| {
        four(&store);
        let all = Filter::default();
        let heal = || Some("heal".to_owned());
        let page =
            |before: &str| Filter { before: Some(before.to_owned()), limit: Some(2), ..Filter::default() };
        for (filter, expected) in [
            (all.clone(), "dcba"),
            (Filter { graph: heal(), ..all.clone() }, "dca"),
            (Filter { graph: Some("' OR 1=1 --".to_owned()), ..all.clone() }, ""),
            (Filter { statuses: vec![RunStatus::Ended, RunStatus::Waiting], ..all.clone() }, "ca"),
            (Filter { statuses: vec![RunStatus::Ended], graph: heal(), ..all.clone() }, "a"),
            (Filter { created_after_ms: Some(2000), ..all.clone() }, "dcb"),
            (Filter { created_before_ms: Some(2000), ..all.clone() }, "a"),
            (Filter { updated_before_ms: Some(3000), ..all.clone() }, "ba"),
            (Filter { created_before_ms: Some(u64::MAX), limit: Some(1), ..all.clone() }, "d"),
            (Filter { limit: Some(0), ..all.clone() }, ""),
            (page("d"), "cb"),
            (page("b"), "a"),
            (page("a"), ""),
            (Filter { graph: heal(), ..page("d") }, "ca"),
        ] {
            assert_eq!(ids(&store, &filter).concat(), expected, "{filter:?}");
        }
        let nobody = Filter { before: Some("nobody".to_owned()), ..all };
        assert_eq!(store.list_by(&nobody).unwrap_err().exit, 2);
        // Those of one millisecond have an order too.
        create(&store, "e", "heal", 4000);
        assert_eq!(ids(&store, &page("e")).concat(), "dc");
        assert_eq!(store.find("@latest").unwrap(), "e");
    });
}

#[test]
fn an_id_that_could_be_a_path_is_none() {
    both(|store| {
        create(&store, "a", "g", 1);
        for id in ["", "..", "../runs.db", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert!(!store.is_live(id).unwrap());
            assert_eq!(store.copy("a", id, 1).unwrap_err().exit, 2, "{id}");
            assert_eq!(store.find(&format!("{id}%")).unwrap_err().exit, 2);
        }
        assert!(exists(&store, "a") && store.dir().is_none_or(|dir| dir.join("runs.db").exists()));
    });
}

#[test]
fn a_deleted_run_leaves_nothing_and_touches_nobody() {
    both(|store| {
        four(&store);
        for id in ["a", "c"] {
            let (mut owner, _) = store.own(id).unwrap();
            owner.append(&[said(id), said("more")], None, Durability::Process, 1).unwrap();
            owner.put_snapshot(1, 0, b"state").unwrap();
        }
        store.claim("key a", "a").unwrap();
        store.claim("key c", "c").unwrap();
        let kept = store.records("c").unwrap();
        assert_eq!(store.delete(&["a", "nobody"]).unwrap(), 1);
        assert_eq!(ids(&store, &Filter::default()).concat(), "dcb");
        assert_eq!(store.records("a").unwrap_err().exit, 2);
        assert_eq!(store.snapshot_within("a", Reach::Record(9)).unwrap(), None);
        assert_eq!(store.claimed("key a").unwrap(), None);
        assert_eq!(store.claimed("key c").unwrap().as_deref(), Some("c"));
        assert_eq!(store.records("c").unwrap(), kept);
        assert!(store.snapshot_within("c", Reach::Record(9)).unwrap().is_some());
        // Nobody, or nobody any more: nothing happens.
        assert_eq!(store.delete(&[]).unwrap() + store.delete(&["a"]).unwrap(), 0);
        assert_eq!(store.delete(&["b", "c", "d"]).unwrap(), 3);
        assert!(store.verify(None).unwrap().is_empty());
        // The id is free again.
        create(&store, "a", "g", 1);
        assert_eq!(store.records("a").unwrap().len(), 1);
    });
}

#[test]
fn a_live_run_is_not_deleted_and_nothing_else_is_then() {
    both(|store| {
        four(&store);
        let (owner, _) = store.own("c").unwrap();
        let fault = store.delete(&["a", "c"]).unwrap_err();
        assert_eq!((fault.code.as_str(), fault.exit), ("run.owned", 7));
        assert_eq!(ids(&store, &Filter::default()).concat(), "dcba");
        drop(owner);
        assert_eq!(store.delete(&["a", "c"]).unwrap(), 2);
    });
}

#[test]
fn an_owner_that_lost_its_run_cannot_write_to_one_that_came_after() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    create(&store, "old", "g", 1);
    let (mut owner, _) = store.own("old").unwrap();
    std::fs::remove_file(dir.path().join("locks/old")).unwrap();
    store.delete(&["old"]).unwrap();
    create(&store, "new", "g", 1);
    let (_new, _) = store.own("new").unwrap();
    assert_eq!(owner.append(&[said("lost")], None, Durability::Disk, 1).unwrap_err().exit, 7);
    drop(owner);
    assert_eq!(store.records("new").unwrap().len(), 1);
}

#[test]
fn pruning_keeps_the_latest_of_every_graph_and_says_what_it_takes() {
    both(|store| {
        for (id, graph, status, at_ms) in [
            ("a", "heal", RunStatus::Ended, 1000),
            ("b", "watch", RunStatus::Ended, 2000),
            ("c", "heal", RunStatus::Stopped, 3000),
            ("d", "heal", RunStatus::Cancelled, 4000),
            ("e", "heal", RunStatus::Ended, 5000),
            ("f", "watch", RunStatus::Ended, 6000),
        ] {
            create(&store, id, graph, at_ms);
            stand(&store, id, status, at_ms);
        }
        let prune = |what: &Prune| {
            let pruned = store.prune(what, 10_000).unwrap();
            (pruned.removed.into_iter().map(|row| row.id).collect::<String>(), pruned.live.concat())
        };
        let dry = Prune { dry_run: true, ..Prune::default() };
        let said = |removed: &str| (removed.to_owned(), String::new());
        assert_eq!(prune(&dry), said("fedba"), "those that are over");
        assert_eq!(prune(&Prune { keep_latest: 1, ..dry.clone() }), said("dba"));
        assert_eq!(
            prune(&Prune { keep_latest: 2, ..dry.clone() }),
            said("a"),
            "whatever stands counts as latest"
        );
        assert_eq!(prune(&Prune { older_than_ms: Some(5500), ..dry.clone() }), said("dba"));
        assert_eq!(prune(&Prune { older_than_ms: Some(5500), keep_latest: 1, ..dry.clone() }), said("dba"));
        let heal = Prune { graph: Some("heal".to_owned()), ..dry.clone() };
        assert_eq!(prune(&heal), said("eda"));
        assert_eq!(prune(&Prune { graph: Some("none".to_owned()), ..dry.clone() }), said(""));
        let stopped = Prune { statuses: vec![RunStatus::Stopped], ..dry };
        assert_eq!(prune(&stopped), said("c"));
        assert_eq!(ids(&store, &Filter::default()).concat(), "fedcba", "until now nothing was taken away");

        let owner = store.own("a").unwrap();
        let all = Prune { dry_run: false, ..heal };
        assert_eq!(prune(&Prune { dry_run: true, ..all.clone() }), ("ed".to_owned(), "a".to_owned()));
        assert_eq!(prune(&all), ("ed".to_owned(), "a".to_owned()));
        drop(owner);
        assert_eq!(prune(&all), said("a"));
        assert_eq!(ids(&store, &Filter::default()).concat(), "fcb");
    });
}

#[test]
fn a_copy_is_a_run_of_its_own_and_its_source_stays() {
    both(|store| {
        let failures = [("work.do work#2 1".to_owned(), 9)].into();
        let failing = Script { failures, ..Script::default() };
        let scene = Scene::on(Arc::clone(&store), ScriptedWorld::new(failing));
        let run = scene.start(LOOP);
        assert_eq!(scene.finish(&run).exit, 30);
        store.claim("key", &run).unwrap();
        let (row, records) = (store.row(&run).unwrap(), store.records(&run).unwrap());
        store.copy(&run, "copy", 77).unwrap();
        assert_eq!((store.row(&run).unwrap(), store.records(&run).unwrap()), (row.clone(), records.clone()));

        let (copied, copies) = (store.row("copy").unwrap(), store.records("copy").unwrap());
        assert_eq!((copied.created_ms, copied.status, copied.result), (77, row.status, row.result));
        assert_eq!((copied.graph, copied.local), (row.graph, row.local));
        assert_eq!(copies.len(), records.len());
        assert_eq!(
            copies[1..].iter().map(|one| &one.bytes).collect::<Vec<_>>(),
            records[1..].iter().map(|one| &one.bytes).collect::<Vec<_>>()
        );
        assert_ne!(copies.last().unwrap().chain, records.last().unwrap().chain);
        assert_eq!(store.claimed("key").unwrap().as_ref(), Some(&run), "a copy holds no claims");
        let (a, b) = (scene.engine.view(&run).unwrap(), scene.engine.view("copy").unwrap());
        assert_eq!((a.state, a.steps, b.header.run.as_str()), (b.state, b.steps, "copy"));
        assert!(store.verify(None).unwrap().is_empty());

        // It goes on by itself, also when the source is gone.
        store.delete(&[&run]).unwrap();
        let scene = Scene::on(Arc::clone(&store), ScriptedWorld::new(Script::default()));
        assert_eq!(scene.finish("copy").exit, 0);
        assert_eq!(scene.world.performed()[0], "work.do work#2 1");
        assert_eq!(store.copy("copy", "copy", 1).unwrap_err().code, "run.exists");
        assert_eq!(store.copy("nobody", "x", 1).unwrap_err().exit, 2);
    });
}

#[test]
fn gc_takes_the_blobs_that_nothing_mentions() {
    both(|store| {
        let noise =
            |n: u8| (0_u32..30_000).map(|i| (i.wrapping_mul(i * 31 + u32::from(n)) >> 7) as u8).collect();
        let put = |content: Vec<u8>| store.put(&content).unwrap();
        let put_noise = |n: u8| put(noise(n));
        create(&store, "a", "g", 1);
        create(&store, "b", "g", 1);
        let inner = put_noise(1);
        let outer = put(json!({"deep": [inner]}).to_string().into_bytes());
        let (of_b, outside, unneeded) = (put_noise(2), put_noise(3), put_noise(4));
        for (run, blob) in [("a", &outer), ("b", &of_b)] {
            let (mut owner, _) = store.own(run).unwrap();
            owner.append(&[said(json!(blob).to_string())], None, Durability::Process, 1).unwrap();
        }
        let there = || -> String {
            let all = [("i", &inner), ("o", &outer), ("b", &of_b), ("k", &outside), ("u", &unneeded)];
            all.iter().filter(|(_, blob)| store.get(blob).is_ok()).map(|(name, _)| *name).collect()
        };
        let gc = |after_ms: u64| store.gc(std::slice::from_ref(&outside), now_ms() + after_ms).unwrap();
        assert_eq!(gc(0).blobs, 0, "what is young may be mentioned in a moment");
        assert_eq!(there(), "iobku");
        let swept = gc(2 * HOUR);
        assert_eq!((swept.blobs, swept.locks), (1, 0));
        assert!(swept.blob_bytes > 10_000, "{swept:?}");
        assert_eq!(there(), "iobk");
        // What a deleted run alone mentioned goes after it.
        store.delete(&["b"]).unwrap();
        assert_eq!((gc(2 * HOUR).blobs, there().as_str()), (1, "iok"));
        assert_eq!(store.gc(&[], now_ms() + 2 * HOUR).unwrap().blobs, 1);
        assert_eq!(there(), "io");
        assert!(store.verify(None).unwrap().is_empty());
    });
}

#[test]
fn gc_leaves_what_a_run_at_work_may_be_about_to_mention() {
    both(|store| {
        create(&store, "a", "g", 1);
        let before = store.put(b"put before the run was taken up").unwrap();
        let db_time = now_ms();
        while now_ms() == db_time {
            std::hint::spin_loop();
        }
        let (mut owner, _) = store.own("a").unwrap();
        let blob = store.put(b"put and not yet mentioned").unwrap();
        // As if its effect took days.
        let later = now_ms() + 72 * HOUR;
        assert_eq!(store.gc(&[], later).unwrap().blobs, 1);
        assert!(store.get(&before).is_err() && store.get(&blob).is_ok());
        owner.append(&[said(json!(blob).to_string())], None, Durability::Process, 1).unwrap();
        drop(owner);
        assert_eq!(store.gc(&[], later).unwrap().blobs, 0);
        store.delete(&["a"]).unwrap();
        assert_eq!(store.gc(&[], later).unwrap().blobs, 1);
    });
}

#[test]
fn a_blob_that_is_put_again_is_young_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let blob = store.put(b"content").unwrap();
    let db = rusqlite::Connection::open(dir.path().join("runs.db")).unwrap();
    db.execute("UPDATE blobs SET used_ms = 0", []).unwrap();
    assert_eq!(store.put(b"content").unwrap(), blob);
    assert_eq!(store.gc(&[], now_ms()).unwrap().blobs, 0);
    db.execute("UPDATE blobs SET used_ms = 0", []).unwrap();
    assert_eq!(store.gc(&[], now_ms()).unwrap().blobs, 1);
}

#[test]
fn space_goes_back_to_the_file_system() {
    for version in [1, 2] {
        let dir = crate::fixtures::copy_of(version);
        let store = Store::open(dir.path()).unwrap();
        let size = || std::fs::metadata(dir.path().join("runs.db")).unwrap().len();
        create(&store, "large", "g", 1);
        let (mut owner, _) = store.own("large").unwrap();
        for n in 0..40_u32 {
            let hashes: String = (0..600_u32)
                .map(|i| BlobRef::of(&[n.to_le_bytes(), i.to_le_bytes()].concat()).hash)
                .collect();
            owner.append(&[said(hashes)], None, Durability::Process, 1).unwrap();
        }
        drop(owner);
        store.gc(&[], now_ms()).unwrap();
        let before = size();
        assert!(before > 500_000, "{before}");
        store.delete(&["large"]).unwrap();
        let swept = store.gc(&[], now_ms()).unwrap();
        assert!(size() < 100_000, "v{version}: {} {swept:?}", size());
        assert_eq!(swept.file_bytes, before - size());
        assert!(store.verify(None).unwrap().is_empty());
    }
}

#[test]
fn runs_leave_no_lock_files_and_those_of_dead_processes_go() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let locks = || std::fs::read_dir(dir.path().join("locks")).unwrap().count();
    for n in 0..50 {
        create(&store, &format!("r{n}"), "g", 1);
        drop(store.own(&format!("r{n}")).unwrap());
    }
    assert_eq!(locks(), 0);
    let owner = store.own("r1").unwrap();
    for n in 2..9 {
        std::fs::write(dir.path().join(format!("locks/r{n}")), "").unwrap();
    }
    assert!(!store.is_live("r2").unwrap());
    assert_eq!(locks(), 7, "who looks takes a dead one's file away");
    drop(store.own("r3").unwrap());
    assert_eq!(store.gc(&[], now_ms()).unwrap().locks, 5);
    assert_eq!(locks(), 1);
    assert!(store.is_live("r1").unwrap());
    drop(owner);
    assert_eq!(locks(), 0);
}

#[test]
fn however_many_take_a_run_up_one_owns_it_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    create(&store, "a", "g", 1);
    let (inside, turns) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                let store = Store::open(dir.path()).unwrap();
                while turns.load(Ordering::SeqCst) < 200 {
                    match store.own("a") {
                        Ok((mut owner, _)) => {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two owners");
                            owner.append(&[said("turn")], None, Durability::Process, 1).unwrap();
                            assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1, "two owners");
                            turns.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(fault) => assert_eq!(fault.exit, 7, "{fault}"),
                    }
                }
            });
        }
    });
    assert_eq!(heard(&store, "a").len(), usize::try_from(turns.into_inner()).unwrap());
    assert_eq!(std::fs::read_dir(dir.path().join("locks")).unwrap().count(), 0);
}

#[test]
fn verify_tells_all_it_finds() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let scene = Scene::on(Arc::clone(&store), ScriptedWorld::new(Script::default()));
    let ended = scene.start(LOOP);
    assert_eq!(scene.finish(&ended).exit, 0);
    let blob = store.put(b"mentioned").unwrap();
    for (n, id) in ["broken", "short", "gone", "swapped", "renamed"].into_iter().enumerate() {
        create(&store, id, "g", n as u64);
        let (mut owner, _) = store.own(id).unwrap();
        let text = if id == "gone" { json!(blob).to_string() } else { "x".to_owned() };
        owner.append(&[said("a"), said(text)], None, Durability::Process, 1).unwrap();
    }
    assert!(store.verify(None).unwrap().is_empty());
    let db = rusqlite::Connection::open(dir.path().join("runs.db")).unwrap();
    let of = |id: &str| format!("place >> 32 = (SELECT number FROM runs WHERE id = '{id}')");
    let wrong_content = zstd::bulk::compress(b"other", 3).unwrap();
    db.execute(
        &format!("UPDATE records SET chain = zeroblob(32) WHERE place & 255 = 1 AND {}", of("broken")),
        [],
    )
    .unwrap();
    db.execute(&format!("DELETE FROM records WHERE place & 255 = 1 AND {}", of("short")), []).unwrap();
    db.execute("DELETE FROM blobs WHERE size = 9", []).unwrap();
    db.execute("UPDATE blobs SET zstd = ?1", [wrong_content]).unwrap();
    db.execute("UPDATE runs SET status = 'ended' WHERE id = 'swapped'", []).unwrap();
    db.execute("UPDATE runs SET graph = 'h' WHERE id = 'renamed'", []).unwrap();
    let found = store.verify(None).unwrap();
    let mut told: Vec<(&str, &str)> =
        found.iter().map(|one| (one.run.as_deref().unwrap(), one.code.as_str())).collect();
    // A run mentions its graph in more than one form.
    told.dedup();
    let expected = [
        ("broken", "journal.chain"),
        ("short", "journal.chain"),
        ("gone", "blob.missing"),
        ("swapped", "run.row"),
        ("renamed", "run.row"),
        (ended.as_str(), "blob.damaged"),
    ];
    assert_eq!(told, expected, "{found:#?}");
    assert!(found[2].message.contains("record 2: blob"), "{}", found[2].message);
    assert_eq!(store.verify(Some("gone")).unwrap(), found[2..3]);
    assert_eq!(store.verify(Some("nobody")).unwrap_err().exit, 2);
}
