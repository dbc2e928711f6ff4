//! The JSON Schema of graph files: it takes every graph that checks, and refuses what an editor should underline.

#![expect(clippy::disallowed_methods, reason = "a test reads its cases")]
#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

#[path = "graph_support/kinds.rs"]
mod kinds;

use std::path::Path;

use prunella_engine::graph::{schema, yaml};
use serde_json::Value;

fn json(source: &str) -> Value {
    yaml::tree("f", source).unwrap().unwrap().json()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn graphs(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let paths = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

fn validator() -> jsonschema::Validator {
    let schema = schema(&kinds::kinds());
    assert!(jsonschema::draft202012::meta::is_valid(&schema));
    jsonschema::draft202012::new(&schema).unwrap()
}

#[test]
fn it_takes_every_graph_that_checks() {
    let validator = validator();
    let mut all = graphs("tests/graphs/valid");
    all.extend(graphs("tests/graphs/valid/beside"));
    all.push(read("../graphs/self-heal.yaml"));
    for source in all {
        let wrong: Vec<String> =
            validator.iter_errors(&json(&source)).map(|e| format!("{e} at {}", e.instance_path())).collect();
        assert!(wrong.is_empty(), "{wrong:#?}\n{source}");
    }
}

#[test]
fn it_refuses_what_has_another_shape() {
    let validator = validator();
    for name in [
        "e005-arm",
        "e005-format",
        "e005-limits",
        "e005-model",
        "e005-next",
        "e006-arm",
        "e006-default",
        "e006-node",
        "e006-top",
        "e007-next-map",
        "e007-nodes-list",
        "e008-newer",
        "e020-default",
        "e020-kind",
        "e028-missing",
        "e028-one-of",
        "e029-one-of",
        "e029-unknown",
        "e046-bound",
    ] {
        let source = read(&format!("tests/graphs/invalid/{name}.yaml"));
        assert!(!validator.is_valid(&json(&source)), "{name}");
    }
}

/// The table of keys is what reading goes by, so the schema's keys are those that a graph may have.
#[test]
fn every_key_says_what_it_is_for() {
    let schema = schema(&kinds::kinds());
    let mut open = vec![&schema];
    let mut seen = 0;
    while let Some(value) = open.pop() {
        if let Some(properties) =
            value["properties"].as_object().filter(|_| value["additionalProperties"] == false)
        {
            for (key, property) in properties {
                let known =
                    property["description"].is_string() || property["const"].is_string() || key == "kind";
                assert!(known || property["$ref"].is_string(), "{key}: {property}");
                seen += 1;
            }
        }
        match value {
            Value::Object(map) => open.extend(map.values()),
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    assert!(seen > 100, "{seen}");
}
