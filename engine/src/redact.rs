//! Known secret values are taken out where an effect hands its response over, so that a live node sees exactly
//! what a resumed or replayed one sees.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::NodeError;
use crate::blob::{BlobRef, Blobs};

/// Values shorter than this are not looked for: replacing them would tear ordinary text apart.
const SHORTEST: usize = 6;

/// Replaces known secret values by `[redacted:NAME]`.
#[derive(Clone, Default)]
pub struct Redactor {
    /// What to look for and what to write instead, longest first.
    pairs: Arc<Vec<(String, String)>>,
}

impl Redactor {
    /// A redactor for these secrets, as (name, value). Values of fewer than six bytes are ignored.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut pairs = Vec::new();
        for (name, value) in secrets {
            if value.len() < SHORTEST {
                continue;
            }
            let mark = format!("[redacted:{name}]");
            let quoted = Value::String(value.clone()).to_string();
            let escaped = quoted[1..quoted.len() - 1].to_owned();
            if escaped != value {
                pairs.push((escaped, mark.clone()));
            }
            pairs.push((value, mark));
        }
        pairs.sort_by(|a, b| (b.0.len(), &a.0).cmp(&(a.0.len(), &b.0)));
        Self { pairs: Arc::new(pairs) }
    }

    /// The length of the longest secret, in bytes: a text that may go on is safe up to that many bytes before its end.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.pairs.first().map_or(0, |(secret, _)| secret.len())
    }

    /// `text` without the secrets.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for (secret, mark) in self.pairs.iter() {
            if out.contains(secret.as_str()) {
                out = out.replace(secret.as_str(), mark);
            }
        }
        out
    }

    /// `value` without the secrets, in its strings and keys at any depth.
    #[must_use]
    pub fn value(&self, value: Value) -> Value {
        if self.pairs.is_empty() {
            return value;
        }
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(map) => {
                let clean = map.into_iter().map(|(key, item)| (self.text(&key), self.value(item)));
                Value::Object(clean.collect::<Map<_, _>>())
            }
            scalar => scalar,
        }
    }

    /// `blobs`, with everything that is put into it redacted first.
    #[must_use]
    pub fn blobs(&self, blobs: Arc<dyn Blobs>) -> Arc<dyn Blobs> {
        if self.pairs.is_empty() { blobs } else { Arc::new(Cleaned { redactor: self.clone(), blobs }) }
    }
}

struct Cleaned {
    redactor: Redactor,
    blobs: Arc<dyn Blobs>,
}

impl Blobs for Cleaned {
    fn put(&self, content: &[u8]) -> Result<BlobRef, NodeError> {
        match std::str::from_utf8(content) {
            Ok(text) => self.blobs.put(self.redactor.text(text).as_bytes()),
            // Text with stray bytes is rendered with U+FFFD by every reader, so nothing is lost by doing it here;
            // content without a secret stays as it is.
            Err(_) => {
                let text = String::from_utf8_lossy(content);
                let clean = self.redactor.text(&text);
                self.blobs.put(if clean == text { content } else { clean.as_bytes() })
            }
        }
    }

    fn get(&self, blob: &BlobRef) -> Result<Vec<u8>, NodeError> {
        self.blobs.get(blob)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::MemoryBlobs;
    use serde_json::json;

    #[test]
    fn secrets_are_gone_from_values_keys_and_blobs() {
        let redactor = Redactor::new([
            ("TOKEN".to_owned(), "hunter2-\"x".to_owned()),
            ("PIN".to_owned(), "1234".to_owned()),
        ]);
        let value =
            redactor.value(json!({"hunter2-\"x": ["1234 a hunter2-\"x b", r#"{"t":"hunter2-\"x"}"#]}));
        assert_eq!(
            value,
            json!({"[redacted:TOKEN]": ["1234 a [redacted:TOKEN] b", r#"{"t":"[redacted:TOKEN]"}"#]})
        );
        let blobs = redactor.blobs(Arc::new(MemoryBlobs::default()));
        let blob = blobs.put(b"k=hunter2-\"x\xff").unwrap();
        assert_eq!(blobs.get(&blob).unwrap(), "k=[redacted:TOKEN]\u{fffd}".as_bytes());
    }
}
