//! Two runs side by side: where they part, task by task.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::blob::Blobs;
use crate::journal::{Commit, EffectRecord, Past, Payload, Phase, Record, Route, Sealed};
use crate::{Fault, Lane};

/// What differs between two runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunDiff {
    /// The tasks that both have and that differ, with the first difference of each, in the order of the first run.
    pub tasks: Vec<TaskDiff>,
    /// Tasks of the first run alone.
    pub only_a: Vec<Lane>,
    /// Tasks of the second run alone.
    pub only_b: Vec<Lane>,
    /// How each ended: null where it has not.
    pub end_a: Value,
    /// The same of the second run.
    pub end_b: Value,
}

impl RunDiff {
    /// Whether there is no difference.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.only_a.is_empty() && self.only_b.is_empty() && self.end_a == self.end_b
    }
}

/// The first difference of a task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskDiff {
    /// The task.
    pub lane: Lane,
    /// What differs: `request`, `response`, `error`, `output`, `write` or `route`.
    pub what: String,
    /// The effect or state key that it is about.
    pub key: Option<String>,
    /// In the first run.
    pub a: Value,
    /// In the second run.
    pub b: Value,
}

/// Compares the records of two runs, which may come from a store or a trace.
///
/// # Errors
/// Exit 21 when one of them is no journal or lacks a blob.
pub fn diff(
    (a, blobs_a): (Vec<Sealed>, &dyn Blobs),
    (b, blobs_b): (Vec<Sealed>, &dyn Blobs),
) -> Result<RunDiff, Fault> {
    let (a, b) = (Side::of(a, blobs_a)?, Side::of(b, blobs_b)?);
    let mut tasks = Vec::new();
    for lane in a.order.iter().filter(|lane| b.tasks.contains_key(*lane)) {
        let (of_a, of_b) = (&a.tasks[lane], &b.tasks[lane]);
        if let Some((what, key, a, b)) = first(of_a, of_b, blobs_a, blobs_b)? {
            tasks.push(TaskDiff { lane: lane.clone(), what: what.to_owned(), key, a, b });
        }
    }
    let only = |these: &Side, others: &Side| {
        these.order.iter().filter(|lane| !others.tasks.contains_key(*lane)).cloned().collect()
    };
    Ok(RunDiff { tasks, only_a: only(&a, &b), only_b: only(&b, &a), end_a: a.end, end_b: b.end })
}

#[derive(Default)]
struct Task {
    effects: BTreeMap<u32, Vec<EffectRecord>>,
    commit: Option<Commit>,
    route: Option<Route>,
}

struct Side {
    tasks: BTreeMap<Lane, Task>,
    order: Vec<Lane>,
    end: Value,
}

impl Side {
    fn of(sealed: Vec<Sealed>, blobs: &dyn Blobs) -> Result<Self, Fault> {
        let mut side = Self { tasks: BTreeMap::new(), order: Vec::new(), end: Value::Null };
        for sealed in Past::of(sealed)?.records {
            match sealed.record {
                Record::Effect(effect) => {
                    side.task(&effect.lane).effects.entry(effect.ordinal).or_default().push(effect);
                }
                Record::Commit(commit) => {
                    let lane = commit.lane.clone();
                    side.task(&lane).commit = Some(commit);
                }
                Record::Route(route) => {
                    let lane = route.lane.clone();
                    side.task(&lane).route = Some(route);
                }
                Record::End(end) => {
                    let output = end.output.unpack(&Value::Null, blobs)?;
                    side.end = json!({"end": end.end, "limit": end.limit, "output": output});
                }
                _ => {}
            }
        }
        Ok(side)
    }

    fn task(&mut self, lane: &Lane) -> &mut Task {
        if !self.tasks.contains_key(lane) {
            self.order.push(lane.clone());
        }
        self.tasks.entry(lane.clone()).or_default()
    }
}

type Found = Option<(&'static str, Option<String>, Value, Value)>;

/// The first difference of a task: what it asked, what it was answered, what it gave, where it led.
fn first(a: &Task, b: &Task, blobs_a: &dyn Blobs, blobs_b: &dyn Blobs) -> Result<Found, Fault> {
    let unpack = |payload: Option<&Payload>, output: &Value, blobs: &dyn Blobs| {
        payload.map_or(Ok(Value::Null), |payload| payload.unpack(output, blobs))
    };
    let mut ordinals: Vec<u32> = a.effects.keys().chain(b.effects.keys()).copied().collect();
    ordinals.sort_unstable();
    ordinals.dedup();
    for ordinal in ordinals {
        let (x, y) = (a.effects.get(&ordinal), b.effects.get(&ordinal));
        let name = x.or(y).and_then(|all| all.first()).map(|one| format!("{} (effect {ordinal})", one.name));
        let hash = |all: Option<&Vec<EffectRecord>>| {
            all.and_then(|all| all.first()).map(|one| (one.name.clone(), one.request_hash.clone()))
        };
        let request = |all: Option<&Vec<EffectRecord>>, blobs: &dyn Blobs| {
            let payload = all.into_iter().flatten().find_map(|one| one.request.as_ref());
            unpack(payload, &Value::Null, blobs)
        };
        if hash(x) != hash(y) {
            return Ok(Some(("request", name, request(x, blobs_a)?, request(y, blobs_b)?)));
        }
        let done = |all: Option<&Vec<EffectRecord>>, blobs: &dyn Blobs| {
            let done = all.into_iter().flatten().find(|one| one.phase == Phase::Done);
            unpack(done.and_then(|one| one.response.as_ref()), &Value::Null, blobs)
        };
        let (x, y) = (done(x, blobs_a)?, done(y, blobs_b)?);
        if x != y {
            return Ok(Some(("response", name, x, y)));
        }
    }
    let (Some(x), Some(y)) = (&a.commit, &b.commit) else { return Ok(None) };
    if x.error != y.error {
        return Ok(Some(("error", None, json!(x.error), json!(y.error))));
    }
    let (out_a, out_b) =
        (unpack(Some(&x.output), &Value::Null, blobs_a)?, unpack(Some(&y.output), &Value::Null, blobs_b)?);
    if out_a != out_b {
        return Ok(Some(("output", None, out_a, out_b)));
    }
    let mut keys: Vec<&String> = x.writes.keys().chain(y.writes.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let (of_a, of_b) =
            (unpack(x.writes.get(key), &out_a, blobs_a)?, unpack(y.writes.get(key), &out_b, blobs_b)?);
        if of_a != of_b {
            return Ok(Some(("write", Some(key.clone()), of_a, of_b)));
        }
    }
    let way = |route: Option<&Route>| json!(route.map(|route| json!({"edge": route.edge, "to": route.to})));
    let (x, y) = (way(a.route.as_ref()), way(b.route.as_ref()));
    Ok(if x == y { None } else { Some(("route", None, x, y)) })
}
