//! Findings as JSON, for programs.

use prunella_engine::graph::{Diagnostic, Severity};
use serde_json::{Value, json};

use super::Checked;

/// `{format, graphs: [{file, name, right, hash, findings}]}`. Lines and columns count from 1; a column counts
/// characters, and the end is the column after the last one.
pub(super) fn of(all: &[Checked]) -> Value {
    let graph = |one: &Checked| {
        let findings: Vec<Value> = one.found.iter().map(|found| finding(found, &one.source)).collect();
        json!({
            "file": one.file,
            "name": one.graph.as_ref().map(|graph| &graph.name),
            "hash": one.graph.as_ref().map(|graph| &graph.hash),
            "right": one.graph.is_some(),
            "findings": findings,
        })
    };
    json!({"format": 1, "graphs": all.iter().map(graph).collect::<Vec<_>>()})
}

/// The word for a severity.
pub(super) fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn finding(found: &Diagnostic, source: &str) -> Value {
    let (end_line, end_column) = found.end(source);
    json!({
        "code": found.code,
        "severity": word(found.severity),
        "message": found.message,
        "label": found.label,
        "help": found.help,
        "notes": found.notes,
        "file": found.file,
        "line": found.line,
        "column": found.col,
        "end_line": end_line,
        "end_column": end_column,
    })
}
