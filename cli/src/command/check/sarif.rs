//! Findings as SARIF 2.1.0 (OASIS, *Static Analysis Results Interchange Format*), which code hosts show beside the lines.

use prunella_engine::graph::Diagnostic;
use prunella_engine::graph::codes::CODES;
use serde_json::{Value, json};

use super::Checked;
use super::json::word;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// One run over all graphs. Every rule is listed, so that a result can point at its own.
pub(super) fn of(all: &[Checked]) -> Value {
    let rules: Vec<Value> = CODES
        .iter()
        .map(|code| {
            let level = if code.code.starts_with('W') { "warning" } else { "error" };
            json!({
                "id": code.code,
                "shortDescription": {"text": code.title},
                "fullDescription": {"text": code.explanation},
                "help": {"text": format!("prunella explain {}", code.code)},
                "defaultConfiguration": {"level": level},
            })
        })
        .collect();
    let results: Vec<Value> =
        all.iter().flat_map(|one| one.found.iter().map(|found| result(found, &one.source))).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "prunella",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(found: &Diagnostic, source: &str) -> Value {
    let (end_line, end_column) = found.end(source);
    // A region that holds nothing is no region: the end lies behind the start.
    let end_column =
        if (end_line, end_column) == (found.line, found.col) { found.col + 1 } else { end_column };
    let mut text = found.message.clone();
    let more = std::iter::once(&found.label).filter(|label| !label.is_empty());
    for more in more.chain(&found.notes).chain(&found.help) {
        text.push_str("; ");
        text.push_str(more);
    }
    json!({
        "ruleId": found.code,
        "ruleIndex": CODES.iter().position(|code| code.code == found.code),
        "level": word(found.severity),
        "message": {"text": text},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": uri(&found.file)},
            "region": {
                "startLine": found.line,
                "startColumn": found.col,
                "endLine": end_line,
                "endColumn": end_column,
            },
        }}],
    })
}

/// A path as a URI reference: what a URI does not hold is escaped (RFC 3986).
fn uri(path: &str) -> String {
    let mut out = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.strip_prefix("./").unwrap_or(path).bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn a_path_is_a_uri() {
        assert_eq!(uri("./graphs/größe 1.yaml"), "graphs/gr%C3%B6%C3%9Fe%201.yaml");
        assert_eq!(uri("/tmp/a:b.yaml"), "file:///tmp/a%3Ab.yaml");
    }
}
