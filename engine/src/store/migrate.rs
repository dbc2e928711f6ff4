//! From an earlier format to this one, inside one transaction: afterwards the store has this format, or it is as it
//! was.

use std::path::Path;

use rusqlite::Transaction;

use super::error::sql;
use super::{lock, schema};
use crate::{Fault, format};

/// Format 1 had a row a record, keyed by run and number, and blobs keyed by their hash. A row is taken over as it
/// is: one that was damaged stays so, and stays named.
const FROM_1: &str = "
INSERT INTO runs
    SELECT number, id, graph, created_ms, updated_ms, status, result, wanted, fence, 0,
        (SELECT count(*) FROM records_1 WHERE run = number),
        coalesce((SELECT chain FROM records_1 WHERE run = number ORDER BY seq DESC LIMIT 1), zeroblob(32)),
        local
    FROM runs_1 ORDER BY number;
INSERT INTO records SELECT (run << 32) | seq, chain, bytes FROM records_1 ORDER BY run, seq;
INSERT INTO blobs (hash, size, used_ms, zstd) SELECT hash, size, 0, zstd FROM blobs_1;
DROP TABLE records_1;
DROP TABLE runs_1;
DROP TABLE blobs_1;
";

fn from_1(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute_batch(
        "ALTER TABLE runs RENAME TO runs_1; ALTER TABLE records RENAME TO records_1; ALTER TABLE blobs RENAME TO blobs_1;",
    )?;
    tx.execute_batch(schema::TABLES)?;
    tx.execute_batch(FROM_1)
}

/// Migrates a store of format `older`. Format 1 had no snapshots and those of format 2 did not tell their step; they
/// follow from the journal, so they go.
pub(super) fn from(tx: &Transaction<'_>, older: u32, dir: Option<&Path>) -> Result<(), Fault> {
    let failed = |e: rusqlite::Error| {
        let fault = sql(&e, "migrate the store");
        fault.at(format!("format {older} to {}", format::STORE))
    };
    nobody_at_work(dir)?;
    let tables = if older == 1 { from_1(tx) } else { tx.execute_batch("DROP TABLE snapshots") };
    tables
        .and_then(|()| tx.execute_batch(schema::SNAPSHOTS))
        .and_then(|()| {
            let number = format::STORE.to_string();
            tx.execute("UPDATE meta SET value = ?1 WHERE key = 'format'", [number])
        })
        .map(|_| ())
        .map_err(failed)
}

/// A run that an earlier program is at work on would be cut off from its journal.
fn nobody_at_work(dir: Option<&Path>) -> Result<(), Fault> {
    let Some(dir) = dir else { return Ok(()) };
    for run in lock::names(dir)? {
        if lock::is_held(&dir.join("locks").join(&run))? {
            let what = format!("the store must be migrated and run {run} is at work in it");
            return Err(
                Fault::new("store.busy", 6, what).help("wait for the run to end or stop it, then try again")
            );
        }
    }
    Ok(())
}
