//! Python source with its syntax tree, and the few questions that templates ask of it.

use std::collections::BTreeMap;
use std::ops::Range;

use tree_sitter::{Node, Parser, Tree};

/// Larger files are left alone: generated code, and a bound on the work.
const MOST_BYTES: usize = 1 << 20;

/// One parsed file.
pub(crate) struct Module {
    /// Its path in the repository.
    pub(crate) path: String,
    /// Its content.
    pub(crate) text: String,
    /// Start of each line, in bytes.
    lines: Vec<usize>,
    tree: Tree,
    /// One level of indentation as this file does it.
    pub(crate) unit: String,
}

/// The parsed files, by path.
pub(crate) struct Code {
    modules: BTreeMap<String, Module>,
}

/// Parses Python; nothing when it has a syntax error or is too large.
fn parse(text: &str) -> Option<Tree> {
    if text.len() > MOST_BYTES {
        return None;
    }
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_python::LANGUAGE.into()).ok()?;
    parser.parse(text, None).filter(|tree| !tree.root_node().has_error())
}

impl Module {
    /// Parses one file; nothing when it cannot be parsed whole.
    pub(crate) fn parse(path: &str, text: &str) -> Option<Self> {
        let tree = parse(text)?;
        let mut lines = vec![0];
        lines.extend(text.match_indices('\n').map(|(i, _)| i + 1));
        let unit = text
            .lines()
            .find(|line| line.starts_with([' ', '\t']) && !line.trim().is_empty())
            .map(|line| line[..line.len() - line.trim_start().len()].to_owned());
        let unit = match unit {
            Some(unit) if unit.starts_with('\t') => "\t".to_owned(),
            Some(unit) if unit.len() == 2 => unit,
            _ => "    ".to_owned(),
        };
        Some(Self { path: path.to_owned(), text: text.to_owned(), lines, tree, unit })
    }

    /// The whole file as a node.
    pub(crate) fn root(&self) -> Node<'_> {
        self.tree.root_node()
    }

    /// The source of a node.
    pub(crate) fn of(&self, node: Node) -> &str {
        self.text.get(node.byte_range()).unwrap_or("")
    }

    /// The bytes of a line, from 1, without its end.
    pub(crate) fn line(&self, line: u64) -> Option<Range<usize>> {
        let at = usize::try_from(line).ok()?.checked_sub(1)?;
        let start = *self.lines.get(at)?;
        let end = self.lines.get(at + 1).map_or(self.text.len(), |next| next - 1);
        Some(start..end.max(start))
    }

    /// The white space before `node`, when nothing else stands before it on its line.
    pub(crate) fn indent(&self, node: Node) -> Option<&str> {
        let start = *self.lines.get(node.start_position().row)?;
        let before = self.text.get(start..node.start_byte())?;
        before.chars().all(|c| c == ' ' || c == '\t').then_some(before)
    }

    /// The text up to the end of the line that `node` ends in is white space or a comment.
    pub(crate) fn ends_line(&self, node: Node) -> bool {
        let end = self.lines.get(node.end_position().row + 1).map_or(self.text.len(), |next| next - 1);
        let rest = self.text.get(node.end_byte()..end.max(node.end_byte())).unwrap_or("").trim();
        rest.is_empty() || rest.starts_with('#')
    }

    /// The function of the file by that name; the one around `line` when there are several.
    pub(crate) fn functions(&self, name: &str) -> Vec<Node<'_>> {
        walk(self.root())
            .into_iter()
            .filter(|n| n.kind() == "function_definition" && self.name(*n) == name)
            .collect()
    }

    /// The name of a function, class, parameter or keyword; empty when it has none.
    pub(crate) fn name(&self, node: Node) -> &str {
        node.child_by_field_name("name").map_or("", |name| self.of(name))
    }
}

impl Code {
    /// Parses what can be parsed.
    pub(crate) fn parse(sources: &BTreeMap<String, String>) -> Self {
        let modules = sources
            .iter()
            .filter_map(|(path, text)| Some((path.clone(), Module::parse(path, text)?)))
            .collect();
        Self { modules }
    }

    /// A file by path.
    pub(crate) fn get(&self, path: &str) -> Option<&Module> {
        self.modules.get(path)
    }

    /// All files, sorted by path.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Module> {
        self.modules.values()
    }

    /// All files that are no tests, sorted by path.
    pub(crate) fn program(&self) -> impl Iterator<Item = &Module> {
        self.iter().filter(|module| !is_test(&module.path))
    }
}

/// Whether a path belongs to tests or to their configuration: never edited.
pub(crate) fn is_test(path: &str) -> bool {
    let mut parts: Vec<&str> = path.split('/').collect();
    let file = parts.pop().unwrap_or("");
    parts.iter().any(|p| matches!(*p, "test" | "tests" | "testing"))
        || file.starts_with("test_")
        || file.ends_with("_test.py")
        || matches!(file, "conftest.py" | "tests.py" | "test.py" | "setup.py" | "noxfile.py")
}

/// A node and all below it, in source order. Iterative, so that deep source cannot exhaust the stack.
pub(crate) fn walk(root: Node<'_>) -> Vec<Node<'_>> {
    let mut all = Vec::new();
    let mut cursor = root.walk();
    loop {
        all.push(cursor.node());
        if cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return all;
            }
        }
    }
}

/// The nodes of `kind` at or below `root`, in source order.
pub(crate) fn all<'t>(root: Node<'t>, kind: &str) -> Vec<Node<'t>> {
    walk(root).into_iter().filter(|n| n.is_named() && n.kind() == kind).collect()
}

/// A node's ancestors, the nearest first.
pub(crate) fn ancestors<'t>(node: Node<'t>) -> impl Iterator<Item = Node<'t>> {
    std::iter::successors(node.parent(), |n| n.parent())
}

/// The statement that a node belongs to: the nearest one that stands in a block or at the top.
pub(crate) fn statement(node: Node<'_>) -> Option<Node<'_>> {
    std::iter::once(node)
        .chain(ancestors(node))
        .find(|n| n.parent().is_some_and(|p| matches!(p.kind(), "block" | "module")) && n.kind() != "comment")
}

/// The function around a node.
pub(crate) fn function(node: Node<'_>) -> Option<Node<'_>> {
    ancestors(node).find(|n| n.kind() == "function_definition")
}

/// The class around a node.
pub(crate) fn class(node: Node<'_>) -> Option<Node<'_>> {
    ancestors(node).find(|n| n.kind() == "class_definition")
}

/// The named children of a node, comments left out.
pub(crate) fn children<'t>(node: Node<'t>) -> Vec<Node<'t>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).filter(|n| n.kind() != "comment").collect()
}

/// A child by its field name.
pub(crate) fn field<'t>(node: Node<'t>, name: &str) -> Option<Node<'t>> {
    node.child_by_field_name(name)
}

/// The positional and keyword arguments of a call; none for a generator argument.
pub(crate) fn arguments<'t>(call: Node<'t>) -> Vec<Node<'t>> {
    field(call, "arguments").filter(|a| a.kind() == "argument_list").map(children).unwrap_or_default()
}

/// Whether evaluating the expression again changes nothing and costs little: names, attributes, subscripts,
/// literals and operators on them, and calls of a few pure built-ins.
pub(crate) fn simple(module: &Module, node: Node) -> bool {
    walk(node).into_iter().filter(|n| n.is_named()).all(|n| match n.kind() {
        "call" => field(n, "function").is_some_and(|f| {
            matches!(module.of(f), "len" | "int" | "str" | "float" | "abs" | "type" | "max" | "min")
                || (f.kind() == "attribute"
                    && field(f, "attribute")
                        .is_some_and(|a| matches!(module.of(a), "get" | "strip" | "lower")))
        }),
        "yield"
        | "await"
        | "named_expression"
        | "lambda"
        | "list_comprehension"
        | "generator_expression"
        | "set_comprehension"
        | "dictionary_comprehension" => false,
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_statements() {
        let m = Module::parse("a.py", "def f(x):\n    y = x.a\n    return y\n").unwrap();
        let line = m.line(2).unwrap();
        assert_eq!(&m.text[line.clone()], "    y = x.a");
        let node = m.root().named_descendant_for_byte_range(line.start + 8, line.start + 11).unwrap();
        assert_eq!(m.of(node), "x.a");
        assert_eq!(m.of(statement(node).unwrap()), "y = x.a");
        assert_eq!(m.name(function(node).unwrap()), "f");
        assert_eq!(m.line(99), None);
    }

    #[test]
    fn broken_source_is_left_alone() {
        assert!(Module::parse("a.py", "def f(:\n").is_none());
    }

    #[test]
    fn tests_are_told_apart() {
        assert!(is_test("tests/helpers.py") && is_test("pkg/test_a.py") && is_test("conftest.py"));
        assert!(!is_test("pkg/latest.py"));
    }
}
