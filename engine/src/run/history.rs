//! A run's past: its checkpoints without their states, the state at one of them, and what changed between two.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Engine;
use crate::blob::Blobs;
use crate::graph::Graph;
use crate::journal::{self, Past, Record, Sealed, To};
use crate::scheduler::Scheduler;
use crate::store::{RawRecord, Reach};
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

/// What a history needs of a record. The values that it holds are passed over.
#[derive(Deserialize)]
struct Glance<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    lane: Option<Lane>,
    superstep: Option<u64>,
    edge: Option<String>,
    to: Option<To>,
    #[serde(default)]
    writes: BTreeMap<String, IgnoredAny>,
    /// Those of commits and of effects differ.
    error: Option<Value>,
    #[serde(default)]
    at_ms: u64,
    #[serde(default)]
    scope: String,
    node: Option<String>,
}

/// The checkpoints that records tell of, as they are shown one after the other.
#[derive(Default)]
struct History {
    found: Vec<Checkpoint>,
}

impl History {
    fn see(&mut self, line: &RawRecord<'_>) -> Result<(), serde_json::Error> {
        let glance: Glance<'_> = serde_json::from_slice(line.bytes)?;
        let chain = || crate::journal::hex(&line.chain);
        let (lane, scope, superstep, error) = match &*glance.kind {
            "commit" => {
                let scope = glance.lane.as_ref().map(|lane| lane.scope.to_string()).unwrap_or_default();
                let error = glance.error.map(serde_json::from_value).transpose()?;
                (glance.lane, scope, glance.superstep, error)
            }
            "route" => {
                let of = self.found.iter_mut().rev().find(|step| step.lane == glance.lane);
                if let Some(step) = of {
                    (step.edge, step.to) = (glance.edge, glance.to);
                    (step.record, step.chain) = (line.number, chain());
                }
                return Ok(());
            }
            // One that counts as a task is told by that task's commit.
            "update" if glance.node.is_none() => (None, glance.scope, None, None),
            _ => return Ok(()),
        };
        self.found.push(Checkpoint {
            number: self.found.len() as u64 + 1,
            lane,
            scope,
            superstep,
            edge: None,
            to: None,
            keys: glance.writes.into_keys().collect(),
            error,
            at_ms: glance.at_ms,
            record: line.number,
            chain: chain(),
        });
        Ok(())
    }
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
        let mut history = History::default();
        self.store().walk(run, 1, &mut |line| {
            let damaged = |e| line.at(Fault::new("journal.record", 21, format!("no record: {e}")));
            history.see(line).map_err(damaged)?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(history.found)
    }

    /// The state of a run at a step: the number of a checkpoint, a task (`test#2`), or `0` for the beginning. Starts from
    /// the nearest snapshot, so it costs what the state holds and what was added since then; that of a task costs the
    /// history besides.
    ///
    /// # Errors
    /// As [`Engine::view`]; exit 2 when there is no such step.
    pub fn state_at(&self, run: &str, step: &str) -> Result<StateAt, Fault> {
        let reach = match step.parse() {
            Ok(number) => Reach::Step(number),
            Err(_) => Reach::Record(find(&self.history(run)?, step)?.map_or(0, |step| step.record)),
        };
        match self.scheduler_at(run, reach)? {
            Some((scheduler, _)) => state_of(scheduler),
            None => {
                find(&self.history(run)?, step)?;
                Err(Fault::bug(format!("step {step} is in the history and not in the journal")))
            }
        }
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

    /// The scheduler as it stood there, and the run's graph; nothing where the run does not come so far.
    pub(super) fn scheduler_at(
        &self,
        run: &str,
        reach: Reach,
    ) -> Result<Option<(Scheduler, Arc<Graph>)>, Fault> {
        let store = self.store();
        let header = store.records_between(run, 0, 0)?;
        let Past { header, root, .. } = Past::of(header)?;
        let facts = self.facts(&header)?;
        let graph = Arc::clone(&facts.graph);
        let kept = store.snapshot_within(run, reach)?;
        let (start, mut steps) = kept.as_ref().map_or((0, 0), |kept| (kept.seq, kept.step));
        let mut records: Vec<Sealed> = Vec::new();
        let mut there = reach == Reach::Record(start) || reach == Reach::Step(0);
        if !there {
            store.walk(run, start + 1, &mut |line| {
                let sealed = line.looked_at()?;
                // A commit's route comes right after it, so the step is whole only when the next record is none.
                if let Reach::Step(number) = reach
                    && steps == number
                    && !matches!(sealed.record, Record::Route(_))
                {
                    return Ok(ControlFlow::Break(()));
                }
                steps += u64::from(sealed.record.is_step());
                records.push(sealed);
                let enough = reach == Reach::Record(line.number);
                there |= enough;
                Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            there |= reach == Reach::Step(steps);
        }
        if !there {
            return Ok(None);
        }
        let past = Past { header, root, records };
        let blobs: &dyn Blobs = store.as_ref();
        let folded = match kept {
            Some(kept) => {
                let scheduler = Scheduler::restored_of_text(Arc::clone(&graph), &kept.content)?;
                journal::fold_on(scheduler, &past, blobs)?
            }
            None => journal::fold(&graph, &past, blobs, &mut |_, _| Ok(None))?,
        };
        Ok(Some((folded.scheduler, graph)))
    }
}

fn state_of(mut scheduler: Scheduler) -> Result<StateAt, Fault> {
    let states = scheduler.states();
    let under_way = scheduler.under_way()?.iter().filter_map(crate::scheduler::Command::lane).collect();
    Ok(StateAt { states, under_way })
}
