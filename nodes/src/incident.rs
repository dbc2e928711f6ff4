//! Stack traces in logs: found, parsed, fingerprinted. Pure.
//!
//! [`parse`] finds the Python tracebacks of any log; [`gather`] counts the ones that are the same text; the world maps
//! their frames to files (`frames.locate`); [`sightings`] then fingerprints and merges them.

mod fingerprint;
mod frames;
mod gather;
mod lines;
mod parse;
mod template;

pub use fingerprint::fingerprint;
pub use gather::{Gathered, Group, Sighted, gather, sightings};
pub use parse::parse;
pub use template::template;

use crate::types::{Cause, Frame};

/// Most frames kept of one trace: the first and the last ones.
pub const MOST_FRAMES: usize = 200;

/// Most traces with different text kept of one log: the newest ones.
pub const MOST_TRACES: usize = 200;

/// One traceback as a log prints it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trace {
    /// The exception's type as printed; empty when the log breaks off before it.
    pub exception: String,
    /// Its message, further lines included.
    pub message: String,
    /// The frames, outermost first; at most [`MOST_FRAMES`].
    pub frames: Vec<Frame>,
    /// The exceptions behind it, the first one first. Of an exception group: its members.
    pub causes: Vec<Cause>,
    /// The time stamp at or before it, as printed; empty when there is none.
    pub stamp: String,
    /// The part of the log that it is, without prefixes of the lines' own; at most 16 KiB.
    pub excerpt: String,
}

/// What a log holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parsed {
    /// Its tracebacks, in the log's order.
    pub traces: Vec<Trace>,
    /// Tracebacks that break off before they name an exception, and are left out for it.
    pub broken_off: u64,
}
