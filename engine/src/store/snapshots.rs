//! Snapshots: states that were folded once, kept so that they need not be folded again. They follow from the
//! journal; without them everything is the same, only slower.

use rusqlite::params;

use super::error::sql;
use super::lines::{place, seq};
use super::{Owner, Store};
use crate::Fault;

/// The most bytes of one snapshot.
const LARGEST: usize = 256 * 1024 * 1024;

/// zstd's level: states are packed often, and read back seldom.
const LEVEL: i32 = 1;

/// A snapshot on its way into the store.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) seq: u64,
    pub(super) step: u64,
    pub(super) seal: [u8; 32],
    pub(super) zstd: Vec<u8>,
}

/// A snapshot as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The last record that it was derived from; the header is 0.
    pub seq: u64,
    /// How many steps of the run's history there are up to that record.
    pub step: u64,
    /// What was kept.
    pub content: Vec<u8>,
}

/// How far into a run something lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// At the record of this number; the header is 0.
    Record(u64),
    /// At the step of this number in the run's history; the beginning is 0.
    Step(u64),
}

/// What a snapshot is filed with: it belongs to one run, record and step, and says what it says.
pub(super) fn seal(run: &str, seq: u64, step: u64, content: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(run.as_bytes()).update(b"\n");
    hasher.update(&seq.to_le_bytes()).update(&step.to_le_bytes()).update(content);
    *hasher.finalize().as_bytes()
}

impl Owner {
    /// Keeps `content`, which was derived from the records up to and with number `seq`; `step` is how many steps of the
    /// run's history they are. It is written with the next append, or [`Owner::flush`]; it is packed here. Gives how many
    /// bytes it takes.
    ///
    /// # Errors
    /// `snapshot.large` when it is beyond 256 MiB; a bug (exit 1) when there is no such record yet.
    pub fn put_snapshot(&mut self, seq: u64, step: u64, content: &[u8]) -> Result<u64, Fault> {
        if seq >= self.seq() {
            return Err(Fault::bug(format!("a snapshot after record {seq} of {}", self.seq())));
        }
        if content.len() > LARGEST {
            let what = format!("a snapshot of {} bytes; the most is {LARGEST}", content.len());
            return Err(Fault::new("snapshot.large", 6, what));
        }
        let zstd = zstd::bulk::compress(content, LEVEL)
            .map_err(|e| Fault::bug(format!("a snapshot is not packed: {e}")))?;
        let seal = seal(self.run(), seq, step, content);
        let packed = zstd.len() as u64;
        self.keep(Snapshot { seq, step, seal, zstd });
        Ok(packed)
    }
}

impl Store {
    /// The latest snapshot of `run` that lies no further than `reach`. One that is damaged is passed over, for it can
    /// be made again.
    ///
    /// # Errors
    /// Exit 6 when the store cannot be read.
    pub fn snapshot_within(&self, run: &str, reach: Reach) -> Result<Option<Kept>, Fault> {
        let failed = |e: rusqlite::Error| sql(&e, "read a snapshot");
        let (seq_most, step_most) = match reach {
            Reach::Record(seq) => (seq.min(u64::from(u32::MAX)), i64::MAX.cast_unsigned()),
            Reach::Step(step) => (u64::from(u32::MAX), step.min(i64::MAX.cast_unsigned())),
        };
        let db = self.lock();
        let mut statement = db
            .prepare_cached(
                "SELECT place, step, seal, zstd FROM snapshots, runs WHERE id = ?1
                 AND place BETWEEN number << 32 AND (number << 32) + ?2 AND step <= ?3 ORDER BY place DESC",
            )
            .map_err(failed)?;
        let mut rows =
            statement.query(params![run, seq_most.cast_signed(), step_most.cast_signed()]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let (place, step): (i64, i64) = (row.get(0).map_err(failed)?, row.get(1).map_err(failed)?);
            let (seq, step) = (seq(place), step.cast_unsigned());
            let (stored, zstd): (Vec<u8>, Vec<u8>) =
                (row.get(2).map_err(failed)?, row.get(3).map_err(failed)?);
            if let Ok(content) = zstd::bulk::decompress(&zstd, LARGEST)
                && seal(run, seq, step, &content) == stored.as_slice()
            {
                return Ok(Some(Kept { seq, step, content }));
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
