//! Rows of records: the canonical lines that were appended together, packed, with the chain hash after the last.
//!
//! A row is keyed by its run's number and its first record's (`number << 32 | seq`), so a run's rows lie side by
//! side and a new one is always added at an end. Its `lines` are joined by line feeds, which canonical JSON has
//! none of. They are a zstd frame when that is shorter, made with a dictionary of what records look like: it is
//! part of the format and never changes within one.

use rusqlite::{Connection, params};
use zstd::bulk::{Compressor, Decompressor};

use crate::Fault;
use crate::journal::Chain;

/// What records look like, for zstd.
const DICTIONARY: &[u8] = include_bytes!("lines.dict");

/// How the first byte of a zstd frame differs from that of a line.
const FRAME: u8 = 0x28;

/// zstd's level. Higher ones gain little on rows of this size.
const LEVEL: i32 = 3;

/// A row is closed once it has this many bytes, so that reading one record never means reading a whole run.
const ROW: usize = 32 * 1024;

/// The most bytes of a row. A record holds small values alone, so this is far away.
const LARGEST: usize = 1 << 30;

/// A record's canonical bytes and its chain hash.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) bytes: Vec<u8>,
    pub(super) chain: Chain,
}

/// A row to write.
pub(super) struct Packed {
    /// Its first record.
    pub(super) seq: u64,
    chain: Chain,
    /// What is stored.
    pub(super) lines: Vec<u8>,
}

/// The key of the row of run `number` that begins with record `seq`.
pub(super) fn place(number: i64, seq: u64) -> i64 {
    (number << 32) | i64::from(u32::try_from(seq).unwrap_or(u32::MAX))
}

/// The record that the row at `place` begins with.
pub(super) fn seq(place: i64) -> u64 {
    (place & 0xffff_ffff).cast_unsigned()
}

/// Writes rows of run `number`.
pub(super) fn insert(connection: &Connection, number: i64, rows: &[Packed]) -> Result<(), rusqlite::Error> {
    let mut statement =
        connection.prepare_cached("INSERT INTO records (place, chain, lines) VALUES (?1, ?2, ?3)")?;
    for row in rows {
        statement.execute(params![place(number, row.seq), row.chain, row.lines])?;
    }
    Ok(())
}

/// Makes rows of lines, and lines of rows.
pub(super) struct Packer {
    /// Nothing in memory, where space costs less than time.
    compressor: Option<Compressor<'static>>,
    decompressor: Decompressor<'static>,
}

impl Packer {
    pub(super) fn new(packs: bool) -> Result<Self, Fault> {
        let failed = |e: std::io::Error| Fault::bug(format!("zstd does not start: {e}"));
        let compressor = packs.then(|| Compressor::with_dictionary(LEVEL, DICTIONARY)).transpose();
        let decompressor = Decompressor::with_dictionary(DICTIONARY).map_err(failed)?;
        Ok(Self { compressor: compressor.map_err(failed)?, decompressor })
    }

    /// `lines` as rows; the first is record `seq`.
    pub(super) fn rows(&mut self, mut seq: u64, lines: &[Line]) -> Result<Vec<Packed>, Fault> {
        let mut rows = Vec::new();
        let mut rest = lines;
        while let Some(first) = rest.first() {
            let (mut joined, mut chain, mut count) = (first.bytes.clone(), first.chain, 1);
            for line in rest.get(1..).unwrap_or_default() {
                if joined.len() >= ROW {
                    break;
                }
                joined.push(b'\n');
                joined.extend_from_slice(&line.bytes);
                (chain, count) = (line.chain, count + 1);
            }
            rows.push(Packed { seq, chain, lines: self.pack(joined)? });
            seq += count as u64;
            rest = rest.get(count..).unwrap_or_default();
        }
        if u32::try_from(seq).is_err() {
            return Err(Fault::new("journal.long", 6, "the run has as many records as a run can have"));
        }
        Ok(rows)
    }

    fn pack(&mut self, lines: Vec<u8>) -> Result<Vec<u8>, Fault> {
        let Some(compressor) = &mut self.compressor else { return Ok(lines) };
        let packed =
            compressor.compress(&lines).map_err(|e| Fault::bug(format!("a record is not packed: {e}")))?;
        Ok(if packed.len() < lines.len() { packed } else { lines })
    }

    /// The lines of a row as it was stored, or why it is none.
    pub(super) fn unpack(&mut self, stored: Vec<u8>) -> Result<Vec<u8>, String> {
        if stored.first() != Some(&FRAME) {
            return Ok(stored);
        }
        self.decompressor.decompress(&stored, LARGEST).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line { bytes: text.as_bytes().to_vec(), chain: [7; 32] }
    }

    #[test]
    fn the_dictionary_is_part_of_the_format() {
        // With another one the rows of every store of this format are lost: make a new format instead.
        let hash = blake3::hash(DICTIONARY).to_hex();
        assert_eq!(hash.as_str(), "ed0c6b5e20e4e0da29c93a8a263a944506dfb65b419d85083a1ddf8daecb70f8");
    }

    #[test]
    fn rows_hold_their_lines_whatever_they_are() {
        let long = "x".repeat(40_000);
        let noise: String = (0_u32..600).map(|i| char::from(b'!' + (i * i % 89) as u8)).collect();
        for packs in [true, false] {
            let mut packer = Packer::new(packs).unwrap();
            let lines: Vec<Line> = ["{}", &noise, &long, "{\"kind\":\"commit\"}", "{}"].map(line).into();
            let rows = packer.rows(5, &lines).unwrap();
            assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [5, 8]);
            let mut read = Vec::new();
            for row in rows {
                let unpacked = packer.unpack(row.lines).unwrap();
                read.extend(unpacked.split(|b| *b == b'\n').map(<[u8]>::to_vec));
            }
            assert_eq!(read, lines.iter().map(|line| line.bytes.clone()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn places_order_rows_by_run_and_record() {
        assert!(place(1, 0) < place(1, 1) && place(1, u64::from(u32::MAX)) < place(2, 0));
        assert_eq!(seq(place(77, 12)), 12);
    }
}
