//! A trace as bytes.

use serde_json::{Value, json};

use super::{Trace, magic};
use crate::{Fault, canonical};

pub(super) fn write(trace: &Trace) -> Result<Vec<u8>, Fault> {
    let mut out = magic().into_bytes();
    out.push(b'\n');
    for sealed in &trace.records {
        let record: Value = serde_json::from_slice(&sealed.bytes)
            .map_err(|e| Fault::bug(format!("a record of ours is no JSON: {e}")))?;
        let chain = blake3::Hash::from_bytes(sealed.chain).to_hex().to_string();
        line(&mut out, &json!({"chain": chain, "record": record}));
    }
    for (blob, packed) in trace.blobs.packed() {
        line(&mut out, &json!({"blob": blob.hash, "bytes": blob.bytes, "zstd": packed.len()}));
        out.extend_from_slice(packed);
        out.push(b'\n');
    }
    line(&mut out, &json!({"end": {"blobs": trace.blobs.len(), "records": trace.records.len()}}));
    Ok(out)
}

fn line(out: &mut Vec<u8>, value: &Value) {
    out.extend_from_slice(canonical::to_string(value).as_bytes());
    out.push(b'\n');
}
