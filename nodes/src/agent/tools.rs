//! The tools as the model is told of them.

use serde_json::{Value, json};

use crate::effects::ModelTool;

/// Those that are effects; `finish` is none.
pub(super) const WORLDLY: [&str; 4] = ["read", "search", "edit", "run"];

/// The tools of an agent whose commands may begin with `allow`, and whose answer has the schema `answers`.
pub(super) fn all(allow: Option<&[Vec<String>]>, answers: &Value) -> Vec<ModelTool> {
    let text = |description: &str| json!({"type": "string", "description": description});
    let object = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    let tool =
        |name: &str, description: String, schema| ModelTool { name: name.to_owned(), description, schema };
    let path = || text("a path relative to the repository's top");
    let mut tools = vec![
        tool(
            "read",
            "Reads a file, with line numbers; for a folder, its entries. An empty path is the top.".to_owned(),
            object(
                json!({"path": path(), "from": {"type": "integer", "description": "the first line, from 1"}, "lines": {"type": "integer"}}),
                json!(["path"]),
            ),
        ),
        tool(
            "search",
            "Finds the lines of all files that match a regular expression.".to_owned(),
            object(
                json!({"pattern": text("a regular expression"), "path": text("only in this file or folder")}),
                json!(["pattern"]),
            ),
        ),
        tool(
            "edit",
            "Replaces text that stands in a file exactly once; quote enough of its surroundings. An empty `search` makes a new file.".to_owned(),
            object(
                json!({"path": path(), "search": text("the text as it is in the file"), "replace": text("the new text")}),
                json!(["path", "search", "replace"]),
            ),
        ),
    ];
    if let Some(allow) = allow.filter(|allow| !allow.is_empty()) {
        let shown: Vec<String> = allow.iter().map(|words| format!("`{}`", words.join(" "))).collect();
        tools.push(tool(
            "run",
            format!(
                "Runs a command in a sandbox over the repository with your changes; no network. Commands begin with {}.",
                shown.join(", ")
            ),
            object(
                json!({"argv": {"type": "array", "items": {"type": "string"}, "description": "the command in words"}}),
                json!(["argv"]),
            ),
        ));
    }
    tools.push(tool("finish", "Ends your work.".to_owned(), finish_schema(answers)));
    tools
}

/// The arguments of `finish`.
pub(super) fn finish_schema(answers: &Value) -> Value {
    json!({
        "type": "object",
        "properties": {
            "answer": answers,
            "summary": {"type": "string", "description": "what your change does, in at most twelve words"},
        },
        "required": ["answer", "summary"],
        "additionalProperties": false,
    })
}
