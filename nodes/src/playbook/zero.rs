//! Division by zero.

use tree_sitter::Node;

use super::case::{Case, Drafts, Site};
use super::contract::raises;
use super::edit::{Edit, before};
use super::guards::{Guard, guard, repeatable};
use super::none::plain;
use super::source::{Module, all, arguments, children, field, function, statement};

const NAME: &str = "zero-divisor";

/// Proposes guards for a divisor that was zero, here or where the caller made it.
pub(super) fn propose(case: &Case, out: &mut Drafts) {
    if case.exception != "ZeroDivisionError" {
        return;
    }
    for (depth, site) in case.sites.iter().enumerate() {
        for divisor in divisors(site) {
            here(case, site, divisor, out);
            if let Some(caller) = case.sites.get(depth + 1) {
                callers(case, site, divisor, caller, out);
            }
        }
    }
}

fn divisors<'a>(site: &Site<'a>) -> Vec<Node<'a>> {
    let m = site.module;
    let divides = |n: &Node| field(*n, "operator").is_some_and(|o| m.of(o).starts_with(['/', '%']));
    let mut found: Vec<Node> =
        site.nodes("binary_operator").into_iter().filter(divides).filter_map(|n| field(n, "right")).collect();
    found.extend(
        site.nodes("augmented_assignment").into_iter().filter(divides).filter_map(|n| field(n, "right")),
    );
    for call in site.nodes("call") {
        if field(call, "function").is_some_and(|f| m.of(f) == "divmod") {
            found.extend(arguments(call).get(1));
        }
    }
    found.retain(|n| !matches!(n.kind(), "integer" | "float" | "string" | "tuple"));
    found
}

/// The expression without the parentheses around all of it.
fn bare<'t>(node: Node<'t>) -> Node<'t> {
    let mut at = node;
    while at.kind() == "parenthesized_expression" {
        match children(at).into_iter().next() {
            Some(inner) => at = inner,
            None => break,
        }
    }
    at
}

fn here(case: &Case, site: &Site, divisor: Node, out: &mut Drafts) {
    let m = site.module;
    let inner = bare(divisor);
    if !repeatable(m, inner) {
        return;
    }
    // `float(len(x))` is zero when `x` is empty: ask for what is inside.
    let mut subject = inner;
    while subject.kind() == "call"
        && field(subject, "function").is_some_and(|f| matches!(m.of(f), "len" | "float" | "int"))
        && let [one] = arguments(subject).as_slice()
    {
        let is_len = field(subject, "function").is_some_and(|f| m.of(f) == "len");
        subject = *one;
        if is_len {
            break;
        }
    }
    let d = m.of(inner);
    let complaint = format!("{} must not be zero", plain(d));
    let simple_name = matches!(subject.kind(), "identifier" | "attribute" | "subscript" | "call");
    if simple_name {
        let s = m.of(subject);
        let g = Guard {
            template: NAME,
            ok: s.to_owned(),
            bad: format!("not {s}"),
            complaint: &complaint,
            score: site.weight * 0.85,
        };
        guard(case, m, divisor, &g, out);
        let g = Guard {
            template: NAME,
            ok: format!("{d} != 0"),
            bad: format!("{d} == 0"),
            complaint: &complaint,
            score: site.weight * 0.84,
        };
        guard(case, m, divisor, &g, out);
    } else {
        let g = Guard {
            template: NAME,
            ok: format!("{d} != 0"),
            bad: format!("{d} == 0"),
            complaint: &complaint,
            score: site.weight * 0.85,
        };
        guard(case, m, divisor, &g, out);
    }
    // The division alone: `a / b if b else 0`.
    if let Some(division) = divisor.parent().filter(|p| p.kind() == "binary_operator") {
        for (i, v) in ["0", "0.0"].iter().enumerate() {
            let text = format!("({} if {} else {v})", m.of(division), m.of(subject));
            let score = site.weight * 0.7 * 0.8_f64.powi(i as i32);
            out.add(
                NAME,
                m,
                divisor,
                score,
                [Some(Edit::replace(division, text))],
                format!("{v} where `{d}` is zero"),
            );
        }
    }
}

/// The divisor is made of parameters: the caller's argument may be what should have been refused.
fn callers(case: &Case, site: &Site, divisor: Node, caller: &Site, out: &mut Drafts) {
    let Some(func) = site.function() else { return };
    let Some(parameters) = field(func, "parameters") else { return };
    let mut names: Vec<&str> = children(parameters).into_iter().map(|p| parameter(site.module, p)).collect();
    if matches!(names.first(), Some(&"self" | &"cls")) {
        names.remove(0);
    }
    let used: Vec<&str> = all(bare(divisor), "identifier").into_iter().map(|n| site.module.of(n)).collect();
    let m = caller.module;
    for call in caller.nodes("call") {
        let called = field(call, "function").map_or("", |f| m.of(f)).rsplit('.').next().unwrap_or("");
        if called != site.module.name(func) {
            continue;
        }
        for (position, argument) in arguments(call).into_iter().enumerate() {
            let (name, value) = match argument.kind() {
                "keyword_argument" => (m.name(argument), field(argument, "value")),
                _ => (names.get(position).copied().unwrap_or(""), Some(argument)),
            };
            let Some(value) = value
                .filter(|v| used.contains(&name) && repeatable(m, *v) && !all(*v, "identifier").is_empty())
            else {
                continue;
            };
            refuse(case, m, call, value, name, caller.weight.max(0.5), out);
        }
    }
}

/// A parameter's name.
pub(super) fn parameter<'m>(m: &'m Module, node: Node) -> &'m str {
    match node.kind() {
        "identifier" => m.of(node),
        "default_parameter" | "typed_default_parameter" => m.name(node),
        _ => all(node, "identifier").first().map_or("", |n| m.of(*n)),
    }
}

/// Raises the domain's error before the call, and before every other call in the function that passes the same.
fn refuse(case: &Case, m: &Module, call: Node, value: Node, name: &str, weight: f64, out: &mut Drafts) {
    let Some(func) = function(call) else { return };
    let v = m.of(value);
    let text = field(call, "function").map_or("", |f| m.of(f));
    let mut statements: Vec<Node> = Vec::new();
    for other in all(func, "call") {
        let same = field(other, "function").is_some_and(|f| m.of(f) == text)
            && arguments(other).into_iter().any(|a| match a.kind() {
                "keyword_argument" => m.name(a) == name && field(a, "value").is_some_and(|x| m.of(x) == v),
                _ => m.of(a) == v,
            });
        if same
            && let Some(s) = statement(other)
            && !statements.iter().any(|x| x.id() == s.id())
        {
            statements.push(s);
        }
    }
    for raise in raises(case, m, call) {
        // The function that refuses bad input already is where this input is refused too.
        let fit = if raise.fit >= 1.0 { 1.9 } else { raise.fit };
        let complaint = format!("{} must not be zero", plain(&subject_name(m, value)));
        let error = if raise.message {
            format!("{}('{complaint}')", raise.class)
        } else {
            format!("{}()", raise.class)
        };
        let lines = [format!("if {v} == 0:"), format!("{}raise {error}", m.unit)];
        let what = format!("raise {} if `{v}` is zero", raise.class);
        if statements.len() > 1 {
            let edits: Vec<_> = statements.iter().map(|s| before(m, *s, &lines)).collect();
            out.add(
                NAME,
                m,
                call,
                weight * fit * 0.98,
                edits,
                format!("{what}, at {} calls", statements.len()),
            );
        }
        out.add(NAME, m, call, weight * fit * 0.93, [before(m, call, &lines)], what);
    }
}

/// A name for what an expression stands for: the last string or identifier in it.
fn subject_name(m: &Module, value: Node) -> String {
    if let Some(s) = all(value, "string_content").last() {
        return m.of(*s).to_owned();
    }
    all(value, "identifier").last().map_or_else(|| m.of(value).to_owned(), |n| m.of(*n).to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::fixture;

    #[test]
    fn an_average_of_nothing() {
        let f = fixture(
            "def f(xs):\n    return sum(xs) / len(xs)\n",
            "ZeroDivisionError",
            "division by zero",
            &["sum(xs) / len(xs)"],
        );
        f.offers("    return", "    if not xs:\n        return 0\n    return", 2);
    }

    #[test]
    fn the_error_that_the_function_raises_already() {
        let source = "def f(a, b):\n    if a < 0:\n        raise BadInput('a')\n    return a % b\n";
        let f = fixture(source, "ZeroDivisionError", "integer modulo by zero", &["a % b"]);
        f.offers("    return", "    if not b:\n        raise BadInput('b must not be zero')\n    return", 2);
    }

    #[test]
    fn the_caller_refuses_what_it_hands_on() {
        let source = "def g(top):\n    return 7 % (top - 1 + 1)\n\n\ndef f(m):\n    if not m:\n        raise Bad('no')\n    return g(top=int(m['step']))\n";
        let f = fixture(
            source,
            "ZeroDivisionError",
            "integer modulo by zero",
            &["g(top=int(m['step']))", "7 % (top - 1 + 1)"],
        );
        f.offers(
            "    return g",
            "    if int(m['step']) == 0:\n        raise Bad('step must not be zero')\n    return g",
            1,
        );
    }
}
