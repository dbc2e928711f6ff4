//! A key, an item or an attribute that is not there.

use tree_sitter::Node;

use super::case::{Case, Drafts, Site};
use super::edit::Edit;
use super::guards::{Guard, guard, repeatable};
use super::none::plain;
use super::source::{arguments, field};

const NAME: &str = "missing-key";
const ATTRIBUTE: &str = "missing-attribute";

/// Proposes defaults and guards for a missing key or attribute.
pub(super) fn propose(case: &Case, out: &mut Drafts) {
    match case.exception {
        "KeyError" => {
            for site in &case.sites {
                key(case, site, out);
            }
        }
        "AttributeError" if !case.message().contains("NoneType") => {
            for site in &case.sites {
                attribute(case, site, out);
            }
        }
        "ValueError"
            if case.message().contains("not in list")
                || case.message().contains("substring not found")
                || case.message().contains("not in tuple") =>
        {
            for site in &case.sites {
                member(case, site, out);
            }
        }
        _ => {}
    }
}

/// Whether the node is being assigned to.
fn is_target(node: Node) -> bool {
    node.parent().is_some_and(|p| {
        matches!(p.kind(), "assignment" | "augmented_assignment")
            && field(p, "left").is_some_and(|l| l.id() == node.id())
    })
}

fn key(case: &Case, site: &Site, out: &mut Drafts) {
    let m = site.module;
    for n in site.nodes("subscript") {
        let (Some(container), Some(index)) = (field(n, "value"), field(n, "subscript")) else { continue };
        if index.kind() == "slice" || !repeatable(m, container) || !repeatable(m, index) {
            continue;
        }
        let (c, k) = (m.of(container), m.of(index));
        let w = site.weight;
        let g = Guard {
            template: NAME,
            ok: format!("{k} in {c}"),
            bad: format!("{k} not in {c}"),
            complaint: &format!("{} is missing", plain(k)),
            score: w * 0.75,
        };
        guard(case, m, n, &g, out);
        let parent = n.parent();
        match parent.map(|p| p.kind()) {
            Some("augmented_assignment") if is_target(n) => {
                if let Some(p) = parent
                    && let (Some(op), Some(right)) = (field(p, "operator"), field(p, "right"))
                {
                    let op = m.of(op).trim_end_matches('=');
                    let zero = match right.kind() {
                        "list" => "[]",
                        "string" => "''",
                        _ => "0",
                    };
                    let text = format!("{c}[{k}] = {c}.get({k}, {zero}) {op} {}", m.of(right));
                    out.add(
                        NAME,
                        m,
                        n,
                        w * 0.95,
                        [Some(Edit::replace(p, text))],
                        format!("start `{c}[{k}]` at {zero}"),
                    );
                }
            }
            Some("assignment") if is_target(n) => {}
            Some("delete_statement") => {}
            Some("attribute") => {
                let method = parent.and_then(|p| field(p, "attribute")).map_or("", |a| m.of(a));
                let start = match method {
                    "append" | "extend" | "insert" => "[]",
                    "add" => "set()",
                    "update" | "setdefault" => "{}",
                    _ => "",
                };
                if !start.is_empty() {
                    let text = format!("{c}.setdefault({k}, {start})");
                    out.add(
                        NAME,
                        m,
                        n,
                        w * 0.95,
                        [Some(Edit::replace(n, text))],
                        format!("start `{c}[{k}]` as {start}"),
                    );
                }
                let empty = if matches!(method, "get" | "items" | "keys" | "values") { "{}" } else { "''" };
                let text = format!("{c}.get({k}, {empty})");
                out.add(
                    NAME,
                    m,
                    n,
                    w * 0.65,
                    [Some(Edit::replace(n, text))],
                    format!("{empty} for a missing `{k}`"),
                );
            }
            Some("subscript") => {
                let nested = parent.filter(|p| field(*p, "value").is_some_and(|v| v.id() == n.id()));
                if nested.is_some_and(is_target) {
                    let text = format!("{c}.setdefault({k}, {{}})");
                    out.add(
                        NAME,
                        m,
                        n,
                        w * 0.95,
                        [Some(Edit::replace(n, text))],
                        format!("start `{c}[{k}]` as {{}}"),
                    );
                } else {
                    let text = format!("{c}.get({k}, {{}})");
                    out.add(
                        NAME,
                        m,
                        n,
                        w * 0.65,
                        [Some(Edit::replace(n, text))],
                        format!("{{}} for a missing `{k}`"),
                    );
                }
            }
            other => {
                let text = format!("{c}.get({k})");
                out.add(
                    NAME,
                    m,
                    n,
                    w * 0.85,
                    [Some(Edit::replace(n, text))],
                    format!("None for a missing `{k}`"),
                );
                let defaults: &[&str] = match other {
                    Some("for_statement" | "for_in_clause") => &["[]", "()"],
                    Some("binary_operator" | "comparison_operator" | "augmented_assignment") => {
                        &["0", "''", "[]"]
                    }
                    _ => &["''", "[]", "0", "{}", "False"],
                };
                let first = if matches!(other, Some("return_statement" | "assignment" | "pair")) {
                    0.6
                } else {
                    0.88
                };
                for (i, d) in defaults.iter().enumerate() {
                    let text = format!("{c}.get({k}, {d})");
                    let score = w * first * 0.85_f64.powi(i as i32);
                    out.add(
                        NAME,
                        m,
                        n,
                        score,
                        [Some(Edit::replace(n, text))],
                        format!("{d} for a missing `{k}`"),
                    );
                }
                // A translation table that lets unknown words through.
                if index.kind() != "string" {
                    let text = format!("{c}.get({k}, {k})");
                    out.add(
                        NAME,
                        m,
                        n,
                        w * 0.5,
                        [Some(Edit::replace(n, text))],
                        format!("`{k}` itself where it is not in `{c}`"),
                    );
                }
            }
        }
    }
    for n in site.nodes("call") {
        let Some(f) = field(n, "function").filter(|f| f.kind() == "attribute") else { continue };
        let method = field(f, "attribute").map_or("", |a| m.of(a));
        let args = arguments(n);
        let object = field(f, "object").map_or("", |o| m.of(o));
        match (method, args.as_slice()) {
            ("pop", [k]) => {
                let text = format!("{}, None", m.of(*k));
                out.add(
                    NAME,
                    m,
                    n,
                    site.weight * 0.85,
                    [Some(Edit::replace(*k, text))],
                    format!("None for a missing `{}`", m.of(*k)),
                );
            }
            ("remove", [_]) => {
                if let Some(a) = field(f, "attribute") {
                    out.add(
                        NAME,
                        m,
                        n,
                        site.weight * 0.85,
                        [Some(Edit::replace(a, "discard"))],
                        "discard what may not be there".into(),
                    );
                }
            }
            _ => {}
        }
        if let ("pop" | "remove" | "popitem", true) = (method, !object.is_empty()) {
            let (ok, bad) = match args.first() {
                Some(k) => (format!("{} in {object}", m.of(*k)), format!("{} not in {object}", m.of(*k))),
                None => (object.to_owned(), format!("not {object}")),
            };
            let complaint = format!("{} has no such item", plain(object));
            let g = Guard { template: NAME, ok, bad, complaint: &complaint, score: site.weight * 0.75 };
            guard(case, m, n, &g, out);
        }
    }
}

fn attribute(case: &Case, site: &Site, out: &mut Drafts) {
    let m = site.module;
    let Some(name) = case.quoted(1) else { return };
    for n in site.nodes("attribute") {
        let (Some(object), Some(a)) = (field(n, "object"), field(n, "attribute")) else { continue };
        if m.of(a) != name || is_target(n) {
            continue;
        }
        let o = m.of(object);
        if o.contains('\n') {
            continue;
        }
        let called = n
            .parent()
            .is_some_and(|p| p.kind() == "call" && field(p, "function").is_some_and(|f| f.id() == n.id()));
        if !called {
            for (i, d) in ["None", "''", "[]", "0", "False", "{}"].iter().enumerate() {
                let text = format!("getattr({o}, '{name}', {d})");
                let score = site.weight * 0.6 * 0.8_f64.powi(i as i32);
                out.add(
                    ATTRIBUTE,
                    m,
                    n,
                    score,
                    [Some(Edit::replace(n, text))],
                    format!("{d} where `{o}` has no `{name}`"),
                );
            }
        }
        if repeatable(m, object) {
            let complaint = format!("{} has no {name}", plain(o));
            let g = Guard {
                template: ATTRIBUTE,
                ok: format!("hasattr({o}, '{name}')"),
                bad: format!("not hasattr({o}, '{name}')"),
                complaint: &complaint,
                score: site.weight * 0.5,
            };
            guard(case, m, n, &g, out);
        }
    }
}

/// `x.index(y)`, `x.remove(y)` with a `y` that is not there.
fn member(case: &Case, site: &Site, out: &mut Drafts) {
    let m = site.module;
    for n in site.nodes("call") {
        let Some(f) = field(n, "function").filter(|f| f.kind() == "attribute") else { continue };
        let (Some(object), Some(name)) = (field(f, "object"), field(f, "attribute")) else { continue };
        let args = arguments(n);
        if !matches!(m.of(name), "index" | "remove" | "rindex") || args.is_empty() {
            continue;
        }
        let (o, a) = (m.of(object), m.of(args[0]));
        if !repeatable(m, object) || !repeatable(m, args[0]) {
            continue;
        }
        let complaint = format!("{} is not in {}", plain(a), plain(o));
        let g = Guard {
            template: NAME,
            ok: format!("{a} in {o}"),
            bad: format!("{a} not in {o}"),
            complaint: &complaint,
            score: site.weight * 0.8,
        };
        guard(case, m, n, &g, out);
        if case.message().contains("substring") {
            let new = if m.of(name) == "rindex" { "rfind" } else { "find" };
            out.add(
                NAME,
                m,
                n,
                site.weight * 0.6,
                [Some(Edit::replace(name, new))],
                format!("-1 where `{a}` is not in `{o}`"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::fixture;

    #[test]
    fn a_counter_starts_at_zero() {
        let f = fixture("def f(d, k):\n    d[k] += 1\n", "KeyError", "'a'", &["d[k] += 1"]);
        f.offers("d[k] += 1", "d[k] = d.get(k, 0) + 1", 2);
    }

    #[test]
    fn a_list_in_a_dict() {
        let f = fixture("def f(d, k):\n    d[k].append(1)\n", "KeyError", "'a'", &["d[k]"]);
        f.offers("d[k].append", "d.setdefault(k, []).append", 2);
    }

    #[test]
    fn an_optional_key() {
        let f = fixture("def f(d):\n    return d['name']\n", "KeyError", "'name'", &["d['name']"]);
        f.offers("d['name']", "d.get('name')", 3);
    }

    #[test]
    fn a_missing_attribute() {
        let f = fixture(
            "def f(o):\n    return o.size\n",
            "AttributeError",
            "'A' object has no attribute 'size'",
            &["o.size"],
        );
        f.offers("o.size", "getattr(o, 'size', None)", 3);
    }

    #[test]
    fn an_item_that_is_not_there() {
        let f = fixture(
            "def f(xs, x):\n    xs.remove(x)\n",
            "ValueError",
            "list.remove(x): x not in list",
            &["xs.remove(x)"],
        );
        f.offers("    xs.remove(x)", "    if x in xs:\n        xs.remove(x)", 3);
    }
}
