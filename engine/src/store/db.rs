//! The connection, and what is kept beside it from one statement to the next.

use std::ops::Deref;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::lines::{Line, Packed, Packer};
use crate::Fault;

/// An open database.
pub(super) struct Db {
    connection: Connection,
    /// Packs and unpacks rows of records.
    packer: Packer,
    /// Whether commits go to the disk before they return, as SQLite was told last. None in memory, where it has
    /// no meaning.
    durable: Option<bool>,
}

impl Db {
    /// Over a connection whose tables are there.
    pub(super) fn new(connection: Connection, on_disk: bool) -> Result<Self, Fault> {
        connection.set_prepared_statement_cache_capacity(64);
        // What SQLite begins with is FULL.
        Ok(Self { connection, packer: Packer::new(on_disk)?, durable: on_disk.then_some(true) })
    }

    /// Says how far the commits that follow must have come before they return: to the disk, or to the system.
    pub(super) fn durable(&mut self, wanted: bool) -> Result<(), rusqlite::Error> {
        if self.durable.is_some_and(|now| now != wanted) {
            self.connection.pragma_update(None, "synchronous", if wanted { "FULL" } else { "NORMAL" })?;
            self.durable = Some(wanted);
        }
        Ok(())
    }

    /// A transaction that may write, and holds the database against other writers from now on.
    pub(super) fn write(&mut self) -> Result<Transaction<'_>, rusqlite::Error> {
        self.connection.transaction_with_behavior(TransactionBehavior::Immediate)
    }

    /// A transaction that reads one state of the database, with what unpacks its rows.
    pub(super) fn read(&mut self) -> Result<(Transaction<'_>, &mut Packer), rusqlite::Error> {
        Ok((self.connection.transaction()?, &mut self.packer))
    }

    /// `lines`, the first of which is record `seq`, as rows.
    pub(super) fn pack(&mut self, seq: u64, lines: &[Line]) -> Result<Vec<Packed>, Fault> {
        self.packer.rows(seq, lines)
    }
}

impl Deref for Db {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}
