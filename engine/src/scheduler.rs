//! The scheduler: a pure state machine over a checked graph.
//!
//! It takes events (time included) and returns commands as data. No clock, I/O or async is in it, and nothing in
//! it depends on the order of a hash map, so the same events always give the same commands: live, on resume and
//! in replay. Joins, attempts and limits are decided here and nowhere else.
//!
//! ```text
//! phase     event       does                                           commands
//! new       Start       enters the start node                          RunTask
//! running   TaskDone    writes land, the route is chosen, limits count Commit, then RunTask or Finish
//! new, running  Cancel  the run is over without an end                 Finish
//! anything else         a bug of the driver                            (an error)
//! ```
//!
//! A [`Scope`] has a state and a superstep clock of its own. There is one today, the run itself; a branch, an
//! item of a map and a call of a subgraph are further scopes in the same table, under their path.

mod eval;
mod inputs;
mod scope;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::graph::{Graph, Guard, Loop, Next, Outcome, Step, Target};
use crate::journal::To;
use crate::{Fault, Lane};
use eval::Vars;
use scope::{Entry, Scope};

/// What the driver tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The run begins.
    Start,
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
    /// Somebody wants the run to be over.
    Cancel {
        /// When, in milliseconds since the Unix epoch.
        at_ms: u64,
    },
}

/// What the driver is asked to do, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Run a task, and say [`Event::TaskDone`] when it returned.
    RunTask(Task),
    /// Record a superstep, all of it or nothing.
    Commit(Superstep),
    /// Record the end.
    Finish(Finish),
}

/// A task to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its name.
    pub lane: Lane,
    /// The evaluated `with`.
    pub input: Value,
    /// The evaluated condition settings.
    pub conditions: BTreeMap<String, bool>,
    /// The attempt of the innermost loop around the node, from 1.
    pub attempt: u32,
    /// The most attempts of that loop; 1 outside a loop.
    pub max_attempts: u32,
    /// What the node returned last time in this scope.
    pub previous: Option<Value>,
}

/// What happens together when a task is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Superstep {
    /// The task.
    pub lane: Lane,
    /// Counts the supersteps of its scope, from 1.
    pub number: u64,
    /// What it returned.
    pub output: Value,
    /// By state key, what is written (before the reducer).
    pub writes: BTreeMap<String, Value>,
    /// The edge taken, as in [`crate::journal::Route`].
    pub edge: String,
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Active time, in milliseconds.
    pub active_ms: u64,
    /// Cost, in millionths of a US dollar.
    pub cost_microusd: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Running,
    Over,
}

/// The state machine of one run.
#[derive(Debug)]
pub struct Scheduler {
    graph: Arc<Graph>,
    /// By node, the innermost loop around it.
    loops: BTreeMap<String, Loop>,
    inputs: Value,
    scopes: BTreeMap<String, Scope>,
    phase: Phase,
    steps: u64,
    used: Used,
}

impl Scheduler {
    /// A run of `graph` on `inputs`, which are brought to their declared types.
    ///
    /// # Errors
    /// When an input is missing, unknown or of another type (exit 2).
    pub fn new(graph: Arc<Graph>, inputs: Value) -> Result<Self, Fault> {
        let inputs = inputs::checked(&graph.inputs, inputs)?;
        let loops = graph.loops();
        let root = Scope::of_run(&graph);
        Ok(Self {
            loops,
            inputs,
            scopes: BTreeMap::from([(String::new(), root)]),
            phase: Phase::New,
            steps: 0,
            used: Used::default(),
            graph,
        })
    }

    /// Takes an event and says what to do next.
    ///
    /// # Errors
    /// When an expression fails, a value does not have its declared type, or the event does not fit. The run
    /// cannot go on then; what was committed stands.
    pub fn step(&mut self, event: Event) -> Result<Vec<Command>, Fault> {
        match (self.phase, event) {
            (Phase::New, Event::Start) => {
                self.phase = Phase::Running;
                let start = self.graph.start.clone();
                Ok(vec![self.enter("", &start, Entry::Plain)?])
            }
            (Phase::Running, Event::TaskDone { lane, output, used, at_ms }) => {
                self.task_done(lane, output, used, at_ms)
            }
            (Phase::New | Phase::Running, Event::Cancel { at_ms }) => {
                self.phase = Phase::Over;
                let finish = Finish { end: None, outcome: None, limit: None, output: Value::Null, at_ms };
                Ok(vec![Command::Finish(finish)])
            }
            (phase, event) => Err(Fault::bug(format!("the scheduler is {phase:?} and was told {event:?}"))),
        }
    }

    /// The state of the run's own scope.
    #[must_use]
    pub fn state(&self) -> &BTreeMap<String, Value> {
        &self.root().state
    }

    /// What the run used so far.
    #[must_use]
    pub fn used(&self) -> Used {
        self.used
    }

    /// Supersteps so far, in all scopes.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The inputs, brought to their types.
    #[must_use]
    pub fn inputs(&self) -> &Value {
        &self.inputs
    }

    fn root(&self) -> &Scope {
        // The run's own scope is made in `new` and never removed.
        self.scopes.get("").expect("the run's own scope exists from `new` on")
    }

    fn task_done(
        &mut self,
        lane: Lane,
        output: Value,
        used: Used,
        at_ms: u64,
    ) -> Result<Vec<Command>, Fault> {
        let graph = Arc::clone(&self.graph);
        let scope = self
            .scopes
            .get_mut(&lane.scope)
            .filter(|scope| scope.running.as_ref() == Some(&lane))
            .ok_or_else(|| Fault::bug(format!("{lane} is done and was not running")))?;
        let node = graph
            .nodes
            .get(&lane.node)
            .ok_or_else(|| Fault::bug(format!("{lane} is no node of the graph")))?;

        // All writes are evaluated over the state before, then land together.
        let attempt = scope.attempt(&lane.node, &self.loops);
        let vars = Vars::of(scope, &self.inputs, attempt).with_output(&output);
        let writes = eval::writes(&graph, node, &vars).map_err(|fault| fault.at(&lane))?;
        scope.land(&graph, &writes);

        // The route is chosen over the state with the task's own writes.
        let vars = Vars::of(scope, &self.inputs, attempt).with_output(&output);
        let chosen = choose(&node.next, &vars, scope).map_err(|fault| fault.at(&lane))?;

        scope.running = None;
        scope.superstep += 1;
        scope.outputs.insert(lane.node.clone(), output.clone());
        let number = scope.superstep;
        self.steps += 1;
        self.used.active_ms = self.used.active_ms.saturating_add(used.active_ms);
        self.used.cost_microusd = self.used.cost_microusd.saturating_add(used.cost_microusd);

        let (to, begins, next) = match (&chosen.target, self.limit_reached()) {
            (Target::End(end), _) => (To::End(end.clone()), 1, self.finish(end, None, attempt, at_ms)?),
            (Target::Node(name), Some(limit)) => {
                let end = graph.limits.exhausted.clone();
                (To::Node(name.clone()), 1, self.finish(&end, Some(limit), attempt, at_ms)?)
            }
            (Target::Node(name), None) => {
                let command = self.enter(&lane.scope, name, chosen.entry)?;
                let begins = if let Command::RunTask(task) = &command { task.attempt } else { 1 };
                (To::Node(name.clone()), begins, command)
            }
        };
        let edge = chosen.edge;
        let step = Superstep { lane, number, output, writes, edge, to, attempt: begins, used, at_ms };
        Ok(vec![Command::Commit(step), next])
    }

    /// Starts a task of `node` in the scope at `path`.
    fn enter(&mut self, path: &str, node: &str, entry: Entry) -> Result<Command, Fault> {
        let def = self
            .graph
            .nodes
            .get(node)
            .ok_or_else(|| Fault::bug(format!("`{node}` is no node of the graph")))?;
        let scope =
            self.scopes.get_mut(path).ok_or_else(|| Fault::bug(format!("there is no scope `{path}`")))?;
        let lane = scope.enter(path, node, entry, &self.loops);
        let (attempt, max_attempts) = scope.attempt(node, &self.loops);
        let vars = Vars::of(scope, &self.inputs, (attempt, max_attempts));
        let input = eval::input(def, &vars).map_err(|fault| fault.at(&lane))?;
        let conditions = eval::conditions(def, &vars).map_err(|fault| fault.at(&lane))?;
        let previous = scope.outputs.get(node).cloned();
        Ok(Command::RunTask(Task { lane, input, conditions, attempt, max_attempts, previous }))
    }

    /// Ends the run at `end`; `attempt` is that of the task that led there.
    fn finish(
        &mut self,
        end: &str,
        limit: Option<&str>,
        attempt: (u32, u32),
        at_ms: u64,
    ) -> Result<Command, Fault> {
        let def =
            self.graph.ends.get(end).ok_or_else(|| Fault::bug(format!("`{end}` is no end of the graph")))?;
        let vars = Vars::of(self.root(), &self.inputs, attempt);
        let output = match (&def.output, limit) {
            (None, _) => Value::Null,
            (Some(source), None) => {
                eval::source(source, &vars).map_err(|fault| fault.at(format!("end `{end}`")))?
            }
            // A limit may strike before the keys that the output reads are written.
            (Some(source), Some(_)) => eval::source(source, &vars).unwrap_or(Value::Null),
        };
        let outcome = Some(def.outcome);
        self.phase = Phase::Over;
        let limit = limit.map(str::to_owned);
        Ok(Command::Finish(Finish { end: Some(end.to_owned()), outcome, limit, output, at_ms }))
    }

    /// The limit that forbids another task.
    fn limit_reached(&self) -> Option<&'static str> {
        let limits = &self.graph.limits;
        let over = |limit: Option<u64>, used: u64| limit.is_some_and(|limit| used >= limit);
        if over(limits.steps, self.steps) {
            Some("steps")
        } else if over(limits.wall_ms, self.used.active_ms) {
            Some("wall")
        } else if over(limits.cost_microusd, self.used.cost_microusd) {
            Some("cost")
        } else {
            None
        }
    }
}

struct Chosen {
    target: Target,
    entry: Entry,
    edge: String,
}

/// The first arm whose guard holds, and of a retry edge the side that its counter allows.
fn choose(next: &Next, vars: &Vars<'_>, scope: &Scope) -> Result<Chosen, Fault> {
    let arms = match next {
        Next::Go(Step::To(target)) => {
            return Ok(Chosen { target: target.clone(), entry: Entry::Plain, edge: "next".to_owned() });
        }
        Next::Choose(arms) => arms,
        _ => return Err(Fault::bug("this way on is not run yet")),
    };
    for (i, arm) in arms.iter().enumerate() {
        let holds = match &arm.guard {
            Guard::Else => true,
            Guard::When(expr) => eval::condition(expr, vars)?,
        };
        if !holds {
            continue;
        }
        return Ok(match &arm.step {
            Step::To(target) => {
                Chosen { target: target.clone(), entry: Entry::Plain, edge: format!("next[{i}]") }
            }
            Step::Fork(_) => return Err(Fault::bug("a fan-out is not run yet")),
            Step::Retry { head, max_attempts, exhausted } => {
                if scope.attempts.get(head).copied().unwrap_or(0) < *max_attempts {
                    let target = Target::Node(head.clone());
                    Chosen { target, entry: Entry::Retry, edge: format!("next[{i}].retry") }
                } else {
                    let target = exhausted.clone();
                    Chosen { target, entry: Entry::Plain, edge: format!("next[{i}].exhausted") }
                }
            }
        });
    }
    Err(Fault::new("graph.next", 3, "no arm of `next` holds").help("give the last arm an `else`"))
}
