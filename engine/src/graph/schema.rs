//! The JSON Schema of graph files, for editors: from the table that reading goes by, and from the kinds.

use serde_json::{Map, Value, json};

use super::keys::{self, Key, Place, Takes};
use crate::types::Type;
use crate::{Kind, Kinds, SettingType};

/// The JSON Schema (2020-12) of graph files that these kinds run. The checker refuses what it refuses, and knows more.
#[must_use]
pub fn schema(kinds: &Kinds) -> Value {
    let mut defs = Map::new();
    for place in PLACES {
        defs.insert(place.name.to_owned(), of_place(place));
    }
    for kind in kinds.kinds.values() {
        defs.insert(format!("kind.{}", kind.name), of_kind(kind));
        defs.insert(format!("default.{}", kind.name), of_default(kind));
    }
    for place in keys::CALLS {
        defs.insert(format!("kind.{}", place.name), of_call(place));
        defs.insert(format!("default.{}", place.name), of_call_default(place));
    }
    let names: Vec<&str> = kinds.kinds.keys().copied().chain(keys::CALLS.map(|place| place.name)).collect();
    defs.insert("node".to_owned(), of_node(&names));
    defs.insert("nodes".to_owned(), of_nodes(&names));
    defs.insert("defaults".to_owned(), of_defaults(&names));
    defs.insert("type".to_owned(), of_types(kinds));
    defs.insert("value".to_owned(), json!({"description": "A literal, or CEL after a leading `=`."}));
    defs.insert("next".to_owned(), of_next());
    let mut schema = of_place(&keys::GRAPH);
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "A Prunella graph".into();
    schema["$defs"] = Value::Object(defs);
    schema
}

/// The maps with fixed keys that stand in `$defs` under their own names.
static PLACES: [&Place; 14] = [
    &keys::INNER,
    &keys::STATE_KEY,
    &keys::END,
    &keys::LIMITS,
    &keys::MODEL,
    &keys::OVERWRITE,
    &keys::RETRY,
    &keys::ON_ERROR,
    &keys::INTERRUPT,
    &keys::ARM,
    &keys::BACK,
    &keys::SWITCH,
    &keys::GOTO,
    &keys::FILE,
];

fn refer(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}

fn name() -> Value {
    json!({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_-]{0,63}$"})
}

fn text() -> Value {
    json!({"type": ["string", "number", "boolean"]})
}

/// `schema` with a description.
fn said(mut schema: Value, doc: &str) -> Value {
    if !doc.is_empty() {
        schema["description"] = doc.into();
    }
    schema
}

/// A map with these keys and no others.
fn closed(properties: Map<String, Value>, needed: &[&str]) -> Value {
    let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !needed.is_empty() {
        schema["required"] = json!(needed);
    }
    schema
}

fn of_place(place: &Place) -> Value {
    let mut schema = closed(properties(place), &place.needed().collect::<Vec<_>>());
    // What else a map needs depends on what it has.
    let ways: &[&[&str]] = match place.name {
        "arm" => &[&["when", "to"], &["else"], &["retry", "max_attempts", "exhausted"]],
        "model" => &[&["use"], &["provider", "name"]],
        _ => &[],
    };
    if !ways.is_empty() {
        schema["oneOf"] = ways.iter().map(|needed| json!({"required": needed})).collect();
    }
    schema
}

fn properties(place: &Place) -> Map<String, Value> {
    place.keys.iter().map(property).collect()
}

fn property(key: &Key) -> (String, Value) {
    (key.name.to_owned(), said(of_takes(&key.takes), key.doc))
}

fn of_takes(takes: &Takes) -> Value {
    match takes {
        Takes::Format => json!({"const": crate::format::GRAPH}),
        Takes::Name => name(),
        Takes::Names => json!({"type": "array", "items": name(), "minItems": 1}),
        Takes::Graph => json!({"type": "string"}),
        Takes::Cel | Takes::Text => text(),
        Takes::Whole(least) => json!({"type": "integer", "minimum": least}),
        Takes::Number(least, most) => json!({"type": "number", "minimum": least, "maximum": most}),
        Takes::Duration => Type::Duration.json_schema(),
        Takes::Type => refer("type"),
        Takes::Value => refer("value"),
        Takes::Words(words) => json!({"enum": words}),
        Takes::Step => json!({"anyOf": [name(), fan_out()]}),
        Takes::Case => json!({"anyOf": [name(), fan_out(), refer(keys::BACK.name)]}),
        Takes::Next => refer("next"),
        Takes::Node => refer("node"),
        Takes::Default => refer("defaults"),
        Takes::Map(place) => refer(place.name),
        Takes::Each(Takes::Node) => refer("nodes"),
        Takes::Each(one) => json!({"type": ["object", "null"], "additionalProperties": of_takes(one)}),
        Takes::Or(one, other) => json!({"anyOf": [of_takes(one), of_takes(other)]}),
    }
}

fn fan_out() -> Value {
    json!({"type": "array", "items": name(), "minItems": 2})
}

fn of_next() -> Value {
    let arms = json!({"type": "array", "items": refer(keys::ARM.name), "minItems": 1});
    let ways = json!([name(), fan_out(), arms, refer(keys::SWITCH.name), refer(keys::GOTO.name)]);
    said(
        json!({"anyOf": ways}),
        "A name, several for a fan-out, arms of which the first that matches is taken, a `switch` or a `goto`.",
    )
}

fn of_types(kinds: &Kinds) -> Value {
    let basic = ["string", "text", "diff", "int", "float", "bool", "path", "duration"];
    let built = ["list<string>", "map<int>", "enum<low|high>", "string?"];
    let records = kinds.records.keys().map(String::as_str);
    let examples: Vec<&str> = basic.into_iter().chain(built).chain(records).collect();
    let expression = json!({"type": "string", "examples": examples});
    json!({"anyOf": [expression, {"type": "object", "additionalProperties": refer("type")}]})
}

/// A value of `ty` as it may be written: inside a list or a map any part may be CEL.
fn of_value(ty: &Type) -> Value {
    let literal = match ty {
        Type::Optional(inner) => return json!({"anyOf": [{"type": "null"}, of_value(inner)]}),
        Type::List(_) => json!({"type": "array"}),
        Type::Map(_) | Type::Record(_) => json!({"type": "object"}),
        // A blob cannot be written down.
        Type::Text | Type::Diff => return json!({"type": "string", "pattern": "^="}),
        scalar => scalar.json_schema(),
    };
    json!({"anyOf": [{"type": "string", "pattern": "^="}, literal]})
}

/// The keys of a node of `kind`, beside its settings.
fn node_of(kind: &str) -> Map<String, Value> {
    let mut keys = properties(&keys::NODE);
    keys.insert("kind".to_owned(), json!({"const": kind}));
    keys
}

fn of_kind(kind: &Kind) -> Value {
    let mut keys = node_of(kind.name);
    let field = |field: &crate::Field| {
        let doc = format!("{}: {}", field.ty, field.doc);
        (field.name.to_owned(), said(of_value(&field.ty), doc.trim_end_matches([':', ' '])))
    };
    let needed: Vec<&str> = kind
        .with
        .iter()
        .filter(|field| !matches!(field.ty, Type::Optional(_)))
        .map(|field| field.name)
        .collect();
    let mut with = closed(kind.with.iter().map(field).collect(), &needed);
    if kind.variables {
        with["additionalProperties"] = refer("value");
    }
    if !kind.one_of.is_empty() {
        with["oneOf"] = kind.one_of.iter().map(|key| json!({"required": [key]})).collect();
    }
    keys.insert("with".to_owned(), said(with, "What it is given."));
    keys.extend(settings(kind));
    let with: &[&str] = if needed.is_empty() && kind.one_of.is_empty() { &[] } else { &["with"] };
    let needed: Vec<&str> = with.iter().chain(kind.needs).chain(&["next"]).copied().collect();
    said(closed(keys, &needed), kind.doc)
}

fn settings(kind: &Kind) -> impl Iterator<Item = (String, Value)> {
    kind.settings.iter().map(|setting| {
        let takes = match &setting.ty {
            SettingType::Model | SettingType::Secret => name(),
            SettingType::Template(_) => json!({"anyOf": [text(), refer(keys::FILE.name)]}),
            SettingType::Returns => refer("type"),
            SettingType::Condition => text(),
            SettingType::Literal(ty) => ty.json_schema(),
        };
        (setting.name.to_owned(), said(takes, setting.doc))
    })
}

fn of_call(place: &Place) -> Value {
    let mut keys = node_of(place.name);
    keys.extend(properties(place));
    let needed: Vec<&str> = place.needed().chain(["next"]).collect();
    closed(keys, &needed)
}

/// What a node of any kind may take from `defaults`.
fn defaultable() -> impl Iterator<Item = (String, Value)> {
    keys::NODE.keys.iter().filter(|key| keys::DEFAULTABLE.contains(&key.name)).map(property)
}

fn of_default(kind: &Kind) -> Value {
    closed(defaultable().chain(settings(kind)).collect(), &[])
}

fn of_call_default(place: &Place) -> Value {
    let own = place.keys.iter().filter(|key| !key.needed).map(property);
    closed(defaultable().chain(own).collect(), &[])
}

/// A node that says its kind.
fn of_node(names: &[&str]) -> Value {
    let of = |name: &&str| {
        json!({
            "if": {"properties": {"kind": {"const": name}}, "required": ["kind"]},
            "then": refer(&format!("kind.{name}")),
        })
    };
    let kinds: Vec<Value> = names.iter().map(of).collect();
    json!({"type": "object", "properties": {"kind": {"enum": names}}, "required": ["kind"], "allOf": kinds})
}

/// The kind of a node is its name unless it says another.
fn of_nodes(names: &[&str]) -> Value {
    let of = |name: &&str| {
        let own = json!({
            "if": {"required": ["kind"]}, "then": refer("node"), "else": refer(&format!("kind.{name}")),
        });
        ((*name).to_owned(), own)
    };
    let named: Map<String, Value> = names.iter().map(of).collect();
    json!({
        "type": "object",
        "properties": named,
        "additionalProperties": refer("node"),
        "propertyNames": name(),
        "minProperties": 1,
    })
}

fn of_defaults(names: &[&str]) -> Value {
    let of = |name: &&str| ((*name).to_owned(), refer(&format!("default.{name}")));
    closed(names.iter().map(of).collect(), &[])
}
