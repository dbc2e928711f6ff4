//! Where the parts of an expression stand in its text.

use std::ops::Range;

use cel::IdedExpr;
use cel::common::ast::{EntryExpr, Expr as Node, SourceInfo};

use super::Parsed;

/// Places of one expression. The parser keeps one token for each part, and counts characters.
pub(super) struct Places<'a> {
    info: &'a SourceInfo,
    source: &'a str,
    ascii: bool,
}

impl<'a> Places<'a> {
    pub(super) fn new(parsed: &'a Parsed, source: &'a str) -> Self {
        Self { info: &parsed.info, source, ascii: source.is_ascii() }
    }

    fn byte(&self, index: usize) -> usize {
        if self.ascii {
            return index.min(self.source.len());
        }
        self.source.char_indices().nth(index).map_or(self.source.len(), |(at, _)| at)
    }

    /// The token of `node` itself: a name, an operator, a bracket.
    pub(super) fn token(&self, node: &IdedExpr) -> Range<usize> {
        let Some((start, stop)) = self.info.offset_for(node.id) else { return 0..self.source.len() };
        let start = self.byte(start as usize);
        start..self.byte(stop as usize + 1).max(start)
    }

    /// From the first token of `node` and its parts to the last.
    pub(super) fn whole(&self, node: &IdedExpr) -> Range<usize> {
        let mut range = self.token(node);
        let mut grow = |part: &IdedExpr| {
            let inner = self.whole(part);
            range = range.start.min(inner.start)..range.end.max(inner.end);
        };
        match &node.expr {
            Node::Call(call) => call.target.iter().map(AsRef::as_ref).chain(&call.args).for_each(grow),
            Node::Select(select) => grow(&select.operand),
            Node::List(list) => list.elements.iter().for_each(grow),
            Node::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        grow(&entry.value);
                    }
                }
            }
            Node::Comprehension(fold) => grow(&fold.iter_range),
            Node::Literal(_) | Node::Ident(_) | Node::Struct(_) | Node::Unspecified => {}
        }
        if let Node::Select(select) = &node.expr {
            range.end = range.end.max(self.member(node, &select.field).end);
        }
        range.end = self.close(range.clone());
        range
    }

    /// The end of `range` with the brackets closed that it opens.
    fn close(&self, range: Range<usize>) -> usize {
        let text = self.source.get(range.clone()).unwrap_or_default();
        let mut open = 0usize;
        for c in text.chars() {
            match c {
                '(' | '[' | '{' => open += 1,
                ')' | ']' | '}' => open = open.saturating_sub(1),
                _ => {}
            }
        }
        let mut end = range.end;
        for (at, c) in self.source.get(range.end..).unwrap_or_default().char_indices() {
            if open == 0 || !(c.is_whitespace() || matches!(c, ')' | ']' | '}')) {
                break;
            }
            if !c.is_whitespace() {
                open -= 1;
                end = range.end + at + c.len_utf8();
            }
        }
        end
    }

    /// The name after the dot of a selection, or of a function that is called on something.
    pub(super) fn member(&self, node: &IdedExpr, field: &str) -> Range<usize> {
        let token = self.token(node);
        let after = self.source.get(token.start..).unwrap_or_default();
        match after.find(field) {
            Some(at) => token.start + at..token.start + at + field.len(),
            None => token,
        }
    }

    /// The name of a called function: before its bracket.
    pub(super) fn function(&self, node: &IdedExpr, name: &str) -> Range<usize> {
        let token = self.token(node);
        let before = self.source.get(..token.end).unwrap_or_default();
        match before.rfind(name) {
            Some(at) => at..at + name.len(),
            None => self.member(node, name),
        }
    }

    /// The text at `range`, shortened.
    pub(super) fn text(&self, range: &Range<usize>) -> String {
        let text = self.source.get(range.clone()).unwrap_or_default();
        if text.chars().count() <= 40 {
            text.to_owned()
        } else {
            format!("{}…", text.chars().take(40).collect::<String>())
        }
    }
}
