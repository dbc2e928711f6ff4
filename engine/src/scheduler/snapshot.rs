//! Where a scheduler stands, as data: for a run that branches off another, and for looking at an old state without
//! walking all the way to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::scope::{Doing, Place, Scope, Seen};
use super::state::State;
use super::table::Scopes;
use super::{Ask, Command, Phase, Scheduler, Used, Work, Writes, own_plan, plans};
use crate::graph::Graph;
use crate::{Fault, Name};

/// A scheduler as JSON.
#[derive(Serialize, Deserialize)]
struct Snapshot {
    phase: Phase,
    /// By path.
    scopes: BTreeMap<Name, ScopeSnapshot>,
}

#[derive(Serialize, Deserialize)]
struct ScopeSnapshot {
    /// The graph's name; empty for the run's own.
    graph: Name,
    parent: Name,
    place: Place,
    inputs: Arc<Value>,
    state: BTreeMap<String, Arc<Value>>,
    written: Vec<WritesSnapshot>,
    doing: Doing,
    answer: Option<Value>,
    superstep: u64,
    /// By node.
    seen: BTreeMap<String, SeenSnapshot>,
    steps_before: u64,
    steps: u64,
    all_steps: u64,
    tally: Used,
}

#[derive(Serialize, Deserialize)]
struct SeenSnapshot {
    visits: u32,
    attempt: u32,
    output: Option<Arc<Value>>,
}

#[derive(Serialize, Deserialize)]
struct WritesSnapshot {
    values: BTreeMap<String, Value>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    overwrites: BTreeSet<String>,
}

impl Scheduler {
    /// Where it stands, as JSON. [`Self::restored`] is the way back.
    ///
    /// # Errors
    /// Never; a [`Fault`] beats a panic if serde disagrees.
    pub fn snapshot(&self) -> Result<Value, Fault> {
        serde_json::to_value(self.as_snapshot())
            .map_err(|e| Fault::bug(format!("a scheduler is no JSON: {e}")))
    }

    /// The same as JSON text: without a copy of what it holds. [`Self::restored_of_text`] is the way back.
    ///
    /// # Errors
    /// As [`Self::snapshot`].
    pub fn snapshot_text(&self) -> Result<Vec<u8>, Fault> {
        serde_json::to_vec(&self.as_snapshot())
            .map_err(|e| Fault::bug(format!("a scheduler is no JSON: {e}")))
    }

    fn as_snapshot(&self) -> Snapshot {
        let scopes = self.scopes.iter().map(|(path, scope)| (path, of_scope(scope))).collect();
        Snapshot { phase: self.phase, scopes }
    }

    /// The scheduler that a snapshot tells of, on `graph`: the one it was taken with, or another that has everything
    /// that is under way.
    ///
    /// # Errors
    /// Exit 21 when it is no snapshot; 7 when the graph lacks something that is under way, or a state key has another
    /// type there.
    pub fn restored(graph: Arc<Graph>, snapshot: &Value) -> Result<Self, Fault> {
        Self::of_snapshot(graph, Deserialize::deserialize(snapshot).map_err(|e| none(&e))?)
    }

    /// The same, of a snapshot's JSON text: without a copy of what it holds.
    ///
    /// # Errors
    /// As [`Self::restored`].
    pub fn restored_of_text(graph: Arc<Graph>, text: &[u8]) -> Result<Self, Fault> {
        Self::of_snapshot(graph, serde_json::from_slice(text).map_err(|e| none(&e))?)
    }

    fn of_snapshot(graph: Arc<Graph>, snapshot: Snapshot) -> Result<Self, Fault> {
        let plans = plans(graph);
        own_plan(&plans)?;
        let mut root = None;
        let mut below = Vec::new();
        for (path, scope) in snapshot.scopes {
            let plan = plans.get(scope.graph.as_str()).cloned().ok_or_else(|| {
                lacks(format!("the graph `{}`, which is under way", scope.graph.escape_debug()))
            })?;
            check(&path, &scope, &plan.graph)?;
            let written = scope.written.into_iter();
            let written = written.map(|one| Writes { values: one.values, overwrites: one.overwrites });
            // Keys that a changed graph adds begin as they would in a new run.
            let mut state = State::of(&plan.graph).values().clone();
            state.extend(scope.state);
            // What is remembered of a node that a changed graph no longer has is of no use to it.
            let seen = scope.seen.into_iter().filter_map(|(node, seen)| {
                let SeenSnapshot { visits, attempt, output } = seen;
                Some((plan.graph.nodes.get_index_of(&node)?, Seen { visits, attempt, output }))
            });
            let seen = seen.collect();
            let restored = Scope {
                plan,
                parent: scope.parent,
                place: scope.place,
                inputs: scope.inputs,
                state: State::with(state),
                written: written.collect(),
                doing: scope.doing,
                answer: scope.answer,
                superstep: scope.superstep,
                seen,
                steps_before: scope.steps_before,
                steps: scope.steps,
                all_steps: scope.all_steps,
                tally: scope.tally,
            };
            if path.is_empty() {
                root = Some(restored);
            } else {
                below.push((path, restored));
            }
        }
        let root = root.ok_or_else(|| {
            Fault::new("journal.snapshot", 21, "no snapshot of a run: it has no scope of its own")
        })?;
        let mut scopes = Scopes::new(root);
        below.into_iter().for_each(|(path, scope)| scopes.insert(path, scope));
        Ok(Self { plans, scopes, phase: snapshot.phase })
    }

    /// What the driver must do to go on from here: the tasks and questions that are under way, evaluated anew.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn under_way(&mut self) -> Result<Vec<Command>, Fault> {
        let mut work = Work::at(0);
        if self.phase == Phase::Running {
            let doing: Vec<Doing> = self.scopes.iter().map(|(_, scope)| scope.doing.clone()).collect();
            for doing in doing {
                match doing {
                    Doing::Task(lane) => self.begin(lane, &mut work)?,
                    Doing::Ask(asked) => {
                        let graph = self.scope(&asked.lane.scope)?.plan.name.clone();
                        let (lane, at, question) = (asked.lane, asked.at, asked.question);
                        let (output, used) = (asked.output, asked.used);
                        work.out.push(Command::Ask(Ask { lane, graph, at, question, output, used }));
                    }
                    _ => {}
                }
            }
        }
        self.finish_work(work)
    }
}

fn none(e: &serde_json::Error) -> Fault {
    Fault::new("journal.snapshot", 21, format!("no snapshot of a run: {e}"))
}

fn of_scope(scope: &Scope) -> ScopeSnapshot {
    let written = scope.written.iter();
    let written = written
        .map(|one| WritesSnapshot { values: one.values.clone(), overwrites: one.overwrites.clone() })
        .collect();
    let seen = |(at, seen): (&usize, &Seen)| {
        let Seen { visits, attempt, output } = seen.clone();
        Some((String::from(scope.plan.names.get(*at)?.clone()), SeenSnapshot { visits, attempt, output }))
    };
    ScopeSnapshot {
        graph: scope.plan.name.clone(),
        parent: scope.parent.clone(),
        place: scope.place.clone(),
        inputs: Arc::clone(&scope.inputs),
        state: scope.state.values().clone(),
        written,
        doing: scope.doing.clone(),
        answer: scope.answer.clone(),
        superstep: scope.superstep,
        seen: scope.seen.iter().filter_map(seen).collect(),
        steps_before: scope.steps_before,
        steps: scope.steps,
        all_steps: scope.all_steps,
        tally: scope.tally,
    }
}

/// Refuses a graph that lacks what is under way, or that declares a key of the state with another type.
fn check(path: &str, scope: &ScopeSnapshot, graph: &Graph) -> Result<(), Fault> {
    for (key, value) in &scope.state {
        let Some(def) = graph.state.get(key) else {
            return Err(lacks(format!("the state key `{}`, which has a value", key.escape_debug())));
        };
        def.ty.check(value).map_err(|mismatch| {
            Fault::new("graph.differs", 7, format!("state key `{key}` does not fit the graph: {mismatch}"))
        })?;
    }
    let node = match &scope.doing {
        Doing::Nothing | Doing::Arrived => return Ok(()),
        Doing::Task(lane) | Doing::Call(lane) => &lane.node,
        Doing::Ask(asked) => &asked.lane.node,
        Doing::Fork(forked) => &forked.join,
        Doing::Map(mapping) => &mapping.lane.node,
    };
    if graph.nodes.contains_key(node.as_str()) {
        return Ok(());
    }
    let place = if path.is_empty() { String::new() } else { format!(" (in `{path}`)") };
    Err(lacks(format!("the node `{}`, which is under way{place}", node.escape_debug())))
}

fn lacks(what: String) -> Fault {
    Fault::new("graph.differs", 7, format!("the graph does not have {what}"))
        .help("go on with the graph that the run was started with, or start a new run")
}
