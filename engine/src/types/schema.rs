//! The JSON Schema of a type: what a model's answer must look like.

use serde_json::{Map, Value, json};

use super::{Record, Type};

impl Type {
    /// This type as JSON Schema. Blobs are strings there: who answers knows no hashes.
    #[must_use]
    pub fn json_schema(&self) -> Value {
        match self {
            Self::String => json!({"type": "string", "maxLength": super::MAX_STRING}),
            Self::Text => json!({"type": "string", "contentMediaType": "text/plain"}),
            Self::Diff => json!({"type": "string", "contentMediaType": "text/x-diff"}),
            Self::Int => json!({"type": "integer"}),
            Self::Float => json!({"type": "number"}),
            Self::Bool => json!({"type": "boolean"}),
            Self::Path => json!({"type": "string", "description": "a relative path with /, without .."}),
            Self::Duration => json!({"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$"}),
            Self::List(item) => json!({"type": "array", "items": item.json_schema()}),
            Self::Map(item) => json!({"type": "object", "additionalProperties": item.json_schema()}),
            Self::Record(record) => of_record(record),
            Self::Enum(words) => json!({"type": "string", "enum": words}),
            Self::Optional(inner) => json!({"anyOf": [inner.json_schema(), {"type": "null"}]}),
        }
    }
}

fn of_record(record: &Record) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, field) in &record.fields {
        let mut schema = field.ty.json_schema();
        if !field.doc.is_empty()
            && let Some(map) = schema.as_object_mut()
        {
            map.insert("description".to_owned(), Value::from(field.doc.as_str()));
        }
        properties.insert(name.clone(), schema);
        if !matches!(field.ty, Type::Optional(_)) {
            required.push(name.as_str());
        }
    }
    let mut schema = json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": false
    });
    if !record.doc.is_empty() {
        schema["description"] = Value::from(record.doc.as_str());
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_closed_and_its_optional_fields_are_not_required() {
        let ty =
            Type::parse("{cause: string, files: list<path>, risk: enum<low|high>?}", &mut |_| None).unwrap();
        let schema = ty.json_schema();
        assert_eq!(schema["required"], json!(["cause", "files"]));
        assert_eq!(schema["additionalProperties"], json!(false));
        assert_eq!(schema["properties"]["files"]["type"], json!("array"));
        assert_eq!(schema["properties"]["risk"]["anyOf"][0]["enum"], json!(["low", "high"]));
    }
}
