//! Damage: files torn and bytes changed at many places. What comes of it is the same data or a clear error, never a
//! panic and never other data.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use prunella_engine::store::{Durability, Reach, RunStatus, Sealed, Store};
use serde_json::Value;

use crate::both::{create, said};
use crate::scene::{LOOP, Scene, Script, ScriptedWorld};

type Journals = BTreeMap<String, Vec<Sealed>>;

fn journals(store: &Store) -> Journals {
    store.list().unwrap().into_iter().map(|row| (row.id.clone(), store.records(&row.id).unwrap())).collect()
}

/// A closed database with an ended, a stopped and a new run, and what is in it.
fn closed() -> (Vec<u8>, Journals) {
    let dir = tempfile::tempdir().unwrap();
    let failures = [("work.do work#2 1".to_owned(), 9)].into();
    let scene = Scene::on(Store::open(dir.path()).unwrap(), ScriptedWorld::new(Script::default()));
    let store = Arc::clone(scene.engine.store());
    assert_eq!(scene.finish(&scene.start(LOOP)).exit, 0);
    let failing = Scene::on(Arc::clone(&store), ScriptedWorld::new(Script { failures, ..Script::default() }));
    assert_eq!(failing.finish(&failing.start(&LOOP.replace("60", "61"))).exit, 30);
    create(&store, "new", "g", 1);
    let expected = journals(&store);
    drop((scene, failing, store));
    (std::fs::read(dir.path().join("runs.db")).unwrap(), expected)
}

/// Looks at every run of a damaged store in every way; true when there was something to tell.
fn look(dir: &Path, expected: &Journals, place: &str) -> bool {
    let store = match Store::open(dir) {
        Ok(store) => store,
        Err(fault) => {
            // 22 where the damage makes it look like a newer store's.
            assert!(matches!(fault.exit, 6 | 22), "{place}: {fault}");
            assert!(fault.help.is_some(), "{place}: {fault:?}");
            return true;
        }
    };
    let mut told = false;
    for (id, records) in expected {
        for found in
            [store.records(id), store.records_from(id, 3), store.tail(id).map(|tail| vec![tail.sealed])]
        {
            match found {
                Ok(found) => {
                    assert!(records.ends_with(&found) && !(found.is_empty() && records.len() > 3), "{place}")
                }
                Err(fault) => {
                    told = true;
                    assert!(matches!(fault.exit, 2 | 6 | 21), "{place}: {fault}");
                    assert!(fault.exit != 21 || fault.message.contains(id.as_str()), "{place}: {fault}");
                }
            }
        }
        told |= store.snapshot_within(id, Reach::Record(9)).is_err();
        if let Ok(mut copy) = Store::own(&store, id).map(|(owner, _)| owner) {
            told |= copy.append(&[said("more")], None, Durability::Disk, 1).is_err();
        }
    }
    match store.list() {
        Ok(rows) => told |= rows.len() != expected.len(),
        Err(fault) => {
            told = true;
            assert_eq!(fault.exit, 6, "{place}: {fault}");
        }
    }
    match store.verify(None) {
        Ok(found) => assert!(!told || !found.is_empty(), "{place}: verify finds nothing"),
        Err(fault) => assert_eq!(fault.exit, 6, "{place}: {fault}"),
    }
    told
}

#[test]
fn a_database_that_was_cut_off_anywhere_is_refused() {
    let (bytes, expected) = closed();
    // Without a byte it is a store that nothing was put into yet.
    for length in (1..bytes.len()).step_by(1009).chain((4096..bytes.len()).step_by(4096)) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("runs.db"), &bytes[..length]).unwrap();
        assert!(look(dir.path(), &expected, &format!("cut at {length}")));
        // What is left is left as it is, for whoever can mend it.
        assert!(std::fs::read(dir.path().join("runs.db")).unwrap() == bytes[..length], "cut at {length}");
    }
}

#[test]
fn a_changed_byte_is_told_or_does_not_matter() {
    let (bytes, expected) = closed();
    let mut told = 0;
    let places = (0..100).chain((100..bytes.len()).step_by(397));
    for (n, at) in places.enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let mut changed = bytes.clone();
        changed[at] ^= [0xff, 1, 0x80, 0x20][n % 4];
        std::fs::write(dir.path().join("runs.db"), changed).unwrap();
        told += u32::from(look(dir.path(), &expected, &format!("byte {at}")));
    }
    assert!(told > 20, "{told}");
}

#[test]
fn a_page_of_nothing_or_of_another_is_told_or_does_not_matter() {
    let (bytes, expected) = closed();
    let pages = bytes.len() / 4096;
    for page in 0..pages {
        for other in [None, Some((page + 1) % pages), Some(pages - 1)] {
            let dir = tempfile::tempdir().unwrap();
            let mut changed = bytes.clone();
            let content =
                other.map_or(vec![0; 4096], |other| bytes[other * 4096..(other + 1) * 4096].to_vec());
            changed[page * 4096..(page + 1) * 4096].copy_from_slice(&content);
            std::fs::write(dir.path().join("runs.db"), changed).unwrap();
            look(dir.path(), &expected, &format!("page {page} is {other:?}"));
        }
    }
}

#[test]
fn a_log_that_was_cut_off_or_changed_anywhere_leaves_a_prefix() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    for id in ["a", "b"] {
        create(&store, id, "g", 1);
    }
    for n in 0..12 {
        for id in ["a", "b"] {
            let (mut owner, _) = store.own(id).unwrap();
            let status = (n % 3 == 0).then_some((RunStatus::Stopped, &Value::Null));
            owner.append(&[said(format!("{id} {n}")), said("more")], status, Durability::Process, n).unwrap();
        }
    }
    let whole = journals(&store);
    let file = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
    // As a power cut finds them: the log is not written back into the database.
    let (db, log) = (file("runs.db"), file("runs.db-wal"));
    assert!(log.len() > 100_000, "{}", log.len());
    let torn = |log: &[u8], place: &str| -> usize {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("runs.db"), &db).unwrap();
        std::fs::write(dir.path().join("runs.db-wal"), log).unwrap();
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.verify(None).unwrap(), [], "{place}");
        let mut count = 0;
        for (id, records) in journals(&store) {
            assert!(whole[&id].starts_with(&records), "{place}");
            count += records.len();
            let (mut owner, _) = store.own(&id).unwrap();
            owner.append(&[said("on")], None, Durability::Disk, 99).unwrap();
        }
        count
    };
    let mut counts = Vec::new();
    for length in (0..log.len()).step_by(3907).chain([log.len()]) {
        counts.push(torn(&log[..length], &format!("cut at {length}")));
    }
    assert!(counts.is_sorted() && counts[0] == 0 && counts.last() == Some(&50), "{counts:?}");
    for at in (0..log.len()).step_by(5003) {
        let mut changed = log.clone();
        changed[at] ^= 0x10;
        torn(&changed, &format!("byte {at} of the log"));
    }
}
