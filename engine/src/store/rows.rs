//! The table of runs: listing, finding, and what was wanted of one from outside.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::{Row, params};
use serde::Serialize;
use serde_json::Value;

use super::Store;
use super::error::sql;
use crate::{Fault, canonical};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Created and never begun.
    Created,
    /// At work, or killed while at work: [`Store::is_live`] tells which.
    Running,
    /// It reached an end.
    Ended,
    /// It stopped before its end and can be resumed.
    Stopped,
    /// It waits for a person.
    Waiting,
    /// Somebody ended it.
    Cancelled,
}

impl RunStatus {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Created, Self::Running, Self::Ended, Self::Stopped, Self::Waiting, Self::Cancelled];

    /// The word in the store and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Ended => "ended",
            Self::Stopped => "stopped",
            Self::Waiting => "waiting",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more will happen in the run.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Ended | Self::Cancelled)
    }
}

/// Which runs are meant: those that every condition here holds for. The default means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those that stand in one of these ways; all when empty.
    pub statuses: Vec<RunStatus>,
    /// Those of the graph of this name.
    pub graph: Option<String>,
    /// Those created then or later, in milliseconds since the Unix epoch.
    pub created_after_ms: Option<u64>,
    /// Those created before then.
    pub created_before_ms: Option<u64>,
    /// Those that last wrote before then.
    pub updated_before_ms: Option<u64>,
    /// Those that come after the run of this id in the order of a list: the next page.
    pub before: Option<String>,
    /// So many at most.
    pub limit: Option<usize>,
}

/// A run as the table knows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunRow {
    #[serde(skip)]
    pub(super) number: i64,
    /// Its id.
    pub id: String,
    /// The graph's name.
    pub graph: String,
    /// When it was created, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// When it last wrote, to the second: a row is not written anew for each of many records.
    pub updated_ms: u64,
    /// Where it stands.
    pub status: RunStatus,
    /// The result (see [`crate::run::RunResult`]) as it last stopped or ended; else null.
    pub result: Value,
    /// Facts of this machine only.
    pub local: Value,
}

const COLUMNS: &str = "SELECT number, id, graph, created_ms, updated_ms, status, result, local FROM runs";

impl Store {
    /// All runs, the newest first.
    ///
    /// # Errors
    /// Exit 6 when the store cannot be read.
    pub fn list(&self) -> Result<Vec<RunRow>, Fault> {
        self.list_by(&Filter::default())
    }

    /// The runs that all conditions of `filter` hold for, the newest first.
    ///
    /// # Errors
    /// Exit 2 when `filter.before` is no run, 6 when the store cannot be read.
    pub fn list_by(&self, filter: &Filter) -> Result<Vec<RunRow>, Fault> {
        let before = filter.before.as_ref().map(|id| self.row(id)).transpose()?;
        let words: Vec<&str> = filter.statuses.iter().map(|status| status.word()).collect();
        let words = (!words.is_empty()).then(|| canonical::to_string(&Value::from(words)));
        let ms = |ms: Option<u64>| ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
        let limit = filter.limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
        self.rows(
            "WHERE (?1 IS NULL OR graph = ?1)
             AND (?2 IS NULL OR status IN (SELECT value FROM json_each(?2)))
             AND (?3 IS NULL OR created_ms >= ?3) AND (?4 IS NULL OR created_ms < ?4)
             AND (?5 IS NULL OR updated_ms < ?5)
             AND (?6 IS NULL OR (created_ms, id) < (?6, ?7))
             ORDER BY created_ms DESC, id DESC LIMIT ?8",
            params![
                filter.graph,
                words,
                ms(filter.created_after_ms),
                ms(filter.created_before_ms),
                ms(filter.updated_before_ms),
                before.as_ref().map(|row| row.created_ms.cast_signed()),
                before.as_ref().map(|row| row.id.as_str()),
                limit,
            ],
        )
    }

    /// The run with exactly this id.
    ///
    /// # Errors
    /// Exit 2 when there is none, 6 when the store cannot be read.
    pub fn row(&self, id: &str) -> Result<RunRow, Fault> {
        self.rows("WHERE id = ?1", params![id])?.pop().ok_or_else(|| unknown(id))
    }

    /// The id that `name` means: an id, the beginning of just one, or `@latest`.
    ///
    /// # Errors
    /// Exit 2 when it means no run or several, 6 when the store cannot be read.
    pub fn find(&self, name: &str) -> Result<String, Fault> {
        if name == "@latest" {
            let latest = self.list_by(&Filter { limit: Some(1), ..Filter::default() })?.pop();
            return latest
                .map(|row| row.id)
                .ok_or_else(|| Fault::new("run.unknown", 2, "there is no run yet"));
        }
        // An id is ASCII, so that nothing which begins with `name` sorts behind this.
        let behind = format!("{name}\u{7f}");
        let mut matching = self
            .rows("WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 2", params![name, behind])?
            .into_iter()
            .map(|row| row.id)
            .filter(|id| id.starts_with(name) && !name.is_empty());
        match (matching.next(), matching.next()) {
            (Some(id), None) => Ok(id),
            (Some(id), Some(_)) if id == name => Ok(id),
            (Some(a), Some(b)) => {
                Err(Fault::new("run.ambiguous", 2, format!("`{name}` means several runs: {a}, {b} …")))
            }
            (None, _) => Err(unknown(name)),
        }
    }

    /// Asks whoever owns the run, now or later, to end it.
    ///
    /// # Errors
    /// Exit 6 when the store cannot be written.
    pub fn want_cancel(self: &Arc<Self>, id: &str) -> Result<(), Fault> {
        self.lock()
            .execute("UPDATE runs SET wanted = 'cancel' WHERE id = ?1", [id])
            .map_err(|e| sql(&e, "cancel the run"))?;
        self.wishes.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// Rises with every wish of this process to end a run; those of other processes are in the database alone.
    pub(crate) fn wishes(&self) -> u64 {
        self.wishes.load(Ordering::Relaxed)
    }

    /// Whether somebody asked for the run to be ended.
    ///
    /// # Errors
    /// Exit 6 when the store cannot be read.
    pub fn cancel_wanted(&self, id: &str) -> Result<bool, Fault> {
        self.lock()
            .prepare_cached("SELECT wanted IS NOT NULL FROM runs WHERE id = ?1")
            .and_then(|mut statement| statement.query_row([id], |row| row.get(0)))
            .map_err(|e| sql(&e, "read the run"))
    }

    fn rows(&self, tail: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<RunRow>, Fault> {
        let failed = |e: rusqlite::Error| sql(&e, "list runs");
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&format!("{COLUMNS} {tail}")).map_err(failed)?;
        let rows = statement.query_map(values, read).map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }
}

fn read(row: &Row<'_>) -> Result<RunRow, rusqlite::Error> {
    let json =
        |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null);
    let word: String = row.get(5)?;
    Ok(RunRow {
        number: row.get(0)?,
        id: row.get(1)?,
        graph: row.get(2)?,
        created_ms: row.get::<_, i64>(3)?.cast_unsigned(),
        updated_ms: row.get::<_, i64>(4)?.cast_unsigned(),
        // A word of a later program: at least it is not over as far as we know.
        status: RunStatus::ALL.into_iter().find(|status| status.word() == word).unwrap_or(RunStatus::Stopped),
        result: json(row.get(6)?),
        local: json(Some(row.get(7)?)),
    })
}

pub(super) fn unknown(name: &str) -> Fault {
    Fault::new("run.unknown", 2, format!("there is no run `{}`", name.escape_debug()))
        .help("`prunella runs list` shows the runs of this store")
}
