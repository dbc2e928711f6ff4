//! Kind `wasm`: a component beside the graph file, pinned by its hash and stored with the run.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use prunella_engine::clock::StepClock;
use prunella_engine::replay::replay;
use prunella_engine::run::{Engine, NewInputs, Options, RunResult, loader};
use prunella_engine::store::Store;
use prunella_engine::trace::{Trace, read};
use prunella_engine::{Call, Class, Done, EffectError, Reconciled, World};
use prunella_nodes::kinds;
use prunella_nodes::world::components;
use serde_json::{Value, json};

use crate::build::text;
use crate::scene::runtime;

/// A folder with a graph file's components.
struct Folder(PathBuf);

#[async_trait]
impl World for Folder {
    fn class(&self, name: &str) -> Option<Class> {
        (name == "component.load").then_some(Class::Read)
    }

    async fn perform(&self, call: Call) -> Result<Done, EffectError> {
        let request = serde_json::from_value(call.request).unwrap();
        let loaded = components::load(Some(&self.0), &request, call.blobs.as_ref())?;
        Ok(Done::free(serde_json::to_value(loaded).unwrap()))
    }

    async fn reconcile(&self, _: Call) -> Result<Reconciled, EffectError> {
        Ok(Reconciled::DidNot)
    }
}

fn run(folder: PathBuf, hash: &str, returns: &str) -> (Engine, String, RunResult) {
    let source = format!(
        "format: 1\nname: beside\nends: {{done: {{outcome: success, output: =n}}}}\nstate: {{n: {returns}}}\nstart: weigh\nnodes:\n  weigh:\n    kind: wasm\n    component: parts/weigh.wasm\n    hash: {hash}\n    with: {{anything: [1, 2]}}\n    returns: {returns}\n    writes: {{n: =output}}\n    next: done\n"
    );
    let (graph, warnings) =
        prunella_engine::graph::load("beside.yaml", &source, &kinds()).unwrap_or_else(|found| {
            panic!("{}", found.iter().map(|one| one.render(&source)).collect::<String>())
        });
    assert!(warnings.is_empty());
    let mut options = Options::new(&kinds());
    options.clock = Arc::new(StepClock::at(1_795_000_000_000));
    let engine = Engine::new(Store::in_memory().unwrap(), kinds(), Arc::new(Folder(folder)), options);
    let new = NewInputs { inputs: json!({}), settings: json!({}), local: Value::Null };
    let id = engine.start(&graph, new).unwrap();
    let result = runtime().block_on(engine.run(&id, &mut |_| {})).unwrap();
    (engine, id, result)
}

#[test]
fn a_component_beside_the_graph_runs_and_its_trace_needs_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = text("", "42", "(i32.const 16)");
    std::fs::create_dir(dir.path().join("parts")).unwrap();
    std::fs::write(dir.path().join("parts/weigh.wasm"), &bytes).unwrap();
    let hash = blake3::hash(&bytes).to_hex().to_string();
    let (engine, id, result) = run(dir.path().to_owned(), &hash, "int");
    assert_eq!((result.exit, &result.output), (0, &json!(42)), "{result:?}");
    let trace = Trace::of_run(engine.store(), &id).unwrap().to_bytes().unwrap();
    let (_, _, refused) = run(dir.path().to_owned(), &"f".repeat(64), "int");
    assert!(refused.exit == 5 && refused.error.unwrap().message.contains(&hash));
    let (_, _, wrong) = run(dir.path().to_owned(), &hash, "string");
    assert_ne!(wrong.exit, 0, "the output is held to `returns`");
    drop(dir);
    let again = replay(&read(&trace).unwrap(), Some(&kinds()), &loader(&kinds())).unwrap();
    assert_eq!((again.end.as_deref(), again.effects), (Some("done"), 1));
}
