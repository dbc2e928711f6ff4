//! `get_tuple`.

use prunella_engine::journal::{ROOT, Record, link};
use prunella_engine::store::{Reach, RunStatus};
use serde_json::json;

use crate::bench::{Bench, commit, effect};
use crate::scene::{LOOP, Script};

crate::on_both!(
    get_tuple_of_a_missing_run_says_so,
    get_tuple_without_a_number_is_the_newest,
    get_tuple_by_number_is_that_one,
    get_tuple_of_a_missing_number_is_nothing,
    get_tuple_tells_where_it_is,
    get_tuple_has_all_fields,
    get_tuple_has_the_metadata,
    get_tuple_has_a_parent_or_none,
    get_tuple_has_what_is_pending,
    get_tuple_keeps_to_its_scope,
);

fn three(at: &Bench) {
    at.create("a", "g", 1);
    at.create("b", "g", 1);
    at.put("a", &[commit("n#1", 1, "k", json!(1)), commit("n#2", 2, "k", json!(2))]);
    at.put("a", &[commit("n#3", 3, "k", json!(3))]);
}

fn superstep(record: &Record) -> u64 {
    if let Record::Commit(commit) = record { commit.superstep } else { 0 }
}

fn get_tuple_of_a_missing_run_says_so(at: &Bench) {
    three(at);
    for fault in [
        at.store.records("x").unwrap_err(),
        at.store.tail("x").unwrap_err(),
        at.store.records_from("x", 1).unwrap_err(),
        at.store.row("x").unwrap_err(),
        at.scene(Script::default()).engine.view("x").unwrap_err(),
        at.store.own("x").unwrap_err(),
    ] {
        assert_eq!((fault.code.as_str(), fault.exit), ("run.unknown", 2));
    }
    assert_eq!(at.store.snapshot_within("x", Reach::Record(9)).unwrap(), None);
}

fn get_tuple_without_a_number_is_the_newest(at: &Bench) {
    three(at);
    let tail = at.again().tail("a").unwrap();
    assert_eq!((tail.seq, superstep(&tail.sealed.record)), (3, 3));
    assert_eq!(at.again().tail("b").unwrap().seq, 0);
}

fn get_tuple_by_number_is_that_one(at: &Bench) {
    three(at);
    for number in 1..=3 {
        let found = at.again().records_from("a", number).unwrap();
        assert_eq!(superstep(&found[0].record), number);
        assert_eq!(found[0], at.sealed("a")[usize::try_from(number).unwrap()]);
    }
}

fn get_tuple_of_a_missing_number_is_nothing(at: &Bench) {
    three(at);
    assert!(at.store.records_from("a", 4).unwrap().is_empty());
    assert!(at.store.records_from("b", 1).unwrap().is_empty());
}

fn get_tuple_tells_where_it_is(at: &Bench) {
    three(at);
    let tail = at.again().tail("a").unwrap();
    assert_eq!((tail.seq, tail.sealed.head()), (3, at.own("a").head()));
}

fn get_tuple_has_all_fields(at: &Bench) {
    three(at);
    let found = &at.commits("a")[0];
    let expected = commit("n#1", 1, "k", json!(1));
    assert_eq!(Record::Commit(found.clone()), expected);
    assert_eq!((found.active_ms, found.cost_microusd, found.at_ms), (1, 2, 3));
}

fn get_tuple_has_the_metadata(at: &Bench) {
    let scene = at.scene(Script::default());
    let run = scene.start(LOOP);
    scene.finish(&run);
    let view = scene.engine.view(&run).unwrap();
    assert_eq!((view.run.status, view.run.graph.as_str()), (RunStatus::Ended, "scripted"));
    assert_eq!((view.header.run.as_str(), view.inputs), (run.as_str(), json!({"goal": "mend"})));
    assert_eq!(view.settings["models"]["fixer"]["name"], "scripted-1");
}

fn get_tuple_has_a_parent_or_none(at: &Bench) {
    three(at);
    let sealed = at.sealed("a");
    assert_eq!(sealed[0].chain, link(&ROOT, &sealed[0].bytes));
    let from = at.again().records_from("a", 3).unwrap();
    assert_eq!(from[0].chain, link(&sealed[2].chain, &from[0].bytes));
}

fn get_tuple_has_what_is_pending(at: &Bench) {
    three(at);
    at.put("a", &[effect("m#1", 0, "done", json!({"inline": 1}))]);
    let tail = at.again().tail("a").unwrap().sealed.record;
    assert!(matches!(tail, Record::Effect(effect) if effect.lane.to_string() == "m#1"));
}

fn get_tuple_keeps_to_its_scope(at: &Bench) {
    at.create("a", "g", 1);
    at.put("a", &[commit("n#1", 1, "k", json!(1)), commit("f[0]/n#1", 1, "k", json!(2))]);
    at.put("a", &[commit("f[1]/n#1", 1, "k", json!(3)), commit("n#2", 2, "k", json!(4))]);
    let of = |scope: &str| -> Vec<String> {
        let lanes = at.commits("a").into_iter().map(|one| one.lane.to_string());
        lanes.filter(|lane| lane.rsplit_once('/').map_or("", |(scope, _)| scope) == scope).collect()
    };
    assert_eq!(of(""), ["n#1", "n#2"]);
    assert_eq!(of("f[0]"), ["f[0]/n#1"]);
    assert!(of("f[2]").is_empty());
}
