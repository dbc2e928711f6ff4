//! What to run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A command over a copy of a tree.
#[derive(Debug, Clone, Default)]
pub struct Job {
    /// A directory of the host that is the pristine tree. It is never written; the command sees a writable copy
    /// of it at `/repo`.
    pub tree: PathBuf,
    /// Changes laid over the tree before the command starts.
    pub edits: Vec<Edit>,
    /// The command; the first word is looked up in the sandbox's `PATH` unless it is absolute.
    pub argv: Vec<String>,
    /// The whole environment beside the fixed base (`PATH`, `HOME`, `TMPDIR`, `LANG`, `TZ`, …).
    pub env: BTreeMap<String, String>,
    /// Working directory relative to the tree's top; empty for the top.
    pub cwd: String,
    /// Host directories or files that are visible read-only.
    pub mounts: Vec<Mount>,
    /// Small files of ours, visible read-only under `/prunella/`.
    pub files: Vec<File>,
    /// What the command finds on its standard input: in no file, so gone for good once it is read.
    pub input: Vec<u8>,
    /// Paths in the tree (files or folders, relative) that the command may not change: bound read-only.
    pub protect: Vec<String>,
    /// Bounds.
    pub limits: Limits,
    /// What network there is.
    pub network: Network,
    /// Whether the command gets a pipe of ours for records; its number is in the environment as `PRUNELLA_FD`. In the
    /// `wasm` sandbox it is opened instead, for writing, by the path in `PRUNELLA_CHANNEL`.
    pub channel: bool,
}

/// A change to the tree before the command starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Relative path with `/`.
    pub path: String,
    /// The new content, or nothing to delete the file.
    pub content: Option<Vec<u8>>,
    /// Whether the file is executable.
    pub executable: bool,
}

/// Something of the host that is visible read-only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mount {
    /// Where it is on the host.
    pub host: PathBuf,
    /// Where it is seen inside; toolchains keep their own absolute path.
    pub guest: PathBuf,
}

/// A small file of ours, seen as `/prunella/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// A name without `/`.
    pub name: String,
    /// Its content.
    pub content: Vec<u8>,
}

/// What network there is. The host's only for a job that says so by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Network {
    /// None: even the private loopback is down.
    #[default]
    None,
    /// A private loopback that nothing else shares.
    Loopback,
    /// The host's own network, its loopback included: for the one step that fetches dependencies, when the user allows
    /// it. Every other wall stands.
    Host,
}

/// Bounds of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Wall time.
    pub wall: Duration,
    /// CPU time of one process.
    pub cpu: Duration,
    /// Memory of the whole job in bytes.
    pub memory: u64,
    /// Processes and threads at once.
    pub processes: u64,
    /// Processors that it may keep busy at once, where a control group can bound that.
    pub cores: u32,
    /// Output kept per stream, in bytes (head and tail); the rest is counted.
    pub output_keep: usize,
    /// Output at which the job is ended, in bytes, all streams together.
    pub output_max: u64,
    /// Bytes the job may write to its tree and temporary files.
    pub disk: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(300),
            cpu: Duration::from_secs(300),
            memory: 2 << 30,
            processes: 256,
            cores: 2,
            output_keep: 1 << 20,
            output_max: 64 << 20,
            disk: 1 << 30,
        }
    }
}
