//! Nodes that call graphs: which one, what it is given, what it gives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::ast::{Ast, DoesAst, NodeAst, ValueData};
use super::super::diagnostic::Report;
use super::super::expr::ty::Ty;
use super::super::files::is_file;
use super::super::model::{Does, Failed, Map, Outcome};
use super::Check;
use super::unused::When;
use super::values::{Given, Local, expression};
use crate::types::{FieldMap, Record, RecordField, Type};
use crate::{Kind, Output, Part};

/// What a graph takes and gives, as its callers see it.
#[derive(Debug)]
pub(super) struct Signature {
    inputs: Vec<(String, Option<Type>)>,
    /// Nothing: the graph gives nothing. `Some(None)`: the type could not be read.
    returns: Option<Option<Type>>,
    ends: Vec<(String, Outcome)>,
    /// Whether every end gives an output.
    always: bool,
}

/// The signatures of the graphs under `graphs:`.
pub(super) fn signatures(file: &Ast<'_>) -> BTreeMap<String, Signature> {
    let of = |graph: &Ast<'_>| Signature {
        inputs: graph.inputs.iter().map(|(name, input)| (name.clone(), input.value.clone())).collect(),
        returns: graph.returns.as_ref().map(|decl| decl.value.clone()),
        ends: graph.ends.iter().map(|(name, end)| (name.clone(), end.value.0)).collect(),
        always: graph.ends.values().all(|end| end.value.1.is_some()),
    };
    file.graphs.iter().map(|(name, graph)| (name.clone(), of(&graph.value))).collect()
}

/// Reports graphs that call themselves, directly or through others, and those that nothing calls.
pub(super) fn order(file: &Ast<'_>, report: &mut Report<'_>) {
    let called = |graph: &Ast<'_>| -> Vec<String> {
        graph
            .nodes
            .values()
            .filter_map(|node| node.value.does.graph().map(|name| name.text.clone()))
            .collect()
    };
    let calls: BTreeMap<&str, Vec<String>> =
        file.graphs.iter().map(|(name, graph)| (name.as_str(), called(&graph.value))).collect();
    let reach = |from: Vec<String>| {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut open = from;
        while let Some(name) = open.pop() {
            if seen.insert(name.clone()) {
                open.extend(calls.get(name.as_str()).into_iter().flatten().cloned());
            }
        }
        seen
    };
    // One error for a ring, at the first of its graphs in the file.
    let mut rings: BTreeSet<String> = BTreeSet::new();
    for (name, graph) in &file.graphs {
        let reached = reach(calls.get(name.as_str()).cloned().unwrap_or_default());
        if !reached.contains(name) || rings.contains(name) {
            continue;
        }
        let nodes = graph.value.nodes.values();
        let call = nodes
            .filter_map(|node| node.value.does.graph())
            .find(|call| call.text == *name || reach(vec![call.text.clone()]).contains(name));
        if let Some(call) = call {
            report
                .error("E055", &call.span, format!("the graph `{name}` calls itself"))
                .label("a run of it would never end")
                .help("a loop is closed by a retry edge, which has a bound");
        }
        rings.extend(reached);
    }
    let used = reach(called(file));
    for (name, graph) in file.graphs.iter().filter(|(name, _)| !used.contains(*name)) {
        // A call that names another graph by mistake was told of.
        if !rings.contains(name) && !report.failed() {
            report.warning("W006", &graph.span, format!("nothing calls the graph `{name}`"));
        }
    }
}

/// What the node does, what it takes and what its output is. Nothing where it is not known.
pub(super) fn of(
    check: &mut Check<'_, '_, '_>,
    at: usize,
    node: &NodeAst<'_>,
    kind: Option<&Kind>,
) -> (Option<Does>, Option<Vec<Given>>, Option<Type>) {
    let DoesAst::Run = &node.does else { return call(check, at, node) };
    let items = match kind.map(|kind| &kind.output) {
        Some(Output::Made(Part::Item(field), make)) => Some((*field, *make)),
        _ => None,
    };
    let output = match items {
        Some((field, make)) => items_of(check, node, field).map(make),
        None => kind.and_then(|kind| kind.output.of(node.returns.as_ref())),
    };
    let given = |field: &crate::Field| Given {
        name: field.name.to_owned(),
        // A list of anything: what its items are is looked at above.
        ty: (items.map(|(name, _)| name) != Some(field.name)).then(|| field.ty.clone()),
        doc: field.doc.to_owned(),
    };
    (Some(Does::Run), kind.map(|kind| kind.with.iter().map(given).collect()), output)
}

/// The type of the items of the list that the key `field` of `with` is given; nothing where it is not known.
fn items_of(check: &mut Check<'_, '_, '_>, node: &NodeAst<'_>, field: &str) -> Option<Type> {
    let Some((_, value)) = node.with.iter().find(|(key, _)| key.text == field) else {
        let message = format!("the node is not given `{field}`");
        let found = check.report.error("E028", &node.kind.span, message);
        found.label(format!("kind `{}` needs a list", node.kind.text));
        return None;
    };
    let ValueData::Cel(list) = &value.data else {
        if !matches!(&value.data, ValueData::List(_))
            && !matches!(&value.data, ValueData::Literal(one) if one.is_array())
        {
            check.report.error("E030", &value.node.span, format!("`{field}` takes a list"));
        }
        return None;
    };
    match super::values::quiet_type(check, list) {
        Ty::List(item) => item.to_type(),
        Ty::Any => None,
        other => {
            let span = list.span(check.report.source, 0..list.text.len());
            check.report.error("E030", &span, format!("`{field}` takes a list, this is {other}"));
            None
        }
    }
}

fn call(
    check: &mut Check<'_, '_, '_>,
    at: usize,
    node: &NodeAst<'_>,
) -> (Option<Does>, Option<Vec<Given>>, Option<Type>) {
    let Some(name) = node.does.graph() else { return (None, None, None) };
    let Some(signature) = check.signatures.get(&name.text) else {
        // What is not there after a file was named was told of the file.
        if !is_file(&name.text) || name.text.contains('#') {
            let (path, wrong) = name.text.rsplit_once('#').unwrap_or(("", &name.text));
            let own = |known: &str| {
                let (within, name) = known.rsplit_once('#').unwrap_or(("", known));
                (within == path && !is_file(name)).then(|| name.to_owned())
            };
            let known: Vec<String> = check.signatures.keys().filter_map(|known| own(known)).collect();
            let message = format!("there is no graph `{wrong}`");
            check.report.error("E056", &name.span, message).suggest(wrong, known.iter().map(String::as_str));
        }
        return (None, None, None);
    };
    let inputs = signature.inputs.iter();
    let given =
        inputs.map(|(name, ty)| Given { name: name.clone(), ty: ty.clone(), doc: String::new() }).collect();
    let field = |ty| RecordField { ty, doc: String::new() };
    match &node.does {
        DoesAst::Map(map) => {
            let fails =
                signature.ends.iter().find(|(_, outcome)| failing(*outcome)).map(|(end, _)| end.clone());
            let value = match &signature.returns {
                Some(ty) => ty.clone(),
                None => {
                    let message = format!("the graph `{}` gives nothing that a map could collect", name.text);
                    let found = check.report.error("E057", &name.span, message);
                    found.help("give the graph a `returns`, and its ends an `output`");
                    None
                }
            };
            if let (Some(end), Failed::Fail, None) = (&fails, map.failed, &node.on_error) {
                check
                    .report
                    .error(
                        "E058",
                        &name.span,
                        format!("an item may come to the end `{end}`, which fails the map"),
                    )
                    .label("and nothing says what happens then")
                    .help("say `failed: skip` or `failed: keep`, or give the node an `on_error`");
            }
            let output = value.map(|ty| {
                let ty = if map.failed == Failed::Keep { super::optional(ty) } else { ty };
                let fields = FieldMap::from_iter([
                    ("values".to_owned(), field(Type::List(Box::new(ty)))),
                    ("failed".to_owned(), field(Type::Int)),
                ]);
                record(fields)
            });
            let (parallel, failed, graph) = (map.parallel, map.failed, name.text.clone());
            let over = map.over.as_ref().and_then(|over| {
                let (expr, ty) = expression(check, over, &Local::default(), When::Before(at))?;
                if matches!(ty, Ty::List(_) | Ty::Any) {
                    return Some(expr);
                }
                let span = over.span(check.report.source, 0..over.text.len());
                check.report.error("E030", &span, format!("a map goes over a list, this is {ty}"));
                None
            });
            (over.map(|over| Does::Map(Map { graph, over, parallel, failed })), Some(given), output)
        }
        _ => {
            let ends = signature.ends.iter().map(|(end, _)| end.clone()).collect();
            let mut outcomes: Vec<String> =
                signature.ends.iter().map(|(_, outcome)| outcome.word().to_owned()).collect();
            outcomes.sort();
            outcomes.dedup();
            let mut fields = FieldMap::from_iter([
                ("end".to_owned(), field(Type::Enum(ends))),
                ("outcome".to_owned(), field(Type::Enum(outcomes))),
            ]);
            match &signature.returns {
                None => {}
                Some(None) => return (Some(Does::Call(name.text.clone())), Some(given), None),
                Some(Some(ty)) => {
                    let ty = if signature.always { ty.clone() } else { super::optional(ty.clone()) };
                    fields.insert("value".to_owned(), field(ty));
                }
            }
            (Some(Does::Call(name.text.clone())), Some(given), Some(record(fields)))
        }
    }
}

/// The type of an item of the map's list; nothing where it is not known.
pub(super) fn item(check: &Check<'_, '_, '_>, at: usize, node: &NodeAst<'_>) -> Option<Type> {
    let DoesAst::Map(map) = &node.does else { return None };
    super::values::item_type(check, at, map.over.as_ref()?)
}

fn failing(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Failure | Outcome::Declined)
}

fn record(fields: FieldMap) -> Type {
    Type::Record(Arc::new(Record { name: String::new(), doc: String::new(), fields }))
}
