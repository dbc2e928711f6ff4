//! Targets: every name that an edge leads to is a node or an end.

use super::super::ast::{Ast, Name, StepAst};
use super::super::diagnostic::Report;
use super::super::model::Target;
use super::super::yaml::Span;

/// How an edge leads on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EdgeKind {
    /// Forward, or where a retry leads when its attempts are used up.
    Plain,
    /// Where a node leads that fails; in all else as a plain one.
    Error,
    /// Back to a loop's head.
    Retry,
}

/// An edge between nodes by index, or from a node to an end.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: Target,
    pub(super) kind: EdgeKind,
    /// Where the target is named.
    pub(super) span: Span,
}

/// A fan-out: its edges are plain ones as well.
#[derive(Debug, Clone)]
pub(super) struct ForkEdges {
    pub(super) from: usize,
    /// The first nodes of the branches.
    pub(super) heads: Vec<usize>,
    /// Where each is named.
    pub(super) spans: Vec<Span>,
}

/// The edges of a graph.
#[derive(Debug)]
pub(super) struct Targets {
    /// In the file's order.
    pub(super) edges: Vec<Edge>,
    /// In the file's order.
    pub(super) forks: Vec<ForkEdges>,
    /// Whether each target was found and each node has its `next`.
    pub(super) complete: bool,
}

/// What `name` leads to.
pub(super) fn find(ast: &Ast<'_>, name: &str) -> Option<Target> {
    if ast.nodes.contains_key(name) {
        return Some(Target::Node(name.to_owned()));
    }
    ast.ends.contains_key(name).then(|| Target::End(name.to_owned()))
}

/// Resolves all targets of `ast`.
pub(super) fn resolve(ast: &Ast<'_>, report: &mut Report<'_>) -> Targets {
    let mut targets = Targets { edges: Vec::new(), forks: Vec::new(), complete: true };
    match &ast.start {
        Some(start) if ast.nodes.contains_key(&start.text) => {}
        Some(start) => {
            unknown(ast, start, true, report);
            targets.complete = false;
        }
        None => targets.complete = false,
    }
    if let Some(name) = &ast.limits_exhausted
        && !ast.ends.contains_key(&name.text)
    {
        targets.complete = false;
        if unclear(ast, &name.text) {
            return targets;
        }
        let message = if ast.nodes.contains_key(&name.text) {
            format!("`{}` is a node: a limit ends the run", name.text)
        } else {
            format!("there is no end `{}`", name.text)
        };
        report.error("E021", &name.span, message).suggest(&name.text, ast.ends.keys().map(String::as_str));
    }
    for (from, node) in ast.nodes.values().enumerate() {
        let Some(next) = &node.value.next else {
            targets.complete = false;
            continue;
        };
        for step in next.steps() {
            for (name, kind) in of_step(&step) {
                target(ast, from, name, kind, &mut targets, report);
            }
            if let StepAst::Fork(names) = &step {
                fork(ast, from, names, &mut targets, report);
            }
        }
        if let Some(on_error) = &node.value.on_error {
            target(ast, from, &on_error.to, EdgeKind::Error, &mut targets, report);
        }
    }
    targets
}

fn target(
    ast: &Ast<'_>,
    from: usize,
    name: &Name,
    kind: EdgeKind,
    targets: &mut Targets,
    report: &mut Report<'_>,
) {
    match find(ast, &name.text) {
        Some(Target::End(end)) if kind == EdgeKind::Retry => {
            report.error("E021", &name.span, format!("a retry goes back to a node, `{end}` is an end"));
            targets.complete = false;
        }
        Some(to) => targets.edges.push(Edge { from, to, kind, span: name.span.clone() }),
        None => {
            unknown(ast, name, kind == EdgeKind::Retry, report);
            targets.complete = false;
        }
    }
}

/// The branches of a fan-out begin at nodes.
fn fork(ast: &Ast<'_>, from: usize, names: &[Name], targets: &mut Targets, report: &mut Report<'_>) {
    let mut fork = ForkEdges { from, heads: Vec::new(), spans: Vec::new() };
    for name in names {
        match (ast.nodes.get_index_of(&name.text), find(ast, &name.text)) {
            (Some(head), _) => {
                fork.heads.push(head);
                fork.spans.push(name.span.clone());
            }
            (None, Some(_)) => {
                report
                    .error(
                        "E021",
                        &name.span,
                        format!("a branch begins at a node, `{}` is an end", name.text),
                    )
                    .help("lead all branches to a node where they meet, and from there to the end");
                targets.complete = false;
            }
            // An unknown name was reported with the edge.
            (None, None) => {}
        }
    }
    targets.forks.push(fork);
}

/// Whether the name may be one that could not be read: that was reported.
fn unclear(ast: &Ast<'_>, name: &str) -> bool {
    ast.partial || (find(ast, name).is_none() && ast.broken.iter().any(|known| known == name))
}

fn of_step(step: &StepAst) -> Vec<(&Name, EdgeKind)> {
    match step {
        StepAst::To(name) => vec![(name, EdgeKind::Plain)],
        StepAst::Fork(names) => names.iter().map(|name| (name, EdgeKind::Plain)).collect(),
        StepAst::Retry { head, exhausted, .. } => vec![(head, EdgeKind::Retry), (exhausted, EdgeKind::Plain)],
    }
}

fn unknown(ast: &Ast<'_>, name: &Name, nodes_only: bool, report: &mut Report<'_>) {
    if unclear(ast, &name.text) {
        return;
    }
    let nodes = ast.nodes.keys().map(String::as_str);
    let what = if nodes_only { "node" } else { "node or end" };
    let ends = ast.ends.keys().map(String::as_str).filter(|_| !nodes_only);
    let message = match find(ast, &name.text) {
        Some(_) => format!("`{}` is an end, a node is needed here", name.text),
        None => format!("there is no {what} `{}`", name.text),
    };
    report.error("E021", &name.span, message).suggest(&name.text, nodes.chain(ends));
}
