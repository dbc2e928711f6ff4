//! The scripted graph, nodes and world that all tests here play on.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use prunella_engine::clock::StepClock;
use prunella_engine::event::Event;
use prunella_engine::graph::Graph;
use prunella_engine::redact::Redactor;
use prunella_engine::run::{Engine, NewInputs, Options, RunResult, Stop};
use prunella_engine::store::Store;
use prunella_engine::types::Type;
use prunella_engine::{
    Call, Class, Ctx, Done, Effect, EffectError, Fault, Field, Kind, Kinds, Node, NodeError, Output,
    Reconciled, Setting, SettingType, World,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

macro_rules! effect {
    ($marker:ident, $name:literal, $class:ident) => {
        pub(crate) struct $marker;

        impl Effect for $marker {
            const NAME: &'static str = $name;
            const CLASS: Class = Class::$class;
            type Request = Ask;
            type Response = Value;
        }
    };
}
effect!(Look, "look.at", Read);
effect!(Work, "work.do", Costly);
effect!(Ship, "ship.it", External);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) what: String,
    pub(crate) attempt: u32,
}

/// `plan` looks at two things at once, `work` works, `ship` ships; each says what it was told.
struct Scripted(&'static str);

#[async_trait(?Send)]
impl Node for Scripted {
    async fn run(&self, ctx: &Ctx, input: Value) -> Result<Value, NodeError> {
        let attempt = ctx.task().attempt;
        let ask = |what: &str| Ask { what: what.to_owned(), attempt };
        match self.0 {
            "plan" => {
                let seen = ctx.all::<Look>(&[ask("here"), ask("there")]).await?;
                ctx.log(format!("attempt {attempt} of {}", ctx.task().max_attempts));
                Ok(
                    json!({"plan": format!("{} {} after {}", seen[0], seen[1], input["lessons"].as_array().unwrap().len())}),
                )
            }
            "work" => {
                let first = ctx.call::<Work>(&ask("first")).await?;
                let second = ctx.call::<Work>(&ask(first["say"].as_str().unwrap_or("?"))).await?;
                let visits = ctx.task().previous.as_ref().map_or(1, |p| p["visits"].as_u64().unwrap() + 1);
                Ok(
                    json!({"ok": second["ok"], "lesson": format!("attempt {attempt} failed"), "visits": visits}),
                )
            }
            _ => {
                // Made from the journal, and so the same on every resume and replay.
                let after = format!("it after {}", &ctx.task().chain_head()[..16]);
                Ok(
                    json!({"url": ctx.call::<Ship>(&ask(&after)).await?, "draft": ctx.task().settings["draft"]}),
                )
            }
        }
    }
}

/// Kinds that take and give these types.
pub(crate) fn kinds() -> Kinds {
    let ty = |text: &str| Type::parse(text, &mut |_| None).unwrap();
    let kind = |name: &'static str, with: Vec<Field>, output: &str, settings: Vec<Setting>| Kind {
        name,
        version: 1,
        doc: "",
        with,
        variables: false,
        output: Output::Fixed(ty(output)),
        settings,
        needs: &[],
        one_of: &[],
        effects: &["look.at", "work.do", "ship.it"],
        node: Arc::new(Scripted(name)),
    };
    let lessons = Field { name: "lessons", ty: ty("list<string>"), doc: "" };
    let setting = |name, ty| Setting { name, ty, doc: "" };
    Kinds::default()
        .with_kind(kind("plan", vec![lessons], "{plan: string}", vec![]))
        .with_kind(kind(
            "work",
            vec![],
            "{ok: bool, lesson: string, visits: int}",
            vec![setting("model", SettingType::Model)],
        ))
        .with_kind(kind(
            "ship",
            vec![],
            "{url: string, draft: bool}",
            vec![setting("draft", SettingType::Condition)],
        ))
}

/// The graph that everything here plays on.
pub(crate) const LOOP: &str = include_str!("loop.yaml");

pub(crate) fn graph(source: &str) -> Graph {
    match prunella_engine::graph::load("loop.yaml", source, &kinds()) {
        Ok((graph, _)) => graph,
        Err(found) => panic!("{}", found.iter().map(|one| one.render(source)).collect::<String>()),
    }
}

/// What the world does.
#[derive(Clone)]
pub(crate) struct Script {
    /// The attempt at which `work.do` answers ok.
    pub(crate) ok_at: u32,
    /// How many times each effect whose line begins so fails, retryable, before it is answered.
    pub(crate) failures: BTreeMap<String, u32>,
    /// `ship.it` happened, says whoever asks after a crash; else what was really shipped.
    pub(crate) unknown: bool,
    /// What one `work.do` costs.
    pub(crate) cost: u64,
}

impl Default for Script {
    fn default() -> Self {
        Self { ok_at: 3, failures: BTreeMap::new(), unknown: false, cost: 10 }
    }
}

/// Called when an effect happened outside and its answer is not on its way yet.
pub(crate) type Hook = Box<dyn Fn(&Call) + Send + Sync>;

/// A world that keeps a list of what it did, in a file when it has one.
#[derive(Default)]
pub(crate) struct ScriptedWorld {
    pub(crate) script: Script,
    pub(crate) log: Mutex<Vec<String>>,
    pub(crate) file: Option<PathBuf>,
    pub(crate) shipped: Mutex<BTreeSet<String>>,
    pub(crate) failed: Mutex<BTreeMap<String, u32>>,
    pub(crate) hook: Option<Hook>,
}

impl ScriptedWorld {
    pub(crate) fn new(script: Script) -> Self {
        Self { script, ..Self::default() }
    }

    /// What was performed, a line each: `look.at plan#1 0`.
    pub(crate) fn performed(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

pub(crate) fn line(call: &Call) -> String {
    format!("{} {} {}", call.name, call.lane, call.ordinal)
}

#[async_trait]
impl World for ScriptedWorld {
    fn class(&self, name: &str) -> Option<Class> {
        match name {
            "look.at" => Some(Class::Read),
            "work.do" => Some(Class::Costly),
            "ship.it" => Some(Class::External),
            _ => None,
        }
    }

    async fn perform(&self, call: Call) -> Result<Done, EffectError> {
        let mut failures = self.script.failures.iter();
        let wanted = failures.find(|(key, _)| line(&call).starts_with(key.as_str())).map_or(0, |(_, n)| *n);
        {
            let mut failed = self.failed.lock().unwrap();
            let count = failed.entry(line(&call)).or_insert(0);
            if *count < wanted {
                *count += 1;
                return Err(EffectError::new(
                    "model.throttled",
                    30,
                    format!("no. {count} with hunter2hunter2"),
                )
                .retryable());
            }
        }
        self.log.lock().unwrap().push(line(&call));
        if let Some(path) = &self.file {
            let mut file = std::fs::File::options().create(true).append(true).open(path).unwrap();
            file.write_all(format!("{}\n", line(&call)).as_bytes()).unwrap();
        }
        if call.name == "ship.it" {
            assert!(self.shipped.lock().unwrap().insert(call.key.clone()), "shipped twice");
        }
        if let Some(hook) = &self.hook {
            hook(&call);
        }
        let attempt = call.request["attempt"].as_u64().unwrap();
        Ok(match call.name.as_str() {
            "look.at" => {
                Done::free(json!(format!("saw {} (hunter2hunter2)", call.request["what"].as_str().unwrap())))
            }
            "work.do" => Done {
                response: json!({"ok": attempt >= u64::from(self.script.ok_at), "say": format!("go {attempt}")}),
                cost_microusd: self.script.cost,
            },
            _ => Done::free(json!(format!("forge/{}", call.key.rsplit('/').next().unwrap()))),
        })
    }

    async fn reconcile(&self, call: Call) -> Result<Reconciled, EffectError> {
        if self.script.unknown {
            return Ok(Reconciled::Unknown("the forge does not answer".to_owned()));
        }
        let shipped = self.shipped.lock().unwrap().contains(&call.key)
            || self
                .file
                .as_ref()
                .is_some_and(|path| std::fs::read_to_string(path).unwrap().contains(&line(&call)));
        Ok(if shipped {
            Reconciled::Happened(Done::free(json!(format!("forge/{}", call.key.rsplit('/').next().unwrap()))))
        } else {
            Reconciled::DidNot
        })
    }
}

/// An engine on a store and a world.
pub(crate) struct Scene {
    pub(crate) engine: Engine,
    pub(crate) world: Arc<ScriptedWorld>,
    pub(crate) stop: Stop,
}

pub(crate) fn loader() -> prunella_engine::run::Loader {
    prunella_engine::run::loader(&kinds())
}

pub(crate) fn options() -> Options {
    let mut options = Options::new(&kinds());
    options.clock = Arc::new(StepClock::at(1_795_000_000_000));
    options.redactor = Redactor::new([("TOKEN".to_owned(), "hunter2hunter2".to_owned())]);
    options
}

impl Scene {
    pub(crate) fn on(store: Arc<Store>, world: ScriptedWorld) -> Self {
        let world = Arc::new(world);
        let options = options();
        let stop = options.stop.clone();
        Self { engine: Engine::new(store, kinds(), world.clone(), options), world, stop }
    }

    pub(crate) fn new(script: Script) -> Self {
        Self::on(Store::in_memory().unwrap(), ScriptedWorld::new(script))
    }

    pub(crate) fn start(&self, source: &str) -> String {
        let new = NewInputs {
            inputs: json!({"goal": "mend"}),
            settings: json!({"models": {"fixer": {"name": "scripted-1"}}}),
            local: json!({"repo": "/here"}),
        };
        self.engine.start(&graph(source), new).unwrap()
    }

    pub(crate) fn go(&self, run: &str) -> (Result<RunResult, Fault>, Vec<Event>) {
        let mut events = Vec::new();
        let result = runtime().block_on(self.engine.run(run, &mut |event| events.push(event)));
        (result, events)
    }

    pub(crate) fn finish(&self, run: &str) -> RunResult {
        self.go(run).0.unwrap()
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}
