//! The effects of the kinds for every purpose: `command`, `agent`, `notify`, `wasm`.

use std::collections::BTreeMap;

use prunella_engine::blob::BlobRef;
use prunella_engine::types::RepoPath;
use prunella_engine::{Class, Effect};
use serde::{Deserialize, Serialize};

// --- command, agent ----------------------------------------------------------------------------------------

effect! {
    /// Runs a command over the base commit and a change, in the sandbox.
    RunCommand = "command.run", Costly, CommandRequest => CommandResponse
}

data! {
    /// What to run.
    pub struct CommandRequest {
        /// The base commit.
        pub commit: String,
        /// A unified diff that lies over it.
        pub diff: Option<BlobRef>,
        /// The command in words; no shell reads them.
        pub argv: Vec<String>,
        /// Environment variables.
        pub env: BTreeMap<String, String>,
        /// Its bounds.
        pub bounds: Bounds,
    }
    /// The bounds of a command; what is absent is as everywhere.
    pub struct Bounds {
        /// Wall time in milliseconds.
        pub wall_ms: Option<u64>,
        /// Memory in MiB.
        pub memory_mb: Option<u64>,
        /// What it may write to files, in MiB.
        pub disk_mb: Option<u64>,
    }
    /// What became of it.
    pub struct CommandResponse {
        /// How it ended: `exited`, `signalled`, `timed_out`, `cpu_timed_out`, `out_of_memory`, `output_limit`,
        /// `disk_limit`, `process_limit`, `denied`, or `refused` when it may not run here.
        pub how: String,
        /// What there is to say about that; empty for a command that exited.
        pub why: String,
        /// Its exit status, when it exited.
        pub status: Option<i64>,
        /// What it printed, its beginning and its end where that is much.
        pub stdout: BlobRef,
        /// What it printed to standard error, in the same way.
        pub stderr: BlobRef,
        /// Bytes that were left out of both.
        pub dropped: u64,
        /// `full`, or what the sandbox lacked.
        pub isolation: String,
    }
}

effect! {
    /// Performs one call of an agent's tool over the base commit and the agent's changes so far, in a fresh sandbox.
    UseTool = "agent.tool", Costly, ToolRequest => ToolResponse
}

data! {
    /// What is called.
    pub struct ToolRequest {
        /// The base commit.
        pub commit: String,
        /// The agent's changes so far, a unified diff.
        pub diff: Option<BlobRef>,
        /// `read`, `search`, `edit` or `run`.
        pub tool: String,
        /// Its arguments, as the model gave them.
        pub args: serde_json::Value,
        /// What commands may begin with.
        pub allow: Vec<Vec<String>>,
        /// The bounds of a command.
        pub bounds: Bounds,
    }
    /// What came of it.
    pub struct ToolResponse {
        /// What the model is told.
        pub text: BlobRef,
        /// Whether it did what was asked.
        pub done: bool,
        /// The agent's changes after it, a unified diff; empty for none.
        pub diff: BlobRef,
        /// The files that they touch, sorted.
        pub files: Vec<RepoPath>,
        /// The git tree of base and changes; empty for none.
        pub tree: String,
    }
}

// --- notify ------------------------------------------------------------------------------------------------

effect! {
    /// Sends a message to a configured channel. At least once: the receiver can tell a repetition by its key.
    Notify = "message.send", External, NotifyRequest => NotifyResponse
}

data! {
    /// What to send where.
    pub struct NotifyRequest {
        /// The channel's name in the configuration.
        pub channel: String,
        /// The message.
        pub text: String,
    }
    /// Whether it was sent.
    pub struct NotifyResponse {
        /// Whether the receiver took it.
        pub sent: bool,
        /// Why not; empty when it was.
        pub why: String,
    }
}

// --- wasm --------------------------------------------------------------------------------------------------

effect! {
    /// Reads a component that lies beside the graph file.
    LoadComponent = "component.load", Read, LoadRequest => LoadResponse
}

data! {
    /// Which one.
    pub struct LoadRequest {
        /// Its path below the graph file's folder.
        pub path: RepoPath,
        /// BLAKE3 of its bytes, hex.
        pub hash: String,
    }
    /// The component.
    pub struct LoadResponse {
        /// Its bytes.
        pub component: BlobRef,
    }
}
