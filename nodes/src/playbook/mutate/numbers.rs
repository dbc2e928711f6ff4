//! Off by one, and other small numbers.

use tree_sitter::Node;

use super::super::case::Drafts;
use super::super::edit::Edit;
use super::super::source::{arguments, children, field};
use super::Spot;

const NAME: &str = "off-by-one";

/// Proposes numbers and bounds that are one more or less.
pub(super) fn propose(spot: &Spot, out: &mut Drafts) {
    for n in spot.nodes() {
        match n.kind() {
            "integer" => literal(spot, n, out),
            "call" => bounds(spot, n, out),
            "subscript" => index(spot, n, out),
            "slice" => children(n).into_iter().for_each(|part| both(spot, part, 0.65, out)),
            "return_statement" => {
                for v in children(n).into_iter().filter(|v| countable(v)) {
                    both(spot, v, 0.45, out);
                }
            }
            "comparison_operator" => {
                for c in children(n)
                    .into_iter()
                    .filter(|c| matches!(c.kind(), "identifier" | "attribute" | "call"))
                {
                    both(spot, c, 0.35, out);
                }
            }
            "assignment" => {
                if let Some(r) = field(n, "right").filter(countable) {
                    let prior = if r.kind() == "identifier" { 0.55 } else { 0.4 };
                    both(spot, r, prior, out);
                }
            }
            "tuple" | "binary_operator" => {
                for c in children(n).into_iter().filter(|c| matches!(c.kind(), "identifier" | "call")) {
                    both(spot, c, 0.3, out);
                }
            }
            _ => {}
        }
    }
}

fn countable(n: &Node) -> bool {
    matches!(n.kind(), "identifier" | "call" | "binary_operator" | "attribute" | "subscript")
}

/// The expression with one more and with one less.
fn both(spot: &Spot, n: Node, prior: f64, out: &mut Drafts) {
    if !countable(&n) {
        return;
    }
    let text = spot.of(n);
    for (op, p) in [("+", prior), ("-", prior)] {
        if text.ends_with("+ 1") || text.ends_with("- 1") {
            continue;
        }
        let in_product = n.parent().is_some_and(|p| {
            p.kind() == "binary_operator"
                && field(p, "operator").is_some_and(|o| !matches!(spot.of(o), "+" | "-"))
        });
        let new = if in_product { format!("({text} {op} 1)") } else { format!("{text} {op} 1") };
        out.add(
            NAME,
            spot.module,
            n,
            spot.score(n, p),
            [Some(Edit::replace(n, new.as_str()))],
            format!("`{new}`"),
        );
    }
}

fn literal(spot: &Spot, n: Node, out: &mut Drafts) {
    let Ok(value) = spot.of(n).parse::<i64>() else { return };
    if value.abs() > 1000 {
        return;
    }
    // `x + 1` and `x - 1`: the one may be too much altogether, or have the wrong sign.
    if let Some(p) = n.parent().filter(|p| p.kind() == "binary_operator" && value == 1)
        && let (Some(left), Some(op)) = (field(p, "left"), field(p, "operator"))
        && left.id() != n.id()
        && matches!(spot.of(op), "+" | "-")
    {
        out.add(
            NAME,
            spot.module,
            n,
            spot.score(n, 0.75),
            [Some(Edit::replace(p, spot.of(left)))],
            format!("`{}`", spot.of(left)),
        );
    }
    let negative = n.parent().is_some_and(|p| p.kind() == "unary_operator");
    let priors: &[(i64, f64)] = match value {
        0 => &[(1, 0.6), (-1, 0.4), (2, 0.1)],
        1 => &[(0, 0.6), (2, 0.55), (-1, 0.3)],
        2 => &[(1, 0.5), (3, 0.4), (0, 0.15)],
        _ => &[(1, 0.4), (-1, 0.4)],
    };
    for (new, prior) in priors {
        let new = if value > 2 { value + new } else { *new };
        if negative && new < 0 {
            continue;
        }
        out.add(
            NAME,
            spot.module,
            n,
            spot.score(n, *prior),
            [Some(Edit::replace(n, new.to_string()))],
            format!("{value} becomes {new}"),
        );
    }
}

fn bounds(spot: &Spot, n: Node, out: &mut Drafts) {
    let name = field(n, "function").map_or("", |f| spot.of(f));
    let args = arguments(n);
    if name.ends_with("range") {
        for a in &args {
            both(spot, *a, 0.8, out);
        }
        if let [only] = args.as_slice() {
            for (text, prior) in [
                (format!("1, {}", spot.of(*only)), 0.55),
                (format!("1, {} + 1", spot.of(*only)), 0.6),
                (format!("2, {}", spot.of(*only)), 0.2),
            ] {
                out.add(
                    NAME,
                    spot.module,
                    n,
                    spot.score(n, prior),
                    [Some(Edit::replace(*only, text.as_str()))],
                    format!("range({text})"),
                );
            }
        }
        return;
    }
    for a in args {
        let value = if a.kind() == "keyword_argument" { field(a, "value") } else { Some(a) };
        if let Some(v) = value.filter(|v| matches!(v.kind(), "identifier" | "binary_operator")) {
            both(spot, v, 0.5, out);
        }
    }
}

fn index(spot: &Spot, n: Node, out: &mut Drafts) {
    let mut cursor = n.walk();
    let indices: Vec<Node> = n.children_by_field_name("subscript", &mut cursor).collect();
    for index in indices {
        if matches!(index.kind(), "identifier" | "binary_operator" | "call") {
            both(spot, index, 0.6, out);
        } else if index.kind() == "tuple" {
            for c in children(index) {
                both(spot, c, 0.5, out);
            }
        }
    }
}
