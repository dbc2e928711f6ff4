//! Blobs in the store: zstd, under the hash of their content.

use rusqlite::{OptionalExtension, params};

use super::Store;
use super::error::sql;
use crate::NodeError;
use crate::blob::{BlobRef, Blobs};
use crate::clock::{Clock, SystemClock};

/// A blob that was put longer ago than this is marked as used when it is put again.
const FRESH_MS: i64 = 10 * 60 * 1000;

/// The most bytes of one blob.
pub(crate) const LARGEST: u64 = 256 * 1024 * 1024;

impl Blobs for Store {
    fn put(&self, content: &[u8]) -> Result<BlobRef, NodeError> {
        let blob = BlobRef::of(content);
        if blob.bytes > LARGEST {
            return Err(NodeError::new(
                "blob.large",
                format!("a blob of {} bytes; the most is {LARGEST}", blob.bytes),
            ));
        }
        if blob.bytes > 0 && !self.use_again(&blob)? {
            let packed =
                zstd::bulk::compress(content, 3).map_err(|e| NodeError::new("blob.store", e.to_string()))?;
            self.put_packed(&blob, &packed)?;
        }
        Ok(blob)
    }

    fn get(&self, blob: &BlobRef) -> Result<Vec<u8>, NodeError> {
        if blob.bytes == 0 {
            return Ok(Vec::new());
        }
        let packed = self.get_packed(blob)?;
        unpack(blob, &packed)
    }
}

impl Store {
    /// Whether the blob is there. It counts as put now, so that `gc` leaves it to whoever is about to refer to it.
    fn use_again(&self, blob: &BlobRef) -> Result<bool, NodeError> {
        let hash = key(blob)?;
        let now = SystemClock::default().now_ms().cast_signed();
        let db = self.lock();
        let used: Option<i64> = db
            .prepare_cached("SELECT used_ms FROM blobs WHERE hash = ?1")
            .and_then(|mut statement| statement.query_row([hash], |row| row.get(0)).optional())
            .map_err(|e| NodeError::new("blob.store", sql(&e, "look a blob up").message))?;
        if used.is_some_and(|used| now.saturating_sub(used) > FRESH_MS) {
            db.prepare_cached("UPDATE blobs SET used_ms = ?2 WHERE hash = ?1")
                .and_then(|mut statement| statement.execute(params![hash, now]))
                .map_err(|e| NodeError::new("blob.store", sql(&e, "use a blob").message))?;
        }
        Ok(used.is_some())
    }

    /// The blob as it is stored, for a trace.
    pub(crate) fn get_packed(&self, blob: &BlobRef) -> Result<Vec<u8>, NodeError> {
        let hash = key(blob)?;
        self.lock()
            .query_row("SELECT zstd FROM blobs WHERE hash = ?1", params![hash], |row| row.get(0))
            .optional()
            .map_err(|e| NodeError::new("blob.store", sql(&e, "read a blob").message))?
            .ok_or_else(|| NodeError::missing_blob(blob))
    }

    /// Stores a blob that is packed already and was verified.
    pub(crate) fn put_packed(&self, blob: &BlobRef, packed: &[u8]) -> Result<(), NodeError> {
        let hash = key(blob)?;
        let failed = |e: rusqlite::Error| NodeError::new("blob.store", sql(&e, "write a blob").message);
        let (size, now) = (blob.bytes.cast_signed(), SystemClock::default().now_ms().cast_signed());
        let mut db = self.lock();
        // The record that refers to it comes later, and brings what was written before it to the disk.
        db.durable(false).map_err(failed)?;
        db.prepare_cached("INSERT OR IGNORE INTO blobs (hash, size, used_ms, zstd) VALUES (?1, ?2, ?3, ?4)")
            .and_then(|mut statement| statement.execute(params![hash, size, now, packed]))
            .map(|_| ())
            .map_err(failed)
    }
}

/// The content of a packed blob, which must have the length and hash that the reference names.
pub(crate) fn unpack(blob: &BlobRef, packed: &[u8]) -> Result<Vec<u8>, NodeError> {
    let damaged = |why: String| NodeError::new("blob.damaged", format!("blob {}: {why}", blob.hash));
    let size = usize::try_from(blob.bytes.min(LARGEST)).unwrap_or(usize::MAX);
    let content = zstd::bulk::decompress(packed, size).map_err(|e| damaged(e.to_string()))?;
    if BlobRef::of(&content) == *blob {
        Ok(content)
    } else {
        Err(damaged("its content has another hash".to_owned()))
    }
}

/// The hash that `blob` names, when it is one.
pub(super) fn hash_of(blob: &BlobRef) -> Option<[u8; 32]> {
    blake3::Hash::from_hex(&blob.hash).ok().map(|hash| *hash.as_bytes())
}

fn key(blob: &BlobRef) -> Result<[u8; 32], NodeError> {
    hash_of(blob)
        .ok_or_else(|| NodeError::new("blob.name", format!("`{}` is no hash", blob.hash.escape_debug())))
}
