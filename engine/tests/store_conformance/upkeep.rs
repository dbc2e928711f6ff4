//! `delete_thread`, `delete_for_runs`, `copy_thread` and `prune`.

use prunella_engine::store::{Durability, Filter, Kept, Prune, Reach, RunStatus};
use serde_json::json;

use crate::bench::{Bench, commit, effect, record};

crate::on_both!(
    delete_thread_takes_checkpoints_and_writes_of_all_scopes,
    delete_thread_keeps_others,
    delete_thread_of_a_missing_run_does_nothing,
    delete_for_runs_takes_one,
    delete_for_runs_takes_many,
    delete_for_runs_keeps_others_and_their_writes,
    delete_for_runs_of_none_or_missing_does_nothing,
    copy_thread_has_all_checkpoints_in_order,
    copy_thread_has_metadata_scopes_and_writes,
    copy_thread_leaves_the_source_unchanged,
    copy_thread_of_a_missing_source_says_so,
    copy_thread_and_its_source_go_on_apart,
    prune_keeps_the_latest_of_every_graph,
    prune_keeps_the_writes_of_what_it_keeps,
    prune_deletes_whole_runs,
    prune_keeps_other_graphs,
    prune_of_nothing_does_nothing,
);

fn kept(seq: u64, content: &[u8]) -> Kept {
    Kept { seq, step: 0, content: content.to_vec() }
}

fn filled(at: &Bench, runs: &[&str]) {
    for (n, run) in runs.iter().enumerate() {
        at.create(run, if n % 2 == 0 { "even" } else { "odd" }, n as u64 + 1);
        at.put(run, &[commit("n#1", 1, "k", json!(run)), commit("f[0]/n#1", 1, "k", json!(run))]);
        let mut owner = at.own(run);
        owner.append(&[effect("n#2", 0, "done", json!({"inline": run}))], None, Durability::Disk, 1).unwrap();
        owner.put_snapshot(1, 0, run.as_bytes()).unwrap();
        drop(owner);
        let end = record(json!({"kind": "end", "end": "done", "outcome": "success", "limit": null,
            "output": {"inline": null}, "at_ms": 9}));
        at.put(run, &[end]);
        at.stand(run, RunStatus::Ended);
    }
}

fn runs(at: &Bench) -> String {
    at.again().list_by(&Filter::default()).unwrap().into_iter().map(|row| row.id).collect()
}

fn delete_thread_takes_checkpoints_and_writes_of_all_scopes(at: &Bench) {
    filled(at, &["a"]);
    assert_eq!(at.store.delete(&["a"]).unwrap(), 1);
    let store = at.again();
    assert_eq!((store.records("a").unwrap_err().exit, store.tail("a").unwrap_err().exit), (2, 2));
    // Nothing of it comes back with a run of the same name.
    at.create("a", "g", 1);
    assert_eq!(at.get("a").len(), 1);
    assert_eq!(store.snapshot_within("a", Reach::Record(9)).unwrap(), None);
}

fn delete_thread_keeps_others(at: &Bench) {
    filled(at, &["a", "b", "c"]);
    let before = (at.get("a"), at.get("c"));
    at.store.delete(&["b"]).unwrap();
    assert_eq!((runs(at).as_str(), at.get("a"), at.get("c")), ("ca", before.0, before.1));
    assert_eq!(at.again().snapshot_within("c", Reach::Record(9)).unwrap(), Some(kept(1, b"c")));
}

fn delete_thread_of_a_missing_run_does_nothing(at: &Bench) {
    filled(at, &["a"]);
    assert_eq!(at.store.delete(&["x"]).unwrap(), 0);
    assert_eq!(runs(at), "a");
}

fn delete_for_runs_takes_one(at: &Bench) {
    filled(at, &["a", "b"]);
    assert_eq!(at.store.delete(&["a"]).unwrap(), 1);
    assert_eq!(runs(at), "b");
}

fn delete_for_runs_takes_many(at: &Bench) {
    filled(at, &["a", "b", "c", "d"]);
    assert_eq!(at.store.delete(&["a", "d", "b"]).unwrap(), 3);
    assert_eq!(runs(at), "c");
}

fn delete_for_runs_keeps_others_and_their_writes(at: &Bench) {
    filled(at, &["a", "b", "c"]);
    let before = at.get("b");
    at.store.delete(&["a", "c"]).unwrap();
    assert_eq!(at.get("b"), before);
    assert!(at.again().verify(None).unwrap().is_empty());
}

fn delete_for_runs_of_none_or_missing_does_nothing(at: &Bench) {
    filled(at, &["a"]);
    assert_eq!(at.store.delete(&[]).unwrap() + at.store.delete(&["x", "y"]).unwrap(), 0);
    assert_eq!(at.store.delete(&["a", "a"]).unwrap(), 1);
}

fn copy_thread_has_all_checkpoints_in_order(at: &Bench) {
    filled(at, &["a"]);
    at.store.copy("a", "b", 9).unwrap();
    assert_eq!(at.commits("b"), at.commits("a"));
    assert_eq!(at.get("b")[1..], at.get("a")[1..]);
}

fn copy_thread_has_metadata_scopes_and_writes(at: &Bench) {
    filled(at, &["a"]);
    at.store.copy("a", "b", 9).unwrap();
    let (a, b) = (at.again().row("a").unwrap(), at.again().row("b").unwrap());
    assert_eq!((a.graph, a.status, a.result, a.local), (b.graph, b.status, b.result, b.local));
    let lanes: Vec<String> = at.commits("b").iter().map(|one| one.lane.to_string()).collect();
    assert_eq!((lanes.len(), lanes[1].as_str(), at.get("b").len()), (2, "f[0]/n#1", 5));
}

fn copy_thread_leaves_the_source_unchanged(at: &Bench) {
    filled(at, &["a"]);
    let before = (at.sealed("a"), at.again().row("a").unwrap());
    at.store.copy("a", "b", 9).unwrap();
    at.put("b", &[commit("n#9", 9, "k", json!(9))]);
    assert_eq!((at.sealed("a"), at.again().row("a").unwrap()), before);
}

fn copy_thread_of_a_missing_source_says_so(at: &Bench) {
    filled(at, &["a"]);
    assert_eq!(at.store.copy("x", "b", 9).unwrap_err().exit, 2);
    assert_eq!(at.store.copy("a", "a", 9).unwrap_err().code, "run.exists");
    assert_eq!(runs(at), "a");
}

fn copy_thread_and_its_source_go_on_apart(at: &Bench) {
    filled(at, &["a"]);
    at.store.copy("a", "b", 9).unwrap();
    at.put("a", &[commit("n#3", 3, "k", json!("a goes on"))]);
    at.put("b", &[commit("n#3", 3, "k", json!("b goes on"))]);
    assert_ne!(at.commits("a")[2], at.commits("b")[2]);
    at.store.delete(&["a"]).unwrap();
    assert_eq!(at.commits("b").len(), 3);
}

fn prune(at: &Bench, what: &Prune) -> String {
    at.store.prune(what, 1_000_000).unwrap().removed.into_iter().map(|row| row.id).collect()
}

fn prune_keeps_the_latest_of_every_graph(at: &Bench) {
    filled(at, &["a", "b", "c", "d", "e"]);
    assert_eq!(prune(at, &Prune { keep_latest: 1, ..Prune::default() }), "cba");
    assert_eq!(runs(at), "ed");
}

fn prune_keeps_the_writes_of_what_it_keeps(at: &Bench) {
    filled(at, &["a", "b", "c"]);
    let before = (at.sealed("b"), at.sealed("c"));
    prune(at, &Prune { keep_latest: 1, ..Prune::default() });
    assert_eq!((at.sealed("b"), at.sealed("c")), before);
    assert_eq!(at.again().snapshot_within("c", Reach::Record(9)).unwrap(), Some(kept(1, b"c")));
}

fn prune_deletes_whole_runs(at: &Bench) {
    filled(at, &["a", "b"]);
    at.create("new", "odd", 9);
    assert_eq!(prune(at, &Prune::default()), "ba", "those that are over");
    assert_eq!(runs(at), "new");
    assert!(at.again().verify(None).unwrap().is_empty());
}

fn prune_keeps_other_graphs(at: &Bench) {
    filled(at, &["a", "b", "c"]);
    assert_eq!(prune(at, &Prune { graph: Some("even".to_owned()), ..Prune::default() }), "ca");
    assert_eq!(runs(at), "b");
}

fn prune_of_nothing_does_nothing(at: &Bench) {
    assert_eq!(prune(at, &Prune::default()), "");
    filled(at, &["a"]);
    assert_eq!(prune(at, &Prune { graph: Some("x".to_owned()), ..Prune::default() }), "");
    assert_eq!(prune(at, &Prune { statuses: vec![RunStatus::Stopped], ..Prune::default() }), "");
    assert_eq!(runs(at), "a");
}
