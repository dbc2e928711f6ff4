//! Conditions that forget a case, hold for ever, or ask for truth where they mean `None`.

use tree_sitter::Node;

use super::super::case::{Case, Drafts};
use super::super::edit::{Edit, before};
use super::super::source::{all, children, field};
use super::Spot;

const CASE: &str = "forgotten-case";
const LOOP: &str = "endless-loop";
const TRUTH: &str = "truth-or-none";
const VALIDATE: &str = "missing-validation";

/// Proposes more or other conditions.
pub(super) fn propose(case: &Case, spot: &Spot, out: &mut Drafts) {
    for n in spot.nodes() {
        match n.kind() {
            "if_statement" | "elif_clause" | "while_statement" | "if_clause" => {
                let condition = if n.kind() == "if_clause" {
                    children(n).into_iter().next()
                } else {
                    field(n, "condition")
                };
                if let Some(c) = condition {
                    extended(spot, n, c, out);
                    truth(spot, c, out);
                }
            }
            "conditional_expression" => {
                if let Some(c) = children(n).get(1) {
                    truth(spot, *c, out);
                }
            }
            "boolean_operator" => fallback(spot, n, out),
            _ => {}
        }
        if n.kind() == "while_statement" {
            endless(spot, n, out);
        }
    }
    validation(case, spot, out);
    base_case(case, spot, out);
}

/// `cond or not x`, `cond and x`: collections, and things that may be `None`.
fn extended(spot: &Spot, owner: Node, c: Node, out: &mut Drafts) {
    let text = spot.of(c);
    if matches!(text, "True" | "1") || text.contains('\n') {
        return;
    }
    let or_safe =
        |t: &str| if c.kind() == "conditional_expression" { format!("({t})") } else { t.to_owned() };
    let and_safe = |t: &str| {
        let or = c.kind() == "boolean_operator" && field(c, "operator").is_some_and(|o| spot.of(o) == "or");
        if or || c.kind() == "conditional_expression" { format!("({t})") } else { t.to_owned() }
    };
    let mut subjects: Vec<String> = spot.parameters().into_iter().take(5).map(str::to_owned).collect();
    // Objects whose attributes the condition walks along.
    for a in all(c, "attribute") {
        if let Some(o) = field(a, "object").map(|o| spot.of(o).to_owned())
            && !subjects.contains(&o)
            && o != "self"
        {
            subjects.push(o);
        }
    }
    for s in subjects {
        let mentioned = text.contains(&format!("{s}.")) || text.contains(&format!("{s}["));
        let prior = if mentioned { 0.5 } else { 0.3 };
        if mentioned {
            out.add(
                CASE,
                spot.module,
                c,
                spot.score(c, 0.5),
                [Some(Edit::replace(c, format!("{s} is None or {}", or_safe(text))))],
                format!("None is the same case, `{s}`"),
            );
            out.add(
                CASE,
                spot.module,
                c,
                spot.score(c, 0.5),
                [Some(Edit::replace(c, format!("{s} is not None and {}", and_safe(text))))],
                format!("not for None, `{s}`"),
            );
        }
        if text == s || text == format!("not {s}") {
            continue;
        }
        if owner.kind() != "while_statement" {
            out.add(
                CASE,
                spot.module,
                c,
                spot.score(c, prior),
                [Some(Edit::replace(c, format!("{} or not {s}", or_safe(text))))],
                format!("nothing in `{s}` is the same case"),
            );
        }
        out.add(
            CASE,
            spot.module,
            c,
            spot.score(c, prior),
            [Some(Edit::replace(c, format!("{} and {s}", and_safe(text))))],
            format!("only with something in `{s}`"),
        );
    }
}

/// `if x` where `x is not None` was meant: zero and the empty text are values.
fn truth(spot: &Spot, c: Node, out: &mut Drafts) {
    let text = spot.of(c);
    match c.kind() {
        "identifier" | "attribute" | "subscript" => {
            out.add(
                TRUTH,
                spot.module,
                c,
                spot.score(c, 0.55),
                [Some(Edit::replace(c, format!("{text} is not None")))],
                format!("`{text} is not None`"),
            );
            out.add(
                TRUTH,
                spot.module,
                c,
                spot.score(c, 0.45),
                [Some(Edit::replace(c, format!("not {text}")))],
                format!("`not {text}`"),
            );
        }
        "call" => {
            out.add(
                TRUTH,
                spot.module,
                c,
                spot.score(c, 0.4),
                [Some(Edit::replace(c, format!("not {text}")))],
                format!("`not {text}`"),
            );
        }
        "not_operator" => {
            if let Some(a) =
                field(c, "argument").filter(|a| matches!(a.kind(), "identifier" | "attribute" | "subscript"))
            {
                let new = format!("{} is None", spot.of(a));
                out.add(
                    TRUTH,
                    spot.module,
                    c,
                    spot.score(c, 0.55),
                    [Some(Edit::replace(c, new.as_str()))],
                    format!("`{new}`"),
                );
            }
        }
        "comparison_operator" if text.ends_with("is not None") => {
            let new = text.trim_end_matches("is not None").trim_end();
            out.add(
                TRUTH,
                spot.module,
                c,
                spot.score(c, 0.4),
                [Some(Edit::replace(c, new))],
                format!("`{new}`"),
            );
        }
        "comparison_operator" if text.ends_with("is None") => {
            let new = format!("not {}", text.trim_end_matches("is None").trim_end());
            out.add(
                TRUTH,
                spot.module,
                c,
                spot.score(c, 0.4),
                [Some(Edit::replace(c, new.as_str()))],
                format!("`{new}`"),
            );
        }
        _ => {}
    }
}

/// `x or default` loses zero and the empty text.
fn fallback(spot: &Spot, n: Node, out: &mut Drafts) {
    let (Some(l), Some(op), Some(r)) = (field(n, "left"), field(n, "operator"), field(n, "right")) else {
        return;
    };
    let value = n.parent().is_some_and(|p| {
        matches!(
            p.kind(),
            "assignment"
                | "return_statement"
                | "argument_list"
                | "keyword_argument"
                | "parenthesized_expression"
        )
    });
    if spot.of(op) != "or" || !value || !matches!(l.kind(), "identifier" | "attribute" | "subscript" | "call")
    {
        return;
    }
    let (a, b) = (spot.of(l), spot.of(r));
    let text = format!("{a} if {a} is not None else {b}");
    out.add(
        TRUTH,
        spot.module,
        n,
        spot.score(n, 0.6),
        [Some(Edit::replace(n, text.as_str()))],
        format!("`{text}`"),
    );
    if l.kind() == "call"
        && let Some(f) = field(l, "function")
        && spot.of(f).ends_with(".get")
        && let [key] = super::super::source::arguments(l).as_slice()
    {
        let text = format!("{}({}, {b})", spot.of(f), spot.of(*key));
        out.add(
            TRUTH,
            spot.module,
            n,
            spot.score(n, 0.55),
            [Some(Edit::replace(n, text.as_str()))],
            format!("`{text}`"),
        );
    }
}

/// A loop for ever that takes from a collection ends when the collection does.
fn endless(spot: &Spot, n: Node, out: &mut Drafts) {
    let (Some(c), Some(body)) = (field(n, "condition"), field(n, "body")) else { return };
    let mut taken: Vec<&str> = Vec::new();
    for call in all(body, "call") {
        let f = field(call, "function").map_or("", |f| spot.of(f));
        if let Some((object, method)) = f.rsplit_once('.')
            && matches!(method, "pop" | "popleft" | "get" | "popitem")
            && !taken.contains(&object)
        {
            taken.push(object);
        }
    }
    for object in taken {
        if matches!(spot.of(c), "True" | "1") {
            out.add(
                LOOP,
                spot.module,
                n,
                spot.score(n, 0.8),
                [Some(Edit::replace(c, object))],
                format!("loop while there is something in `{object}`"),
            );
        } else if !spot.of(c).contains(object) {
            out.add(
                LOOP,
                spot.module,
                n,
                spot.score(n, 0.45),
                [Some(Edit::replace(c, format!("{object} and {}", spot.of(c))))],
                format!("loop only while there is something in `{object}`"),
            );
        }
    }
    if matches!(spot.of(c), "True" | "1") {
        for name in spot.locals().into_iter().take(8) {
            let new = format!("{name} is not None");
            out.add(
                LOOP,
                spot.module,
                n,
                spot.score(n, 0.3),
                [Some(Edit::replace(c, new.as_str()))],
                format!("loop while `{new}`"),
            );
        }
    }
}

/// The first statement after the docstring.
fn head<'a>(spot: &Spot<'a>) -> Option<Node<'a>> {
    let docstring = |s: &Node| {
        s.kind() == "expression_statement" && children(*s).first().is_some_and(|c| c.kind() == "string")
    };
    field(spot.func, "body").map(children)?.into_iter().find(|s| !docstring(s))
}

/// The test expects an error that the function does not raise.
fn validation(case: &Case, spot: &Spot, out: &mut Drafts) {
    let wanted = case.message().contains("DID NOT RAISE") || case.message().contains("not raised");
    if !wanted {
        return;
    }
    let Some(first) = head(spot) else { return };
    let words: Vec<&str> =
        case.message().split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).collect();
    let Some(error) = words
        .iter()
        .map(|w| w.rsplit('.').next().unwrap_or(w))
        .find(|w| w.ends_with("Error") || w.ends_with("Exception") || w.ends_with("Invalid"))
    else {
        return;
    };
    if error == "Exception" {
        return;
    }
    for p in spot.parameters() {
        let conditions = [
            (format!("{p} < 0"), format!("{p} must not be negative"), 0.6),
            (format!("not {p}"), format!("{p} must not be empty"), 0.6),
            (format!("{p} <= 0"), format!("{p} must be positive"), 0.58),
            (format!("{p} is None"), format!("{p} must not be None"), 0.55),
            (format!("{p} == 0"), format!("{p} must not be zero"), 0.5),
            (format!("not isinstance({p}, str)"), format!("{p} must be a str"), 0.45),
            (format!("not isinstance({p}, (int, float))"), format!("{p} must be a number"), 0.45),
        ];
        for (condition, complaint, prior) in conditions {
            let lines =
                [format!("if {condition}:"), format!("{}raise {error}('{complaint}')", spot.module.unit)];
            out.add(
                VALIDATE,
                spot.module,
                first,
                spot.score(first, prior),
                [before(spot.module, first, &lines)],
                format!("raise {error} if `{condition}`"),
            );
        }
    }
    let parameters = spot.parameters();
    for (i, a) in parameters.iter().enumerate() {
        for b in parameters.iter().skip(i + 1) {
            for op in [">", "<"] {
                let lines = [
                    format!("if {a} {op} {b}:"),
                    format!(
                        "{}raise {error}('{a} must not be {} {b}')",
                        spot.module.unit,
                        if op == ">" { "above" } else { "below" }
                    ),
                ];
                out.add(
                    VALIDATE,
                    spot.module,
                    first,
                    spot.score(first, 0.45),
                    [before(spot.module, first, &lines)],
                    format!("raise {error} if `{a} {op} {b}`"),
                );
            }
        }
    }
}

/// A function that calls itself without end lacks a base case.
fn base_case(case: &Case, spot: &Spot, out: &mut Drafts) {
    let name = spot.module.name(spot.func);
    let recursive = all(spot.func, "call")
        .into_iter()
        .any(|c| field(c, "function").is_some_and(|f| spot.of(f).rsplit('.').next() == Some(name)));
    let Some(first) = head(spot).filter(|_| recursive) else { return };
    let deep = case.exception == "RecursionError";
    let weight = if deep { 1.3 } else { 0.6 };
    let values = super::super::contract::defaults(spot.module, spot.func);
    for p in spot.parameters().into_iter().take(3) {
        let mut own = values.clone();
        own.insert(0, p.to_owned());
        own.extend(["0".to_owned(), "1".to_owned(), "[]".to_owned()]);
        for (i, value) in own.into_iter().enumerate() {
            for (condition, prior) in [
                (format!("not {p}"), 0.5),
                (format!("{p} <= 0"), 0.4),
                (format!("{p} <= 1"), 0.4),
                (format!("{p} is None"), 0.4),
                (format!("len({p}) <= 1"), 0.4),
            ] {
                if !deep && i > 2 {
                    continue;
                }
                let lines = [format!("if {condition}:"), format!("{}return {value}", spot.module.unit)];
                let score = spot.score(first, prior * weight * 0.9_f64.powi(i as i32));
                out.add(
                    CASE,
                    spot.module,
                    first,
                    score,
                    [before(spot.module, first, &lines)],
                    format!("`{condition}` gives {value}"),
                );
            }
        }
    }
}
