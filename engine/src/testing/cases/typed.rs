//! Values of a declared type, read from YAML with a finding at the exact place.

use serde_json::{Map, Value, json};

use crate::blob::{BlobRef, Blobs, MemoryBlobs};
use crate::graph::diagnostic::Report;
use crate::graph::yaml::Node;
use crate::types::{Record, Type};

/// How much of a value must be there.
#[derive(Clone, Copy)]
pub(super) enum Mode<'b> {
    /// A whole value: what is left out is empty, texts go to the blobs.
    Whole(&'b MemoryBlobs),
    /// A part to compare with: what is left out is not looked at, texts stay texts.
    Part,
}

/// The value of type `ty` that stands at `node`. Nothing after a finding.
pub(super) fn value(ty: &Type, node: &Node, mode: Mode<'_>, report: &mut Report<'_>) -> Option<Value> {
    match ty {
        Type::Optional(_) if node.json().is_null() => Some(Value::Null),
        Type::Optional(inner) => value(inner, node, mode, report),
        Type::Record(record) => fields(ty, record, node, mode, report),
        Type::List(item) => match node.items() {
            Some(items) => {
                let items: Vec<_> = items.iter().map(|one| value(item, one, mode, report)).collect();
                items.into_iter().collect::<Option<Vec<_>>>().map(Value::Array)
            }
            None => wrong(ty, node, report),
        },
        Type::Map(item) => match node.entries() {
            Some(entries) => {
                let pair = |(key, one): &(_, Node)| {
                    let key: &crate::graph::yaml::Key = key;
                    Some((key.name.clone(), value(item, one, mode, report)?))
                };
                let pairs: Vec<_> = entries.iter().map(pair).collect();
                pairs.into_iter().collect::<Option<Map<_, _>>>().map(Value::Object)
            }
            None => wrong(ty, node, report),
        },
        Type::Text | Type::Diff => match (node.text(), mode) {
            (Some(text), Mode::Whole(blobs)) => Some(stored(text, blobs)),
            (Some(text), Mode::Part) => Some(Value::from(text)),
            (None, _) => wrong(ty, node, report),
        },
        Type::Enum(words) => match node.text() {
            Some(text) if words.iter().any(|word| word == text) => Some(Value::from(text)),
            Some(text) => {
                let shown: String = text.chars().take(60).collect();
                let found = report.error("E030", &node.span, format!("`{shown}` is none of its words"));
                found.label(format!("expected {ty}")).suggest(text, words.iter().map(String::as_str));
                None
            }
            None => wrong(ty, node, report),
        },
        plain => leaf(plain, node, report),
    }
}

/// What a value of this type is when nobody says what it is.
pub(super) fn empty(ty: &Type) -> Value {
    match ty {
        Type::String | Type::Path => json!(""),
        Type::Text | Type::Diff => json!(BlobRef::default()),
        Type::Int => json!(0),
        Type::Float => json!(0.0),
        Type::Bool => json!(false),
        Type::Duration => json!("0s"),
        Type::List(_) => json!([]),
        Type::Map(_) => json!({}),
        Type::Enum(words) => json!(words.first()),
        Type::Optional(_) => Value::Null,
        Type::Record(record) => {
            record.fields.iter().map(|(name, field)| (name.clone(), empty(&field.ty))).collect()
        }
    }
}

fn fields(ty: &Type, record: &Record, node: &Node, mode: Mode<'_>, report: &mut Report<'_>) -> Option<Value> {
    let Some(entries) = node.entries() else { return wrong(ty, node, report) };
    let mut values = Map::new();
    let mut whole = true;
    for (key, one) in entries {
        let Some(field) = record.fields.get(&key.name) else {
            let name = if record.name.is_empty() { "the record" } else { &record.name };
            report
                .error("E025", &key.span, format!("{name} has no field `{}`", key.name))
                .suggest(&key.name, record.fields.keys().map(String::as_str));
            whole = false;
            continue;
        };
        match value(&field.ty, one, mode, report) {
            Some(value) => drop(values.insert(key.name.clone(), value)),
            None => whole = false,
        }
    }
    if let Mode::Whole(_) = mode {
        for (name, field) in &record.fields {
            values.entry(name.as_str()).or_insert_with(|| empty(&field.ty));
        }
    }
    whole.then_some(Value::Object(values))
}

fn leaf(ty: &Type, node: &Node, report: &mut Report<'_>) -> Option<Value> {
    let json = node.json();
    if let Err(mismatch) = ty.check(&json) {
        let found = report.error("E030", &node.span, mismatch.message);
        found.label(format!("expected {ty}"));
        if matches!(ty, Type::String) && node.text().is_some() {
            found.help("a text that looks like something else must be quoted");
        }
        return None;
    }
    Some(json)
}

fn wrong(ty: &Type, node: &Node, report: &mut Report<'_>) -> Option<Value> {
    report
        .error("E030", &node.span, format!("expected {ty}, found {}", node.shape()))
        .label(format!("expected {ty}"));
    None
}

fn stored(text: &str, blobs: &MemoryBlobs) -> Value {
    // Blobs in memory take everything.
    let blob = blobs.put(text.as_bytes()).unwrap_or_else(|_| BlobRef::of(text.as_bytes()));
    json!(blob)
}
