//! Reading a journal back, with its chain verified.

use rusqlite::{Connection, OptionalExtension};

use super::Store;
use super::error::sql;
use super::lines::{Packer, place, seq};
use super::rows::unknown;
use crate::Fault;
use crate::journal::{self, Chain, Sealed};

/// The end of a journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Tail {
    /// The number of the last record; the header is 0.
    pub seq: u64,
    /// The record.
    pub sealed: Sealed,
}

impl Store {
    /// All records of a run, in order, with their chain verified. What its owner still holds back
    /// ([`super::Durability::Memory`]) is not among them.
    ///
    /// # Errors
    /// Exit 2 for an unknown run, 6 when the store cannot be read, 21 when a record or the chain is damaged.
    pub fn records(&self, run: &str) -> Result<Vec<Sealed>, Fault> {
        self.records_from(run, 0)
    }

    /// The records of a run from number `from` on (the header is 0), verified from the stored hash before them;
    /// nothing when there are no more than `from`.
    ///
    /// # Errors
    /// As [`Store::records`].
    pub fn records_from(&self, run: &str, from: u64) -> Result<Vec<Sealed>, Fault> {
        let mut db = self.lock();
        let (tx, packer) = db.read().map_err(|e| sql(&e, "read the journal"))?;
        let journal = Journal::of(&tx, run)?;
        Ok(journal.read(&tx, packer, Some(from))?.records)
    }

    /// The records of a run from number `from` to number `to`, verified from the stored hash before them. What comes
    /// after is not looked at.
    ///
    /// # Errors
    /// As [`Store::records`].
    pub fn records_between(&self, run: &str, from: u64, to: u64) -> Result<Vec<Sealed>, Fault> {
        let mut db = self.lock();
        let (tx, packer) = db.read().map_err(|e| sql(&e, "read the journal"))?;
        let mut records = Journal::of(&tx, run)?.read_to(&tx, packer, Some(from), Some(to))?.records;
        records.truncate(usize::try_from((to + 1).saturating_sub(from)).unwrap_or(usize::MAX));
        Ok(records)
    }

    /// The last record of a run.
    ///
    /// # Errors
    /// As [`Store::records`].
    pub fn tail(&self, run: &str) -> Result<Tail, Fault> {
        let mut db = self.lock();
        let (tx, packer) = db.read().map_err(|e| sql(&e, "read the journal"))?;
        let journal = Journal::of(&tx, run)?;
        let mut read = journal.read(&tx, packer, None)?;
        let sealed = read.records.pop().ok_or_else(|| journal.empty())?;
        Ok(Tail { seq: read.next.saturating_sub(1), sealed })
    }
}

/// What the run's row says of its journal.
pub(super) struct Journal<'a> {
    run: &'a str,
    number: i64,
    /// It has at least so many records,
    least: u64,
    /// and this was the hash after them.
    chain: Vec<u8>,
}

/// Records as they were read.
pub(super) struct Read {
    /// Those that were asked for.
    pub(super) records: Vec<Sealed>,
    /// How many the journal has: the number of the next one.
    pub(super) next: u64,
    /// The hash after the last.
    chain: Chain,
}

impl<'a> Journal<'a> {
    pub(super) fn of(connection: &Connection, run: &'a str) -> Result<Self, Fault> {
        let of_row = |row: &rusqlite::Row<'_>| {
            let least = row.get::<_, i64>(1)?.cast_unsigned();
            Ok(Self { run, number: row.get(0)?, least, chain: row.get(2)? })
        };
        connection
            .prepare_cached("SELECT number, seq, chain FROM runs WHERE id = ?1")
            .and_then(|mut statement| statement.query_row([run], of_row).optional())
            .map_err(|e| sql(&e, "read the run"))?
            .ok_or_else(|| unknown(run))
    }

    /// The records from `from` on, or those of the last row.
    pub(super) fn read(
        &self,
        connection: &Connection,
        packer: &mut Packer,
        from: Option<u64>,
    ) -> Result<Read, Fault> {
        self.read_to(connection, packer, from, None)
    }

    /// The same, no further than the row that holds `to`.
    fn read_to(
        &self,
        connection: &Connection,
        packer: &mut Packer,
        from: Option<u64>,
        to: Option<u64>,
    ) -> Result<Read, Fault> {
        let failed = |e: rusqlite::Error| sql(&e, "read the journal");
        let begin = place(self.number, 0);
        // The row that holds `from`, or the first one where that is missing.
        let first: Option<i64> = connection
            .prepare_cached(
                "SELECT coalesce((SELECT max(place) FROM records WHERE place BETWEEN ?1 AND ?2),
                 (SELECT min(place) FROM records WHERE place BETWEEN ?1 AND ?3))",
            )
            .and_then(|mut one| {
                let at = place(self.number, from.unwrap_or(u64::MAX));
                one.query_row([begin, at, place(self.number, u64::MAX)], |row| row.get(0))
            })
            .map_err(failed)?;
        let first = first.ok_or_else(|| self.empty())?;
        let before: Option<Vec<u8>> = connection
            .prepare_cached(
                "SELECT chain FROM records WHERE place BETWEEN ?1 AND ?2 ORDER BY place DESC LIMIT 1",
            )
            .and_then(|mut one| one.query_row([begin, first - 1], |row| row.get(0)).optional())
            .map_err(failed)?;
        let chain = before.and_then(|chain| chain.try_into().ok()).unwrap_or(journal::ROOT);
        // Where no row is before it, the row must begin with the header.
        let next = if chain == journal::ROOT { 0 } else { seq(first) };
        let mut read = Read { records: Vec::new(), next, chain };
        let from = from.unwrap_or(0);
        let mut statement = connection
            .prepare_cached(
                "SELECT place, chain, lines FROM records WHERE place BETWEEN ?1 AND ?2 ORDER BY place",
            )
            .map_err(failed)?;
        let mut rows = statement.query([first, place(self.number, u64::MAX)]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let at = seq(row.get(0).map_err(failed)?);
            let stored: Vec<u8> = row.get(1).map_err(failed)?;
            let lines = packer.unpack(row.get(2).map_err(failed)?);
            self.take(&mut read, from, at, &stored, lines)?;
            if read.next == self.least && self.chain != read.chain {
                let why = format!("the journal is another than its run's after record {}", read.next);
                return Err(self.broken(&why));
            }
            if to.is_some_and(|to| read.next > to) {
                return Ok(read);
            }
        }
        if read.next < self.least {
            let (found, least) = (read.next, self.least);
            return Err(self.broken(&format!("of {least} records only the first {found} are left")));
        }
        Ok(read)
    }

    /// Takes the records of a row that begins with record `at` and has the hash `stored` after its last.
    fn take(
        &self,
        read: &mut Read,
        from: u64,
        at: u64,
        stored: &[u8],
        lines: Result<Vec<u8>, String>,
    ) -> Result<(), Fault> {
        if at != read.next {
            return Err(self.broken(&format!("record {} is missing", read.next)));
        }
        let lines = lines.map_err(|why| self.broken(&format!("the row of record {at} is damaged: {why}")))?;
        let kept = read.records.len();
        for line in lines.split(|byte| *byte == b'\n') {
            read.chain = journal::link(&read.chain, line);
            let number = read.next;
            read.next += 1;
            let place = || format!("run {}, record {number}", self.run);
            if number >= from {
                let record = journal::decode(line).map_err(|fault| fault.at(place()))?;
                read.records.push(Sealed { record, bytes: line.to_vec(), chain: read.chain });
            }
        }
        if read.chain == stored {
            return Ok(());
        }
        read.records.truncate(kept);
        let last = read.next - 1;
        let which = if last == at { format!("record {at}") } else { format!("records {at} to {last}") };
        Err(Fault::new("journal.chain", 21, format!("run {}, {which}: the chain is broken", self.run)))
    }

    fn broken(&self, why: &str) -> Fault {
        Fault::new("journal.chain", 21, format!("run {}: {why}", self.run))
    }

    fn empty(&self) -> Fault {
        Fault::new("journal.empty", 21, format!("run {}: its journal has no record", self.run))
    }
}
