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
    pub fn word(self) -> &'static str {
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
    /// Evaluated over state and inputs; together the task's input.
    pub with: IndexMap<String, Source>,
    /// Evaluated over the state before and `output`; land together.
    pub writes: IndexMap<String, Source>,
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
    /// Where to go.
    pub next: Next,
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
    To(Target),
    /// The first arm whose guard holds; the last one always does.
    Choose(Vec<Arm>),
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

/// A node or an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A node by name.
    Node(String),
    /// An end by name.
    End(String),
}
