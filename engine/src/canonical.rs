//! Canonical JSON: one byte string for one value, so that a hash of it means something.
//!
//! Objects are written with their keys in byte order, no white space, and numbers as `serde_json` prints them.
//! The order does not depend on whether some crate in the build turned on `serde_json/preserve_order`.

use serde_json::Value;

/// The canonical bytes of `value`.
#[must_use]
pub fn to_string(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// The BLAKE3 hash, in hex, of the canonical bytes of `value`.
#[must_use]
pub fn hash(value: &Value) -> String {
    blake3::hash(to_string(value).as_bytes()).to_hex().to_string()
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            out.push('{');
            for (i, (key, item)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write(item, out);
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value = json!({"b": [{"z": 1, "a": null}], "a": "é\n"});
        assert_eq!(to_string(&value), r#"{"a":"é\n","b":[{"a":null,"z":1}]}"#);
    }
}
