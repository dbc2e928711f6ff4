//! The store: one SQLite database (WAL) for all runs, and a lock file a run while somebody owns it.
//!
//! A superstep is one transaction: all of its records, or nothing. What a run adds is what is written; nothing is
//! written twice. Every append carries the owner's fencing token, so an owner that lost its run cannot write to it.
//! When the disk is full or the database damaged, the error says so (exit 6) and every earlier record stays
//! readable.
//!
//! Records that are appended together are one row: their canonical lines, packed, and the chain hash after the last
//! of them. A row that was damaged is named by the records in it; a journal whose last rows are gone is told from
//! the run's own row, which knows how long the journal was at least.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the one home of files")]

mod blobs;
mod claims;
mod copy;
mod db;
mod delete;
mod error;
mod gc;
mod lines;
mod lock;
mod migrate;
mod owner;
mod records;
mod rows;
mod schema;
mod snapshots;
mod verify;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, params};
use serde_json::Value;

pub(crate) use blobs::unpack;
pub use delete::{Prune, Pruned};
pub use gc::Swept;
pub use owner::{Durability, Owner};
pub(crate) use records::RawRecord;
pub use records::Tail;
pub use rows::{Filter, RunRow, RunStatus};
pub use snapshots::{Kept, Reach};
pub use verify::Finding;

pub use crate::journal::Sealed;
use crate::journal::{self, Record};
use crate::{Fault, canonical};
use db::Db;
use error::sql;
use lines::Line;

/// A store of runs. Cheap to share: `Arc<Store>`.
pub struct Store {
    db: Mutex<Db>,
    /// The directory; none when in memory.
    dir: Option<PathBuf>,
    /// Runs owned in this process while the store is in memory.
    held: Mutex<BTreeSet<String>>,
    /// How often this process asked for a run to be ended: who changed it need not be asked for by the database.
    wishes: AtomicU64,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// A run to create.
pub struct NewRun<'a> {
    /// Its id: letters, digits, `-` and `_`, 64 at most.
    pub id: &'a str,
    /// When, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// The graph's name.
    pub graph: &'a str,
    /// Facts of this machine only, such as the repository's absolute path. Never part of a trace.
    pub local: &'a Value,
}

impl Store {
    /// Opens the store in `dir`, and makes it when it is not there. One of an earlier format is migrated.
    ///
    /// # Errors
    /// Exit 6 when the directory or database cannot be used or another process holds it during a migration, 22 when
    /// a newer program wrote it.
    pub fn open(dir: &Path) -> Result<Arc<Self>, Fault> {
        let place = || format!("store {}", dir.display());
        std::fs::create_dir_all(dir.join("locks")).map_err(|e| {
            Fault::new("store.unusable", 6, format!("{}: {e}", place()))
                .help("name a directory that can be written with --store, or mend its permissions")
        })?;
        not_torn(dir).map_err(|fault| fault.at(place()))?;
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
        schema::prepare(&mut connection, dir.as_deref())?;
        let db = Db::new(connection, dir.is_some())?;
        Ok(Arc::new(Self { db: Mutex::new(db), dir, held: Mutex::default(), wishes: AtomicU64::new(0) }))
    }

    /// Where the store is; nothing when it is in memory.
    #[must_use]
    pub fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// Creates a run with its first record.
    ///
    /// # Errors
    /// Exit 6 when the store cannot be written; `run.exists` when the id is taken, `run.id` when it is none.
    pub fn create(&self, run: &NewRun<'_>, header: &Record) -> Result<(), Fault> {
        let bytes = journal::encode(header)?;
        let chain = journal::link(&journal::ROOT, &bytes);
        self.insert(run, &[Line { bytes, chain }], RunStatus::Created, &Value::Null)
    }

    /// Creates a run with these records, which stands where they end.
    fn insert(
        &self,
        run: &NewRun<'_>,
        lines: &[Line],
        status: RunStatus,
        result: &Value,
    ) -> Result<(), Fault> {
        if !lock::is_name(run.id) {
            let what = format!("`{}` is no id of a run", run.id.escape_debug());
            return Err(Fault::new("run.id", 2, what));
        }
        let failed = |e: rusqlite::Error| sql(&e, "create the run");
        let mut db = self.lock();
        db.durable(true).map_err(failed)?;
        let packed = db.pack(0, lines)?;
        let tx = db.write().map_err(failed)?;
        let count = i64::try_from(lines.len()).unwrap_or(i64::MAX);
        let chain = lines.last().map_or(journal::ROOT, |line| line.chain);
        let added = tx
            .prepare_cached(
                "INSERT OR IGNORE INTO runs
                 (id, graph, created_ms, updated_ms, status, result, fence, owned_ms, seq, chain, local)
                 VALUES (?1, ?2, ?3, ?3, ?4, ?5, 0, 0, ?6, ?7, ?8)",
            )
            .and_then(|mut row| {
                let (at, local) = (run.created_ms.cast_signed(), canonical::to_string(run.local));
                let result = (!result.is_null()).then(|| canonical::to_string(result));
                row.execute(params![run.id, run.graph, at, status.word(), result, count, chain, local])
            })
            .map_err(failed)?;
        if added == 0 {
            return Err(Fault::new("run.exists", 6, format!("there is a run {} already", run.id)));
        }
        lines::insert(&tx, tx.last_insert_rowid(), &packed).map_err(failed)?;
        tx.commit().map_err(failed)
    }

    /// Bounds the database to this many pages beyond what it has, or lifts the bound. What does not fit is refused
    /// as on a full disk (exit 6) and leaves everything committed in place.
    ///
    /// # Errors
    /// Exit 6 when SQLite refuses.
    pub fn limit_pages(&self, more: Option<u32>) -> Result<(), Fault> {
        let db = self.lock();
        let failed = |e: rusqlite::Error| sql(&e, "bound the database");
        let pages: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0)).map_err(failed)?;
        let most = more.map_or(i64::from(u32::MAX - 1), |more| pages + i64::from(more));
        db.pragma_update_and_check(None, "max_page_count", most, |_| Ok(())).map_err(failed)
    }

    fn lock(&self) -> MutexGuard<'_, Db> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses a database that does not end where a page does: SQLite fills it up with zeroes, takes a very short one for
/// new, and writes over it. While there is a log beside it, the log has what is missing.
fn not_torn(dir: &Path) -> Result<(), Fault> {
    const PAGE: u64 = 4096;
    let length = |name: &str| std::fs::metadata(dir.join(name)).map_or(0, |found| found.len());
    // The log first: whoever writes it back takes it away only afterwards.
    let (log, length) = (length("runs.db-wal"), length("runs.db"));
    if log == 0 && !length.is_multiple_of(PAGE) {
        return Err(error::corrupt(&format!("runs.db is cut off at {length} bytes")));
    }
    Ok(())
}
