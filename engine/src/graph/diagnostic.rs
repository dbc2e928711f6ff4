//! What is wrong with a graph file, and where.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use super::codes;
use super::files::{Files, Refused, Source};

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
    /// The file's name: as it was given, or that of a file beside it.
    pub file: String,
    /// The bytes of that file that are meant.
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
    /// The text of the file, where that is one beside the graph.
    pub(crate) beside: Option<Arc<str>>,
    /// The first byte in the text of all files: findings are told in this order.
    at: usize,
}

/// Most findings of one file. Who has so many has another cause than each of them, and a file of one long line costs
/// its length for each.
const MAX_FOUND: usize = 200;

/// Longest text of a finding, in bytes: names and types in it are the file's.
const MAX_TEXT: usize = 1000;

/// Longest source line that is shown, in characters.
const MAX_SHOWN: usize = 160;

impl Diagnostic {
    /// The finding in the manner of rustc, without colour: message, place, source line, underline, help.
    /// `source` is the text of the graph file; a finding in a file beside it brings its own.
    #[must_use]
    pub fn render(&self, source: &str) -> String {
        let source = self.text(source);
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

impl Diagnostic {
    /// The text of the file that the finding is in; `source` is that of the graph file.
    #[must_use]
    pub fn text<'s>(&'s self, source: &'s str) -> &'s str {
        self.beside.as_deref().unwrap_or(source)
    }

    /// The line and column, both from 1, after the last byte that is meant; the column counts characters.
    #[must_use]
    pub fn end(&self, source: &str) -> (usize, usize) {
        let marked = self.text(source).get(self.span.clone()).unwrap_or_default();
        match marked.rsplit_once('\n') {
            None => (self.line, self.col + marked.chars().count()),
            Some((above, last)) => (self.line + above.matches('\n').count() + 1, last.chars().count() + 1),
        }
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

/// Collects findings over the files of a graph, or over one file of another kind.
pub(crate) struct Report<'s> {
    file: &'s str,
    /// The text of all files.
    pub(crate) source: &'s str,
    files: Option<&'s Files>,
    /// The texts of files beside the graph that findings are in, by where they begin.
    texts: BTreeMap<usize, Arc<str>>,
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
    /// For one file.
    pub(crate) fn new(file: &'s str, source: &'s str) -> Self {
        Self::of(file, source, None)
    }

    /// For a graph file and those beside it.
    pub(crate) fn over(files: &'s Files) -> Self {
        let name = files.sources.first().map_or("", |source| source.name.as_str());
        Self::of(name, &files.text, Some(files))
    }

    fn of(file: &'s str, source: &'s str, files: Option<&'s Files>) -> Self {
        let starts = source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(starts).collect();
        let (found, texts) = (Vec::new(), BTreeMap::new());
        Self { file, source, files, texts, lines, found, failed: false, left_out: 0, unseen: None }
    }

    /// The file that the text `written` at byte `at` names.
    pub(crate) fn beside(&self, at: usize, written: &str) -> Result<&'s Source, Refused> {
        match self.files {
            Some(files) => files.find(at, written),
            None => Err(Refused::File("there are no files beside this one".to_owned())),
        }
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
        let start = floor(self.source, span.start);
        let message = short(message);
        // What many nodes take from one place is told once.
        let known = |one: &Diagnostic| one.at == start && one.code == code && one.message == message;
        if self.found.iter().any(known) {
            return self.unseen.get_or_insert_with(|| Diagnostic::unseen(code));
        }
        if self.found.len() >= MAX_FOUND {
            self.left_out += 1;
            // An error takes the place of a warning; beyond that, what is added goes to a place that is not shown.
            match self.found.iter().rposition(|one| one.severity == Severity::Warning) {
                Some(warning) if severity == Severity::Error => drop(self.found.remove(warning)),
                _ => return self.unseen.get_or_insert_with(|| Diagnostic::unseen(code)),
            }
        }
        let (file, within) = match self.files.and_then(|files| files.at(start)) {
            Some(source) => (source.name.clone(), source.at.clone()),
            None => (self.file.to_owned(), 0..self.source.len()),
        };
        let end = floor(self.source, span.end.min(within.end)).max(start);
        let line = self.lines.partition_point(|&at| at <= start).max(1);
        let from = self.lines.get(line - 1).copied().unwrap_or_default();
        let col = self.source.get(from..start).map_or(1, |text| text.chars().count() + 1);
        let above = self.lines.partition_point(|&at| at <= within.start).max(1) - 1;
        let beside = (within.start > 0).then(|| self.text_of(&within));
        let at = self.found.len();
        self.found.push(Diagnostic {
            code,
            severity,
            message,
            file,
            span: start - within.start..end - within.start,
            line: line - above,
            col,
            label: String::new(),
            help: None,
            notes: Vec::new(),
            beside,
            at: start,
        });
        &mut self.found[at]
    }

    fn text_of(&mut self, within: &Range<usize>) -> Arc<str> {
        let text = || Arc::from(self.source.get(within.clone()).unwrap_or_default());
        Arc::clone(self.texts.entry(within.start).or_insert_with(text))
    }

    /// Whether an error was found.
    pub(crate) fn failed(&self) -> bool {
        self.failed
    }

    /// What was found, in the file's order, each finding once.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        self.found.sort_by(|a, b| (a.at, a.severity, a.code).cmp(&(b.at, b.severity, b.code)));
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
        let (help, notes, beside) = (None, Vec::new(), None);
        Self { code, severity, message, file, span: 0..0, line: 1, col: 1, label, help, notes, beside, at: 0 }
    }

    pub(crate) fn label(&mut self, label: impl Into<String>) -> &mut Self {
        self.label = short(label.into());
        self
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) -> &mut Self {
        // The unseen one would take any number.
        if self.notes.len() < MAX_FOUND {
            self.notes.push(short(note.into()));
        }
        self
    }

    pub(crate) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(short(help.into()));
        self
    }

    /// The help that names what was probably meant, or else what there is.
    pub(crate) fn suggest<'n>(&mut self, wrong: &str, known: impl IntoIterator<Item = &'n str>) -> &mut Self {
        // The unseen one has no message, and need not be told what is near.
        if self.message.is_empty() {
            return self;
        }
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

fn short(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        text.truncate(floor(&text, MAX_TEXT));
        text.push('…');
    }
    text
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
        for i in 0..MAX_FOUND {
            report.warning("W001", &(0..1), format!("w{i}")).note("n");
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
