//! From the tree of a file to its parts: the shape of everything is checked here, by hand, so that each message
//! knows its place.

mod defaults;
mod header;
mod next;
mod node;
mod take;
mod types;

use indexmap::IndexMap;

use super::ast::{Ast, Decl, Decls, Name};
use super::diagnostic::Report;
use super::files::{Refused, is_file};
use super::keys;
use super::model::Limits;
use super::yaml::{Data, Node};
use crate::Kinds;
use defaults::Defaults;
pub(crate) use node::{file_of, inner};
use take::{entries, name_of};
pub(crate) use types::BASIC;

/// Names that expressions give a meaning of their own.
pub(crate) const RESERVED: [&str; 4] = ["inputs", "output", "attempt", "max_attempts"];

type Entries = [(super::yaml::Key, Node)];

/// What the graphs of one file share.
struct Shared<'k, 'y> {
    kinds: &'k Kinds,
    types: types::Types<'k>,
    defaults: Defaults<'y>,
    /// Which file it is.
    file: usize,
}

/// Lowers `root`, with the graphs beside it by path; one that could not be read is nothing. What is wrong is in the
/// report; what could be read is in the result.
pub(crate) fn lower<'y>(
    root: &'y Node,
    included: &'y [(String, Option<Node>)],
    kinds: &Kinds,
    report: &mut Report<'_>,
) -> Option<Ast<'y>> {
    let mut ast = file(root, 0, kinds, report)?;
    for (at, (path, root)) in included.iter().enumerate() {
        let Some(root) = root else { continue };
        let Some(mut graph) = file(root, at + 1, kinds, report) else { continue };
        let inner = std::mem::take(&mut graph.graphs);
        rename(&mut graph, path);
        let span = root.span.start..root.span.start;
        ast.graphs.insert(path.clone(), Decl { span, value: graph });
        for (name, mut inner) in inner {
            rename(&mut inner.value, path);
            ast.graphs.insert(within(path, &name), inner);
        }
    }
    Some(ast)
}

/// What a graph under `graphs:` of the file at `path` is called outside it.
fn within(path: &str, name: &str) -> String {
    format!("{path}#{name}")
}

/// Gives the graphs that `graph`, of the file at `path`, calls by name the names that they have outside it.
fn rename(graph: &mut Ast<'_>, path: &str) {
    for node in graph.nodes.values_mut() {
        if let Some(name) = node.value.does.graph_mut()
            && !is_file(&name.text)
        {
            name.text = within(path, &name.text);
        }
    }
}

/// Lowers one file.
fn file<'y>(root: &'y Node, at: usize, kinds: &Kinds, report: &mut Report<'_>) -> Option<Ast<'y>> {
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
    let types = types::read(get("types"), kinds, report);
    let defaults = defaults::read(get("defaults"), kinds, report);
    let mut shared = Shared { kinds, types, defaults, file: at };
    let name = get("name").and_then(|(_, value)| name_of(value, "the graph's name", report));
    let mut ast = graph(name.map_or_else(String::new, |name| name.text), top, &mut shared, report);
    ast.models = header::models(get("models"), report);
    if let Some((_, value)) = get("graphs") {
        for (key, value) in entries(value, "`graphs`", report) {
            let Some(name) = take::checked(&key.name, &key.span, "a graph's name", report) else { continue };
            let Data::Map(inner) = &value.data else {
                report
                    .error("E007", &value.span, format!("a graph is a map, this is {}", value.shape()))
                    .help("a node calls a file by its path: `graph: ./review.yaml`");
                continue;
            };
            for (key, _) in inner {
                if !keys::INNER.has(&key.name) {
                    let message = format!("a graph under `graphs` has no key `{}`", key.name);
                    report.error("E006", &key.span, message).suggest(&key.name, keys::INNER.names());
                }
            }
            missing(inner, &["ends", "start", "nodes"], &key.span, report);
            let inner = graph(name.text.clone(), inner, &mut shared, report);
            ast.graphs.insert(name.text, Decl { span: key.span.clone(), value: inner });
        }
    }
    (ast.types, ast.types_used) = shared.types.finish();
    ast.defaults = shared.defaults.declared();
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
    shared: &mut Shared<'_, 'y>,
    report: &mut Report<'_>,
) -> Ast<'y> {
    let get = |name: &str| entries.iter().find(|(key, _)| key.name == name).map(|(key, value)| (key, value));
    let mut ast = Ast {
        name,
        description: get("description").and_then(|(_, value)| take::text(value, report)).unwrap_or_default(),
        inputs: header::inputs(get("inputs"), &mut shared.types, report),
        models: IndexMap::new(),
        state: header::state(get("state"), &mut shared.types, report),
        types: IndexMap::new(),
        types_used: std::collections::BTreeSet::new(),
        limits: Limits { steps: None, wall_ms: None, cost_microusd: None, exhausted: String::new() },
        limits_exhausted: None,
        ends: header::ends(get("ends"), report),
        start: get("start").and_then(|(_, value)| name_of(value, "a node", report)),
        nodes: IndexMap::new(),
        returns: get("returns")
            .map(|(key, value)| Decl { span: key.span.clone(), value: shared.types.ty(value, report) }),
        graphs: IndexMap::new(),
        file: shared.file,
        defaults: IndexMap::new(),
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
        ast.nodes = nodes(value, shared, report);
        if ast.nodes.is_empty() && matches!(&value.data, Data::Map(entries) if entries.is_empty()) {
            report.error("E005", &key.span, "the graph has no nodes");
        }
    }
    taken(&ast, report);
    ast
}

fn nodes<'y>(
    value: &'y Node,
    shared: &mut Shared<'_, 'y>,
    report: &mut Report<'_>,
) -> Decls<node::NodeAst<'y>> {
    let mut nodes = IndexMap::new();
    for (key, value) in entries(value, "`nodes`", report) {
        if let Some(name) = take::checked(&key.name, &key.span, "a node's name", report)
            && let Some(node) = node::lower(&name, value, shared, report)
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

/// The file that the text `written` of `node` names; says why where there is none.
fn beside<'s>(node: &Node, written: &str, report: &mut Report<'s>) -> Option<&'s super::files::Source> {
    match report.beside(node.span.start, written) {
        Ok(source) => return Some(source),
        Err(Refused::Path(why)) => {
            report
                .error("E061", &node.span, why)
                .help("a graph's files stand in its folder or below: write the path from there, such as `prompts/fix.md`");
        }
        Err(Refused::File(why)) => {
            report.error("E060", &node.span, why);
        }
        Err(Refused::Itself) => {
            report
                .error("E055", &node.span, "the graph calls itself")
                .label("a run of it would never end")
                .help("a loop is closed by a retry edge, which has a bound");
        }
    }
    None
}
