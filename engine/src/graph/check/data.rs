//! Read before written: on every path to a read, the key has a value.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::super::ast::Ast;
use super::super::diagnostic::Report;
use super::super::model::Reducer;
use super::flow::Flow;
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
pub(super) fn check(seen: &Seen, ast: &Ast<'_>, flow: &Flow, report: &mut Report<'_>) {
    let len = ast.state.len();
    let start = Keys::of(
        len,
        ast.state.values().enumerate().filter(|(_, key)| key.value.1 == Reducer::Append).map(|(i, _)| i),
    );
    let all = Keys::of(len, 0..len);
    let mut before = vec![all.clone(); ast.nodes.len()];
    let mut after = before.clone();
    if let Some(first) = before.get_mut(flow.start) {
        first.clone_from(&start);
    }
    let mut into: Vec<Vec<usize>> = vec![Vec::new(); ast.nodes.len()];
    for (from, to) in flow.plain.iter().filter(|(from, _)| flow.reached.contains(from)) {
        into[*to].push(*from);
    }
    for node in flow.order.iter().flatten().copied() {
        for from in &into[node] {
            let given = after[*from].clone();
            before[node].and(&given);
        }
        let written =
            seen.writes.get(&node).into_iter().flatten().filter_map(|key| ast.state.get_index_of(key));
        after[node] = before[node].clone();
        after[node].or(&Keys::of(len, written));
    }
    let mut told: BTreeSet<(String, String)> = BTreeSet::new();
    for (when, key, span) in &seen.reads {
        let Some(index) = ast.state.get_index_of(key) else { continue };
        let (given, place) = match when {
            When::Before(node) => (before[*node].clone(), *node),
            When::After(node) => (after[*node].clone(), *node),
            When::End(end) => (at_end(ast, flow, *end, &start, &after, &all), usize::MAX),
        };
        let unreached = place != usize::MAX && !flow.reached.contains(&place);
        if given.has(index) || unreached || !told.insert((format!("{when:?}"), key.clone())) {
            continue;
        }
        // A key that nothing writes is told once, as unused; the read is where it hurts.
        let writers: BTreeSet<usize> =
            seen.writes.iter().filter(|(_, keys)| keys.contains(key)).map(|(node, _)| *node).collect();
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

/// What every way to an end has written; a limit may end a run anywhere.
fn at_end(ast: &Ast<'_>, flow: &Flow, end: usize, start: &Keys, after: &[Keys], all: &Keys) -> Keys {
    let name = ast.ends.get_index(end).map_or("", |(name, _)| name);
    let limit = ast.limits_exhausted.as_ref().is_some_and(|limit| limit.text == name);
    let mut keys = if limit { start.clone() } else { all.clone() };
    for (from, _) in flow.ends.iter().filter(|(from, end)| end == name && flow.reached.contains(from)) {
        keys.and(&after[*from]);
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
