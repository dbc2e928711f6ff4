//! A run that branches off another one.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::history::find;
use super::{Engine, pin};
use crate::graph::Graph;
use crate::journal::{EffectRecord, GraphPin, Header, Origin, Past, Payload, Phase, Record};
use crate::scheduler::{Scheduler, Update};
use crate::store::{Reach, Store};
use crate::{Class, Fault, Lane};

/// What is to be different in a fork.
#[derive(Debug, Default)]
pub struct Change {
    /// Another graph, which must have everything that is under way at the point.
    pub graph: Option<Graph>,
    /// Other settings, as in [`super::NewInputs`].
    pub settings: Option<Value>,
    /// A change of the state, made before anything runs.
    pub update: Option<Update>,
    /// Whether effects that change the world may be performed in the fork.
    pub allow_external: bool,
}

impl Engine {
    /// Makes a new run that begins where `run` stood at `step` (see [`Engine::state_at`]), and returns its id. While it
    /// runs, what `run` recorded later is reused where task, ordinal and request are the same and nothing outside was
    /// changed by it; everything else is done anew. Its trace stands alone.
    ///
    /// # Errors
    /// Exit 2 when there is no such step or the run was over there; 7 when the graph lacks what is under way; what
    /// [`Engine::update`] says of the change.
    pub fn fork(&self, run: &str, step: &str, change: Change) -> Result<String, Fault> {
        let store = self.store();
        let past = Past::of(store.records_between(run, 0, 0)?)?;
        let history = self.history(run)?;
        let at = find(&history, step)?;
        let (records, chain) = match at {
            Some(at) => (at.record, at.chain.clone()),
            None => (0, crate::journal::hex(&past.root)),
        };
        let (scheduler, parents) = if records == 0 && past.header.fork.is_none() {
            let facts = self.facts(&past.header)?;
            let inputs = past.header.inputs.unpack(&Value::Null, store.as_ref())?;
            (Scheduler::new(Arc::clone(&facts.graph), inputs)?, Arc::clone(&facts.graph))
        } else {
            let there = self.scheduler_at(run, Reach::Record(records))?;
            there.ok_or_else(|| {
                Fault::bug(format!("record {records} is in the history and not in the journal"))
            })?
        };
        if scheduler.is_over() {
            let message = format!("run {run} was over at step {step}: there is nothing to go on with");
            return Err(Fault::new("fork.over", 2, message).help("fork it at an earlier step"));
        }
        let snapshot = scheduler.snapshot()?;
        let graph = change.graph.as_ref().unwrap_or(&parents);
        Scheduler::restored(Arc::new(graph.clone()), &snapshot)?;
        let pinned = match &change.graph {
            Some(graph) => self.pinned(graph)?,
            None => past.header.graph.clone(),
        };
        let settings = match change.settings {
            Some(settings) => Payload::pack(&self.options.redactor.value(settings), store.as_ref())?,
            None => past.header.settings.clone(),
        };
        let header = Header {
            tool: self.options.tool.clone(),
            graph: pinned,
            kinds: pin::kinds(graph, &self.tools.kinds)?,
            settings,
            fork: Some(Origin {
                run: run.to_owned(),
                records,
                chain,
                at: Payload::pack(&snapshot, store.as_ref())?,
                allow_external: change.allow_external,
            }),
            ..self.header(past.header.inputs.clone())
        };
        let id = self.create(header, &store.row(run)?.local)?;
        if let Some(update) = change.update {
            self.update(&id, update)?;
        }
        Ok(id)
    }

    /// Copies a run as a new run, and returns its id: see [`Store::copy`].
    ///
    /// # Errors
    /// As [`Store::copy`].
    pub fn copy(&self, run: &str) -> Result<String, Fault> {
        let clock = &self.tools.clock;
        let now_ms = clock.now_ms();
        let mut tries_left = 8;
        loop {
            let id = super::id::make(now_ms, clock.random());
            match self.store().copy(run, &id, now_ms) {
                Err(fault) if fault.code == "run.exists" && tries_left > 0 => tries_left -= 1,
                other => return other.map(|()| id),
            }
        }
    }

    /// The pin of a graph, its text and form stored.
    pub(super) fn pinned(&self, graph: &Graph) -> Result<GraphPin, Fault> {
        use crate::blob::Blobs;
        let store = self.store();
        Ok(GraphPin {
            name: graph.name.clone(),
            hash: graph.hash.clone(),
            source: store.put(graph.source.as_bytes())?,
            form: Some(store.put(graph.form().as_bytes())?),
            files: graph
                .files
                .iter()
                .map(|(path, text)| Ok((path.clone(), store.put(text.as_bytes())?)))
                .collect::<Result<_, Fault>>()?,
        })
    }
}

/// What a fork may take from the run that it branched off.
#[derive(Debug, Default)]
pub(crate) struct Inheritance {
    /// The answered effects after the point, by task and ordinal.
    answered: BTreeMap<(Lane, u32), EffectRecord>,
    /// Whether effects that change the world may be performed.
    pub(crate) allow_external: bool,
}

impl Inheritance {
    /// What the fork with this origin may take. Nothing to take where the other run is gone.
    pub(crate) fn of(store: &Store, origin: &Origin) -> Result<Self, Fault> {
        let allow_external = origin.allow_external;
        let records = match store.records_from(&origin.run, 1) {
            Err(fault) if fault.code == "run.unknown" => {
                return Ok(Self { allow_external, ..Self::default() });
            }
            other => other?,
        };
        let mut answered = BTreeMap::new();
        for sealed in records {
            if let Record::Effect(effect) = sealed.record
                && effect.phase == Phase::Done
                && effect.class != Class::External
            {
                answered.insert((effect.lane.clone(), effect.ordinal), effect);
            }
        }
        Ok(Self { answered, allow_external })
    }

    /// The recorded answer to this request of this task, when there is one.
    pub(crate) fn answer(&self, lane: &Lane, ordinal: u32, name: &str, hash: &str) -> Option<&EffectRecord> {
        let found = self.answered.get(&(lane.clone(), ordinal))?;
        (found.name == name && found.request_hash == hash).then_some(found)
    }
}
