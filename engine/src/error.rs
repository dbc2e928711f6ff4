//! What can go wrong: below a node, in a node, and in the engine itself.

use serde::{Deserialize, Serialize};

use crate::blob::BlobRef;

/// A technical failure of an effect: the world could not be asked, or did not answer.
///
/// It never reaches a node. The driver repeats the effect where `retryable` and the node's `retry:` allow, and
/// then ends the run *resumable* with `exit`. What a node should decide on (a test that failed, a model that
/// answered nonsense) is a response, not an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct EffectError {
    /// A stable name such as `sandbox.unavailable` or `model.throttled`.
    pub code: String,
    /// What happened, a lowercase fragment without a full stop.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Whether the same request may work in a moment.
    pub retryable: bool,
    /// The documented exit code of a run that ends because of this.
    pub exit: u8,
}

impl EffectError {
    /// A failure that another try will not mend.
    #[must_use]
    pub fn new(code: &str, exit: u8, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), help: None, retryable: false, exit }
    }

    /// The same failure, with what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same failure, worth another try.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }
}

/// A node that cannot go on: its input or a recorded response is not what it takes. Ends the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct NodeError {
    /// A stable name such as `node.input` or `blob.missing`.
    pub code: String,
    /// What happened, a lowercase fragment without a full stop.
    pub message: String,
    /// The documented exit code of a run that ends because of this; nothing: a bug of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
}

impl NodeError {
    /// An error under a stable `code`.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), exit: None }
    }

    /// The same error, with the exit code of a run that it ends.
    #[must_use]
    pub fn exit(mut self, code: u8) -> Self {
        self.exit = Some(code);
        self
    }

    /// The blob is not in the store.
    #[must_use]
    pub fn missing_blob(blob: &BlobRef) -> Self {
        Self::new("blob.missing", format!("blob {} ({} bytes) is not in the store", blob.hash, blob.bytes))
    }
}

impl NodeError {
    fn exit_code(&self) -> u8 {
        self.exit.unwrap_or(if self.code.starts_with("blob.") { 6 } else { 1 })
    }
}

/// Why the engine cannot go on: a store, a run, a graph or a trace that is not what it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// A stable name such as `store.read_only` or `run.owned`.
    pub code: String,
    /// What happened and where, a lowercase fragment without a full stop.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The documented exit code.
    pub exit: u8,
    /// Where two sides should be equal and are not: both, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Box<serde_json::Value>>,
}

impl Fault {
    /// A fault under a stable `code` with the documented `exit` code.
    #[must_use]
    pub fn new(code: &str, exit: u8, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), help: None, exit, detail: None }
    }

    /// A mistake of ours (exit 1).
    #[must_use]
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new("internal", 1, message).help("this is a bug of prunella; please report it with the trace")
    }

    /// The same fault, with what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same fault, said to have happened at `place`.
    #[must_use]
    pub fn at(mut self, place: impl std::fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }
}

/// Why a task failed, as an error target reads it (`error.code`, `error.message`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A stable name such as `node.timeout` or `model.throttled`.
    pub code: String,
    /// What happened.
    pub message: String,
}

impl Failure {
    /// A failure under a stable `code`.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }

    /// The failure as expressions read it.
    #[must_use]
    pub fn to_value(&self) -> serde_json::Value {
        serde_json::json!({"code": self.code, "message": self.message})
    }
}

impl From<&Fault> for Failure {
    fn from(fault: &Fault) -> Self {
        Self::new(&fault.code, fault.message.clone())
    }
}

impl From<NodeError> for Fault {
    fn from(error: NodeError) -> Self {
        Self { exit: error.exit_code(), code: error.code, message: error.message, help: None, detail: None }
    }
}

impl From<EffectError> for Fault {
    fn from(error: EffectError) -> Self {
        Self { code: error.code, message: error.message, help: error.help, exit: error.exit, detail: None }
    }
}
