//! A type of the graph language as JSON Schema, for nodes that must get such a value out of a model.

use serde_json::{Map, Value, json};

use crate::types::{Record, Type};

/// The schema of values of type `ty`.
pub(super) fn of(ty: &Type) -> Value {
    match ty {
        Type::String | Type::Text | Type::Diff => json!({"type": "string"}),
        Type::Path => json!({"type": "string", "description": "a path relative to the repository's top"}),
        Type::Duration => json!({"type": "string", "description": "a span of time such as 90s"}),
        Type::Int => json!({"type": "integer"}),
        Type::Float => json!({"type": "number"}),
        Type::Bool => json!({"type": "boolean"}),
        Type::Enum(words) => json!({"type": "string", "enum": words}),
        Type::List(item) => json!({"type": "array", "items": of(item)}),
        Type::Map(item) => json!({"type": "object", "additionalProperties": of(item)}),
        Type::Optional(inner) => json!({"anyOf": [of(inner), {"type": "null"}]}),
        Type::Record(record) => fields(record),
    }
}

fn fields(record: &Record) -> Value {
    let mut properties = Map::new();
    for (name, field) in &record.fields {
        let mut schema = of(&field.ty);
        if !field.doc.is_empty() {
            schema["description"] = Value::from(field.doc.as_str());
        }
        properties.insert(name.clone(), schema);
    }
    let required: Vec<&String> = record.fields.keys().collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}
