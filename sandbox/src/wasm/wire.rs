//! What is said between a sandbox and its WebAssembly host process.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::capture::Capture;
use crate::report::Output;

/// Changes with everything below.
pub(super) const PROTOCOL: u32 = 2;

/// What a host process is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Spec {
    /// [`PROTOCOL`].
    pub(super) protocol: u32,
    /// The compiled module.
    pub(super) module: PathBuf,
    /// What it hashes to.
    pub(super) blake3: String,
    /// The guest's arguments, its name first.
    pub(super) args: Vec<String>,
    /// Its environment.
    pub(super) env: BTreeMap<String, String>,
    /// What it sees.
    pub(super) folders: Vec<Folder>,
    /// A writable folder for the host's own use.
    pub(super) scratch: PathBuf,
    /// Wall time in milliseconds.
    pub(super) wall_ms: u64,
    /// Memory of the guest in bytes.
    pub(super) memory: u64,
    /// Bytes it may print, all streams together.
    pub(super) output: u64,
    /// Whether it has a channel for records.
    pub(super) channel: bool,
    /// Bytes of the host's standard input (after the order, where that comes so) that are the guest's.
    pub(super) input: u64,
    /// Limits that the process puts on itself, where nobody else does.
    pub(super) own: Option<Own>,
}

/// Limits of a host process that has no wall around it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Own {
    /// CPU time in seconds.
    pub(super) cpu_seconds: u64,
    /// Largest file in bytes.
    pub(super) file: u64,
    /// What to delete when the parent is gone.
    pub(super) place: PathBuf,
}

/// A folder of the host as the guest sees it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Folder {
    /// Where it is.
    pub(super) host: PathBuf,
    /// Where it is seen.
    pub(super) guest: String,
    /// Whether it may be written.
    pub(super) writable: bool,
}

/// How a guest ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stopped {
    /// By itself, with this status.
    Exited(i32),
    /// It broke a rule of the machine; what the machine said.
    Trapped(String),
    /// Its time was used up.
    Wall,
    /// Its memory was used up.
    Memory,
    /// It printed too much.
    Output,
    /// It never began; why.
    NotStarted(String),
}

/// What the host process says at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Done {
    /// How the guest ended.
    pub(super) stopped: Stopped,
    /// How long it ran.
    pub(super) wall_ms: u64,
    /// Its memory at the end in bytes.
    pub(super) memory: u64,
}

/// Which stream a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
    /// The channel for records.
    Records,
    /// [`Done`], as JSON.
    Done,
}

/// A frame: the stream, the length, the bytes.
pub(super) fn frame(stream: Stream, bytes: &[u8]) -> Vec<u8> {
    let kind = match stream {
        Stream::Out => b'o',
        Stream::Err => b'e',
        Stream::Records => b'r',
        Stream::Done => b'd',
    };
    let mut frame = Vec::with_capacity(bytes.len() + 5);
    frame.push(kind);
    frame.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    frame.extend_from_slice(bytes);
    frame
}

/// Everything that a host process said.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Standard output of the guest.
    pub(super) stdout: Output,
    /// Standard error of the guest.
    pub(super) stderr: Output,
    /// What came over the channel.
    pub(super) channel: Vec<u8>,
    /// How it ended; nothing when it was cut off.
    pub(super) done: Option<Done>,
}

/// Takes frames apart; what is cut off at the end is left out. Keeps `keep` bytes of each printed stream.
pub(super) fn read(mut bytes: &[u8], keep: usize) -> Said {
    let (mut out, mut err) = (Capture::new(keep), Capture::new(keep));
    let mut said = Said::default();
    while let Some((kind, rest)) = bytes.split_first()
        && let Some((length, rest)) = rest.split_first_chunk::<4>()
        && let Some((payload, rest)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)
    {
        match kind {
            b'o' => out.push(payload),
            b'e' => err.push(payload),
            b'r' => said.channel.extend_from_slice(payload),
            b'd' => said.done = serde_json::from_slice(payload).ok(),
            _ => break,
        }
        bytes = rest;
    }
    (said.stdout, said.stderr) = (out.finish(), err.finish());
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_apart_as_they_were_put_together() {
        let done = Done { stopped: Stopped::Exited(3), wall_ms: 5, memory: 6 };
        let mut bytes = frame(Stream::Out, b"one ");
        bytes.extend(frame(Stream::Records, b"r1\n"));
        bytes.extend(frame(Stream::Err, b"oops"));
        bytes.extend(frame(Stream::Out, b"two"));
        bytes.extend(frame(Stream::Done, &serde_json::to_vec(&done).unwrap()));
        bytes.extend(b"o\xff");
        let said = read(&bytes, 100);
        assert_eq!((said.stdout.text(), said.stderr.text()), ("one two".into(), "oops".into()));
        assert_eq!((said.channel.as_slice(), said.done), (b"r1\n".as_slice(), Some(done)));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = read(&bytes, 10);
        }
    }
}
