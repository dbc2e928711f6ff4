//! Whether Python source parses.

use tree_sitter::{Node, Parser};

/// The line, from 1, of the first syntax error in `source`; nothing when it parses.
#[must_use]
pub fn python_error(source: &str) -> Option<usize> {
    let mut parser = Parser::new();
    if parser.set_language(&tree_sitter_python::LANGUAGE.into()).is_err() {
        return None;
    }
    let tree = parser.parse(source, None)?;
    let mut node: Node<'_> = tree.root_node();
    if !node.has_error() {
        return None;
    }
    // Down to the innermost node that holds the error: the first child that has one, as long as there is one.
    loop {
        if node.is_error() || node.is_missing() {
            return Some(node.start_position().row + 1);
        }
        let mut cursor = node.walk();
        let Some(inner) = node.children(&mut cursor).find(|child| child.has_error() || child.is_missing())
        else {
            return Some(node.start_position().row + 1);
        };
        node = inner;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_its_line() {
        assert_eq!(python_error("def f():\n    return 1\n"), None);
        assert!(python_error("x = 1\ny = (1,\n\nz = 3\n").is_some());
        assert_eq!(python_error("x = 1\ndef f(:\n    pass\n"), Some(2));
    }
}
