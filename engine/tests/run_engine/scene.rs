//! The scripted graph, nodes and world that all tests here play on.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use indexmap::IndexMap;
use prunella_engine::clock::StepClock;
use prunella_engine::event::Event;
use prunella_engine::graph::{
    Arm, End, Expr, Graph, Guard, Limits, Next, NodeDef, Outcome, Reducer, RetryPolicy, Source, StateKey,
    Step, Target,
};
use prunella_engine::redact::Redactor;
use prunella_engine::run::{Engine, NewInputs, Options, RunResult, Stop};
use prunella_engine::store::Store;
use prunella_engine::types::Type;
use prunella_engine::{
    Call, Class, Ctx, Done, Effect, EffectError, Fault, Kind, Kinds, Node, NodeError, Output, Reconciled,
    World,
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
                let (url, task) = (ctx.call::<Ship>(&ask("it")).await?, ctx.task());
                Ok(json!({"url": url, "draft": task.settings["draft"], "root": task.chain_head}))
            }
        }
    }
}

pub(crate) fn kinds() -> Kinds {
    let kind = |name: &'static str| Kind {
        name,
        version: 1,
        doc: "",
        with: Vec::new(),
        output: Output::Returns,
        settings: Vec::new(),
        effects: &["look.at", "work.do", "ship.it"],
        node: Arc::new(Scripted(name)),
    };
    Kinds::default().with_kind(kind("plan")).with_kind(kind("work")).with_kind(kind("ship"))
}

fn expr(source: &str) -> Source {
    Source::Expr(Expr::compile(source).unwrap())
}

fn node(name: &str, next: Next) -> NodeDef {
    NodeDef {
        name: name.to_owned(),
        kind: name.to_owned(),
        with: IndexMap::new(),
        writes: IndexMap::new(),
        literals: BTreeMap::new(),
        conditions: BTreeMap::new(),
        model: None,
        returns: None,
        prompt: None,
        retry: RetryPolicy { tries: 3, backoff_ms: 500 },
        next,
    }
}

/// plan → work → ship, back from work to plan while it fails, at most three times.
pub(crate) fn graph(source: &str) -> Graph {
    let to = |name: &str| Target::Node(name.to_owned());
    let end = |name: &str| Target::End(name.to_owned());
    let mut plan = node("plan", Next::To(to("work")));
    plan.with.insert("lessons".to_owned(), expr("lessons"));
    plan.writes.insert("plan".to_owned(), expr("output.plan"));
    let mut work = node(
        "work",
        Next::Choose(vec![
            // `lessons` is read with this task's own write in it.
            Arm {
                guard: Guard::When(Expr::compile("output.ok && size(lessons) > 0").unwrap()),
                step: Step::To(to("ship")),
            },
            Arm {
                guard: Guard::Else,
                step: Step::Retry { head: "plan".to_owned(), max_attempts: 3, exhausted: end("gave_up") },
            },
        ]),
    );
    work.writes.insert("lessons".to_owned(), expr("[output.lesson]"));
    let mut ship = node("ship", Next::To(end("done")));
    ship.writes.insert("url".to_owned(), expr("output.url"));
    ship.conditions.insert("draft".to_owned(), Expr::compile("size(lessons) > 2").unwrap());
    let key = |ty: Type, reducer| StateKey { ty, reducer };
    let end = |outcome, output| End { outcome, output };
    let steps = source.strip_prefix("limit ").map(|n| n.parse().unwrap());
    Graph {
        name: "scripted".to_owned(),
        description: String::new(),
        hash: prunella_engine::canonical::hash(&json!(source)),
        source: source.to_owned(),
        inputs: IndexMap::from([("goal".to_owned(), Type::String)]),
        models: IndexMap::new(),
        types: IndexMap::new(),
        state: IndexMap::from([
            ("plan".to_owned(), key(Type::String, Reducer::Last)),
            ("lessons".to_owned(), key(Type::List(Box::new(Type::String)), Reducer::Append)),
            ("url".to_owned(), key(Type::String, Reducer::Last)),
        ]),
        limits: Limits {
            steps: steps.or(Some(60)),
            wall_ms: Some(3_600_000),
            cost_microusd: Some(1_000_000),
            exhausted: "gave_up".to_owned(),
        },
        ends: IndexMap::from([
            ("done".to_owned(), end(Outcome::Success, Some(expr("{'url': url, 'goal': inputs.goal}")))),
            ("gave_up".to_owned(), end(Outcome::Failure, None)),
        ]),
        start: "plan".to_owned(),
        nodes: IndexMap::from([
            ("plan".to_owned(), plan),
            ("work".to_owned(), work),
            ("ship".to_owned(), ship),
        ]),
    }
}

/// What the world does.
#[derive(Clone)]
pub(crate) struct Script {
    /// The attempt at which `work.do` answers ok.
    pub(crate) ok_at: u32,
    /// How many times each new effect of these names fails, retryable, before it is answered.
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
        let wanted = self.script.failures.get(&call.name).copied().unwrap_or(0);
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
    Arc::new(|source| Ok(graph(source)))
}

pub(crate) fn options() -> Options {
    let mut options = Options::new(loader());
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
            settings: json!({}),
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
