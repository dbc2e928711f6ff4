//! Nothing where at least one item is taken for granted.

use tree_sitter::Node;

use super::case::{Case, Drafts, Site};
use super::contract::defaults;
use super::edit::Edit;
use super::guards::{Guard, guard, repeatable};
use super::none::plain;
use super::source::{Module, all, arguments, field, function};

const NAME: &str = "empty-input";

/// Proposes guards and defaults for empty input to `max`, `min`, `pop`, `[0]`, `[-1]`, `next` and their like.
pub(super) fn propose(case: &Case, out: &mut Drafts) {
    let fits = match case.exception {
        "ValueError" => {
            case.message().contains("empty")
                || case.message().contains("unpack")
                || case.message().contains("at least one")
        }
        "IndexError" | "StopIteration" | "StatisticsError" | "RuntimeError" => true,
        "TypeError" => case.message().contains("empty"),
        "KeyError" => case.message().contains("empty"),
        _ => false,
    };
    if !fits {
        return;
    }
    for site in &case.sites {
        calls(case, site, out);
        if case.exception == "IndexError" {
            ends(case, site, out);
        }
    }
}

/// Guards of the same container in this file, as they are written: `len(x) > 0`, `x`, `not x`.
fn spelled(m: &Module, container: &str) -> Option<String> {
    let text = format!("len({container}) > 0");
    m.text.contains(&text).then_some(text)
}

fn demand(case: &Case, m: &Module, at: Node, container: Node, score: f64, out: &mut Drafts) {
    if !repeatable(m, container) {
        return;
    }
    let c = m.of(container);
    let complaint = format!("{} must not be empty", plain(c));
    let bare =
        Guard { template: NAME, ok: c.to_owned(), bad: format!("not {c}"), complaint: &complaint, score };
    if let Some(ok) = spelled(m, c) {
        let bad = format!("len({c}) == 0");
        guard(
            case,
            m,
            at,
            &Guard {
                ok,
                bad,
                score: score * 1.02,
                ..Guard {
                    template: NAME,
                    ok: String::new(),
                    bad: String::new(),
                    complaint: &complaint,
                    score,
                }
            },
            out,
        );
    }
    guard(case, m, at, &bare, out);
}

fn calls(case: &Case, site: &Site, out: &mut Drafts) {
    let m = site.module;
    for n in site.nodes("call") {
        let Some(f) = field(n, "function") else { continue };
        let args = arguments(n);
        let name = m.of(f);
        let last = name.rsplit('.').next().unwrap_or("");
        let keyword = |k: &str| args.iter().any(|a| a.kind() == "keyword_argument" && m.name(*a) == k);
        let positional: Vec<Node> = args.iter().filter(|a| a.kind() != "keyword_argument").copied().collect();
        match (last, positional.as_slice()) {
            ("max" | "min", [one]) => {
                demand(case, m, n, *one, site.weight * 0.92, out);
                if !keyword("default") {
                    let values = function(n).map(|f| defaults(m, f)).unwrap_or_else(|| vec!["None".into()]);
                    let end = args.last().map_or(one.end_byte(), |a| a.end_byte());
                    let bare = one.kind() == "generator_expression";
                    for (i, v) in values.iter().chain(std::iter::once(&"0".to_owned())).enumerate() {
                        let text = format!(", default={v}");
                        let score = site.weight * 0.9 * 0.85_f64.powi(i as i32);
                        if !bare {
                            out.add(
                                NAME,
                                m,
                                n,
                                score,
                                [Some(Edit::insert(end, text))],
                                format!("{v} for the {last} of nothing"),
                            );
                        }
                    }
                }
            }
            ("max" | "min", []) => {
                // `max(x for x in xs)`: the generator is the argument list itself.
                if let Some(g) = field(n, "arguments").filter(|a| a.kind() == "generator_expression") {
                    let inner = m.of(g);
                    let values = function(n).map(|f| defaults(m, f)).unwrap_or_else(|| vec!["None".into()]);
                    for (i, v) in values.iter().chain(std::iter::once(&"0".to_owned())).enumerate() {
                        let score = site.weight * 0.9 * 0.85_f64.powi(i as i32);
                        out.add(
                            NAME,
                            m,
                            n,
                            score,
                            [Some(Edit::replace(g, format!("({inner}, default={v})")))],
                            format!("{v} for the {last} of nothing"),
                        );
                    }
                    for right in all(g, "for_in_clause").into_iter().filter_map(|c| field(c, "right")).take(1)
                    {
                        demand(case, m, n, right, site.weight * 0.8, out);
                    }
                }
            }
            ("next", [iterator]) => {
                let _ = iterator;
                for (i, v) in ["None", "''", "0"].iter().enumerate() {
                    let text = format!("{}, {v}", m.of(*iterator));
                    let score = site.weight * 0.85 * 0.7_f64.powi(i as i32);
                    out.add(
                        NAME,
                        m,
                        n,
                        score,
                        [Some(Edit::replace(*iterator, text))],
                        format!("{v} when there is no next item"),
                    );
                }
            }
            ("next", []) => {
                if let Some(g) = field(n, "arguments").filter(|a| a.kind() == "generator_expression") {
                    for (i, v) in ["None", "''", "0"].iter().enumerate() {
                        let score = site.weight * 0.85 * 0.7_f64.powi(i as i32);
                        out.add(
                            NAME,
                            m,
                            n,
                            score,
                            [Some(Edit::replace(g, format!("({}, {v})", m.of(g))))],
                            format!("{v} when there is no next item"),
                        );
                    }
                }
            }
            ("reduce", [_, items]) => {
                for (i, v) in ["0", "1", "''", "[]", "{}"].iter().enumerate() {
                    let score = site.weight * 0.7 * 0.8_f64.powi(i as i32);
                    out.add(
                        NAME,
                        m,
                        n,
                        score,
                        [Some(Edit::insert(items.end_byte(), format!(", {v}")))],
                        format!("begin with {v}"),
                    );
                }
                demand(case, m, n, *items, site.weight * 0.8, out);
            }
            ("mean" | "median" | "mode" | "choice" | "stdev" | "fmean" | "choices" | "sample", [one, ..]) => {
                demand(case, m, n, *one, site.weight * 0.9, out);
            }
            ("pop" | "popleft" | "popitem" | "heappop", _) => {
                let container = match (f.kind(), positional.first()) {
                    ("attribute", _) if last != "heappop" => field(f, "object"),
                    (_, first) => first.copied(),
                };
                if let Some(c) = container {
                    demand(case, m, n, c, site.weight * 0.92, out);
                }
            }
            _ => {}
        }
    }
}

/// `x[0]`, `x[-1]`.
fn ends(case: &Case, site: &Site, out: &mut Drafts) {
    let m = site.module;
    for n in site.nodes("subscript") {
        let (Some(container), Some(index)) = (field(n, "value"), field(n, "subscript")) else { continue };
        if !matches!(m.of(index), "0" | "-1") {
            continue;
        }
        demand(case, m, n, container, site.weight * 0.88, out);
        // A slice of nothing is nothing; only equal where one character or item is compared.
        let slice = if m.of(index) == "0" { ":1" } else { "-1:" };
        let compared = n.parent().is_some_and(|p| p.kind() == "comparison_operator");
        if compared {
            out.add(
                NAME,
                m,
                n,
                site.weight * 0.8,
                [Some(Edit::replace(index, slice))],
                "a slice, which may be empty".into(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::fixture;

    #[test]
    fn the_largest_of_nothing() {
        let f = fixture(
            "def f(xs):\n    return max(xs)\n",
            "ValueError",
            "max() arg is an empty sequence",
            &["max(xs)"],
        );
        f.offers("max(xs)", "max(xs, default=None)", 2);
        f.offers("    return", "    if not xs:\n        return None\n    return", 3);
    }

    #[test]
    fn a_pop_as_it_is_guarded_elsewhere() {
        let source = "def f(stack):\n    if len(stack) > 0:\n        print(stack)\n    stack.pop()\n";
        let f = fixture(source, "IndexError", "pop from empty list", &["stack.pop()"]);
        f.offers("    stack.pop()", "    if len(stack) > 0:\n        stack.pop()", 1);
    }

    #[test]
    fn the_first_of_nothing_in_a_condition() {
        let f = fixture(
            "def f(s):\n    if s[0] == '#':\n        return 1\n    return 2\n",
            "IndexError",
            "string index out of range",
            &["s[0]"],
        );
        f.offers("if s[0]", "if s and s[0]", 1);
        f.offers("s[0]", "s[:1]", 3);
    }

    #[test]
    fn no_next_item() {
        let f = fixture(
            "def f(xs):\n    return next(x for x in xs if x)\n",
            "StopIteration",
            "",
            &["next(x for x in xs if x)"],
        );
        f.offers("(x for x in xs if x)", "((x for x in xs if x), None)", 2);
    }
}
