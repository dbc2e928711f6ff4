//! A value of another kind than the code takes for granted: told apart by `isinstance`.

use tree_sitter::Node;

use super::case::{Case, Drafts, Site};
use super::guards::{Guard, guard, repeatable};
use super::none::plain;
use super::source::{arguments, children, field};

const NAME: &str = "isinstance";

/// Methods that say of which built-in kind their object is meant to be.
const METHODS: [(&str, &[&str]); 4] = [
    (
        "str",
        &[
            "startswith",
            "endswith",
            "strip",
            "lstrip",
            "rstrip",
            "split",
            "rsplit",
            "lower",
            "upper",
            "replace",
            "join",
            "encode",
            "format",
            "title",
            "isdigit",
            "splitlines",
            "partition",
            "casefold",
            "capitalize",
            "isalpha",
            "isupper",
            "islower",
            "zfill",
            "find",
        ],
    ),
    ("dict", &["items", "keys", "values", "get", "setdefault", "update"]),
    ("list", &["append", "extend", "sort", "insert", "reverse"]),
    ("bytes", &["decode", "hex"]),
];

/// The built-in kind whose objects have this method.
pub(super) fn kind_of(method: &str) -> Option<&'static str> {
    METHODS.iter().find(|(_, methods)| methods.contains(&method)).map(|(kind, _)| *kind)
}

/// Proposes to take only values of the kind that the code is written for.
pub(super) fn propose(case: &Case, out: &mut Drafts) {
    if case.message().contains("NoneType") && case.exception == "AttributeError" {
        return;
    }
    for site in &case.sites {
        match case.exception {
            "AttributeError" => methods(case, site, out),
            "TypeError" => operands(case, site, out),
            _ => {}
        }
    }
}

fn demand(case: &Case, site: &Site, at: Node, subject: Node, kind: &str, score: f64, out: &mut Drafts) {
    let m = site.module;
    if !repeatable(m, subject) || matches!(subject.kind(), "string" | "integer" | "float") {
        return;
    }
    let s = m.of(subject);
    let complaint = format!("{} must be a {kind}", plain(s));
    let g = Guard {
        template: NAME,
        ok: format!("isinstance({s}, {kind})"),
        bad: format!("not isinstance({s}, {kind})"),
        complaint: &complaint,
        score: site.weight * score,
    };
    guard(case, m, at, &g, out);
}

fn methods(case: &Case, site: &Site, out: &mut Drafts) {
    let Some(kind) = case.quoted(1).and_then(kind_of) else { return };
    if case.quoted(0) == Some(kind) {
        return;
    }
    for n in site.nodes("attribute") {
        if field(n, "attribute").map(|a| site.module.of(a)) == case.quoted(1)
            && let Some(object) = field(n, "object")
        {
            demand(case, site, n, object, kind, 0.85, out);
        }
    }
}

fn operands(case: &Case, site: &Site, out: &mut Drafts) {
    let message = case.message();
    let kind = if message.contains("expected string or bytes")
        || message.contains("expected str instance")
        || message.contains("can only concatenate str")
    {
        "str"
    } else if message.contains("is not iterable")
        || message.contains("has no len()")
        || message.contains("not subscriptable")
    {
        "list"
    } else if message.contains("not supported between") || message.contains("unsupported operand") {
        "(int, float)"
    } else {
        return;
    };
    for call in site.nodes("call") {
        if let Some(first) = arguments(call).into_iter().next() {
            demand(case, site, call, first, kind, 0.45, out);
        }
    }
    for n in site.nodes("binary_operator").into_iter().chain(site.nodes("comparison_operator")) {
        for operand in children(n) {
            demand(case, site, n, operand, kind, 0.4, out);
        }
    }
    for n in site.nodes("subscript") {
        if let Some(value) = field(n, "value") {
            for kind in ["dict", "list"] {
                demand(case, site, n, value, kind, 0.4, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::fixture;

    #[test]
    fn a_filter_in_a_comprehension() {
        let source = "def f(d):\n    return {\n        k.upper(): v\n        for k, v in d.items()\n    }\n";
        let f = fixture(source, "AttributeError", "'int' object has no attribute 'upper'", &["k.upper"]);
        f.offers("d.items()\n", "d.items()\n        if isinstance(k, str)\n", 2);
    }

    #[test]
    fn a_condition_asks_first() {
        let source = "def f(k):\n    if k.startswith('x'):\n        return 1\n    return 2\n";
        let f = fixture(
            source,
            "AttributeError",
            "'int' object has no attribute 'startswith'",
            &["k.startswith"],
        );
        f.offers("if k.", "if isinstance(k, str) and k.", 2);
    }
}
