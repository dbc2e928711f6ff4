//! Values: constants, what is returned, what is shared by accident, what is thrown away.

use tree_sitter::Node;

use super::super::case::{Case, Drafts};
use super::super::edit::{Edit, before};
use super::super::source::{all, arguments, children, field, function};
use super::Spot;

const CONSTANT: &str = "constant";
const RETURN: &str = "returned-value";
const SHARED: &str = "shared-value";
const LOST: &str = "lost-result";
const KEEP: &str = "running-value";
const SLICE: &str = "part";
const RAISE: &str = "other-error";

/// Proposes other values.
pub(super) fn propose(case: &Case, spot: &Spot, out: &mut Drafts) {
    mutable_default(spot, out);
    for n in spot.nodes() {
        match n.kind() {
            "true" => set(spot, CONSTANT, n, "False", 0.55, out),
            "false" => set(spot, CONSTANT, n, "True", 0.55, out),
            "return_statement" => returned(spot, n, out),
            "yield" => yielded(spot, n, out),
            "assignment" => assigned(spot, n, out),
            "expression_statement" => lost(spot, n, out),
            "for_statement" | "for_in_clause" => parts(spot, n, out),
            "binary_operator" => repeated(spot, n, out),
            "call" => call(spot, n, out),
            "lambda" => late(spot, n, out),
            "raise_statement" => raised(case, spot, n, out),
            "slice" => slice(spot, n, out),
            _ => {}
        }
    }
}

fn set(spot: &Spot, template: &'static str, n: Node, new: &str, prior: f64, out: &mut Drafts) {
    out.add(
        template,
        spot.module,
        n,
        spot.score(n, prior),
        [Some(Edit::replace(n, new))],
        format!("`{}` becomes `{new}`", spot.of(n)),
    );
}

fn returned(spot: &Spot, n: Node, out: &mut Drafts) {
    let Some(v) = children(n).into_iter().next() else { return };
    let locals = spot.locals();
    match v.kind() {
        "list" if children(v).is_empty() => {
            set(spot, RETURN, v, "[[]]", 0.45, out);
            for p in spot.parameters() {
                set(spot, RETURN, v, &format!("[{p}]"), 0.45, out);
            }
        }
        "true" | "false" => {
            for name in &locals {
                for (text, prior) in [
                    (format!("{name} == 0"), 0.4),
                    (format!("not {name}"), 0.4),
                    (format!("len({name}) == 0"), 0.3),
                    ((*name).to_owned(), 0.25),
                    (format!("{name} is None"), 0.25),
                ] {
                    set(spot, RETURN, v, &text, prior, out);
                }
            }
        }
        "integer" | "string" | "none" => {
            for name in locals.iter().take(8) {
                set(spot, RETURN, v, name, 0.35, out);
            }
        }
        "identifier" => {
            let name = spot.of(v);
            for other in locals.iter().filter(|o| **o != name).take(6) {
                set(spot, RETURN, v, &format!("{name} + {other}"), 0.35, out);
                set(spot, RETURN, v, &format!("{other} + {name}"), 0.25, out);
                set(spot, RETURN, v, &format!("{name} / {other}"), 0.12, out);
            }
            set(spot, RETURN, v, &format!("{name}[::-1]"), 0.3, out);
            set(spot, RETURN, v, &format!("sorted({name})"), 0.3, out);
            set(spot, RETURN, v, &format!("-{name}"), 0.12, out);
        }
        "list_comprehension" | "call" | "binary_operator" => {
            for p in spot.parameters().into_iter().take(4) {
                if v.kind() == "list_comprehension" {
                    set(spot, RETURN, v, &format!("{p} + {}", spot.of(v)), 0.3, out);
                }
            }
            for name in locals.iter().take(6) {
                if v.kind() == "list_comprehension" && !spot.of(v).starts_with(&format!("[{name}")) {
                    set(spot, RETURN, v, &format!("{name} + {}", spot.of(v)), 0.4, out);
                }
            }
            if v.kind() == "call" || v.kind() == "binary_operator" {
                set(spot, RETURN, v, &format!("not {}", spot.of(v)), 0.12, out);
            }
        }
        "comparison_operator" | "boolean_operator" => {
            set(spot, RETURN, v, &format!("not ({})", spot.of(v)), 0.35, out);
        }
        _ => {}
    }
}

/// `yield f(x)` where `yield from` was meant.
fn yielded(spot: &Spot, n: Node, out: &mut Drafts) {
    let text = spot.of(n);
    let Some(v) = children(n).into_iter().next() else { return };
    if text.starts_with("yield from") {
        out.add(
            LOST,
            spot.module,
            n,
            spot.score(n, 0.4),
            [Some(Edit::replace(n, format!("yield {}", spot.of(v))))],
            "yield the thing itself".into(),
        );
    } else {
        out.add(
            LOST,
            spot.module,
            n,
            spot.score(n, 0.5),
            [Some(Edit::insert(v.start_byte(), "from "))],
            "yield from it".into(),
        );
    }
}

fn assigned(spot: &Spot, n: Node, out: &mut Drafts) {
    let (Some(left), Some(right)) = (field(n, "left"), field(n, "right")) else { return };
    let (l, r) = (spot.of(left), spot.of(right));
    let in_loop = super::super::source::ancestors(n)
        .take_while(|a| a.kind() != "function_definition")
        .any(|a| matches!(a.kind(), "for_statement" | "while_statement"));
    if in_loop && matches!(left.kind(), "identifier" | "subscript" | "attribute") && right.kind() != "list" {
        let called = |words: &[&str]| words.iter().any(|w| l.to_lowercase().contains(w));
        let most = if called(&["max", "best", "longest", "largest", "high", "most", "peak", "top"]) {
            0.62
        } else {
            0.42
        };
        let least = if called(&["min", "shortest", "smallest", "low", "least", "nearest", "cheapest"]) {
            0.62
        } else {
            0.36
        };
        for (new, prior) in [(format!("max({l}, {r})"), most), (format!("min({l}, {r})"), least)] {
            set(spot, KEEP, right, &new, prior, out);
        }
        for (new, prior) in [(format!("max(0, {r})"), 0.45), (format!("min(0, {r})"), 0.1)] {
            set(spot, KEEP, right, &new, prior, out);
        }
        if !r.contains(l) {
            for (op, prior) in [("+=", 0.5), ("-=", 0.2), ("*=", 0.2)] {
                let edit = Edit { range: left.end_byte()..right.start_byte(), text: format!(" {op} ") };
                out.add(KEEP, spot.module, n, spot.score(n, prior), [Some(edit)], format!("`{l} {op} …`"));
            }
        }
    }
    // A collection or a counter begins with something else.
    if !in_loop {
        let others: &[(&str, f64)] = match r {
            "0" => &[("1", 0.3), ("float('-inf')", 0.3), ("float('inf')", 0.25), ("None", 0.1)],
            "1" => &[("0", 0.3)],
            "[]" => &[("[0]", 0.2), ("{}", 0.1), ("set()", 0.1)],
            "None" => &[("0", 0.2), ("[]", 0.2)],
            "float('inf')" => &[("float('-inf')", 0.4)],
            _ => &[],
        };
        for (new, prior) in others {
            set(spot, CONSTANT, right, new, *prior, out);
        }
    }
    match right.kind() {
        "identifier" if spot.locals().contains(&r) || r.starts_with("self.") => {
            for (new, prior) in
                [(format!("list({r})"), 0.35), (format!("dict({r})"), 0.3), (format!("{r}.copy()"), 0.33)]
            {
                set(spot, SHARED, right, &new, prior, out);
            }
        }
        "attribute" if left.kind() != "attribute" => {
            for (new, prior) in [(format!("list({r})"), 0.25), (format!("dict({r})"), 0.25)] {
                set(spot, SHARED, right, &new, prior, out);
            }
        }
        "subscript" if left.kind() == "subscript" || left.kind() == "identifier" => {
            for a in spot.locals().into_iter().take(6) {
                if field(right, "subscript").is_some_and(|s| spot.of(s) != a)
                    && field(right, "value").is_some_and(|v| spot.of(v) != a)
                    && left.kind() == "subscript"
                {
                    set(spot, KEEP, right, a, 0.15, out);
                }
            }
        }
        "call" => {
            // `x = xs.sort()` is None.
            let f = field(right, "function");
            if let (Some(o), Some(a)) =
                (f.and_then(|f| field(f, "object")), f.and_then(|f| field(f, "attribute")))
            {
                let new = match spot.of(a) {
                    "sort" if arguments(right).is_empty() => format!("sorted({})", spot.of(o)),
                    "reverse" => format!("{}[::-1]", spot.of(o)),
                    _ => return,
                };
                set(spot, LOST, right, &new, 0.9, out);
                if spot.of(a) == "sort" {
                    let text = format!("sorted({}, reverse=True)", spot.of(o));
                    set(spot, LOST, right, &text, 0.5, out);
                }
            }
        }
        _ => {}
    }
}

/// The result of a method that changes nothing is thrown away: `text.strip()` on a line of its own.
fn lost(spot: &Spot, n: Node, out: &mut Drafts) {
    let Some(call) = children(n).into_iter().next().filter(|c| c.kind() == "call") else { return };
    let Some(f) = field(call, "function") else { return };
    if let (Some(o), Some(a)) = (field(f, "object"), field(f, "attribute")) {
        let pure = [
            "strip",
            "lstrip",
            "rstrip",
            "lower",
            "upper",
            "replace",
            "title",
            "capitalize",
            "format",
            "union",
            "difference",
            "intersection",
            "encode",
            "decode",
            "zfill",
            "ljust",
            "rjust",
            "astimezone",
            "removeprefix",
            "removesuffix",
            "quantize",
        ];
        if pure.contains(&spot.of(a)) && matches!(o.kind(), "identifier" | "attribute") {
            out.add(
                LOST,
                spot.module,
                n,
                spot.score(n, 0.9),
                [Some(Edit::insert(call.start_byte(), format!("{} = ", spot.of(o))))],
                format!("keep what `{}` gives", spot.of(call)),
            );
        }
    }
    if matches!(spot.of(f), "sorted" | "reversed")
        && let Some(first) = arguments(call).first().filter(|a| a.kind() == "identifier")
    {
        out.add(
            LOST,
            spot.module,
            n,
            spot.score(n, 0.85),
            [Some(Edit::insert(call.start_byte(), format!("{} = ", spot.of(*first))))],
            format!("keep what `{}` gives", spot.of(call)),
        );
    }
}

/// Only a part is to be looped over: the rest after the first, or after `k`.
fn parts(spot: &Spot, n: Node, out: &mut Drafts) {
    let Some(right) = field(n, "right").filter(|r| matches!(r.kind(), "identifier" | "attribute")) else {
        return;
    };
    let r = spot.of(right);
    for (new, prior) in [
        (format!("{r}[1:]"), 0.35),
        (format!("{r}[:-1]"), 0.3),
        (format!("sorted({r})"), 0.35),
        (format!("{r}[::-1]"), 0.25),
        (format!("list({r})"), 0.3),
        (format!("{r}.items()"), 0.2),
        (format!("range(len({r}))"), 0.15),
        (format!("set({r})"), 0.12),
    ] {
        set(spot, SLICE, right, &new, prior, out);
    }
    for p in spot.locals().into_iter().filter(|p| *p != r).take(5) {
        set(spot, SLICE, right, &format!("{r}[{p}:]"), 0.3, out);
        set(spot, SLICE, right, &format!("{r}[:{p}]"), 0.15, out);
    }
}

fn slice(spot: &Spot, n: Node, out: &mut Drafts) {
    let text = spot.of(n);
    let new = match text {
        "1:" => ":-1",
        ":-1" => "1:",
        "::-1" => ":",
        _ => {
            let Some((a, b)) = text.split_once(':').filter(|(_, b)| !b.contains(':')) else { return };
            let flipped = format!("{b}:{a}");
            if a.is_empty() || b.is_empty() {
                set(spot, SLICE, n, &flipped, 0.35, out);
            }
            return;
        }
    };
    set(spot, SLICE, n, new, 0.35, out);
}

/// `[[0] * n] * m` is one row m times.
fn repeated(spot: &Spot, n: Node, out: &mut Drafts) {
    let (Some(l), Some(op), Some(r)) = (field(n, "left"), field(n, "operator"), field(n, "right")) else {
        return;
    };
    if spot.of(op) != "*" || l.kind() != "list" {
        return;
    }
    if let [inner] = children(l).as_slice()
        && !matches!(inner.kind(), "integer" | "float" | "string" | "none" | "true" | "false")
    {
        let text = format!("[{} for _ in range({})]", spot.of(*inner), spot.of(r));
        set(spot, SHARED, n, &text, 0.85, out);
    }
}

fn call(spot: &Spot, n: Node, out: &mut Drafts) {
    let Some(f) = field(n, "function") else { return };
    let method = field(f, "attribute").map_or("", |a| spot.of(a));
    let args = arguments(n);
    match (method, args.as_slice()) {
        ("append" | "add", [x]) if x.kind() == "identifier" => {
            for (new, prior) in [
                (format!("list({})", spot.of(*x)), 0.45),
                (format!("dict({})", spot.of(*x)), 0.2),
                (format!("tuple({})", spot.of(*x)), 0.2),
                (format!("[{}]", spot.of(*x)), 0.15),
            ] {
                set(spot, SHARED, *x, &new, prior, out);
            }
        }
        ("get", [k]) => {
            for (d, prior) in [("0", 0.4), ("''", 0.3), ("[]", 0.3), ("{}", 0.2)] {
                set(spot, CONSTANT, *k, &format!("{}, {d}", spot.of(*k)), prior, out);
            }
        }
        ("replace", [_, _, one]) => {
            if let Some(two) = args.get(1) {
                let edit = Edit { range: two.end_byte()..one.end_byte(), text: String::new() };
                out.add(
                    CONSTANT,
                    spot.module,
                    n,
                    spot.score(n, 0.35),
                    [Some(edit)],
                    "replace all of them".into(),
                );
            }
        }
        ("split", []) => {}
        ("split", [only]) if matches!(only.kind(), "string") => {
            set(spot, CONSTANT, *only, &format!("{}, 1", spot.of(*only)), 0.5, out);
            set(spot, CONSTANT, *only, "", 0.35, out);
        }
        ("join", [only]) => {
            set(spot, CONSTANT, *only, &format!("map(str, {})", spot.of(*only)), 0.3, out);
            set(spot, CONSTANT, *only, &format!("reversed({})", spot.of(*only)), 0.15, out);
            set(spot, CONSTANT, *only, &format!("sorted({})", spot.of(*only)), 0.2, out);
        }
        _ => {}
    }
    let name = spot.of(f);
    if matches!(name, "abs" | "set" | "sum" | "sorted" | "len" | "int" | "str") {
        return;
    }
    for a in args.iter().filter(|a| matches!(a.kind(), "binary_operator")) {
        if let (Some(l), Some(op), Some(r)) = (field(*a, "left"), field(*a, "operator"), field(*a, "right"))
            && spot.of(op) == "-"
        {
            set(spot, CONSTANT, *a, &format!("abs({} - {})", spot.of(l), spot.of(r)), 0.25, out);
        }
    }
}

/// A lambda made in a loop sees the loop's last value.
fn late(spot: &Spot, n: Node, out: &mut Drafts) {
    let Some(l) = super::super::source::ancestors(n)
        .take_while(|a| a.kind() != "function_definition")
        .find(|a| matches!(a.kind(), "for_statement" | "list_comprehension" | "dictionary_comprehension"))
    else {
        return;
    };
    let left = if l.kind() == "for_statement" {
        field(l, "left")
    } else {
        children(l).into_iter().find(|c| c.kind() == "for_in_clause").and_then(|c| field(c, "left"))
    };
    let Some(body) = field(n, "body") else { return };
    let names: Vec<&str> = left
        .map(|x| all(x, "identifier"))
        .unwrap_or_default()
        .into_iter()
        .map(|i| spot.of(i))
        .filter(|name| all(body, "identifier").iter().any(|i| spot.of(*i) == *name))
        .collect();
    if names.is_empty() {
        return;
    }
    let bound = names.iter().map(|n| format!("{n}={n}")).collect::<Vec<_>>().join(", ");
    let old = field(n, "parameters").map_or(String::new(), |p| format!("{}, ", spot.of(p)));
    let text = format!("lambda {old}{bound}: {}", spot.of(body));
    set(spot, SHARED, n, &text, 0.8, out);
}

/// The test expects another error than the one that is raised.
fn raised(case: &Case, spot: &Spot, n: Node, out: &mut Drafts) {
    let Some(value) = children(n).into_iter().next() else { return };
    let name = if value.kind() == "call" { field(value, "function") } else { Some(value) };
    let Some(name) = name.filter(|x| spot.of(*x).rsplit('.').next() == Some(case.exception)) else { return };
    for wanted in super::super::case::words(&case.expected) {
        if wanted.ends_with("Error")
            && wanted != spot.of(name)
            && case.expected.contains(&format!("raises({wanted}"))
        {
            set(spot, RAISE, name, wanted, 0.9, out);
        }
    }
}

/// `def f(x=[])` shares one list among all calls.
fn mutable_default(spot: &Spot, out: &mut Drafts) {
    let m = spot.module;
    let Some(list) = field(spot.func, "parameters") else { return };
    let docstring = |s: &Node| {
        s.kind() == "expression_statement" && children(*s).first().is_some_and(|c| c.kind() == "string")
    };
    let Some(first) =
        field(spot.func, "body").map(children).unwrap_or_default().into_iter().find(|s| !docstring(s))
    else {
        return;
    };
    for p in all(list, "default_parameter").into_iter().chain(all(list, "typed_default_parameter")) {
        let Some(value) = field(p, "value") else { continue };
        let mutable = matches!(value.kind(), "list" | "dictionary" | "set")
            || matches!(m.of(value), "set()" | "list()" | "dict()");
        if mutable && function(p).is_some_and(|f| f.id() == spot.func.id()) {
            let name = m.name(p);
            let lines = [format!("if {name} is None:"), format!("{}{name} = {}", m.unit, m.of(value))];
            let edits = [Some(Edit::replace(value, "None")), before(m, first, &lines)];
            out.add(SHARED, m, p, spot.score(p, 0.95), edits, format!("a new `{name}` for each call"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::fixture;

    #[test]
    fn a_shared_row() {
        fixture("def f(n):\n    return [[0] * n] * n\n", "AssertionError", "", &[]).offers(
            "[[0] * n] * n",
            "[[0] * n for _ in range(n)]",
            4,
        );
    }

    #[test]
    fn a_shared_default() {
        fixture("def f(x=[]):\n    x.append(1)\n    return x\n", "AssertionError", "", &[]).offers(
            "x=[]):\n",
            "x=None):\n    if x is None:\n        x = []\n",
            3,
        );
    }

    #[test]
    fn a_lost_result() {
        fixture("def f(s):\n    s.strip()\n    return s\n", "AssertionError", "", &[]).offers(
            "    s.strip()",
            "    s = s.strip()",
            3,
        );
    }

    #[test]
    fn a_running_maximum() {
        fixture(
            "def f(xs):\n    best = 0\n    for x in xs:\n        best = x\n    return best\n",
            "AssertionError",
            "",
            &[],
        )
        .offers("best = x", "best = max(best, x)", 12);
    }
}
