//! What a job runs on: an engine over a store in memory or on disk, and a throw-away directory.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use prunella_engine::event::Event;
use prunella_engine::graph::{Builder, Graph};
use prunella_engine::journal::Record;
use prunella_engine::run::{Engine, NewInputs, Options};
use prunella_engine::store::Store;
use prunella_engine::{Call, Class, Done, EffectError, Kinds, Reconciled, World, canonical};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::kinds;

/// Nothing here asks for an effect.
struct NoWorld;

#[async_trait]
impl World for NoWorld {
    fn class(&self, _: &str) -> Option<Class> {
        None
    }

    async fn perform(&self, call: Call) -> Result<Done, EffectError> {
        Err(EffectError::new("bench.effect", 1, format!("nobody performs {}", call.name)))
    }

    async fn reconcile(&self, call: Call) -> Result<Reconciled, EffectError> {
        Err(EffectError::new("bench.effect", 1, format!("nobody performs {}", call.name)))
    }
}

/// An engine with its runtime.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) runtime: Runtime,
    kinds: Kinds,
}

impl Bench {
    pub(crate) fn on(store: Arc<Store>) -> Self {
        let kinds = kinds::all();
        let options = Options::new(&kinds);
        let engine = Engine::new(store, kinds.clone(), Arc::new(NoWorld), options);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { engine, runtime, kinds }
    }

    pub(crate) fn in_memory() -> Self {
        Self::on(Store::in_memory().unwrap())
    }

    pub(crate) fn on_disk(dir: &Path) -> Self {
        Self::on(Store::open(dir).unwrap())
    }

    pub(crate) fn graph(&self, builder: &Builder) -> Graph {
        let source = builder.source();
        match builder.build(&self.kinds) {
            Ok((graph, _)) => graph,
            Err(found) => panic!("{}", found.iter().map(|one| one.render(&source)).collect::<String>()),
        }
    }

    /// Runs `graph` to `end` and returns the run's id.
    pub(crate) fn go(&self, graph: &Graph, inputs: Value, end: &str) -> String {
        self.told(graph, inputs, end, &mut |_| {})
    }

    /// The same, and tells `sink` what happens.
    pub(crate) fn told(
        &self,
        graph: &Graph,
        inputs: Value,
        end: &str,
        sink: &mut dyn FnMut(Event),
    ) -> String {
        let new = NewInputs { inputs, settings: json!({}), local: json!({}) };
        let run = self.engine.start(graph, new).unwrap();
        let result = self.runtime.block_on(self.engine.run(&run, sink)).unwrap();
        assert_eq!(result.end.as_deref(), Some(end), "{:?}", result.error);
        run
    }

    /// Runs `graph` to `end` without a journal and returns the state that it came to.
    pub(crate) fn unrecorded(&self, graph: &Graph, inputs: Value, end: &str) -> Value {
        let new = NewInputs { inputs, settings: json!({}), local: json!({}) };
        let (result, state) = self.runtime.block_on(self.engine.run_unrecorded(graph, new, None)).unwrap();
        assert_eq!(result.end.as_deref(), Some(end), "{:?}", result.error);
        json!(state)
    }

    /// The bytes of everything that the run wrote to its state, as canonical JSON, in MB.
    pub(crate) fn raw_mb(&self, run: &str) -> f64 {
        let store = self.engine.store();
        let mut bytes = 0;
        for sealed in store.records(run).unwrap() {
            let Record::Commit(commit) = sealed.record else { continue };
            let output = commit.output.unpack(&Value::Null, store.as_ref()).unwrap();
            for payload in commit.writes.values() {
                bytes += canonical::to_string(&payload.unpack(&output, store.as_ref()).unwrap()).len();
            }
        }
        bytes as f64 / 1e6
    }

    /// The state that the run came to.
    pub(crate) fn state(&self, run: &str) -> Value {
        json!(self.engine.view(run).unwrap().state)
    }
}

/// A directory that is gone with the value; under `LGB_TMP` when that is set, as for the other side.
pub(crate) fn temp_dir() -> TempDir {
    match std::env::var_os("LGB_TMP") {
        Some(place) => TempDir::with_prefix_in("prunella_bench_", place).unwrap(),
        None => TempDir::with_prefix("prunella_bench_").unwrap(),
    }
}

/// What a store whose last connection is closed keeps on disk, in MB.
pub(crate) fn db_mb(dir: &Path) -> f64 {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let ours = files.filter(|entry| entry.file_name().to_string_lossy().starts_with("runs.db"));
    ours.map(|entry| entry.metadata().unwrap().len()).sum::<u64>() as f64 / 1e6
}
