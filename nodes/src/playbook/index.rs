//! Index and slice bounds.

use tree_sitter::Node;

use super::case::{Case, Drafts, Site};
use super::edit::Edit;
use super::guards::{Guard, guard, repeatable};
use super::none::plain;
use super::source::{Module, ancestors, field, walk};

const NAME: &str = "index-bound";

/// Proposes bounds for an index that ran out of its sequence.
pub(super) fn propose(case: &Case, out: &mut Drafts) {
    if case.exception != "IndexError" {
        return;
    }
    for site in &case.sites {
        for n in site.nodes("subscript") {
            bound(case, site, n, out);
        }
    }
}

fn bound(case: &Case, site: &Site, n: Node, out: &mut Drafts) {
    let m = site.module;
    let (Some(container), Some(index)) = (field(n, "value"), field(n, "subscript")) else { return };
    if index.kind() == "slice" || !repeatable(m, container) || !repeatable(m, index) {
        return;
    }
    let (c, i) = (m.of(container), m.of(index));
    let w = site.weight;
    let complaint = format!("{} is out of range", plain(i));
    if let Ok(at) = i.parse::<u64>() {
        if at > 0 {
            let ok = format!("len({c}) > {at}");
            let bad = format!("len({c}) <= {at}");
            let complaint = format!("{} is too short", plain(c));
            guard(
                case,
                m,
                n,
                &Guard { template: NAME, ok, bad, complaint: &complaint, score: w * 0.85 },
                out,
            );
        }
    } else if !i.starts_with('-') {
        let ok = format!("{i} < len({c})");
        let bad = format!("{i} >= len({c})");
        guard(case, m, n, &Guard { template: NAME, ok, bad, complaint: &complaint, score: w * 0.85 }, out);
    }
    if let Some(l) =
        ancestors(n).take_while(|a| a.kind() != "function_definition").find(|a| a.kind() == "while_statement")
    {
        around_loop(m, l, n, c, i, w, out);
    }
}

/// The loop around runs only while the index is good.
fn around_loop(m: &Module, l: Node, n: Node, c: &str, i: &str, w: f64, out: &mut Drafts) {
    let Some(condition) = field(l, "condition") else { return };
    // `x[i + 1]` in the loop: the loop itself goes by `i`, and its last turn has no next item.
    let i = i.split([' ', '+']).next().unwrap_or(i);
    let text = m.of(condition);
    let ok = format!("{i} < len({c})");
    let in_condition = condition.byte_range().contains(&n.start_byte());
    if matches!(text, "True" | "1") {
        out.add(
            NAME,
            m,
            l,
            w * 0.9,
            [Some(Edit::replace(condition, ok.as_str()))],
            format!("loop while `{ok}`"),
        );
        out.add(
            NAME,
            m,
            l,
            w * 0.6,
            [Some(Edit::replace(condition, c))],
            format!("loop while there is something in `{c}`"),
        );
    } else if !in_condition {
        let simple = !walk(condition).iter().any(|k| k.kind() == "boolean_operator");
        let old = if simple { text.to_owned() } else { format!("({text})") };
        out.add(
            NAME,
            m,
            l,
            w * 0.6,
            [Some(Edit::replace(condition, format!("{ok} and {old}")))],
            format!("loop only while `{ok}`"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::fixture;

    #[test]
    fn a_look_ahead() {
        let source = "def f(xs, i):\n    if xs[i + 1] == 0:\n        i += 1\n    return i\n";
        let f = fixture(source, "IndexError", "list index out of range", &["xs[i + 1]"]);
        f.offers("if xs[i + 1]", "if i + 1 < len(xs) and xs[i + 1]", 1);
    }

    #[test]
    fn a_loop_without_end() {
        let source = "def f(xs):\n    i = 0\n    while True:\n        if xs[i] == 0:\n            break\n        i += 1\n    return i\n";
        let f = fixture(source, "IndexError", "list index out of range", &["xs[i]"]);
        f.offers("while True", "while i < len(xs)", 1);
    }

    #[test]
    fn a_loop_goes_by_its_own_index() {
        let source = "def f(xs):\n    i = 0\n    while True:\n        print(xs[i + 1])\n        i += 1\n";
        fixture(source, "IndexError", "list index out of range", &["xs[i + 1]"]).never("while i + 1 <");
    }
}
