//! What a run's bodies are told, the same live, on resume and in replay.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::graph::{Graph, NodeDef};
use crate::scheduler::Task;
use crate::store::Durability;
use crate::types::Type;
use crate::{Fault, Kinds, Lane, Output, TaskInfo};

/// What stays the same for all tasks of a run.
pub(crate) struct Facts {
    pub(crate) run: String,
    pub(crate) created_ms: u64,
    pub(crate) graph: Arc<Graph>,
    /// The resolved settings: `models` by role, and under `nodes` what every task is told.
    pub(crate) settings: Value,
    /// How firmly what happens is written.
    pub(crate) level: Level,
}

/// How firmly a run's records are written: its setting `durability`. Whatever the level, the start and the result of
/// an effect that changes the world are on disk before anything else happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// `sync`: a superstep is on disk before the next one begins. Nothing committed is lost in a power cut.
    Sync,
    /// `async`: a superstep is with the operating system before the next one begins. Nothing committed is lost in
    /// `kill -9`; a power cut may take the last supersteps, never an external effect.
    Async,
    /// `exit`: records are written when the run ends, stops, asks a person or changes the world. `kill -9` takes what
    /// came after.
    Exit,
}

impl Level {
    /// The level that the settings name; `sync` where they name none.
    ///
    /// # Errors
    /// Exit 2 when they name something else.
    pub(crate) fn of(settings: &Value) -> Result<Self, Fault> {
        match &settings["durability"] {
            Value::Null => Ok(Self::Sync),
            Value::String(word) if word == "sync" => Ok(Self::Sync),
            Value::String(word) if word == "async" => Ok(Self::Async),
            Value::String(word) if word == "exit" => Ok(Self::Exit),
            other => {
                let message = format!("there is no durability {other}");
                Err(Fault::new("run.durability", 2, message).help("`sync`, `async` and `exit` are"))
            }
        }
    }

    /// How firmly a superstep is written.
    pub(crate) fn of_commit(self) -> Durability {
        match self {
            Self::Sync => Durability::Disk,
            Self::Async => Durability::Process,
            Self::Exit => Durability::Memory,
        }
    }

    /// `wanted`, or less where the level promises less. What is on disk by promise does not come through here.
    pub(crate) fn at_most(self, wanted: Durability) -> Durability {
        match (self, wanted) {
            (Self::Exit, Durability::Process) => Durability::Memory,
            (_, wanted) => wanted,
        }
    }
}

impl Facts {
    /// The node that `lane` is an execution of, in the graph of this name.
    pub(crate) fn node(&self, graph: &str, lane: &Lane) -> Result<&NodeDef, Fault> {
        let owner = if graph.is_empty() { Some(&self.graph) } else { self.graph.graphs.get(graph) };
        let node = owner.and_then(|owner| owner.nodes.get(lane.node.as_str()));
        node.ok_or_else(|| Fault::bug(format!("{lane} is no node of the graph")))
    }

    /// What the context of `task` tells; `chain_head` is the hash of the record that led to it.
    pub(crate) fn of_task(&self, task: &Task, chain_head: String) -> Result<TaskInfo, Fault> {
        let node = self.node(&task.graph, &task.lane)?;
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
            chain_head,
        })
    }
}

/// A node's output, which must have the type that its kind or its `returns:` declares.
pub(crate) fn checked_output(
    facts: &Facts,
    kinds: &Kinds,
    graph: &str,
    lane: &Lane,
    output: Value,
) -> Result<Value, Fault> {
    let node = facts.node(graph, lane)?;
    let ty = match kinds.kinds.get(node.kind.as_str()).map(|kind| &kind.output) {
        Some(Output::Fixed(ty)) => Some(ty),
        _ => node.returns.as_ref(),
    };
    if let Some(ty) = ty {
        ty.check(&output).map_err(|mismatch| {
            Fault::new("node.output", 1, format!("{lane}: output: {mismatch}"))
                .help("the node's kind returned what it does not declare; this is a bug of the kind")
        })?;
    }
    Ok(output)
}
