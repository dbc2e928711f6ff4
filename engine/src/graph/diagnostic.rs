//! What is wrong with a graph file, and where.

use std::fmt::Write as _;
use std::ops::Range;

use super::codes;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The graph does not check.
    Error,
    /// The graph checks; this is likely a mistake.
    Warning,
}

/// One finding, tied to a place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable code; [`codes::explain`] knows more about it.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, a lowercase fragment.
    pub message: String,
    /// The file's name as it was given.
    pub file: String,
    /// The bytes that are meant.
    pub span: Range<usize>,
    /// The line of the first byte, from 1.
    pub line: usize,
    /// The column of the first byte, in characters, from 1.
    pub col: usize,
    /// What stands beside the underline.
    pub label: String,
    /// What to do.
    pub help: Option<String>,
    /// More to know.
    pub notes: Vec<String>,
}

/// Most findings of one file. Who has so many has another cause than each of them, and a file of one long line costs
/// its length for each.
const MAX_FOUND: usize = 200;

/// Longest source line that is shown, in characters.
const MAX_SHOWN: usize = 160;

impl Diagnostic {
    /// The finding in the manner of rustc, without colour: message, place, source line, underline, help.
    /// `source` is the text that was checked.
    #[must_use]
    pub fn render(&self, source: &str) -> String {
        let mut out = String::new();
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        // Writing to a string does not fail.
        let _ = writeln!(out, "{word}[{}]: {}", self.code, self.message);
        let gutter = " ".repeat(self.line.to_string().len());
        let _ = writeln!(out, "{gutter}--> {}:{}:{}", self.file, self.line, self.col);
        let line =
            source.split('\n').nth(self.line.saturating_sub(1)).unwrap_or_default().trim_end_matches('\r');
        // The underline ends with the line; one character at least.
        let marked = source.get(self.span.clone()).unwrap_or_default();
        let width = marked.split('\n').next().unwrap_or_default().trim_end().chars().count().max(1);
        // A line too long for a screen is shown around the place.
        let before = self.col.saturating_sub(1);
        let cut = if before + width > MAX_SHOWN { before.saturating_sub(MAX_SHOWN / 4) } else { 0 };
        let secret = |at: usize| self.code == codes::SECRET && at >= before + 4 && at < before + width;
        let masked = line.chars().enumerate().map(|(at, c)| if secret(at) { '*' } else { printable(c) });
        let shown: String = masked.skip(cut).take(MAX_SHOWN).collect();
        let width = width.min(MAX_SHOWN);
        let _ = writeln!(out, "{gutter} |");
        let _ = writeln!(out, "{} | {}{}", self.line, if cut > 0 { "…" } else { "" }, shown.trim_end());
        let pad = " ".repeat(before - cut + usize::from(cut > 0));
        let marks = "^".repeat(width);
        let label = if self.label.is_empty() { String::new() } else { format!(" {}", self.label) };
        let _ = writeln!(out, "{gutter} | {pad}{marks}{label}");
        let notes = self.notes.iter().map(|note| ("note", note));
        for (word, text) in notes.chain(self.help.iter().map(|help| ("help", help))) {
            let _ = writeln!(out, "{gutter} = {word}: {text}");
        }
        out
    }
}

/// A character as it may be shown on a terminal: no control characters, one column for a tab.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// Collects findings over one file.
pub(crate) struct Report<'s> {
    file: &'s str,
    pub(crate) source: &'s str,
    /// Byte offsets where lines start.
    lines: Vec<usize>,
    found: Vec<Diagnostic>,
    failed: bool,
    /// Findings beyond [`MAX_FOUND`].
    left_out: usize,
    /// Where those take their labels.
    unseen: Option<Diagnostic>,
}

impl<'s> Report<'s> {
    pub(crate) fn new(file: &'s str, source: &'s str) -> Self {
        let starts = source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(starts).collect();
        Self { file, source, lines, found: Vec::new(), failed: false, left_out: 0, unseen: None }
    }

    /// Adds an error; what it returns takes label, help and notes.
    pub(crate) fn error(
        &mut self,
        code: &'static str,
        span: &Range<usize>,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.add(code, Severity::Error, span, message.into())
    }

    /// Adds a warning.
    pub(crate) fn warning(
        &mut self,
        code: &'static str,
        span: &Range<usize>,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.add(code, Severity::Warning, span, message.into())
    }

    fn add(
        &mut self,
        code: &'static str,
        severity: Severity,
        span: &Range<usize>,
        message: String,
    ) -> &mut Diagnostic {
        debug_assert!(codes::explain(code).is_some(), "{code} is not in the table");
        self.failed |= severity == Severity::Error;
        if self.found.len() >= MAX_FOUND {
            self.left_out += 1;
            // An error takes the place of a warning; beyond that, what is added goes to a place that is not shown.
            match self.found.iter().rposition(|one| one.severity == Severity::Warning) {
                Some(warning) if severity == Severity::Error => drop(self.found.remove(warning)),
                _ => return self.unseen.get_or_insert_with(|| Diagnostic::unseen(code)),
            }
        }
        let start = floor(self.source, span.start);
        let end = floor(self.source, span.end).max(start);
        let line = self.lines.partition_point(|&at| at <= start).max(1);
        let from = self.lines.get(line - 1).copied().unwrap_or_default();
        let col = self.source.get(from..start).map_or(1, |text| text.chars().count() + 1);
        let at = self.found.len();
        self.found.push(Diagnostic {
            code,
            severity,
            message,
            file: self.file.to_owned(),
            span: start..end,
            line,
            col,
            label: String::new(),
            help: None,
            notes: Vec::new(),
        });
        &mut self.found[at]
    }

    /// Whether an error was found.
    pub(crate) fn failed(&self) -> bool {
        self.failed
    }

    /// What was found, in the file's order, each finding once.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        self.found
            .sort_by(|a, b| (a.span.start, a.severity, a.code).cmp(&(b.span.start, b.severity, b.code)));
        self.found.dedup_by(|a, b| a.span == b.span && a.code == b.code && a.message == b.message);
        if let (Some(last), more @ 1..) = (self.found.last_mut(), self.left_out) {
            last.notes.push(format!("{more} more findings in this file are left out"));
        }
        self.found
    }
}

impl Diagnostic {
    /// One that takes what is said of it and is never shown.
    fn unseen(code: &'static str) -> Self {
        let (severity, text) = (Severity::Warning, String::new());
        let (message, file, label) = (text.clone(), text.clone(), text);
        let (help, notes) = (None, Vec::new());
        Self { code, severity, message, file, span: 0..0, line: 1, col: 1, label, help, notes }
    }

    pub(crate) fn label(&mut self, label: impl Into<String>) -> &mut Self {
        self.label = label.into();
        self
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) -> &mut Self {
        // The unseen one would take any number.
        if self.notes.len() < MAX_FOUND {
            self.notes.push(note.into());
        }
        self
    }

    pub(crate) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// The help that names what was probably meant, or else what there is.
    pub(crate) fn suggest<'n>(&mut self, wrong: &str, known: impl IntoIterator<Item = &'n str>) -> &mut Self {
        let known: Vec<&str> = known.into_iter().take(1000).collect();
        if let Some(near) = nearest(wrong, &known) {
            self.help(format!("did you mean `{near}`?"))
        } else if known.is_empty() {
            self
        } else {
            let some: Vec<String> = known.iter().take(12).map(|name| format!("`{name}`")).collect();
            let more = if known.len() > some.len() { ", …" } else { "" };
            self.help(format!("there is {}{more}", some.join(", ")))
        }
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The known name that is near enough to `wrong` to be meant: a third of its letters may differ.
pub(crate) fn nearest<'n>(wrong: &str, known: &[&'n str]) -> Option<&'n str> {
    if wrong.len() > 100 {
        return None;
    }
    let most = (wrong.chars().count() / 3).max(1);
    let close = known.iter().map(|name| (distance(wrong, name, most), *name));
    close
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many letters must be added, dropped, changed or swapped with the next one; above `most`, just more.
fn distance(a: &str, b: &str, most: usize) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.to_lowercase().chars().collect(), b.to_lowercase().chars().collect());
    if a.len().abs_diff(b.len()) > most {
        return most + 1;
    }
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let known = ["incident", "verdict", "lessons"];
        assert_eq!(nearest("incidnet", &known), Some("incident"));
        assert_eq!(nearest("Lesson", &known), Some("lessons"));
        assert_eq!(nearest("repo", &known), None);
        assert_eq!(nearest("", &known), None);
    }

    #[test]
    fn places_count_lines_and_characters() {
        let source = "a: é\nbü: x\n";
        let mut report = Report::new("f.yaml", source);
        let at = source.find('x').unwrap();
        report.error("E007", &(at..at + 1), "wrong").label("here").help("do better");
        let found = report.finish();
        assert_eq!((found[0].line, found[0].col), (2, 5));
        assert_eq!(
            found[0].render(source),
            "error[E007]: wrong\n --> f.yaml:2:5\n  |\n2 | bü: x\n  |     ^ here\n  = help: do better\n"
        );
    }

    #[test]
    fn findings_are_bounded_and_errors_come_before_warnings() {
        let mut report = Report::new("f", "x");
        for _ in 0..MAX_FOUND {
            report.warning("W001", &(0..1), "w").note("n");
        }
        assert!(!report.failed());
        for i in 0..MAX_FOUND * 2 {
            report.error("E007", &(0..1), format!("e{i}")).label("l").help("h").note("n");
        }
        assert!(report.failed());
        let found = report.finish();
        assert_eq!(found.len(), MAX_FOUND);
        assert!(found.iter().all(|one| one.severity == Severity::Error && one.message.starts_with('e')));
        let more = format!("{} more findings in this file are left out", MAX_FOUND * 2);
        assert_eq!(found.last().and_then(|one| one.notes.last()), Some(&more));
    }

    #[test]
    fn a_place_outside_the_text_is_its_end() {
        let mut report = Report::new("f", "é");
        report.error("E007", &(1..900), "x");
        let found = report.finish();
        assert_eq!(found[0].span, 0..2);
        let _ = found[0].render("");
    }
}
