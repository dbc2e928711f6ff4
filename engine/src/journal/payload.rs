//! Values of records: small ones stand inline, large ones are blobs, and what is in the output already is named.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::blob::{BlobRef, Blobs};
use crate::{Fault, canonical};

/// The most canonical bytes that stand in a record.
const INLINE: usize = 16 * 1024;

/// A value of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// The value itself.
    Inline(Value),
    /// A blob that holds the value's canonical JSON.
    Blob(BlobRef),
    /// In a commit's writes: this field of its output, or the whole output when empty.
    Output(String),
}

impl Payload {
    /// Packs `value`; its large form goes to `blobs`.
    ///
    /// # Errors
    /// When the blob cannot be stored.
    pub fn pack(value: &Value, blobs: &dyn Blobs) -> Result<Self, Fault> {
        if canonical::fits(value, INLINE) {
            return Ok(Self::Inline(value.clone()));
        }
        Ok(Self::Blob(blobs.put(&canonical::to_bytes(value))?))
    }

    /// Packs a written value of a commit whose output is `output`: what the output holds is not stored twice.
    ///
    /// # Errors
    /// When the blob cannot be stored.
    pub fn pack_write(value: &Value, output: &Value, blobs: &dyn Blobs) -> Result<Self, Fault> {
        if value == output {
            return Ok(Self::Output(String::new()));
        }
        let field = output.as_object().and_then(|map| map.iter().find(|(_, item)| *item == value));
        match field {
            // Naming a scalar saves nothing, and the record reads better with it.
            Some((name, Value::Array(_) | Value::Object(_) | Value::String(_))) if !name.is_empty() => {
                Ok(Self::Output(name.clone()))
            }
            _ => Self::pack(value, blobs),
        }
    }

    /// Whether it is `value`. `output` is the commit's, for its writes. Copies nothing that stands in the record.
    ///
    /// # Errors
    /// As [`Payload::unpack`].
    pub(crate) fn holds(&self, value: &Value, output: &Value, blobs: &dyn Blobs) -> Result<bool, Fault> {
        Ok(match self {
            Self::Inline(inline) => inline == value,
            Self::Output(name) if name.is_empty() => output == value,
            Self::Output(name) => output.get(name) == Some(value),
            Self::Blob(_) => self.unpack(output, blobs)? == *value,
        })
    }

    /// The value again. `output` is the commit's, for its writes; null elsewhere.
    ///
    /// # Errors
    /// When a blob is missing or is no JSON, or the output has no such field (exit 21).
    pub fn unpack(&self, output: &Value, blobs: &dyn Blobs) -> Result<Value, Fault> {
        let damaged = |why: String| Fault::new("journal.payload", 21, why);
        match self {
            Self::Inline(value) => Ok(value.clone()),
            Self::Blob(blob) => {
                let bytes = blobs.get(blob).map_err(|e| damaged(e.message))?;
                serde_json::from_slice(&bytes).map_err(|e| damaged(format!("blob {}: {e}", blob.hash)))
            }
            Self::Output(name) if name.is_empty() => Ok(output.clone()),
            Self::Output(name) => {
                output.get(name).cloned().ok_or_else(|| damaged(format!("the output has no field `{name}`")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::MemoryBlobs;
    use serde_json::json;

    #[test]
    fn a_payload_reads_back_and_repeats_nothing() {
        let blobs = MemoryBlobs::default();
        let output = json!({"a": "x".repeat(40_000), "n": 1});
        for (value, packed) in [
            (output["a"].clone(), Some(Payload::Output("a".to_owned()))),
            (output.clone(), Some(Payload::Output(String::new()))),
            (json!(1), Some(Payload::Inline(json!(1)))),
            (json!("y".repeat(40_000)), None),
        ] {
            let payload = Payload::pack_write(&value, &output, &blobs).unwrap();
            if let Some(packed) = packed {
                assert_eq!(payload, packed);
            } else {
                assert!(matches!(payload, Payload::Blob(_)));
            }
            assert_eq!(payload.unpack(&output, &blobs).unwrap(), value);
        }
    }
}
