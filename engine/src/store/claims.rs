//! Claims: at most one run that is not over holds a key.

use rusqlite::{OptionalExtension, params};

use super::Store;
use super::error::sql;
use crate::Fault;

impl Store {
    /// Claims `key` for `run` and returns who holds it: `run`, or the one that was faster and is not over. A run
    /// that stopped keeps its claims, for it can be resumed.
    ///
    /// # Errors
    /// Exit 6 when the store cannot be written.
    pub fn claim(&self, key: &str, run: &str) -> Result<String, Fault> {
        let db = self.lock();
        db.execute(
            "INSERT INTO claims (key, run) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET run = excluded.run
             WHERE NOT EXISTS (SELECT 1 FROM runs WHERE id = claims.run AND status NOT IN ('ended', 'cancelled'))",
            params![key, run],
        )
        .and_then(|_| db.query_row("SELECT run FROM claims WHERE key = ?1", [key], |row| row.get(0)))
        .map_err(|e| sql(&e, "claim"))
    }

    /// Who holds `key`, if anybody does.
    ///
    /// # Errors
    /// Exit 6 when the store cannot be read.
    pub fn claimed(&self, key: &str) -> Result<Option<String>, Fault> {
        self.lock()
            .query_row("SELECT run FROM claims WHERE key = ?1", [key], |row| row.get(0))
            .optional()
            .map_err(|e| sql(&e, "look a claim up"))
    }

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

    /// Gives up all claims of `run`.
    ///
    /// # Errors
    /// Exit 6 when the store cannot be written.
    pub fn release_claims(&self, run: &str) -> Result<(), Fault> {
        self.lock()
            .execute("DELETE FROM claims WHERE run = ?1", [run])
            .map(|_| ())
            .map_err(|e| sql(&e, "give up a claim"))
    }
}
