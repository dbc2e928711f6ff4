//! Fan-outs: where their branches meet, what leaves a branch, and who writes beside whom.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::dominators::{Dominators, simple_fast};
use petgraph::graph::{DiGraph, NodeIndex};

use super::super::ast::Ast;
use super::super::diagnostic::Report;
use super::super::model::{Reducer, Target};
use super::flow::Flow;
use super::targets::{EdgeKind, ForkEdges, Targets};
use super::unused::Seen;

/// A fan-out whose branches meet.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) from: usize,
    pub(super) heads: Vec<usize>,
    pub(super) join: usize,
    /// The nodes of each branch.
    pub(super) regions: Vec<BTreeSet<usize>>,
}

/// Finds the joins of a graph whose plain edges have no loop, and reports fan-outs that have none and edges that leave
/// their branch.
pub(super) fn joins(ast: &Ast<'_>, targets: &Targets, flow: &Flow, report: &mut Report<'_>) -> Vec<Joined> {
    if targets.forks.is_empty() {
        return Vec::new();
    }
    let exit = ast.nodes.len();
    let backwards = backwards(exit, flow);
    let after = simple_fast(&backwards, NodeIndex::new(exit));
    let mut next: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (from, to) in &flow.plain {
        next.entry(*from).or_default().push(*to);
    }
    let mut joined = Vec::new();
    for fork in targets.forks.iter().filter(|fork| flow.reached.contains(&fork.from)) {
        if let Some(found) = join(ast, fork, &after, &next, exit, report) {
            leaves(ast, targets, &found, report);
            joined.push(found);
        }
    }
    joined
}

/// The plain edges turned round, with one exit behind all ends.
fn backwards(exit: usize, flow: &Flow) -> DiGraph<(), ()> {
    let mut graph = DiGraph::with_capacity(exit + 1, flow.plain.len());
    for _ in 0..=exit {
        graph.add_node(());
    }
    for (from, to) in &flow.plain {
        graph.add_edge(NodeIndex::new(*to), NodeIndex::new(*from), ());
    }
    for (from, _) in &flow.ends {
        graph.add_edge(NodeIndex::new(exit), NodeIndex::new(*from), ());
    }
    graph
}

/// The nearest node through which every path of every branch leads.
fn join(
    ast: &Ast<'_>,
    fork: &ForkEdges,
    after: &Dominators<NodeIndex>,
    next: &BTreeMap<usize, Vec<usize>>,
    exit: usize,
    report: &mut Report<'_>,
) -> Option<Joined> {
    let name = |node: usize| ast.nodes.get_index(node).map_or("", |(name, _)| name.as_str());
    let ways = |head: usize| -> Vec<usize> {
        after.dominators(NodeIndex::new(head)).into_iter().flatten().map(NodeIndex::index).collect()
    };
    let (first, rest) = fork.heads.split_first()?;
    let others: Vec<BTreeSet<usize>> = rest.iter().map(|head| ways(*head).into_iter().collect()).collect();
    let meet = ways(*first).into_iter().find(|node| others.iter().all(|other| other.contains(node)));
    let span = fork.spans.first()?.start..fork.spans.last()?.end;
    let Some(join) = meet.filter(|join| *join != exit) else {
        report
            .error("E050", &span, format!("the branches after `{}` never meet", name(fork.from)))
            .label("no node lies on every path of all of them")
            .help("lead every path of each branch to one node, and from there to the end");
        return None;
    };
    for (head, span) in fork.heads.iter().zip(&fork.spans) {
        if *head == join {
            report
                .error("E051", span, format!("the branch `{}` is where the other branches meet", name(join)))
                .help("a branch has a node of its own; leave it out of the list, it follows anyway");
            return None;
        }
    }
    let region = |head: &usize| {
        let mut region = BTreeSet::from([*head]);
        let mut open = vec![*head];
        while let Some(node) = open.pop() {
            for to in next.get(&node).into_iter().flatten() {
                if *to != join && region.insert(*to) {
                    open.push(*to);
                }
            }
        }
        region
    };
    let regions = fork.heads.iter().map(region).collect();
    Some(Joined { from: fork.from, heads: fork.heads.clone(), join, regions })
}

/// Reports retries out of a branch. Plain edges cannot leave one: the join lies on all of their paths.
fn leaves(ast: &Ast<'_>, targets: &Targets, fork: &Joined, report: &mut Report<'_>) {
    for region in &fork.regions {
        for edge in targets.edges.iter().filter(|edge| edge.kind == EdgeKind::Retry) {
            let Target::Node(head) = &edge.to else { continue };
            let inside = ast.nodes.get_index_of(head).is_some_and(|head| region.contains(&head));
            if region.contains(&edge.from) && !inside {
                report
                    .error("E052", &edge.span, format!("the retry to `{head}` leaves its branch"))
                    .help("retry a node of the branch, or lead to the join and decide there");
            }
        }
    }
}

/// Reports keys that several branches write though only one value can stay.
pub(super) fn writers(ast: &Ast<'_>, seen: &Seen, fork: &Joined, report: &mut Report<'_>) {
    // By key, the first branch that writes it, where, and whether it overwrites.
    let mut first: BTreeMap<&str, (usize, usize, bool)> = BTreeMap::new();
    let mut told: BTreeSet<&str> = BTreeSet::new();
    for (branch, region) in fork.regions.iter().enumerate() {
        for (node, key, span, overwrite) in seen.places.iter().filter(|(node, ..)| region.contains(node)) {
            let Some(reducer) = ast.state.get(key).map(|key| key.value.1) else { continue };
            let Some((other, writer, also)) = first.get(key.as_str()).copied() else {
                first.insert(key, (branch, *node, *overwrite));
                continue;
            };
            let one = reducer == Reducer::Last || *overwrite || also;
            if other == branch || !one || !told.insert(key) {
                continue;
            }
            let name = |node: usize| ast.nodes.get_index(node).map_or("", |(name, _)| name.as_str());
            let (code, what) = if reducer == Reducer::Last {
                ("E053", format!("two branches write `{key}` side by side"))
            } else {
                ("E054", format!("`{key}` is overwritten beside another write of it"))
            };
            let found = report.error(code, span, what);
            found.label(format!("`{}` writes it too, in another branch", name(writer)));
            if reducer == Reducer::Last {
                found.help("give the key a reducer (`reduce: append`), or each branch a key of its own");
            } else {
                found.help("overwrite it before the branches, or where they have met");
            }
        }
    }
}
