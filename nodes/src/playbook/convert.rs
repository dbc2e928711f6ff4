//! A value of the wrong type at the operand that the message names: converted, best where it comes from.

use tree_sitter::Node;

use super::case::{Case, Drafts, Site};
use super::edit::Edit;
use super::source::{Module, all, arguments, children, class, field, function};
use super::zero::parameter;

const NAME: &str = "convert";

/// An expression and the conversion it may lack. `{}` stands for the expression.
struct Wrong<'a> {
    node: Node<'a>,
    forms: Vec<&'static str>,
}

/// Proposes conversions of the accused operands.
pub(super) fn propose(case: &Case, out: &mut Drafts) {
    if !matches!(case.exception, "TypeError" | "AttributeError") || case.message().contains("NoneType") {
        return;
    }
    for (depth, site) in case.sites.iter().enumerate() {
        for wrong in accused(case, site) {
            for (i, form) in wrong.forms.iter().enumerate() {
                let score = site.weight * 0.9_f64.powi(i as i32);
                at_operand(site, wrong.node, form, score * 0.68, out);
                at_source(case, depth, wrong.node, form, score, out);
            }
        }
    }
}

/// What turns one built-in type into another.
fn form(from: &str, to: &str) -> Option<&'static str> {
    Some(match (from, to) {
        ("str" | "bytes" | "float", "int") => "int({})",
        ("str", "float") => "float({})",
        ("str", "bytes") => "{}.encode()",
        ("bytes", "str") => "{}.decode()",
        ("int" | "float" | "bool" | "PosixPath" | "UUID" | "Decimal", "str") => "str({})",
        ("Decimal", "float") => "float({})",
        ("float", "Decimal.Decimal") => "Decimal(str({}))",
        (
            "tuple" | "set" | "dict_keys" | "dict_values" | "dict_items" | "generator" | "map" | "filter"
            | "zip" | "range" | "odict_keys",
            "list",
        ) => "list({})",
        ("list", "tuple") => "tuple({})",
        ("list" | "tuple" | "dict_keys", "set") => "set({})",
        _ => return None,
    })
}

/// The expressions that the message accuses.
fn accused<'a>(case: &Case, site: &Site<'a>) -> Vec<Wrong<'a>> {
    let message = case.message();
    let (first, second) = (case.quoted(0).unwrap_or(""), case.quoted(1).unwrap_or(""));
    let m = site.module;
    let mut found: Vec<Wrong<'a>> = Vec::new();
    let mut add = |node: Option<Node<'a>>, forms: Vec<&'static str>| {
        if let Some(node) = node.filter(|_| !forms.is_empty()) {
            found.push(Wrong { node, forms });
        }
    };
    let both = |a: &str, b: &str| -> (Vec<&'static str>, Vec<&'static str>) {
        (form(a, b).into_iter().collect(), form(b, a).into_iter().collect())
    };
    if message.contains("unsupported operand type") || message.contains("not supported between instances") {
        let shift = usize::from(message.contains("not supported between"));
        let (a, b) = (case.quoted(shift).unwrap_or(""), case.quoted(shift + 1).unwrap_or(""));
        let (mut left, mut right) = both(a, b);
        // Numbers meet text: the text is what was not parsed, unless it is being put together.
        let sum = message.contains("for +:");
        if !sum && a == "str" {
            right.clear();
            if b == "float" {
                left = vec!["float({})"]
            }
        } else if !sum && b == "str" {
            left.clear();
            if a == "float" {
                right = vec!["int({})", "float({})"]
            }
        }
        for n in site.nodes("binary_operator") {
            add(field(n, "left"), left.clone());
            add(field(n, "right"), right.clone());
        }
        for n in site.nodes("augmented_assignment") {
            add(field(n, "right"), right.clone());
        }
        for n in site.nodes("comparison_operator") {
            let operands = children(n);
            add(operands.first().copied(), left.clone());
            add(operands.get(1).copied(), right.clone());
        }
        for n in site.nodes("call") {
            let name = field(n, "function").map_or("", |f| m.of(f));
            if name == "sum" {
                let each = field(n, "arguments").filter(|a| a.kind() == "generator_expression");
                add(each.and_then(|g| field(g, "body")), vec!["int({})", "float({})"]);
                add(arguments(n).first().copied(), vec!["map(int, {})", "map(float, {})"]);
            }
            if matches!(name, "sorted" | "max" | "min") || name.ends_with(".sort") {
                let key = if name.ends_with(".sort") { "key=str" } else { "{}, key=str" };
                match arguments(n).last() {
                    Some(last) => add(Some(*last), vec![if name.ends_with(".sort") { "{}" } else { key }]),
                    None => add(field(n, "arguments"), vec!["(key=str)"]),
                }
            }
        }
    } else if message.contains("can only concatenate") {
        for n in site.nodes("binary_operator").into_iter().chain(site.nodes("augmented_assignment")) {
            // `can only concatenate str (not "int") to str`: the right one is accused.
            let wanted = message.split("concatenate ").nth(1).and_then(|r| r.split(' ').next()).unwrap_or("");
            match form(case.quoted(0).unwrap_or(""), wanted) {
                Some(f) => add(field(n, "right"), vec![f]),
                None if wanted == "list" => add(field(n, "right"), vec!["[{}]", "list({})"]),
                None if wanted == "tuple" => add(field(n, "right"), vec!["({},)", "tuple({})"]),
                None if wanted == "str" => add(field(n, "right"), vec!["str({})"]),
                None => {}
            }
            if wanted == "str" && case.quoted(0) == Some("int") {
                add(field(n, "left"), vec!["int({})"]);
            }
        }
    } else if message.contains("cannot be interpreted as an integer") || message.contains("indices must be") {
        let from_float = message.contains("float");
        for n in site.nodes("subscript") {
            for index in field(n, "subscript").into_iter() {
                if index.kind() == "slice" {
                    for part in children(index) {
                        add(Some(part), vec!["int({})"]);
                    }
                } else {
                    add(Some(index), vec!["int({})"]);
                }
            }
        }
        for n in site.nodes("call") {
            for a in
                arguments(n).into_iter().filter(|a| a.kind() != "keyword_argument" && a.kind() != "integer")
            {
                add(Some(a), vec![if first == "list" || first == "tuple" { "len({})" } else { "int({})" }]);
            }
        }
        for n in site.nodes("binary_operator") {
            if from_float && field(n, "operator").is_some_and(|o| m.of(o) == "/") {
                add(field(n, "operator"), vec!["//"]);
            }
        }
    } else if message.contains("expected string or bytes")
        || message.contains("must be str")
        || message.contains("expected str")
        || message.contains("must be a string")
    {
        for n in site.nodes("call") {
            let joins = message.contains("sequence item");
            for a in
                arguments(n).into_iter().filter(|a| a.kind() != "keyword_argument" && a.kind() != "string")
            {
                let forms = if joins {
                    vec!["map(str, {})"]
                } else if message.contains("bytes") && !message.contains("or bytes") {
                    vec!["{}.decode()"]
                } else {
                    vec!["str({})"]
                };
                add(Some(a), forms);
            }
        }
        for n in site.nodes("binary_operator") {
            add(field(n, "right"), vec!["str({})"]);
        }
    } else if message.contains("bytes-like object is required")
        || message.contains("must be encoded")
        || message.contains("must be bytes")
        || message.contains("concat str to bytes")
    {
        for n in site.nodes("call") {
            for a in arguments(n).into_iter().filter(|a| a.kind() != "keyword_argument") {
                add(Some(a), vec!["{}.encode()"]);
            }
            if let Some(o) = field(n, "function").and_then(|f| field(f, "object")) {
                add(Some(o), vec!["{}.decode()"]);
            }
        }
        for n in site.nodes("binary_operator").into_iter().chain(site.nodes("comparison_operator")) {
            for c in children(n) {
                add(Some(c), vec!["{}.encode()"]);
            }
        }
    } else if message.contains("not subscriptable")
        || message.contains("has no len()")
        || message.contains("not reversible")
        || message.contains("not an iterator")
    {
        let lazy = [
            "generator",
            "map",
            "filter",
            "zip",
            "dict_keys",
            "dict_values",
            "dict_items",
            "set",
            "odict_keys",
            "reversed",
        ]
        .contains(&first);
        let wrap = if message.contains("not an iterator") { "iter({})" } else { "list({})" };
        if lazy || message.contains("not an iterator") {
            for n in site.nodes("subscript") {
                add(field(n, "value"), vec![wrap]);
            }
            for n in site.nodes("call") {
                add(arguments(n).first().copied(), vec![wrap]);
            }
        } else if message.contains("not subscriptable")
            && matches!(first, "method" | "function" | "builtin_function_or_method")
        {
            for n in site.nodes("subscript") {
                add(field(n, "value"), vec!["{}()"]);
            }
        } else if message.contains("has no len()") && matches!(first, "int" | "float") {
            for n in site.nodes("call") {
                add(arguments(n).first().copied(), vec!["str({})"]);
            }
        }
    } else if message.contains("JSON serializable") {
        for n in site.nodes("call") {
            let name = field(n, "function").map_or("", |f| m.of(f));
            if name.ends_with("dumps") || name.ends_with("dump") {
                let has = arguments(n).iter().any(|a| m.of(*a).starts_with("default"));
                let forms = match message {
                    x if x.contains("type set") => {
                        vec!["{}, default=sorted", "{}, default=list", "{}, default=str"]
                    }
                    _ => vec!["{}, default=str"],
                };
                add(arguments(n).last().copied().filter(|_| !has), forms);
            }
        }
    } else if message.contains("offset-naive and offset-aware") {
        for n in site.nodes("call") {
            if field(n, "function").is_some_and(|f| m.of(f).ends_with("datetime.now"))
                && arguments(n).is_empty()
            {
                add(field(n, "arguments"), vec!["(timezone.utc)"]);
            }
        }
        for n in site.nodes("binary_operator").into_iter().chain(site.nodes("comparison_operator")) {
            for c in children(n) {
                add(Some(c), vec!["{}.replace(tzinfo=None)"]);
            }
        }
    } else if message.contains("not all arguments converted") {
        for n in site.nodes("binary_operator") {
            add(field(n, "right"), vec!["({},)"]);
        }
    } else if case.exception == "AttributeError" && !second.is_empty() {
        for n in site.nodes("attribute") {
            if field(n, "attribute").map(|a| m.of(a)) != Some(second) {
                continue;
            }
            let forms = match (first, super::kinds::kind_of(second)) {
                ("bytes", Some("str")) => vec!["{}.decode()"],
                ("str", Some("bytes")) => vec!["{}.encode()"],
                ("int" | "float" | "PosixPath" | "UUID", Some("str")) => vec!["str({})"],
                (_, Some("list")) if first != "list" => vec!["list({})"],
                _ => vec![],
            };
            add(field(n, "object"), forms);
        }
    }
    found.retain(|w| !matches!(w.node.kind(), "comment"));
    found.truncate(12);
    found
}

fn convert(m: &Module, node: Node, form: &str) -> String {
    let text = m.of(node);
    let tight = form.starts_with("{}.") || form.starts_with("{}(");
    let atom = matches!(
        node.kind(),
        "identifier" | "attribute" | "call" | "subscript" | "string" | "parenthesized_expression"
    );
    if tight && !atom { form.replace("{}", &format!("({text})")) } else { form.replace("{}", text) }
}

fn at_operand(site: &Site, node: Node, form: &str, score: f64, out: &mut Drafts) {
    let m = site.module;
    let text = convert(m, node, form);
    let already =
        text.starts_with("str(str(") || text.starts_with("int(int(") || text.starts_with("list(list(");
    if node.kind() == "keyword_argument" || already {
        return;
    }
    out.add(NAME, m, node, score, [Some(Edit::replace(node, text.as_str()))], format!("`{text}`"));
}

/// Whether the function takes text apart or reads it: then what it hands on is text.
fn parses(m: &Module, func: Node) -> bool {
    all(func, "call").iter().any(|c| {
        let name = field(*c, "function").map_or("", |f| m.of(f));
        let last = name.rsplit('.').next().unwrap_or("");
        last.contains("parse")
            || matches!(
                last,
                "split"
                    | "partition"
                    | "groupdict"
                    | "group"
                    | "groups"
                    | "getenv"
                    | "input"
                    | "readline"
                    | "read"
                    | "findall"
                    | "match"
                    | "reader"
                    | "DictReader"
                    | "loads"
            )
            || name.contains("environ")
    })
}

fn at_source(case: &Case, depth: usize, node: Node, form: &str, score: f64, out: &mut Drafts) {
    if !form.contains("{}") || form.contains(", ") {
        return;
    }
    let Some(site) = case.sites.get(depth) else { return };
    let m = site.module;
    match node.kind() {
        "attribute" => {
            let Some(name) = field(node, "attribute").map(|a| m.of(a)) else { return };
            handed_over(case, name, form, score, out);
            let Some(cls) = class(node) else { return };
            for a in all(cls, "assignment") {
                if let (Some(left), Some(right)) = (field(a, "left"), field(a, "right"))
                    && m.of(left) == m.of(node)
                    && matches!(right.kind(), "identifier" | "call" | "subscript" | "attribute")
                {
                    let text = convert(m, right, form);
                    out.add(
                        NAME,
                        m,
                        right,
                        score * 0.8,
                        [Some(Edit::replace(right, text.as_str()))],
                        format!("`{text}`, where it comes from"),
                    );
                }
            }
        }
        "identifier" => {
            let name = m.of(node);
            let Some(func) = function(node) else { return };
            for a in all(func, "assignment").into_iter().filter(|a| a.start_byte() < node.start_byte()) {
                if let (Some(left), Some(right)) = (field(a, "left"), field(a, "right"))
                    && m.of(left) == name
                    && !matches!(right.kind(), "integer" | "string" | "list" | "dictionary")
                {
                    let text = convert(m, right, form);
                    let from_text =
                        parses(m, func) || m.of(right).contains("environ") || m.of(right).contains("get(");
                    let score = score * if from_text { 0.85 } else { 0.6 };
                    out.add(
                        NAME,
                        m,
                        right,
                        score,
                        [Some(Edit::replace(right, text.as_str()))],
                        format!("`{text}`, where it comes from"),
                    );
                }
            }
            let is_parameter = field(func, "parameters")
                .is_some_and(|p| children(p).into_iter().any(|p| parameter(m, p) == name));
            if is_parameter {
                handed_over(case, name, form, score * 0.9, out);
                if let Some(caller) = case.sites.get(depth + 1) {
                    passed(caller, m, func, name, form, score * 0.7, out);
                }
            }
        }
        _ => {}
    }
}

/// Places that put a value under this name: `options['name'] = value`, `name=value` in a call.
fn handed_over(case: &Case, name: &str, form: &str, score: f64, out: &mut Drafts) {
    for m in case.code.program() {
        for a in all(m.root(), "assignment") {
            let Some(left) = field(a, "left").filter(|l| l.kind() == "subscript") else { continue };
            let key = field(left, "subscript").map_or("", |s| m.of(s));
            let right = field(a, "right")
                .filter(|r| matches!(r.kind(), "identifier" | "subscript" | "call" | "attribute"));
            let (true, Some(right)) =
                (key.trim_matches(['\'', '"']) == name && key.starts_with(['\'', '"']), right)
            else {
                continue;
            };
            let Some(func) = function(a) else { continue };
            let text = convert(m, right, form);
            // The same function converts this very value for another key.
            let sibling = m.of(func).contains(&text);
            let fit = if sibling {
                0.98
            } else if parses(m, func) {
                0.95
            } else {
                0.6
            };
            out.add(
                NAME,
                m,
                right,
                score.max(0.5) * fit,
                [Some(Edit::replace(right, text.as_str()))],
                format!("`{text}`, where it comes from"),
            );
        }
        for k in all(m.root(), "keyword_argument").into_iter().filter(|k| m.name(*k) == name) {
            let Some(value) = field(k, "value")
                .filter(|v| matches!(v.kind(), "identifier" | "subscript" | "call" | "attribute"))
            else {
                continue;
            };
            let Some(func) = function(k) else { continue };
            if parses(m, func) {
                let text = convert(m, value, form);
                out.add(
                    NAME,
                    m,
                    value,
                    score.max(0.5) * 0.85,
                    [Some(Edit::replace(value, text.as_str()))],
                    format!("`{text}`, where it comes from"),
                );
            }
        }
    }
}

/// The caller's argument for a parameter.
fn passed(caller: &Site, callee: &Module, func: Node, name: &str, form: &str, score: f64, out: &mut Drafts) {
    let m = caller.module;
    let mut names: Vec<&str> = field(func, "parameters")
        .map(children)
        .unwrap_or_default()
        .into_iter()
        .map(|p| parameter(callee, p))
        .collect();
    if matches!(names.first(), Some(&"self" | &"cls")) {
        names.remove(0);
    }
    for call in caller.nodes("call") {
        let called = field(call, "function").map_or("", |f| m.of(f)).rsplit('.').next().unwrap_or("");
        if called != callee.name(func) {
            continue;
        }
        for (i, a) in arguments(call).into_iter().enumerate() {
            let value = match a.kind() {
                "keyword_argument" if m.name(a) == name => field(a, "value"),
                "keyword_argument" => None,
                _ if names.get(i) == Some(&name) => Some(a),
                _ => None,
            };
            if let Some(value) = value {
                let text = convert(m, value, form);
                out.add(
                    NAME,
                    m,
                    value,
                    score,
                    [Some(Edit::replace(value, text.as_str()))],
                    format!("`{text}`, where it comes from"),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::fixture;

    #[test]
    fn where_the_text_was_parsed() {
        let source = "class A:\n    def __init__(self, step=1):\n        self.step = step\n\n    def at(self, t):\n        return t / self.step\n\n\ndef f(text):\n    d = {}\n    for k, v in parse(text):\n        if k == 'size':\n            d['size'] = int(v)\n        elif k == 'step':\n            d['step'] = v\n    return A(**d)\n";
        let f = fixture(
            source,
            "TypeError",
            "unsupported operand type(s) for /: 'float' and 'str'",
            &["t / self.step"],
        );
        f.offers("d['step'] = v", "d['step'] = int(v)", 1);
    }

    #[test]
    fn a_number_in_a_text() {
        let f = fixture(
            "def f(n):\n    return 'a' + n\n",
            "TypeError",
            "can only concatenate str (not \"int\") to str",
            &["'a' + n"],
        );
        f.offers("+ n", "+ str(n)", 2);
    }

    #[test]
    fn numbers_joined() {
        let f = fixture(
            "def f(xs):\n    return ','.join(xs)\n",
            "TypeError",
            "sequence item 0: expected str instance, int found",
            &["','.join(xs)"],
        );
        f.offers("join(xs)", "join(map(str, xs))", 2);
    }
}
