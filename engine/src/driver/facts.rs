//! What a run's bodies are told, the same live, on resume and in replay.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::graph::{Graph, NodeDef, RetryPolicy, Template};
use crate::journal::Chain;
use crate::scheduler::Task;
use crate::store::Durability;
use crate::types::Type;
use crate::{Fault, Kinds, Lane, Name, Node, TaskInfo};

/// What stays the same for all tasks of a run.
pub(crate) struct Facts {
    pub(crate) run: Name,
    pub(crate) created_ms: u64,
    pub(crate) graph: Arc<Graph>,
    /// The resolved settings: `models` by role, and under `nodes` what every task is told.
    pub(crate) settings: Value,
    /// How firmly what happens is written.
    pub(crate) level: Level,
    prepared: RefCell<IndexMap<(Name, Name), Rc<Prepared>>>,
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
    /// The facts of a run.
    ///
    /// # Errors
    /// Exit 2 when the settings name no level that there is.
    pub(crate) fn new(run: &str, created_ms: u64, graph: Arc<Graph>, settings: Value) -> Result<Self, Fault> {
        let level = Level::of(&settings)?;
        Ok(Self { run: run.into(), created_ms, graph, settings, level, prepared: RefCell::default() })
    }

    /// The node that `lane` is an execution of, in the graph of this name.
    pub(crate) fn node(&self, graph: &str, lane: &Lane) -> Result<&NodeDef, Fault> {
        let owner = if graph.is_empty() { Some(&self.graph) } else { self.graph.graphs.get(graph) };
        let node = owner.and_then(|owner| owner.nodes.get(lane.node.as_str()));
        node.ok_or_else(|| Fault::bug(format!("{lane} is no node of the graph")))
    }

    /// What all tasks of the node share, worked out once.
    pub(crate) fn prepared(&self, kinds: &Kinds, graph: &Name, lane: &Lane) -> Result<Rc<Prepared>, Fault> {
        let key = (graph.clone(), lane.node.clone());
        if let Some(known) = self.prepared.borrow().get(&key) {
            return Ok(Rc::clone(known));
        }
        let made = Rc::new(self.prepare(kinds, self.node(graph, lane)?));
        self.prepared.borrow_mut().insert(key, Rc::clone(&made));
        Ok(made)
    }

    fn prepare(&self, kinds: &Kinds, node: &NodeDef) -> Prepared {
        let mut settings = match &self.settings["nodes"] {
            Value::Object(shared) => shared.clone(),
            _ => Map::new(),
        };
        settings.extend(node.literals.clone());
        if let Some(role) = &node.model {
            settings.insert("model".to_owned(), self.settings["models"][role].clone());
        }
        let kind = kinds.kinds.get(node.kind.as_str());
        let output = match kind {
            Some(kind) => kind.output.of(node.returns.as_ref()),
            None => node.returns.clone(),
        };
        Prepared {
            kind: node.kind.clone(),
            node: kind.map(|kind| Arc::clone(&kind.node)),
            output,
            settings: Arc::new(Value::Object(settings)),
            prompt: node.prompt.clone(),
            returns: node.returns.as_ref().map(|ty| Arc::new(ty.json_schema())),
            timeout_ms: node.timeout_ms,
            retry: node.retry,
        }
    }

    /// What the context of `task` tells; `chain` is the hash of the record that led to it.
    pub(crate) fn of_task(&self, prepared: &Prepared, task: &Task, chain: Option<Chain>) -> TaskInfo {
        let settings = match prepared.settings.as_ref() {
            Value::Object(settings) if !task.conditions.is_empty() => {
                let mut settings = settings.clone();
                let conditions = task.conditions.iter();
                settings.extend(conditions.map(|(name, holds)| (name.clone(), Value::Bool(*holds))));
                Arc::new(Value::Object(settings))
            }
            _ => Arc::clone(&prepared.settings),
        };
        TaskInfo {
            run: self.run.clone(),
            created_ms: self.created_ms,
            lane: task.lane.clone(),
            attempt: task.attempt,
            max_attempts: task.max_attempts,
            settings,
            prompt: prepared.prompt.clone(),
            returns: prepared.returns.clone(),
            previous: task.previous.clone(),
            chain,
        }
    }
}

/// What all tasks of a node share.
pub(crate) struct Prepared {
    /// The kind's name.
    pub(crate) kind: String,
    /// Its behaviour; nothing where this program does not have the kind.
    pub(crate) node: Option<Arc<dyn Node + Send + Sync>>,
    /// The type of the output: what the kind or `returns:` declares.
    output: Option<Type>,
    /// The settings without the conditions.
    settings: Arc<Value>,
    prompt: Option<Template>,
    /// `returns:` as JSON Schema.
    returns: Option<Arc<Value>>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) retry: RetryPolicy,
}

impl Prepared {
    /// Refuses an output that does not have the type that the kind or `returns:` declares.
    pub(crate) fn check(&self, lane: &Lane, output: &Value) -> Result<(), Fault> {
        let Some(ty) = &self.output else { return Ok(()) };
        ty.check(output).map_err(|mismatch| {
            Fault::new("node.output", 1, format!("{lane}: output: {mismatch}"))
                .help("the node's kind returned what it does not declare; this is a bug of the kind")
        })
    }
}
