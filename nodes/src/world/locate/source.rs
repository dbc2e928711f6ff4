//! A source file, looked at line by line: where a function is, and where a quoted line went.

use std::cell::Cell;
use std::ops::Range;

use super::{Evidence, TELLING};
use crate::types::Frame;

/// Largest file that is looked at, in bytes.
const LARGEST: usize = 4 << 20;

/// How alike a changed line must be to be taken for the quoted one, 0 to 1.
const ALIKE: f32 = 0.6;

/// Most lines of a file that are compared for likeness.
const MOST_COMPARED: usize = 20_000;

/// How alike it must be to tell one file from another.
const VERY_ALIKE: f32 = 0.75;

/// Lines of a source file.
pub(super) struct Source {
    /// Trimmed.
    lines: Vec<String>,
    /// Indentation of each, in characters; nothing for an empty line.
    indents: Vec<Option<usize>>,
    /// How many lines were compared for likeness.
    compared: Cell<usize>,
}

/// Where a frame is in the source.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    /// The line, from 1.
    pub(super) line: Option<u64>,
    /// What differs from the trace, when something does.
    pub(super) drift: Option<String>,
}

impl Source {
    /// Takes a file apart; nothing when it is too large or binary.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > LARGEST || bytes.contains(&0) {
            return None;
        }
        let text = String::from_utf8_lossy(bytes);
        let mut source = Self { lines: Vec::new(), indents: Vec::new(), compared: Cell::new(0) };
        for line in text.lines() {
            let trimmed = line.trim();
            let indent = line.chars().take_while(|c| c.is_whitespace()).count();
            source.indents.push((!trimmed.is_empty()).then_some(indent));
            source.lines.push(trimmed.to_owned());
        }
        Some(source)
    }

    /// What in this file agrees with `frames`.
    pub(super) fn evidence(&self, frames: &[&Frame]) -> Evidence {
        let mut evidence = Evidence { both: 0, texts: 0, functions: 0 };
        for frame in frames {
            let spans = self.spans(&frame.function);
            let telling = frame.code.chars().count() >= TELLING;
            let text = telling && self.lines.contains(&frame.code);
            // A line that was edited a little still tells, inside the function that it is said to be in.
            let alike = |line: &String| *line == frame.code || self.likeness(line, &frame.code) >= VERY_ALIKE;
            let inside = telling && spans.iter().any(|span| self.lines[span.clone()].iter().any(alike));
            // The module's own level, lambdas and comprehensions have no name to look for: text must do.
            let unnamed = frame.function.starts_with('<');
            evidence.texts += usize::from(text);
            evidence.functions += usize::from(!spans.is_empty());
            evidence.both += usize::from(inside || (unnamed && text));
        }
        evidence
    }

    /// Where `frame` is now.
    pub(super) fn find(&self, frame: &Frame) -> Found {
        let spans = self.spans(&frame.function);
        let at = usize::try_from(frame.line).unwrap_or(usize::MAX).saturating_sub(1);
        let there = |line: usize| Some(line as u64 + 1);
        if frame.code.is_empty() {
            let inside = spans.is_empty() || spans.iter().any(|span| span.contains(&at));
            let line =
                if inside && at < self.lines.len() { Some(at) } else { spans.first().map(|s| s.start) };
            return Found { line: line.and_then(there), drift: None };
        }
        if self.lines.get(at) == Some(&frame.code) {
            return Found { line: there(at), drift: None };
        }
        let nearest = |range: Range<usize>| {
            range.filter(|&i| self.lines[i] == frame.code).min_by_key(|&i| (i.abs_diff(at), i))
        };
        let moved =
            spans.iter().filter_map(|span| nearest(span.clone())).min_by_key(|&i| (i.abs_diff(at), i));
        if let Some(line) = moved.or_else(|| nearest(0..self.lines.len())) {
            return Found { line: there(line), drift: None };
        }
        let function = if frame.function.is_empty() { "the file" } else { &frame.function };
        let drift = Some(format!(
            "the trace quotes `{}` in {function} at line {}, the base commit has no such line",
            short(&frame.code),
            frame.line
        ));
        // The likest line of the function stands for it, else where the function begins.
        let likest = spans
            .iter()
            .flat_map(Clone::clone)
            .map(|i| (self.likeness(&self.lines[i], &frame.code), i))
            .filter(|(like, _)| *like >= ALIKE)
            .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.abs_diff(at).cmp(&a.1.abs_diff(at))));
        let line = likest.map(|(_, i)| i).or_else(|| spans.first().map(|span| span.start));
        Found { line: line.and_then(there), drift }
    }

    /// How alike two lines are, 0 to 1, by the words they share. Past [`MOST_COMPARED`] all are unlike: a log can ask for
    /// any number of them.
    fn likeness(&self, a: &str, b: &str) -> f32 {
        let compared = self.compared.get();
        if compared >= MOST_COMPARED || a.len() > 500 || b.len() > 500 || a.is_empty() {
            return 0.0;
        }
        self.compared.set(compared + 1);
        similar::TextDiff::from_words(a, b).ratio()
    }

    /// The lines of each function or class called `name`, its `def` included.
    fn spans(&self, name: &str) -> Vec<Range<usize>> {
        if name.is_empty() || name.starts_with('<') {
            return Vec::new();
        }
        // Newer tracebacks may print a qualified name.
        let name = name.rsplit('.').next().unwrap_or(name);
        (0..self.lines.len()).filter(|&i| defines(&self.lines[i], name)).map(|i| i..self.end(i)).collect()
    }

    /// The line after the block whose header is at `start`.
    fn end(&self, start: usize) -> usize {
        let depth = self.indents[start].unwrap_or(0);
        // A header over several lines may close with a parenthesis at its own depth.
        (start + 1..self.lines.len())
            .find(|&i| {
                self.indents[i].is_some_and(|indent| indent <= depth)
                    && !self.lines[i].starts_with([')', ']', '}', '#'])
            })
            .unwrap_or(self.lines.len())
    }
}

fn defines(line: &str, name: &str) -> bool {
    let rest = line.strip_prefix("async ").map_or(line, str::trim_start);
    ["def ", "class "].iter().any(|word| {
        rest.strip_prefix(word)
            .and_then(|rest| rest.trim_start().strip_prefix(name))
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    })
}

fn short(code: &str) -> String {
    const MOST: usize = 80;
    if code.chars().count() <= MOST {
        return code.to_owned();
    }
    code.chars().take(MOST).chain("…".chars()).collect()
}
