//! Owning a run: an operating system lock that dies with the process, and a fencing token in every append.

use std::fs::{File, TryLockError};
use std::sync::{Arc, PoisonError};

use rusqlite::params;
use serde_json::Value;

use super::error::sql;
use super::{RunStatus, Sealed, Store};
use crate::journal::{self, Chain, Record};
use crate::{Fault, canonical};

/// How far an append must have come before it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Survives `kill -9`, perhaps not a power cut.
    Process,
    /// On disk.
    Disk,
}

/// The one owner of a run. Dropping it gives the run up.
#[derive(Debug)]
pub struct Owner {
    store: Arc<Store>,
    run: String,
    number: i64,
    fence: i64,
    seq: i64,
    chain: Chain,
    _lock: Lock,
}

/// What holds the run: a locked file, or a word in the store's table while it is in memory.
#[derive(Debug)]
enum Lock {
    File(#[expect(dead_code, reason = "held for its lock, which dies with it")] File),
    Memory(Arc<Store>, String),
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Self::Memory(store, run) = self {
            store.held.lock().unwrap_or_else(PoisonError::into_inner).remove(run);
        }
    }
}

impl Store {
    /// Takes a run over, with its records so far.
    ///
    /// # Errors
    /// Exit 7 when another process or task owns it, 6 when the store cannot be used, 21 when its journal is damaged.
    pub fn own(self: &Arc<Self>, run: &str) -> Result<(Owner, Vec<Sealed>), Fault> {
        let row = self.row(run)?;
        let lock = self.try_lock(&row.id)?.ok_or_else(|| owned(&row.id))?;
        let fence = self
            .lock()
            .query_row(
                "UPDATE runs SET fence = fence + 1 WHERE number = ?1 RETURNING fence",
                [row.number],
                |row| row.get(0),
            )
            .map_err(|e| sql(&e, "take the run"))?;
        let records = self.records(&row.id)?;
        let last = records.last().ok_or_else(|| {
            Fault::new("journal.empty", 21, format!("run {}: its journal has no record", row.id))
        })?;
        let seq = i64::try_from(records.len()).unwrap_or(i64::MAX);
        let owner = Owner {
            store: Arc::clone(self),
            run: row.id,
            number: row.number,
            fence,
            seq,
            chain: last.chain,
            _lock: lock,
        };
        Ok((owner, records))
    }

    /// Whether some process owns the run right now.
    ///
    /// # Errors
    /// Exit 6 when the lock file cannot be used.
    pub fn is_live(self: &Arc<Self>, run: &str) -> Result<bool, Fault> {
        Ok(self.try_lock(run)?.is_none())
    }

    fn try_lock(self: &Arc<Self>, run: &str) -> Result<Option<Lock>, Fault> {
        let Some(dir) = &self.dir else {
            let free = self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(run.to_owned());
            return Ok(free.then(|| Lock::Memory(Arc::clone(self), run.to_owned())));
        };
        let path = dir.join("locks").join(run);
        let unusable = |e: std::io::Error| {
            Fault::new("store.unusable", 6, format!("lock file {}: {e}", path.display()))
                .help("mend the permissions of the store's directory")
        };
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock::File(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(unusable(e)),
        }
    }
}

impl Owner {
    /// The run's id.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The chain hash of the last record, in hex.
    #[must_use]
    pub fn head(&self) -> String {
        blake3::Hash::from_bytes(self.chain).to_hex().to_string()
    }

    /// Appends `records` and sets the run's status, together or not at all.
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
        let encoded = records.iter().map(journal::encode).collect::<Result<Vec<_>, _>>()?;
        let synchronous = if durability == Durability::Disk { "FULL" } else { "NORMAL" };
        let failed = |e: rusqlite::Error| sql(&e, "write the journal");
        let mut connection = self.store.lock();
        connection.pragma_update(None, "synchronous", synchronous).map_err(failed)?;
        let tx =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
        let (word, result) = match status {
            Some((status, result)) => (Some(status.word()), Some(canonical::to_string(result))),
            None => (None, None),
        };
        let mine = tx
            .prepare_cached(
                "UPDATE runs SET updated_ms = ?1, status = coalesce(?2, status), result = coalesce(?3, result) WHERE number = ?4 AND fence = ?5",
            )
            .and_then(|mut row| row.execute(params![now_ms.cast_signed(), word, result, self.number, self.fence]))
            .map_err(failed)?;
        if mine == 0 {
            return Err(owned(&self.run));
        }
        let (mut seq, mut chain) = (self.seq, self.chain);
        {
            let mut insert = tx
                .prepare_cached("INSERT INTO records (run, seq, chain, bytes) VALUES (?1, ?2, ?3, ?4)")
                .map_err(failed)?;
            for bytes in &encoded {
                chain = journal::link(&chain, bytes);
                insert.execute(params![self.number, seq, chain, bytes]).map_err(failed)?;
                seq += 1;
            }
        }
        tx.commit().map_err(failed)?;
        (self.seq, self.chain) = (seq, chain);
        Ok(())
    }
}

fn owned(run: &str) -> Fault {
    Fault::new("run.owned", 7, format!("run {run} is owned elsewhere: another process is at work on it"))
        .help("wait for that process to end, or stop it; then resume")
}
