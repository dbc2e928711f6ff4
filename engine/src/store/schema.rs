//! The tables, and the look at their format number before anything is touched.

use rusqlite::{Connection, OptionalExtension};

use super::error::sql;
use crate::{Fault, format};

const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
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
    local TEXT NOT NULL
);
CREATE TABLE records (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    chain BLOB NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;
CREATE TABLE blobs (hash BLOB PRIMARY KEY, size INTEGER NOT NULL, zstd BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE claims (key TEXT PRIMARY KEY, run TEXT NOT NULL) WITHOUT ROWID;
";

/// Refuses a newer store, makes the tables of an empty one, and turns WAL on.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), Fault> {
    let failed = |e: rusqlite::Error| sql(&e, "open");
    connection.busy_timeout(std::time::Duration::from_secs(10)).map_err(failed)?;
    if let Some(found) = found(connection)? {
        format::readable("the store", found, format::STORE)?;
    }
    connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))
        .map_err(failed)?;
    let tx =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
    // Looked at again: another process may have made the tables in the meantime.
    if found(&tx)?.is_none() {
        tx.execute_batch(TABLES).map_err(failed)?;
        tx.execute("INSERT INTO meta (key, value) VALUES ('format', ?1)", [format::STORE.to_string()])
            .map_err(failed)?;
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
    let foreign = || Fault::new("store.corrupt", 6, "runs.db is a database, but none of prunella's");
    let text: Option<String> = connection
        .query_row("SELECT value FROM meta WHERE key = 'format'", [], |row| row.get(0))
        .optional()
        .map_err(|_| foreign())?;
    text.and_then(|text| text.parse().ok()).map(Some).ok_or_else(foreign)
}
