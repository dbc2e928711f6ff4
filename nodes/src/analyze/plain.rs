//! A diagnosis without a model: what the trace itself says.

use prunella_engine::NodeError;
use serde_json::{Map, Value};

use crate::patch::prefix;
use crate::types::{Frame, Incident};

/// Most files that are named.
const FILES: usize = 3;

/// A record of the type `schema` with what can be read off the incident: `root_cause`, `files`, `fix_strategy`. Optional
/// fields stay away.
///
/// # Errors
/// When the type has another required field: only a model could fill it.
pub(super) fn diagnosis(
    incident: &Incident,
    suspects: &[String],
    schema: &Value,
) -> Result<Value, NodeError> {
    let mut known = Map::new();
    known.insert("root_cause".to_owned(), Value::from(root_cause(incident)));
    known.insert("files".to_owned(), Value::from(files(incident, suspects)));
    known.insert("fix_strategy".to_owned(), Value::from(strategy(incident)));
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return Ok(Value::Object(known));
    };
    let required = schema.get("required").and_then(Value::as_array);
    let mut record = Map::new();
    for (name, field) in properties {
        let ty = field.get("type").and_then(Value::as_str);
        match known.get(name) {
            Some(value) if ty.is_none() || (ty == Some("array")) == value.is_array() => {
                record.insert(name.clone(), value.clone());
            }
            _ if required.is_some_and(|names| names.iter().any(|n| n == name)) => {
                return Err(NodeError::new(
                    "analyze.no_model",
                    format!("`{name}` of the type that `returns:` names cannot be filled without a model"),
                ));
            }
            _ => {}
        }
    }
    Ok(Value::Object(record))
}

/// One line: place, what is raised there, and by which source. The message's template, never its values.
fn root_cause(incident: &Incident) -> String {
    let what = if incident.template.is_empty() {
        incident.exception.clone()
    } else {
        format!("{}: {}", incident.exception, prefix(&incident.template, 200))
    };
    let inside = incident.frames.iter().rev().find(|frame| frame.path.is_some());
    let Some(frame) = inside else { return one_line(&format!("{what}, raised outside the repository")) };
    let raised_here = incident.frames.last().is_some_and(|last| last.path.is_some());
    let function = match frame.function.as_str() {
        "" | "<module>" => String::new(),
        name => format!(" in {name}"),
    };
    let code = if frame.code.is_empty() {
        String::new()
    } else {
        format!(" by `{}`", prefix(frame.code.trim(), 160))
    };
    let verb = if raised_here { "is raised" } else { "comes out of a call" };
    one_line(&format!("{}{function}: {what} {verb}{code}", place(frame)))
}

fn place(frame: &Frame) -> String {
    let path = frame.path.as_deref().unwrap_or(&frame.file);
    format!("{path}:{}", frame.repo_line.unwrap_or(frame.line))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The suspects' files in their order, then those of the frames from the innermost.
fn files(incident: &Incident, suspects: &[String]) -> Vec<String> {
    let of_suspects = suspects
        .iter()
        .filter_map(|s| s.split_once(' ').map_or(s.as_str(), |(place, _)| place).rsplit_once(':'));
    let mut files: Vec<String> = Vec::new();
    for path in of_suspects
        .map(|(path, _)| path)
        .chain(incident.frames.iter().rev().filter_map(|f| f.path.as_deref()))
    {
        if !files.iter().any(|other| other == path) {
            files.push(path.to_owned());
        }
    }
    files.truncate(FILES);
    files
}

/// What usually mends an exception of this type.
fn strategy(incident: &Incident) -> &'static str {
    let name = incident.exception.rsplit('.').next().unwrap_or_default();
    let none = incident.message.contains("NoneType");
    match name {
        "AttributeError" | "TypeError" if none => {
            "handle the value that is None before it is used, or have its source not return None"
        }
        "KeyError" => "handle the missing key: test for it, or use a default that the callers expect",
        "IndexError" => "check the bounds, and handle the sequence that is shorter than expected",
        "AttributeError" => "handle the object that lacks the attribute, or use the attribute that it has",
        "ZeroDivisionError" => "handle the divisor that is zero",
        "TypeError" => "convert or check the operand of the wrong type where it comes in",
        "ValueError" => "handle the value that is out of range: empty input, wrong form, or a missing case",
        "UnboundLocalError" => "assign the variable on every path before it is used",
        "NameError" => "import or define the name",
        "ImportError" | "ModuleNotFoundError" => {
            "import the name from where it lives in the installed version"
        }
        "RecursionError" => "add the base case that ends the recursion",
        "StopIteration" => "give next() a default, or handle the empty iterator",
        "UnicodeDecodeError" | "UnicodeEncodeError" => "use the encoding of the data",
        "AssertionError" => "correct the computation that the assertion checks",
        _ => "handle the input that leads here where it comes in",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn incident() -> Incident {
        Incident {
            exception: "KeyError".to_owned(),
            message: "'cust-90817'".to_owned(),
            template: "<str>".to_owned(),
            frames: vec![
                Frame { file: "/app/a.py".into(), line: 3, path: Some("a.py".into()), ..Frame::default() },
                Frame {
                    file: "/app/b.py".into(),
                    line: 9,
                    function: "total".into(),
                    code: "return orders[key]".into(),
                    path: Some("b.py".into()),
                    repo_line: Some(11),
                    ..Frame::default()
                },
            ],
            ..Incident::default()
        }
    }

    fn schema(extra: Option<&str>) -> Value {
        let mut schema = json!({
            "type": "object", "required": ["root_cause", "files", "fix_strategy"],
            "properties": {"root_cause": {"type": "string"}, "files": {"type": "array"}, "fix_strategy": {"type": "string"}, "note": {"anyOf": []}}
        });
        if let Some(name) = extra {
            schema["properties"][name] = json!({"type": "integer"});
            schema["required"].as_array_mut().unwrap().push(json!(name));
        }
        schema
    }

    #[test]
    fn the_trace_says_where_and_what_without_the_logs_values() {
        let said = diagnosis(&incident(), &["c.py:4 f".to_owned()], &schema(None)).unwrap();
        assert_eq!(said["root_cause"], "b.py:11 in total: KeyError: <str> is raised by `return orders[key]`");
        assert_eq!(said["files"], json!(["c.py", "b.py", "a.py"]));
        assert!(said["fix_strategy"].as_str().unwrap().contains("missing key"));
        assert_eq!(said.as_object().unwrap().len(), 3);
        assert!(!said.to_string().contains("90817"));
    }

    #[test]
    fn a_field_that_only_a_model_can_fill_is_an_error() {
        let error = diagnosis(&incident(), &[], &schema(Some("severity"))).unwrap_err();
        assert!(error.message.contains("`severity`"), "{error}");
    }

    #[test]
    fn an_incident_outside_the_repository_has_a_diagnosis_too() {
        let bare = Incident { exception: "E".into(), ..Incident::default() };
        assert_eq!(
            diagnosis(&bare, &[], &schema(None)).unwrap()["root_cause"],
            "E, raised outside the repository"
        );
    }
}
