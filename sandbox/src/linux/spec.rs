//! What the launcher tells the helper, and what the helper tells the launcher.
//!
//! The helper is a server: over the socket that is its descriptor 0 it is sent [`Request`]s, one a packet, and answers
//! each with a [`Reply`]. Every job has a socket of its own, between the launcher and the sandbox's first process: first
//! comes a byte with the record channel attached, a length and the [`Spec`] as JSON, then the blobs it points into; back
//! come [`Message`]s, one JSON object a line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Changes with every change of these types, so that a helper of another build is refused rather than misread.
pub(crate) const PROTOCOL: u32 = 4;

/// Most bytes a spec or its blobs may have.
pub(crate) const MAX_SPEC: u64 = 512 << 20;

/// Most bytes a request or a reply may have.
pub(crate) const MAX_REQUEST: usize = 4096;

/// What the server is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// For a new sandbox.
    Start(Start),
    /// To end: no more will be asked. (Who hangs up without a word has died.)
    Leave,
}

/// Asks for the first process of a new sandbox. With it come the job's socket, what will be standard output and standard
/// error, and the open `cgroup.procs` of each group.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    /// [`PROTOCOL`] of the launcher.
    pub(crate) protocol: u32,
    /// Who the command will be.
    pub(crate) identity: Identity,
    /// User and group of the tree, where they are to look like the command's.
    pub(crate) owner: Option<(u32, u32)>,
    /// Whether the host's network is left in reach.
    pub(crate) host_network: bool,
    /// The control groups to enter.
    pub(crate) groups: Vec<Bounds>,
}

/// What a control group bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bounds {
    pub(crate) memory: bool,
    pub(crate) processes: bool,
}

/// The answer to a [`Start`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// The first process exists; a descriptor of it is attached.
    Started,
    /// There is none.
    Failed { step: String, message: String, errno: Option<i32> },
}

/// Everything the first process needs to know.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// Who the command will be.
    pub(crate) identity: Identity,
    /// The pristine tree.
    pub(crate) tree: PathBuf,
    /// Whether the overlay is left out and the tree copied at once.
    pub(crate) copy: bool,
    /// The command; empty to only try the set-up.
    pub(crate) argv: Vec<String>,
    /// The command's whole environment.
    pub(crate) env: BTreeMap<String, String>,
    /// Working directory relative to the tree.
    pub(crate) cwd: String,
    /// Host path and guest path of what is mounted read-only, parents first.
    pub(crate) mounts: Vec<(PathBuf, PathBuf)>,
    /// Files under `/prunella`.
    pub(crate) files: Vec<SpecFile>,
    /// Changes to the tree.
    pub(crate) edits: Vec<SpecEdit>,
    /// Bytes of the command's standard input: the last of the blobs.
    pub(crate) input: u64,
    /// Paths of the tree that stay as they are.
    pub(crate) protect: Vec<String>,
    /// CPU seconds of one process.
    pub(crate) cpu_seconds: u64,
    /// Memory in bytes.
    pub(crate) memory: u64,
    /// Processes at once.
    pub(crate) processes: u64,
    /// Bytes of tree and temporary files.
    pub(crate) disk: u64,
    /// Whether the private loopback is up.
    pub(crate) loopback: bool,
    /// Whether the host's network is left in reach.
    pub(crate) host_network: bool,
    /// Whether the record channel is attached.
    pub(crate) channel: bool,
}

/// A file under `/prunella`; its content is `length` bytes of the blobs, in order of mention.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SpecFile {
    pub(crate) name: String,
    pub(crate) length: u64,
}

/// An edit; `length` bytes of the blobs, after those of the files, or nothing to delete.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SpecEdit {
    pub(crate) path: String,
    pub(crate) length: Option<u64>,
    pub(crate) executable: bool,
}

/// Who the command will be.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Identity {
    /// Started as root: this unused number, on the host as in the sandbox.
    Drop(u32),
    /// Started as somebody else: the same one, behind a user namespace.
    UserNamespace,
}

/// The number a command has inside when it runs behind a user namespace.
pub(crate) const INSIDE_ID: u32 = 1000;

/// What the helper says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Message {
    /// A part of the isolation cannot be had here.
    Missing(String),
    /// The set-up failed; the command did not run.
    Failed { step: String, message: String, errno: Option<i32> },
    /// The command is about to run.
    Started,
    /// The helper ended the command.
    Stopped(Stop),
    /// The command and all it started are gone.
    Done(Done),
}

/// Why the helper ended the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stop {
    Memory,
    Disk,
}

/// The last message.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) cpu_ms: u64,
    pub(crate) peak_memory: u64,
    pub(crate) changed: Vec<(String, How)>,
    /// Whether there were more changed files than are listed.
    pub(crate) truncated: bool,
}

/// How a file differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum How {
    Added,
    Changed,
    Removed,
}

impl How {
    /// The word for it in a report.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
}
