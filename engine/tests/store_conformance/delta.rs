//! Delta history: a state is the nearest snapshot and the writes after it, oldest first.

use std::collections::BTreeMap;
use std::sync::Arc;

use prunella_engine::journal::{Folded, Past, Record, fold};
use prunella_engine::scheduler::Scheduler;
use prunella_engine::store::{Durability, Reach};
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::scene::{LOOP, Script, graph};

crate::on_both!(
    delta_writes_come_oldest_first,
    delta_seed_is_the_nearest_snapshot,
    delta_excludes_what_is_pending_after_the_step,
    delta_of_a_run_that_never_began_is_empty,
    delta_of_the_root_needs_no_seed,
    delta_replays_the_writes_after_the_seed,
    delta_seed_survives_another_process,
    delta_without_snapshots_comes_to_the_same,
);

/// A run's state by key.
pub(crate) type State = BTreeMap<String, Value>;

/// A run's present when it had so many records; all of them when nothing is said.
pub(crate) fn folded(at: &Bench, run: &str, records: Option<usize>) -> Folded {
    let mut sealed = at.sealed(run);
    sealed.truncate(records.unwrap_or(sealed.len()));
    let past = Past::of(sealed).unwrap();
    fold(&Arc::new(graph(LOOP)), &past, at.again().as_ref(), &mut |_, _| Ok(None)).unwrap()
}

/// The numbers of the records that end a superstep, and that of the header.
fn ends(at: &Bench, run: &str) -> Vec<usize> {
    let records = at.get(run);
    let ends = (0..records.len()).filter(|n| matches!(records[*n], Record::Header(_) | Record::Route(_)));
    ends.collect()
}

/// The state before the first superstep and after each.
pub(crate) fn states(at: &Bench, run: &str) -> Vec<State> {
    ends(at, run).into_iter().map(|end| folded(at, run, Some(end + 1)).scheduler.state()).collect()
}

/// A run of three attempts that is over.
fn ended(at: &Bench) -> String {
    let scene = at.scene(Script::default());
    let run = scene.start(LOOP);
    assert_eq!(scene.finish(&run).exit, 0);
    run
}

/// Keeps the scheduler as it stood after the superstep of this number.
fn snap(at: &Bench, run: &str, superstep: usize) -> usize {
    let end = ends(at, run)[superstep];
    let snapshot = folded(at, run, Some(end + 1)).scheduler.snapshot().unwrap();
    let mut owner = at.store.take(run).unwrap();
    owner.put_snapshot(end as u64, superstep as u64, snapshot.to_string().as_bytes()).unwrap();
    owner.flush(Durability::Disk).unwrap();
    end
}

/// The state after record `most`, from the nearest snapshot and what was written since.
fn state_at(at: &Bench, run: &str, most: usize) -> (State, usize) {
    let store = at.again();
    let seed = store.snapshot_within(run, Reach::Record(most as u64)).unwrap();
    let seed = seed.map(|kept| (kept.seq, kept.content));
    let (mut state, from) = match &seed {
        None => (Scheduler::new(Arc::new(graph(LOOP)), json!({"goal": "mend"})).unwrap().state(), 0),
        Some((seq, bytes)) => {
            let snapshot: Value = serde_json::from_slice(bytes).unwrap();
            (Scheduler::restored(Arc::new(graph(LOOP)), &snapshot).unwrap().state(), seq + 1)
        }
    };
    let records = store.records_from(run, from).unwrap();
    let upto = (most + 1).saturating_sub(usize::try_from(from).unwrap());
    let mut replayed = 0;
    for sealed in &records[..upto] {
        let Record::Commit(commit) = &sealed.record else { continue };
        let output = commit.output.unpack(&Value::Null, store.as_ref()).unwrap();
        replayed += 1;
        for (key, payload) in &commit.writes {
            let value = payload.unpack(&output, store.as_ref()).unwrap();
            match (state.get_mut(key), value) {
                (Some(Value::Array(all)), Value::Array(more)) => all.extend(more),
                (_, value) => drop(state.insert(key.clone(), value)),
            }
        }
    }
    (state, replayed)
}

fn delta_writes_come_oldest_first(at: &Bench) {
    let run = ended(at);
    let lanes: Vec<String> = at.commits(&run).iter().map(|one| one.lane.to_string()).collect();
    assert_eq!(lanes, ["plan#1", "work#1", "plan#2", "work#2", "plan#3", "work#3", "ship#1"]);
    let lessons = states(at, &run).pop().unwrap()["lessons"].clone();
    assert_eq!(lessons, json!(["attempt 1 failed", "attempt 2 failed", "attempt 3 failed"]));
}

fn delta_seed_is_the_nearest_snapshot(at: &Bench) {
    let run = ended(at);
    let (second, fifth) = (snap(at, &run, 2), snap(at, &run, 5));
    let nearest = |most: usize| {
        at.store.snapshot_within(&run, Reach::Record(most as u64)).unwrap().map(|kept| kept.seq)
    };
    assert_eq!(nearest(second - 1), None);
    assert_eq!(nearest(second), Some(second as u64));
    assert_eq!(nearest(fifth - 1), Some(second as u64));
    assert_eq!(nearest(fifth + 9), Some(fifth as u64));
}

fn delta_excludes_what_is_pending_after_the_step(at: &Bench) {
    let run = ended(at);
    let (ends, states) = (ends(at, &run), states(at, &run));
    // Up to the record before the next commit: effects and log lines of a task that is under way.
    for (n, state) in states.iter().enumerate().take(states.len() - 1) {
        let before_next = ends[n + 1] - 2;
        assert_eq!(state_at(at, &run, before_next).0, *state, "after superstep {n}");
    }
}

fn delta_of_a_run_that_never_began_is_empty(at: &Bench) {
    let run = at.scene(Script::default()).start(LOOP);
    assert_eq!(states(at, &run), [State::from([("lessons".to_owned(), json!([]))])], "what needs no write");
    assert_eq!(at.store.snapshot_within(&run, Reach::Record(u64::MAX)).unwrap(), None);
}

fn delta_of_the_root_needs_no_seed(at: &Bench) {
    let run = ended(at);
    let states = states(at, &run);
    for (n, end) in ends(at, &run).into_iter().enumerate() {
        assert_eq!(state_at(at, &run, end), (states[n].clone(), n));
    }
}

fn delta_replays_the_writes_after_the_seed(at: &Bench) {
    let run = ended(at);
    let states = states(at, &run);
    snap(at, &run, 3);
    for (n, end) in ends(at, &run).into_iter().enumerate() {
        let replayed = if n < 3 { n } else { n - 3 };
        assert_eq!(state_at(at, &run, end), (states[n].clone(), replayed), "after superstep {n}");
    }
}

fn delta_seed_survives_another_process(at: &Bench) {
    let run = ended(at);
    let end = snap(at, &run, 4);
    let kept = at.again().snapshot_within(&run, Reach::Record(1000)).unwrap().unwrap();
    assert_eq!((kept.seq, kept.step), (end as u64, 4));
    let snapshot: Value = serde_json::from_slice(&kept.content).unwrap();
    let restored = Scheduler::restored(Arc::new(graph(LOOP)), &snapshot).unwrap();
    assert_eq!(restored.snapshot().unwrap(), snapshot);
    assert_eq!(restored.state(), states(at, &run)[4]);
}

fn delta_without_snapshots_comes_to_the_same(at: &Bench) {
    let run = ended(at);
    let records = at.sealed(&run);
    let last = records.len() - 1;
    snap(at, &run, 6);
    let with = state_at(at, &run, last);
    at.store.drop_snapshots(&run).unwrap();
    let without = state_at(at, &run, last);
    assert_eq!((with.1, without.1), (1, 7));
    assert_eq!((with.0, at.sealed(&run)), (without.0, records));
}
