//! The tables, and the look at their format number before anything is touched.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::error::sql;
use super::migrate;
use crate::{Fault, format};

/// `records.place` and `snapshots.place` are the run's number and a record's: see [`super::lines`].
pub(super) const TABLES: &str = "
CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    graph TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    status TEXT NOT NULL,
    result TEXT,
    wanted TEXT,
    fence INTEGER NOT NULL,
    owned_ms INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    chain BLOB NOT NULL,
    local TEXT NOT NULL
);
CREATE INDEX runs_by_age ON runs (created_ms, id);
CREATE TABLE records (place INTEGER PRIMARY KEY, chain BLOB NOT NULL, lines BLOB NOT NULL);
CREATE TABLE blobs (
    number INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    used_ms INTEGER NOT NULL,
    zstd BLOB NOT NULL
);
";

/// Where schedulers stood: `step` counts the checkpoints up to that place.
pub(super) const SNAPSHOTS: &str = "
CREATE TABLE snapshots (place INTEGER PRIMARY KEY, step INTEGER NOT NULL, seal BLOB NOT NULL, zstd BLOB NOT NULL);
";

const FIRST: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE claims (key TEXT PRIMARY KEY, run TEXT NOT NULL) WITHOUT ROWID;
";

/// Refuses a newer store, makes the tables of an empty one, migrates an older one, and turns WAL on.
pub(super) fn prepare(connection: &mut Connection, dir: Option<&Path>) -> Result<(), Fault> {
    let failed = |e: rusqlite::Error| sql(&e, "open");
    connection.busy_timeout(std::time::Duration::from_secs(10)).map_err(failed)?;
    let before = found(connection)?;
    match before {
        Some(found) => format::readable("the store", found, format::STORE)?,
        // Said before there is anything, so that `gc` can give pages back one by one.
        None => connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(failed)?,
    }
    if dir.is_some() {
        connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))
            .map_err(failed)?;
    }
    if before == Some(format::STORE) {
        return Ok(());
    }
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    // Looked at again: another process may have been faster.
    match found(&tx)? {
        None => {
            tx.execute_batch(FIRST).map_err(failed)?;
            tx.execute_batch(TABLES).map_err(failed)?;
            tx.execute_batch(SNAPSHOTS).map_err(failed)?;
            tx.execute("INSERT INTO meta (key, value) VALUES ('format', ?1)", [format::STORE.to_string()])
                .map_err(failed)?;
        }
        Some(format::STORE) => {}
        Some(older) => {
            format::readable("the store", older, format::STORE)?;
            migrate::from(&tx, older, dir)?;
        }
    }
    tx.commit().map_err(failed)
}

/// The format number of the store, nothing when the database is empty.
fn found(connection: &Connection) -> Result<Option<u32>, Fault> {
    let failed = |e: rusqlite::Error| sql(&e, "open");
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", [], |row| row.get(0))
        .map_err(failed)?;
    if tables == 0 {
        return Ok(None);
    }
    let foreign = || {
        Fault::new("store.corrupt", 6, "runs.db is a database, but none of prunella's")
            .help("name another directory with --store")
    };
    let text: Option<String> = connection
        .query_row("SELECT value FROM meta WHERE key = 'format'", [], |row| row.get(0))
        .optional()
        .map_err(|_| foreign())?;
    text.and_then(|text| text.parse().ok()).map(Some).ok_or_else(foreign)
}
