//! Read before written: on every path to a read, the key has a value.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::super::ast::Ast;
use super::super::diagnostic::Report;
use super::super::model::Target;
use super::flow::Flow;
use super::forks::Joined;
use super::unused::{Seen, When};

/// Most findings that name a path.
const MAX_PATHS: usize = 20;

/// A set of state keys, by their index.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Keys(Vec<u64>);

impl Keys {
    fn of(len: usize, keys: impl Iterator<Item = usize>) -> Self {
        let mut set = Self(vec![0; len.div_ceil(64)]);
        for key in keys {
            if let Some(word) = set.0.get_mut(key / 64) {
                *word |= 1 << (key % 64);
            }
        }
        set
    }

    fn has(&self, key: usize) -> bool {
        self.0.get(key / 64).is_some_and(|word| word & (1 << (key % 64)) != 0)
    }

    fn and(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a &= b);
    }

    fn or(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }
}

/// Checks the reads of a graph whose plain edges have no loop. A retry leads back with more written than before, so
/// it takes nothing away.
pub(super) fn check(seen: &Seen, ast: &Ast<'_>, flow: &Flow, forks: &[Joined], report: &mut Report<'_>) {
    let len = ast.state.len();
    let start = Keys::of(
        len,
        ast.state.values().enumerate().filter(|(_, key)| key.value.1.has_identity()).map(|(i, _)| i),
    );
    let all = Keys::of(len, 0..len);
    let mut before = vec![all.clone(); ast.nodes.len()];
    let (mut after, mut failed) = (before.clone(), before.clone());
    if let Some(first) = before.get_mut(flow.start) {
        first.clone_from(&start);
    }
    let mut into: Vec<Vec<usize>> = vec![Vec::new(); ast.nodes.len()];
    for (from, to) in flow.plain.iter().filter(|(from, _)| flow.reached.contains(from)) {
        into[*to].push(*from);
    }
    for node in flow.order.iter().flatten().copied() {
        let ways = into[node].clone();
        let name = ast.nodes.get_index(node).map_or("", |(name, _)| name);
        let to = Target::Node(name.to_owned());
        let brings = |from: usize| given(flow, from, &to, &after, &failed, &all);
        before[node].and(&at_join(node, &ways, forks, &brings, &all));
        let written = |keys: &BTreeMap<usize, BTreeSet<String>>| {
            let keys = keys.get(&node).into_iter().flatten();
            Keys::of(len, keys.filter_map(|key| ast.state.get_index_of(key)))
        };
        after[node] = before[node].clone();
        after[node].or(&written(&seen.writes));
        failed[node] = before[node].clone();
        failed[node].or(&written(&seen.error_writes));
    }
    let mut told: BTreeSet<(String, String)> = BTreeSet::new();
    for (when, key, span) in &seen.reads {
        let Some(index) = ast.state.get_index_of(key) else { continue };
        let (given, place) = match when {
            When::Before(node) => (before[*node].clone(), *node),
            When::After(node) => (after[*node].clone(), *node),
            When::End(end) => (at_end(ast, flow, *end, &start, (&after, &failed), &all), usize::MAX),
        };
        let unreached = place != usize::MAX && !flow.reached.contains(&place);
        if given.has(index) || unreached || !told.insert((format!("{when:?}"), key.clone())) {
            continue;
        }
        // A key that nothing writes is told once, as unused; the read is where it hurts.
        let writers: BTreeSet<usize> =
            seen.places.iter().filter(|(_, written, ..)| written == key).map(|(node, ..)| *node).collect();
        let found = report.error("E047", span, format!("`{key}` is read before it is written"));
        if writers.is_empty() {
            found.label("no node writes it");
        } else {
            found.label(format!("written by {}, too late for some path", quoted(ast, &writers)));
            // Each search is as long as the graph: a few show the point.
            if told.len() <= MAX_PATHS
                && let Some(path) = path_without(flow, &into, &writers, place)
            {
                found.note(format!("the path that misses it: {}", quoted(ast, &path)));
            }
        }
    }
}

/// What an edge brings: what the node wrote, or what it wrote when it failed, or what both have where both lead there.
fn given(flow: &Flow, from: usize, to: &Target, after: &[Keys], failed: &[Keys], all: &Keys) -> Keys {
    let (mut keys, edge) = (all.clone(), (from, to.clone()));
    if flow.going.contains(&edge) {
        keys.and(&after[from]);
    }
    if flow.failing.contains(&edge) {
        keys.and(&failed[from]);
    }
    keys
}

/// What is written when `node` is entered from `ways`: alternatives have in common what each has; branches that meet
/// bring all that each of them has.
fn at_join(
    node: usize,
    ways: &[usize],
    forks: &[Joined],
    brings: &dyn Fn(usize) -> Keys,
    all: &Keys,
) -> Keys {
    let here: Vec<&Joined> = forks.iter().filter(|fork| fork.join == node).collect();
    of_branch(ways, &here, brings, all)
}

/// What `ways` bring, where the fan-outs `within` meet: those that lie in a branch of another are that branch's.
fn of_branch(ways: &[usize], within: &[&Joined], brings: &dyn Fn(usize) -> Keys, all: &Keys) -> Keys {
    let mut common = all.clone();
    let mut left: BTreeSet<usize> = ways.iter().copied().collect();
    let outermost = within.iter().filter(|fork| {
        !within.iter().any(|other| other.regions.iter().any(|region| region.contains(&fork.from)))
    });
    for fork in outermost {
        let mut together = Keys(vec![0; all.0.len()]);
        for region in &fork.regions {
            let own: Vec<usize> = left.iter().copied().filter(|from| region.contains(from)).collect();
            let deeper: Vec<&Joined> =
                within.iter().copied().filter(|inner| region.contains(&inner.from)).collect();
            together.or(&of_branch(&own, &deeper, brings, all));
        }
        left.retain(|from| !fork.regions.iter().any(|region| region.contains(from)));
        common.and(&together);
    }
    for from in left {
        common.and(&brings(from));
    }
    common
}

/// What every way to an end has written; a limit may end a run anywhere.
fn at_end(
    ast: &Ast<'_>,
    flow: &Flow,
    end: usize,
    start: &Keys,
    (after, failed): (&[Keys], &[Keys]),
    all: &Keys,
) -> Keys {
    let name = ast.ends.get_index(end).map_or("", |(name, _)| name);
    let limit = ast.limits_exhausted.as_ref().is_some_and(|limit| limit.text == name);
    let mut keys = if limit { start.clone() } else { all.clone() };
    let to = Target::End(name.to_owned());
    for (from, _) in flow.ends.iter().filter(|(from, end)| end == name && flow.reached.contains(from)) {
        keys.and(&given(flow, *from, &to, after, failed, all));
    }
    keys
}

/// A shortest path from the start to `to` on which none of `writers` is passed before it.
fn path_without(
    flow: &Flow,
    into: &[Vec<usize>],
    writers: &BTreeSet<usize>,
    to: usize,
) -> Option<Vec<usize>> {
    // Searched backwards, so that it reads forwards.
    let mut after: BTreeMap<usize, usize> = BTreeMap::new();
    let mut open = VecDeque::from([to]);
    while let Some(node) = open.pop_front() {
        if node == flow.start {
            let mut path = vec![node];
            while let Some(next) = path.last().filter(|node| **node != to).and_then(|node| after.get(node)) {
                path.push(*next);
            }
            return Some(path);
        }
        for before in into.get(node).into_iter().flatten() {
            if *before != to && !writers.contains(before) && !after.contains_key(before) {
                after.insert(*before, node);
                open.push_back(*before);
            }
        }
    }
    None
}

fn quoted<'n>(ast: &Ast<'_>, nodes: impl IntoIterator<Item = &'n usize>) -> String {
    let names = nodes.into_iter().filter_map(|node| ast.nodes.get_index(*node));
    names.map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
