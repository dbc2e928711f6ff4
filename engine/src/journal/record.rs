//! The kinds of records.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Payload;
use crate::blob::{BlobRef, Blobs};
use crate::graph::{At, Outcome, Stored};
use crate::scheduler::Used;
use crate::{Class, EffectError, Failure, Fault, Lane, Name};

/// One record of a journal. [`super::decode`] reads it, faster than what is derived here.
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
    /// A person answered.
    Answer(Answer),
    /// A person changed the state.
    Update(UpdateRecord),
    /// The run was taken up again.
    Resume(Resume),
    /// The run is over; always the last record.
    End(EndRecord),
}

impl Record {
    /// Whether it is a step of the run's history: a task's commit, or a change by a person that counts as no task (one
    /// that does is followed by that task's commit).
    #[must_use]
    pub fn is_step(&self) -> bool {
        match self {
            Self::Commit(_) => true,
            Self::Update(update) => update.node.is_none(),
            _ => false,
        }
    }
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
    /// Where it branched off another run, when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<Origin>,
}

/// The run, and the point in it, that a run branched off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The run's id.
    pub run: String,
    /// How many of its records led here.
    pub records: u64,
    /// The chain hash of the last of them, in hex.
    pub chain: String,
    /// Where its scheduler stood (see [`crate::scheduler::Scheduler::snapshot`]).
    pub at: Payload,
    /// Whether effects that change the world may be performed again.
    pub allow_external: bool,
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
    /// Its canonical form as JSON, to say what changed where another is read. Nothing in journals of format 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<BlobRef>,
    /// The texts of the files beside it that it names, by path. A program that does not know of them cannot read the
    /// graph either, and says so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, BlobRef>,
}

impl GraphPin {
    /// The texts that the graph is read from.
    ///
    /// # Errors
    /// Exit 21 when one is missing or no text.
    pub fn stored(&self, blobs: &dyn Blobs) -> Result<Stored, Fault> {
        let text = |blob: &BlobRef| {
            let bytes = blobs.get(blob).map_err(|e| Fault::new("blob.missing", 21, e.message))?;
            String::from_utf8(bytes)
                .map_err(|_| Fault::new("graph.source", 21, "the stored graph is no text"))
        };
        let file = |(path, blob): (&String, &BlobRef)| Ok((path.clone(), text(blob)?));
        let files = self.files.iter().map(file).collect::<Result<_, Fault>>()?;
        Ok(Stored { source: text(&self.source)?, files })
    }
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
    /// Whether the answer is that of the run that this one branched off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reused: bool,
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
    /// The keys among them whose value replaced what was there, whatever the reducer.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub overwrites: BTreeSet<String>,
    /// Why the task failed, where its failure was taken; its output is null then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
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
    /// The edge taken: `next`, `next[1]`, `next[2].retry`, `next[2].exhausted`, `next.cases.known`, `next.goto.done`,
    /// `on_error`, or `error` where the failure went to a caller.
    pub edge: String,
    /// Where it leads.
    pub to: To,
    /// The attempt that begins there; 1 at an end.
    pub attempt: u32,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum To {
    /// A node by name.
    Node(Name),
    /// An end by name.
    End(Name),
    /// The first nodes of the branches of a fan-out.
    Nodes(Vec<Name>),
    /// The node at which the branch meets its siblings.
    Join(Name),
    /// Who takes the failure: a task, or the item of a map.
    Raised(Name),
}

impl std::fmt::Display for To {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Node(name) | Self::End(name) | Self::Join(name) | Self::Raised(name) => f.write_str(name),
            Self::Nodes(names) => {
                for (i, name) in names.iter().enumerate() {
                    write!(f, "{}{name}", if i > 0 { ", " } else { "" })?;
                }
                Ok(())
            }
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interrupt {
    /// The task that waits.
    pub lane: Lane,
    /// Its name in the run, by which it is answered: `pr#1/before`, `approve#1/0`. Nothing: it cannot be answered, a
    /// resume looks again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The effect, or the question of the node's body, that it waits on; nothing for a declared interrupt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordinal: Option<u32>,
    /// When the graph file says that a person is asked; nothing where the node's body asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<At>,
    /// What a person must look at or decide.
    pub question: String,
    /// The type of the answer, as graph files write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// What the task returned, where the question comes after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Payload>,
    /// What it used, then.
    #[serde(default, skip_serializing_if = "is_unused")]
    pub used: Used,
    /// When time answers it, where nobody has by then; in milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

fn is_unused(used: &Used) -> bool {
    *used == Used::default()
}

/// A person answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The task that the question was about.
    pub lane: Lane,
    /// The question's id.
    pub id: String,
    /// The answer.
    pub value: Payload,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// A person changed the state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpdateRecord {
    /// The scope's path, empty for the run itself.
    pub scope: String,
    /// The node that it counts as an execution of, when it does.
    pub node: Option<String>,
    /// What that node is said to have returned.
    pub output: Option<Payload>,
    /// By state key, what was written (before the reducer).
    pub writes: BTreeMap<String, Payload>,
    /// The keys among them whose value replaced what was there, whatever the reducer.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub overwrites: BTreeSet<String>,
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
        Record::Header(header) => [&header.inputs, &header.settings]
            .into_iter()
            .chain(header.fork.iter().map(|fork| &fork.at))
            .collect(),
        Record::Effect(effect) => effect.request.iter().chain(&effect.response).collect(),
        Record::Commit(commit) => std::iter::once(&commit.output).chain(commit.writes.values()).collect(),
        Record::End(end) => vec![&end.output],
        Record::Interrupt(asks) => asks.output.iter().collect(),
        Record::Answer(answer) => vec![&answer.value],
        Record::Update(update) => update.output.iter().chain(update.writes.values()).collect(),
        Record::Route(_) | Record::Log(_) | Record::Resume(_) => Vec::new(),
    }
}
