//! Claims passing from one run to another.

use rusqlite::params;

use super::Store;
use super::error::sql;
use crate::Fault;

impl Store {
    /// Gives `key` to `run` when `from` holds it, or nobody; returns who holds it now.
    ///
    /// # Errors
    /// Exit 6 when the store cannot be written.
    pub fn take_over_claim(&self, key: &str, from: &str, run: &str) -> Result<String, Fault> {
        self.lock()
            .execute("UPDATE claims SET run = ?3 WHERE key = ?1 AND run = ?2", params![key, from, run])
            .map_err(|e| sql(&e, "take a claim over"))?;
        self.claim(key, run)
    }

    /// Gives up `key` when `run` holds it.
    ///
    /// # Errors
    /// Exit 6 when the store cannot be written.
    pub fn release_claim(&self, key: &str, run: &str) -> Result<(), Fault> {
        self.lock()
            .execute("DELETE FROM claims WHERE key = ?1 AND run = ?2", params![key, run])
            .map(|_| ())
            .map_err(|e| sql(&e, "give up a claim"))
    }
}
