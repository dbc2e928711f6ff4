//! The scheduler: a pure state machine over a checked graph.
//!
//! It takes events (time included) and returns commands as data. No clock, I/O or async is in it, and nothing in
//! it depends on the order of a hash map, so the same events always give the same commands: live, on resume and
//! in replay. Joins, attempts and limits are decided here and nowhere else.
//!
//! ```text
//! phase     event       does                                                  commands
//! new       Start       enters the start node                                 RunTask, Ask or Opened
//! running   TaskDone    writes land, the route is chosen, limits count        Commit, then what follows
//! running   TaskFailed  the error target is taken, of the node or around it   Commit, Drop, then what follows
//! running   Answered    the task that asked begins, or ends                   as Start or TaskDone
//! running   Update      a person's values land in place of a task             Drop, Commit, then what follows
//! new, running  Cancel  the run is over without an end                        Finish
//! anything else         a bug of the driver                                   (an error)
//! ```
//!
//! What may follow from what within a step is listed in [`transition`].
//!
//! A [`Scope`] has a state and a superstep clock of its own: the run itself, each branch of a fan-out (`fork[0]`),
//! each call of a graph (`review`), each item of a map (`each[3]`), and so on below those. They stand in one table
//! under their path. A scope whose branches or calls are under way waits for them; everything else goes on.

mod call;
mod eval;
mod flow;
mod inputs;
mod route;
mod scope;
mod snapshot;
mod state;
mod table;
pub mod transition;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::graph::{At, Graph, NodeDef, Outcome};
use crate::journal::To;
use crate::{Failure, Fault, Lane, Name};
pub use route::Edge;
use scope::{Doing, Entry, Place, Plan, Scope};
pub use state::Writes;
use table::Scopes;

/// What the driver tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The run begins.
    Start {
        /// When, in milliseconds since the Unix epoch.
        at_ms: u64,
    },
    /// A task returned.
    TaskDone {
        /// The task.
        lane: Lane,
        /// What it returned.
        output: Value,
        /// What it used.
        used: Used,
        /// When, in milliseconds since the Unix epoch.
        at_ms: u64,
    },
    /// A task failed for good. Only where [`Scheduler::catches`] its failure.
    TaskFailed {
        /// The task.
        lane: Lane,
        /// Why.
        error: Failure,
        /// What it used.
        used: Used,
        /// When, in milliseconds since the Unix epoch.
        at_ms: u64,
    },
    /// A person answered what [`Command::Ask`] asked.
    Answered {
        /// The task that the question is about.
        lane: Lane,
        /// The answer.
        value: Value,
        /// When, in milliseconds since the Unix epoch.
        at_ms: u64,
    },
    /// A person changes the state.
    Update(Update),
    /// Somebody wants the run to be over.
    Cancel {
        /// When, in milliseconds since the Unix epoch.
        at_ms: u64,
    },
}

/// A change of a scope's state from outside, in place of the task that is under way there.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The scope's path, empty for the run itself.
    pub scope: String,
    /// The node that the change counts as an execution of; its `next` is taken. Without one, the task that was under
    /// way begins again over the new state.
    pub node: Option<String>,
    /// What that node is said to have returned; its `writes` are evaluated over it.
    pub output: Option<Value>,
    /// Values that land beside those, or alone.
    pub writes: Writes,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// What the driver is asked to do, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Run a task, and say [`Event::TaskDone`] when it returned.
    RunTask(Task),
    /// Ask a person, and say [`Event::Answered`] when there is an answer.
    Ask(Ask),
    /// A task began that calls graphs; nothing is to be done.
    Opened(Opened),
    /// Record a superstep, all of it or nothing.
    Commit(Superstep),
    /// Forget a task or a question: nobody waits for it any more.
    Drop(Lane),
    /// Record the end.
    Finish(Finish),
}

impl Command {
    /// The task or question that it begins; nothing for anything else.
    #[must_use]
    pub fn lane(&self) -> Option<Lane> {
        match self {
            Self::RunTask(task) => Some(task.lane.clone()),
            Self::Ask(ask) => Some(ask.lane.clone()),
            _ => None,
        }
    }
}

/// A task to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its name.
    pub lane: Lane,
    /// The graph that it belongs to, by name; empty for the run's own.
    pub graph: Name,
    /// The evaluated `with`.
    pub input: Value,
    /// The evaluated condition settings.
    pub conditions: BTreeMap<String, bool>,
    /// The attempt of the innermost loop around the node, from 1.
    pub attempt: u32,
    /// The most attempts of that loop; 1 outside a loop.
    pub max_attempts: u32,
    /// What the node returned last time in this scope.
    pub previous: Option<Arc<Value>>,
}

/// A declared interrupt that asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The task that it is about.
    pub lane: Lane,
    /// The graph that it belongs to, by name; empty for the run's own.
    pub graph: Name,
    /// Before the task or after it.
    pub at: At,
    /// The question.
    pub question: String,
    /// What the task returned, after it.
    pub output: Option<Arc<Value>>,
    /// What it used.
    pub used: Used,
}

impl Ask {
    /// The question's id, by which it is answered: `pr#1/before`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}", self.lane, self.at.word())
    }
}

/// A task that calls graphs.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// Its name.
    pub lane: Lane,
    /// The graph that it belongs to, by name; empty for the run's own.
    pub graph: Name,
    /// How many calls it makes.
    pub calls: usize,
    /// The attempt of the innermost loop around the node, from 1.
    pub attempt: u32,
    /// The most attempts of that loop; 1 outside a loop.
    pub max_attempts: u32,
}

/// What happens together when a task is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Superstep {
    /// The task.
    pub lane: Lane,
    /// Counts the supersteps of its scope, from 1.
    pub number: u64,
    /// What it returned; null when it failed.
    pub output: Arc<Value>,
    /// Why it failed, when it did.
    pub error: Option<Failure>,
    /// What it writes.
    pub writes: Writes,
    /// The edge taken, as in [`crate::journal::Route`].
    pub edge: Edge,
    /// Where it leads.
    pub to: To,
    /// The attempt that begins there; 1 at an end.
    pub attempt: u32,
    /// What the task used.
    pub used: Used,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// How the run ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Finish {
    /// The end's name; nothing when cancelled.
    pub end: Option<String>,
    /// What it means; nothing when cancelled.
    pub outcome: Option<Outcome>,
    /// The limit that was reached: `steps`, `wall` or `cost`.
    pub limit: Option<String>,
    /// The run's output.
    pub output: Value,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// Time and money used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Active time, in milliseconds.
    pub active_ms: u64,
    /// Cost, in millionths of a US dollar.
    pub cost_microusd: u64,
}

impl Used {
    fn add(&mut self, more: Self) {
        self.active_ms = self.active_ms.saturating_add(more.active_ms);
        self.cost_microusd = self.cost_microusd.saturating_add(more.cost_microusd);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Phase {
    New,
    Running,
    Over,
}

/// What a step of the scheduler still has to do.
enum Act {
    /// Enter a node, or arrive where the branch ends.
    Go { path: Name, node: usize, entry: Entry },
    /// A task came to its result.
    Complete { lane: Lane, result: Result<Arc<Value>, Failure>, used: Used },
    /// A call, or the run, came to an end.
    Return { path: Name, end: String, limit: Option<&'static str> },
}

/// One step under way: what is to be done, and what the driver will be asked.
struct Work {
    at_ms: u64,
    todo: VecDeque<Act>,
    out: Vec<Command>,
}

impl Work {
    fn at(at_ms: u64) -> Self {
        Self { at_ms, todo: VecDeque::new(), out: Vec::new() }
    }
}

/// The state machine of one run.
#[derive(Debug)]
pub struct Scheduler {
    /// By name, the graphs that calls may name; the run's own under the empty name.
    plans: BTreeMap<String, Arc<Plan>>,
    scopes: Scopes,
    phase: Phase,
}

impl Scheduler {
    /// A run of `graph` on `inputs`, which are brought to their declared types.
    ///
    /// # Errors
    /// When an input is missing, unknown or of another type (exit 2).
    pub fn new(graph: Arc<Graph>, inputs: Value) -> Result<Self, Fault> {
        let inputs = inputs::checked(&graph.inputs, inputs)?;
        let plans = plans(graph);
        let root = Scope::new(own_plan(&plans)?, Name::default(), Place::Run, Arc::new(inputs));
        Ok(Self { plans, scopes: Scopes::new(root), phase: Phase::New })
    }

    /// Takes an event and says what to do next.
    ///
    /// # Errors
    /// When an expression fails, a value does not have its declared type, or the event does not fit. The run
    /// cannot go on then; what was committed stands.
    pub fn step(&mut self, event: Event) -> Result<Vec<Command>, Fault> {
        match (self.phase, event) {
            (Phase::New, Event::Start { at_ms }) => {
                self.phase = Phase::Running;
                let mut work = Work::at(at_ms);
                self.start(Name::default(), &mut work)?;
                self.finish_work(work)
            }
            (Phase::Running, Event::TaskDone { lane, output, used, at_ms }) => {
                let mut work = Work::at(at_ms);
                self.done(lane, Arc::new(output), used, &mut work)?;
                self.finish_work(work)
            }
            (Phase::Running, Event::TaskFailed { lane, error, used, at_ms }) => {
                let mut work = Work::at(at_ms);
                self.failed(&lane, error, used, &mut work)?;
                self.finish_work(work)
            }
            (Phase::Running, Event::Answered { lane, value, at_ms }) => {
                let mut work = Work::at(at_ms);
                self.answered(&lane, value, &mut work)?;
                self.finish_work(work)
            }
            (Phase::Running, Event::Update(update)) => {
                let mut work = Work::at(update.at_ms);
                self.update(update, &mut work)?;
                self.finish_work(work)
            }
            (Phase::New | Phase::Running, Event::Cancel { at_ms }) => {
                self.phase = Phase::Over;
                let finish = Finish { end: None, outcome: None, limit: None, output: Value::Null, at_ms };
                Ok(vec![Command::Finish(finish)])
            }
            (phase, event) => Err(Fault::bug(format!("the scheduler is {phase:?} and was told {event:?}"))),
        }
    }

    /// Does what is to be done until nothing is left but what the driver must do.
    fn finish_work(&mut self, mut work: Work) -> Result<Vec<Command>, Fault> {
        while let Some(act) = work.todo.pop_front() {
            if self.phase == Phase::Over {
                break;
            }
            match act {
                Act::Go { path, node, entry } => self.go(&path, node, entry, &mut work)?,
                Act::Complete { lane, result, used } => self.complete(lane, result, used, &mut work)?,
                Act::Return { path, end, limit } => self.returned(&path, &end, limit, &mut work)?,
            }
        }
        Ok(work.out)
    }

    /// Whether the run is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Whether the run has not begun.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.phase == Phase::New
    }

    /// The state of the run's own scope, copied.
    #[must_use]
    pub fn state(&self) -> BTreeMap<String, Value> {
        self.scopes.root().state.to_map()
    }

    /// The state of every scope that is there, by path, copied.
    #[must_use]
    pub fn states(&self) -> BTreeMap<String, BTreeMap<String, Value>> {
        self.scopes.iter().map(|(path, scope)| (path.into(), scope.state.to_map())).collect()
    }

    /// The state of the scope at `path`, copied; nothing when there is no such scope now.
    #[must_use]
    pub fn state_of(&self, path: &str) -> Option<BTreeMap<String, Value>> {
        self.scopes.get(path).map(|scope| scope.state.to_map())
    }

    /// One value of the state of the scope at `path`.
    #[must_use]
    pub fn value(&self, path: &str, key: &str) -> Option<&Value> {
        self.scopes.get(path).and_then(|scope| scope.state.get(key))
    }

    /// What the run used so far.
    #[must_use]
    pub fn used(&self) -> Used {
        self.scopes.root().tally
    }

    /// Supersteps so far, in all scopes.
    #[must_use]
    #[expect(clippy::misnamed_getters, reason = "a scope's own steps are no run's")]
    pub fn steps(&self) -> u64 {
        self.scopes.root().all_steps
    }

    /// The inputs, brought to their types.
    #[must_use]
    pub fn inputs(&self) -> Value {
        self.scopes.root().inputs.as_ref().clone()
    }

    /// The node that `lane` is an execution of, and the name of its graph.
    ///
    /// # Errors
    /// When there is no such scope or node: a bug of the caller.
    pub fn node(&self, lane: &Lane) -> Result<(&str, &NodeDef), Fault> {
        let plan = &self.scope(&lane.scope)?.plan;
        Ok((&plan.name, plan.named(&lane.node)?))
    }

    fn scope(&self, path: &str) -> Result<&Scope, Fault> {
        self.scopes.get(path).ok_or_else(|| Fault::bug(format!("there is no scope `{path}`")))
    }

    fn scope_mut(&mut self, path: &str) -> Result<&mut Scope, Fault> {
        self.scopes.get_mut(path).ok_or_else(|| Fault::bug(format!("there is no scope `{path}`")))
    }

    /// Enters the start node of the graph of the scope at `path`.
    fn start(&self, path: Name, work: &mut Work) -> Result<(), Fault> {
        let plan = &self.scope(&path)?.plan;
        let node = plan.at(&plan.graph.start)?;
        work.todo.push_back(Act::Go { path, node, entry: Entry::Plain });
        Ok(())
    }

    /// The attempt at the node and the most there may be: those of the innermost head that dominates it, else 1. A
    /// branch is inside the loops around its fork.
    fn attempt(&self, scope: &Scope, node: usize) -> (u32, u32) {
        let Some((head, most)) = scope.plan.around(node) else { return (1, 1) };
        let mut at = scope;
        loop {
            if let Some(seen) = at.seen.get(&head).filter(|seen| seen.attempt > 0) {
                return (seen.attempt, most);
            }
            match (&at.place, self.scopes.get(&at.parent)) {
                (Place::Branch { .. }, Some(parent)) => at = parent,
                _ => return (1, most),
            }
        }
    }

    /// Counts a superstep of the scope at `path`, there and all the way up.
    fn count(&mut self, path: &Name, used: Used) {
        let mut at = path.clone();
        let mut own = true;
        while let Some(scope) = self.scopes.get_mut(&at) {
            if own {
                scope.superstep += 1;
                scope.steps += 1;
                own = false;
            }
            scope.all_steps += 1;
            scope.tally.add(used);
            if scope.place == Place::Run {
                return;
            }
            at = scope.parent.clone();
        }
    }

    /// The outermost call, or the run, whose limit forbids another task in the scope at `path`.
    fn limit_above(&self, path: &Name) -> Option<(Name, &'static str)> {
        let (mut at, mut found) = (path, None);
        while let Some(scope) = self.scopes.get(at) {
            if !matches!(scope.place, Place::Branch { .. })
                && let Some(limit) = scope.limit_reached()
            {
                found = Some((at.clone(), limit));
            }
            if scope.place == Place::Run {
                break;
            }
            at = &scope.parent;
        }
        found
    }

    /// Removes the scope at `path` and everything below it; what runs there is dropped.
    fn remove(&mut self, path: &str, work: &mut Work) {
        for scope in self.scopes.remove_all(path) {
            match scope.doing {
                Doing::Task(lane) => work.out.push(Command::Drop(lane)),
                Doing::Ask(asked) => work.out.push(Command::Drop(asked.lane)),
                _ => {}
            }
        }
    }
}

/// The path of what `lane` holds: of a branch or an item with its index, of a single call without.
fn below(lane: &Lane, index: Option<usize>) -> Name {
    let mut path = String::with_capacity(lane.scope.len() + lane.node.len() + 8);
    if !lane.scope.is_empty() {
        path.push_str(&lane.scope);
        path.push('/');
    }
    path.push_str(&lane.node);
    if lane.visit > 1 {
        path.push_str(&format!("#{}", lane.visit));
    }
    if let Some(index) = index {
        path.push_str(&format!("[{index}]"));
    }
    path.into()
}

/// The graphs of a run, each with what is worked out of it once.
fn plans(graph: Arc<Graph>) -> BTreeMap<String, Arc<Plan>> {
    let plan = |name: &str, graph: Arc<Graph>| (name.to_owned(), Arc::new(Plan::new(name, graph)));
    let called: Vec<_> = graph.graphs.iter().map(|(name, graph)| plan(name, Arc::clone(graph))).collect();
    called.into_iter().chain([plan("", graph)]).collect()
}

fn own_plan(plans: &BTreeMap<String, Arc<Plan>>) -> Result<Arc<Plan>, Fault> {
    plans.get("").cloned().ok_or_else(|| Fault::bug("a run without a graph"))
}
