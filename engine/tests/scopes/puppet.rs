//! A kind whose tasks do what `with.does` says, and the world and engine to run it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use prunella_engine::clock::StepClock;
use prunella_engine::event::Event;
use prunella_engine::graph::Graph;
use prunella_engine::replay::{Replayed, replay};
use prunella_engine::run::{Engine, Loader, NewInputs, Options, RunResult, loader};
use prunella_engine::store::{RunStatus, Store};
use prunella_engine::trace::Trace;
use prunella_engine::types::Type;
use prunella_engine::{
    Call, Class, Ctx, Done, Due, Effect, EffectError, Expiry, Field, Kind, Kinds, Node, NodeError, Output,
    Reconciled, World,
};
use serde_json::{Value, json};

use crate::prefix;

macro_rules! effect {
    ($marker:ident, $name:literal, $class:ident) => {
        pub(crate) struct $marker;

        impl Effect for $marker {
            const NAME: &'static str = $name;
            const CLASS: Class = Class::$class;
            type Request = Value;
            type Response = Value;
        }
    };
}
effect!(Look, "look.at", Read);
effect!(Work, "work.do", Costly);
effect!(Ship, "ship.it", External);

/// `does` is a list of words: `look X`, `work X` (costly), `ship X` (changes the world) and `ask Q` (a bool) are done in
/// turn, `both X Y` looks at once, `fail WHY` fails, `ok` and `no` set the flag, a number sets the number; anything else
/// is appended to the text.
struct Puppet;

#[async_trait(?Send)]
impl Node for Puppet {
    async fn run(&self, ctx: &Ctx, input: Value) -> Result<Value, NodeError> {
        let (mut ok, mut n, mut text) = (true, 0, Vec::new());
        for word in input["does"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            match word.split_once(' ') {
                Some(("look", what)) => text.push(ctx.call::<Look>(&json!(what)).await?),
                Some(("work", what)) => text.push(ctx.call::<Work>(&json!(what)).await?),
                Some(("ship", what)) => text.push(ctx.call::<Ship>(&json!(what)).await?),
                Some(("both", what)) => {
                    let asked: Vec<Value> = what.split(' ').map(|what| json!(what)).collect();
                    text.extend(ctx.all::<Look>(&asked).await?);
                }
                Some(("ask", question)) => ok = ctx.interrupt(question, Type::Bool).await == json!(true),
                // `by MS Q` asks a person, whom time answers with no; `wait MS` waits for it.
                Some(("by", what)) => {
                    let (ms, question) = what.split_once(' ').unwrap();
                    let expiry =
                        Expiry { due: Due::In(ms.parse().unwrap()), answer: json!(false), alone: false };
                    ok = ctx.interrupt_until(question, Type::Bool, expiry).await == json!(true);
                }
                Some(("wait", ms)) => {
                    let expiry =
                        Expiry { due: Due::In(ms.parse().unwrap()), answer: json!(false), alone: true };
                    ok = ctx.interrupt_until("waits", Type::Bool, expiry).await == json!(true);
                }
                Some(("tell", what)) => ctx.emit(json!(what)),
                Some(("fail", why)) => return Err(NodeError::new("puppet.failed", why)),
                Some(("until", attempt)) => ok = ctx.task().attempt >= attempt.parse().unwrap(),
                _ => match (word, word.parse::<i64>()) {
                    ("ok", _) => ok = true,
                    ("no", _) => ok = false,
                    (_, Ok(number)) => n = number,
                    (word, _) => text.push(json!(word)),
                },
            }
        }
        let text: Vec<&str> = text.iter().filter_map(Value::as_str).collect();
        Ok(json!({"ok": ok, "n": n, "text": text.join(" "), "lane": ctx.task().lane.to_string()}))
    }
}

pub(crate) fn kinds() -> Kinds {
    let ty = |text: &str| Type::parse(text, &mut |_| None).unwrap();
    Kinds::default().with_kind(Kind {
        name: "puppet",
        version: 1,
        doc: "",
        with: vec![
            Field { name: "does", ty: ty("list<string>?"), doc: "" },
            Field { name: "n", ty: ty("int?"), doc: "" },
            Field { name: "list", ty: ty("list<string>?"), doc: "" },
        ],
        variables: false,
        output: Output::Fixed(ty("{ok: bool, n: int, text: string, lane: string}")),
        settings: vec![],
        needs: &[],
        one_of: &[],
        effects: &["look.at", "work.do", "ship.it"],
        node: Arc::new(Puppet),
    })
}

/// Answers with what it was asked, and holds back what `order` names until what stands before it there is done.
#[derive(Default)]
pub(crate) struct Stage {
    pub(crate) performed: Mutex<Vec<String>>,
    /// The same by name, task and ordinal, as `prefix::line` says it.
    pub(crate) answered: Mutex<Vec<String>>,
    /// The keys of effects that changed the world.
    pub(crate) shipped: Mutex<BTreeSet<String>>,
    /// How often a request fails before it is answered.
    pub(crate) failing: Mutex<BTreeMap<String, u32>>,
    order: Vec<String>,
    turn: tokio::sync::watch::Sender<usize>,
}

impl Stage {
    /// What is asked for is answered in this order, whatever the order of asking. A line is a request, or a task and
    /// its request.
    pub(crate) fn in_order<S: AsRef<str>>(order: &[S]) -> Self {
        Self { order: order.iter().map(|word| word.as_ref().to_owned()).collect(), ..Self::default() }
    }

    fn answer(&self, call: &Call, what: String, line: String) -> Result<Done, EffectError> {
        if let Some(left) = self.failing.lock().unwrap().get_mut(&what)
            && *left > 0
        {
            *left -= 1;
            return Err(EffectError::new("stage.down", 30, format!("no {what}")).retryable());
        }
        if call.name == Ship::NAME {
            assert!(self.shipped.lock().unwrap().insert(call.key.clone()), "{line} was shipped twice");
        }
        self.performed.lock().unwrap().push(line);
        self.answered.lock().unwrap().push(prefix::line(&call.name, &call.lane, call.ordinal));
        Ok(Done { response: json!(what), cost_microusd: 10 })
    }
}

#[async_trait]
impl World for Stage {
    fn class(&self, name: &str) -> Option<Class> {
        match name {
            Look::NAME => Some(Class::Read),
            Work::NAME => Some(Class::Costly),
            Ship::NAME => Some(Class::External),
            _ => None,
        }
    }

    async fn perform(&self, call: Call) -> Result<Done, EffectError> {
        let what = call.request.as_str().unwrap().to_owned();
        let line = format!("{} {what}", call.lane);
        let Some(turn) = self.order.iter().position(|word| *word == what || *word == line) else {
            return self.answer(&call, what, line);
        };
        // Behind its turn it was answered before.
        let own = *self.turn.subscribe().wait_for(|now| *now >= turn).await.unwrap() == turn;
        let answer = self.answer(&call, what, line);
        // One that fails has its turn until it does not.
        if own && answer.is_ok() {
            self.turn.send_modify(|now| *now += 1);
        }
        answer
    }

    async fn reconcile(&self, call: Call) -> Result<Reconciled, EffectError> {
        if self.shipped.lock().unwrap().contains(&call.key) {
            return Ok(Reconciled::Happened(Done { response: call.request, cost_microusd: 10 }));
        }
        Ok(Reconciled::DidNot)
    }
}

/// An engine on a store in memory.
pub(crate) struct Play {
    pub(crate) engine: Engine,
    pub(crate) stage: Arc<Stage>,
    load: Loader,
    /// The engine's clock.
    pub(crate) clock: Arc<StepClock>,
}

pub(crate) fn graph(source: &str) -> Graph {
    match prunella_engine::graph::load("play.yaml", source, &kinds()) {
        Ok((graph, _)) => graph,
        Err(found) => panic!("{}", found.iter().map(|one| one.render(source)).collect::<String>()),
    }
}

impl Play {
    pub(crate) fn new(stage: Stage) -> Self {
        Self::on(Store::in_memory().unwrap(), stage)
    }

    pub(crate) fn on(store: Arc<Store>, stage: Stage) -> Self {
        Self::with(store, stage, loader(&kinds()))
    }

    /// With another way to read a stored graph.
    pub(crate) fn with(store: Arc<Store>, stage: Stage, load: Loader) -> Self {
        let mut options = Options::new(&kinds());
        let clock = Arc::new(StepClock::at(1_795_000_000_000));
        options.clock = clock.clone();
        options.load = Arc::clone(&load);
        let stage = Arc::new(stage);
        Self { engine: Engine::new(store, kinds(), stage.clone(), options), stage, load, clock }
    }

    pub(crate) fn start(&self, source: &str, inputs: Value) -> String {
        self.start_graph(&graph(source), inputs)
    }

    pub(crate) fn start_graph(&self, graph: &Graph, inputs: Value) -> String {
        self.engine.start(graph, NewInputs { inputs, settings: json!({}), local: json!({}) }).unwrap()
    }

    /// Goes on with a run; the result and what was told.
    pub(crate) fn go(&self, run: &str) -> (RunResult, Vec<Event>) {
        let mut events = Vec::new();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let result = runtime.block_on(self.engine.run(run, &mut |event| events.push(event)));
        (result.unwrap(), events)
    }

    /// Runs a graph to its end, and its trace again; both must come to the same.
    pub(crate) fn play(&self, source: &str, inputs: Value) -> (String, RunResult) {
        let run = self.start(source, inputs);
        let (result, _) = self.go(&run);
        let again = self.replay(&run);
        assert_eq!(again.end, result.end);
        assert_eq!(again.state, self.state(&run));
        (run, result)
    }

    pub(crate) fn replay(&self, run: &str) -> Replayed {
        let trace = Trace::of_run(self.engine.store(), run).unwrap();
        let trace = prunella_engine::trace::read(&trace.to_bytes().unwrap()).unwrap();
        replay(&trace, Some(&kinds()), &self.load).unwrap()
    }

    pub(crate) fn state(&self, run: &str) -> BTreeMap<String, Value> {
        self.engine.view(run).unwrap().state
    }

    pub(crate) fn lanes(&self, run: &str) -> Vec<String> {
        self.engine.view(run).unwrap().steps.iter().map(|step| step.lane.to_string()).collect()
    }

    /// Goes on with a run until it is over or stops; whatever it asks is answered with yes.
    pub(crate) fn finish(&self, run: &str) -> RunResult {
        loop {
            let (result, _) = self.go(run);
            if result.status != RunStatus::Waiting {
                return result;
            }
            let open = self.engine.interrupts(run).unwrap();
            assert!(!open.is_empty(), "{result:?}");
            let yes = open.into_iter().map(|one| (one.id, json!(true))).collect();
            self.engine.answer(run, &yes).unwrap();
        }
    }

    pub(crate) fn answer(&self, run: &str, answers: &[(&str, Value)]) -> Result<(), prunella_engine::Fault> {
        let answers = answers.iter().map(|(id, value)| ((*id).to_owned(), value.clone())).collect();
        self.engine.answer(run, &answers)
    }
}
