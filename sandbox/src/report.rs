//! What happened.

use serde::Serialize;

/// What a job did.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// How it ended.
    pub end: End,
    /// What was really enforced.
    pub isolation: Isolation,
    /// Standard output.
    pub stdout: Output,
    /// Standard error.
    pub stderr: Output,
    /// What came over the record channel, when the job had one (bounded by [`crate::Limits::output_max`]).
    #[serde(skip)]
    pub channel: Vec<u8>,
    /// Files of the tree that differ from what the command found (its edits included), sorted by path. Names only:
    /// contents are never read back. A last entry `…` stands for more than are told.
    pub changed: Vec<Change>,
    /// What it used.
    pub usage: Usage,
}

impl Report {
    /// The report of a job whose set-up failed before there was anything else to tell.
    pub(crate) fn not_started(step: &str, message: String, remedy: &str) -> Self {
        Self {
            end: End::CouldNotStart { step: step.into(), message, remedy: remedy.into() },
            isolation: Isolation::None,
            stdout: Output::default(),
            stderr: Output::default(),
            channel: Vec::new(),
            changed: Vec::new(),
            usage: Usage::default(),
        }
    }
}

/// How a job ended. The first that fits, in this order, wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "how")]
pub enum End {
    /// The sandbox could not be set up; the command never ran.
    CouldNotStart {
        /// The step that failed, such as `unshare`.
        step: String,
        /// What the system said.
        message: String,
        /// What to do about it.
        remedy: String,
    },
    /// Wall time was used up.
    TimedOut,
    /// CPU time was used up.
    CpuTimedOut,
    /// Memory was used up.
    OutOfMemory,
    /// Too much was printed.
    OutputLimit,
    /// Too much was written.
    DiskLimit,
    /// It was refused a process, having as many as it may, and did not end well.
    ProcessLimit,
    /// A forbidden system call killed it.
    Denied {
        /// What was tried, as far as it is known.
        what: String,
    },
    /// A signal ended it.
    Signalled {
        /// Its number.
        signal: i32,
    },
    /// It ended by itself.
    Exited {
        /// Its exit status.
        code: i32,
    },
}

/// What was really enforced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "level")]
pub enum Isolation {
    /// Everything.
    Full,
    /// The floor holds (no network, nothing of the home, whole-tree kill, no system call but those that are let
    /// through); these parts are missing.
    Reduced {
        /// What is missing, a phrase each.
        missing: Vec<String>,
    },
    /// Nothing.
    None,
}

/// What the sandbox can do on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Everything.
    Full,
    /// The floor holds; these parts are missing, a phrase each.
    Reduced(Vec<String>),
    /// Nothing can be run.
    Unavailable {
        /// The step that failed.
        step: String,
        /// What the system said.
        message: String,
        /// What to do about it.
        remedy: String,
    },
}

/// One stream of output: its head and its tail.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Output {
    /// What was kept.
    #[serde(serialize_with = "lossy")]
    pub kept: Vec<u8>,
    /// Bytes left out between head and tail.
    pub dropped: u64,
}

impl Output {
    /// The kept bytes as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept).into_owned()
    }
}

fn lossy<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(bytes))
}

/// A file of the tree that differs at the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// Relative path; bytes that are no UTF-8 become U+FFFD.
    pub path: String,
    /// `added`, `changed` or `removed`.
    pub how: &'static str,
}

/// What a job used.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Usage {
    /// Wall time in milliseconds.
    pub wall_ms: u64,
    /// CPU time, user and system, in milliseconds.
    pub cpu_ms: u64,
    /// Largest resident size of a process in bytes.
    pub peak_memory: u64,
    /// Processors that a control group held it to; nothing where none did.
    pub cores: Option<u32>,
}
