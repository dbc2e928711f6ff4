//! Small changes of meaning: what fails without an exception in the program, or with one that no guard explains.
//!
//! Every family is a function over one suspected function of the program. Scores are kept below those of
//! the templates that an exception drives, and fall with the distance from the line of the failure.

use tree_sitter::Node;

use super::case::{Case, Drafts};
use super::source::{Module, all, children, class, field, function, is_test, walk};
use super::zero::parameter;

mod conditions;
mod names;
mod numbers;
mod operators;
mod statements;
mod values;

/// A function that may be at fault.
pub(super) struct Spot<'a> {
    /// Its file.
    pub(super) module: &'a Module,
    /// The function.
    pub(super) func: Node<'a>,
    /// How suspicious it is.
    weight: f64,
    /// The row that the trace names, from 0.
    row: Option<usize>,
}

impl<'a> Spot<'a> {
    /// The score of a change at `node`.
    pub(super) fn score(&self, node: Node, prior: f64) -> f64 {
        let near = match self.row {
            Some(row) if (node.start_position().row..=node.end_position().row).contains(&row) => 1.0,
            Some(_) => 0.75,
            None => 1.0,
        };
        self.weight * prior * near
    }

    /// The nodes of the function's own body, nested functions included, docstrings left out.
    pub(super) fn nodes(&self) -> Vec<Node<'a>> {
        field(self.func, "body").map(walk).unwrap_or_default().into_iter().filter(Node::is_named).collect()
    }

    /// Source of a node.
    pub(super) fn of(&self, node: Node) -> &'a str {
        self.module.of(node)
    }

    /// The parameters' names, without `self` and `cls`.
    pub(super) fn parameters(&self) -> Vec<&'a str> {
        let list = field(self.func, "parameters").map(children).unwrap_or_default();
        list.into_iter()
            .map(|p| parameter(self.module, p))
            .filter(|n| !n.is_empty() && !matches!(*n, "self" | "cls"))
            .collect()
    }

    /// Names bound in the function: parameters first, then in source order.
    pub(super) fn locals(&self) -> Vec<&'a str> {
        let mut names = self.parameters();
        for n in self.nodes() {
            let bound = match n.kind() {
                "assignment" | "augmented_assignment" | "for_statement" | "for_in_clause" => field(n, "left"),
                "named_expression" => field(n, "name"),
                _ => None,
            };
            for id in bound
                .filter(|b| !matches!(b.kind(), "attribute" | "subscript"))
                .map(|b| all(b, "identifier"))
                .unwrap_or_default()
            {
                if !names.contains(&self.of(id)) {
                    names.push(self.of(id));
                }
            }
        }
        names
    }
}

/// Proposes small changes in every suspected function.
pub(super) fn propose(case: &Case, out: &mut Drafts) {
    for spot in spots(case) {
        operators::propose(case, &spot, out);
        numbers::propose(&spot, out);
        names::propose(&spot, out);
        conditions::propose(case, &spot, out);
        statements::propose(&spot, out);
        values::propose(case, &spot, out);
    }
}

/// The suspected functions: those on the stack, or those that the failing test names and what they call.
pub(super) fn spots<'a>(case: &Case<'a>) -> Vec<Spot<'a>> {
    let mut spots: Vec<Spot<'a>> = Vec::new();
    let mut add = |module: &'a Module, func: Node<'a>, weight: f64, row: Option<usize>| {
        let known = spots.iter_mut().find(|s| s.module.path == module.path && s.func.id() == func.id());
        match known {
            Some(s) => s.weight = s.weight.max(weight),
            None => spots.push(Spot { module, func, weight, row }),
        }
    };
    let wrong_value = matches!(case.exception, "AssertionError" | "Failed" | "Timeout" | "TimeoutError" | "")
        || case.sites.is_empty();
    for site in case.sites.iter().take(6) {
        if let Some(func) = site.function() {
            let row = Some(
                site.module
                    .root()
                    .named_descendant_for_byte_range(site.focus.start, site.focus.start)
                    .map_or(0, |n| n.start_position().row),
            );
            add(site.module, func, site.weight * if wrong_value { 0.8 } else { 0.5 }, row);
        }
    }
    let mut named: Vec<(&'a Module, Node<'a>, f64)> = Vec::new();
    let scale = if wrong_value { 0.8 } else { 0.3 };
    for name in tested(case) {
        named.extend(case.functions(name).into_iter().take(3).map(|(m, f)| (m, f, scale)));
        for (m, c) in case.classes(name).into_iter().take(2) {
            for f in all(c, "function_definition")
                .into_iter()
                .filter(|f| class(*f).is_some_and(|k| k.id() == c.id()))
            {
                named.push((m, f, scale * 0.7));
            }
        }
    }
    named.truncate(24);
    let mut at = 0;
    while at < named.len() && named.len() < 40 {
        let (m, f, weight) = named[at];
        at += 1;
        for inner in walk(f).into_iter().filter(|n| n.kind() == "function_definition" && n.id() != f.id()) {
            let _ = inner;
        }
        for call in all(f, "call") {
            let name = field(call, "function").map_or("", |g| m.of(g)).rsplit('.').next().unwrap_or("");
            for g in m.functions(name) {
                if !named.iter().any(|(_, h, _)| h.id() == g.id()) && function(g).is_none() && weight > 0.3 {
                    named.push((m, g, weight * 0.85));
                }
            }
        }
    }
    for (m, f, weight) in named {
        add(m, f, weight, None);
    }
    // A nested function is part of the one around it: do not look at it twice.
    let ids: Vec<(String, usize)> = spots.iter().map(|s| (s.module.path.clone(), s.func.id())).collect();
    spots.retain(|s| {
        !super::source::ancestors(s.func).any(|a| ids.contains(&(s.module.path.clone(), a.id())))
    });
    spots.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    spots.truncate(12);
    spots
}

/// Names that the failing test calls or mentions, in source order.
fn tested<'a>(case: &Case<'a>) -> Vec<&'a str> {
    let mut names = Vec::new();
    for frame in case.failure.frames.iter().filter(|f| f.path.as_ref().is_some_and(|p| is_test(p))) {
        let Some(module) = frame.path.as_ref().and_then(|p| case.code.get(p)) else { continue };
        for func in module.functions(frame.function.rsplit('.').next().unwrap_or("")) {
            for n in all(func, "identifier") {
                if !names.contains(&module.of(n)) {
                    names.push(module.of(n));
                }
            }
        }
    }
    names
}
