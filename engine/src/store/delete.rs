//! Taking runs away. A run's rows are its own: what one refers to beside them (blobs) is shared, stays here, and
//! goes with `gc` when nothing refers to it any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::params;
use serde::Serialize;

use super::error::sql;
use super::lines::place;
use super::{Filter, RunRow, RunStatus, Store};
use crate::Fault;

/// Which runs to take away. Every condition must hold; one that somebody is at work on is never meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prune {
    /// Those of the graph of this name; of all graphs when absent.
    pub graph: Option<String>,
    /// Those that stand in one of these ways; those that are over when empty.
    pub statuses: Vec<RunStatus>,
    /// Those that last wrote longer ago than this, in milliseconds.
    pub older_than_ms: Option<u64>,
    /// Of every graph, keep so many of the newest runs, however they stand.
    pub keep_latest: usize,
    /// Only say what would be taken away.
    pub dry_run: bool,
}

/// What [`Store::prune`] did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Pruned {
    /// The runs taken away, the newest first.
    pub removed: Vec<RunRow>,
    /// Those that were meant and are kept, because somebody is at work on them.
    pub live: Vec<String>,
}

impl Store {
    /// Takes these runs away with all that is theirs: records, snapshots, claims, the lock file. An unknown one is
    /// passed over. Returns how many there were.
    ///
    /// # Errors
    /// Exit 7 when somebody is at work on one of them: nothing is taken away then, unless that began in between.
    /// Exit 6 when the store cannot be written.
    pub fn delete(self: &Arc<Self>, runs: &[&str]) -> Result<usize, Fault> {
        for run in runs {
            if self.is_live(run)? {
                return Err(live(run));
            }
        }
        let mut count = 0;
        for run in runs {
            count += usize::from(self.delete_one(run)?);
        }
        Ok(count)
    }

    /// Takes the runs away that `what` means, and says which.
    ///
    /// # Errors
    /// Exit 6 when the store cannot be read or written.
    pub fn prune(self: &Arc<Self>, what: &Prune, now_ms: u64) -> Result<Pruned, Fault> {
        let all = self.list_by(&Filter { graph: what.graph.clone(), ..Filter::default() })?;
        let mut pruned = Pruned::default();
        let mut newer: BTreeMap<String, usize> = BTreeMap::new();
        for row in all {
            let newer = newer.entry(row.graph.clone()).or_default();
            *newer += 1;
            let meant = if what.statuses.is_empty() {
                row.status.is_over()
            } else {
                what.statuses.contains(&row.status)
            };
            let age_ms = now_ms.saturating_sub(row.updated_ms);
            let old = what.older_than_ms.is_none_or(|older_than_ms| age_ms > older_than_ms);
            if !meant || !old || *newer <= what.keep_latest {
                continue;
            }
            let live = if what.dry_run {
                self.is_live(&row.id)?
            } else {
                match self.delete_one(&row.id) {
                    Err(fault) if fault.exit == 7 => true,
                    other => !other?,
                }
            };
            if live { pruned.live.push(row.id) } else { pruned.removed.push(row) }
        }
        Ok(pruned)
    }

    /// Whether there was such a run.
    fn delete_one(self: &Arc<Self>, run: &str) -> Result<bool, Fault> {
        let number = match self.row(run) {
            Ok(row) => row.number,
            Err(fault) if fault.code == "run.unknown" => return Ok(false),
            Err(fault) => return Err(fault),
        };
        let failed = |e: rusqlite::Error| sql(&e, "delete the run");
        let _lock = self.try_lock(run)?.ok_or_else(|| live(run))?;
        let mut db = self.lock();
        db.durable(false).map_err(failed)?;
        let tx = db.write().map_err(failed)?;
        let (first, last) = (place(number, 0), place(number, u64::MAX));
        for table in ["records", "snapshots"] {
            tx.prepare_cached(&format!("DELETE FROM {table} WHERE place BETWEEN ?1 AND ?2"))
                .and_then(|mut rows| rows.execute([first, last]))
                .map_err(failed)?;
        }
        tx.execute("DELETE FROM claims WHERE run = ?1", [run]).map_err(failed)?;
        let gone = tx.execute("DELETE FROM runs WHERE number = ?1 AND id = ?2", params![number, run]);
        let gone = gone.map_err(failed)?;
        tx.commit().map_err(failed)?;
        Ok(gone > 0)
    }
}

fn live(run: &str) -> Fault {
    Fault::new("run.owned", 7, format!("run {run} cannot be deleted: somebody is at work on it"))
        .help("wait for it to stop or cancel it, then delete it")
}
