//! What a graph declares and does not use.

use std::collections::{BTreeMap, BTreeSet};

use super::super::ast::Ast;
use super::super::diagnostic::Report;
use super::super::model::Target;
use super::super::yaml::Span;
use super::targets::Targets;

/// When an expression is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Before the writes of the node with this index.
    Before(usize),
    /// After them.
    After(usize),
    /// At the end with this index.
    End(usize),
}

/// What expressions read and nodes write.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Every read of a state key, in the order of evaluation.
    pub(super) reads: Vec<(When, String, Span)>,
    /// Keys that a node writes.
    pub(super) writes: BTreeMap<usize, BTreeSet<String>>,
    /// Keys that a node writes only when it fails.
    pub(super) error_writes: BTreeMap<usize, BTreeSet<String>>,
    /// Every place where a key is written, and whether it is overwritten there.
    pub(super) places: Vec<(usize, String, Span, bool)>,
    /// Inputs that are read by name.
    pub(super) inputs: BTreeSet<String>,
    /// `inputs` is read as a whole.
    pub(super) all_inputs: bool,
    /// Model roles that nodes name.
    pub(super) models: BTreeSet<String>,
}

impl Seen {
    pub(super) fn read(&mut self, when: When, key: &str, span: Span) {
        self.reads.push((when, key.to_owned(), span));
    }

    /// Notes a write of the node, of its error target where `error`.
    pub(super) fn write(&mut self, node: usize, key: &str, span: Span, overwrite: bool, error: bool) {
        let written = if error { &mut self.error_writes } else { &mut self.writes };
        written.entry(node).or_default().insert(key.to_owned());
        self.places.push((node, key.to_owned(), span, overwrite));
    }
}

/// Warns of what is not used.
pub(super) fn check(seen: &Seen, ast: &Ast<'_>, targets: &Targets, report: &mut Report<'_>) {
    let read: BTreeSet<&str> = seen.reads.iter().map(|(_, key, _)| key.as_str()).collect();
    let written: BTreeSet<&str> = seen.places.iter().map(|(_, key, _, _)| key.as_str()).collect();
    for (name, key) in &ast.state {
        let what = match (read.contains(name.as_str()), written.contains(name.as_str())) {
            (true, true) => continue,
            (false, false) => "used",
            (false, true) => "read",
            (true, false) => "written",
        };
        report.warning("W001", &key.span, format!("the state key `{name}` is never {what}"));
    }
    for (name, input) in &ast.inputs {
        if !seen.all_inputs && !seen.inputs.contains(name) {
            report.warning("W002", &input.span, format!("the input `{name}` is never read"));
        }
    }
    let ends: BTreeSet<&str> = targets
        .edges
        .iter()
        .filter_map(|edge| match &edge.to {
            Target::End(end) => Some(end.as_str()),
            Target::Node(_) => None,
        })
        .chain(ast.limits_exhausted.as_ref().map(|name| name.text.as_str()))
        .collect();
    for (name, end) in &ast.ends {
        if !ends.contains(name.as_str()) {
            report.warning("W005", &end.span, format!("nothing leads to the end `{name}`"));
        }
    }
}

/// Warns of what a file declares for all of its graphs and none uses; `roles` are the model roles that its nodes name,
/// `all` is the outermost graph of all.
pub(super) fn of_file(ast: &Ast<'_>, all: &Ast<'_>, roles: &BTreeSet<String>, report: &mut Report<'_>) {
    let graphs = std::iter::once(all).chain(all.graphs.values().map(|graph| &graph.value));
    let nodes = graphs.filter(|graph| graph.file == ast.file).flat_map(|graph| graph.nodes.values());
    let kinds: BTreeSet<&str> = nodes.map(|node| node.value.kind.text.as_str()).collect();
    for (kind, default) in ast.defaults.iter().filter(|(kind, _)| !kinds.contains(kind.as_str())) {
        report.warning("W007", &default.span, format!("no node is of kind `{kind}`"));
    }
    for (name, ty) in &ast.types {
        if !ast.types_used.contains(name) {
            report.warning("W003", &ty.span, format!("the type `{name}` is never used"));
        }
    }
    for (name, role) in &ast.models {
        if !roles.contains(name) {
            report.warning("W004", &role.span, format!("the model role `{name}` is never used"));
        }
    }
}
