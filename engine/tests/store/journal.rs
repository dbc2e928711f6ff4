//! Appending and reading back: how far an append has come, what is held back, snapshots, and the chain.

use std::sync::Arc;

use proptest::prelude::*;
use prunella_engine::journal::{ROOT, link};
use prunella_engine::store::{Durability, Kept, Reach, RunStatus, Store};
use serde_json::{Value, json};

use crate::both::{both, create, heard, said};

#[test]
fn what_is_held_back_is_seen_by_nobody_until_it_is_written() {
    both(|store| {
        create(&store, "a", "g", 1);
        let (mut owner, _) = store.own("a").unwrap();
        owner.append(&[said("one"), said("two")], None, Durability::Memory, 1).unwrap();
        let head = owner.head();
        owner.append(&[], Some((RunStatus::Waiting, &json!("why"))), Durability::Memory, 2).unwrap();
        assert_eq!((owner.seq(), owner.head()), (3, head.clone()));
        assert_eq!(store.records("a").unwrap().len(), 1);
        assert_eq!(store.row("a").unwrap().status, RunStatus::Created);
        // A stronger append brings everything, in order.
        owner.append(&[said("three")], None, Durability::Process, 3).unwrap();
        assert_eq!(heard(&store, "a"), ["one", "two", "three"]);
        assert_eq!(store.row("a").unwrap().status, RunStatus::Waiting);
        let sealed = store.records("a").unwrap();
        assert_eq!((sealed[2].head(), sealed[3].head()), (head, owner.head()));
        // A flush does too, and dropping the owner.
        owner.append(&[said("four")], None, Durability::Memory, 4).unwrap();
        owner.flush(Durability::Memory).unwrap();
        assert_eq!(store.tail("a").unwrap().seq, 3);
        owner.flush(Durability::Disk).unwrap();
        assert_eq!(store.tail("a").unwrap().seq, 4);
        owner.append(&[said("five")], None, Durability::Memory, 5).unwrap();
        drop(owner);
        assert_eq!(heard(&store, "a"), ["one", "two", "three", "four", "five"]);
    });
}

#[test]
fn an_owner_does_not_hold_back_without_bound() {
    both(|store| {
        create(&store, "a", "g", 1);
        let (mut owner, _) = store.own("a").unwrap();
        let long = "x".repeat(1 << 20);
        for _ in 0..9 {
            owner.append(&[said(long.as_str())], None, Durability::Memory, 1).unwrap();
        }
        assert!(heard(&store, "a").len() >= 7);
    });
}

#[test]
fn who_lost_the_run_finds_out_at_the_flush_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    create(&store, "a", "g", 1);
    let (mut old, _) = store.own("a").unwrap();
    old.append(&[said("old")], None, Durability::Memory, 1).unwrap();
    // As on a file system that forgets locks.
    std::fs::remove_file(dir.path().join("locks/a")).unwrap();
    let (mut new, _) = store.own("a").unwrap();
    assert_eq!(old.flush(Durability::Disk).unwrap_err().exit, 7);
    new.append(&[said("new")], None, Durability::Disk, 1).unwrap();
    drop(old);
    assert_eq!(heard(&store, "a"), ["new"]);
    // The old one's end did not take the new one's lock away.
    assert!(store.is_live("a").unwrap());
}

#[test]
fn an_append_that_fails_leaves_the_owner_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    create(&store, "a", "g", 1);
    let (mut owner, _) = store.own("a").unwrap();
    owner.append(&[said("held")], None, Durability::Memory, 1).unwrap();
    let before = (owner.seq(), owner.head());
    store.limit_pages(Some(0)).unwrap();
    let noise: String = (0_u32..90_000).map(|i| char::from(b'a' + (i.wrapping_mul(i) % 23) as u8)).collect();
    let large: Vec<_> = (0..9).map(|i| said(format!("{i}{}", blake(&noise, i)))).collect();
    let fault =
        owner.append(&large, Some((RunStatus::Ended, &Value::Null)), Durability::Disk, 2).unwrap_err();
    assert_eq!((fault.code.as_str(), fault.exit), ("store.full", 6));
    assert_eq!((owner.seq(), owner.head()), before);
    assert_eq!(store.records("a").unwrap().len(), 1);
    store.limit_pages(None).unwrap();
    owner.append(&[said("after")], None, Durability::Disk, 3).unwrap();
    assert_eq!(heard(&store, "a"), ["held", "after"]);
    assert_eq!(store.row("a").unwrap().status, RunStatus::Created);
}

/// Text that does not get shorter when it is packed.
fn blake(text: &str, salt: usize) -> String {
    let mut hasher = link(&ROOT, text.as_bytes());
    (0..400)
        .map(|i| {
            hasher = link(&hasher, &[u8::try_from(salt).unwrap(), u8::try_from(i % 256).unwrap()]);
            prunella_engine::journal::hex(&hasher)
        })
        .collect()
}

#[test]
fn records_are_read_from_any_of_them_on_and_from_the_end() {
    both(|store| {
        create(&store, "other", "g", 1);
        create(&store, "a", "g", 1);
        create(&store, "last", "g", 1);
        let (mut owner, _) = store.own("a").unwrap();
        // Appends of several records each, so that a number may lie inside a row.
        for n in 0_usize..6 {
            let records: Vec<_> =
                (0..=n).map(|i| said(format!("{n} {i} {}", "x".repeat(n * 9000)))).collect();
            owner.append(&records, None, Durability::Process, 1).unwrap();
        }
        let all = store.records("a").unwrap();
        assert_eq!(all.len(), 22);
        for from in 0..=22 {
            assert_eq!(
                store.records_from("a", from).unwrap(),
                all[usize::try_from(from).unwrap()..],
                "{from}"
            );
        }
        assert!(store.records_from("a", 23).unwrap().is_empty());
        assert!(store.records_from("a", u64::MAX).unwrap().is_empty());
        let tail = store.tail("a").unwrap();
        assert_eq!((tail.seq, &tail.sealed), (21, &all[21]));
        assert_eq!(store.tail("other").unwrap().seq, 0);
        assert_eq!(store.tail("nobody").unwrap_err().exit, 2);
        // Taking the run over without reading it comes to the same owner.
        drop(owner);
        let owner = store.take("a").unwrap();
        assert_eq!((owner.seq(), owner.head()), (22, all[21].head()));
    });
}

fn kept(seq: u64, step: u64, content: &[u8]) -> Kept {
    Kept { seq, step, content: content.to_vec() }
}

#[test]
fn a_snapshot_is_found_by_record_and_step_and_its_loss_is_none() {
    both(|store| {
        create(&store, "a", "g", 1);
        create(&store, "b", "g", 1);
        let (mut owner, _) = store.own("a").unwrap();
        let at = |most| store.snapshot_within("a", Reach::Record(most)).unwrap();
        owner.append(&[said("one"), said("two"), said("three")], None, Durability::Process, 1).unwrap();
        assert_eq!(owner.put_snapshot(4, 0, b"beyond").unwrap_err().exit, 1);
        owner.put_snapshot(1, 1, b"state 1").unwrap();
        assert_eq!(at(9), None, "it is written with the next append");
        owner.append(&[said("four")], None, Durability::Process, 1).unwrap();
        owner.put_snapshot(3, 2, &b"state 3 ".repeat(10_000)).unwrap();
        owner.flush(Durability::Process).unwrap();
        assert_eq!(at(0), None);
        assert_eq!(at(1), Some(kept(1, 1, b"state 1")));
        assert_eq!(at(2), Some(kept(1, 1, b"state 1")));
        let by_step = |most| store.snapshot_within("a", Reach::Step(most)).unwrap().map(|kept| kept.seq);
        assert_eq!([0, 1, 2, u64::MAX].map(by_step), [None, Some(1), Some(3), Some(3)]);
        assert_eq!(at(u64::MAX), Some(kept(3, 2, &b"state 3 ".repeat(10_000))));
        assert_eq!(store.snapshot_within("b", Reach::Record(9)).unwrap(), None);
        owner.put_snapshot(1, 1, b"state 1 again").unwrap();
        drop(owner);
        assert_eq!(at(1), Some(kept(1, 1, b"state 1 again")));
        let before = store.records("a").unwrap();
        store.drop_snapshots("a").unwrap();
        assert_eq!(at(9), None);
        assert_eq!(store.records("a").unwrap(), before);
    });
}

#[test]
fn a_damaged_snapshot_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    create(&store, "a", "g", 1);
    create(&store, "b", "g", 1);
    let (mut owner, _) = store.own("a").unwrap();
    owner.append(&[said("one"), said("two")], None, Durability::Process, 1).unwrap();
    owner.put_snapshot(0, 0, b"first").unwrap();
    owner.put_snapshot(2, 0, b"second").unwrap();
    owner.flush(Durability::Disk).unwrap();
    let db = rusqlite::Connection::open(dir.path().join("runs.db")).unwrap();
    let packed = zstd::bulk::compress(b"forged", 3).unwrap();
    db.execute("UPDATE snapshots SET zstd = ?1 WHERE place & 255 = 2", [packed]).unwrap();
    assert_eq!(store.snapshot_within("a", Reach::Record(9)).unwrap(), Some(kept(0, 0, b"first")));
    // One of another run, of another record or of another step is none of this.
    db.execute_batch("UPDATE snapshots SET step = 7 WHERE place & 255 = 0").unwrap();
    assert_eq!(store.snapshot_within("a", Reach::Record(9)).unwrap(), None);
    db.execute_batch("UPDATE snapshots SET step = 0 WHERE place & 255 = 0").unwrap();
    assert!(store.snapshot_within("a", Reach::Record(9)).unwrap().is_some());
    db.execute_batch("UPDATE snapshots SET place = place + 1 WHERE place & 255 = 0").unwrap();
    assert_eq!(store.snapshot_within("a", Reach::Record(9)).unwrap(), None);
}

#[test]
fn damage_is_named_by_the_records_it_is_in() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    create(&store, "a", "g", 1);
    create(&store, "b", "g", 1);
    for run in ["a", "b"] {
        let (mut owner, _) = store.own(run).unwrap();
        owner.append(&[said("one")], None, Durability::Process, 1).unwrap();
        owner.append(&[said("two"), said("three")], None, Durability::Process, 1).unwrap();
        let end = Some((RunStatus::Stopped, &Value::Null));
        owner.append(&[said("four")], end, Durability::Process, 1).unwrap();
    }
    let whole = store.records("b").unwrap();
    let db = rusqlite::Connection::open(dir.path().join("runs.db")).unwrap();
    let told = |sql: &str| {
        db.execute_batch("SAVEPOINT before").unwrap();
        assert!(db.execute(sql, []).unwrap() > 0, "{sql}");
        db.execute_batch("RELEASE before").unwrap();
        let fault = store.records("a").unwrap_err();
        assert_eq!(fault.exit, 21, "{sql}: {fault}");
        assert_eq!(store.records("b").unwrap(), whole);
        fault.message
    };
    let second = "place = (1 << 32) + 2";
    let keep = "CREATE TABLE keep AS SELECT * FROM records; CREATE TABLE keep_runs AS SELECT * FROM runs";
    db.execute_batch(keep).unwrap();
    let mend = || {
        db.execute_batch("DELETE FROM records; INSERT INTO records SELECT * FROM keep").unwrap();
        db.execute_batch("DELETE FROM runs; INSERT INTO runs SELECT * FROM keep_runs").unwrap();
        assert_eq!(store.records("a").unwrap().len(), 5);
    };
    let swap = "CASE place & 255 WHEN 1 THEN (1 << 32) + 4 WHEN 4 THEN (1 << 32) + 1 ELSE place END";
    for (sql, words) in [
        (
            format!("UPDATE records SET chain = zeroblob(32) WHERE {second}"),
            "records 2 to 3: the chain is broken",
        ),
        (format!("UPDATE records SET chain = x'' WHERE {second}"), "records 2 to 3: the chain is broken"),
        (format!("UPDATE records SET lines = cast('{{}}' AS BLOB) WHERE {second}"), "record 2: no record"),
        (
            format!("UPDATE records SET lines = substr(lines, 1, 20) WHERE {second}"),
            "row of record 2 is damaged",
        ),
        (format!("UPDATE records SET lines = x'' WHERE {second}"), "record 2: no JSON"),
        (format!("DELETE FROM records WHERE {second}"), "record 2 is missing"),
        ("DELETE FROM records WHERE place = 1 << 32".to_owned(), "record 0 is missing"),
        (
            "DELETE FROM records WHERE place = (1 << 32) + 4".to_owned(),
            "of 5 records only the first 4 are left",
        ),
        ("DELETE FROM records WHERE place >> 32 = 1".to_owned(), "its journal has no record"),
        (
            format!(
                "UPDATE records SET lines = (SELECT lines FROM keep WHERE place = (1 << 32) + 4) WHERE {second}"
            ),
            "record 2: the chain is broken",
        ),
        (
            "UPDATE runs SET chain = zeroblob(32) WHERE id = 'a'".to_owned(),
            "is another than its run's after record 5",
        ),
        ("UPDATE runs SET seq = 6 WHERE id = 'a'".to_owned(), "of 6 records only the first 5 are left"),
        (format!("UPDATE records SET place = -({swap}) WHERE place >> 32 = 1"), "no record"),
    ] {
        let message = told(&sql);
        assert!(message.starts_with("run a") && message.contains(words), "{sql}: {message}");
        mend();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// However records are appended, they are read back as they were and their chain is one.
    #[test]
    fn any_mixture_of_appends_reads_back(
        appends in prop::collection::vec((prop::collection::vec("[a-z\n\"\\PC]{0,40}", 0..5), 0..3_u8), 0..12),
        on_disk in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let store = if on_disk { Store::open(dir.path()).unwrap() } else { Store::in_memory().unwrap() };
        create(&store, "a", "g", 1);
        let (mut owner, _) = store.own("a").unwrap();
        let mut expected = Vec::new();
        for (messages, durability) in &appends {
            let durability = [Durability::Memory, Durability::Process, Durability::Disk][usize::from(*durability)];
            let records: Vec<_> = messages.iter().map(|text| said(text.as_str())).collect();
            owner.append(&records, None, durability, 1).unwrap();
            expected.extend(messages.iter().cloned());
            prop_assert_eq!(owner.seq(), expected.len() as u64 + 1);
        }
        let head = owner.head();
        drop(owner);
        prop_assert_eq!(heard(&store, "a"), expected);
        let sealed = store.records("a").unwrap();
        let chain = sealed.iter().fold(ROOT, |chain, one| link(&chain, &one.bytes));
        prop_assert_eq!(prunella_engine::journal::hex(&chain), head.clone());
        prop_assert_eq!(sealed.last().unwrap().head(), head);
        let store = Arc::clone(&store);
        prop_assert!(store.verify(None).unwrap().is_empty());
    }
}
