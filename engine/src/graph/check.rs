//! From the parts of a file to a checked graph: names are resolved, types inferred, paths walked.

mod calls;
mod data;
mod flow;
mod forks;
mod leads;
mod secrets;
mod targets;
mod template;
mod unused;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;

use super::ast::{Ast, Decls};
use super::diagnostic::Report;
use super::model::{End, Graph, ModelRole, NodeDef, StateKey};
use super::{hash, model};
use crate::Kinds;
use calls::Signature;

use crate::types::{FieldMap, Record, RecordField, Type};

/// What the parts of the check hand each other, for one graph of the file.
struct Check<'a, 'y, 'r> {
    ast: &'a Ast<'y>,
    kinds: &'a Kinds,
    /// The model roles of the file.
    models: &'a Decls<ModelRole>,
    /// The graphs under `graphs:`, as their callers see them.
    signatures: &'a BTreeMap<String, Signature>,
    report: &'a mut Report<'r>,
    /// `inputs` as a record; nothing when one of them has no readable type.
    inputs: Option<Type>,
    /// What was read, written and named, for the warnings and the dataflow.
    seen: unused::Seen,
}

/// Checks `ast`. A graph, unless an error was reported.
pub(crate) fn check(ast: &Ast<'_>, kinds: &Kinds, report: &mut Report<'_>) -> Option<Graph> {
    secrets::check(report);
    let signatures = calls::signatures(ast);
    let mut roles = BTreeSet::new();
    let mut graphs = IndexMap::new();
    for (name, inner) in &ast.graphs {
        if let Some(graph) = one(&inner.value, ast, kinds, &signatures, &mut roles, report) {
            graphs.insert(name.clone(), Arc::new(graph));
        }
    }
    let graph = one(ast, ast, kinds, &signatures, &mut roles, report);
    calls::order(ast, report);
    // Where something is wrong, what looks unused is often its other half.
    if !report.failed() {
        unused::of_file(ast, &roles, report);
    }
    if report.failed() {
        return None;
    }
    let mut graph = graph?;
    graph.graphs = graphs;
    graph.hash = hash::of(&graph);
    Some(graph)
}

/// Checks one graph of `file`.
fn one(
    ast: &Ast<'_>,
    file: &Ast<'_>,
    kinds: &Kinds,
    signatures: &BTreeMap<String, Signature>,
    roles: &mut BTreeSet<String>,
    report: &mut Report<'_>,
) -> Option<Graph> {
    let shape_ok = !report.failed();
    let models = &file.models;
    let mut check =
        Check { ast, kinds, models, signatures, inputs: inputs(ast), report, seen: unused::Seen::default() };
    let targets = targets::resolve(ast, check.report);
    // Paths mean something only when every target is known and every node could be read.
    let flow = (shape_ok && targets.complete).then(|| flow::check(ast, &targets, check.report));
    let flow = flow.filter(flow::Flow::is_acyclic);
    let forks = flow.as_ref().map(|flow| forks::joins(ast, &targets, flow, check.report)).unwrap_or_default();
    let mut nodes: IndexMap<String, NodeDef> = IndexMap::new();
    for (name, node) in &ast.nodes {
        if let Some(def) = values::node(&mut check, name, &node.value, &forks) {
            nodes.insert(name.clone(), def);
        }
    }
    let ends = values::ends(&mut check);
    if let Some(flow) = &flow {
        for fork in &forks {
            forks::writers(ast, &check.seen, fork, check.report);
        }
        data::check(&check.seen, ast, flow, &forks, check.report);
    }
    if shape_ok && !check.report.failed() {
        unused::check(&check.seen, ast, &targets, check.report);
    }
    roles.extend(check.seen.models);
    if report.failed() {
        return None;
    }
    build(ast, file, nodes, ends, report.source)
}

/// The type, or null.
fn optional(ty: Type) -> Type {
    if matches!(ty, Type::Optional(_)) { ty } else { Type::Optional(Box::new(ty)) }
}

/// The type of `error` where a node failed.
fn error_type() -> Type {
    let field = || RecordField { ty: Type::String, doc: String::new() };
    let fields = FieldMap::from_iter([("code".to_owned(), field()), ("message".to_owned(), field())]);
    Type::Record(Arc::new(Record { name: "Failure".to_owned(), doc: String::new(), fields }))
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
    file: &Ast<'_>,
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
    Some(Graph {
        name: ast.name.clone(),
        description: ast.description.clone(),
        hash: String::new(),
        // The text of the file is the outermost graph's.
        source: if std::ptr::eq(ast, file) { source.to_owned() } else { String::new() },
        inputs,
        models: ast.models.iter().map(|(name, role)| (name.clone(), role.value.clone())).collect(),
        types: ast.types.iter().map(|(name, record)| (name.clone(), Arc::clone(&record.value))).collect(),
        state,
        limits: model::Limits { exhausted, ..ast.limits.clone() },
        ends,
        start: ast.start.as_ref()?.text.clone(),
        nodes: Arc::new(nodes),
        returns: match &ast.returns {
            Some(returns) => Some(returns.value.clone()?),
            None => None,
        },
        graphs: IndexMap::new(),
    })
}
