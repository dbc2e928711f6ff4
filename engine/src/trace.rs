//! Traces: a journal that travels, in one file.
//!
//! ```text
//! {"prunella-trace":1}                                    what it is, and its format number
//! {"chain":"<hex>","record":{…}}                          each record of the journal, the header first
//! …
//! {"blob":"<hex>","bytes":<length>,"zstd":<packed>}       each blob that a record mentions, by hash:
//! <that many bytes of zstd>                               its content, then a line feed
//! …
//! {"end":{"blobs":<count>,"records":<count>}}             so that a torn file is told from a run that stopped
//! ```
//!
//! Every line is canonical JSON. A record's chain hash is the journal's own, so a trace proves what the store
//! does. Nothing of the machine is in it: local facts stay in the store.

mod blobs;
mod read;
mod write;

pub use blobs::TraceBlobs;
pub use read::{Damage, read};

use std::sync::Arc;

use crate::journal::{self, Header, Record};
use crate::run::{Past, StepView};
use crate::store::{Sealed, Store};
use crate::{Fault, format};

/// A trace in memory, verified.
#[derive(Debug, Clone)]
pub struct Trace {
    /// Its records, the header first.
    pub records: Vec<Sealed>,
    /// The blobs that they mention.
    pub blobs: Arc<TraceBlobs>,
}

impl Trace {
    /// The trace of a run in `store`, over or not.
    ///
    /// # Errors
    /// Exit 2 for an unknown run, 6 when the store cannot be read, 21 when the journal is damaged or a blob is gone.
    pub fn of_run(store: &Store, run: &str) -> Result<Self, Fault> {
        let records = store.records(run)?;
        let blobs = blobs::collect(&records, &|blob| store.get_packed(blob))
            .map_err(|missing| missing.fault.at(format!("run {run}")))?;
        Ok(Self { records, blobs: Arc::new(blobs) })
    }

    /// The file.
    ///
    /// # Errors
    /// Never for a trace of ours.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Fault> {
        write::write(self)
    }

    /// What the run is.
    ///
    /// # Errors
    /// Exit 21 when it does not begin with a header.
    pub fn header(&self) -> Result<&Header, Fault> {
        match self.records.first().map(|sealed| &sealed.record) {
            Some(Record::Header(header)) => Ok(header),
            _ => Err(Fault::new("journal.header", 21, "the trace does not begin with a header")),
        }
    }

    /// Its tasks, for a person to read.
    ///
    /// # Errors
    /// Exit 21 when a blob of an output is damaged.
    pub fn steps(&self) -> Result<Vec<StepView>, Fault> {
        let past = Past::of(self.records.clone())?;
        crate::run::steps(&past.records, self.blobs.as_ref())
    }

    /// The same trace after `edit`, with a chain that fits again. What a forger would do: replay must still tell.
    ///
    /// # Errors
    /// Never for a trace of ours.
    pub fn resealed(&self, edit: &mut dyn FnMut(&mut Record)) -> Result<Self, Fault> {
        let mut chain = journal::ROOT;
        let mut records = Vec::with_capacity(self.records.len());
        for sealed in &self.records {
            let mut record = sealed.record.clone();
            edit(&mut record);
            let bytes = journal::encode(&record)?;
            chain = journal::link(&chain, &bytes);
            records.push(Sealed { record, bytes, chain });
        }
        Ok(Self { records, blobs: Arc::clone(&self.blobs) })
    }
}

/// The key of the first line.
const MAGIC: &str = "prunella-trace";

/// The first line of a file of ours.
fn magic() -> String {
    format!("{{\"{MAGIC}\":{}}}", format::TRACE)
}
