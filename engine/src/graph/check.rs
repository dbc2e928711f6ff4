//! From the parts of a file to a checked graph: names are resolved, types inferred, paths walked.

mod bounds;
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

use super::ast::{Ast, Decl, Decls};
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
    /// The graphs that nodes call, as their callers see them.
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
    // The outermost graph of each file, which says what all graphs of the file share.
    let mut files = BTreeMap::from([(ast.file, ast)]);
    for inner in ast.graphs.values().filter(|inner| inner.value.file > 0) {
        files.entry(inner.value.file).or_insert(&inner.value);
    }
    let mut roles: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    let mut graphs = IndexMap::new();
    for (name, inner) in &ast.graphs {
        let file = files.get(&inner.value.file).copied().unwrap_or(ast);
        let roles = roles.entry(file.file).or_default();
        if let Some(graph) = one(&inner.value, &file.models, kinds, &signatures, roles, report) {
            graphs.insert(name.clone(), Arc::new(graph));
        }
    }
    let graph = one(ast, &ast.models, kinds, &signatures, roles.entry(0).or_default(), report);
    calls::order(ast, report);
    let models = models(&files, report);
    // Where something is wrong, what looks unused is often its other half.
    if !report.failed() {
        for (at, file) in &files {
            unused::of_file(file, ast, &roles.remove(at).unwrap_or_default(), report);
        }
    }
    if report.failed() {
        return None;
    }
    let mut graph = graph?;
    graph.models = models;
    graph.graphs = graphs;
    graph.hash = hash::of(&graph);
    Some(graph)
}

/// The model roles of all files: a run knows them by name, so a name means one role.
fn models(files: &BTreeMap<usize, &Ast<'_>>, report: &mut Report<'_>) -> IndexMap<String, ModelRole> {
    let mut all: IndexMap<String, ModelRole> = IndexMap::new();
    for (name, role) in files.values().flat_map(|file| &file.models) {
        if all.get(name).is_some_and(|known| *known != role.value) {
            report
                .error("E013", &role.span, format!("the model role `{name}` is another one in another file"))
                .help("a run knows its roles by name: write the same in both files, or rename one");
        }
        all.entry(name.clone()).or_insert_with(|| role.value.clone());
    }
    all
}

/// Checks one graph; `models` are the roles of its file.
fn one(
    ast: &Ast<'_>,
    models: &Decls<ModelRole>,
    kinds: &Kinds,
    signatures: &BTreeMap<String, Signature>,
    roles: &mut BTreeSet<String>,
    report: &mut Report<'_>,
) -> Option<Graph> {
    let shape_ok = !report.failed();
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
        if let Some(flow) = &flow {
            bounds::check(ast, flow, check.report);
        }
    }
    roles.extend(check.seen.models);
    if report.failed() {
        return None;
    }
    build(ast, nodes, ends)
}

/// A declared record; another name for a type is that type everywhere.
fn record((name, declared): (&String, &Decl<Type>)) -> Option<(String, Arc<Record>)> {
    match &declared.value {
        Type::Record(record) if record.name == *name => Some((name.clone(), Arc::clone(record))),
        _ => None,
    }
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

fn build(ast: &Ast<'_>, nodes: IndexMap<String, NodeDef>, ends: IndexMap<String, End>) -> Option<Graph> {
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
        // The texts are the outermost graph's.
        source: String::new(),
        files: BTreeMap::new(),
        inputs,
        models: ast.models.iter().map(|(name, role)| (name.clone(), role.value.clone())).collect(),
        types: ast.types.iter().filter_map(record).collect(),
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
