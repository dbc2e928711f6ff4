//! From the tree of a file to its parts: the shape of everything is checked here, by hand, so that each message
//! knows its place.

mod header;
mod next;
mod node;
mod take;

use indexmap::IndexMap;

use super::ast::{Ast, Decl, Decls, Name};
use super::diagnostic::Report;
use super::keys;
use super::model::Limits;
use super::yaml::{Data, Node};
use crate::Kinds;
pub(crate) use node::inner;
use take::{entries, name_of};

/// Names that expressions give a meaning of their own.
pub(crate) const RESERVED: [&str; 4] = ["inputs", "output", "attempt", "max_attempts"];

type Entries = [(super::yaml::Key, Node)];

/// Lowers `root`. What is wrong is in the report; what could be read is in the result.
pub(crate) fn lower<'y>(root: &'y Node, kinds: &Kinds, report: &mut Report<'_>) -> Option<Ast<'y>> {
    let Data::Map(top) = &root.data else {
        report.error("E007", &root.span, format!("a graph file is a map, this is {}", root.shape()));
        return None;
    };
    let get = |name: &str| top.iter().find(|(key, _)| key.name == name).map(|(key, value)| (key, value));
    let newer = header::format(get("format"), root, report);
    if newer {
        return None;
    }
    for (key, _) in top {
        if !keys::GRAPH.has(&key.name) {
            report
                .error("E006", &key.span, format!("a graph has no key `{}`", key.name))
                .suggest(&key.name, keys::GRAPH.names());
        }
    }
    missing(top, &["name", "ends", "start", "nodes"], &(root.span.start..root.span.start), report);
    let mut types = header::types(get("types"), kinds, report);
    let name = get("name").and_then(|(_, value)| name_of(value, "the graph's name", report));
    let mut ast = graph(name.map_or_else(String::new, |name| name.text), top, kinds, &mut types, report);
    ast.models = header::models(get("models"), report);
    if let Some((_, value)) = get("graphs") {
        for (key, value) in entries(value, "`graphs`", report) {
            let Some(name) = take::checked(&key.name, &key.span, "a graph's name", report) else { continue };
            let Data::Map(inner) = &value.data else {
                report.error("E007", &value.span, format!("a graph is a map, this is {}", value.shape()));
                continue;
            };
            for (key, _) in inner {
                if !keys::INNER.has(&key.name) {
                    let message = format!("a graph under `graphs` has no key `{}`", key.name);
                    report.error("E006", &key.span, message).suggest(&key.name, keys::INNER.names());
                }
            }
            missing(inner, &["ends", "start", "nodes"], &key.span, report);
            let inner = graph(name.text.clone(), inner, kinds, &mut types, report);
            ast.graphs.insert(name.text, Decl { span: key.span.clone(), value: inner });
        }
    }
    (ast.types, ast.types_used) = types.finish();
    Some(ast)
}

/// Reports keys that a graph needs and does not have.
fn missing(entries: &Entries, needed: &[&str], span: &super::yaml::Span, report: &mut Report<'_>) {
    let missing: Vec<String> = needed
        .iter()
        .filter(|key| !entries.iter().any(|(known, _)| known.name == **key))
        .map(|key| format!("`{key}`"))
        .collect();
    if !missing.is_empty() {
        report.error("E005", span, format!("the graph has no {}", missing.join(", ")));
    }
}

/// The parts of one graph: of the file's own, or of one under `graphs:`.
fn graph<'y>(
    name: String,
    entries: &'y Entries,
    kinds: &Kinds,
    types: &mut header::Types<'_>,
    report: &mut Report<'_>,
) -> Ast<'y> {
    let get = |name: &str| entries.iter().find(|(key, _)| key.name == name).map(|(key, value)| (key, value));
    let mut ast = Ast {
        name,
        description: get("description").and_then(|(_, value)| take::text(value, report)).unwrap_or_default(),
        inputs: header::inputs(get("inputs"), types, report),
        models: IndexMap::new(),
        state: header::state(get("state"), types, report),
        types: IndexMap::new(),
        types_used: Vec::new(),
        limits: Limits { steps: None, wall_ms: None, cost_microusd: None, exhausted: String::new() },
        limits_exhausted: None,
        ends: header::ends(get("ends"), report),
        start: get("start").and_then(|(_, value)| name_of(value, "a node", report)),
        nodes: IndexMap::new(),
        returns: get("returns")
            .map(|(key, value)| Decl { span: key.span.clone(), value: types.ty(value, report) }),
        graphs: IndexMap::new(),
        // A section that is not there, or is no map, leaves every name in question.
        partial: ["ends", "nodes"]
            .into_iter()
            .any(|key| get(key).is_none_or(|(_, value)| !matches!(value.data, Data::Map(_)))),
        broken: Vec::new(),
    };
    header::limits(get("limits"), &mut ast, report);
    for section in ["ends", "nodes"] {
        if let Some((_, Node { data: Data::Map(entries), .. })) = get(section) {
            ast.broken.extend(entries.iter().map(|(key, _)| key.name.clone()));
        }
    }
    if let Some((key, value)) = get("nodes") {
        ast.nodes = nodes(value, kinds, types, report);
        if ast.nodes.is_empty() && matches!(&value.data, Data::Map(entries) if entries.is_empty()) {
            report.error("E005", &key.span, "the graph has no nodes");
        }
    }
    taken(&ast, report);
    ast
}

fn nodes<'y>(
    value: &'y Node,
    kinds: &Kinds,
    types: &mut header::Types<'_>,
    report: &mut Report<'_>,
) -> Decls<node::NodeAst<'y>> {
    let mut nodes = IndexMap::new();
    for (key, value) in entries(value, "`nodes`", report) {
        if let Some(name) = take::checked(&key.name, &key.span, "a node's name", report)
            && let Some(node) = node::lower(&name, value, kinds, types, report)
        {
            nodes.insert(name.text, Decl { span: key.span.clone(), value: node });
        }
    }
    nodes
}

/// Reports names that mean two things.
fn taken(ast: &Ast<'_>, report: &mut Report<'_>) {
    for (name, node) in &ast.nodes {
        if ast.ends.contains_key(name) {
            report
                .error("E013", &node.span, format!("`{name}` is a node and an end"))
                .help("rename one of them: `next` could not tell which is meant");
        }
    }
    for (name, key) in &ast.state {
        if RESERVED.contains(&name.as_str()) {
            report.error("E013", &key.span, format!("`{name}` means something else in expressions"));
        }
    }
}

/// A name that is there already, for a message.
pub(crate) fn named(name: &Name) -> String {
    format!("`{}`", name.text)
}
