//! Snapshots: states that were folded once, kept so that they need not be folded again. They follow from the
//! journal; without them everything is the same, only slower.

use rusqlite::params;

use super::error::sql;
use super::lines::{place, seq};
use super::{Owner, Store};
use crate::Fault;

/// The most bytes of one snapshot.
const LARGEST: usize = 256 * 1024 * 1024;

/// A snapshot on its way into the store.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) seq: u64,
    pub(super) seal: [u8; 32],
    pub(super) zstd: Vec<u8>,
}

/// What a snapshot is filed with: it belongs to one run and record, and says what it says.
pub(super) fn seal(run: &str, seq: u64, content: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(run.as_bytes()).update(b"\n").update(&seq.to_le_bytes()).update(content);
    *hasher.finalize().as_bytes()
}

impl Owner {
    /// Keeps `content`, which was derived from the records up to and with number `seq`. It is written with the next
    /// append, or [`Owner::flush`]; it is packed here.
    ///
    /// # Errors
    /// `snapshot.large` when it is beyond 256 MiB; a bug (exit 1) when there is no such record yet.
    pub fn put_snapshot(&mut self, seq: u64, content: &[u8]) -> Result<(), Fault> {
        if seq >= self.seq() {
            return Err(Fault::bug(format!("a snapshot after record {seq} of {}", self.seq())));
        }
        if content.len() > LARGEST {
            let what = format!("a snapshot of {} bytes; the most is {LARGEST}", content.len());
            return Err(Fault::new("snapshot.large", 6, what));
        }
        let zstd = zstd::bulk::compress(content, 3)
            .map_err(|e| Fault::bug(format!("a snapshot is not packed: {e}")))?;
        let seal = seal(self.run(), seq, content);
        self.keep(Snapshot { seq, seal, zstd });
        Ok(())
    }
}

impl Store {
    /// The latest snapshot of `run` that was derived from records up to number `most` at the latest: the number of
    /// the last of them, and what was kept. One that is damaged is passed over, for it can be made again.
    ///
    /// # Errors
    /// Exit 6 when the store cannot be read.
    pub fn snapshot_at_or_before(&self, run: &str, most: u64) -> Result<Option<(u64, Vec<u8>)>, Fault> {
        let failed = |e: rusqlite::Error| sql(&e, "read a snapshot");
        let db = self.lock();
        let mut statement = db
            .prepare_cached(
                "SELECT place, seal, zstd FROM snapshots, runs WHERE id = ?1
                 AND place BETWEEN number << 32 AND (number << 32) + ?2 ORDER BY place DESC",
            )
            .map_err(failed)?;
        let most = most.min(u64::from(u32::MAX)).cast_signed();
        let mut rows = statement.query(params![run, most]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let seq = seq(row.get(0).map_err(failed)?);
            let (stored, zstd): (Vec<u8>, Vec<u8>) =
                (row.get(1).map_err(failed)?, row.get(2).map_err(failed)?);
            if let Ok(content) = zstd::bulk::decompress(&zstd, LARGEST)
                && seal(run, seq, &content) == stored.as_slice()
            {
                return Ok(Some((seq, content)));
            }
        }
        Ok(None)
    }

    /// Takes all snapshots of `run` away.
    ///
    /// # Errors
    /// Exit 2 for an unknown run, 6 when the store cannot be written.
    pub fn drop_snapshots(&self, run: &str) -> Result<(), Fault> {
        let number = self.row(run)?.number;
        self.lock()
            .execute(
                "DELETE FROM snapshots WHERE place BETWEEN ?1 AND ?2",
                [place(number, 0), place(number, u64::MAX)],
            )
            .map(|_| ())
            .map_err(|e| sql(&e, "drop snapshots"))
    }
}
