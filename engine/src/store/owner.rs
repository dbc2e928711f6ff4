//! Owning a run: a lock that dies with the process, and a fencing token in every append.

use std::sync::Arc;

use rusqlite::params;
use serde_json::Value;

use super::db::Db;
use super::error::sql;
use super::lines::{self, Line, place};
use super::lock::Lock;
use super::snapshots::Snapshot;
use super::{RunStatus, Sealed, Store};
use crate::clock::{Clock, SystemClock};
use crate::journal::{self, Chain, Record};
use crate::{Fault, canonical};

/// How far an append must have come before it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// Held by the owner, written with the next stronger append or flush: gone with the process. Nobody else sees
    /// it until then, and only then it is found out whether the run has another owner by now.
    Memory,
    /// Survives `kill -9`, perhaps not a power cut.
    Process,
    /// On disk.
    Disk,
}

/// What an owner holds back at most, in bytes of records; beyond that it writes them, as for `kill -9`.
const HELD: usize = 8 * 1024 * 1024;

/// While only records are added, the run's own row is written anew when it is this old.
const TOUCH_MS: u64 = 1000;

/// The one owner of a run. Dropping it gives the run up, and writes what it held back as far as it can: an error
/// cannot be told there, so whoever wants to know flushes before.
#[derive(Debug)]
pub struct Owner {
    store: Arc<Store>,
    run: String,
    number: i64,
    fence: i64,
    /// How many records there are, those held back included.
    seq: u64,
    chain: Chain,
    held: Held,
    /// Bytes of records that were appended by this owner.
    appended: u64,
    /// Bytes that those of them take that are written.
    stored: u64,
    /// When the run's row was last written.
    touched_ms: u64,
    /// Whether the row knows how long the journal is.
    touched: bool,
    _lock: Lock,
}

/// What is not written yet.
#[derive(Debug, Default)]
struct Held {
    lines: Vec<Line>,
    bytes: usize,
    /// The status to set, and the result.
    status: Option<(&'static str, String)>,
    snapshots: Vec<Snapshot>,
    now_ms: u64,
}

impl Store {
    /// Takes a run over, with its records so far.
    ///
    /// # Errors
    /// Exit 7 when another process or task owns it, 6 when the store cannot be used, 21 when its journal is damaged.
    pub fn own(self: &Arc<Self>, run: &str) -> Result<(Owner, Vec<Sealed>), Fault> {
        let mut owner = self.take(run)?;
        let records = self.records(run)?;
        let last = records.last().ok_or_else(|| {
            Fault::new("journal.empty", 21, format!("run {run}: its journal has no record"))
        })?;
        (owner.seq, owner.chain) = (records.len() as u64, last.chain);
        Ok((owner, records))
    }

    /// Takes a run over without reading more of its journal than the end, for whoever goes on from a snapshot.
    ///
    /// # Errors
    /// As [`Store::own`]; damage before the last records is not looked for.
    pub fn take(self: &Arc<Self>, run: &str) -> Result<Owner, Fault> {
        let row = self.row(run)?;
        let lock = self.try_lock(&row.id)?.ok_or_else(|| owned(&row.id))?;
        let now_ms = SystemClock::default().now_ms();
        let mut db = self.lock();
        // After a power cut no earlier owner is left to be fenced off, so this need not wait for the disk.
        db.durable(false).map_err(|e| sql(&e, "take the run"))?;
        let fence = db
            .query_row(
                "UPDATE runs SET fence = fence + 1, owned_ms = ?2 WHERE number = ?1 RETURNING fence",
                params![row.number, now_ms.cast_signed()],
                |row| row.get(0),
            )
            .map_err(|e| sql(&e, "take the run"))?;
        drop(db);
        let tail = self.tail(&row.id)?;
        Ok(Owner {
            store: Arc::clone(self),
            run: row.id,
            number: row.number,
            fence,
            seq: tail.seq + 1,
            chain: tail.sealed.chain,
            held: Held::default(),
            appended: 0,
            stored: 0,
            touched_ms: 0,
            touched: true,
            _lock: lock,
        })
    }
}

impl Owner {
    /// The run's id.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The chain hash of the last record. Records that are held back count.
    #[must_use]
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// The chain hash of the last record, in hex. Records that are held back count.
    #[must_use]
    pub fn head(&self) -> String {
        journal::hex(&self.chain)
    }

    /// How many records the journal has, the header and those held back included: the number of the next one.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// How many bytes of records this owner appended.
    #[must_use]
    pub fn appended(&self) -> u64 {
        self.appended
    }

    /// How many bytes they take in the store; those that are held back count as they are.
    #[must_use]
    pub fn stored(&self) -> u64 {
        self.stored + self.held.bytes as u64
    }

    /// Appends `records` and sets the run's status, together or not at all. What was held back before is written
    /// first and with them; when that fails, it is still held.
    ///
    /// # Errors
    /// Exit 7 when the run has another owner by now, 6 when the store cannot be written.
    pub fn append(
        &mut self,
        records: &[Record],
        status: Option<(RunStatus, &Value)>,
        durability: Durability,
        now_ms: u64,
    ) -> Result<(), Fault> {
        let before = (self.seq, self.chain, self.held.lines.len(), self.held.bytes);
        for record in records {
            let bytes = journal::encode(record)?;
            self.chain = journal::link(&self.chain, &bytes);
            self.seq += 1;
            self.held.bytes += bytes.len();
            self.appended += bytes.len() as u64;
            self.held.lines.push(Line { bytes, chain: self.chain });
        }
        let status = status.map(|(status, result)| (status.word(), canonical::to_string(result)));
        let replaced = match status {
            Some(status) => Some(self.held.status.replace(status)),
            None => None,
        };
        self.held.now_ms = self.held.now_ms.max(now_ms);
        if durability == Durability::Memory && self.held.bytes < HELD {
            return Ok(());
        }
        let written = self.write(durability);
        if written.is_err() {
            let lines;
            (self.seq, self.chain, lines, self.held.bytes) = before;
            self.held.lines.truncate(lines);
            if let Some(replaced) = replaced {
                self.held.status = replaced;
            }
        }
        written
    }

    /// Writes what is held back, and brings all that was appended as far as `durability` says. Nothing to do for
    /// [`Durability::Memory`].
    ///
    /// # Errors
    /// As [`Owner::append`]; what was held is still held then.
    pub fn flush(&mut self, durability: Durability) -> Result<(), Fault> {
        if durability == Durability::Memory { Ok(()) } else { self.write(durability) }
    }

    /// Holds a snapshot until the next write.
    pub(super) fn keep(&mut self, snapshot: Snapshot) {
        self.held.snapshots.retain(|other| other.seq != snapshot.seq);
        self.held.snapshots.push(snapshot);
    }

    /// Writes what is held, in one transaction.
    fn write(&mut self, durability: Durability) -> Result<(), Fault> {
        let failed = |e: rusqlite::Error| sql(&e, "write the journal");
        let held = &self.held;
        let mut db = self.store.lock();
        let db: &mut Db = &mut db;
        db.durable(durability == Durability::Disk).map_err(failed)?;
        let rows = db.pack(self.seq - held.lines.len() as u64, &held.lines)?;
        let tx = db.write().map_err(failed)?;
        let mine = tx
            .prepare_cached("SELECT 1 FROM runs WHERE number = ?1 AND id = ?2 AND fence = ?3")
            .and_then(|mut row| row.exists(params![self.number, self.run, self.fence]))
            .map_err(failed)?;
        if !mine {
            return Err(owned(&self.run));
        }
        lines::insert(&tx, self.number, &rows).map_err(failed)?;
        let stored: u64 = rows.iter().map(|row| row.lines.len() as u64).sum();
        for snapshot in &held.snapshots {
            let at = place(self.number, snapshot.seq);
            tx.prepare_cached(
                "INSERT OR REPLACE INTO snapshots (place, step, seal, zstd) VALUES (?1, ?2, ?3, ?4)",
            )
            .and_then(|mut row| {
                row.execute(params![at, snapshot.step.cast_signed(), snapshot.seal, snapshot.zstd])
            })
            .map_err(failed)?;
        }
        // Without a change the commit would not bring earlier ones to the disk.
        let touch = rows.is_empty()
            || held.status.is_some()
            || held.now_ms.saturating_sub(self.touched_ms) >= TOUCH_MS;
        if touch {
            let (word, result) = held.status.as_ref().map(|(word, result)| (word, result)).unzip();
            tx.prepare_cached(
                "UPDATE runs SET updated_ms = max(updated_ms, ?1), status = coalesce(?2, status),
                 result = coalesce(?3, result), seq = ?4, chain = ?5 WHERE number = ?6",
            )
            .and_then(|mut row| {
                let (now, seq) = (held.now_ms.cast_signed(), self.seq.cast_signed());
                row.execute(params![now, word, result, seq, self.chain, self.number])
            })
            .map_err(failed)?;
        }
        tx.commit().map_err(failed)?;
        self.stored += stored;
        if touch {
            self.touched_ms = held.now_ms;
        }
        self.touched = touch;
        self.held = Held { now_ms: held.now_ms, ..Held::default() };
        Ok(())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let held = &self.held;
        // There is nobody to tell.
        if !held.lines.is_empty() || held.status.is_some() || !held.snapshots.is_empty() {
            let _ = self.write(Durability::Disk);
        }
        if !self.touched {
            let _ = self.write(Durability::Process);
        }
    }
}

fn owned(run: &str) -> Fault {
    Fault::new("run.owned", 7, format!("run {run} is owned elsewhere: another process is at work on it"))
        .help("wait for that process to end, or stop it; then resume")
}
