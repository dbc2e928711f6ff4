//! Where a stub stands: `test`, `test#2`, `each[1]/score`, `fork[0]/left#2`.

use crate::graph::diagnostic::Report;
use crate::graph::yaml::Key;
use crate::graph::{Does, Graph, Next, NodeDef, Step};
use crate::{Lane, Name};

/// A place that a stub speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The graph that the node belongs to; empty for the run's own.
    graph: String,
    /// The scopes above it; nothing: anywhere in that graph.
    above: Option<Vec<Part>>,
    node: String,
    visit: Option<u32>,
}

/// A scope on the way to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    node: String,
    visit: Option<u32>,
    index: Option<usize>,
    /// Of a call or a map, not of a branch.
    call: bool,
}

impl Place {
    /// Whether the task is one that the place speaks of. `graph` is the lane's own, empty for that of the run; `root`
    /// is the run's.
    pub(super) fn fits(&self, lane: &Lane, graph: &str, root: &Graph) -> bool {
        self.graph == graph
            && lane.node == self.node.as_str()
            && self.visit.is_none_or(|visit| visit == lane.visit)
            && self.above.as_ref().is_none_or(|above| fits(above, &parts_of(&lane.scope, root)))
    }

    /// How exact it is; the most exact one that fits is taken.
    pub(super) fn exactness(&self) -> usize {
        let above = self.above.iter().flatten();
        let parts: usize = above
            .map(|part| 2 + usize::from(part.visit.is_some()) + 2 * usize::from(part.index.is_some()))
            .sum();
        parts * 2 + usize::from(self.visit.is_some())
    }

    /// Whether it speaks of one visit alone.
    pub(super) fn is_visit(&self) -> bool {
        self.visit.is_some()
    }
}

/// Whether the parts of a lane's scope are those asked for; branches that are not asked for are passed over.
fn fits(asked: &[Part], parts: &[Part]) -> bool {
    let mut asked = asked.iter().peekable();
    for part in parts {
        let fits = asked.peek().is_some_and(|want| {
            want.node == part.node
                && want.visit.is_none_or(|visit| Some(visit) == part.visit)
                && want.index.is_none_or(|index| Some(index) == part.index)
        });
        if fits {
            asked.next();
        } else if part.call {
            return false;
        }
    }
    asked.peek().is_none()
}

/// The parts of a scope that a run of `root` has.
fn parts_of(scope: &Name, root: &Graph) -> Vec<Part> {
    let mut graph = root;
    let mut parts = Vec::new();
    for text in scope.split('/').filter(|text| !text.is_empty()) {
        let Some(mut part) = part(text) else { break };
        part.visit.get_or_insert(1);
        if let Some(called) = graph.nodes.get(&part.node).and_then(|def| called(def, root)) {
            graph = called;
            part.call = true;
        }
        parts.push(part);
    }
    parts
}

fn called<'g>(def: &NodeDef, root: &'g Graph) -> Option<&'g Graph> {
    match &def.does {
        Does::Run => None,
        Does::Call(name) => root.graphs.get(name).map(AsRef::as_ref),
        Does::Map(map) => root.graphs.get(&map.graph).map(AsRef::as_ref),
    }
}

fn called_name(def: &NodeDef) -> Option<&str> {
    match &def.does {
        Does::Run => None,
        Does::Call(name) => Some(name),
        Does::Map(map) => Some(&map.graph),
    }
}

/// `node#visit[index]`, the last two where they are there.
fn part(text: &str) -> Option<Part> {
    let (text, index) = match text.split_once('[') {
        Some((text, rest)) => (text, Some(rest.strip_suffix(']')?.parse().ok()?)),
        None => (text, None),
    };
    let (node, visit) = match text.split_once('#') {
        Some((node, visit)) => (node, Some(visit.parse().ok().filter(|visit| *visit > 0)?)),
        None => (text, None),
    };
    (!node.is_empty()).then(|| Part { node: node.to_owned(), visit, index, call: false })
}

/// The place that `key` names in a run of `root`, with the node there. Nothing after a finding.
pub(super) fn place<'g>(
    key: &Key,
    root: &'g Graph,
    report: &mut Report<'_>,
) -> Option<(Place, &'g Graph, &'g NodeDef)> {
    let malformed = |report: &mut Report<'_>| {
        report.error("E007", &key.span, format!("`{}` is no place of a node", shown(&key.name))).help(
            "a place is a node, `test`, a visit of it, `test#2`, or either below a scope: `each[1]/score`",
        );
    };
    let parts: Option<Vec<Part>> = key.name.split('/').map(part).collect();
    let Some((node, above)) = parts.as_deref().and_then(<[Part]>::split_last) else {
        malformed(report);
        return None;
    };
    if node.index.is_some() {
        malformed(report);
        return None;
    }
    let (name, graph, above) = match above {
        [] => {
            let (name, graph) = anywhere(node, key, root, report)?;
            (name, graph, None)
        }
        above => {
            let (name, graph, above) = below(above, key, root, report)?;
            (name, graph, Some(above))
        }
    };
    let Some(def) = graph.nodes.get(&node.node) else {
        unknown(&node.node, graph, key, report);
        return None;
    };
    let place = Place { graph: name, above, node: node.node.clone(), visit: node.visit };
    Some((place, graph, def))
}

/// The graph that a node named alone is of: the run's own, or else the only called one that has it.
fn anywhere<'g>(
    node: &Part,
    key: &Key,
    root: &'g Graph,
    report: &mut Report<'_>,
) -> Option<(String, &'g Graph)> {
    if root.nodes.contains_key(&node.node) {
        return Some((String::new(), root));
    }
    let having: Vec<&String> = root
        .graphs
        .iter()
        .filter(|(_, graph)| graph.nodes.contains_key(&node.node))
        .map(|(name, _)| name)
        .collect();
    match having.as_slice() {
        [] => {
            unknown(&node.node, root, key, report);
            None
        }
        [name] => Some(((*name).clone(), root.graphs.get(*name)?.as_ref())),
        several => {
            let names: Vec<String> = several.iter().map(|name| format!("`{name}`")).collect();
            report
                .error("E021", &key.span, format!("a node `{}` is in {}", node.node, names.join(" and in ")))
                .help(format!("say which by the node that calls it: `CALLER/{}`", node.node));
            None
        }
    }
}

/// The graph below these scopes.
fn below<'g>(
    above: &[Part],
    key: &Key,
    root: &'g Graph,
    report: &mut Report<'_>,
) -> Option<(String, &'g Graph, Vec<Part>)> {
    let (mut name, mut graph) = (String::new(), root);
    let mut parts = Vec::new();
    for part in above {
        let Some(def) = graph.nodes.get(&part.node) else {
            unknown(&part.node, graph, key, report);
            return None;
        };
        let mut part = part.clone();
        if let (Some(inner), Some(called)) = (called(def, root), called_name(def)) {
            (name, graph, part.call) = (called.to_owned(), inner, true);
        } else if part.index.is_none_or(|index| index >= width(def)) {
            report.error("E021", &key.span, format!("`{}` has no scope of this name", part.node)).help(
                match width(def) {
                    0 => format!("`{}` neither calls a graph nor opens branches", part.node),
                    width => format!("its branches are `{0}[0]` to `{0}[{1}]`", part.node, width - 1),
                },
            );
            return None;
        }
        parts.push(part);
    }
    Some((name, graph, parts))
}

/// The scope of a run that `key` names, as tasks have it, and the graph there. Nothing after a finding.
pub(super) fn scope<'g>(key: &Key, root: &'g Graph, report: &mut Report<'_>) -> Option<(String, &'g Graph)> {
    let parts: Option<Vec<Part>> = key.name.split('/').map(part).collect();
    let Some(parts) = parts else {
        report
            .error("E007", &key.span, format!("`{}` is no scope", shown(&key.name)))
            .help("a scope is a branch, `fork[0]`, an item of a map, `each[1]`, a call, `review`, or one below another");
        return None;
    };
    let (_, graph, parts) = below(&parts, key, root, report)?;
    let text = |part: &Part| {
        let visit =
            part.visit.filter(|visit| *visit > 1).map(|visit| format!("#{visit}")).unwrap_or_default();
        let index = part.index.map(|index| format!("[{index}]")).unwrap_or_default();
        format!("{}{visit}{index}", part.node)
    };
    Some((parts.iter().map(text).collect::<Vec<_>>().join("/"), graph))
}

/// The most branches that the node opens.
fn width(def: &NodeDef) -> usize {
    let of = |step: &Step| match step {
        Step::Fork(fork) => fork.branches.len(),
        _ => 0,
    };
    match &def.next {
        Next::Go(step) => of(step),
        other => other.steps().iter().map(|(_, step)| of(step)).max().unwrap_or_default(),
    }
}

fn unknown(node: &str, graph: &Graph, key: &Key, report: &mut Report<'_>) {
    report
        .error("E021", &key.span, format!("the graph has no node `{}`", shown(node)))
        .suggest(node, graph.nodes.keys().map(String::as_str));
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}
