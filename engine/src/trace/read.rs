//! Reading a trace that may come from anybody: whatever the bytes, the answer is a verified trace or what is
//! damaged, with the records before it that are sound.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::blobs::{self, Missing};
use super::{MAGIC, Trace};
use crate::blob::BlobRef;
use crate::journal::{self, Record};
use crate::store::Sealed;
use crate::{Fault, NodeError, canonical, format};

/// The longest line, in bytes: large values are blobs, and JSON in memory is many times as large as its text.
const LONGEST_LINE: usize = 64 << 20;

/// A trace that is not whole.
#[derive(Debug)]
pub struct Damage {
    /// What is damaged and where: exit 21, or 22 for a newer format.
    pub fault: Fault,
    /// The records before the damage, verified.
    pub valid: Vec<Sealed>,
}

/// Reads and verifies a trace: its form, the chain, and that every blob is there and is what its hash says.
///
/// # Errors
/// What is damaged, with the valid prefix.
pub fn read(bytes: &[u8]) -> Result<Trace, Box<Damage>> {
    let mut file = File { bytes, at: 0, records: Vec::new(), packed: BTreeMap::new() };
    match file.read() {
        Ok(()) => {}
        Err(fault) => return Err(damage(fault, file.records)),
    }
    let File { mut records, packed, .. } = file;
    let fetch = |blob: &BlobRef| match packed.get(&blob.hash) {
        Some(packed) => Ok(packed.to_vec()),
        None => Err(NodeError::new("blob.missing", format!("blob {} is not in the trace", blob.hash))),
    };
    match blobs::collect(&records, &fetch) {
        Ok(blobs) => Ok(Trace { records, blobs: Arc::new(blobs) }),
        Err(Missing { record, fault }) => {
            records.truncate(record);
            Err(damage(fault, records))
        }
    }
}

fn damage(fault: Fault, valid: Vec<Sealed>) -> Box<Damage> {
    let message = format!("{} (the {} records before it are valid)", fault.message, valid.len());
    Box::new(Damage { fault: Fault { message, ..fault }, valid })
}

struct File<'a> {
    bytes: &'a [u8],
    at: usize,
    records: Vec<Sealed>,
    packed: BTreeMap<String, &'a [u8]>,
}

impl<'a> File<'a> {
    fn read(&mut self) -> Result<(), Fault> {
        let first = self.line()?;
        let found = first.get(MAGIC).and_then(Value::as_u64);
        let found = found.ok_or_else(|| damaged("trace.magic", "this is no prunella trace".to_owned()))?;
        format::readable("the trace", u32::try_from(found).unwrap_or(u32::MAX), format::TRACE)?;
        loop {
            let value = self.line()?;
            if let (Some(chain), Some(record)) =
                (value.get("chain").and_then(Value::as_str), value.get("record"))
            {
                self.record(chain, record)?;
            } else if let Some(hash) = value.get("blob").and_then(Value::as_str) {
                self.blob(hash, &value)?;
            } else if let Some(end) = value.get("end") {
                return self.end(end);
            } else {
                return Err(self.wrong("the line is neither record, blob nor end"));
            }
        }
    }

    /// The next line, as the canonical JSON it must be.
    fn line(&mut self) -> Result<Value, Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(length) = rest.iter().position(|byte| *byte == b'\n') else {
            return Err(damaged("trace.torn", format!("the trace is cut off at byte {}", self.bytes.len())));
        };
        if length > LONGEST_LINE {
            return Err(self.wrong(&format!("the line has {length} bytes; {LONGEST_LINE} are allowed")));
        }
        let line = rest.get(..length).unwrap_or_default();
        let value: Value = serde_json::from_slice(line).map_err(|e| {
            let code = if self.at == 0 { "trace.magic" } else { "trace.line" };
            damaged(code, format!("{}: no JSON: {e}", self.place()))
        })?;
        if !canonical::is(&value, line) {
            return Err(self.wrong("the line is not in canonical form"));
        }
        self.at += length + 1;
        Ok(value)
    }

    fn record(&mut self, chain: &str, record: &Value) -> Result<(), Fault> {
        let number = self.records.len();
        if !self.packed.is_empty() {
            return Err(self.wrong("a record stands among the blobs"));
        }
        let bytes = canonical::to_bytes(record);
        let link = journal::link(self.records.last().map_or(&journal::ROOT, |last| &last.chain), &bytes);
        if blake3::Hash::from_bytes(link).to_hex().as_str() != chain {
            return Err(damaged("journal.chain", format!("record {number}: the chain is broken")));
        }
        // The format number is looked at before the rest, which a newer program may write differently.
        if number == 0 {
            let found = record.get("format").and_then(Value::as_u64).unwrap_or(0);
            format::readable("the journal", u32::try_from(found).unwrap_or(u32::MAX), format::JOURNAL)?;
        }
        let record = journal::decode(&bytes).map_err(|fault| fault.at(format!("record {number}")))?;
        if (number == 0) != matches!(record, Record::Header(_)) {
            return Err(damaged(
                "journal.header",
                format!("record {number}: the header is the first record, and only that"),
            ));
        }
        self.records.push(Sealed { record, bytes, chain: link });
        Ok(())
    }

    fn blob(&mut self, hash: &str, line: &Value) -> Result<(), Fault> {
        let length = line.get("zstd").and_then(Value::as_u64).and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or_else(|| self.wrong("the blob has no length"))?;
        let end = self.at.checked_add(length).filter(|end| *end < self.bytes.len());
        let content = end.and_then(|end| self.bytes.get(self.at..end));
        let Some((end, content)) = end.zip(content) else {
            return Err(damaged(
                "trace.torn",
                format!("the trace is cut off in blob {}", hash.escape_debug()),
            ));
        };
        if self.bytes.get(end) != Some(&b'\n') {
            return Err(self.wrong("the blob does not end where it should"));
        }
        self.packed.insert(hash.to_owned(), content);
        self.at = end + 1;
        Ok(())
    }

    fn end(&self, end: &Value) -> Result<(), Fault> {
        let count = |name: &str| end.get(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        if count("records") != Some(self.records.len()) || count("blobs") != Some(self.packed.len()) {
            return Err(damaged("trace.torn", "records or blobs are missing before the end".to_owned()));
        }
        if self.at != self.bytes.len() {
            return Err(self.wrong("there is something after the end"));
        }
        if self.records.is_empty() {
            return Err(damaged("journal.header", "the trace has no header".to_owned()));
        }
        Ok(())
    }

    fn wrong(&self, why: &str) -> Fault {
        damaged("trace.line", format!("{}: {why}", self.place()))
    }

    fn place(&self) -> String {
        format!("after record {}, at byte {}", self.records.len(), self.at)
    }
}

fn damaged(code: &str, message: String) -> Fault {
    Fault::new(code, 21, message)
}
