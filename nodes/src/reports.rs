//! What test runners report: JUnit XML, TAP, libtest's text, `go test -json`, jest's JSON and our reporter of node's
//! runner, all read into one shape.
//!
//! Pure. Reports come from the process that ran the tests, so they are as hostile as the code under test: sizes, depths
//! and counts are bounded, nothing is expanded or followed, and what does not fit is a [`Report::problem`], never a pass.

mod golang;
mod jest;
mod junit;
mod libtest;
mod node;
mod tap;

use serde::Deserialize;

/// Most bytes of one report.
pub const MAX_BYTES: usize = 64 << 20;
/// Most tests of one report.
pub const MAX_CASES: usize = 200_000;
/// Longest id of a test, in characters.
const MAX_ID: usize = 1000;
/// Longest message of a failure, in characters.
const MAX_MESSAGE: usize = 4000;

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// JUnit's XML, as Surefire, pytest, vitest, mocha's `xunit`, nextest and many others write it.
    Junit,
    /// The Test Anything Protocol, versions 12 to 14.
    Tap,
    /// The text of one test binary of Rust's libtest.
    Libtest,
    /// The lines of `go test -json`.
    Go,
    /// The file of `jest --json`, which vitest's `json` reporter writes too.
    Jest,
    /// The lines of our reporter of `node --test`.
    Node,
}

/// What became of a test; the worst is the largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It was skipped, or expected to fail.
    Skipped,
    /// It failed or broke.
    Failed,
}

/// One test of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its name, unique in its suite as far as the runner makes it so.
    pub id: String,
    /// Its file as the report writes it; empty when it does not say.
    pub file: String,
    /// What became of it.
    pub outcome: Outcome,
    /// How long it took, in milliseconds.
    pub ms: Option<u64>,
    /// The kind of failure, such as an exception's type; empty when unknown.
    pub kind: String,
    /// The failure's message, bounded.
    pub message: String,
}

impl Case {
    fn new(id: &str, outcome: Outcome) -> Self {
        Self {
            id: clip(id.trim(), MAX_ID),
            file: String::new(),
            outcome,
            ms: None,
            kind: String::new(),
            message: String::new(),
        }
    }
}

/// What a report says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Its tests, in its order; one that ran twice is there twice.
    pub cases: Vec<Case>,
    /// Files or packages whose tests could not be run at all, each with why.
    pub broken: Vec<(String, String)>,
    /// Why this cannot be the whole story, when it cannot.
    pub problem: Option<String>,
}

impl Report {
    fn problem(&mut self, why: impl Into<String>) {
        if self.problem.is_none() {
            self.problem = Some(why.into());
        }
    }

    fn push(&mut self, case: Case) {
        if self.cases.len() < MAX_CASES {
            self.cases.push(case);
        } else {
            self.problem(format!("more than {MAX_CASES} tests"));
        }
    }

    fn broken(&mut self, place: &str, why: &str) {
        if self.broken.len() < 1000 {
            self.broken.push((clip(place, MAX_ID), clip(why.trim(), MAX_MESSAGE)));
        }
    }
}

/// Reads a report. What is no report at all, or breaks off, has a [`Report::problem`].
#[must_use]
pub fn read(format: Format, bytes: &[u8]) -> Report {
    if bytes.len() > MAX_BYTES {
        return Report {
            problem: Some(format!("a report of {} bytes; {MAX_BYTES} are read", bytes.len())),
            ..Report::default()
        };
    }
    let text = String::from_utf8_lossy(bytes);
    match format {
        Format::Junit => junit::read(&text),
        Format::Tap => tap::read(&text),
        Format::Libtest => libtest::read(&text),
        Format::Go => golang::read(&text),
        Format::Jest => jest::read(&text),
        Format::Node => node::read(&text),
    }
}

/// The doc tests in the text of `cargo test`, which rustdoc runs.
#[must_use]
pub fn doc_tests(text: &str) -> Report {
    libtest::doc_tests(text)
}

/// The first characters of `text`.
fn clip(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// Milliseconds of a number of seconds that somebody else wrote.
fn millis(seconds: f64) -> Option<u64> {
    // A week is longer than any test; what is larger is nonsense.
    (seconds.is_finite() && (0.0..604_800.0).contains(&seconds)).then(|| (seconds * 1000.0).round() as u64)
}

/// `Type: the rest` as a kind and a message; a kind is one word.
fn split_kind(message: &str) -> (String, String) {
    match message.split_once(": ") {
        Some((kind, rest))
            if !kind.is_empty()
                && kind.len() <= 80
                && kind.chars().all(|c| c.is_alphanumeric() || "_.$".contains(c)) =>
        {
            (kind.to_owned(), clip(rest.trim(), MAX_MESSAGE))
        }
        _ => (String::new(), clip(message.trim(), MAX_MESSAGE)),
    }
}

#[cfg(test)]
mod tests;
