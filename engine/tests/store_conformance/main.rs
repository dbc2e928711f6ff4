//! LangGraph's conformance behaviours for checkpoint stores, in our words, against the store on disk and the store
//! in memory, through the public interface and with the records' own serializer.
//!
//! | LangGraph | here |
//! |---|---|
//! | thread | a run |
//! | checkpoint | a `commit` record (with its `route`): the state after it is the fold of the commits up to it |
//! | checkpoint id, parent config | a record's number; its chain hash, which covers the record before it |
//! | checkpoint namespace | the scope, the first part of a record's lane |
//! | `put` | `Owner::append` of a superstep's records |
//! | `put_writes`, pending writes | `effect` records of a task that has no commit yet, named by lane and ordinal |
//! | the special writes ERROR, INTERRUPT | an effect's `failed` record, an `interrupt` record |
//! | `get_tuple`, `get_state` | `Store::records`, `records_from`, `tail`; `Engine::view`; `journal::fold` |
//! | `list` | `Store::list_by` for runs; a run's records are its history |
//! | metadata | the `header` record, and the run's row |
//! | `delete_thread`, `delete_for_runs`, `copy_thread`, `prune` | `Store::delete`, `Store::delete`, `Store::copy`, `Store::prune` |
//! | delta channels | every key of the state; a snapshot is derived and can be missing |
//!
//! `rows` has the behaviours one by one.
//!
//! Without a counterpart, and why:
//! - channel versions and `versions_seen`: what runs next follows from the fold of commits and routes; there is
//!   nothing beside them that could disagree.
//! - values of type bytes: state is JSON, bytes are blobs by hash.
//! - a channel that is removed: keys are declared by the graph a run is pinned to; one is never taken away.
//! - metadata filters over keys of one's own: what a run is started with is pinned and typed; lists filter by
//!   graph, status, time and place in the order.
//! - per-channel termination of a delta walk, plain values as its seed: a snapshot holds all keys, or is none.
//! - pruning a thread to its latest checkpoint: earlier commits are what the state follows from. Runs are pruned.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the scene looks at files")]

#[cfg(test)]
mod delta;
#[cfg(test)]
mod list;
#[cfg(test)]
mod put;
#[cfg(test)]
mod read;
#[cfg(test)]
mod rows;
#[cfg(test)]
#[path = "../run_engine/scene.rs"]
#[allow(dead_code, reason = "each test binary uses a part of the scene")]
mod scene;
#[cfg(test)]
mod upkeep;

#[cfg(test)]
mod bench {
    use std::sync::Arc;

    use prunella_engine::journal::{Commit, Record, Sealed};
    use prunella_engine::store::{Durability, NewRun, Owner, RunStatus, Store};
    use serde_json::{Value, json};

    use crate::scene::{Scene, Script, ScriptedWorld};

    /// Makes a test of each of these functions on a store on disk, and one on a store in memory.
    #[macro_export]
    macro_rules! on_both {
        ($($name:ident),* $(,)?) => {
            mod on_disk {
                $(#[test] fn $name() { super::$name(&$crate::bench::Bench::on_disk()); })*
            }
            mod in_memory {
                $(#[test] fn $name() { super::$name(&$crate::bench::Bench::in_memory()); })*
            }
        };
    }

    /// A store to test.
    pub(crate) struct Bench {
        pub(crate) store: Arc<Store>,
        dir: Option<tempfile::TempDir>,
    }

    impl Bench {
        pub(crate) fn on_disk() -> Self {
            let dir = tempfile::tempdir().unwrap();
            Self { store: Store::open(dir.path()).unwrap(), dir: Some(dir) }
        }

        pub(crate) fn in_memory() -> Self {
            Self { store: Store::in_memory().unwrap(), dir: None }
        }

        /// The store as another process finds it: opened again where it is on disk.
        pub(crate) fn again(&self) -> Arc<Store> {
            self.dir.as_ref().map_or_else(|| Arc::clone(&self.store), |dir| Store::open(dir.path()).unwrap())
        }

        /// A scene on this store.
        pub(crate) fn scene(&self, script: Script) -> Scene {
            Scene::on(Arc::clone(&self.store), ScriptedWorld::new(script))
        }

        /// A run that was created at this time.
        pub(crate) fn create(&self, id: &str, graph: &str, created_ms: u64) {
            let header = record(json!({"kind": "header", "format": 1, "tool": "t", "run": id,
                "created_ms": created_ms, "seed": 1, "kinds": {"plan": 1},
                "graph": {"name": graph, "hash": "h", "source": {"$blob": "", "bytes": 0}},
                "inputs": {"inline": {"goal": "mend"}}, "settings": {"inline": {"custom": [1, {"two": 3}]}}}));
            let new = NewRun { id, created_ms, graph, local: &json!({"repo": "/here"}) };
            self.store.create(&new, &header).unwrap();
        }

        /// Appends to a run.
        pub(crate) fn put(&self, run: &str, records: &[Record]) {
            self.own(run).append(records, None, Durability::Disk, 1).unwrap();
        }

        pub(crate) fn stand(&self, run: &str, status: RunStatus) {
            self.own(run).append(&[], Some((status, &Value::Null)), Durability::Disk, 1).unwrap();
        }

        pub(crate) fn own(&self, run: &str) -> Owner {
            self.store.own(run).unwrap().0
        }

        /// The records of a run as another process finds them.
        pub(crate) fn get(&self, run: &str) -> Vec<Record> {
            self.again().records(run).unwrap().into_iter().map(|sealed| sealed.record).collect()
        }

        pub(crate) fn commits(&self, run: &str) -> Vec<Commit> {
            let commit = |record| if let Record::Commit(commit) = record { Some(commit) } else { None };
            self.get(run).into_iter().filter_map(commit).collect()
        }

        pub(crate) fn sealed(&self, run: &str) -> Vec<Sealed> {
            self.again().records(run).unwrap()
        }
    }

    pub(crate) fn record(value: Value) -> Record {
        serde_json::from_value(value).unwrap()
    }

    /// A superstep that wrote `value` to the key `key`.
    pub(crate) fn commit(lane: &str, superstep: u64, key: &str, value: Value) -> Record {
        let mut record = record(json!({"kind": "commit", "lane": lane, "superstep": superstep,
            "output": {"inline": null}, "writes": {}, "active_ms": 1, "cost_microusd": 2, "at_ms": 3}));
        if let Record::Commit(commit) = &mut record {
            commit.writes.insert(key.to_owned(), prunella_engine::journal::Payload::Inline(value));
        }
        record
    }

    /// The answer to an effect of a task that is not done.
    pub(crate) fn effect(lane: &str, ordinal: u32, phase: &str, value: Value) -> Record {
        let part = if phase == "failed" { "error" } else { "response" };
        let mut one = json!({"kind": "effect", "lane": lane, "ordinal": ordinal, "try": 1, "phase": phase,
            "name": "look.at", "class": "read", "request_hash": "h", "at_ms": 1});
        one[part] = value;
        record(one)
    }
}
