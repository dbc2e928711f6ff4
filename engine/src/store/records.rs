//! Reading a journal back, with its chain verified.

use std::ops::ControlFlow;

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
        let mut records = Vec::new();
        let mut take = |line: &RawRecord<'_>| {
            if line.number >= from {
                records.push(line.sealed()?);
            }
            Ok(if line.number >= to { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };
        Journal::of(&tx, run)?.walk(&tx, packer, Some(from), &mut take)?;
        Ok(records)
    }

    /// Shows the records of a run to `visit` from number `from` on (the header is 0) until it has seen enough, verified
    /// from the stored hash before them, and not read as records: for whoever looks at much and needs little of it.
    ///
    /// # Errors
    /// As [`Store::records`], and whatever `visit` says.
    pub(crate) fn walk(&self, run: &str, from: u64, visit: &mut Visit<'_>) -> Result<(), Fault> {
        let mut db = self.lock();
        let (tx, packer) = db.read().map_err(|e| sql(&e, "read the journal"))?;
        let mut after = |line: &RawRecord<'_>| {
            if line.number < from { Ok(ControlFlow::Continue(())) } else { visit(line) }
        };
        Journal::of(&tx, run)?.walk(&tx, packer, Some(from), &mut after).map(|_| ())
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

/// A record as it is stored.
pub(crate) struct RawRecord<'a> {
    /// Its run.
    run: &'a str,
    /// Its number; the header is 0.
    pub(crate) number: u64,
    /// Its canonical bytes.
    pub(crate) bytes: &'a [u8],
    /// Its chain hash.
    pub(crate) chain: Chain,
}

impl RawRecord<'_> {
    /// The record that it is.
    ///
    /// # Errors
    /// Exit 21 when it is none.
    pub(crate) fn sealed(&self) -> Result<Sealed, Fault> {
        let record = journal::decode(self.bytes).map_err(|fault| self.at(fault))?;
        Ok(Sealed { record, bytes: self.bytes.to_vec(), chain: self.chain })
    }

    /// The same for whoever only looks: see [`journal::glance`].
    ///
    /// # Errors
    /// Exit 21 when it is none.
    pub(crate) fn looked_at(&self) -> Result<Sealed, Fault> {
        let record = journal::glance(self.bytes).map_err(|fault| self.at(fault))?;
        Ok(Sealed { record, bytes: self.bytes.to_vec(), chain: self.chain })
    }

    /// `fault`, with the record that it is about.
    pub(crate) fn at(&self, fault: Fault) -> Fault {
        fault.at(format!("run {}, record {}", self.run, self.number))
    }
}

/// Sees one record after the other, and says when it has seen enough.
pub(crate) type Visit<'a> = dyn FnMut(&RawRecord<'_>) -> Result<ControlFlow<()>, Fault> + 'a;

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
        let mut records = Vec::new();
        let next = self.walk(connection, packer, from, &mut |line| {
            if line.number >= from.unwrap_or(0) {
                records.push(line.sealed()?);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Read { records, next })
    }

    /// Shows the records from the row of `from` on, or those of the last row, to `visit` until it has seen enough. Says
    /// how many records there are up to where it came. A row is verified as a whole, so what was seen of the last one
    /// holds only once this returns.
    fn walk(
        &self,
        connection: &Connection,
        packer: &mut Packer,
        from: Option<u64>,
        visit: &mut Visit<'_>,
    ) -> Result<u64, Fault> {
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
        let mut chain = before.and_then(|chain| chain.try_into().ok()).unwrap_or(journal::ROOT);
        // Where no row is before it, the row must begin with the header.
        let mut next = if chain == journal::ROOT { 0 } else { seq(first) };
        let mut statement = connection
            .prepare_cached(
                "SELECT place, chain, lines FROM records WHERE place BETWEEN ?1 AND ?2 ORDER BY place",
            )
            .map_err(failed)?;
        let mut rows = statement.query([first, place(self.number, u64::MAX)]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let at = seq(row.get(0).map_err(failed)?);
            let stored: Vec<u8> = row.get(1).map_err(failed)?;
            if at != next {
                return Err(self.broken(&format!("record {next} is missing")));
            }
            let lines = packer.unpack(row.get(2).map_err(failed)?);
            let lines =
                lines.map_err(|why| self.broken(&format!("the row of record {at} is damaged: {why}")))?;
            let mut flow = ControlFlow::Continue(());
            for bytes in lines.split(|byte| *byte == b'\n') {
                chain = journal::link(&chain, bytes);
                if flow.is_continue() {
                    flow = visit(&RawRecord { run: self.run, number: next, bytes, chain })?;
                }
                next += 1;
            }
            if chain != stored.as_slice() {
                let last = next - 1;
                let which =
                    if last == at { format!("record {at}") } else { format!("records {at} to {last}") };
                let what = format!("run {}, {which}: the chain is broken", self.run);
                return Err(Fault::new("journal.chain", 21, what));
            }
            if next == self.least && self.chain != chain {
                let why = format!("the journal is another than its run's after record {next}");
                return Err(self.broken(&why));
            }
            if flow.is_break() {
                return Ok(next);
            }
        }
        if next < self.least {
            let least = self.least;
            return Err(self.broken(&format!("of {least} records only the first {next} are left")));
        }
        Ok(next)
    }

    fn broken(&self, why: &str) -> Fault {
        Fault::new("journal.chain", 21, format!("run {}: {why}", self.run))
    }

    fn empty(&self) -> Fault {
        Fault::new("journal.empty", 21, format!("run {}: its journal has no record", self.run))
    }
}
