//! The numbers of everything the engine reads and writes. One place each; a newer one is refused, never guessed at.

use crate::Fault;

/// Graph files, their `format:`.
pub const GRAPH: u32 = 1;
/// Journal records and their chain. 2 added fan-outs, calls, failures, answers, updates and forks; 1 is read as it is.
pub const JOURNAL: u32 = 2;
/// The tables of a store. 2 has a row an append, packed; 3 tells which step of a run a snapshot stands at.
pub const STORE: u32 = 3;
/// Files of cases beside a graph, their `format:`.
pub const CASES: u32 = 1;
/// The trace file, `prunella-trace/1`.
pub const TRACE: u32 = 1;

/// Refuses a format that is newer than ours.
///
/// # Errors
/// Exit 22 when `found` is none that this program reads.
pub fn readable(what: &str, found: u32, ours: u32) -> Result<(), Fault> {
    if (1..=ours).contains(&found) {
        return Ok(());
    }
    Err(Fault::new(
        "format.unknown",
        22,
        format!("{what} has format {found}; this program reads up to {ours}"),
    )
    .help("use the prunella that wrote it, or a newer one"))
}
