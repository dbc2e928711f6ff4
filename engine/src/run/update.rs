//! A person changes the state of a run that nobody is at work on.

use serde_json::Value;

use super::Engine;
use crate::journal::{self, Past, Payload, Record, UpdateRecord};
use crate::scheduler::Update;
use crate::store::Durability;
use crate::{Fault, Lane};

impl Engine {
    /// Changes the state of a run: values land through their reducers (or replace, where `writes.overwrites` says so),
    /// in the scope that `update` names. With a node, the change counts as an execution of it: its `writes` are
    /// evaluated over `output`, and its `next` leads on; without one, the task that is under way there begins again
    /// over the new state. A join still waits for every branch. [`Engine::run`] then goes on.
    ///
    /// # Errors
    /// Exit 2 when the scope, the node or a key is not there or a value has another type; nothing is written then. Exit
    /// 7 when the run is over, or another process is at work on it.
    pub fn update(&self, run: &str, update: Update) -> Result<(), Fault> {
        let store = self.store();
        let (mut owner, sealed) = store.own(run)?;
        let mut past = Past::of(sealed)?;
        let facts = self.facts(&past.header)?;
        let fold = |past: &Past| journal::fold(&facts.graph, past, store.as_ref(), &mut |_, _| Ok(None));
        let folded = fold(&past)?;
        if folded.finish.is_some() {
            let message = format!("run {run} is over: its state stands");
            return Err(Fault::new("run.over", 7, message).help("fork it where it should go another way"));
        }
        let redactor = &self.options.redactor;
        let update = Update {
            output: update.output.map(|output| redactor.value(output)),
            at_ms: self.tools.clock.now_ms(),
            ..update
        };
        if let (Some(node), Some(output)) = (&update.node, &update.output) {
            let lane = Lane { scope: update.scope.as_str().into(), node: node.into(), visit: 0 };
            let graph = folded.scheduler.node(&lane).map(|(graph, _)| graph.to_owned()).map_err(|_| {
                Fault::new(
                    "update.refused",
                    2,
                    format!("there is no node `{}` to update as", node.escape_debug()),
                )
            })?;
            let prepared = facts.prepared(&self.tools.kinds, &graph.as_str().into(), &lane)?;
            prepared.check(&lane, output).map_err(|fault| Fault { exit: 2, help: None, ..fault })?;
        }
        let pack = |value: &Value| Payload::pack(&redactor.value(value.clone()), store.as_ref());
        let record = Record::Update(UpdateRecord {
            scope: update.scope.clone(),
            node: update.node.clone(),
            output: update.output.as_ref().map(pack).transpose()?,
            writes: update
                .writes
                .values
                .iter()
                .map(|(key, value)| Ok((key.clone(), pack(value)?)))
                .collect::<Result<_, Fault>>()?,
            overwrites: update.writes.overwrites.clone(),
            at_ms: update.at_ms,
        });
        let mut records = folded.owed;
        records.push(record);
        records.iter().try_for_each(|record| past.push(record.clone()))?;
        // What the scheduler refuses is refused before anything is written.
        records.extend(fold(&past)?.owed);
        owner.append(&records, None, Durability::Disk, update.at_ms)
    }
}
