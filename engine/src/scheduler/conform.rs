//! Brings values to their declared types: what does not fit is named with its path.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::Fault;
use crate::types::{Record, Type};

/// The most bytes of a `string`.
const STRING: usize = 64 * 1024;

/// Checks that `value`, found at `path`, has the type `ty`. Absent optional fields of records become null.
///
/// # Errors
/// `state.type` with the path of the first part that does not fit.
pub fn conform(ty: &Type, value: &mut Value, path: &str) -> Result<(), Fault> {
    let wrong = |value: &Value| {
        let found = describe(value);
        Err(Fault::new("state.type", 3, format!("{path}: expected {ty}, found {found}")))
    };
    match (ty, &mut *value) {
        (Type::Optional(_), Value::Null) | (Type::Bool, Value::Bool(_)) => Ok(()),
        (Type::Optional(inner), _) => conform(inner, value, path),
        (Type::String, Value::String(text)) if text.len() <= STRING => Ok(()),
        (Type::String, Value::String(text)) => {
            let message = format!("{path}: a string of {} bytes; the most is {STRING}", text.len());
            Err(Fault::new("state.type", 3, message).help("declare it as `text`"))
        }
        (Type::Text | Type::Diff, Value::Object(map)) if is_blob(map) => Ok(()),
        (Type::Int, Value::Number(number)) if number.is_i64() => Ok(()),
        (Type::Float, Value::Number(_)) => Ok(()),
        (Type::Path, Value::String(text)) if is_path(text) => Ok(()),
        (Type::Duration, Value::String(text)) if is_duration(text) => Ok(()),
        (Type::Enum(words), Value::String(word)) if words.contains(word) => Ok(()),
        (Type::List(item), Value::Array(items)) => {
            items.iter_mut().enumerate().try_for_each(|(i, one)| conform(item, one, &format!("{path}[{i}]")))
        }
        (Type::Map(item), Value::Object(map)) => {
            map.iter_mut().try_for_each(|(key, one)| conform(item, one, &format!("{path}.{key}")))
        }
        (Type::Record(record), Value::Object(map)) => fields(record, map, path),
        (_, other) => wrong(other),
    }
}

/// Brings the inputs of a run to their declared types.
pub(super) fn inputs(declared: &IndexMap<String, Type>, mut inputs: Value) -> Result<Value, Fault> {
    if inputs.is_null() {
        inputs = Value::Object(Map::new());
    }
    let Value::Object(map) = &mut inputs else {
        return Err(Fault::new("run.inputs", 2, "the inputs are no map"));
    };
    let refuse = |fault: Fault| Fault { exit: 2, code: "run.inputs".to_owned(), ..fault };
    if let Some(unknown) = map.keys().find(|key| !declared.contains_key(*key)) {
        return Err(refuse(Fault::new("", 2, format!("the graph has no input `{unknown}`"))));
    }
    for (name, ty) in declared {
        match (map.get_mut(name), ty) {
            (Some(value), _) => conform(ty, value, &format!("inputs.{name}")).map_err(refuse)?,
            (None, Type::Optional(_)) => {
                map.insert(name.clone(), Value::Null);
            }
            (None, _) => return Err(refuse(Fault::new("", 2, format!("input `{name}` ({ty}) is missing")))),
        }
    }
    Ok(inputs)
}

fn fields(record: &Record, map: &mut Map<String, Value>, path: &str) -> Result<(), Fault> {
    if let Some(unknown) = map.keys().find(|key| !record.fields.contains_key(*key)) {
        return Err(Fault::new("state.type", 3, format!("{path}: {} has no field `{unknown}`", name_of(record))));
    }
    for (name, field) in &record.fields {
        match (map.get_mut(name), &field.ty) {
            (Some(value), ty) => conform(ty, value, &format!("{path}.{name}"))?,
            (None, Type::Optional(_)) => {
                map.insert(name.clone(), Value::Null);
            }
            (None, ty) => {
                let message = format!("{path}: {} needs `{name}` ({ty})", name_of(record));
                return Err(Fault::new("state.type", 3, message));
            }
        }
    }
    Ok(())
}

fn name_of(record: &Record) -> &str {
    if record.name.is_empty() { "the record" } else { &record.name }
}

fn is_blob(map: &Map<String, Value>) -> bool {
    let hash = map.get("$blob").and_then(Value::as_str).unwrap_or_default();
    map.len() == 2
        && map.get("bytes").is_some_and(Value::is_u64)
        && hash.len() == 64
        && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_path(text: &str) -> bool {
    !text.starts_with('/') && !text.contains(['\\', '\0']) && text.split('/').all(|part| part != "..")
}

fn is_duration(text: &str) -> bool {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && matches!(&text[digits.len()..], "ms" | "s" | "m" | "h" | "d")
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a bool".to_owned(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.len() <= 40 => format!("\"{}\"", text.escape_debug()),
        Value::String(_) => "a string".to_owned(),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "a map".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    crate::record! {
        /// A point.
        pub struct Point {
            /// Left to right.
            pub x: i64,
            /// What it is called.
            pub label: Option<String>,
        }
    }

    fn check(ty: &Type, mut value: Value) -> Result<Value, String> {
        conform(ty, &mut value, "key").map(|()| value).map_err(|fault| fault.message)
    }

    #[test]
    fn a_wrong_value_is_named_with_its_path() {
        use crate::types::Typed;
        let points = Type::List(Box::new(Point::ty()));
        assert_eq!(check(&points, json!([{"x": 1}])).unwrap(), json!([{"x": 1, "label": null}]));
        let fails = |value| check(&points, value).unwrap_err();
        assert_eq!(fails(json!([{"x": 1}, {"x": "a"}])), "key[1].x: expected int, found \"a\"");
        assert_eq!(fails(json!([{"x": 1, "y": 2}])), "key[0]: Point has no field `y`");
        assert_eq!(fails(json!([{"label": null}])), "key[0]: Point needs `x` (int)");
        assert_eq!(fails(json!(5)), "key: expected list<Point>, found the number 5");
        assert!(check(&Type::Path, json!("a/../b")).is_err());
        assert!(check(&Type::Text, json!({"$blob": "xyz", "bytes": 3})).is_err());
        assert!(check(&Type::Duration, json!("90s")).is_ok());
    }
}
