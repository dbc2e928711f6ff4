//! Operators: comparison, arithmetic, bit, boolean, augmented; built-ins that are each other's opposite.

use tree_sitter::Node;

use super::super::case::{Case, Drafts};
use super::super::edit::Edit;
use super::super::source::{all, arguments, children, field};
use super::Spot;

const COMPARE: &str = "comparison";
const ARITHMETIC: &str = "operator";
const BOOLEAN: &str = "boolean";
const OPPOSITE: &str = "opposite";
const SWAP: &str = "swapped";

/// What a comparison may have been meant to be, with how often it is.
fn comparisons(op: &str) -> &'static [(&'static str, f64)] {
    match op {
        "<" => &[("<=", 0.9), (">", 0.55), (">=", 0.35), ("!=", 0.3)],
        "<=" => &[("<", 0.9), (">=", 0.55), (">", 0.35), ("==", 0.25)],
        ">" => &[(">=", 0.9), ("<", 0.55), ("<=", 0.35), ("!=", 0.25)],
        ">=" => &[(">", 0.9), ("<=", 0.55), ("<", 0.35), ("==", 0.25)],
        "==" => &[("!=", 0.6), ("<=", 0.5), (">=", 0.45), ("in", 0.2)],
        "!=" => &[("==", 0.6), ("<", 0.3), (">", 0.3)],
        "is" => &[("==", 0.75)],
        "is not" => &[("!=", 0.75), ("is", 0.4)],
        "in" => &[("not in", 0.5), ("==", 0.3)],
        "not in" => &[("in", 0.5)],
        _ => &[],
    }
}

fn arithmetic(op: &str) -> &'static [(&'static str, f64)] {
    match op {
        "+" => &[("-", 0.65), ("*", 0.35), ("|", 0.15)],
        "-" => &[("+", 0.65), ("//", 0.15)],
        "*" => &[("**", 0.4), ("+", 0.45), ("/", 0.35), ("//", 0.3)],
        "/" => &[("//", 0.7), ("*", 0.45), ("%", 0.25)],
        "//" => &[("/", 0.65), ("%", 0.45), ("*", 0.25)],
        "%" => &[("//", 0.45), ("/", 0.3)],
        "**" => &[("*", 0.5)],
        "&" => &[("|", 0.6), ("^", 0.4)],
        "|" => &[("&", 0.6), ("^", 0.5), ("-", 0.15)],
        "^" => &[("&", 0.6), ("|", 0.5)],
        "<<" => &[(">>", 0.6)],
        ">>" => &[("<<", 0.6)],
        _ => &[],
    }
}

/// Functions and methods that are taken for each other.
const PAIRS: [(&str, &str, f64); 24] = [
    ("any", "all", 0.8),
    ("min", "max", 0.8),
    ("append", "extend", 0.55),
    ("startswith", "endswith", 0.5),
    ("lstrip", "rstrip", 0.5),
    ("strip", "rstrip", 0.35),
    ("strip", "lstrip", 0.3),
    ("split", "rsplit", 0.45),
    ("find", "rfind", 0.45),
    ("index", "rindex", 0.35),
    ("upper", "lower", 0.5),
    ("floor", "ceil", 0.6),
    ("int", "round", 0.4),
    ("pop", "popleft", 0.4),
    ("append", "appendleft", 0.4),
    ("keys", "values", 0.45),
    ("update", "setdefault", 0.2),
    ("isdigit", "isalnum", 0.3),
    ("isalpha", "isalnum", 0.4),
    ("union", "intersection", 0.5),
    ("add", "discard", 0.2),
    ("partition", "rpartition", 0.45),
    ("append", "add", 0.2),
    ("heappush", "heappushpop", 0.2),
];

/// Proposes other operators.
pub(super) fn propose(case: &Case, spot: &Spot, out: &mut Drafts) {
    let _ = case;
    for n in spot.nodes() {
        match n.kind() {
            "comparison_operator" => compare(spot, n, out),
            "binary_operator" => binary(spot, n, out),
            "augmented_assignment" => augmented(spot, n, out),
            "boolean_operator" => boolean(spot, n, out),
            "not_operator" => {
                if let Some(a) = field(n, "argument") {
                    let what = format!("`{}` without not", spot.of(a));
                    out.add(
                        BOOLEAN,
                        spot.module,
                        n,
                        spot.score(n, 0.45),
                        [Some(Edit::replace(n, spot.of(a)))],
                        what,
                    );
                }
            }
            "call" => call(spot, n, out),
            "unary_operator" => {
                if let Some(a) = field(n, "argument").filter(|a| !matches!(a.kind(), "integer" | "float")) {
                    out.add(
                        ARITHMETIC,
                        spot.module,
                        n,
                        spot.score(n, 0.3),
                        [Some(Edit::replace(n, spot.of(a)))],
                        format!("`{}` without its sign", spot.of(a)),
                    );
                }
            }
            "subscript" | "list" | "dictionary" => {}
            _ => {}
        }
    }
}

/// The operator token of a comparison with one operator.
fn operator(n: Node) -> Option<Node> {
    let mut cursor = n.walk();
    let operators: Vec<Node> = n.children_by_field_name("operators", &mut cursor).collect();
    match operators.as_slice() {
        [one] => Some(*one),
        _ => None,
    }
}

fn compare(spot: &Spot, n: Node, out: &mut Drafts) {
    let mut cursor = n.walk();
    let operators: Vec<Node> = n.children_by_field_name("operators", &mut cursor).collect();
    for op in operators {
        let old = spot.of(op);
        for (new, prior) in comparisons(old) {
            out.add(
                COMPARE,
                spot.module,
                n,
                spot.score(n, *prior),
                [Some(Edit::replace(op, *new))],
                format!("`{old}` becomes `{new}`"),
            );
        }
        // `len(x) == 0` as a base case that forgot one item.
        if old == "==" && spot.of(n).ends_with("== 0") {
            let text = format!("{}<= 1", spot.of(n).trim_end_matches("== 0"));
            out.add(
                COMPARE,
                spot.module,
                n,
                spot.score(n, 0.55),
                [Some(Edit::replace(n, text))],
                "one is a base case too".into(),
            );
        }
    }
    let (Some(op), [left, right]) = (operator(n), children(n).as_slice()[..].try_into().unwrap_or([n, n]))
    else {
        return;
    };
    if left.id() != n.id() && matches!(spot.of(op), "==" | "!=" | "in" | "not in") {
        let (l, r) = (spot.of(left), spot.of(right));
        let worded = |t: &str| !t.ends_with(".lower()");
        if matches!(right.kind(), "identifier" | "subscript" | "attribute")
            && matches!(left.kind(), "identifier" | "subscript" | "attribute")
            && worded(l)
            && worded(r)
            && matches!(spot.of(op), "==" | "!=")
        {
            let text = format!("{l}.lower() {} {r}.lower()", spot.of(op));
            out.add(
                COMPARE,
                spot.module,
                n,
                spot.score(n, 0.15),
                [Some(Edit::replace(n, text))],
                "compare without case".into(),
            );
        }
    }
}

fn binary(spot: &Spot, n: Node, out: &mut Drafts) {
    let (Some(left), Some(op), Some(right)) = (field(n, "left"), field(n, "operator"), field(n, "right"))
    else {
        return;
    };
    let old = spot.of(op);
    let text_like = |k: &str| matches!(k, "string" | "list" | "concatenated_string" | "tuple");
    let textual = text_like(left.kind()) || text_like(right.kind());
    if old == "%" && left.kind() == "string" {
        return;
    }
    if !textual {
        for (new, prior) in arithmetic(old) {
            out.add(
                ARITHMETIC,
                spot.module,
                n,
                spot.score(n, *prior),
                [Some(Edit::replace(op, *new))],
                format!("`{old}` becomes `{new}`"),
            );
        }
    }
    let (l, r) = (spot.of(left), spot.of(right));
    // Only one side was meant: `1 + f(x)`, `x * 2`.
    for (kept, gone, prior) in [(left, right, 0.35), (right, left, 0.4)] {
        if !all(gone, "call").is_empty() {
            continue;
        }
        out.add(
            ARITHMETIC,
            spot.module,
            n,
            spot.score(n, prior),
            [Some(Edit::replace(n, spot.of(kept)))],
            format!("`{}` alone", spot.of(kept)),
        );
    }
    let prior = match old {
        "-" | "/" | "//" | "%" | "**" => 0.55,
        "+" => 0.5,
        _ => 0.1,
    };
    if l != r
        && !(old == "+" && (left.kind() == "integer" || right.kind() == "integer"))
        && left.kind() != "binary_operator"
    {
        let wrap = |n: Node| {
            if n.kind() == "binary_operator" { format!("({})", spot.of(n)) } else { spot.of(n).to_owned() }
        };
        let edits = [Some(Edit::replace(left, wrap(right))), Some(Edit::replace(right, wrap(left)))];
        out.add(
            SWAP,
            spot.module,
            n,
            spot.score(n, prior),
            edits,
            format!("operands of `{old}` change places"),
        );
    }
    // Precedence: `a + b / c` meant `(a + b) / c`.
    if left.kind() == "binary_operator"
        && let (Some(lo), Some(ll), Some(lr)) =
            (field(left, "operator"), field(left, "left"), field(left, "right"))
    {
        let text = format!("{} {} ({} {old} {r})", spot.of(ll), spot.of(lo), spot.of(lr));
        out.add(
            ARITHMETIC,
            spot.module,
            n,
            spot.score(n, 0.35),
            [Some(Edit::replace(n, text))],
            "other grouping".into(),
        );
    }
    if right.kind() == "binary_operator"
        && let (Some(ro), Some(rl), Some(rr)) =
            (field(right, "operator"), field(right, "left"), field(right, "right"))
    {
        let text = format!("({l} {old} {}) {} {}", spot.of(rl), spot.of(ro), spot.of(rr));
        out.add(
            ARITHMETIC,
            spot.module,
            n,
            spot.score(n, 0.45),
            [Some(Edit::replace(n, text))],
            "other grouping".into(),
        );
    }
}

fn augmented(spot: &Spot, n: Node, out: &mut Drafts) {
    let Some(op) = field(n, "operator") else { return };
    let old = spot.of(op).trim_end_matches('=');
    for (new, prior) in arithmetic(old) {
        out.add(
            ARITHMETIC,
            spot.module,
            n,
            spot.score(n, *prior),
            [Some(Edit::replace(op, format!("{new}=")))],
            format!("`{old}=` becomes `{new}=`"),
        );
    }
    out.add(
        ARITHMETIC,
        spot.module,
        n,
        spot.score(n, 0.3),
        [Some(Edit::replace(op, "="))],
        format!("`{old}=` becomes `=`"),
    );
}

fn boolean(spot: &Spot, n: Node, out: &mut Drafts) {
    let (Some(left), Some(op), Some(right)) = (field(n, "left"), field(n, "operator"), field(n, "right"))
    else {
        return;
    };
    let new = if spot.of(op) == "and" { "or" } else { "and" };
    out.add(
        BOOLEAN,
        spot.module,
        n,
        spot.score(n, 0.65),
        [Some(Edit::replace(op, new))],
        format!("`{}` becomes `{new}`", spot.of(op)),
    );
    for (kept, prior) in [(left, 0.3), (right, 0.3)] {
        out.add(
            BOOLEAN,
            spot.module,
            n,
            spot.score(n, prior),
            [Some(Edit::replace(n, spot.of(kept)))],
            format!("`{}` alone", spot.of(kept)),
        );
    }
    for part in [left, right].into_iter().filter(|p| matches!(p.kind(), "identifier" | "attribute" | "call"))
    {
        out.add(
            BOOLEAN,
            spot.module,
            n,
            spot.score(n, 0.4),
            [Some(Edit::replace(part, format!("not {}", spot.of(part))))],
            format!("not `{}`", spot.of(part)),
        );
    }
}

fn call(spot: &Spot, n: Node, out: &mut Drafts) {
    let Some(f) = field(n, "function") else { return };
    let name = if f.kind() == "attribute" { field(f, "attribute").unwrap_or(f) } else { f };
    let old = spot.of(name);
    for (a, b, prior) in PAIRS {
        let new = if old == a {
            b
        } else if old == b {
            a
        } else {
            continue;
        };
        out.add(
            OPPOSITE,
            spot.module,
            n,
            spot.score(n, prior),
            [Some(Edit::replace(name, new))],
            format!("`{old}` becomes `{new}`"),
        );
    }
    let args: Vec<Node> = arguments(n)
        .into_iter()
        .filter(|a| !matches!(a.kind(), "keyword_argument" | "list_splat" | "dictionary_splat"))
        .collect();
    let all_args = arguments(n);
    if !matches!(old, "isinstance" | "getattr" | "setattr" | "hasattr" | "open" | "format" | "print") {
        for pair in args.windows(2) {
            let [a, b] = pair else { continue };
            if spot.of(*a) != spot.of(*b) {
                let edits = [Some(Edit::replace(*a, spot.of(*b))), Some(Edit::replace(*b, spot.of(*a)))];
                let literal =
                    matches!(a.kind(), "integer" | "string") || matches!(b.kind(), "integer" | "string");
                out.add(
                    SWAP,
                    spot.module,
                    n,
                    spot.score(n, if literal { 0.3 } else { 0.65 }),
                    edits,
                    format!("arguments of `{}` change places", spot.of(f)),
                );
            }
        }
        if let [a, _, c] = args.as_slice() {
            let edits = [Some(Edit::replace(*a, spot.of(*c))), Some(Edit::replace(*c, spot.of(*a)))];
            out.add(
                SWAP,
                spot.module,
                n,
                spot.score(n, 0.3),
                edits,
                format!("first and last argument of `{}` change places", spot.of(f)),
            );
        }
    }
    // Arguments rotated with an operator between: `f(a % b, b)` meant `f(b, a % b)`; covered by the swap above.
    if let [only] = all_args.as_slice()
        && f.kind() == "identifier"
        && only.kind() != "generator_expression"
    {
        out.add(
            "unwrap",
            spot.module,
            n,
            spot.score(n, 0.35),
            [Some(Edit::replace(n, spot.of(*only)))],
            format!("`{}` itself", spot.of(*only)),
        );
    }
    if old == "sorted" || old == "sort" {
        let reverse = all_args.iter().find(|a| spot.module.name(**a) == "reverse");
        let edit = match (reverse, all_args.last()) {
            (Some(r), _) => field(*r, "value")
                .map(|v| Edit::replace(v, if spot.of(v) == "True" { "False" } else { "True" })),
            (None, Some(last)) => Some(Edit::insert(last.end_byte(), ", reverse=True")),
            (None, None) => field(n, "arguments").map(|a| Edit::replace(a, "(reverse=True)")),
        };
        out.add(OPPOSITE, spot.module, n, spot.score(n, 0.45), [edit], "the other order".into());
    }
}
