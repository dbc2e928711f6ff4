//! Canonical JSON: one byte string for one value, so that a hash of it means something.
//!
//! Objects are written with their keys in byte order, no white space, and numbers as `serde_json` prints them.
//! The order does not depend on whether some crate in the build turned on `serde_json/preserve_order`.

use std::io::{self, Write};

use serde_json::Value;

/// The canonical bytes of `value`, as text.
#[must_use]
pub fn to_string(value: &Value) -> String {
    // What `serde_json` writes is UTF-8.
    String::from_utf8(to_bytes(value)).unwrap_or_default()
}

/// The canonical bytes of `value`.
#[must_use]
pub fn to_bytes(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    // Writing to memory does not fail.
    let _ = write(value, &mut out);
    out
}

/// The BLAKE3 hash, in hex, of the canonical bytes of `value`.
#[must_use]
pub fn hash(value: &Value) -> String {
    blake3::hash(&to_bytes(value)).to_hex().to_string()
}

/// Whether `bytes` are the canonical bytes of `value`.
#[must_use]
pub fn is(value: &Value, bytes: &[u8]) -> bool {
    let mut rest = Matching(bytes);
    write(value, &mut rest).is_ok() && rest.0.is_empty()
}

/// Whether the canonical bytes of `value` are at most `most`. Costs no more than to write that many.
#[must_use]
pub fn fits(value: &Value, most: usize) -> bool {
    write(value, &mut Room(most)).is_ok()
}

fn write(value: &Value, out: &mut impl Write) -> io::Result<()> {
    match value {
        Value::Array(items) => {
            out.write_all(b"[")?;
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.write_all(b",")?;
                }
                write(item, out)?;
            }
            out.write_all(b"]")
        }
        Value::Object(map) => {
            out.write_all(b"{")?;
            // Without `preserve_order` the map is sorted as it is.
            if map.keys().is_sorted() {
                entries(map.iter(), out)?;
            } else {
                let mut sorted: Vec<_> = map.iter().collect();
                sorted.sort_by(|a, b| a.0.cmp(b.0));
                entries(sorted.into_iter(), out)?;
            }
            out.write_all(b"}")
        }
        scalar => Ok(serde_json::to_writer(out, scalar)?),
    }
}

fn entries<'a>(
    entries: impl Iterator<Item = (&'a String, &'a Value)>,
    out: &mut impl Write,
) -> io::Result<()> {
    for (i, (key, item)) in entries.enumerate() {
        if i > 0 {
            out.write_all(b",")?;
        }
        serde_json::to_writer(&mut *out, key.as_str())?;
        out.write_all(b":")?;
        write(item, out)?;
    }
    Ok(())
}

/// Takes only these bytes.
struct Matching<'a>(&'a [u8]);

impl Write for Matching<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes this many bytes and forgets them.
struct Room(usize);

impl Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value = json!({"b": [{"z": 1, "a": null}], "a": "é\n"});
        assert_eq!(to_string(&value), r#"{"a":"é\n","b":[{"a":null,"z":1}]}"#);
    }

    fn values() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(|f| json!(f)),
            "[a\"\\\\é\n]{0,4}".prop_map(Value::from),
        ];
        scalar.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[ab\"é]{0,2}", inner), 0..4)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_bytes_are_the_values_own(value in values(), other in values()) {
            let bytes = to_bytes(&value);
            prop_assert_eq!(&serde_json::from_slice::<Value>(&bytes).unwrap(), &value);
            prop_assert!(is(&value, &bytes));
            prop_assert_eq!(is(&other, &bytes), to_bytes(&other) == bytes);
            prop_assert!(!is(&value, &bytes[1..]) && !is(&value, &[&bytes[..], b" "].concat()));
            prop_assert!(fits(&value, bytes.len()) && !fits(&value, bytes.len() - 1));
        }
    }
}
