//! What a run's bodies are told, the same live, on resume and in replay.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::graph::Graph;
use crate::scheduler::Task;
use crate::types::Type;
use crate::{Fault, Kinds, Lane, Output, TaskInfo};

/// What stays the same for all tasks of a run.
pub(crate) struct Facts {
    pub(crate) run: String,
    pub(crate) created_ms: u64,
    pub(crate) graph: Arc<Graph>,
    /// The resolved settings: `models` by role, and under `nodes` what every task is told.
    pub(crate) settings: Value,
}

impl Facts {
    /// What the context of `task` tells.
    pub(crate) fn of_task(&self, task: &Task) -> Result<TaskInfo, Fault> {
        let node = self
            .graph
            .nodes
            .get(&task.lane.node)
            .ok_or_else(|| Fault::bug(format!("{}: no node", task.lane)))?;
        let mut settings = match &self.settings["nodes"] {
            Value::Object(shared) => shared.clone(),
            _ => Map::new(),
        };
        settings.extend(node.literals.clone());
        settings.extend(task.conditions.iter().map(|(name, holds)| (name.clone(), Value::Bool(*holds))));
        if let Some(role) = &node.model {
            settings.insert("model".to_owned(), self.settings["models"][role].clone());
        }
        Ok(TaskInfo {
            run: self.run.clone(),
            created_ms: self.created_ms,
            lane: task.lane.clone(),
            attempt: task.attempt,
            max_attempts: task.max_attempts,
            settings: Value::Object(settings),
            prompt: node.prompt.clone(),
            returns: node.returns.as_ref().map(Type::json_schema),
            previous: task.previous.clone(),
            chain_head: task.head.clone(),
        })
    }
}

/// A node's output, which must have the type that its kind or its `returns:` declares.
pub(crate) fn checked_output(
    facts: &Facts,
    kinds: &Kinds,
    lane: &Lane,
    output: Value,
) -> Result<Value, Fault> {
    let node = facts.graph.nodes.get(&lane.node);
    let kind = node.and_then(|node| kinds.kinds.get(node.kind.as_str()));
    let ty = match kind.map(|kind| &kind.output) {
        Some(Output::Fixed(ty)) => Some(ty),
        _ => node.and_then(|node| node.returns.as_ref()),
    };
    if let Some(ty) = ty {
        ty.check(&output).map_err(|mismatch| {
            Fault::new("node.output", 1, format!("{lane}: output: {mismatch}"))
                .help("the node's kind returned what it does not declare; this is a bug of the kind")
        })?;
    }
    Ok(output)
}
