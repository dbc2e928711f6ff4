//! Where things are in a Python file.

use tree_sitter::{Node, Parser, Tree};

/// A function with its place; lines count from 1 and both ends belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Function {
    /// Its name.
    pub(super) name: String,
    /// First line, decorators included.
    pub(super) start: usize,
    /// Last line.
    pub(super) end: usize,
    /// Name and first line of the class around it, when there is one.
    pub(super) class: Option<(String, usize)>,
}

impl Function {
    /// Its name with that of its class.
    pub(super) fn label(&self) -> String {
        self.class.as_ref().map_or_else(|| self.name.clone(), |(class, _)| format!("{class}.{}", self.name))
    }
}

/// All functions of `source` in the order of their first lines; nested ones too.
pub(super) fn functions(source: &str) -> Vec<Function> {
    let Some(tree) = parse(source) else { return Vec::new() };
    let mut found = Vec::new();
    // A stack of our own: source may be nested as deep as its author likes.
    let mut todo: Vec<(Node<'_>, Option<(String, usize)>)> = vec![(tree.root_node(), None)];
    while let Some((node, class)) = todo.pop() {
        let name = || {
            node.child_by_field_name("name")
                .and_then(|name| source.get(name.byte_range()))
                .unwrap_or_default()
                .to_owned()
        };
        let mut inner = class.clone();
        match node.kind() {
            "class_definition" => inner = Some((name(), node.start_position().row + 1)),
            "function_definition" => {
                let outer =
                    node.parent().filter(|parent| parent.kind() == "decorated_definition").unwrap_or(node);
                found.push(Function {
                    name: name(),
                    start: outer.start_position().row + 1,
                    end: node.end_position().row + 1,
                    class,
                });
                inner = None;
            }
            _ => {}
        }
        let mut cursor = node.walk();
        todo.extend(node.children(&mut cursor).map(|child| (child, inner.clone())));
    }
    found.sort_by_key(|function| (function.start, std::cmp::Reverse(function.end)));
    found
}

/// The innermost of `functions` around `line`.
pub(super) fn around(functions: &[Function], line: usize) -> Option<&Function> {
    functions.iter().filter(|f| f.start <= line && line <= f.end).min_by_key(|f| f.end - f.start)
}

fn parse(source: &str) -> Option<Tree> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_python::LANGUAGE.into()).ok()?;
    parser.parse(source, None)
}

/// Lines `from` to `to` (from 1, both included), each with its number; `mark` gets an arrow.
pub(super) fn numbered(source: &str, from: usize, to: usize, mark: &[usize]) -> String {
    source
        .lines()
        .enumerate()
        .skip(from.saturating_sub(1))
        .take((to + 1).saturating_sub(from.max(1)))
        .map(|(i, line)| {
            let sign = if mark.contains(&(i + 1)) { '>' } else { ' ' };
            format!("{sign}{:>5} | {}\n", i + 1, crate::patch::prefix(line, 400))
        })
        .collect()
}

/// Whether `line` mentions `name` as a word.
pub(super) fn mentions(line: &str, name: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(name).any(|(at, _)| {
        !line.get(..at).is_some_and(|before| before.ends_with(word))
            && !line.get(at + name.len()..).is_some_and(|after| after.starts_with(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "class A:\n    @property\n    def b(self):\n        def c():\n            return 1\n        return c()\n\n\ndef d():\n    pass\n";

    #[test]
    fn the_innermost_function_is_found_with_its_class() {
        let all = functions(CODE);
        let labels: Vec<_> = all.iter().map(|f| (f.label(), f.start, f.end)).collect();
        assert_eq!(labels, [("A.b".to_owned(), 2, 6), ("c".to_owned(), 4, 5), ("d".to_owned(), 9, 10)]);
        assert_eq!(around(&all, 5).map(|f| f.name.as_str()), Some("c"));
        assert_eq!(around(&all, 6).map(|f| f.name.as_str()), Some("b"));
        assert_eq!(around(&all, 1), None);
    }

    #[test]
    fn names_are_words_and_lines_have_numbers() {
        assert!(
            mentions("x = load(y)", "load")
                && !mentions("x = reload(y)", "load")
                && !mentions("load_all()", "load")
        );
        assert_eq!(numbered("a\nb\nc\n", 2, 9, &[3]), "     2 | b\n>    3 | c\n");
    }
}
