//! Giving back what nothing needs: blobs that no record mentions, lock files of dead processes, empty pages.
//!
//! A blob is put before the record that mentions it. So one stays when it was put, or put again, within the last
//! hour, or since the oldest of the runs that are at work now was taken up: both are looked at before the records
//! are.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::{Connection, params};
use serde::Serialize;

use super::blobs::{hash_of, unpack};
use super::error::sql;
use super::lines::Packer;
use super::{Store, lock};
use crate::blob::BlobRef;
use crate::{Fault, NodeError};

/// A blob that was put no longer ago than this stays.
const YOUNG_MS: u64 = 60 * 60 * 1000;

/// So many pages are given back in one transaction, for others to get their turn.
const PAGES: u32 = 2000;

/// What [`Store::gc`] gave back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Blobs taken away.
    pub blobs: u64,
    /// Their bytes, as they were stored.
    pub blob_bytes: u64,
    /// Lock files that nobody held.
    pub locks: u64,
    /// By how many bytes the database is smaller now.
    pub file_bytes: u64,
}

/// The hash of a blob.
pub(super) type Hash = [u8; 32];

impl Store {
    /// Gives back what nothing needs. `kept` are blobs that something outside of the store mentions. Runs may be at
    /// work meanwhile.
    ///
    /// # Errors
    /// Exit 6 when the store cannot be read or written; 21 when rows of records are damaged, for nobody can say
    /// which blobs they mention.
    pub fn gc(self: &Arc<Self>, kept: &[BlobRef], now_ms: u64) -> Result<Swept, Fault> {
        let (locks, live) = self.live_runs()?;
        let mut swept = Swept { locks, ..Swept::default() };
        let mut before_ms = now_ms.saturating_sub(YOUNG_MS);
        for run in live {
            before_ms = before_ms.min(self.owned_ms(&run)?);
        }
        let mut marked: BTreeSet<Hash> = kept.iter().filter_map(hash_of).collect();
        self.mark(&mut marked)?;
        (swept.blobs, swept.blob_bytes) = self.sweep(&marked, before_ms)?;
        swept.file_bytes = self.shrink()?;
        Ok(swept)
    }

    /// How many lock files nobody held, and who is at work.
    fn live_runs(self: &Arc<Self>) -> Result<(u64, Vec<String>), Fault> {
        let Some(dir) = &self.dir else {
            let held = self.held.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            return Ok((0, held.iter().cloned().collect()));
        };
        let (mut free, mut live) = (0, Vec::new());
        for run in lock::names(dir)? {
            if lock::is_held(&dir.join("locks").join(&run))? {
                live.push(run);
            } else {
                free += 1;
            }
        }
        Ok((free, live))
    }

    /// When the run was last taken up; now and for ever when it is unknown.
    fn owned_ms(&self, run: &str) -> Result<u64, Fault> {
        let mut times = self
            .lock()
            .prepare_cached("SELECT owned_ms FROM runs WHERE id = ?1")
            .and_then(|mut rows| {
                rows.query_map([run], |row| row.get::<_, i64>(0))?.collect::<Result<Vec<_>, _>>()
            })
            .map_err(|e| sql(&e, "read the run"))?;
        Ok(times.pop().map_or(u64::MAX, i64::cast_unsigned))
    }

    /// Adds every blob that a record mentions, and every one that such a blob mentions.
    fn mark(&self, marked: &mut BTreeSet<Hash>) -> Result<(), Fault> {
        let failed = |e: rusqlite::Error| sql(&e, "look for what is mentioned");
        let mut db = self.lock();
        let (tx, packer) = db.read().map_err(failed)?;
        let mut statement = tx.prepare("SELECT place, lines FROM records").map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let lines = unpacked(packer, row).map_err(failed)??;
            mentions(&lines, marked);
        }
        let mut new: Vec<Hash> = marked.iter().copied().collect();
        while let Some(hash) = new.pop() {
            // A blob that is not there is `verify`'s to tell.
            let Ok(content) = content(&tx, &hash) else { continue };
            let mut within = BTreeSet::new();
            mentions(&content, &mut within);
            new.extend(within.into_iter().filter(|hash| marked.insert(*hash)));
        }
        Ok(())
    }

    /// Takes blobs away that are not `marked` and were put before then.
    fn sweep(&self, marked: &BTreeSet<Hash>, before_ms: u64) -> Result<(u64, u64), Fault> {
        let failed = |e: rusqlite::Error| sql(&e, "take blobs away");
        let before_ms = i64::try_from(before_ms).unwrap_or(i64::MAX);
        let mut db = self.lock();
        let tx = db.write().map_err(failed)?;
        let (mut count, mut bytes) = (0, 0);
        {
            let mut old = tx
                .prepare("SELECT number, hash, length(zstd) FROM blobs WHERE used_ms < ?1")
                .map_err(failed)?;
            let found = old
                .query_map([before_ms], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, row.get(2)?))
                })
                .and_then(|rows| rows.collect::<Result<Vec<(i64, Vec<u8>, i64)>, _>>())
                .map_err(failed)?;
            for (number, hash, length) in found {
                if !<Hash>::try_from(hash).is_ok_and(|hash| marked.contains(&hash)) {
                    tx.prepare_cached("DELETE FROM blobs WHERE number = ?1")
                        .and_then(|mut row| row.execute(params![number]))
                        .map_err(failed)?;
                    count += 1;
                    bytes += length.cast_unsigned();
                }
            }
        }
        tx.commit().map_err(failed)?;
        Ok((count, bytes))
    }

    /// Gives empty pages back to the file system.
    fn shrink(&self) -> Result<u64, Fault> {
        let failed = |e: rusqlite::Error| sql(&e, "give space back");
        let db = self.lock();
        let number =
            |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(failed);
        let before = number("page_count")?;
        if number("auto_vacuum")? == 0 {
            // A store that was migrated: written anew once, and then it can.
            db.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(failed)?;
            db.execute_batch("VACUUM").map_err(failed)?;
        }
        let mut free = number("freelist_count")?;
        while free > 0 {
            db.execute_batch(&format!("PRAGMA incremental_vacuum({PAGES})")).map_err(failed)?;
            let left = number("freelist_count")?;
            if left >= free {
                break;
            }
            free = left;
        }
        if self.dir.is_some() {
            // The file itself shrinks when the log is written back; whoever still reads the old state delays that.
            db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(failed)?;
        }
        let pages = before.saturating_sub(number("page_count")?).max(0);
        Ok(pages.cast_unsigned() * number("page_size")?.cast_unsigned())
    }
}

/// The lines of a row of `place` and `lines`, or what is damaged.
pub(super) fn unpacked(
    packer: &mut Packer,
    row: &rusqlite::Row<'_>,
) -> Result<Result<Vec<u8>, Fault>, rusqlite::Error> {
    let place: i64 = row.get(0)?;
    let lines: Vec<u8> = row.get(1)?;
    Ok(packer.unpack(lines).map_err(|why| {
        let (number, seq) = (place >> 32, super::lines::seq(place));
        Fault::new(
            "journal.row",
            21,
            format!("the row of record {seq} of run number {number} is damaged: {why}"),
        )
        .help("`prunella runs verify` says which runs are damaged; delete them, then try again")
    }))
}

/// The content of the blob with this hash.
pub(super) fn content(connection: &Connection, hash: &Hash) -> Result<Vec<u8>, NodeError> {
    let failed = |e: rusqlite::Error| NodeError::new("blob.store", sql(&e, "read a blob").message);
    let name = blake3::Hash::from_bytes(*hash).to_hex().to_string();
    let mut statement =
        connection.prepare_cached("SELECT size, zstd FROM blobs WHERE hash = ?1").map_err(failed)?;
    let mut rows = statement.query([hash]).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else {
        return Err(NodeError::new("blob.missing", format!("blob {name} is not in the store")));
    };
    let (size, zstd): (i64, Vec<u8>) = (row.get(0).map_err(failed)?, row.get(1).map_err(failed)?);
    unpack(&BlobRef { hash: name, bytes: size.cast_unsigned() }, &zstd)
}

/// Adds the hashes that stand behind a `"$blob":` in `text`, however often it was quoted. Whatever the text is: one
/// too many costs space, one too few a value.
pub(super) fn mentions(text: &[u8], found: &mut BTreeSet<Hash>) {
    const KEY: &[u8] = b"$blob";
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == b'$') {
        rest = rest.get(at..).unwrap_or_default();
        if let Some(after) = rest.strip_prefix(KEY) {
            let quotes = after.iter().take_while(|byte| b"\\\": \n\t".contains(byte)).count();
            let hex = after.get(quotes..).and_then(|after| after.get(..64));
            let hash = hex.and_then(|hex| blake3::Hash::from_hex(hex).ok());
            found.extend(hash.map(|hash| *hash.as_bytes()));
        }
        rest = rest.get(1..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mention_is_found_and_no_text_breaks_the_search() {
        let hash = "ab".repeat(32);
        let quoted = serde_json::json!({"$blob": hash, "bytes": 1}).to_string();
        let twice =
            serde_json::json!({"text": serde_json::Value::from(quoted.clone()).to_string()}).to_string();
        for (text, count) in [
            (quoted.clone(), 1),
            (twice, 1),
            (format!("{{\"$blob\": \"{hash}\"}}"), 1),
            (format!("$blob {quoted} $blob\":\"{}", "cd".repeat(32)), 2),
            (format!("$blob\":\"{}", &hash[1..]), 0),
            (format!("$blob\":\"{}x", &hash[1..]), 0),
            ("$$blob$blob\":".to_owned(), 0),
            (String::new(), 0),
        ] {
            let mut found = BTreeSet::new();
            mentions(text.as_bytes(), &mut found);
            assert_eq!(found.len(), count, "{text}");
        }
    }
}
