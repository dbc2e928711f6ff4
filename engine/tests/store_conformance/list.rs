//! `list`.

use prunella_engine::journal::Record;
use prunella_engine::store::{Filter, RunStatus};
use serde_json::json;

use crate::bench::{Bench, commit, effect};

crate::on_both!(
    list_has_all_runs,
    list_of_one_run_is_its_history,
    list_of_a_scope_is_its_part_of_the_history,
    list_is_newest_first,
    list_filters_by_one_condition,
    list_filters_by_when_it_was_created,
    list_filters_by_several_conditions_at_once,
    list_with_no_match_is_empty,
    list_before_a_run_goes_on_after_it,
    list_has_at_most_the_limit,
    list_with_limit_and_before_is_a_page,
    list_with_filter_and_before_is_a_page_of_those,
    list_of_an_empty_store_is_empty,
    list_has_what_is_pending,
    list_conditions_are_values_and_never_sql,
);

fn ids(at: &Bench, filter: &Filter) -> String {
    at.again().list_by(filter).unwrap().into_iter().map(|row| row.id).collect()
}

/// Four runs; `a` is the oldest.
fn four(at: &Bench) -> Filter {
    for (n, (id, graph)) in [("a", "heal"), ("b", "watch"), ("c", "heal"), ("d", "heal")].iter().enumerate() {
        at.create(id, graph, n as u64 + 1);
    }
    at.stand("a", RunStatus::Ended);
    at.stand("b", RunStatus::Ended);
    at.stand("c", RunStatus::Waiting);
    Filter::default()
}

fn list_has_all_runs(at: &Bench) {
    let all = four(at);
    assert_eq!(ids(at, &all), "dcba");
    assert_eq!(at.store.list().unwrap(), at.store.list_by(&all).unwrap());
}

fn list_of_one_run_is_its_history(at: &Bench) {
    four(at);
    at.put("a", &[commit("n#1", 1, "k", json!(1))]);
    at.put("b", &[commit("n#1", 1, "k", json!(2))]);
    at.put("a", &[commit("n#2", 2, "k", json!(3))]);
    assert_eq!(at.commits("a").iter().map(|one| one.superstep).collect::<Vec<_>>(), [1, 2]);
}

fn list_of_a_scope_is_its_part_of_the_history(at: &Bench) {
    four(at);
    at.put("a", &[commit("n#1", 1, "k", json!(1)), commit("f[0]/n#1", 1, "k", json!(2))]);
    at.put("a", &[commit("f[0]/n#2", 2, "k", json!(3)), commit("n#2", 2, "k", json!(4))]);
    let commits = at.commits("a");
    let within = commits.iter().filter(|one| one.lane.to_string().starts_with("f[0]/"));
    assert_eq!(within.map(|one| one.superstep).collect::<Vec<_>>(), [1, 2]);
}

fn list_is_newest_first(at: &Bench) {
    let all = four(at);
    at.create("0", "heal", 99);
    at.create("1", "heal", 0);
    at.create("2", "heal", 99);
    assert_eq!(ids(at, &all), "20dcba1");
}

fn list_filters_by_one_condition(at: &Bench) {
    let all = four(at);
    assert_eq!(ids(at, &Filter { graph: Some("watch".to_owned()), ..all.clone() }), "b");
    assert_eq!(ids(at, &Filter { statuses: vec![RunStatus::Ended], ..all.clone() }), "ba");
    let two = vec![RunStatus::Created, RunStatus::Waiting];
    assert_eq!(ids(at, &Filter { statuses: two, ..all }), "dc");
}

fn list_filters_by_when_it_was_created(at: &Bench) {
    let all = four(at);
    assert_eq!(ids(at, &Filter { created_after_ms: Some(3), ..all.clone() }), "dc");
    assert_eq!(ids(at, &Filter { created_before_ms: Some(3), ..all.clone() }), "ba");
    assert_eq!(ids(at, &Filter { created_after_ms: Some(2), created_before_ms: Some(4), ..all }), "cb");
}

fn list_filters_by_several_conditions_at_once(at: &Bench) {
    let all = four(at);
    let heal = Filter { graph: Some("heal".to_owned()), ..all };
    assert_eq!(ids(at, &Filter { statuses: vec![RunStatus::Ended], ..heal.clone() }), "a");
    assert_eq!(
        ids(at, &Filter { created_after_ms: Some(2), statuses: vec![RunStatus::Waiting], ..heal }),
        "c"
    );
}

fn list_with_no_match_is_empty(at: &Bench) {
    let all = four(at);
    assert_eq!(ids(at, &Filter { graph: Some("none".to_owned()), ..all.clone() }), "");
    assert_eq!(ids(at, &Filter { statuses: vec![RunStatus::Cancelled], ..all.clone() }), "");
    let watch = Some("watch".to_owned());
    assert_eq!(ids(at, &Filter { graph: watch, statuses: vec![RunStatus::Waiting], ..all }), "");
}

fn list_before_a_run_goes_on_after_it(at: &Bench) {
    let all = four(at);
    assert_eq!(ids(at, &Filter { before: Some("c".to_owned()), ..all.clone() }), "ba");
    assert_eq!(ids(at, &Filter { before: Some("a".to_owned()), ..all.clone() }), "");
    assert_eq!(at.store.list_by(&Filter { before: Some("x".to_owned()), ..all }).unwrap_err().exit, 2);
}

fn list_has_at_most_the_limit(at: &Bench) {
    let all = four(at);
    for (limit, expected) in [(0, ""), (1, "d"), (3, "dcb"), (4, "dcba"), (usize::MAX, "dcba")] {
        assert_eq!(ids(at, &Filter { limit: Some(limit), ..all.clone() }), expected);
    }
}

fn list_with_limit_and_before_is_a_page(at: &Bench) {
    let all = four(at);
    let (mut pages, mut before) = (Vec::new(), None);
    loop {
        let page = ids(at, &Filter { before: before.clone(), limit: Some(3), ..all.clone() });
        before = page.chars().last().map(String::from);
        if page.is_empty() {
            break;
        }
        pages.push(page);
    }
    assert_eq!(pages, ["dcb", "a"]);
}

fn list_with_filter_and_before_is_a_page_of_those(at: &Bench) {
    let heal = Filter { graph: Some("heal".to_owned()), ..four(at) };
    assert_eq!(ids(at, &Filter { before: Some("d".to_owned()), limit: Some(1), ..heal.clone() }), "c");
    assert_eq!(ids(at, &Filter { before: Some("b".to_owned()), ..heal }), "a");
}

fn list_of_an_empty_store_is_empty(at: &Bench) {
    assert_eq!(ids(at, &Filter::default()), "");
    assert_eq!(at.store.find("@latest").unwrap_err().exit, 2);
    assert!(at.store.verify(None).unwrap().is_empty());
}

fn list_has_what_is_pending(at: &Bench) {
    four(at);
    at.put("a", &[effect("n#1", 0, "done", json!({"inline": 1}))]);
    assert!(at.get("a").iter().any(|record| matches!(record, Record::Effect(_))));
}

fn list_conditions_are_values_and_never_sql(at: &Bench) {
    let all = four(at);
    for text in ["' OR '1'='1", "heal'; DROP TABLE runs; --", "%", "heal\0", "\"", "?1"] {
        assert_eq!(ids(at, &Filter { graph: Some(text.to_owned()), ..all.clone() }), "");
        assert!(at.store.list_by(&Filter { before: Some(text.to_owned()), ..all.clone() }).is_err());
        assert!(at.store.find(text).is_err() && at.store.records(text).is_err());
        assert_eq!(at.store.delete(&[text]).unwrap(), 0);
        assert_eq!(at.store.claim(text, text).unwrap(), text);
    }
    assert_eq!(ids(at, &all), "dcba");
}
