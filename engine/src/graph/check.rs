//! From the parts of a file to a checked graph: names are resolved, types inferred, paths walked.

mod data;
mod flow;
mod secrets;
mod targets;
mod template;
mod unused;
mod values;

use indexmap::IndexMap;
use std::sync::Arc;

use super::ast::Ast;
use super::diagnostic::Report;
use super::model::{End, Graph, NodeDef, StateKey};
use super::{hash, model};
use crate::Kinds;
use crate::types::{FieldMap, Record, RecordField, Type};

/// What the parts of the check hand each other.
struct Check<'a, 'y, 'r> {
    ast: &'a Ast<'y>,
    kinds: &'a Kinds,
    report: &'a mut Report<'r>,
    /// `inputs` as a record; nothing when one of them has no readable type.
    inputs: Option<Type>,
    /// What was read, written and named, for the warnings and the dataflow.
    seen: unused::Seen,
}

/// Checks `ast`. A graph, unless an error was reported.
pub(crate) fn check(ast: &Ast<'_>, kinds: &Kinds, report: &mut Report<'_>) -> Option<Graph> {
    secrets::check(report);
    let shape_ok = !report.failed();
    let mut check = Check { ast, kinds, inputs: inputs(ast), report, seen: unused::Seen::default() };
    let targets = targets::resolve(ast, check.report);
    let mut nodes: IndexMap<String, NodeDef> = IndexMap::new();
    for (name, node) in &ast.nodes {
        if let Some(def) = values::node(&mut check, name, &node.value, &targets) {
            nodes.insert(name.clone(), def);
        }
    }
    let ends = values::ends(&mut check);
    // Paths mean something only when every target is known and every node could be read.
    if shape_ok && targets.complete {
        let flow = flow::check(ast, &targets, check.report);
        if flow.is_acyclic() {
            data::check(&check.seen, ast, &flow, check.report);
        }
        // Where something is wrong, what looks unused is often its other half.
        if !check.report.failed() {
            unused::check(&check.seen, ast, &targets, check.report);
        }
    }
    if report.failed() {
        return None;
    }
    build(ast, nodes, ends, report.source)
}

fn inputs(ast: &Ast<'_>) -> Option<Type> {
    let mut fields = FieldMap::new();
    for (name, input) in &ast.inputs {
        fields.insert(name.clone(), RecordField { ty: input.value.clone()?, doc: String::new() });
    }
    Some(Type::Record(Arc::new(Record { name: "inputs".to_owned(), doc: String::new(), fields })))
}

fn build(
    ast: &Ast<'_>,
    nodes: IndexMap<String, NodeDef>,
    ends: IndexMap<String, End>,
    source: &str,
) -> Option<Graph> {
    let mut inputs = IndexMap::new();
    for (name, input) in &ast.inputs {
        inputs.insert(name.clone(), input.value.clone()?);
    }
    let mut state = IndexMap::new();
    for (name, key) in &ast.state {
        let (ty, reducer) = &key.value;
        state.insert(name.clone(), StateKey { ty: ty.clone()?, reducer: *reducer });
    }
    let exhausted = ast.limits_exhausted.as_ref().map(|name| name.text.clone()).unwrap_or_default();
    let mut graph = Graph {
        name: ast.name.clone(),
        description: ast.description.clone(),
        hash: String::new(),
        source: source.to_owned(),
        inputs,
        models: ast.models.iter().map(|(name, role)| (name.clone(), role.value.clone())).collect(),
        types: ast.types.iter().map(|(name, record)| (name.clone(), Arc::clone(&record.value))).collect(),
        state,
        limits: model::Limits { exhausted, ..ast.limits.clone() },
        ends,
        start: ast.start.as_ref()?.text.clone(),
        nodes,
        returns: None,
        graphs: IndexMap::new(),
    };
    graph.hash = hash::of(&graph);
    Some(graph)
}
