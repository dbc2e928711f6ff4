//! Bounds of loops that cannot be reached.

use std::collections::VecDeque;

use super::super::ast::{Ast, StepAst};
use super::super::diagnostic::Report;
use super::flow::Flow;

/// Warns of retries whose attempts a run cannot all have.
pub(super) fn check(ast: &Ast<'_>, flow: &Flow, report: &mut Report<'_>) {
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); ast.nodes.len()];
    for (from, to) in &flow.plain {
        next[*from].push(*to);
    }
    let start = distances(&next, flow.start, None);
    for (from, node) in ast.nodes.values().enumerate() {
        for step in node.value.next.iter().flat_map(|next| next.steps()) {
            let StepAst::Retry { head, max_attempts, .. } = step else { continue };
            if max_attempts == 1 {
                report
                    .warning("W010", &head.span, "this never goes back: the first pass is attempt 1")
                    .help("lead to what `exhausted` names, or give it `max_attempts: 2`");
                continue;
            }
            let Some(to) = ast.nodes.get_index_of(&head.text) else { continue };
            let Some(steps) = ast.limits.steps else { continue };
            // The shortest way there and round again; whatever runs in parallel adds nothing.
            let (Some(there), Some(round)) = (start[to], distances(&next, to, Some(from))[from]) else {
                continue;
            };
            let needed = there + u64::from(max_attempts) * (round + 1);
            if needed > steps {
                report
                    .warning(
                        "W010",
                        &head.span,
                        format!("{max_attempts} attempts take at least {needed} supersteps"),
                    )
                    .label(format!("`limits` allows {steps}"))
                    .help("raise `limits.steps`, or lower `max_attempts`");
            }
        }
    }
}

/// The fewest edges from a node to every other, or until `to` is found.
fn distances(next: &[Vec<usize>], from: usize, to: Option<usize>) -> Vec<Option<u64>> {
    let mut known: Vec<Option<u64>> = vec![None; next.len()];
    let mut open = VecDeque::from([(from, 0)]);
    while let Some((node, steps)) = open.pop_front() {
        if known[node].is_some() {
            continue;
        }
        known[node] = Some(steps);
        if Some(node) == to {
            break;
        }
        open.extend(next[node].iter().map(|node| (*node, steps + 1)));
    }
    known
}
