//! `put` and `put_writes`.

use prunella_engine::blob::Blobs;
use prunella_engine::journal::{Payload, Phase, ROOT, Record, link};
use prunella_engine::store::{Durability, RunStatus};
use serde_json::{Value, json};

use crate::bench::{Bench, commit, effect, record};
use crate::scene::{LOOP, Script};

crate::on_both!(
    put_tells_where_it_is,
    put_round_trips,
    put_keeps_values_of_every_type,
    put_keeps_large_values_once,
    put_keeps_metadata_and_custom_keys,
    put_metadata_names_the_run,
    put_in_the_root_scope_and_in_a_child,
    put_many_checkpoints_in_a_run,
    put_isolates_runs,
    put_tracks_the_parent,
    put_stores_what_changed_alone_and_old_and_new_read_back,
    put_of_a_superstep_is_one_or_nothing,
    put_writes_are_visible_before_the_commit,
    put_writes_of_a_task_can_be_many,
    put_writes_of_many_tasks_stay_apart,
    put_writes_keep_lane_ordinal_name_and_value,
    put_writes_of_one_place_are_asked_once,
    put_writes_have_a_place_for_errors,
    put_writes_have_a_place_for_interrupts,
    put_writes_of_scopes_stay_apart,
    put_writes_do_not_outlive_their_checkpoint,
);

fn put_tells_where_it_is(at: &Bench) {
    at.create("a", "g", 1);
    let mut owner = at.own("a");
    owner.append(&[commit("n#1", 1, "k", json!(1))], None, Durability::Disk, 1).unwrap();
    let tail = at.again().tail("a").unwrap();
    assert_eq!((owner.run(), owner.seq() - 1, owner.head()), ("a", tail.seq, tail.sealed.head()));
}

fn put_round_trips(at: &Bench) {
    at.create("a", "g", 1);
    let put = [commit("n#1", 1, "k", json!({"deep": [1, {"x": null}]})), commit("n#2", 2, "k", json!([]))];
    at.put("a", &put);
    assert_eq!(at.get("a")[1..], put);
}

fn put_keeps_values_of_every_type(at: &Bench) {
    at.create("a", "g", 1);
    let values = [
        json!("text with \"quotes\", \n lines, \u{0} and é 漢 🌱"),
        json!(""),
        json!(0),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(0.1),
        json!(1e300),
        json!(-0.0),
        json!(true),
        json!([]),
        json!([[], [null, 1, "1", 1.5]]),
        json!({}),
        json!({"b": {"a": 1}, "a": [], "": "empty key", "$": 1}),
        Value::Null,
    ];
    for (n, value) in values.iter().enumerate() {
        at.put("a", &[commit(&format!("n#{}", n + 1), n as u64 + 1, "k", value.clone())]);
    }
    let found: Vec<Value> = at.commits("a").into_iter().map(|one| unpacked(at, &one.writes["k"])).collect();
    assert_eq!(found, values);
}

fn unpacked(at: &Bench, payload: &Payload) -> Value {
    payload.unpack(&Value::Null, at.again().as_ref()).unwrap()
}

fn put_keeps_large_values_once(at: &Bench) {
    at.create("a", "g", 1);
    let large = json!("large ".repeat(50_000));
    for n in 1..=2 {
        let mut record = commit(&format!("n#{n}"), n, "k", Value::Null);
        let Record::Commit(commit) = &mut record else { panic!() };
        commit.writes.insert("k".to_owned(), Payload::pack(&large, at.store.as_ref()).unwrap());
        at.put("a", &[record]);
    }
    let commits = at.commits("a");
    assert!(matches!(&commits[0].writes["k"], Payload::Blob(blob) if blob.bytes > 300_000));
    assert_eq!(commits[0].writes, commits[1].writes);
    assert_eq!(unpacked(at, &commits[1].writes["k"]), large);
    // Bytes that are no JSON are blobs by themselves.
    let bytes = [0, 255, 10, 13, 0];
    let blob = at.store.put(&bytes).unwrap();
    assert_eq!(at.again().get(&blob).unwrap(), bytes);
    assert_eq!(at.store.put(&bytes).unwrap(), blob);
}

fn put_keeps_metadata_and_custom_keys(at: &Bench) {
    at.create("a", "heal", 77);
    let row = at.again().row("a").unwrap();
    assert_eq!((row.graph.as_str(), row.created_ms, row.status), ("heal", 77, RunStatus::Created));
    assert_eq!(row.local, json!({"repo": "/here"}));
    let Record::Header(header) = &at.get("a")[0] else { panic!() };
    assert_eq!(unpacked(at, &header.settings), json!({"custom": [1, {"two": 3}]}));
    assert_eq!((header.tool.as_str(), header.kinds["plan"]), ("t", 1));
}

fn put_metadata_names_the_run(at: &Bench) {
    at.create("a", "g", 1);
    let Record::Header(header) = &at.get("a")[0] else { panic!() };
    assert_eq!(header.run, "a");
    let fault = at.store.create(
        &prunella_engine::store::NewRun { id: "a", created_ms: 2, graph: "g", local: &Value::Null },
        &at.get("a")[0],
    );
    assert_eq!(fault.unwrap_err().code, "run.exists");
}

fn put_in_the_root_scope_and_in_a_child(at: &Bench) {
    at.create("a", "g", 1);
    let put = [commit("n#1", 1, "k", json!("root")), commit("n[0]/m#1", 1, "k", json!("child"))];
    at.put("a", &put);
    let commits = at.commits("a");
    assert_ne!(commits[0].lane, commits[1].lane);
    assert_eq!(commits.iter().map(|one| one.lane.to_string()).collect::<Vec<_>>(), ["n#1", "n[0]/m#1"]);
    assert_eq!(commits.iter().map(|one| one.superstep).collect::<Vec<_>>(), [1, 1], "a clock each");
}

fn put_many_checkpoints_in_a_run(at: &Bench) {
    at.create("a", "g", 1);
    for n in 1..=120 {
        at.put("a", &[commit(&format!("n#{n}"), n, "k", json!(n))]);
    }
    let found: Vec<u64> = at.commits("a").iter().map(|one| one.superstep).collect();
    assert_eq!(found, (1..=120).collect::<Vec<_>>());
}

fn put_isolates_runs(at: &Bench) {
    at.create("a", "g", 1);
    at.create("b", "g", 1);
    for n in 1..=3 {
        at.put("a", &[commit(&format!("n#{n}"), n, "k", json!("a"))]);
        at.put("b", &[commit(&format!("n#{n}"), n, "k", json!("b"))]);
    }
    for run in ["a", "b"] {
        let values: Vec<Value> = at.commits(run).iter().map(|one| unpacked(at, &one.writes["k"])).collect();
        assert_eq!(values, vec![json!(run); 3]);
    }
}

fn put_tracks_the_parent(at: &Bench) {
    at.create("a", "g", 1);
    at.put("a", &[commit("n#1", 1, "k", json!(1)), commit("n#2", 2, "k", json!(2))]);
    at.put("a", &[commit("n#3", 3, "k", json!(3))]);
    let sealed = at.sealed("a");
    assert_eq!(sealed[0].chain, link(&ROOT, &sealed[0].bytes), "the first has no parent");
    for pair in sealed.windows(2) {
        assert_eq!(pair[1].chain, link(&pair[0].chain, &pair[1].bytes));
    }
}

fn put_stores_what_changed_alone_and_old_and_new_read_back(at: &Bench) {
    let scene = at.scene(Script::default());
    let run = scene.start(LOOP);
    scene.finish(&run);
    for commit in at.commits(&run) {
        let expected = match commit.lane.to_string().split('#').next().unwrap() {
            "plan" => "plan",
            "work" => "lessons",
            _ => "url",
        };
        assert_eq!(commit.writes.keys().collect::<Vec<_>>(), [expected]);
    }
    let states = crate::delta::states(at, &run);
    let plans: Vec<bool> = states.iter().map(|state| state.contains_key("plan")).collect();
    assert_eq!(
        plans,
        [false, true, true, true, true, true, true, true],
        "a key is there once it was written"
    );
    let lessons = |state: &crate::delta::State| state["lessons"].as_array().unwrap().len();
    assert_eq!(states.iter().map(lessons).collect::<Vec<_>>(), [0, 0, 1, 1, 2, 2, 3, 3]);
    assert_ne!(states[1]["plan"], states[3]["plan"], "old and new both read back");
}

fn put_of_a_superstep_is_one_or_nothing(at: &Bench) {
    at.create("a", "g", 1);
    let mut lost = at.own("a");
    let before = lost.head();
    at.store.limit_pages(Some(0)).unwrap();
    let noise: String = (0_u64..9000).map(|n| prunella_engine::canonical::hash(&json!(n))).collect();
    let large = [commit("n#1", 1, "k", json!("small")), commit("n#2", 2, "k", json!(noise))];
    let failed = lost.append(&large, Some((RunStatus::Ended, &Value::Null)), Durability::Disk, 1);
    assert_eq!(failed.unwrap_err().exit, 6);
    at.store.limit_pages(None).unwrap();
    assert_eq!((lost.head(), at.get("a").len()), (before, 1));
    assert_eq!(at.again().row("a").unwrap().status, RunStatus::Created);
    lost.append(&large, None, Durability::Disk, 1).unwrap();
    assert_eq!(at.get("a")[1..], large);
}

fn put_writes_are_visible_before_the_commit(at: &Bench) {
    let failures = [("look.at plan#1 1".to_owned(), 9)].into();
    let scene = at.scene(Script { failures, ..Script::default() });
    let run = scene.start(LOOP);
    assert_eq!(scene.finish(&run).exit, 30);
    let view = scene.engine.view(&run).unwrap();
    assert_eq!((view.steps.len(), view.steps[0].superstep), (1, None));
    assert!(view.steps[0].effects[0].done && !view.steps[0].effects[1].done);
}

fn put_writes_of_a_task_can_be_many(at: &Bench) {
    at.create("a", "g", 1);
    let put: Vec<Record> = (0..20).map(|n| effect("n#1", n, "done", json!({"inline": n}))).collect();
    at.put("a", &put[..7]);
    at.put("a", &put[7..]);
    assert_eq!(at.get("a")[1..], put);
}

fn put_writes_of_many_tasks_stay_apart(at: &Bench) {
    at.create("a", "g", 1);
    let put: Vec<Record> =
        (0..6).map(|n| effect(&format!("n{}#1", n % 3), n / 3, "done", json!({"inline": n}))).collect();
    at.put("a", &put);
    let of = |lane: &str| -> Vec<u32> {
        let records = at.get("a");
        let mine = records.iter().filter_map(|record| match record {
            Record::Effect(effect) if effect.lane.to_string() == lane => Some(effect.ordinal),
            _ => None,
        });
        mine.collect()
    };
    assert_eq!(
        (of("n0#1"), of("n1#1"), of("n2#1"), of("n3#1")),
        (vec![0, 1], vec![0, 1], vec![0, 1], vec![])
    );
}

fn put_writes_keep_lane_ordinal_name_and_value(at: &Bench) {
    at.create("a", "g", 1);
    at.put("a", &[effect("f[1]/n#3", 4, "done", json!({"inline": {"answer": [1, null]}}))]);
    let Record::Effect(found) = &at.get("a")[1] else { panic!() };
    assert_eq!(
        (found.lane.to_string().as_str(), found.ordinal, found.name.as_str()),
        ("f[1]/n#3", 4, "look.at")
    );
    assert_eq!((found.phase, found.r#try), (Phase::Done, 1));
    assert_eq!(unpacked(at, found.response.as_ref().unwrap()), json!({"answer": [1, null]}));
}

fn put_writes_of_one_place_are_asked_once(at: &Bench) {
    let failures = [("work.do work#2 1".to_owned(), 7)].into();
    let scene = at.scene(Script { failures, ..Script::default() });
    let run = scene.start(LOOP);
    let mut stops = 0;
    while scene.finish(&run).exit == 30 {
        stops += 1;
    }
    assert_eq!(stops, 2, "three tries a session");
    let mut performed = scene.world.performed();
    let all = performed.len();
    performed.sort();
    performed.dedup();
    assert_eq!((performed.len(), all), (13, 13), "what was answered is not asked again");
    let answered = at.get(&run).into_iter().filter_map(|record| match record {
        Record::Effect(effect) if effect.phase == Phase::Done => Some((effect.lane, effect.ordinal)),
        _ => None,
    });
    let mut answered: Vec<_> = answered.collect();
    answered.sort();
    answered.dedup();
    assert_eq!(answered.len(), 13);
}

fn put_writes_have_a_place_for_errors(at: &Bench) {
    at.create("a", "g", 1);
    let error = json!({"code": "model.throttled", "message": "later", "retryable": true, "exit": 30});
    at.put("a", &[effect("n#1", 0, "failed", error), effect("n#1", 0, "done", json!({"inline": 1}))]);
    let Record::Effect(failed) = &at.get("a")[1] else { panic!() };
    assert_eq!(failed.error.as_ref().unwrap().message, "later");
    assert_eq!(at.get("a").len(), 3, "an answer that came later does not replace it");
}

fn put_writes_have_a_place_for_interrupts(at: &Bench) {
    at.create("a", "g", 1);
    let asks = record(json!({"kind": "interrupt", "lane": "n#1", "id": "n#1/0", "ordinal": 0,
        "question": "may I?", "answer": "bool", "at_ms": 5}));
    let waits = Some((RunStatus::Waiting, &json!("n#1/0")));
    at.own("a").append(std::slice::from_ref(&asks), waits, Durability::Disk, 1).unwrap();
    assert_eq!(at.get("a")[1], asks);
    let row = at.again().row("a").unwrap();
    assert_eq!((row.status, row.result), (RunStatus::Waiting, json!("n#1/0")));
}

fn put_writes_of_scopes_stay_apart(at: &Bench) {
    at.create("a", "g", 1);
    let put = ["n#1", "f[0]/n#1", "f[1]/n#1"].map(|lane| effect(lane, 0, "done", json!({"inline": lane})));
    at.put("a", &put);
    for record in &at.get("a")[1..] {
        let Record::Effect(found) = record else { panic!() };
        assert_eq!(unpacked(at, found.response.as_ref().unwrap()), json!(found.lane.to_string()));
    }
}

fn put_writes_do_not_outlive_their_checkpoint(at: &Bench) {
    let failures = [("work.do work#1 0".to_owned(), 9)].into();
    let scene = at.scene(Script { failures, ..Script::default() });
    let run = scene.start(LOOP);
    assert_eq!(scene.finish(&run).exit, 30);
    let folded = crate::delta::folded(at, &run, None);
    let pending = &folded.pending[0];
    assert_eq!(pending.task.lane.to_string(), "work#1");
    assert!(pending.effects.iter().all(|effect| effect.lane == pending.task.lane), "none of plan#1's");
}
