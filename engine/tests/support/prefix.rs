//! Journals that were cut off after some record, as a killed process leaves them, and what is left to be done then.

use std::collections::BTreeSet;
use std::sync::Arc;

use prunella_engine::blob::Blobs;
use prunella_engine::journal::{Phase, Record};
use prunella_engine::store::{Durability, NewRun, Store};
use prunella_engine::{Class, Lane};
use serde_json::Value;

/// The records of a run.
pub(crate) fn records(store: &Store, run: &str) -> Vec<Record> {
    store.records(run).unwrap().into_iter().map(|sealed| sealed.record).collect()
}

/// A store that holds a run of the graph in `source` whose journal is `records`.
pub(crate) fn store_with(source: &str, records: &[Record]) -> Arc<Store> {
    let store = Store::in_memory().unwrap();
    let Record::Header(header) = &records[0] else { panic!("no header") };
    store.put(source.as_bytes()).unwrap();
    let (id, graph) = (&header.run, &header.graph.name);
    let new = NewRun { id, created_ms: header.created_ms, graph, local: &Value::Null };
    store.create(&new, &records[0]).unwrap();
    let (mut owner, _) = store.own(&header.run).unwrap();
    owner.append(&records[1..], None, Durability::Process, 0).unwrap();
    drop(owner);
    store
}

/// How the tests name an effect: `look.at plan#1 0`.
pub(crate) fn line(name: &str, lane: &Lane, ordinal: u32) -> String {
    format!("{name} {lane} {ordinal}")
}

/// What is left to be done after a cut.
pub(crate) struct Left {
    /// The effects that a resume performs, sorted.
    pub(crate) performed: Vec<String>,
    /// The keys of effects that were under way and did happen, which the world says when it is asked.
    pub(crate) happened: BTreeSet<String>,
}

impl Left {
    /// What `kept`, the first records of a run, leave of all that the whole run `performed`: everything whose answer
    /// is not among them, but for what changes the world and had begun.
    pub(crate) fn after(kept: &[Record], mut performed: Vec<String>) -> Self {
        let Record::Header(header) = &kept[0] else { panic!("no header") };
        let mut happened = BTreeSet::new();
        for record in kept {
            let Record::Effect(effect) = record else { continue };
            let known = match (effect.phase, effect.class) {
                (Phase::Done, _) => true,
                (Phase::Start, Class::External) => {
                    happened.insert(format!("{}/{}/{}", header.run, effect.lane, effect.ordinal));
                    true
                }
                _ => false,
            };
            if known {
                let line = line(&effect.name, &effect.lane, effect.ordinal);
                performed.retain(|other| *other != line);
            }
        }
        performed.sort();
        Self { performed, happened }
    }
}
