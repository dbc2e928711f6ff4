//! The kinds of records.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Payload;
use crate::blob::BlobRef;
use crate::graph::Outcome;
use crate::{Class, EffectError, Lane};

/// One record of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// What the run is; always the first record, and only that.
    Header(Header),
    /// A contact with the world, or a part of one.
    Effect(EffectRecord),
    /// A task's output and writes.
    Commit(Commit),
    /// Where a task led.
    Route(Route),
    /// Something a node said.
    Log(LogLine),
    /// The run waits for an answer.
    Interrupt(Interrupt),
    /// The run was taken up again.
    Resume(Resume),
    /// The run is over; always the last record.
    End(EndRecord),
}

/// What a run is, and what it is pinned to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The journal's format number.
    pub format: u32,
    /// The program and version that started the run.
    pub tool: String,
    /// The run's id.
    pub run: String,
    /// When it was created, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Chance that the run may use; recorded, so the same in replay.
    pub seed: u64,
    /// The graph.
    pub graph: GraphPin,
    /// The version of every kind that the graph uses.
    pub kinds: BTreeMap<String, u32>,
    /// The inputs.
    pub inputs: Payload,
    /// The resolved settings: `models` by role, policy, test settings, sandbox profile, base commit.
    pub settings: Payload,
}

/// The graph that a run is pinned to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphPin {
    /// Its name.
    pub name: String,
    /// The hash of its canonical checked form.
    pub hash: String,
    /// The text of its file.
    pub source: BlobRef,
}

/// Which part of an effect a record tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// A try begins. Only of costly and external effects.
    Start,
    /// It was answered.
    Done,
    /// A try failed.
    Failed,
}

/// A contact with the world, or a part of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectRecord {
    /// The task that asked.
    pub lane: Lane,
    /// Counts the task's effects, from 0.
    pub ordinal: u32,
    /// Which try, from 1.
    pub r#try: u32,
    /// The part.
    pub phase: Phase,
    /// The effect's name.
    pub name: String,
    /// Its class.
    pub class: Class,
    /// The hash of the canonical request.
    pub request_hash: String,
    /// The request, in the first record of (lane, ordinal).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Payload>,
    /// The response, in `done`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Payload>,
    /// Why the try failed, in `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<EffectError>,
    /// What it cost, in millionths of a US dollar.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cost_microusd: u64,
    /// When this was recorded, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// How long the try took, in milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub took_ms: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A task's output and writes: one superstep of its scope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// The task.
    pub lane: Lane,
    /// The superstep of the lane's scope, from 1.
    pub superstep: u64,
    /// What the node returned.
    pub output: Payload,
    /// By state key, what was written (before the reducer).
    pub writes: BTreeMap<String, Payload>,
    /// How long the task was at work, in milliseconds.
    pub active_ms: u64,
    /// What its effects cost, in millionths of a US dollar.
    pub cost_microusd: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// Where a task led.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The task.
    pub lane: Lane,
    /// The edge taken: `next`, `next[1]`, `next[2].retry`, `next[2].exhausted`.
    pub edge: String,
    /// Where it leads.
    pub to: To,
    /// The attempt that begins there; 1 at an end.
    pub attempt: u32,
}

/// A node or an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum To {
    /// A node by name.
    Node(String),
    /// An end by name.
    End(String),
}

impl To {
    /// The name of the node or end.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Node(name) | Self::End(name) => name,
        }
    }
}

/// Something a node said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// The task.
    pub lane: Lane,
    /// One line.
    pub message: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// The run waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interrupt {
    /// The task that waits.
    pub lane: Lane,
    /// The effect it waits on.
    pub ordinal: u32,
    /// What a person must look at or decide.
    pub question: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// The run was taken up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The program and version that did.
    pub tool: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// The run is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndRecord {
    /// The end's name; nothing when the run was cancelled.
    pub end: Option<String>,
    /// What it means; nothing when the run was cancelled.
    pub outcome: Option<Outcome>,
    /// The limit that was reached: `steps`, `wall` or `cost`.
    pub limit: Option<String>,
    /// The run's output.
    pub output: Payload,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// The values of `record` that may be blobs.
pub(crate) fn payloads(record: &Record) -> Vec<&Payload> {
    match record {
        Record::Header(header) => vec![&header.inputs, &header.settings],
        Record::Effect(effect) => effect.request.iter().chain(&effect.response).collect(),
        Record::Commit(commit) => std::iter::once(&commit.output).chain(commit.writes.values()).collect(),
        Record::End(end) => vec![&end.output],
        Record::Route(_) | Record::Log(_) | Record::Interrupt(_) | Record::Resume(_) => Vec::new(),
    }
}
