//! The store: one SQLite database (WAL) for all runs, and a lock file a run.
//!
//! A superstep is one transaction: all of its records and the run's row, or nothing. What a run adds is what is
//! written; nothing is written twice. Every append carries the owner's fencing token, so an owner that lost its
//! run cannot write to it. When the disk is full or the database damaged, the error says so (exit 6) and every
//! earlier record stays readable.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the one home of files")]

mod blobs;
mod claims;
mod error;
mod owner;
mod rows;
mod schema;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

pub(crate) use blobs::unpack;
pub use owner::{Durability, Owner};
pub use rows::{RunRow, RunStatus};

pub use crate::journal::Sealed;
use crate::journal::{self, Record};
use crate::{Fault, canonical};
use error::sql;

/// A store of runs. Cheap to share: `Arc<Store>`.
pub struct Store {
    connection: Mutex<Connection>,
    /// The directory; none when in memory.
    dir: Option<PathBuf>,
    /// Runs owned in this process while the store is in memory.
    held: Mutex<BTreeSet<String>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// A run to create.
pub struct NewRun<'a> {
    /// Its id.
    pub id: &'a str,
    /// When, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// The graph's name.
    pub graph: &'a str,
    /// Facts of this machine only, such as the repository's absolute path. Never part of a trace.
    pub local: &'a Value,
}

impl Store {
    /// Opens the store in `dir`, and makes it when it is not there.
    ///
    /// # Errors
    /// Exit 6 when the directory or database cannot be used, 22 when a newer program wrote it.
    pub fn open(dir: &Path) -> Result<Arc<Self>, Fault> {
        let place = || format!("store {}", dir.display());
        std::fs::create_dir_all(dir.join("locks")).map_err(|e| {
            Fault::new("store.unusable", 6, format!("{}: {e}", place()))
                .help("name a directory that can be written with --store, or mend its permissions")
        })?;
        let connection = Connection::open(dir.join("runs.db")).map_err(|e| sql(&e, "open").at(place()))?;
        Self::with(connection, Some(dir.to_owned())).map_err(|fault| fault.at(place()))
    }

    /// A store in memory, gone with the value.
    ///
    /// # Errors
    /// When SQLite has no memory.
    pub fn in_memory() -> Result<Arc<Self>, Fault> {
        let connection = Connection::open_in_memory().map_err(|e| sql(&e, "open"))?;
        Self::with(connection, None)
    }

    fn with(mut connection: Connection, dir: Option<PathBuf>) -> Result<Arc<Self>, Fault> {
        schema::prepare(&mut connection)?;
        Ok(Arc::new(Self { connection: Mutex::new(connection), dir, held: Mutex::default() }))
    }

    /// Where the store is; nothing when it is in memory.
    #[must_use]
    pub fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// Creates a run with its first record.
    ///
    /// # Errors
    /// Exit 6 when the store cannot be written; `run.exists` when the id is taken.
    pub fn create(&self, run: &NewRun<'_>, header: &Record) -> Result<(), Fault> {
        let bytes = journal::encode(header)?;
        let chain = journal::link(&journal::ROOT, &bytes);
        let mut connection = self.lock();
        connection.pragma_update(None, "synchronous", "FULL").map_err(|e| sql(&e, "create the run"))?;
        let tx = connection.transaction().map_err(|e| sql(&e, "create the run"))?;
        let added = tx
            .execute(
                "INSERT OR IGNORE INTO runs (id, graph, created_ms, updated_ms, status, fence, local) VALUES (?1, ?2, ?3, ?3, 'created', 0, ?4)",
                params![run.id, run.graph, run.created_ms.cast_signed(), canonical::to_string(run.local)],
            )
            .map_err(|e| sql(&e, "create the run"))?;
        if added == 0 {
            return Err(Fault::new("run.exists", 6, format!("there is a run {} already", run.id)));
        }
        let number = tx.last_insert_rowid();
        tx.execute(
            "INSERT INTO records (run, seq, chain, bytes) VALUES (?1, 0, ?2, ?3)",
            params![number, chain, bytes],
        )
        .and_then(|_| tx.commit())
        .map_err(|e| sql(&e, "create the run"))
    }

    /// All records of a run, in order, with their chain verified.
    ///
    /// # Errors
    /// Exit 2 for an unknown run, 6 when the store cannot be read, 21 when a record or the chain is damaged.
    pub fn records(&self, run: &str) -> Result<Vec<Sealed>, Fault> {
        let number = self.row(run)?.number;
        let connection = self.lock();
        let mut statement = connection
            .prepare_cached("SELECT seq, chain, bytes FROM records WHERE run = ?1 ORDER BY seq")
            .map_err(|e| sql(&e, "read the journal"))?;
        let rows = statement
            .query_map([number], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(2)?))
            })
            .map_err(|e| sql(&e, "read the journal"))?;
        let mut sealed: Vec<Sealed> = Vec::new();
        for row in rows {
            let (seq, stored, bytes) = row.map_err(|e| sql(&e, "read the journal"))?;
            let place = || format!("run {run}, record {seq}");
            let chain = journal::link(sealed.last().map_or(&journal::ROOT, |last| &last.chain), &bytes);
            if stored != chain || usize::try_from(seq) != Ok(sealed.len()) {
                return Err(Fault::new("journal.chain", 21, format!("{}: the chain is broken", place())));
            }
            let record = journal::decode(&bytes).map_err(|fault| fault.at(place()))?;
            sealed.push(Sealed { record, bytes, chain });
        }
        Ok(sealed)
    }

    /// Claims `key` for `run` and returns who holds it: `run`, or the one that was faster and is not over. A run
    /// that stopped keeps its claims, for it can be resumed.
    ///
    /// # Errors
    /// Exit 6 when the store cannot be written.
    pub fn claim(&self, key: &str, run: &str) -> Result<String, Fault> {
        let connection = self.lock();
        connection
            .execute(
                "INSERT INTO claims (key, run) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET run = excluded.run
                 WHERE NOT EXISTS (SELECT 1 FROM runs WHERE id = claims.run AND status NOT IN ('ended', 'cancelled'))",
                params![key, run],
            )
            .and_then(|_| connection.query_row("SELECT run FROM claims WHERE key = ?1", [key], |row| row.get(0)))
            .map_err(|e| sql(&e, "claim"))
    }

    /// Who holds `key`, if anybody does.
    ///
    /// # Errors
    /// Exit 6 when the store cannot be read.
    pub fn claimed(&self, key: &str) -> Result<Option<String>, Fault> {
        self.lock()
            .query_row("SELECT run FROM claims WHERE key = ?1", [key], |row| row.get(0))
            .optional()
            .map_err(|e| sql(&e, "look a claim up"))
    }

    /// Replaces the facts of this machine that are kept beside `run`.
    ///
    /// # Errors
    /// Exit 6 when the store cannot be written.
    pub fn set_local(&self, run: &str, local: &Value) -> Result<(), Fault> {
        self.lock()
            .execute("UPDATE runs SET local = ?2 WHERE id = ?1", params![run, canonical::to_string(local)])
            .map(|_| ())
            .map_err(|e| sql(&e, "keep local facts"))
    }

    /// Gives up all claims of `run`.
    ///
    /// # Errors
    /// Exit 6 when the store cannot be written.
    pub fn release_claims(&self, run: &str) -> Result<(), Fault> {
        self.lock()
            .execute("DELETE FROM claims WHERE run = ?1", [run])
            .map(|_| ())
            .map_err(|e| sql(&e, "give up a claim"))
    }

    /// Bounds the database to this many pages beyond what it has, or lifts the bound. What does not fit is refused
    /// as on a full disk (exit 6) and leaves everything committed in place.
    ///
    /// # Errors
    /// Exit 6 when SQLite refuses.
    pub fn limit_pages(&self, more: Option<u32>) -> Result<(), Fault> {
        let connection = self.lock();
        let failed = |e: rusqlite::Error| sql(&e, "bound the database");
        let pages: i64 =
            connection.pragma_query_value(None, "page_count", |row| row.get(0)).map_err(failed)?;
        let most = more.map_or(i64::from(u32::MAX - 1), |more| pages + i64::from(more));
        connection.pragma_update_and_check(None, "max_page_count", most, |_| Ok(())).map_err(failed)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
