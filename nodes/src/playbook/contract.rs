//! What a function does when it cannot do its work: the errors it raises and the values it falls back to.

use tree_sitter::Node;

use super::case::Case;
use super::source::{Module, all, arguments, children, class, field, function, walk};

/// A `raise` that fits a place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Raise {
    /// The class as written there.
    pub(crate) class: String,
    /// Whether it takes a message.
    pub(crate) message: bool,
    /// How well it fits: 1.0 when this very function raises it already.
    pub(crate) fit: f64,
}

const BUILTIN: [&str; 12] = [
    "ValueError",
    "TypeError",
    "KeyError",
    "IndexError",
    "AttributeError",
    "RuntimeError",
    "NotImplementedError",
    "StopIteration",
    "OSError",
    "IOError",
    "AssertionError",
    "LookupError",
];

/// Errors that `node`'s function, class or file raises already, the best first. Never broad ones.
pub(crate) fn raises(case: &Case, module: &Module, node: Node) -> Vec<Raise> {
    let func = function(node);
    let cls = class(node);
    let mut found: Vec<Raise> = Vec::new();
    for stmt in all(module.root(), "raise_statement") {
        let Some(value) = children(stmt).into_iter().next() else { continue };
        let (name, args) = match value.kind() {
            "call" => (field(value, "function"), arguments(value)),
            "identifier" | "attribute" => (Some(value), Vec::new()),
            _ => continue,
        };
        let Some(name) = name.map(|n| module.of(n)) else { continue };
        let last = name.rsplit('.').next().unwrap_or("");
        let is_class = last.chars().next().is_some_and(char::is_uppercase);
        let skip = [
            "Exception",
            "BaseException",
            "NotImplementedError",
            "AssertionError",
            "StopIteration",
            "SystemExit",
        ];
        if !is_class
            || skip.contains(&last)
            || args.len() > 1
            || args.iter().any(|a| a.kind() == "keyword_argument")
        {
            continue;
        }
        let mut fit: f64 = if func.is_some() && function(stmt) == func {
            1.0
        } else if cls.is_some() && class(stmt) == cls {
            0.7
        } else {
            0.5
        };
        if BUILTIN.contains(&last) && fit < 1.0 {
            fit *= 0.6;
        }
        if case.expected.contains(last) {
            fit *= 1.3;
        }
        match found.iter_mut().find(|r| r.class == name) {
            Some(r) => {
                r.fit = r.fit.max(fit);
                r.message |= !args.is_empty();
            }
            None => found.push(Raise { class: name.to_owned(), message: !args.is_empty(), fit }),
        }
    }
    if !found.iter().any(|r| r.class == "ValueError") {
        let fit = if case.expected.contains("ValueError") { 0.5 } else { 0.2 };
        found.push(Raise { class: "ValueError".into(), message: true, fit });
    }
    found.retain(|r| r.class.rsplit('.').next() != Some(case.exception));
    found.sort_by(|a, b| b.fit.total_cmp(&a.fit).then_with(|| a.class.cmp(&b.class)));
    found.truncate(3);
    found
}

/// The value of an expression that stands for nothing of its kind: `0`, `''`, `[]`, `{}`, `False`.
fn nothing_of(module: &Module, value: Node) -> Option<&'static str> {
    Some(match value.kind() {
        "list" | "list_comprehension" => "[]",
        "dictionary" | "dictionary_comprehension" => "{}",
        "set" | "set_comprehension" => "set()",
        "tuple" | "expression_list" => "()",
        "string" | "concatenated_string" => "''",
        "integer" => "0",
        "float" => "0.0",
        "true" | "false" | "comparison_operator" | "not_operator" => "False",
        "binary_operator" => match field(value, "left").map(|l| l.kind()) {
            Some("string") => "''",
            Some("list") => "[]",
            _ => "0",
        },
        "call" => match field(value, "function").map(|f| module.of(f)) {
            Some("len" | "sum" | "int" | "abs" | "round") => "0",
            Some("float") => "0.0",
            Some("str" | "repr") => "''",
            Some("list" | "sorted") => "[]",
            Some("dict") => "{}",
            Some("set") => "set()",
            Some("tuple") => "()",
            Some("bool" | "any" | "all" | "isinstance") => "False",
            Some(f) if f.ends_with(".join") || f.ends_with(".strip") || f.ends_with(".format") => "''",
            Some(f) if f.ends_with(".split") => "[]",
            _ => return None,
        },
        _ => return None,
    })
}

/// What an annotation allows for nothing.
fn nothing_of_type(annotation: &str) -> Option<&'static str> {
    let a = annotation.trim();
    let base = a.split('[').next().unwrap_or(a);
    Some(match base.rsplit('.').next().unwrap_or(base) {
        "int" => "0",
        "float" => "0.0",
        "str" => "''",
        "bool" => "False",
        "list" | "List" | "Sequence" | "Iterable" => "[]",
        "dict" | "Dict" | "Mapping" => "{}",
        "set" | "Set" => "set()",
        "tuple" | "Tuple" => "()",
        "Optional" | "None" | "Any" => "None",
        _ if a.contains("None") => "None",
        _ => return None,
    })
}

/// Whether a function yields.
pub(crate) fn is_generator(func: Node) -> bool {
    all(func, "yield").into_iter().any(|y| function(y) == Some(func))
}

/// Values that the function may return when there is nothing, the best first; at most four.
///
/// Its own literal returns come first, then those of its siblings with a similar name, its annotation, what its
/// other returns are made of, and `None`.
pub(crate) fn defaults(module: &Module, func: Node) -> Vec<String> {
    let literal = |text: &str| {
        matches!(
            text,
            "None" | "0" | "''" | "\"\"" | "[]" | "{}" | "()" | "False" | "True" | "-1" | "0.0" | "set()"
        )
    };
    let mut found: Vec<String> = Vec::new();
    let mut push = |text: &str| {
        if !found.iter().any(|f| f == text) {
            found.push(text.to_owned());
        }
    };
    let own: Vec<Node> =
        all(func, "return_statement").into_iter().filter(|r| function(*r) == Some(func)).collect();
    for value in own.iter().filter_map(|r| children(*r).into_iter().next()) {
        if literal(module.of(value)) {
            push(module.of(value));
        }
    }
    let parts: Vec<&str> = module.name(func).split('_').filter(|w| w.len() > 2).collect();
    for sibling in walk(func.parent().unwrap_or(func))
        .into_iter()
        .filter(|n| n.kind() == "function_definition" && n.id() != func.id())
    {
        let name = module.name(sibling);
        if parts.iter().any(|p| name.split('_').any(|w| w == *p)) && class(sibling) == class(func) {
            for value in
                all(sibling, "return_statement").into_iter().filter_map(|r| children(r).into_iter().next())
            {
                if literal(module.of(value)) && !matches!(module.of(value), "True" | "False") {
                    push(module.of(value));
                }
            }
        }
    }
    if let Some(text) = field(func, "return_type").and_then(|t| nothing_of_type(module.of(t))) {
        push(text);
    }
    for value in own.iter().filter_map(|r| children(*r).into_iter().next()) {
        if let Some(text) = nothing_of(module, value) {
            push(text);
        } else if value.kind() == "identifier"
            && let Some(first) = all(func, "assignment")
                .into_iter()
                .find(|a| field(*a, "left").is_some_and(|l| module.of(l) == module.of(value)))
            && let Some(right) = field(first, "right")
            && let Some(text) = nothing_of(module, right)
        {
            push(text);
        }
    }
    push("None");
    found.truncate(4);
    found
}
