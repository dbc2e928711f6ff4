//! The lines of a file: made from its tree alone, then joined by its comments.

use saphyr_parser::ScalarStyle;
use serde_json::Value;

use super::super::yaml::{Data, Key, Node, Span};
use super::comments::{self, Comment};

/// The longest line on which a flow collection stays, in characters.
const WIDTH: usize = 150;
/// Spaces a level.
const STEP: usize = 2;

/// A line of the layout; a block scalar is one with all of its lines.
struct Line {
    indent: usize,
    text: String,
    /// Where its first token stands in the source.
    at: usize,
    /// How far in it stands in the source.
    column: usize,
    /// Whether it was a part of a line there.
    broken: bool,
    /// Whether an empty line stands before it.
    gap: bool,
    /// Comments before it, each with its indentation.
    above: Vec<(usize, Comment)>,
    behind: Option<Comment>,
}

/// The file in its layout.
pub(super) fn lay_out(source: &str, root: &Node, comments: &[Comment]) -> String {
    let mut lines = Lines { source, comments, lines: Vec::new(), begun: None, kept: false };
    match &root.data {
        Data::Map(entries) if lines.breaks(root, 0) => lines.map(entries, 0, lines.flow(root, 0)),
        Data::List(items) if lines.breaks(root, 0) => lines.list(items, 0, lines.flow(root, 0)),
        _ => {
            let text = lines.scalar(root, 0);
            lines.push(0, text, root.span.start, None);
        }
    }
    let mut lines = lines.lines;
    let below = join(&mut lines, comments);
    print(&lines, &below)
}

struct Lines<'a> {
    source: &'a str,
    comments: &'a [Comment],
    lines: Vec<Line>,
    /// The dashes of a list whose item goes on in the same line: how far in, the text, and as in [`Lines::push`].
    begun: Option<(usize, String, Option<usize>)>,
    /// Whether the empty lines before the next line are part of the block scalar before it.
    kept: bool,
}

impl Lines<'_> {
    /// A line whose first token stands at byte `at`; `column` says how far in, where the source does not: in a flow
    /// collection that was broken up.
    fn push(&mut self, indent: usize, text: String, at: usize, column: Option<usize>) {
        let (indent, text, column) = match self.begun.take() {
            Some((indent, begun, column)) => (indent, format!("{begun}{text}"), column),
            None => (indent, text, column),
        };
        let broken = column.is_some();
        let column = column.unwrap_or_else(|| {
            let line = self.source.get(..at).and_then(|text| text.rfind('\n')).map_or(0, |line| line + 1);
            let before = self.source.get(line..at).unwrap_or_default();
            // An item stands where its dash does.
            let before = if text.starts_with("- ") {
                &before[..before.len() - before.trim_start().len()]
            } else {
                before
            };
            before.chars().count()
        });
        let gap = !self.kept && comments::above_is_empty(self.source, at);
        self.kept = false;
        self.lines.push(Line { indent, text, at, column, broken, gap, above: Vec::new(), behind: None });
    }

    /// How far in the parts of a flow collection stand, whose line stands at `column`.
    fn flow(&self, node: &Node, column: usize) -> Option<usize> {
        self.raw(&node.span).starts_with(['{', '[']).then_some(column)
    }

    fn column(&self) -> usize {
        self.lines.last().map_or(0, |line| line.column)
    }

    fn map(&mut self, entries: &[(Key, Node)], indent: usize, column: Option<usize>) {
        for (key, value) in entries {
            let name = format!("{}:", self.key(key));
            let at = key.span.start;
            match &value.data {
                Data::Map(inner) if self.breaks(value, indent + name.len() + 1) => {
                    self.push(indent, name, at, column);
                    let within = self.flow(value, self.column() + STEP);
                    self.map(inner, indent + STEP, within);
                }
                Data::List(inner) if self.breaks(value, indent + name.len() + 1) => {
                    self.push(indent, name, at, column);
                    let within = self.flow(value, self.column() + STEP);
                    self.list(inner, indent + STEP, within);
                }
                _ => {
                    let text = self.scalar(value, indent);
                    let kept = text.ends_with('\n');
                    let text = if text.is_empty() { name } else { format!("{name} {text}") };
                    self.push(indent, text, at, column);
                    self.kept = kept;
                }
            }
        }
    }

    fn list(&mut self, items: &[Node], indent: usize, column: Option<usize>) {
        for item in items {
            let (from, begun, column_) = self.begun.take().unwrap_or((indent, String::new(), column));
            let begun = format!("{begun}- ");
            match &item.data {
                Data::Map(inner) if self.breaks(item, indent + STEP) => {
                    let within = self.flow(item, column.unwrap_or(indent) + STEP);
                    self.begun = Some((from, begun, column_));
                    self.map(inner, indent + STEP, within.or(column.map(|column| column + STEP)));
                }
                Data::List(inner) if self.breaks(item, indent + STEP) => {
                    let within = self.flow(item, column.unwrap_or(indent) + STEP);
                    self.begun = Some((from, begun, column_));
                    self.list(inner, indent + STEP, within.or(column.map(|column| column + STEP)));
                }
                _ => {
                    let text = self.scalar(item, indent);
                    let kept = text.ends_with('\n');
                    self.push(from, format!("{begun}{text}"), item.span.start, column_);
                    self.kept = kept;
                }
            }
        }
    }

    /// Whether a collection takes lines of its own, where `width` characters stand before it.
    fn breaks(&self, node: &Node, width: usize) -> bool {
        let empty = match &node.data {
            Data::Map(entries) => entries.is_empty(),
            Data::List(items) => items.is_empty(),
            Data::Scalar(..) => return false,
        };
        let flow = self.raw(&node.span).starts_with(['{', '[']);
        let said = |comment: &Comment| node.span.contains(&comment.at);
        !empty
            && (!flow || self.comments.iter().any(said) || width + self.inline(node).chars().count() > WIDTH)
    }

    fn raw(&self, span: &Span) -> &str {
        self.source.get(span.clone()).unwrap_or_default()
    }

    fn key(&self, key: &Key) -> String {
        one_line(self.raw(&key.span), &key.name)
    }

    /// A value on one line.
    fn inline(&self, node: &Node) -> String {
        match &node.data {
            Data::Scalar(text, _) => one_line(self.raw(&node.span), text),
            Data::List(items) => {
                let items: Vec<String> = items.iter().map(|item| self.inline(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Data::Map(entries) => {
                let entry = |(key, value): &(Key, Node)| format!("{}: {}", self.key(key), self.inline(value));
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// A value that begins on the line of its key or dash, which stands at `indent`.
    fn scalar(&self, node: &Node, indent: usize) -> String {
        match &node.data {
            Data::Scalar(text, ScalarStyle::Literal) if !text.trim().is_empty() => {
                literal(text, indent + STEP)
            }
            Data::Scalar(text, ScalarStyle::Folded) if !text.trim().is_empty() => {
                let raw = self.raw(&comments::content(self.source, node));
                folded(raw, text, indent + STEP)
            }
            Data::Scalar(text, ScalarStyle::Literal | ScalarStyle::Folded) => quoted(text),
            Data::Scalar(text, _) => one_line(self.raw(&node.span), text),
            _ => self.inline(node),
        }
    }
}

/// A scalar as it stands, or quoted where it takes several lines.
fn one_line(raw: &str, text: &str) -> String {
    if raw.contains(['\n', '\r']) { quoted(text) } else { raw.to_owned() }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// What a block scalar's first line says of its end.
fn chomping(text: &str) -> &'static str {
    match text.len() - text.trim_end_matches('\n').len() {
        0 => "-",
        1 => "",
        _ => "+",
    }
}

/// A text line by line. Ends with a line break where empty lines at its end count.
fn literal(text: &str, indent: usize) -> String {
    let lead = text.split('\n').find(|line| !line.trim().is_empty()).unwrap_or_default();
    let blank = text.split('\n').take_while(|line| line.trim().is_empty()).any(|line| !line.is_empty());
    // Where the first line begins with spaces, it must be said how many of them are layout.
    let depth = if lead.starts_with(' ') || blank { STEP.to_string() } else { String::new() };
    let mut out = format!("|{depth}{}", chomping(text));
    let kept = chomping(text) == "+";
    let body = if kept { text.strip_suffix('\n').unwrap_or(text) } else { text.trim_end_matches('\n') };
    lines(&mut out, body.split('\n'), indent);
    if kept {
        out.push('\n');
    }
    out
}

/// A text whose lines were folded: they stay where they were broken.
fn folded(raw: &str, text: &str, indent: usize) -> String {
    let own = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let first = raw.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let depth = own(first);
    let clean = raw.lines().all(|line| line.trim().is_empty() || own(line) >= depth);
    // White space at the end counts, and does not show.
    let ragged = text.trim_end_matches('\n').ends_with([' ', '\t']);
    if !clean || ragged || text.starts_with(' ') || text.starts_with('\n') || chomping(text) == "+" {
        return quoted(text);
    }
    let mut out = format!(">{}", chomping(text));
    let body = raw.trim_end().lines().map(|line| line.get(depth..).unwrap_or_default());
    lines(&mut out, body, indent);
    out
}

fn lines<'t>(out: &mut String, body: impl Iterator<Item = &'t str>, indent: usize) {
    for line in body {
        out.push('\n');
        if !line.is_empty() {
            out.extend(std::iter::repeat_n(' ', indent));
            out.push_str(line);
        }
    }
}

/// Puts each comment to its line. What comes after the last line is returned.
fn join(lines: &mut [Line], comments: &[Comment]) -> Vec<(usize, Comment)> {
    let mut below = Vec::new();
    for comment in comments {
        let next = lines.partition_point(|line| line.at < comment.at);
        if !comment.alone
            && let Some(line) = next.checked_sub(1).and_then(|at| lines.get_mut(at))
            && line.behind.is_none()
        {
            line.behind = Some(comment.clone());
            continue;
        }
        // One that stands deeper than what follows belongs to what comes before.
        let (column, indent) = lines.get(next).map_or((0, 0), |line| (line.column, line.indent));
        let before = lines.iter().take(next).rev().find(|line| line.column <= comment.column);
        let indent = match before {
            Some(line) if comment.alone && comment.column > column => line.indent.max(indent),
            _ => indent,
        };
        match lines.get_mut(next) {
            Some(line) => line.above.push((indent, comment.clone())),
            None => below.push((indent, comment.clone())),
        }
    }
    below
}

fn print(lines: &[Line], below: &[(usize, Comment)]) -> String {
    let mut out = String::new();
    let spaces = |out: &mut String, count| out.extend(std::iter::repeat_n(' ', count));
    let comment = |out: &mut String, (indent, comment): &(usize, Comment)| {
        if comment.gap && comment.alone && !out.is_empty() && !out.ends_with("\n\n") {
            out.push('\n');
        }
        spaces(out, *indent);
        out.push_str(&comment.text);
        out.push('\n');
    };
    for line in lines {
        for above in &line.above {
            comment(&mut out, above);
        }
        if line.gap && !out.is_empty() && !out.ends_with("\n\n") {
            out.push('\n');
        }
        spaces(&mut out, line.indent);
        // Behind a block scalar's first line, before the lines that it holds.
        let (first, rest) =
            line.text.split_once('\n').map_or((line.text.as_str(), None), |(a, b)| (a, Some(b)));
        out.push_str(first.trim_end());
        if let Some(behind) = &line.behind {
            let width = line.indent + first.trim_end().chars().count();
            // Comments that were aligned stay so, as far as there is room.
            let column = (behind.column + line.indent).saturating_sub(behind.indent);
            spaces(&mut out, if line.broken { 2 } else { column.saturating_sub(width).max(2) });
            out.push_str(&behind.text);
        }
        if let Some(rest) = rest {
            out.push('\n');
            out.push_str(rest);
        }
        if !line.text.ends_with('\n') {
            out.push('\n');
        }
    }
    for below in below {
        comment(&mut out, below);
    }
    out
}
