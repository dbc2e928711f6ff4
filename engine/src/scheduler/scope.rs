//! A scope: a state, a superstep clock, and counters of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Used;
use super::state::{State, Writes};
use crate::graph::{At, Graph, Loop};
use crate::{Failure, Lane};

/// A graph and what was worked out of it once.
#[derive(Debug)]
pub(super) struct Plan {
    /// Its name among the graphs of the run; empty for the run's own.
    pub(super) name: String,
    pub(super) graph: Arc<Graph>,
    /// By node, the innermost loop around it.
    pub(super) loops: BTreeMap<String, Loop>,
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
        join: String,
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
    pub(super) join: String,
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
    pub(super) parent: String,
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
    /// By loop head, the attempt under way, from 1.
    pub(super) attempts: BTreeMap<String, u32>,
    /// By node, what it returned last.
    pub(super) outputs: BTreeMap<String, Arc<Value>>,
    /// By node, how often it was entered. Never resets.
    pub(super) visits: BTreeMap<String, u32>,
    /// Steps that led here in its graph before it began.
    pub(super) steps_before: u64,
    /// Steps of its own, those of joined branches and returned calls included: the same whatever ran first.
    pub(super) steps: u64,
    /// Steps of its own and of all that runs below it, as they come.
    pub(super) tally_steps: u64,
    /// What it and all below it used.
    pub(super) tally: Used,
}

impl Scope {
    pub(super) fn new(plan: Arc<Plan>, parent: String, place: Place, inputs: Arc<Value>) -> Self {
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
            attempts: BTreeMap::new(),
            outputs: BTreeMap::new(),
            visits: BTreeMap::new(),
            steps_before: 0,
            steps: 0,
            tally_steps: 0,
            tally: Used::default(),
        }
    }

    /// A branch of this scope: it starts from the state at the fork and knows nothing of its siblings.
    pub(super) fn branch(&self, path: &str, join: &str) -> Self {
        let place = Place::Branch { join: join.to_owned() };
        let mut branch = Self::new(Arc::clone(&self.plan), path.to_owned(), place, Arc::clone(&self.inputs));
        branch.state = self.state.clone();
        branch.steps_before = self.steps_before.saturating_add(self.steps);
        branch
    }

    /// Counts an entry into `node` and names the task.
    pub(super) fn enter(&mut self, path: &str, node: &str, entry: Entry) -> Lane {
        // A head is its own innermost loop.
        if self.plan.loops.get(node).is_some_and(|own| own.head == node) {
            let attempt = self.attempts.entry(node.to_owned()).or_insert(0);
            *attempt = match entry {
                Entry::Plain => 1,
                Entry::Retry => attempt.saturating_add(1),
                Entry::Again => *attempt,
            };
        }
        let visit = match self.visits.get_mut(node) {
            Some(visit) => visit,
            None => self.visits.entry(node.to_owned()).or_insert(0),
        };
        *visit = visit.saturating_add(1);
        self.answer = None;
        Lane { scope: path.to_owned(), node: node.to_owned(), visit: *visit }
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
        if over(limits.steps, self.tally_steps) {
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
