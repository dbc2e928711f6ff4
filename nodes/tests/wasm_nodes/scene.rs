//! Components as kinds, and the world that they play on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use prunella_engine::clock::StepClock;
use prunella_engine::run::{Engine, Loader, NewInputs, Options, Stop};
use prunella_engine::store::Store;
use prunella_engine::testing::Task;
use prunella_engine::types::Type;
use prunella_engine::{
    Call, Class, Done, EffectError, Field, Kind, Kinds, NodeError, Output, Reconciled, World,
};
use prunella_nodes::wasm::{Component, Face, Limits};
use serde_json::{Value, json};

use crate::build;

/// Texts by name, and sensors whose reading is five times their number.
#[derive(Default)]
pub(crate) struct Playground {
    pub(crate) performed: Mutex<Vec<String>>,
}

impl Playground {
    pub(crate) fn performed(&self) -> Vec<String> {
        self.performed.lock().unwrap().clone()
    }
}

#[async_trait]
impl World for Playground {
    fn class(&self, name: &str) -> Option<Class> {
        class(name)
    }

    async fn perform(&self, call: Call) -> Result<Done, EffectError> {
        self.performed.lock().unwrap().push(format!("{} {} {}", call.name, call.lane, call.ordinal));
        // A damaged component may ask for anything: what is no request is refused, as the real effects do.
        let refused = || EffectError::new("effect.request", 1, format!("{}: {}", call.name, call.request));
        Ok(Done::free(match call.name.as_str() {
            "words.fetch" => {
                let name = call.request["name"].as_str().ok_or_else(refused)?;
                json!({"text": format!("{name} {name}\n{name}"), "also": 1})
            }
            "reading.take" => {
                let sensor = call.request["sensor"].as_i64().ok_or_else(refused)?;
                json!({"value": sensor.wrapping_mul(5)})
            }
            other => return Err(EffectError::new("effect.unknown", 1, other)),
        }))
    }

    async fn reconcile(&self, _: Call) -> Result<Reconciled, EffectError> {
        Ok(Reconciled::DidNot)
    }
}

pub(crate) fn class(name: &str) -> Option<Class> {
    match name {
        "words.fetch" => Some(Class::Read),
        "reading.take" => Some(Class::Costly),
        _ => None,
    }
}

pub(crate) fn ty(text: &str) -> Type {
    Type::parse(text, &mut |_| None).unwrap()
}

/// Small limits, so that a test that reaches one is quick.
pub(crate) fn small() -> Limits {
    Limits { fuel: 20_000_000, memory_bytes: 8 << 20, host_calls: 50, host_bytes: 1 << 20 }
}

/// A kind of these bytes that gives `output`.
pub(crate) fn kind(bytes: &[u8], output: &str, effects: &'static [&'static str], limits: Limits) -> Kind {
    let face = Face { effects, ..Face::new("guest", Output::Fixed(ty(output))) };
    Component::from_bytes(bytes, limits).unwrap().kind(face, class).unwrap()
}

/// The samples as kinds, `median` in C and `words` in JavaScript.
pub(crate) fn kinds() -> Kinds {
    static MADE: OnceLock<[Component; 2]> = OnceLock::new();
    let read = |bytes| Component::from_bytes(bytes, Limits::default()).unwrap();
    let [median, words] = MADE.get_or_init(|| [read(build::c()), read(build::js())]);
    let sample = |name, component: &Component, field, takes: &str, output: &str, effects| {
        let with = vec![Field { name: field, ty: ty(takes), doc: "" }];
        let face = Face { with, effects, ..Face::new(name, Output::Fixed(ty(output))) };
        component.kind(face, class).unwrap()
    };
    let median =
        sample("median", median, "sensors", "list<int>", "{count: int, median: int}", &["reading.take"]);
    let words = sample(
        "words",
        words,
        "names",
        "list<string>",
        "{counts: map<int>, list: text, attempt: int}",
        &["words.fetch"],
    );
    Kinds::default().with_kind(median).with_kind(words)
}

/// One task of `kind`, without a graph or a store.
pub(crate) fn task(kind: &Kind, input: Value) -> Result<Value, NodeError> {
    let task = Task::new("guest", json!({"shared": true}));
    runtime().block_on(task.run(kind.node.as_ref(), input, &Playground::default()))
}

pub(crate) const GRAPH: &str = "\
format: 1
name: guests
inputs: {names: list<string>, sensors: list<int>}
state: {counts: map<int>, list: text, median: int}
ends: {done: {outcome: success, output: {counts: =counts, median: =median}}}
start: words
nodes:
  words:
    with: {names: =inputs.names}
    writes: {counts: =output.counts, list: =output.list}
    next: median
  median:
    with: {sensors: =inputs.sensors}
    writes: {median: =output.median}
    next: done
";

/// An engine on a store.
pub(crate) struct Scene {
    pub(crate) engine: Engine,
    pub(crate) world: Arc<Playground>,
    pub(crate) stop: Stop,
}

pub(crate) fn loader() -> Loader {
    prunella_engine::run::loader(&kinds())
}

impl Scene {
    pub(crate) fn on(store: Arc<Store>) -> Self {
        let world = Arc::new(Playground::default());
        let mut options = Options::new(&kinds());
        options.clock = Arc::new(StepClock::at(1_795_000_000_000));
        let stop = options.stop.clone();
        Self { engine: Engine::new(store, kinds(), world.clone(), options), world, stop }
    }

    pub(crate) fn start(&self) -> String {
        let graph = match prunella_engine::graph::load("guests.yaml", GRAPH, &kinds()) {
            Ok((graph, _)) => graph,
            Err(found) => panic!("{}", found.iter().map(|one| one.render(GRAPH)).collect::<String>()),
        };
        let inputs = json!({"names": ["ivy", "elm"], "sensors": [30, 4, 15]});
        let new = NewInputs { inputs, settings: json!({}), local: Value::Null };
        self.engine.start(&graph, new).unwrap()
    }
}

/// What the graph's state is at its end.
pub(crate) fn state() -> BTreeMap<String, Value> {
    let list = prunella_engine::blob::BlobRef::of(b"elm\nivy");
    BTreeMap::from([
        ("counts".to_owned(), json!({"elm": 3, "ivy": 3})),
        ("list".to_owned(), serde_json::to_value(list).unwrap()),
        ("median".to_owned(), json!(75)),
    ])
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}
