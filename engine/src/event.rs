//! What a person who watches a run is told, as it happens. The journal is the record; this is the view.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::graph::Outcome;
use crate::{Class, Failure, Lane};

/// Kinds of events; who watches a run says which are wanted. The words are LangGraph's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The whole state of a scope after each of its supersteps. Costs what the state holds.
    Values,
    /// What each task wrote.
    Updates,
    /// Pieces of an answer while it is on its way, such as a model's tokens.
    Tokens,
    /// What nodes tell of their own accord.
    Custom,
    /// Each superstep's place in the journal.
    Checkpoints,
    /// Tasks, their effects, questions and routes. What is told when nobody says otherwise.
    Tasks,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Values, Self::Updates, Self::Tokens, Self::Custom, Self::Checkpoints, Self::Tasks];

    /// The word on the command line and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Values => "values",
            Self::Updates => "updates",
            Self::Tokens => "tokens",
            Self::Custom => "custom",
            Self::Checkpoints => "checkpoints",
            Self::Tasks => "tasks",
        }
    }
}

/// A set of modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modes(u8);

impl Default for Modes {
    /// Tasks alone.
    fn default() -> Self {
        Self::of(&[Mode::Tasks])
    }
}

impl Modes {
    /// The set of these.
    #[must_use]
    pub fn of(modes: &[Mode]) -> Self {
        Self(modes.iter().fold(0, |set, mode| set | 1 << (*mode as u8)))
    }

    /// The set that words name, `debug` being all.
    ///
    /// # Errors
    /// The first word that names none.
    pub fn parse<'w>(words: impl IntoIterator<Item = &'w str>) -> Result<Self, &'w str> {
        let mut modes = Vec::new();
        for word in words {
            match Mode::ALL.into_iter().find(|mode| mode.word() == word) {
                Some(mode) => modes.push(mode),
                None if word == "debug" => modes.extend(Mode::ALL),
                None => return Err(word),
            }
        }
        Ok(Self::of(&modes))
    }

    /// The set with one more.
    #[must_use]
    pub fn with(self, mode: Mode) -> Self {
        Self(self.0 | 1 << (mode as u8))
    }

    /// Whether the mode is in the set.
    #[must_use]
    pub fn has(self, mode: Mode) -> bool {
        self.0 & (1 << (mode as u8)) != 0
    }
}

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
    /// The state of a scope after a superstep of it. (values)
    Values {
        /// The scope's path, empty for the run itself.
        scope: String,
        /// By state key.
        state: BTreeMap<String, Value>,
    },
    /// What a task wrote, before the reducers. (updates)
    Updates {
        /// The task.
        lane: Lane,
        /// By state key.
        writes: BTreeMap<String, Value>,
        /// The keys among them whose value replaced what was there.
        overwrites: BTreeSet<String>,
    },
    /// A piece of an answer that is on its way; the answer itself comes with the effect. (tokens)
    Tokens {
        /// The task that asked.
        lane: Lane,
        /// Counts the task's effects, from 0.
        ordinal: u32,
        /// The piece, known secrets taken out.
        text: String,
    },
    /// Something that a node tells of its own accord. Not recorded: told again when the task runs again. (custom)
    Custom {
        /// The task.
        lane: Lane,
        /// What it tells.
        data: Value,
    },
    /// A superstep has its place in the journal. (checkpoints)
    Checkpoint {
        /// The task.
        lane: Lane,
        /// The scope's path, empty for the run itself.
        scope: String,
        /// Counts the supersteps of its scope, from 1.
        superstep: u64,
        /// How many records the journal has now, the header included.
        records: u64,
        /// The chain hash of the last of them, in hex; empty where there is no journal.
        head: String,
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

impl Event {
    /// The mode that it belongs to.
    #[must_use]
    pub fn mode(&self) -> Mode {
        match self {
            Self::Values { .. } => Mode::Values,
            Self::Updates { .. } => Mode::Updates,
            Self::Tokens { .. } => Mode::Tokens,
            Self::Custom { .. } => Mode::Custom,
            Self::Checkpoint { .. } => Mode::Checkpoints,
            _ => Mode::Tasks,
        }
    }
}
