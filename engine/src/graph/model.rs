//! The checked graph as data. Whoever holds one knows that every name in it resolves and every type fits.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use super::{Expr, Template};
use crate::types::{Record, Type};

/// A checked graph.
#[derive(Debug, Clone)]
pub struct Graph {
    /// `name:` of the file.
    pub name: String,
    /// `description:` of the file.
    pub description: String,
    /// BLAKE3 of the canonical form, prompts included. Pins a run.
    pub hash: String,
    /// The text of the file, which is stored with a run and travels in its trace.
    pub source: String,
    /// Named inputs.
    pub inputs: IndexMap<String, Type>,
    /// Model roles.
    pub models: IndexMap<String, ModelRole>,
    /// Records that the file declares.
    pub types: IndexMap<String, Arc<Record>>,
    /// State keys.
    pub state: IndexMap<String, StateKey>,
    /// Limits of a run.
    pub limits: Limits,
    /// Ends by name.
    pub ends: IndexMap<String, End>,
    /// The first node.
    pub start: String,
    /// Nodes by name, in the file's order.
    pub nodes: IndexMap<String, NodeDef>,
    /// The type of what its ends give (`returns:`), for who calls it.
    pub returns: Option<Type>,
    /// The graphs under `graphs:`, which nodes of it and of each other call by name. Of the outermost graph only.
    pub graphs: IndexMap<String, Arc<Self>>,
}

/// A model role: `{use: default, max_tokens: 8000}` or `{provider, name, …}`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelRole {
    /// The configuration's name for it (`use:`), when the graph does not pin one.
    pub uses: Option<String>,
    /// The pinned provider.
    pub provider: Option<String>,
    /// The pinned model.
    pub name: Option<String>,
    /// Parameters such as `max_tokens` and `temperature`.
    pub params: BTreeMap<String, Value>,
}

/// A declared state key.
#[derive(Debug, Clone, PartialEq)]
pub struct StateKey {
    /// Its type.
    pub ty: Type,
    /// How writes land.
    pub reducer: Reducer,
}

/// How a write lands on what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reducer {
    /// Replaces.
    Last,
    /// Adds the list's items at the end; starts empty.
    Append,
    /// Adds the list's items that are not there yet, at the end; starts empty.
    Union,
    /// Sets the map's keys; starts empty.
    Merge,
    /// Adds the number; starts at zero.
    Sum,
    /// Keeps the larger number.
    Max,
    /// Keeps the smaller number.
    Min,
}

impl Reducer {
    /// All of them, in the order in which the documentation lists them.
    pub const ALL: [Self; 7] =
        [Self::Last, Self::Append, Self::Union, Self::Merge, Self::Sum, Self::Max, Self::Min];

    /// The word in graph files.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Append => "append",
            Self::Union => "union",
            Self::Merge => "merge",
            Self::Sum => "sum",
            Self::Max => "max",
            Self::Min => "min",
        }
    }

    /// Whether a key of it has a value before the first write.
    #[must_use]
    pub fn has_identity(self) -> bool {
        matches!(self, Self::Append | Self::Union | Self::Merge | Self::Sum)
    }
}

/// Limits of a run; where it goes when one is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Most supersteps.
    pub steps: Option<u64>,
    /// Most active wall time, in milliseconds.
    pub wall_ms: Option<u64>,
    /// Most cost, in millionths of a US dollar.
    pub cost_microusd: Option<u64>,
    /// The end a run takes when a limit is reached.
    pub exhausted: String,
}

/// An end.
#[derive(Debug, Clone)]
pub struct End {
    /// What it means for the caller.
    pub outcome: Outcome,
    /// The run's output, evaluated over the final state.
    pub output: Option<Source>,
}

/// What an end means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The work was done.
    Success,
    /// There was nothing to do.
    Nothing,
    /// The work was not done.
    Failure,
    /// A person said no.
    Declined,
}

impl Outcome {
    /// The word in graph files and JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Nothing => "nothing",
            Self::Failure => "failure",
            Self::Declined => "declined",
        }
    }
}

/// A node of the graph.
#[derive(Debug, Clone)]
pub struct NodeDef {
    /// Its name.
    pub name: String,
    /// Its kind's name.
    pub kind: String,
    /// What happens when it is entered.
    pub does: Does,
    /// Evaluated over state and inputs; together the task's input, or the inputs of the graph that it calls.
    pub with: IndexMap<String, Source>,
    /// Evaluated over the state before and `output`; land together.
    pub writes: IndexMap<String, Write>,
    /// Literal settings of the kind (`strategies: […]`).
    pub literals: BTreeMap<String, Value>,
    /// Condition settings of the kind (`draft: …`), evaluated when the task starts.
    pub conditions: BTreeMap<String, Expr>,
    /// The model role.
    pub model: Option<String>,
    /// The type of `output` where the kind takes `returns:`.
    pub returns: Option<Type>,
    /// The template.
    pub prompt: Option<Template>,
    /// Repeats one failing effect.
    pub retry: RetryPolicy,
    /// The most active time of one execution, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Where it leads when it fails; nothing: the run stops there and can be resumed.
    pub on_error: Option<OnError>,
    /// Whether a person is asked, and when.
    pub interrupt: Option<Interrupt>,
    /// Where to go.
    pub next: Next,
}

/// What a node does when it is entered.
#[derive(Debug, Clone)]
pub enum Does {
    /// Runs its kind's body.
    Run,
    /// Calls the graph of this name, once (`kind: subgraph`).
    Call(String),
    /// Calls a graph for every item of a list (`kind: map`).
    Map(Map),
}

/// A call of a graph for every item of a list.
#[derive(Debug, Clone)]
pub struct Map {
    /// The graph's name.
    pub graph: String,
    /// The list. `item` and `index` (from 0) of each are read in `with`.
    pub over: Expr,
    /// The most items under way at once.
    pub parallel: u32,
    /// What becomes of an item that fails: whose graph reaches an end that means failure or declined, or stops.
    pub failed: Failed,
}

/// What a map does with a failed item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// The whole map fails.
    Fail,
    /// It is left out of the results.
    Skip,
    /// Its result is null.
    Keep,
}

impl Failed {
    /// The word in graph files.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Skip => "skip",
            Self::Keep => "keep",
        }
    }
}

/// One entry of `writes`.
#[derive(Debug, Clone)]
pub struct Write {
    /// What is written.
    pub value: Source,
    /// Whether it replaces what is there, whatever the key's reducer (`{overwrite: VALUE}`).
    pub overwrite: bool,
}

/// Where a node leads when it fails.
#[derive(Debug, Clone)]
pub struct OnError {
    /// There.
    pub to: Target,
    /// Evaluated over the state before and `error` (`{code, message}`); land together.
    pub writes: IndexMap<String, Write>,
}

/// A point at which a person is asked.
#[derive(Debug, Clone)]
pub struct Interrupt {
    /// Before the node runs, or after it and before its writes land.
    pub at: At,
    /// Asked only where this holds. `output` can be read after the node.
    pub when: Option<Expr>,
    /// The question, a text.
    pub ask: Source,
    /// The type of `answer`, which `with` (before), `writes` and `next` can read. Null where nobody was asked.
    pub answer: Type,
}

/// When a declared interrupt asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum At {
    /// Before the node runs.
    Before,
    /// After it ran, before its writes land.
    After,
}

impl At {
    /// The word in graph files.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// How a failing effect is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Most tries, the first included.
    pub tries: u32,
    /// Pause before the second try, in milliseconds; doubles each time.
    pub backoff_ms: u64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { tries: 3, backoff_ms: 500 }
    }
}

/// A literal, or CEL (written with a leading `=` in the file).
#[derive(Debug, Clone)]
pub enum Source {
    /// A value as it stands.
    Literal(Value),
    /// CEL.
    Expr(Expr),
    /// A list that holds expressions somewhere.
    List(Vec<Self>),
    /// A map that holds expressions somewhere.
    Map(IndexMap<String, Self>),
}

/// Where a node leads.
#[derive(Debug, Clone)]
pub enum Next {
    /// Always there.
    Go(Step),
    /// The first arm whose guard holds; the last one always does.
    Choose(Vec<Arm>),
    /// By the word that an expression gives.
    Switch(Switch),
    /// To the node or end that an expression names, one of these.
    Goto {
        /// Gives the name.
        name: Expr,
        /// Where it may lead.
        among: Vec<Target>,
    },
}

impl Next {
    /// Every step that may be taken, with its edge's name (`next`, `next[1]`, `next.cases.known`, `next.goto.done`).
    #[must_use]
    pub fn steps(&self) -> Vec<(String, Step)> {
        match self {
            Self::Go(step) => vec![("next".to_owned(), step.clone())],
            Self::Choose(arms) => {
                arms.iter().enumerate().map(|(i, arm)| (format!("next[{i}]"), arm.step.clone())).collect()
            }
            Self::Switch(switch) => {
                let case = |(word, step): (&String, &Step)| (format!("next.cases.{word}"), step.clone());
                let otherwise = switch.otherwise.iter().map(|step| ("next.else".to_owned(), step.clone()));
                switch.cases.iter().map(case).chain(otherwise).collect()
            }
            Self::Goto { among, .. } => {
                let edge = |to: &Target| (format!("next.goto.{}", to.name()), Step::To(to.clone()));
                among.iter().map(edge).collect()
            }
        }
    }
}

/// A choice by a word.
#[derive(Debug, Clone)]
pub struct Switch {
    /// Gives the word.
    pub on: Expr,
    /// By word.
    pub cases: IndexMap<String, Step>,
    /// For every other word; nothing where the cases are complete.
    pub otherwise: Option<Step>,
}

/// One arm of a choice.
#[derive(Debug, Clone)]
pub struct Arm {
    /// When it is taken.
    pub guard: Guard,
    /// Where it leads.
    pub step: Step,
}

/// When an arm is taken.
#[derive(Debug, Clone)]
pub enum Guard {
    /// When the condition holds.
    When(Expr),
    /// Otherwise.
    Else,
}

/// Where an arm leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Forward.
    To(Target),
    /// Into several branches at once, which meet again.
    Fork(Fork),
    /// Back to a loop's head, while attempts are left.
    Retry {
        /// The loop's head.
        head: String,
        /// Most attempts, the first pass included.
        max_attempts: u32,
        /// Where it leads when they are used up.
        exhausted: Target,
    },
}

/// A fan-out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// The first node of each branch, in the file's order.
    pub branches: Vec<String>,
    /// The node at which they meet: the nearest one that every path of every branch leads through.
    pub join: String,
}

/// A node or an end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A node by name.
    Node(String),
    /// An end by name.
    End(String),
}

impl Target {
    /// The name of the node or end.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Node(name) | Self::End(name) => name,
        }
    }
}
