//! A scope: a state, a superstep clock, and counters of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Used;
use super::state::{State, Writes};
use crate::graph::{At, Graph, NodeDef};
use crate::{Failure, Fault, Lane, Name};

/// A graph and what was worked out of it once. Its nodes are known by their place in the file.
#[derive(Debug)]
pub(super) struct Plan {
    /// Its name among the graphs of the run; empty for the run's own.
    pub(super) name: Name,
    pub(super) graph: Arc<Graph>,
    /// The nodes' names.
    pub(super) names: Vec<Name>,
    /// By node, the head of the innermost loop around it, and the most attempts of that loop.
    loops: Vec<Option<(usize, u32)>>,
}

impl Plan {
    pub(super) fn new(name: &str, graph: Arc<Graph>) -> Self {
        let loops = graph.loops();
        let around = |node: &String| {
            let around = loops.get(node)?;
            Some((graph.nodes.get_index_of(&around.head)?, around.max_attempts))
        };
        let loops = graph.nodes.keys().map(around).collect();
        let names = graph.nodes.keys().map(Name::from).collect();
        Self { name: name.into(), graph, names, loops }
    }

    /// The place of the node with this name.
    pub(super) fn at(&self, node: &str) -> Result<usize, Fault> {
        let at = self.graph.nodes.get_index_of(node);
        at.ok_or_else(|| Fault::bug(format!("`{node}` is no node of the graph")))
    }

    /// The node at a place, with its name.
    pub(super) fn node(&self, at: usize) -> Result<(&Name, &NodeDef), Fault> {
        let node = self.names.get(at).zip(self.graph.nodes.get_index(at));
        node.map(|(name, (_, def))| (name, def)).ok_or_else(|| Fault::bug(format!("there is no node {at}")))
    }

    /// The node with this name.
    pub(super) fn named(&self, node: &str) -> Result<&NodeDef, Fault> {
        let def = self.graph.nodes.get(node);
        def.ok_or_else(|| Fault::bug(format!("`{node}` is no node of the graph")))
    }

    /// The head of the innermost loop around the node, and the most attempts of that loop.
    pub(super) fn around(&self, at: usize) -> Option<(usize, u32)> {
        self.loops.get(at).copied().flatten()
    }
}

/// What a scope remembers of a node.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// How often it was entered. Never resets.
    pub(super) visits: u32,
    /// Of a loop's head, the attempt under way, from 1; 0 before the first.
    pub(super) attempt: u32,
    /// What it returned last.
    pub(super) output: Option<Arc<Value>>,
}

/// How a node is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// By a plain edge: a loop that begins here begins anew.
    Plain,
    /// By a retry edge: the next attempt.
    Retry,
    /// Once more in place of a task that was not finished: the same attempt.
    Again,
}

/// What a scope is to the one that holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    /// The run itself.
    Run,
    /// A branch of a fan-out, which ends where it reaches `join`.
    Branch {
        /// The node at which the branches meet.
        join: Name,
    },
    /// A call of a graph, by this task.
    Call {
        /// The calling task.
        caller: Lane,
        /// Which item of its list; nothing for a single call.
        item: Option<usize>,
    },
}

/// What a scope is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Doing {
    /// Nothing yet, or nothing any more.
    Nothing,
    /// This task is under way.
    Task(Lane),
    /// A person is asked about this task.
    Ask(Asked),
    /// Its branches are under way.
    Fork(Forked),
    /// The graph that this task called is under way.
    Call(Lane),
    /// So is one for every item.
    Map(Mapping),
    /// A branch that waits for its siblings.
    Arrived,
}

/// A question that waits for its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) lane: Lane,
    pub(super) at: At,
    pub(super) question: String,
    /// What the task returned, when it ran already.
    pub(super) output: Option<Arc<Value>>,
    pub(super) used: Used,
}

/// Branches that are under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Forked {
    /// The task after which they began.
    pub(super) lane: Lane,
    pub(super) join: Name,
    pub(super) width: usize,
    /// How many have not arrived.
    pub(super) waiting: usize,
}

/// Calls for the items of a list that are under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Mapping {
    pub(super) lane: Lane,
    pub(super) items: Arc<Vec<Value>>,
    /// The next item to begin.
    pub(super) next: usize,
    pub(super) open: BTreeSet<usize>,
    /// By item, what it gave; null where it failed and is kept.
    pub(super) results: BTreeMap<usize, Value>,
    pub(super) failed: u64,
    /// Items that failed where a failed item fails the map. The one with the lowest index is told, whatever failed
    /// first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) broken: BTreeMap<usize, Failure>,
}

/// One scope's part of a run.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) plan: Arc<Plan>,
    /// The path of the scope that holds it; its own for the run itself.
    pub(super) parent: Name,
    pub(super) place: Place,
    pub(super) inputs: Arc<Value>,
    pub(super) state: State,
    /// What it wrote, in order, for who holds it: of a branch alone.
    pub(super) written: Vec<Writes>,
    pub(super) doing: Doing,
    /// What a person answered about the task under way.
    pub(super) answer: Option<Value>,
    /// Supersteps so far.
    pub(super) superstep: u64,
    /// By the node's place.
    pub(super) seen: BTreeMap<usize, Seen>,
    /// Steps that led here in its graph before it began.
    pub(super) steps_before: u64,
    /// Steps of its own, those of joined branches and returned calls included: the same whatever ran first.
    pub(super) steps: u64,
    /// Steps of its own and of all that runs below it, as they come.
    pub(super) all_steps: u64,
    /// What it and all below it used.
    pub(super) tally: Used,
}

impl Scope {
    pub(super) fn new(plan: Arc<Plan>, parent: Name, place: Place, inputs: Arc<Value>) -> Self {
        Self {
            state: State::of(&plan.graph),
            plan,
            parent,
            place,
            inputs,
            written: Vec::new(),
            doing: Doing::Nothing,
            answer: None,
            superstep: 0,
            seen: BTreeMap::new(),
            steps_before: 0,
            steps: 0,
            all_steps: 0,
            tally: Used::default(),
        }
    }

    /// A branch of this scope, which is at `path`: it starts from the state at the fork and knows nothing of its
    /// siblings.
    pub(super) fn branch(&self, path: &Name, join: &Name) -> Self {
        let place = Place::Branch { join: join.clone() };
        let mut branch = Self::new(Arc::clone(&self.plan), path.clone(), place, Arc::clone(&self.inputs));
        branch.state = self.state.clone();
        branch.steps_before = self.steps_before.saturating_add(self.steps);
        branch
    }

    /// Counts an entry into the node at `at` and names the task.
    pub(super) fn enter(&mut self, path: &Name, at: usize, name: &Name, entry: Entry) -> Lane {
        // A head is its own innermost loop.
        let head = self.plan.around(at).is_some_and(|(head, _)| head == at);
        let seen = self.seen.entry(at).or_default();
        if head {
            seen.attempt = match entry {
                Entry::Plain => 1,
                Entry::Retry => seen.attempt.saturating_add(1),
                Entry::Again => seen.attempt,
            };
        }
        seen.visits = seen.visits.saturating_add(1);
        self.answer = None;
        Lane { scope: path.clone(), node: name.clone(), visit: seen.visits }
    }

    /// Steps that are left of its graph's limit, on the way that led here.
    pub(super) fn remaining_steps(&self) -> Option<u64> {
        let gone = self.steps_before.saturating_add(self.steps);
        self.plan.graph.limits.steps.map(|limit| limit.saturating_sub(gone))
    }

    /// The limit of its graph that forbids another task.
    pub(super) fn limit_reached(&self) -> Option<&'static str> {
        let limits = &self.plan.graph.limits;
        let over = |limit: Option<u64>, used: u64| limit.is_some_and(|limit| used >= limit);
        if over(limits.steps, self.all_steps) {
            Some("steps")
        } else if over(limits.wall_ms, self.tally.active_ms) {
            Some("wall")
        } else if over(limits.cost_microusd, self.tally.cost_microusd) {
            Some("cost")
        } else {
            None
        }
    }
}
