//! Minimal textual edits of one file: everything not meant keeps its bytes.

use std::ops::Range;

use tree_sitter::Node;

use super::source::{Module, statement, walk};

/// A stretch of a file and what takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    /// The bytes that go.
    pub(crate) range: Range<usize>,
    /// What comes.
    pub(crate) text: String,
}

impl Edit {
    /// Replaces a node.
    pub(crate) fn replace(node: Node, text: impl Into<String>) -> Self {
        Self { range: node.byte_range(), text: text.into() }
    }

    /// Inserts at a byte.
    pub(crate) fn insert(at: usize, text: impl Into<String>) -> Self {
        Self { range: at..at, text: text.into() }
    }
}

/// The text after all edits; nothing when two overlap, or one lies outside or across a character.
pub(crate) fn apply(text: &str, edits: &[Edit]) -> Option<String> {
    let mut sorted: Vec<&Edit> = edits.iter().collect();
    sorted.sort_by_key(|e| (e.range.start, e.range.end));
    sorted.dedup();
    let mut out = String::with_capacity(text.len() + 64);
    let mut at = 0;
    for edit in sorted {
        out.push_str(text.get(at..edit.range.start)?);
        out.push_str(&edit.text);
        at = edit.range.end;
        text.get(edit.range.clone())?;
    }
    out.push_str(text.get(at..)?);
    Some(out)
}

/// The statement as one that lines can be put before: it begins its line and stands in a block.
pub(crate) fn whole_statement<'t>(module: &Module, node: Node<'t>) -> Option<(Node<'t>, String)> {
    let stmt = statement(node)?;
    let indent = module.indent(stmt)?.to_owned();
    Some((stmt, indent))
}

/// Inserts lines before the statement that `node` belongs to. Lines are given without the statement's indentation.
pub(crate) fn before(module: &Module, node: Node, lines: &[String]) -> Option<Edit> {
    let (stmt, indent) = whole_statement(module, node)?;
    let mut text = String::new();
    for line in lines {
        text.push_str(line);
        text.push('\n');
        text.push_str(&indent);
    }
    Some(Edit::insert(stmt.start_byte(), text))
}

/// Inserts lines after the statement that `node` belongs to.
pub(crate) fn after(module: &Module, node: Node, lines: &[String]) -> Option<Edit> {
    let (stmt, indent) = whole_statement(module, node)?;
    if !module.ends_line(stmt) {
        return None;
    }
    let end = module.line(stmt.end_position().row as u64 + 1)?.end;
    let at = if stmt.end_position().column == 0 { stmt.end_byte() } else { end };
    Some(Edit::insert(at, lines.iter().map(|line| format!("\n{indent}{line}")).collect::<String>()))
}

/// Puts the statement under a header such as `if x:`; nothing when re-indenting would change a string.
pub(crate) fn under(module: &Module, node: Node, header: &str, tail: &[String]) -> Option<Edit> {
    let (stmt, indent) = whole_statement(module, node)?;
    if !module.ends_line(stmt) {
        return None;
    }
    let multi_line = |n: &Node| n.kind() == "string" && n.start_position().row != n.end_position().row;
    if walk(stmt).iter().any(multi_line) {
        return None;
    }
    let unit = &module.unit;
    let mut text = format!("{header}\n");
    for (i, line) in module.of(stmt).split('\n').enumerate() {
        if i > 0 {
            text.push('\n');
        }
        if i == 0 {
            text.push_str(&indent);
        }
        if !line.trim().is_empty() {
            text.push_str(unit);
        }
        text.push_str(line);
    }
    for line in tail {
        text.push_str(&format!("\n{indent}{line}"));
    }
    Some(Edit::replace(stmt, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applies_and_refuses_overlap() {
        let edits = [Edit { range: 0..1, text: "X".into() }, Edit::insert(3, "!")];
        assert_eq!(apply("abc", &edits).unwrap(), "Xbc!");
        let clash = [Edit { range: 0..2, text: "X".into() }, Edit { range: 1..3, text: "Y".into() }];
        assert_eq!(apply("abc", &clash), None);
        assert_eq!(apply("é", &[Edit::insert(1, "x")]), None);
    }

    #[test]
    fn wraps_and_inserts() {
        let m = Module::parse("a.py", "def f(x):\n    g(x,\n      1)\n").unwrap();
        let call = super::super::source::all(m.root(), "call")[0];
        let edit = under(&m, call, "if x:", &[]).unwrap();
        assert_eq!(apply(&m.text, &[edit]).unwrap(), "def f(x):\n    if x:\n        g(x,\n          1)\n");
        let edit = before(&m, call, &["y = 1".into()]).unwrap();
        assert_eq!(apply(&m.text, &[edit]).unwrap(), "def f(x):\n    y = 1\n    g(x,\n      1)\n");
        let edit = after(&m, call, &["y = 1".into()]).unwrap();
        assert_eq!(apply(&m.text, &[edit]).unwrap(), "def f(x):\n    g(x,\n      1)\n    y = 1\n");
    }
}
