//! Large values live beside the state, named by their BLAKE3 hash; state and records hold references.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::NodeError;

/// A reference to stored bytes. In JSON: `{"$blob": "<hex>", "bytes": n}`.
///
/// The graph types `text` and `diff` hold one. The default is the empty blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRef {
    /// BLAKE3 of the content, lower-case hex.
    #[serde(rename = "$blob")]
    pub hash: String,
    /// Length of the content in bytes.
    pub bytes: u64,
}

impl BlobRef {
    /// The reference that `content` has, whether it is stored or not.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self { hash: blake3::hash(content).to_hex().to_string(), bytes: content.len() as u64 }
    }
}

impl Default for BlobRef {
    fn default() -> Self {
        Self::of(b"")
    }
}

/// Where blobs are kept. Writing the same content twice is one blob.
pub trait Blobs: Send + Sync {
    /// Stores `content` and says how to refer to it.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn put(&self, content: &[u8]) -> Result<BlobRef, NodeError>;

    /// The content that `blob` names.
    ///
    /// # Errors
    /// When it is not there, or its bytes do not have the hash they are filed under.
    fn get(&self, blob: &BlobRef) -> Result<Vec<u8>, NodeError>;
}

/// Blobs in memory, for tests and for replay.
#[derive(Debug, Default)]
pub struct MemoryBlobs(Mutex<BTreeMap<String, Vec<u8>>>);

impl Blobs for MemoryBlobs {
    fn put(&self, content: &[u8]) -> Result<BlobRef, NodeError> {
        let blob = BlobRef::of(content);
        let mut map = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        map.entry(blob.hash.clone()).or_insert_with(|| content.to_vec());
        Ok(blob)
    }

    fn get(&self, blob: &BlobRef) -> Result<Vec<u8>, NodeError> {
        if blob.bytes == 0 {
            return Ok(Vec::new());
        }
        let map = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        map.get(&blob.hash).cloned().ok_or_else(|| NodeError::missing_blob(blob))
    }
}
