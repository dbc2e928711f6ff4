//! The blobs of a trace: found from the records, kept packed.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::blob::{BlobRef, Blobs, MemoryBlobs};
use crate::journal::Payload;
use crate::store::{Sealed, unpack};
use crate::{Fault, NodeError, journal};

/// The most bytes that the blobs of a trace unpack to, all together: a few kilobytes may claim gigabytes.
const MOST_UNPACKED: u64 = 4 << 30;

/// The most bytes of a blob that is read as JSON; in memory that is many times as much.
const MOST_JSON: u64 = 64 << 20;

/// Blobs that came with a trace, and those that a replay makes.
#[derive(Debug, Default)]
pub struct TraceBlobs {
    packed: BTreeMap<String, (BlobRef, Vec<u8>)>,
    made: MemoryBlobs,
}

impl TraceBlobs {
    /// The packed blobs by hash.
    pub(super) fn packed(&self) -> impl Iterator<Item = &(BlobRef, Vec<u8>)> {
        self.packed.values()
    }

    /// How many there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a count for people; nobody asks whether it is none")]
    pub fn len(&self) -> usize {
        self.packed.len()
    }

    /// What there is, by hash; read it with [`Blobs::get`].
    pub fn refs(&self) -> impl Iterator<Item = &BlobRef> {
        self.packed.values().map(|(blob, _)| blob)
    }

    pub(super) fn add(&mut self, blob: BlobRef, packed: Vec<u8>) {
        self.packed.insert(blob.hash.clone(), (blob, packed));
    }
}

impl Blobs for TraceBlobs {
    fn put(&self, content: &[u8]) -> Result<BlobRef, NodeError> {
        self.made.put(content)
    }

    fn get(&self, blob: &BlobRef) -> Result<Vec<u8>, NodeError> {
        match self.packed.get(&blob.hash) {
            Some((known, packed)) if known == blob => unpack(blob, packed),
            _ => self.made.get(blob),
        }
    }
}

/// A record mentions a blob that cannot be had.
pub(super) struct Missing {
    /// The record's place, from 0.
    pub(super) record: usize,
    pub(super) fault: Fault,
}

/// How a packed blob is had.
pub(super) type Fetch<'a> = dyn Fn(&BlobRef) -> Result<Vec<u8>, NodeError> + 'a;

/// All blobs that `records` mention, in them and in large values that are blobs themselves.
pub(super) fn collect(records: &[Sealed], fetch: &Fetch<'_>) -> Result<TraceBlobs, Missing> {
    collect_within(records, fetch, MOST_UNPACKED)
}

fn collect_within(records: &[Sealed], fetch: &Fetch<'_>, mut room: u64) -> Result<TraceBlobs, Missing> {
    let mut found = TraceBlobs::default();
    for (at, sealed) in records.iter().enumerate() {
        collect_of(sealed, fetch, &mut found, &mut room)
            .map_err(|fault| Missing { record: at, fault: fault.at(format!("record {at}")) })?;
    }
    Ok(found)
}

fn collect_of(
    sealed: &Sealed,
    fetch: &Fetch<'_>,
    found: &mut TraceBlobs,
    room: &mut u64,
) -> Result<(), Fault> {
    let gone = |e: NodeError| Fault { exit: 21, ..Fault::from(e) };
    let mut add = |blob: &BlobRef| -> Result<Option<Vec<u8>>, Fault> {
        if blob.bytes == 0 || found.packed.contains_key(&blob.hash) {
            return Ok(None);
        }
        *room = room.checked_sub(blob.bytes).ok_or_else(|| {
            Fault::new("blob.large", 21, format!("its blobs are too large together, at blob {}", blob.hash))
        })?;
        let packed = fetch(blob).map_err(gone)?;
        let content = unpack(blob, &packed).map_err(gone)?;
        found.add(blob.clone(), packed);
        Ok(Some(content))
    };
    let value: Value = serde_json::from_slice(&sealed.bytes)
        .map_err(|e| Fault::new("journal.record", 21, format!("no JSON: {e}")))?;
    let payloads: Vec<&BlobRef> = journal::payloads(&sealed.record)
        .into_iter()
        .filter_map(|payload| if let Payload::Blob(blob) = payload { Some(blob) } else { None })
        .collect();
    let mut mentioned = Vec::new();
    mentions(&value, &mut mentioned);
    for blob in mentioned {
        let content = add(&blob)?;
        // A large value holds references of its own. One level: what it refers to is content.
        if let (true, Some(content)) = (payloads.contains(&&blob), content) {
            if blob.bytes > MOST_JSON {
                let why = format!("the value in blob {} has {} bytes", blob.hash, blob.bytes);
                return Err(Fault::new("blob.large", 21, why));
            }
            let inner: Value = serde_json::from_slice(&content)
                .map_err(|e| Fault::new("journal.payload", 21, format!("blob {}: {e}", blob.hash)))?;
            let mut within = Vec::new();
            mentions(&inner, &mut within);
            for blob in within {
                add(&blob)?;
            }
        }
    }
    Ok(())
}

/// Every blob reference in `value`, in order.
fn mentions(value: &Value, found: &mut Vec<BlobRef>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| mentions(item, found)),
        Value::Object(map) => {
            let hash = map.get("$blob").and_then(Value::as_str).filter(|hash| hash.len() == 64);
            if let (2, Some(hash), Some(bytes)) = (map.len(), hash, map.get("bytes").and_then(Value::as_u64))
            {
                found.push(BlobRef { hash: hash.to_owned(), bytes });
            } else {
                map.values().for_each(|item| mentions(item, found));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{LogLine, ROOT, Record, encode};

    /// A record whose text mentions `blob`, as far as a reader of JSON can tell.
    fn mentioning(blobs: &[&BlobRef]) -> Sealed {
        let line =
            LogLine { lane: serde_json::from_value("a#1".into()).unwrap(), message: String::new(), at_ms: 0 };
        let record = Record::Log(line);
        let mut value: Value = serde_json::from_slice(&encode(&record).unwrap()).unwrap();
        value["more"] = serde_json::to_value(blobs).unwrap();
        Sealed { record, bytes: value.to_string().into_bytes(), chain: ROOT }
    }

    #[test]
    fn what_unpacks_to_too_much_is_refused_before_it_is_unpacked() {
        let content = vec![0; 1 << 20];
        let blob = BlobRef::of(&content);
        let bomb = zstd::bulk::compress(&content, 3).unwrap();
        assert!(bomb.len() < 200);
        let fetch = |_: &BlobRef| Ok(bomb.clone());
        assert!(collect_within(&[mentioning(&[&blob])], &fetch, 1 << 20).is_ok());
        let other = BlobRef { hash: "ab".repeat(32), bytes: 1 };
        for (blobs, room) in [(vec![&blob], (1 << 20) - 1), (vec![&blob, &other], 1 << 20)] {
            let missing = collect_within(&[mentioning(&blobs)], &fetch, room).err().unwrap();
            assert_eq!((missing.fault.code.as_ref(), missing.fault.exit), ("blob.large", 21));
        }
        // A reference that claims less than there is: unpacking stops there.
        let liar = BlobRef { bytes: 100, ..blob.clone() };
        let missing = collect_within(&[mentioning(&[&liar])], &fetch, u64::MAX).err().unwrap();
        assert_eq!(missing.fault.exit, 21);
        let huge = BlobRef { bytes: u64::MAX, ..blob };
        assert!(collect(&[mentioning(&[&huge])], &fetch).is_err());
    }
}
