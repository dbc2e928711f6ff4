//! Paths: every node is reached, every node reaches an end, loops are bounded.

use std::collections::BTreeSet;

use petgraph::algo::dominators::{Dominators, simple_fast};
use petgraph::algo::{kosaraju_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Dfs, Reversed};

use super::super::ast::Ast;
use super::super::diagnostic::Report;
use super::super::model::Target;
use super::super::yaml::Span;
use super::targets::{EdgeKind, Targets};

/// The nodes in an order in which every plain edge leads on, and their predecessors.
pub(super) struct Flow {
    /// Nothing when plain edges close a loop.
    pub(super) order: Option<Vec<usize>>,
    /// Plain edges between nodes.
    pub(super) plain: Vec<(usize, usize)>,
    /// Plain edges to ends, by end.
    pub(super) ends: Vec<(usize, String)>,
    /// Those of both that are taken when a node fails, and those that are taken when it does not.
    pub(super) failing: BTreeSet<(usize, Target)>,
    pub(super) going: BTreeSet<(usize, Target)>,
    /// The first node.
    pub(super) start: usize,
    /// Nodes that a path from the start reaches.
    pub(super) reached: BTreeSet<usize>,
}

impl Flow {
    pub(super) fn is_acyclic(&self) -> bool {
        self.order.is_some()
    }
}

type Plain = DiGraph<(), ()>;

/// Checks the paths of `ast`, whose targets are all known.
pub(super) fn check(ast: &Ast<'_>, targets: &Targets, report: &mut Report<'_>) -> Flow {
    // Nodes keep their index in the file; retry edges are left out: they add no new way to a node.
    let mut graph = Plain::with_capacity(ast.nodes.len(), targets.edges.len());
    for _ in &ast.nodes {
        graph.add_node(());
    }
    let start = ast.start.as_ref().and_then(|start| ast.nodes.get_index_of(&start.text)).unwrap_or_default();
    let mut flow = Flow {
        order: None,
        plain: Vec::new(),
        ends: Vec::new(),
        failing: BTreeSet::new(),
        going: BTreeSet::new(),
        start,
        reached: BTreeSet::new(),
    };
    for edge in targets.edges.iter().filter(|edge| edge.kind != EdgeKind::Retry) {
        let taken = if edge.kind == EdgeKind::Error { &mut flow.failing } else { &mut flow.going };
        taken.insert((edge.from, edge.to.clone()));
        match &edge.to {
            Target::Node(name) => {
                if let Some(to) = ast.nodes.get_index_of(name) {
                    graph.add_edge(NodeIndex::new(edge.from), NodeIndex::new(to), ());
                    flow.plain.push((edge.from, to));
                }
            }
            Target::End(name) => flow.ends.push((edge.from, name.clone())),
        }
    }
    let root = NodeIndex::new(start);
    let mut walk = Dfs::new(&graph, root);
    while let Some(node) = walk.next(&graph) {
        flow.reached.insert(node.index());
    }
    unreachable(ast, &graph, &flow, report);
    loops(ast, targets, &graph, &flow, report);
    if graph.node_count() > 0 {
        retries(ast, targets, &simple_fast(&graph, root), &flow, report);
    }
    flow.order = toposort(&graph, None).ok().map(|order| order.into_iter().map(NodeIndex::index).collect());
    flow
}

fn name<'a>(ast: &'a Ast<'_>, node: usize) -> &'a str {
    ast.nodes.get_index(node).map_or("", |(name, _)| name)
}

fn span(ast: &Ast<'_>, node: usize) -> Span {
    ast.nodes.get_index(node).map_or(0..0, |(_, decl)| decl.span.clone())
}

/// Reports nodes that nothing reaches: where such a part begins, not all that follows from there.
fn unreachable(ast: &Ast<'_>, graph: &Plain, flow: &Flow, report: &mut Report<'_>) {
    let lost: Vec<usize> = (0..ast.nodes.len()).filter(|node| !flow.reached.contains(node)).collect();
    let entered: BTreeSet<usize> =
        flow.plain.iter().filter(|(from, to)| from != to).map(|(_, to)| *to).collect();
    let (first, rest): (Vec<usize>, Vec<usize>) = lost.into_iter().partition(|node| !entered.contains(node));
    let mut covered: BTreeSet<usize> = BTreeSet::new();
    for node in first.into_iter().chain(rest) {
        if covered.contains(&node) {
            continue;
        }
        let name = name(ast, node);
        report
            .error("E042", &span(ast, node), format!("the node `{name}` is never reached"))
            .help("lead an edge to it, or remove it");
        let mut walk = Dfs::new(graph, NodeIndex::new(node));
        while let Some(next) = walk.next(graph) {
            covered.insert(next.index());
        }
    }
}

/// Reports loops that plain edges alone close; worse when none of their edges leads out.
fn loops(ast: &Ast<'_>, targets: &Targets, graph: &Plain, flow: &Flow, report: &mut Report<'_>) {
    // What leads to an end, whatever edge it takes.
    let mut leaves: BTreeSet<usize> = BTreeSet::new();
    let back = Reversed(graph);
    let mut walk = Dfs::empty(back);
    for (from, _) in &flow.ends {
        walk.move_to(NodeIndex::new(*from));
        while let Some(node) = walk.next(back) {
            leaves.insert(node.index());
        }
    }
    let selves: BTreeSet<usize> =
        flow.plain.iter().filter(|(from, to)| from == to).map(|(from, _)| *from).collect();
    for part in kosaraju_scc(graph) {
        // A part of one node is a loop only when it leads to itself.
        if part.len() == 1 && part.iter().all(|node| !selves.contains(&node.index())) {
            continue;
        }
        let nodes: BTreeSet<usize> = part.iter().map(|node| node.index()).collect();
        let inside = |node: usize| nodes.contains(&node);
        let own = |from: usize, to: usize| inside(from) && inside(to);
        // The edge that closes the loop: the last one in the file that leads back to a node written earlier.
        let closing = targets.edges.iter().rfind(|edge| {
            let to = match &edge.to {
                Target::Node(name) => ast.nodes.get_index_of(name),
                Target::End(_) => None,
            };
            edge.kind != EdgeKind::Retry && to.is_some_and(|to| own(edge.from, to) && to <= edge.from)
        });
        let Some(edge) = closing else { continue };
        let path: Vec<&str> = nodes.iter().take(8).map(|node| name(ast, *node)).collect();
        let ring = path.join(", ");
        if nodes.iter().any(|node| leaves.contains(node)) {
            let to = match &edge.to {
                Target::Node(name) | Target::End(name) => name,
            };
            report
                .error("E044", &edge.span, "this edge closes a loop without a bound")
                .label(format!("the loop: {ring}"))
                .help(format!("go back with `{{retry: {to}, max_attempts: 3, exhausted: TARGET}}`"));
        } else {
            report
                .error("E043", &edge.span, "no way leads from here to an end")
                .label(format!("the loop: {ring}"))
                .help("lead an edge of the loop to an end");
        }
    }
}

/// Reports retries whose target does not lie on every path to them.
fn retries(
    ast: &Ast<'_>,
    targets: &Targets,
    dominators: &Dominators<NodeIndex>,
    flow: &Flow,
    report: &mut Report<'_>,
) {
    for edge in targets.edges.iter().filter(|edge| edge.kind == EdgeKind::Retry) {
        let Target::Node(head) = &edge.to else { continue };
        let Some(to) = ast.nodes.get_index_of(head) else { continue };
        if !flow.reached.contains(&edge.from) {
            continue;
        }
        let mut above = dominators.dominators(NodeIndex::new(edge.from)).into_iter().flatten();
        if !above.any(|node| node.index() == to) {
            let node = name(ast, edge.from);
            report
                .error("E045", &edge.span, format!("`{node}` can be reached without `{head}`"))
                .label("not an ancestor")
                .help(format!("retry a node that every path to `{node}` leads through"));
        }
    }
}
