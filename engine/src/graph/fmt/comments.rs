//! The comments of a file, which its tree does not hold.

use saphyr_parser::ScalarStyle;

use super::super::yaml::{Data, Node, Span};

/// A comment.
#[derive(Debug, Clone)]
pub(super) struct Comment {
    /// Where it begins.
    pub(super) at: usize,
    /// From the `#` on.
    pub(super) text: String,
    /// Whether nothing stands before it on its line.
    pub(super) alone: bool,
    /// The characters before it on its line, and how many of those are its indentation.
    pub(super) column: usize,
    pub(super) indent: usize,
    /// Whether the line above is empty.
    pub(super) gap: bool,
}

/// All of them, in order.
pub(super) fn of(source: &str, root: &Node) -> Vec<Comment> {
    let mut scalars = Vec::new();
    collect(source, root, &mut scalars);
    scalars.sort_by_key(|span| span.start);
    let mut found = Vec::new();
    let mut at = 0;
    for scalar in scalars {
        between(source, at..scalar.start, &mut found);
        at = scalar.end.max(at);
    }
    between(source, at..source.len(), &mut found);
    found
}

/// The spans of all scalars, keys included; of a block scalar what follows its first line.
fn collect(source: &str, node: &Node, scalars: &mut Vec<Span>) {
    match &node.data {
        Data::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded) => scalars.push(content(source, node)),
        Data::Scalar(..) => scalars.push(node.span.clone()),
        Data::List(items) => items.iter().for_each(|item| collect(source, item, scalars)),
        Data::Map(entries) => {
            for (key, value) in entries {
                scalars.push(key.span.clone());
                collect(source, value, scalars);
            }
        }
    }
}

/// The lines of a block scalar, without the one that begins it.
pub(super) fn content(source: &str, node: &Node) -> Span {
    let raw = source.get(node.span.clone()).unwrap_or_default();
    let mut start = node.span.start;
    if node.text().is_some_and(|text| text.trim_matches('\n').is_empty()) && raw.starts_with(['|', '>']) {
        // The parser gives an empty one at the end of a file the place of its first line.
        start = raw.find('\n').map_or(node.span.end, |end| start + end + 1);
    } else {
        // Its first line begins with its indentation.
        let before = source.get(..start).unwrap_or_default();
        start = before.trim_end_matches(' ').len();
    }
    // A comment behind it that stands further out is none of its lines.
    let body = source.get(start..node.span.end.max(start)).unwrap_or_default();
    let own = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let depth = body.lines().find(|line| !line.trim().is_empty()).map_or(0, own);
    let further_out =
        |line: &&str| !line.trim().is_empty() && own(line) < depth && line.trim_start().starts_with('#');
    let lines = body.split_inclusive('\n').take_while(|line| !further_out(line));
    start..start + lines.map(str::len).sum::<usize>()
}

/// The comments in a part of the text that holds no scalar.
fn between(source: &str, part: Span, found: &mut Vec<Comment>) {
    let mut at = part.start;
    while let Some(hash) = source.get(at..part.end).and_then(|text| text.find('#')).map(|found| at + found) {
        let end = source
            .get(hash..part.end)
            .and_then(|text| text.find(['\n', '\r']))
            .map_or(part.end, |end| hash + end);
        let line = source.get(..hash).and_then(|text| text.rfind('\n')).map_or(0, |line| line + 1);
        let before = source.get(line..hash).unwrap_or_default();
        found.push(Comment {
            at: hash,
            text: source.get(hash..end).unwrap_or_default().trim_end().to_owned(),
            alone: before.trim_start_matches('\u{feff}').trim().is_empty(),
            column: before.chars().count(),
            indent: before.len() - before.trim_start().len(),
            gap: above_is_empty(source, hash),
        });
        at = end;
    }
}

/// Whether the line above that of byte `at` is there and empty.
pub(super) fn above_is_empty(source: &str, at: usize) -> bool {
    let line = source.get(..at).and_then(|text| text.rfind('\n'));
    let above = line.and_then(|end| source.get(..end));
    above.is_some_and(|above| above.rsplit('\n').next().unwrap_or_default().trim().is_empty())
}
