//! What a person who watches a run is told, as it happens. The journal is the record; this is the view.

use serde::Serialize;
use serde_json::Value;

use crate::graph::Outcome;
use crate::{Class, Failure, Lane};

/// One thing that happened in a run. `--json` prints these as they are.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run goes on the air: for the first time, or again.
    RunStarted {
        /// The run's id.
        run: String,
        /// The graph's name.
        graph: String,
        /// Whether it was under way before.
        resumed: bool,
    },
    /// A task begins (or begins again after a resume).
    TaskStarted {
        /// The task.
        lane: Lane,
        /// The node's kind.
        kind: String,
        /// The attempt of the innermost loop around it, from 1.
        attempt: u32,
        /// The most attempts of that loop.
        max_attempts: u32,
    },
    /// An effect goes out to the world.
    EffectStarted {
        /// The task that asked.
        lane: Lane,
        /// Counts the task's effects, from 0.
        ordinal: u32,
        /// The effect's name.
        name: String,
        /// Its class.
        class: Class,
        /// Which try this is, from 1.
        r#try: u32,
    },
    /// An effect was answered.
    EffectDone {
        /// The task that asked.
        lane: Lane,
        /// Counts the task's effects, from 0.
        ordinal: u32,
        /// The effect's name.
        name: String,
        /// How long it took, in milliseconds.
        took_ms: u64,
        /// What it cost, in millionths of a US dollar.
        cost_microusd: u64,
        /// Whether the answer came from the journal.
        recorded: bool,
    },
    /// A try of an effect failed.
    EffectFailed {
        /// The task that asked.
        lane: Lane,
        /// Counts the task's effects, from 0.
        ordinal: u32,
        /// The effect's name.
        name: String,
        /// Which try it was, from 1.
        r#try: u32,
        /// Why.
        message: String,
        /// When it is tried again, in milliseconds from now; nothing when it is not.
        again_in_ms: Option<u64>,
    },
    /// A task failed for good, and an error target takes it.
    TaskFailed {
        /// The task.
        lane: Lane,
        /// Why.
        error: Failure,
    },
    /// A person is asked. The run goes on as far as it can without the answer.
    Interrupted {
        /// The task that waits.
        lane: Lane,
        /// The question's id, by which it is answered.
        id: String,
        /// The question.
        question: String,
        /// The type of the answer, as graph files write it.
        answer: Option<String>,
    },
    /// A node said something.
    Log {
        /// The task.
        lane: Lane,
        /// One line.
        message: String,
    },
    /// A task's writes are on disk.
    Committed {
        /// The task.
        lane: Lane,
        /// Its output.
        output: Value,
        /// How long it was at work, in milliseconds.
        active_ms: u64,
        /// What it cost, in millionths of a US dollar.
        cost_microusd: u64,
    },
    /// Where a task led.
    Routed {
        /// The task.
        lane: Lane,
        /// The edge, as in the journal.
        edge: String,
        /// Where it leads: a node, an end, the first nodes of branches, or who takes a failure.
        to: String,
        /// The attempt that begins there.
        attempt: u32,
    },
    /// The run came to an end.
    Ended {
        /// The end's name; nothing when the run was cancelled.
        end: Option<String>,
        /// What it means.
        outcome: Option<Outcome>,
        /// The limit that was reached, when one was.
        limit: Option<String>,
    },
    /// The run stopped before its end and can be resumed.
    Stopped {
        /// Why, one line.
        why: String,
    },
}
