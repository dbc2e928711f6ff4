//! The store: every format of it that ever was, its upkeep, its damage, and what it costs.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests look at files and kill processes"
)]

#[cfg(test)]
mod cost;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod processes;
#[cfg(test)]
#[path = "../run_engine/scene.rs"]
#[allow(dead_code, reason = "each test binary uses a part of the scene")]
mod scene;
#[cfg(test)]
mod upkeep;

#[cfg(test)]
mod both {
    use std::sync::Arc;

    use prunella_engine::journal::Record;
    use prunella_engine::store::{NewRun, Store};
    use serde_json::{Value, json};

    /// Runs a test on a store on disk and on one in memory.
    pub(crate) fn both(test: impl Fn(Arc<Store>)) {
        let dir = tempfile::tempdir().unwrap();
        test(Store::open(dir.path()).unwrap());
        test(Store::in_memory().unwrap());
    }

    /// A run that is there and has never begun.
    pub(crate) fn create(store: &Store, id: &str, graph: &str, created_ms: u64) {
        let header = json!({"kind": "header", "format": 1, "tool": "t", "run": id, "created_ms": created_ms,
            "seed": 1, "graph": {"name": graph, "hash": "", "source": {"$blob": "", "bytes": 0}}, "kinds": {},
            "inputs": {"inline": {}}, "settings": {"inline": {}}});
        let header: Record = serde_json::from_value(header).unwrap();
        store.create(&NewRun { id, created_ms, graph, local: &Value::Null }, &header).unwrap();
    }

    /// A record that says `message`.
    pub(crate) fn said(message: impl Into<Value>) -> Record {
        let line = json!({"kind": "log", "lane": "talk#1", "message": message.into(), "at_ms": 1});
        serde_json::from_value(line).unwrap()
    }

    /// What a run says, in order.
    pub(crate) fn heard(store: &Store, run: &str) -> Vec<String> {
        let message = |record: Record| match record {
            Record::Log(line) => Some(line.message),
            _ => None,
        };
        let records = store.records(run).unwrap();
        records.into_iter().filter_map(|sealed| message(sealed.record)).collect()
    }
}
