//! A run's past: its checkpoints without their states, the state at one of them, and what changed between two.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::Engine;
use crate::blob::Blobs;
use crate::graph::Graph;
use crate::journal::{self, Past, Record, Sealed, To};
use crate::scheduler::Scheduler;
use crate::{Failure, Fault, Lane};

/// One superstep, or one change by a person, as the journal tells of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Checkpoint {
    /// Counts the run's checkpoints over all scopes, from 1.
    pub number: u64,
    /// The task; nothing for a change by a person that counts as no task.
    pub lane: Option<Lane>,
    /// The scope's path, empty for the run itself.
    pub scope: String,
    /// Counts the supersteps of its scope; nothing for a change by a person.
    pub superstep: Option<u64>,
    /// The edge taken.
    pub edge: Option<String>,
    /// Where that leads.
    pub to: Option<To>,
    /// The state keys written.
    pub keys: Vec<String>,
    /// Why the task failed, when it did.
    pub error: Option<Failure>,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The number of its last record in the journal; the header is 0.
    pub record: u64,
    /// The chain hash of that record, in hex.
    pub chain: String,
}

/// The state of a run at one of its checkpoints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StateAt {
    /// By scope path, what its keys hold.
    pub states: BTreeMap<String, BTreeMap<String, Value>>,
    /// The tasks and questions that are under way there.
    pub under_way: Vec<Lane>,
}

/// What one key of one scope held, and holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeyChange {
    /// The scope's path, empty for the run itself.
    pub scope: String,
    /// The state key.
    pub key: String,
    /// Before; nothing where it had no value.
    pub before: Option<Value>,
    /// After; nothing where it has no value.
    pub after: Option<Value>,
}

/// The checkpoints that records tell of, the oldest first. No state is made for it.
pub(crate) fn checkpoints(records: &[Sealed]) -> Vec<Checkpoint> {
    let mut found: Vec<Checkpoint> = Vec::new();
    for (i, sealed) in records.iter().enumerate() {
        // The header is record 0, and not among these.
        let (record, number) = (i as u64 + 1, found.len() as u64 + 1);
        match &sealed.record {
            Record::Commit(commit) => found.push(Checkpoint {
                number,
                lane: Some(commit.lane.clone()),
                scope: commit.lane.scope.to_string(),
                superstep: Some(commit.superstep),
                edge: None,
                to: None,
                keys: commit.writes.keys().cloned().collect(),
                error: commit.error.clone(),
                at_ms: commit.at_ms,
                record,
                chain: sealed.head(),
            }),
            Record::Route(route) => {
                let of = found.iter_mut().rev().find(|one| one.lane.as_ref() == Some(&route.lane));
                if let Some(step) = of {
                    (step.edge, step.to) = (Some(route.edge.clone()), Some(route.to.clone()));
                    (step.record, step.chain) = (record, sealed.head());
                }
            }
            // One that counts as a task is told by that task's commit.
            Record::Update(update) if update.node.is_none() => found.push(Checkpoint {
                number,
                lane: None,
                scope: update.scope.clone(),
                superstep: None,
                edge: None,
                to: None,
                keys: update.writes.keys().cloned().collect(),
                error: None,
                at_ms: update.at_ms,
                record,
                chain: sealed.head(),
            }),
            _ => {}
        }
    }
    found
}

/// The checkpoint that `step` names: its number, or its task (`test#2`). Nothing for 0, the beginning.
pub(crate) fn find<'h>(history: &'h [Checkpoint], step: &str) -> Result<Option<&'h Checkpoint>, Fault> {
    if step == "0" {
        return Ok(None);
    }
    let found = match step.parse::<u64>() {
        Ok(number) => history.iter().find(|one| one.number == number),
        Err(_) => history.iter().find(|one| one.lane.as_ref().is_some_and(|lane| lane.to_string() == step)),
    };
    found.map(Some).ok_or_else(|| {
        let message = format!("the run has no step `{}`", step.escape_debug());
        let help = match history.last() {
            Some(last) => {
                format!("it has 1 to {}, and the tasks that `prunella runs history` shows", last.number)
            }
            None => "it has none yet but 0, its beginning".to_owned(),
        };
        Fault::new("run.step", 2, message).help(help)
    })
}

impl Engine {
    /// The run's checkpoints, the oldest first.
    ///
    /// # Errors
    /// Exit 2 for an unknown run, 6 when the store cannot be read, 21 when the journal is damaged.
    pub fn history(&self, run: &str) -> Result<Vec<Checkpoint>, Fault> {
        Ok(checkpoints(&Past::of(self.store().records(run)?)?.records))
    }

    /// The state of a run at a step: the number of a checkpoint, a task (`test#2`), or `0` for the beginning.
    ///
    /// # Errors
    /// As [`Engine::view`]; exit 2 when there is no such step.
    pub fn state_at(&self, run: &str, step: &str) -> Result<StateAt, Fault> {
        let history = self.history(run)?;
        let record = find(&history, step)?.map_or(0, |step| step.record);
        self.state_at_record(run, record)
    }

    /// The state of a run after the record of this number; the header is 0. Starts from the nearest snapshot, so it
    /// costs what the state holds and what was added since then.
    ///
    /// # Errors
    /// As [`Engine::view`].
    pub fn state_at_record(&self, run: &str, record: u64) -> Result<StateAt, Fault> {
        let (mut scheduler, _) = self.scheduler_at(run, record)?;
        let states = scheduler.states();
        let under_way = scheduler.under_way()?.iter().filter_map(crate::scheduler::Command::lane).collect();
        Ok(StateAt { states, under_way })
    }

    /// What changed between two steps of a run, by scope and key.
    ///
    /// # Errors
    /// As [`Engine::state_at`].
    pub fn changes(&self, run: &str, from: &str, to: &str) -> Result<Vec<KeyChange>, Fault> {
        let (before, after) = (self.state_at(run, from)?.states, self.state_at(run, to)?.states);
        let mut keys: Vec<(&String, &String)> = [&before, &after]
            .into_iter()
            .flatten()
            .flat_map(|(scope, state)| state.keys().map(move |key| (scope, key)))
            .collect();
        keys.sort();
        keys.dedup();
        let value = |states: &BTreeMap<String, BTreeMap<String, Value>>, scope: &String, key: &String| {
            states.get(scope).and_then(|state| state.get(key)).cloned()
        };
        Ok(keys
            .into_iter()
            .map(|(scope, key)| KeyChange {
                scope: scope.clone(),
                key: key.clone(),
                before: value(&before, scope, key),
                after: value(&after, scope, key),
            })
            .filter(|change| change.before != change.after)
            .collect())
    }

    /// The scheduler as it stood after the record of this number, and the run's graph.
    pub(super) fn scheduler_at(&self, run: &str, record: u64) -> Result<(Scheduler, Arc<Graph>), Fault> {
        let store = self.store();
        let header = store.records_between(run, 0, 0)?;
        let Some(Sealed { record: Record::Header(header), chain: root, .. }) = header.into_iter().next()
        else {
            return Err(Fault::new("journal.header", 21, "the journal does not begin with a header"));
        };
        let facts = self.facts(&header)?;
        let graph = Arc::clone(&facts.graph);
        let snapshot = store.snapshot_at_or_before(run, record)?;
        let from = match &snapshot {
            Some((at, content)) => Some((*at, scheduler_of(&graph, content)?)),
            None => None,
        };
        let start = from.as_ref().map_or(0, |(at, _)| *at);
        let records =
            if record > start { store.records_between(run, start + 1, record)? } else { Vec::new() };
        let past = Past { header, root, records };
        let blobs: &dyn Blobs = store.as_ref();
        let folded = match from {
            Some((_, scheduler)) => journal::fold_on(scheduler, &past, blobs)?,
            None => journal::fold(&graph, &past, blobs, &mut |_, _| Ok(None))?,
        };
        Ok((folded.scheduler, graph))
    }
}

fn scheduler_of(graph: &Arc<Graph>, content: &[u8]) -> Result<Scheduler, Fault> {
    let value: Value = serde_json::from_slice(content)
        .map_err(|e| Fault::new("journal.snapshot", 21, format!("a snapshot is no JSON: {e}")))?;
    Scheduler::restored(Arc::clone(graph), &value)
}
