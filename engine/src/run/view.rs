//! A run looked at from outside: what happened, step by step, and the state it has come to.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::Engine;
use crate::blob::Blobs;
use crate::driver::Facts;
use crate::journal::{self, EffectRecord, Header, Past, Phase, Record, Sealed, To};
use crate::store::RunRow;
use crate::{Fault, Lane};

/// A run as `runs show` prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunView {
    /// Its row in the store.
    pub run: RunRow,
    /// What it is pinned to.
    pub header: Header,
    /// Its inputs.
    pub inputs: Value,
    /// The resolved settings.
    pub settings: Value,
    /// What happened, in order of the commits; tasks without a commit come last.
    pub steps: Vec<StepView>,
    /// The state after the last commit.
    pub state: BTreeMap<String, Value>,
    /// Active time so far, in milliseconds.
    pub active_ms: u64,
    /// Cost so far, in millionths of a US dollar.
    pub cost_microusd: u64,
}

/// One task of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepView {
    /// The task.
    pub lane: Lane,
    /// The superstep of its scope; nothing before its commit.
    pub superstep: Option<u64>,
    /// What it returned; null before its commit.
    pub output: Value,
    /// The edge it took.
    pub edge: Option<String>,
    /// Where that leads.
    pub to: Option<To>,
    /// How long it was at work, in milliseconds.
    pub active_ms: u64,
    /// What it cost, in millionths of a US dollar.
    pub cost_microusd: u64,
    /// Its effects.
    pub effects: Vec<EffectView>,
    /// What it said.
    pub log: Vec<String>,
}

/// One effect of a task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EffectView {
    /// Counts the task's effects, from 0.
    pub ordinal: u32,
    /// Its name.
    pub name: String,
    /// Tries so far.
    pub tries: u32,
    /// Whether it was answered.
    pub done: bool,
    /// How long the answered try took, in milliseconds.
    pub took_ms: u64,
    /// What it cost, in millionths of a US dollar.
    pub cost_microusd: u64,
    /// Why the last try failed, when it did.
    pub error: Option<String>,
}

impl Engine {
    /// Refuses a graph that is not the one that `run` is pinned to: for who would go on with it under a graph of theirs.
    ///
    /// # Errors
    /// Exit 7, with what changed; 2 for an unknown run.
    pub fn same_graph(&self, run: &str, graph: &crate::graph::Graph) -> Result<(), Fault> {
        let past = Past::of(self.store().records_between(run, 0, 0)?)?;
        super::pin::same_graph(&past.header, graph, self.store().as_ref())
    }

    /// Looks at a run without owning it.
    ///
    /// # Errors
    /// As [`Engine::run`], but for the owner.
    pub fn view(&self, run: &str) -> Result<RunView, Fault> {
        let store = self.store();
        let row = store.row(run)?;
        let past = Past::of(store.records(run)?)?;
        let facts: Facts = self.facts(&past.header)?;
        let inputs = past.header.inputs.unpack(&Value::Null, store.as_ref())?;
        let folded = journal::fold(&facts.graph, &past, store.as_ref(), &mut |_, _| Ok(None))?;
        let used = folded.scheduler.used();
        Ok(RunView {
            run: row,
            inputs,
            settings: facts.settings,
            steps: steps(&past.records, store.as_ref())?,
            state: folded.scheduler.state(),
            active_ms: used.active_ms,
            cost_microusd: used.cost_microusd,
            header: past.header,
        })
    }
}

/// The tasks that `records` tell of.
pub(crate) fn steps(records: &[Sealed], blobs: &dyn Blobs) -> Result<Vec<StepView>, Fault> {
    let mut open: BTreeMap<Lane, StepView> = BTreeMap::new();
    let mut done: Vec<StepView> = Vec::new();
    for sealed in records {
        match &sealed.record {
            Record::Effect(effect) => {
                note(open.entry(effect.lane.clone()).or_insert_with(|| begun(&effect.lane)), effect);
            }
            Record::Log(line) => {
                let step = open.entry(line.lane.clone()).or_insert_with(|| begun(&line.lane));
                step.log.push(line.message.clone());
            }
            Record::Commit(commit) => {
                let mut step = open.remove(&commit.lane).unwrap_or_else(|| begun(&commit.lane));
                step.superstep = Some(commit.superstep);
                step.output = commit.output.unpack(&Value::Null, blobs)?;
                (step.active_ms, step.cost_microusd) = (commit.active_ms, commit.cost_microusd);
                done.push(step);
            }
            Record::Route(route) => {
                if let Some(step) = done.iter_mut().rev().find(|step| step.lane == route.lane) {
                    (step.edge, step.to) = (Some(route.edge.clone()), Some(route.to.clone()));
                }
            }
            _ => {}
        }
    }
    done.extend(open.into_values());
    Ok(done)
}

fn begun(lane: &Lane) -> StepView {
    StepView {
        lane: lane.clone(),
        superstep: None,
        output: Value::Null,
        edge: None,
        to: None,
        active_ms: 0,
        cost_microusd: 0,
        effects: Vec::new(),
        log: Vec::new(),
    }
}

fn note(step: &mut StepView, record: &EffectRecord) {
    let found = step.effects.iter().position(|view| view.ordinal == record.ordinal);
    let at = found.unwrap_or_else(|| {
        step.effects.push(EffectView {
            ordinal: record.ordinal,
            name: record.name.clone(),
            tries: 0,
            done: false,
            took_ms: 0,
            cost_microusd: 0,
            error: None,
        });
        step.effects.len() - 1
    });
    let Some(view) = step.effects.get_mut(at) else { return };
    view.tries = view.tries.max(record.r#try);
    view.done |= record.phase == Phase::Done;
    view.took_ms = record.took_ms;
    view.cost_microusd = view.cost_microusd.saturating_add(record.cost_microusd);
    step.cost_microusd = step.cost_microusd.saturating_add(record.cost_microusd);
    view.error = record.error.as_ref().map(|error| error.message.clone());
}
