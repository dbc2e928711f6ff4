//! The call that a quoted line makes, taken out of it.

use tree_sitter::{Node, Parser, Tree};

use crate::types::Frame;

/// Most expressions that are taken out of one line.
const MOST: usize = 6;

/// What one line of a trace evaluates, and what it needs for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    /// The statement, one line.
    pub(super) statement: String,
    /// The names it uses that it does not bind, as they are used (`linter.run`), sorted; builtins left out.
    pub(super) names: Vec<String>,
    /// It is all that the line does, not a part of it.
    pub(super) whole: bool,
    /// It needs `import asyncio`.
    pub(super) asyncio: bool,
}

/// The calls that the line quoted by `frame` makes: first all of it, then what the marks mark, then the calls inside, the
/// outer ones first. None when the line cannot be read by itself.
pub(super) fn calls(frame: &Frame) -> Vec<Call> {
    let Some((source, tree)) = read(&frame.code) else { return Vec::new() };
    let Some(statement) = tree.root_node().named_child(0) else { return Vec::new() };
    let mut found = Vec::new();
    let mut add = |call: Option<Call>| {
        if let Some(call) = call
            && found.len() < MOST
            && !found.iter().any(|other: &Call| other.statement == call.statement)
        {
            found.push(call);
        }
    };
    let main = principal(statement);
    add(main.as_ref().and_then(|(node, form)| call(&source, *node, *form, true)));
    if let Some(node) = marked(frame, &source, tree.root_node()) {
        add(call(&source, node, Form::Plain, false));
    }
    if let Some((node, _)) = main {
        let mut inner = Vec::new();
        each(node, &mut |node| {
            if node.kind() == "call" {
                inner.push(node);
            }
        });
        inner.sort_by_key(|node| (std::cmp::Reverse(node.end_byte() - node.start_byte()), node.start_byte()));
        for node in inner {
            add(call(&source, node, Form::Plain, false));
        }
    }
    found
}

/// Parses a quoted line; a block's header gets a body, and `elif` reads as `if`. Nothing when it is no statement
/// by itself.
fn read(code: &str) -> Option<(String, Tree)> {
    let code = code.trim();
    let line = code.strip_prefix("elif ").map_or_else(|| code.to_owned(), |rest| format!("if {rest}"));
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_python::LANGUAGE.into()).ok()?;
    let header = strip_comment(&line).ends_with(':');
    let source = if header { format!("{line}\n    pass\n") } else { format!("{line}\n") };
    let tree = parser.parse(&source, None)?;
    let root = tree.root_node();
    (!root.has_error() && root.named_child_count() > 0).then_some((source, tree))
}

/// `line` without a comment at its end, as far as that can be told without parsing it.
fn strip_comment(line: &str) -> &str {
    match line.rfind(" #") {
        Some(at) if !line[at..].contains(['"', '\'']) => line[..at].trim_end(),
        _ => line.trim_end(),
    }
}

/// How an expression becomes a statement that does what the line did.
#[derive(Clone, Copy)]
enum Form {
    /// As it is.
    Plain,
    /// Gone through: a generator raises only then.
    Iterate,
    /// Entered and left.
    With,
    /// Asserted.
    Assert,
}

/// What `statement` evaluates first and foremost.
fn principal(statement: Node<'_>) -> Option<(Node<'_>, Form)> {
    let field = |name| statement.child_by_field_name(name);
    let first = || statement.named_child(0);
    match statement.kind() {
        "expression_statement" => {
            let inner = first()?;
            match inner.kind() {
                "assignment" | "augmented_assignment" => {
                    Some((inner.child_by_field_name("right")?, Form::Plain))
                }
                "yield" => Some((inner.named_child(0)?, Form::Plain)),
                _ => Some((inner, Form::Plain)),
            }
        }
        "return_statement" => Some((first()?, Form::Plain)),
        "assert_statement" => Some((first()?, Form::Assert)),
        "for_statement" => Some((field("right")?, Form::Iterate)),
        "if_statement" | "while_statement" => Some((field("condition")?, Form::Plain)),
        "with_statement" => {
            let item = first()?.named_child(0)?;
            let value = item.child_by_field_name("value").unwrap_or(item);
            let value = if value.kind() == "as_pattern" { value.named_child(0)? } else { value };
            Some((value, Form::With))
        }
        _ => None,
    }
}

/// The largest expression that lies within what the frame's marks mark, when they mark one whole.
fn marked<'t>(frame: &Frame, source: &str, root: Node<'t>) -> Option<Node<'t>> {
    let byte = |chars: u64| {
        let chars = usize::try_from(chars).ok()?;
        source.char_indices().map(|(at, _)| at).chain([source.len()]).nth(chars)
    };
    // `elif` was read as `if`: two characters less.
    let shift = u64::from(frame.code.starts_with("elif ")) * 2;
    let start = byte(frame.mark_start?.checked_sub(shift)?)?;
    let end = byte(frame.mark_end?.checked_sub(shift)?)?;
    let node = root.named_descendant_for_byte_range(start, end)?;
    (node.start_byte() == start && node.end_byte() == end && node.kind() != "module").then_some(node)
}

/// The statement that evaluates `node`; nothing when there is nothing in it to fail.
fn call(source: &str, node: Node<'_>, form: Form, whole: bool) -> Option<Call> {
    let text = |node: Node<'_>| source.get(node.byte_range()).map(str::to_owned);
    // What is printed is what matters.
    if node.kind() == "call"
        && node.child_by_field_name("function").and_then(text).as_deref() == Some("print")
        && let Some(arguments) = node.child_by_field_name("arguments")
    {
        let first = arguments.named_child(0).filter(|first| first.kind() != "keyword_argument")?;
        let only = arguments.named_child_count() == 1;
        return call(source, first, form, whole && only);
    }
    let (node, asyncio) = match node.kind() {
        "await" => (node.named_child(0)?, true),
        "parenthesized_expression" => return call(source, node.named_child(0)?, form, whole),
        _ => (node, false),
    };
    let mut works = false;
    each(node, &mut |node| {
        works |= matches!(
            node.kind(),
            "call" | "attribute" | "subscript" | "binary_operator" | "unary_operator" | "comparison_operator"
        );
    });
    let names = names(source, node);
    if !works || names.is_empty() {
        return None;
    }
    let text = text(node).filter(|text| !text.contains('\n'))?;
    let text = if asyncio { format!("asyncio.run({text})") } else { text };
    let statement = match form {
        Form::Plain => text,
        Form::Iterate => format!("list({text})"),
        Form::With => format!("with {text}: pass"),
        Form::Assert => format!("assert {text}"),
    };
    Some(Call { statement, names, whole, asyncio })
}

/// The names that `node` uses and does not bind, with the attributes that follow; sorted.
fn names(source: &str, node: Node<'_>) -> Vec<String> {
    let text = |node: Node<'_>| source.get(node.byte_range()).unwrap_or_default();
    let mut bound: Vec<&str> = Vec::new();
    let mut used: Vec<Node<'_>> = Vec::new();
    each(node, &mut |node| {
        if node.kind() != "identifier" {
            return;
        }
        let parent = node.parent();
        let is = |kind: &str, field: &str| {
            parent.is_some_and(|p| {
                p.kind() == kind && p.child_by_field_name(field).is_some_and(|child| child.id() == node.id())
            })
        };
        if is("attribute", "attribute") || is("keyword_argument", "name") {
            return;
        }
        if binds(node) { bound.push(text(node)) } else { used.push(node) }
    });
    let mut names: Vec<String> = Vec::new();
    for node in used {
        if bound.contains(&text(node)) || is_builtin(text(node)) {
            continue;
        }
        let mut name = text(node).to_owned();
        let mut at = node;
        while let Some(parent) = at.parent().filter(|p| p.kind() == "attribute") {
            if parent.child_by_field_name("object").is_none_or(|object| object.id() != at.id()) {
                break;
            }
            if let Some(attribute) = parent.child_by_field_name("attribute") {
                name.push('.');
                name.push_str(text(attribute));
            }
            at = parent;
        }
        names.push(name);
    }
    names.sort();
    names.dedup();
    names
}

/// Whether `node` is the target of a comprehension, a lambda's parameter or a walrus's name.
fn binds(node: Node<'_>) -> bool {
    let mut at = node;
    while let Some(parent) = at.parent() {
        let is = |field: &str| parent.child_by_field_name(field).is_some_and(|child| child.id() == at.id());
        match parent.kind() {
            "for_in_clause" => return is("left"),
            "named_expression" => return is("name"),
            "lambda_parameters" => return true,
            // A default's value is used, its name bound.
            "default_parameter" => {
                if !is("name") {
                    return false;
                }
            }
            "tuple_pattern"
            | "list_pattern"
            | "pattern_list"
            | "list_splat_pattern"
            | "dictionary_splat_pattern" => {}
            _ => return false,
        }
        at = parent;
    }
    false
}

/// Calls `visit` on `node` and everything in it, without recursion: the input may be deep.
fn each<'t>(node: Node<'t>, visit: &mut impl FnMut(Node<'t>)) {
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        visit(node);
        let mut cursor = node.walk();
        let children: Vec<_> = node.children(&mut cursor).collect();
        open.extend(children.into_iter().rev());
    }
}

/// Names that Python knows without an import.
pub(super) fn is_builtin(name: &str) -> bool {
    #[rustfmt::skip]
    const BUILTINS: &[&str] = &[
        "ArithmeticError", "AssertionError", "AttributeError", "BaseException", "Ellipsis", "Exception",
        "False", "FileNotFoundError", "IndexError", "KeyError", "LookupError", "None", "NotImplemented",
        "OSError", "OverflowError", "RuntimeError", "StopIteration", "True", "TypeError",
        "UnicodeDecodeError", "UnicodeEncodeError", "ValueError", "ZeroDivisionError", "abs", "all", "any",
        "ascii", "bin", "bool", "bytearray", "bytes", "callable", "chr", "classmethod", "complex", "delattr",
        "dict", "dir", "divmod", "enumerate", "eval", "exec", "filter", "float", "format", "frozenset",
        "getattr", "globals", "hasattr", "hash", "hex", "id", "input", "int", "isinstance", "issubclass",
        "iter", "len", "list", "locals", "map", "max", "memoryview", "min", "next", "object", "oct", "open",
        "ord", "pow", "print", "property", "range", "repr", "reversed", "round", "set", "setattr", "slice",
        "sorted", "staticmethod", "str", "sum", "super", "tuple", "type", "vars", "zip",
    ];
    BUILTINS.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(code: &str) -> Frame {
        Frame { code: code.into(), ..Frame::default() }
    }

    fn first(code: &str) -> (String, String) {
        let call = calls(&frame(code)).into_iter().next().unwrap_or_else(|| panic!("no call in {code}"));
        (call.statement, call.names.join(" "))
    }

    fn two(a: &str, b: &str) -> (String, String) {
        (a.to_owned(), b.to_owned())
    }

    #[test]
    fn the_builtins_are_sorted() {
        for name in ["ArithmeticError", "int", "zip", "str", "None"] {
            assert!(is_builtin(name), "{name}");
        }
        assert!(!is_builtin("croniter"));
    }

    #[test]
    fn what_a_line_evaluates() {
        for (code, statement, names) in [
            (r#"print(shop.search("a b", {"k": []}))"#, r#"shop.search("a b", {"k": []})"#, "shop.search"),
            (
                r#"for p in linter.run("x\n", Config("r")):"#,
                r#"list(linter.run("x\n", Config("r")))"#,
                "Config linter.run",
            ),
            ("x = f(1)", "f(1)", "f"),
            ("x: int = f(1)  # why: so", "f(1)", "f"),
            ("total += f(1)", "f(1)", "f"),
            ("return f(g(2), key=int)", "f(g(2), key=int)", "f g"),
            ("with f(1) as a:", "with f(1): pass", "f"),
            ("with f(1):", "with f(1): pass", "f"),
            ("elif f(1) > 2:", "f(1) > 2", "f"),
            ("if not f(1):", "not f(1)", "f"),
            ("x = await f(1)", "asyncio.run(f(1))", "f"),
            ("assert f(1) == 2", "assert f(1) == 2", "f"),
            (
                "print(File(io.BytesIO(b\"x\"), filename=\"a\").size)",
                "File(io.BytesIO(b\"x\"), filename=\"a\").size",
                "File io.BytesIO",
            ),
            ("y = [g(a, b) for a in h(3)]", "[g(a, b) for a in h(3)]", "b g h"),
            ("f(lambda a, b=c: a + b)", "f(lambda a, b=c: a + b)", "c f"),
        ] {
            assert_eq!(first(code), two(statement, names), "{code}");
        }
    }

    #[test]
    fn what_cannot_be_read_or_cannot_fail_gives_nothing() {
        for code in ["", "foo(", "bar)", "x = 1", "print()", "return", "pass", "raise", "else:", "import x"] {
            assert_eq!(calls(&frame(code)), [], "{code}");
        }
    }

    #[test]
    fn marks_and_inner_calls_come_after_the_whole() {
        let marked = Frame { mark_start: Some(15), mark_end: Some(19), ..frame("y = f(x, g(1), h(2))") };
        let found = calls(&marked);
        let got: Vec<_> = found.iter().map(|call| (call.statement.as_str(), call.whole)).collect();
        assert_eq!(got, [("f(x, g(1), h(2))", true), ("h(2)", false), ("g(1)", false)]);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(code in "[a-z(){}\\[\\]:,.'\" é=#+]{0,60}", start in 0u64..80, end in 0u64..80) {
            let frame = Frame { code, mark_start: Some(start), mark_end: Some(end), ..Frame::default() };
            for call in calls(&frame) {
                proptest::prop_assert!(!call.statement.contains('\n'));
            }
        }
    }
}
