//! `None` where something else is taken for granted.

use tree_sitter::Node;

use super::case::{Case, Drafts, Site};
use super::edit::{Edit, before};
use super::guards::{Guard, guard, repeatable, work_follows};
use super::source::{Module, all, arguments, children, field, function, statement};

const NAME: &str = "none-guard";

/// Proposes guards and defaults for whatever turned out to be `None`.
pub(super) fn propose(case: &Case, out: &mut Drafts) {
    if !case.message().contains("NoneType") {
        return;
    }
    for site in &case.sites {
        for subject in subjects(case, site) {
            handle(case, site, subject, out);
        }
    }
}

/// The expressions that may have been `None`, by what the message complains of.
fn subjects<'a>(case: &Case, site: &Site<'a>) -> Vec<Node<'a>> {
    let message = case.message();
    let m = site.module;
    let mut found = Vec::new();
    let mut take = |node: Option<Node<'a>>| {
        if let Some(n) = node
            && !matches!(n.kind(), "string" | "integer" | "float" | "list" | "dictionary")
        {
            found.push(n);
        }
    };
    if case.exception == "AttributeError" {
        for n in site.nodes("attribute") {
            if field(n, "attribute").map(|a| m.of(a)) == case.quoted(1) {
                take(field(n, "object"));
            }
        }
    } else if message.contains("subscriptable")
        || message.contains("item assignment")
        || message.contains("item deletion")
    {
        site.nodes("subscript").into_iter().for_each(|n| take(field(n, "value")));
    } else if message.contains("callable") {
        site.nodes("call").into_iter().for_each(|n| take(field(n, "function")));
    } else if message.contains("is not iterable") || message.contains("unpack") {
        for n in site.nodes("for_statement").into_iter().chain(site.nodes("for_in_clause")) {
            take(field(n, "right"));
        }
        for n in site.nodes("assignment") {
            take(field(n, "right"));
        }
        for n in site.nodes("comparison_operator") {
            take(children(n).into_iter().next_back());
        }
        for n in site.nodes("call") {
            take(arguments(n).into_iter().next());
        }
        if site.marked && matches!(site.node.kind(), "identifier" | "attribute" | "call" | "subscript") {
            take(Some(site.node));
        }
    } else {
        for kind in ["binary_operator", "comparison_operator", "unary_operator"] {
            for n in site.nodes(kind) {
                children(n).into_iter().for_each(|c| take(Some(c)));
            }
        }
        for n in site.nodes("augmented_assignment") {
            take(field(n, "right"));
            take(field(n, "left"));
        }
        for n in site.nodes("call") {
            let mut arguments = arguments(n);
            arguments.truncate(3);
            for a in arguments {
                take(if a.kind() == "keyword_argument" { field(a, "value") } else { Some(a) });
            }
        }
    }
    found.dedup_by_key(|n| n.id());
    found.truncate(6);
    found
}

fn handle(case: &Case, site: &Site, subject: Node, out: &mut Drafts) {
    let m = site.module;
    let text = m.of(subject);
    let weight = site.weight * if case.exception == "AttributeError" { 1.0 } else { 0.9 };
    if repeatable(m, subject) {
        let complaint = format!("{} must not be None", plain(text));
        let g = Guard {
            template: NAME,
            ok: format!("{text} is not None"),
            bad: format!("{text} is None"),
            complaint: &complaint,
            score: weight * 0.85,
        };
        guard(case, m, subject, &g, out);
    } else {
        hoist(site, subject, weight, out);
    }
    let parent = subject.parent();
    let defaults: &[&str] = match parent.map(|p| p.kind()) {
        Some("for_statement" | "for_in_clause") => &["[]", "()"],
        Some("attribute") => match case.quoted(1).unwrap_or("") {
            "get" | "items" | "keys" | "values" | "setdefault" | "update" => &["{}"],
            "append" | "extend" | "sort" => &[],
            _ => &["''"],
        },
        Some("subscript") => &["{}", "[]", "''"],
        Some("comparison_operator") if case.message().contains("iterable") => &["()", "''", "[]"],
        Some("argument_list" | "keyword_argument") => &["''", "[]", "0", "{}"],
        Some("binary_operator" | "comparison_operator" | "augmented_assignment" | "unary_operator") => {
            &["0", "''", "[]"]
        }
        _ => &["[]", "{}"],
    };
    for (i, default) in defaults.iter().enumerate() {
        let score = weight * 0.7 * 0.85_f64.powi(i as i32);
        let whole =
            matches!(parent.map(|p| p.kind()), Some("for_statement" | "argument_list" | "keyword_argument"));
        let new = if whole { format!("{text} or {default}") } else { format!("({text} or {default})") };
        out.add(
            NAME,
            m,
            subject,
            score,
            [Some(Edit::replace(subject, new))],
            format!("{default} where `{text}` is None"),
        );
    }
    source(case, site, subject, weight, out);
}

/// `re.match(…).group()` becomes a name that is asked first.
fn hoist(site: &Site, subject: Node, weight: f64, out: &mut Drafts) {
    let m = site.module;
    let (Some(stmt), Some(func)) = (statement(subject), function(subject)) else { return };
    if m.of(subject).contains('\n') || !matches!(stmt.kind(), "expression_statement" | "return_statement") {
        return;
    }
    let name = ["found", "value", "result", "item_found"]
        .into_iter()
        .find(|name| !all(func, "identifier").iter().any(|n| m.of(*n) == *name))
        .unwrap_or("found_here");
    if work_follows(stmt) {
        return;
    }
    for (i, value) in super::contract::defaults(m, func).iter().enumerate() {
        let lines = [
            format!("{name} = {}", m.of(subject)),
            format!("if {name} is None:"),
            format!("{}return {value}", m.unit),
        ];
        let score = weight * 0.75 * 0.85_f64.powi(i as i32);
        let edits = [before(m, stmt, &lines), Some(Edit::replace(subject, name))];
        out.add(
            NAME,
            m,
            subject,
            score,
            edits,
            format!("return {value} where `{}` gives None", m.of(subject)),
        );
    }
}

/// The name's own default: `x=None` with `if x is None: x = []` at the function's head.
fn source(case: &Case, site: &Site, subject: Node, weight: f64, out: &mut Drafts) {
    let m = site.module;
    let Some(func) = function(subject) else { return };
    if subject.kind() != "identifier" {
        return;
    }
    let name = m.of(subject);
    let is_parameter = field(func, "parameters").is_some_and(|p| {
        all(p, "default_parameter")
            .into_iter()
            .chain(all(p, "typed_default_parameter"))
            .any(|d| m.name(d) == name && field(d, "value").is_some_and(|v| v.kind() == "none"))
    });
    let Some(first) = field(func, "body").map(children).into_iter().flatten().find(|s| !is_docstring(m, *s))
    else {
        return;
    };
    if !is_parameter {
        return;
    }
    let values: &[&str] = match case.quoted(1).unwrap_or("") {
        "get" | "items" | "keys" | "values" | "setdefault" | "update" => &["{}"],
        "append" | "extend" | "sort" | "insert" | "pop" => &["[]"],
        _ => &["[]", "{}", "''"],
    };
    for (i, value) in values.iter().enumerate() {
        let lines = [format!("if {name} is None:"), format!("{}{name} = {value}", m.unit)];
        out.add(
            NAME,
            m,
            first,
            weight * 0.8 * 0.85_f64.powi(i as i32),
            [before(m, first, &lines)],
            format!("`{name}` is {value} when it is not given"),
        );
    }
}

fn is_docstring(m: &Module, stmt: Node) -> bool {
    let _ = m;
    stmt.kind() == "expression_statement" && children(stmt).first().is_some_and(|c| c.kind() == "string")
}

/// An expression for use in a message in single quotes.
pub(super) fn plain(text: &str) -> String {
    text.replace(['\'', '\\', '"'], "").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::fixture;

    #[test]
    fn an_attribute_of_none() {
        let f = fixture(
            "def f(user):\n    return user.name\n",
            "AttributeError",
            "'NoneType' object has no attribute 'name'",
            &["user.name"],
        );
        f.offers(
            "    return user.name",
            "    if user is None:\n        return None\n    return user.name",
            3,
        );
    }

    #[test]
    fn the_result_of_a_search() {
        let f = fixture(
            "import re\n\ndef f(t):\n    return re.match('v', t).group()\n",
            "AttributeError",
            "'NoneType' object has no attribute 'group'",
            &["re.match('v', t).group"],
        );
        f.offers("    return re.match('v', t).group()", "    found = re.match('v', t)\n    if found is None:\n        return None\n    return found.group()", 3);
    }

    #[test]
    fn a_loop_over_none() {
        let f = fixture(
            "def f(xs):\n    for x in xs:\n        print(x)\n",
            "TypeError",
            "'NoneType' object is not iterable",
            &["xs"],
        );
        f.offers("in xs:", "in xs or []:", 4);
    }

    #[test]
    fn work_is_not_dropped() {
        let f = fixture(
            "def f(a, log):\n    x = a.name\n    log.write(x)\n",
            "AttributeError",
            "'NoneType' object has no attribute 'name'",
            &["a.name"],
        );
        f.never("return\n");
        f.never("return None");
    }
}
