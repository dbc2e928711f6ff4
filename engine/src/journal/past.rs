//! A journal as it is read back.

use super::{Chain, Header, Record, encode, hex, link};
use crate::{Fault, format};

/// A record as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Sealed {
    /// The record.
    pub record: Record,
    /// Its canonical bytes.
    pub bytes: Vec<u8>,
    /// Its chain hash.
    pub chain: Chain,
}

impl Sealed {
    /// The chain's hash up to and with this record, in hex.
    #[must_use]
    pub fn head(&self) -> String {
        hex(&self.chain)
    }
}

/// A journal, taken apart.
#[derive(Debug, Clone)]
pub struct Past {
    /// What the run is.
    pub header: Header,
    /// The header's chain hash.
    pub root: Chain,
    /// The records after the header.
    pub records: Vec<Sealed>,
}

impl Past {
    /// Takes `sealed` apart.
    ///
    /// # Errors
    /// Exit 21 when it does not begin with a header, 22 when a newer program wrote it.
    pub fn of(sealed: Vec<Sealed>) -> Result<Self, Fault> {
        let mut records = sealed.into_iter();
        let Some(Sealed { record: Record::Header(header), chain: root, .. }) = records.next() else {
            return Err(Fault::new("journal.header", 21, "the journal does not begin with a header"));
        };
        format::readable("the journal", header.format, format::JOURNAL)?;
        Ok(Self { header, root, records: records.collect() })
    }

    /// The same journal with one more record.
    ///
    /// # Errors
    /// Never for a record of ours.
    pub(crate) fn push(&mut self, record: Record) -> Result<(), Fault> {
        let bytes = encode(&record)?;
        let chain = link(self.records.last().map_or(&self.root, |last| &last.chain), &bytes);
        self.records.push(Sealed { record, bytes, chain });
        Ok(())
    }

    /// Whether the run is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.records.last().map(|sealed| &sealed.record), Some(Record::End(_)))
    }
}
