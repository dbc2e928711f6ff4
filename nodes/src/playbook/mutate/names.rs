//! A variable or attribute where another one of a fitting kind was meant.

use tree_sitter::Node;

use super::super::case::Drafts;
use super::super::edit::Edit;
use super::super::source::{all, arguments, children, class, field, walk};
use super::Spot;

const NAME: &str = "other-name";
const ATTRIBUTE: &str = "other-attribute";

const SEQUENCE: u8 = 1;
const NUMBER: u8 = 2;
const TEXT: u8 = 4;
const MAPPING: u8 = 8;
const CALLED: u8 = 16;

/// What a name is used as in the function; 0 when nothing tells.
fn kind(spot: &Spot, name: &str) -> u8 {
    let mut kind = 0;
    for n in spot.nodes() {
        let is = |x: Option<Node>| x.is_some_and(|x| spot.of(x) == name);
        match n.kind() {
            "subscript" if is(field(n, "value")) => kind |= SEQUENCE | MAPPING | TEXT,
            "subscript" if is(field(n, "subscript")) => kind |= NUMBER | TEXT,
            "for_statement" | "for_in_clause" if is(field(n, "right")) => kind |= SEQUENCE | MAPPING | TEXT,
            "call" => {
                let f = field(n, "function").map_or("", |f| spot.of(f));
                if f == name {
                    kind |= CALLED;
                }
                if arguments(n).first().is_some_and(|a| spot.of(*a) == name) {
                    match f {
                        "len" | "enumerate" | "sorted" | "list" | "set" | "sum" | "iter" | "reversed"
                        | "zip" => kind |= SEQUENCE | MAPPING | TEXT,
                        "range" | "abs" => kind |= NUMBER,
                        _ => {}
                    }
                }
            }
            "binary_operator" => {
                let number = |x: Option<Node>| x.is_some_and(|x| matches!(x.kind(), "integer" | "float"));
                if (is(field(n, "left")) && number(field(n, "right")))
                    || (is(field(n, "right")) && number(field(n, "left")))
                {
                    kind |= NUMBER;
                }
            }
            "augmented_assignment"
                if is(field(n, "left"))
                    && field(n, "right").is_some_and(|r| matches!(r.kind(), "integer" | "float")) =>
            {
                kind |= NUMBER;
            }
            "assignment" if is(field(n, "left")) => {
                kind |= match field(n, "right").map_or("", |r| r.kind()) {
                    "list" | "list_comprehension" => SEQUENCE,
                    "dictionary" | "dictionary_comprehension" | "set" => MAPPING,
                    "integer" | "float" => NUMBER,
                    "string" => TEXT,
                    _ => 0,
                }
            }
            "comparison_operator" => {
                let c = children(n);
                if c.iter().any(|x| spot.of(*x) == name) && c.iter().any(|x| x.kind() == "integer") {
                    kind |= NUMBER;
                }
            }
            "attribute" if is(field(n, "object")) => {
                kind |= match field(n, "attribute").map_or("", |a| spot.of(a)) {
                    "append" | "extend" | "sort" | "insert" => SEQUENCE,
                    "items" | "keys" | "values" | "get" | "add" => MAPPING,
                    "strip" | "split" | "lower" | "upper" | "startswith" => TEXT,
                    _ => 0,
                }
            }
            _ => {}
        }
    }
    kind
}

/// Whether the identifier is read as a value, not bound, called or part of something else's name.
fn is_read(n: Node) -> bool {
    let Some(p) = n.parent() else { return false };
    let role = |name: &str| field(p, name).is_some_and(|x| x.id() == n.id());
    match p.kind() {
        "attribute" => role("object"),
        "keyword_argument" => role("value"),
        "assignment" | "augmented_assignment" | "for_statement" | "for_in_clause" | "named_expression" => {
            role("right") || role("value")
        }
        "parameters"
        | "default_parameter"
        | "typed_parameter"
        | "pattern_list"
        | "tuple_pattern"
        | "dotted_name"
        | "function_definition"
        | "class_definition"
        | "global_statement"
        | "nonlocal_statement"
        | "lambda_parameters"
        | "as_pattern_target"
        | "type" => false,
        "call" => !role("function"),
        _ => true,
    }
}

/// Proposes other names.
pub(super) fn propose(spot: &Spot, out: &mut Drafts) {
    let locals = spot.locals();
    let kinds: Vec<u8> = locals.iter().map(|name| kind(spot, name)).collect();
    if locals.len() <= 14 {
        for n in spot.nodes().into_iter().filter(|n| n.kind() == "identifier" && is_read(*n)) {
            let old = spot.of(n);
            let Some(at) = locals.iter().position(|l| *l == old) else { continue };
            for (i, new) in locals.iter().enumerate().filter(|(i, _)| *i != at) {
                let fits = kinds[i] & kinds[at] != 0;
                if !fits && kinds[i] != 0 && kinds[at] != 0 {
                    continue;
                }
                let stmt = super::super::source::statement(n);
                let prior = match n.parent().map_or("", |p| p.kind()) {
                    "argument_list" | "return_statement" | "for_statement" | "for_in_clause" => 0.5,
                    "expression_list" | "tuple" => 0.45,
                    _ => 0.4,
                };
                // `x = x` and `f(a, a)` are seldom meant.
                let twin = stmt.is_some_and(|s| {
                    s.kind() != "for_statement"
                        && s.kind() != "while_statement"
                        && s.kind() != "if_statement"
                        && walk(s).iter().any(|k| k.kind() == "identifier" && spot.of(*k) == *new)
                });
                let score =
                    spot.score(n, prior * if fits { 1.1 } else { 0.8 } * if twin { 0.8 } else { 1.0 });
                out.add(
                    NAME,
                    spot.module,
                    n,
                    score,
                    [Some(Edit::replace(n, *new))],
                    format!("`{old}` becomes `{new}`"),
                );
            }
        }
    }
    attributes(spot, out);
}

/// Attributes and methods of the same object that the function or its class uses elsewhere.
fn attributes(spot: &Spot, out: &mut Drafts) {
    let scope = class(spot.func).unwrap_or(spot.func);
    let mut known: Vec<(&str, &str, bool)> = Vec::new();
    let called = |n: Node| {
        n.parent()
            .is_some_and(|p| p.kind() == "call" && field(p, "function").is_some_and(|f| f.id() == n.id()))
    };
    for n in all(scope, "attribute") {
        if let (Some(o), Some(a)) = (field(n, "object"), field(n, "attribute")) {
            let entry = (spot.of(o), spot.of(a), called(n));
            if !known.contains(&entry) {
                known.push(entry);
            }
        }
    }
    known.truncate(60);
    for n in spot.nodes().into_iter().filter(|n| n.kind() == "attribute") {
        let (Some(o), Some(a)) = (field(n, "object"), field(n, "attribute")) else { continue };
        let target = n.parent().is_some_and(|p| {
            matches!(p.kind(), "assignment" | "augmented_assignment")
                && field(p, "left").is_some_and(|l| l.id() == n.id())
        });
        let mut tried: Vec<&str> = vec![spot.of(a)];
        for (object, attribute, is_called) in &known {
            if *is_called != called(n) || tried.contains(attribute) {
                continue;
            }
            let same = *object == spot.of(o);
            let effect = *is_called
                && n.parent().and_then(|p| p.parent()).is_some_and(|p| p.kind() == "expression_statement");
            if (same || !is_called) && !effect {
                tried.push(attribute);
                let prior = if same { 0.5 } else { 0.35 } * if target { 0.6 } else { 1.0 };
                out.add(
                    ATTRIBUTE,
                    spot.module,
                    n,
                    spot.score(n, prior),
                    [Some(Edit::replace(a, *attribute))],
                    format!("`.{}` becomes `.{attribute}`", spot.of(a)),
                );
            }
            if tried.len() > 6 {
                break;
            }
        }
    }
    // `x` where the object's own `self.x` was meant, and the other way round.
    let fields: Vec<&str> = known.iter().filter(|(o, _, c)| *o == "self" && !c).map(|(_, a, _)| *a).collect();
    let parameters = spot.parameters();
    for n in spot.nodes() {
        if n.kind() == "identifier" && is_read(n) && fields.contains(&spot.of(n)) {
            out.add(
                ATTRIBUTE,
                spot.module,
                n,
                spot.score(n, 0.45),
                [Some(Edit::replace(n, format!("self.{}", spot.of(n))))],
                format!("`self.{}`", spot.of(n)),
            );
        }
        if n.kind() == "attribute"
            && let (Some(o), Some(a)) = (field(n, "object"), field(n, "attribute"))
            && spot.of(o) == "self"
            && parameters.contains(&spot.of(a))
            && is_read(n)
        {
            out.add(
                ATTRIBUTE,
                spot.module,
                n,
                spot.score(n, 0.4),
                [Some(Edit::replace(n, spot.of(a)))],
                format!("the parameter `{}`", spot.of(a)),
            );
        }
    }
}
