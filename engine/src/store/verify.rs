//! Looking for damage: all of it, not only the first.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::error::sql;
use super::gc::{Hash, content, mentions};
use super::records::Journal;
use super::{RunRow, Store};
use crate::Fault;
use crate::journal::Record;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The run it is about; nothing when it is the database itself.
    pub run: Option<String>,
    /// A stable name such as `journal.chain` or `blob.missing`.
    pub code: String,
    /// What is wrong and where.
    pub message: String,
}

impl Store {
    /// Looks a run, or all runs and the database, over: every page, every chain, every blob that is mentioned, and
    /// that the table of runs says what the journals say. Nothing is changed. Sound when the list is empty.
    ///
    /// # Errors
    /// Exit 2 for an unknown run, 6 when the store cannot be read at all.
    pub fn verify(&self, run: Option<&str>) -> Result<Vec<Finding>, Fault> {
        let mut found = Vec::new();
        let rows = match run {
            Some(run) => vec![self.row(run)?],
            None => {
                self.check_pages(&mut found)?;
                match self.list() {
                    Ok(rows) => rows,
                    // The pages of that very table are damaged; there is nothing to go by.
                    Err(fault) if !found.is_empty() => {
                        found.push(finding(None, &fault));
                        return Ok(found);
                    }
                    Err(fault) => return Err(fault),
                }
            }
        };
        // What is known of a blob already: nothing wrong, or what.
        let mut blobs: BTreeMap<Hash, Option<(String, String)>> = BTreeMap::new();
        for row in rows.iter().rev() {
            self.check_run(row, &mut blobs, &mut found)?;
        }
        Ok(found)
    }

    /// What SQLite finds in the pages of its file.
    fn check_pages(&self, found: &mut Vec<Finding>) -> Result<(), Fault> {
        let failed = |e: rusqlite::Error| sql(&e, "look the database over");
        let db = self.lock();
        let mut statement = db.prepare("PRAGMA integrity_check").map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        loop {
            let line: String = match rows.next() {
                Ok(Some(row)) => row.get(0).map_err(failed)?,
                Ok(None) => return Ok(()),
                Err(e) => {
                    found.push(finding(None, &failed(e)));
                    return Ok(());
                }
            };
            if line != "ok" {
                found.push(Finding { run: None, code: "store.corrupt".to_owned(), message: line });
            }
        }
    }

    fn check_run(
        &self,
        row: &RunRow,
        blobs: &mut BTreeMap<Hash, Option<(String, String)>>,
        found: &mut Vec<Finding>,
    ) -> Result<(), Fault> {
        let mut db = self.lock();
        let (tx, packer) = db.read().map_err(|e| sql(&e, "read the journal"))?;
        let run = Some(row.id.clone());
        let records = match Journal::of(&tx, &row.id).and_then(|journal| journal.read(&tx, packer, Some(0))) {
            Ok(read) => read.records,
            // Deleted in the meantime.
            Err(fault) if fault.code == "run.unknown" => return Ok(()),
            Err(fault) => {
                found.push(finding(run, &fault));
                return Ok(());
            }
        };
        let mut say = |code: &str, message: String| {
            let message = format!("run {}: {message}", row.id);
            found.push(Finding { run: run.clone(), code: code.to_owned(), message });
        };
        match records.first().map(|sealed| &sealed.record) {
            Some(Record::Header(header)) if header.run != row.id || header.graph.name != row.graph => {
                let (id, graph) = (&header.run, &header.graph.name);
                say(
                    "run.row",
                    format!("its header is that of run {id} of graph {graph}, the table says {}", row.graph),
                );
            }
            Some(Record::Header(_)) => {}
            _ => say("journal.header", "its journal does not begin with a header".to_owned()),
        }
        let ended = matches!(records.last().map(|sealed| &sealed.record), Some(Record::End(_)));
        if ended != row.status.is_over() {
            let has = if ended { "has an end" } else { "has no end" };
            say("run.row", format!("its journal {has}, the table says {}", row.status.word()));
        }
        for (number, sealed) in records.iter().enumerate() {
            let mut named = BTreeSet::new();
            mentions(&sealed.bytes, &mut named);
            for hash in named {
                let wrong = blobs
                    .entry(hash)
                    .or_insert_with(|| content(&tx, &hash).err().map(|error| (error.code, error.message)));
                if let Some((code, message)) = wrong {
                    say(code, format!("record {number}: {message}"));
                }
            }
        }
        Ok(())
    }
}

fn finding(run: Option<String>, fault: &Fault) -> Finding {
    Finding { run, code: fault.code.clone(), message: fault.message.clone() }
}
