//! A scope: a state, a superstep clock, and counters of its own.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Lane;
use crate::graph::{Graph, Loop, Reducer};

/// How a node is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// By a plain edge: a loop that begins here begins anew.
    Plain,
    /// By a retry edge: the next attempt.
    Retry,
}

/// One scope's part of a run.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// The state, by key. A key that was never written and has no identity is absent.
    pub(super) state: BTreeMap<String, Value>,
    /// Supersteps so far.
    pub(super) superstep: u64,
    /// The task under way. One at a time: parallel work is in scopes below.
    pub(super) running: Option<Lane>,
    /// By loop head, the attempt under way, from 1.
    pub(super) attempts: BTreeMap<String, u32>,
    /// By node, what it returned last.
    pub(super) outputs: BTreeMap<String, Value>,
    /// By node, how often it was entered. Never resets.
    visits: BTreeMap<String, u32>,
}

impl Scope {
    /// The run's own scope: keys whose reducer has an identity start with it.
    pub(super) fn of_run(graph: &Graph) -> Self {
        let identity = |reducer| match reducer {
            Reducer::Append => Some(Value::Array(Vec::new())),
            _ => None,
        };
        let state =
            graph.state.iter().filter_map(|(key, def)| Some((key.clone(), identity(def.reducer)?))).collect();
        Self { state, ..Self::default() }
    }

    /// Lands writes through the reducers, in place: the cost is that of what is written.
    pub(super) fn land(&mut self, graph: &Graph, writes: &BTreeMap<String, Value>) {
        for (key, value) in writes {
            let reducer = graph.state.get(key).map_or(Reducer::Last, |def| def.reducer);
            match (reducer, value, self.state.get_mut(key)) {
                (Reducer::Append, Value::Array(items), Some(Value::Array(list))) => {
                    list.extend_from_slice(items)
                }
                _ => {
                    self.state.insert(key.clone(), value.clone());
                }
            }
        }
    }

    /// Counts an entry into `node` and names the task.
    pub(super) fn enter(
        &mut self,
        path: &str,
        node: &str,
        entry: Entry,
        loops: &BTreeMap<String, Loop>,
    ) -> Lane {
        // A head is its own innermost loop.
        if loops.get(node).is_some_and(|own| own.head == node) {
            let attempt = self.attempts.entry(node.to_owned()).or_insert(0);
            *attempt = match entry {
                Entry::Plain => 1,
                Entry::Retry => attempt.saturating_add(1),
            };
        }
        let visit = self.visits.entry(node.to_owned()).or_insert(0);
        *visit = visit.saturating_add(1);
        let lane = Lane { scope: path.to_owned(), node: node.to_owned(), visit: *visit };
        self.running = Some(lane.clone());
        lane
    }

    /// The attempt at `node` and the most there may be: those of the innermost head that dominates it, else 1.
    pub(super) fn attempt(&self, node: &str, loops: &BTreeMap<String, Loop>) -> (u32, u32) {
        loops.get(node).map_or((1, 1), |around| {
            (self.attempts.get(&around.head).copied().unwrap_or(1), around.max_attempts)
        })
    }
}
