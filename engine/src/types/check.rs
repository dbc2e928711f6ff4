//! Whether a value has a type, and what does not fit where.

use std::fmt;

use serde_json::Value;

use super::{Type, duration_ms};

/// Longest `string`, in bytes; more is a `text`.
pub const MAX_STRING: usize = 64 * 1024;
/// Deepest nesting of a value.
const MAX_DEPTH: usize = 64;

/// What does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Where in the value, such as `frames[2].line`; empty for the value itself.
    pub path: String,
    /// What is wrong there, a lowercase fragment.
    pub message: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "`{}`: {}", self.path, self.message)
        }
    }
}

impl std::error::Error for Mismatch {}

impl Type {
    /// Whether `value` has this type. An absent field is null, an int is also a float, a record has no further keys.
    ///
    /// # Errors
    /// The first thing that does not fit, with its path.
    pub fn check(&self, value: &Value) -> Result<(), Mismatch> {
        walk(self, value, &mut Vec::new())
    }
}

enum Step<'v> {
    Key(&'v str),
    Index(usize),
}

fn walk<'v>(ty: &'v Type, value: &'v Value, path: &mut Vec<Step<'v>>) -> Result<(), Mismatch> {
    let wrong = |path: &[Step<'_>], message: String| Err(Mismatch { path: show(path), message });
    if path.len() > MAX_DEPTH {
        return wrong(path, "nested too deeply".to_owned());
    }
    let fits = match (ty, value) {
        (Type::Optional(_), Value::Null) => true,
        (Type::Optional(inner), _) => return walk(inner, value, path),
        (Type::String, Value::String(s)) if s.len() > MAX_STRING => {
            return wrong(path, format!("a string has at most {MAX_STRING} bytes, this one has {}", s.len()));
        }
        (Type::String, Value::String(_)) | (Type::Bool, Value::Bool(_)) | (Type::Float, Value::Number(_)) => {
            true
        }
        (Type::Text | Type::Diff, Value::Object(map)) => {
            map.len() == 2
                && map.get("$blob").and_then(Value::as_str).is_some_and(is_hash)
                && map.get("bytes").is_some_and(Value::is_u64)
        }
        (Type::Int, Value::Number(n)) => n.is_i64(),
        (Type::Path, Value::String(s)) if !is_path(s) => {
            return wrong(path, format!("`{}` is no relative path inside the repository", short(s)));
        }
        (Type::Path, Value::String(_)) => true,
        (Type::Duration, Value::String(s)) => duration_ms(s).is_some(),
        (Type::Enum(words), Value::String(s)) if !words.contains(s) => {
            return wrong(path, format!("`{}` is none of {}", short(s), words.join(", ")));
        }
        (Type::Enum(_), Value::String(_)) => true,
        (Type::List(item), Value::Array(items)) => {
            for (i, value) in items.iter().enumerate() {
                path.push(Step::Index(i));
                walk(item, value, path)?;
                path.pop();
            }
            true
        }
        (Type::Map(item), Value::Object(map)) => {
            for (key, value) in map {
                path.push(Step::Key(key));
                walk(item, value, path)?;
                path.pop();
            }
            true
        }
        (Type::Record(record), Value::Object(map)) => {
            for (name, field) in &record.fields {
                path.push(Step::Key(name));
                match map.get(name) {
                    Some(value) => walk(&field.ty, value, path)?,
                    None if matches!(field.ty, Type::Optional(_)) => {}
                    None => return wrong(path, format!("is missing, expected {}", field.ty)),
                }
                path.pop();
            }
            if let Some(key) = map.keys().find(|key| !record.fields.contains_key(key.as_str())) {
                path.push(Step::Key(key));
                let fields: Vec<&str> = record.fields.keys().map(String::as_str).collect();
                return wrong(path, format!("is no field; there is {}", fields.join(", ")));
            }
            true
        }
        _ => false,
    };
    if fits { Ok(()) } else { wrong(path, format!("expected {ty}, found {}", kind(value))) }
}

/// A path inside the repository: relative, with `/`, without `..`; empty is its top.
pub(crate) fn is_path(text: &str) -> bool {
    !text.starts_with('/')
        && text.len() <= 4096
        && !text.contains(['\\', '\0'])
        && text.split('/').all(|part| part != "..")
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn show(path: &[Step<'_>]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Key(key) => {
                out.push_str(if out.is_empty() { "" } else { "." });
                out.push_str(&short(key));
            }
            Step::Index(i) => out.push_str(&format!("[{i}]")),
        }
    }
    out
}

fn short(text: &str) -> String {
    if text.chars().count() <= 60 {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(60).collect::<String>())
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(n) if n.is_f64() => "a float",
        Value::Number(_) => "an int",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(map) if map.contains_key("$blob") => "a blob",
        Value::Object(_) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(ty: &str, value: &Value) -> Result<(), String> {
        Type::parse(ty, &mut |_| None).unwrap().check(value).map_err(|e| e.to_string())
    }

    #[test]
    fn what_fits_fits() {
        let blob = json!({"$blob": "0".repeat(64), "bytes": 3});
        for (ty, value) in [
            ("string", json!("")),
            ("text", blob.clone()),
            ("diff?", Value::Null),
            ("int", json!(-3)),
            ("float", json!(1)),
            ("path", json!("a/b.py")),
            ("duration", json!("90s")),
            ("list<enum<a|b>>", json!(["a", "b", "a"])),
            ("map<int?>", json!({"x": 1, "y": null})),
            ("{a: int, b: string?}", json!({"a": 1})),
        ] {
            assert_eq!(check(ty, &value), Ok(()), "{ty}");
        }
    }

    #[test]
    fn what_does_not_fit_says_where() {
        for (ty, value, message) in [
            ("int", json!(1.5), "expected int, found a float"),
            ("int", json!(u64::MAX), "expected int, found an int"),
            ("string", json!("x".repeat(70_000)), "a string has at most 65536 bytes, this one has 70000"),
            ("text", json!({"$blob": "x", "bytes": 1}), "expected text, found a blob"),
            ("list<{a: int}>", json!([{"a": 1}, {"a": "1"}]), "`[1].a`: expected int, found a string"),
            ("{a: {b: bool}}", json!({"a": {}}), "`a.b`: is missing, expected bool"),
            ("{a: int}", json!({"a": 1, "c": 2}), "`c`: is no field; there is a"),
            ("enum<a|b>", json!("c"), "`c` is none of a, b"),
            ("path", json!("../etc"), "`../etc` is no relative path inside the repository"),
            ("map<int>", json!({"k": null}), "`k`: expected int, found null"),
        ] {
            assert_eq!(check(ty, &value), Err(message.to_owned()), "{ty}");
        }
    }
}
