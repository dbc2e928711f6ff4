//! What differs between two graphs.

use serde::Serialize;
use serde_json::Value;

use super::Graph;
use super::hash::form;

/// One difference of two canonical forms.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Where: `nodes.test.next[1].max_attempts`.
    pub path: String,
    /// What stood there; null where nothing did.
    pub old: Value,
    /// What stands there now; null where nothing does.
    pub new: Value,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let brief = |value: &Value| {
            let text = value.to_string();
            if text.chars().count() <= 60 {
                text
            } else {
                text.chars().take(60).chain("…".chars()).collect()
            }
        };
        match (&self.old, &self.new) {
            (Value::Null, new) => write!(f, "{}: now {}", self.path, brief(new)),
            (old, Value::Null) => write!(f, "{}: no longer {}", self.path, brief(old)),
            (old, new) => write!(f, "{}: {} -> {}", self.path, brief(old), brief(new)),
        }
    }
}

/// What differs between two graphs, in the order of their canonical forms.
#[must_use]
pub fn changes(old: &Graph, new: &Graph) -> Vec<Change> {
    changes_of(&form(old), &form(new))
}

/// The same for two canonical forms.
#[must_use]
pub fn changes_of(old: &Value, new: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare(String::new(), old, new, &mut found);
    found
}

fn compare(path: String, old: &Value, new: &Value, found: &mut Vec<Change>) {
    match (old, new) {
        (old, new) if old == new => {}
        (Value::Object(old), Value::Object(new)) => {
            let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let dot = if path.is_empty() { "" } else { "." };
                let (old, new) = (old.get(key).unwrap_or(&Value::Null), new.get(key).unwrap_or(&Value::Null));
                compare(format!("{path}{dot}{key}"), old, new, found);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (i, (old, new)) in old.iter().zip(new).enumerate() {
                compare(format!("{path}[{i}]"), old, new, found);
            }
        }
        (old, new) => found.push(Change { path, old: old.clone(), new: new.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_difference_has_its_path() {
        let old = json!({"a": {"b": [1, 2]}, "gone": 1, "same": [3]});
        let new = json!({"a": {"b": [1, 3]}, "new": "x", "same": [3]});
        let told: Vec<String> = changes_of(&old, &new).iter().map(ToString::to_string).collect();
        assert_eq!(told, ["a.b[1]: 2 -> 3", "gone: no longer 1", "new: now \"x\""]);
    }
}
