//! JUnit XML. There is no standard, only what tools write: `testsuites`, `testsuite`, `testcase` with `failure`,
//! `error` or `skipped` in it. Surefire's schema and the Jenkins plugin's were the guide.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::{Case, MAX_MESSAGE, Outcome, Report, clip, millis, split_kind};

/// Deepest nesting of elements.
const MAX_DEPTH: usize = 64;

/// A `testcase` that is being read.
struct Open {
    case: Case,
    /// The text inside a failure, while one is open.
    text: Option<String>,
}

pub(super) fn read(text: &str) -> Report {
    let mut out = Report::default();
    let mut reader = Reader::from_str(text);
    let mut names: Vec<String> = Vec::new();
    let mut files: Vec<String> = Vec::new();
    let mut open: Option<Open> = None;
    let mut seen_root = false;
    loop {
        match reader.read_event() {
            Err(error) => {
                out.problem(format!("no JUnit report: {error}"));
                return out;
            }
            // Entities are declared there: nothing of ours needs them, and some bombs are made of them.
            Ok(Event::DocType(_)) => {
                out.problem("a JUnit report with a document type, which is not read");
                return out;
            }
            Ok(Event::Eof) => break,
            Ok(Event::Start(element)) => {
                let name = name(&element);
                if names.len() >= MAX_DEPTH {
                    out.problem("a JUnit report nested too deeply");
                    return out;
                }
                if names.is_empty() {
                    if seen_root || !matches!(name.as_str(), "testsuites" | "testsuite") {
                        out.problem(format!("no JUnit report: its root is `{}`", clip(&name, 40)));
                        return out;
                    }
                    seen_root = true;
                }
                start(&name, &element, &mut open, &mut files, &mut out);
                names.push(name);
            }
            Ok(Event::Empty(element)) => {
                let name = name(&element);
                if names.is_empty() {
                    if seen_root || !matches!(name.as_str(), "testsuites" | "testsuite") {
                        out.problem(format!("no JUnit report: its root is `{}`", clip(&name, 40)));
                        return out;
                    }
                    seen_root = true;
                }
                start(&name, &element, &mut open, &mut files, &mut out);
                end(&name, &mut open, &mut files, &mut out);
            }
            Ok(Event::End(_)) => {
                // The reader has matched the names already.
                let name = names.pop().unwrap_or_default();
                end(&name, &mut open, &mut files, &mut out);
            }
            Ok(Event::Text(part)) => add(&mut open, &part.into_inner()),
            Ok(Event::CData(part)) => add(&mut open, &part.into_inner()),
            Ok(Event::GeneralRef(part)) => {
                let number = part.resolve_char_ref().ok().flatten();
                let character = number.or_else(|| {
                    Some(match part.into_inner().as_ref() {
                        "lt" => '<',
                        "gt" => '>',
                        "amp" => '&',
                        "apos" => '\'',
                        "quot" => '"',
                        _ => return None,
                    })
                });
                add(&mut open, &character.map(String::from).unwrap_or_default());
            }
            Ok(Event::Comment(_) | Event::Decl(_) | Event::PI(_)) => {}
        }
    }
    if !names.is_empty() || !seen_root {
        out.problem("a JUnit report that breaks off");
    }
    out
}

fn name(element: &BytesStart<'_>) -> String {
    element.local_name().into_inner().to_owned()
}

fn attribute(element: &BytesStart<'_>, wanted: &str) -> Option<String> {
    let found = element.attributes().with_checks(false).flatten().find(|a| a.key.into_inner() == wanted)?;
    let raw = found.value.into_owned();
    // An entity that is not one of the five stays as it is written.
    Some(quick_xml::escape::unescape(&raw).map(|text| text.into_owned()).unwrap_or(raw))
}

fn start(
    name: &str,
    element: &BytesStart<'_>,
    open: &mut Option<Open>,
    files: &mut Vec<String>,
    out: &mut Report,
) {
    match name {
        "testsuite" => {
            let file = attribute(element, "file").or_else(|| attribute(element, "filepath"));
            files.push(file.or_else(|| files.last().cloned()).unwrap_or_default());
        }
        "testcase" => {
            if open.is_some() {
                out.problem("a test inside a test");
            }
            let own = attribute(element, "name").unwrap_or_default();
            let class = attribute(element, "classname").unwrap_or_default();
            if own.trim().is_empty() {
                out.problem("a test without a name");
            }
            let id = if class.is_empty() || class == own { own } else { format!("{class}::{own}") };
            let mut case = Case::new(&id, Outcome::Passed);
            case.file = attribute(element, "file").or_else(|| files.last().cloned()).unwrap_or_default();
            case.ms = attribute(element, "time")
                .and_then(|time| time.replace(',', "").trim().parse().ok())
                .and_then(millis);
            *open = Some(Open { case, text: None });
        }
        // A test that passed only when it was run again is not one that passes.
        "failure" | "error" | "rerunFailure" | "rerunError" | "flakyFailure" | "flakyError" => {
            let Some(open) = open else {
                // Beside the tests: a suite that broke as a whole.
                if matches!(name, "failure" | "error") {
                    let why = attribute(element, "message").unwrap_or_default();
                    out.broken("a suite", &why);
                }
                return;
            };
            if open.case.outcome != Outcome::Failed {
                open.case.outcome = Outcome::Failed;
                open.case.kind = clip(&attribute(element, "type").unwrap_or_default(), 200);
                open.case.message = clip(&attribute(element, "message").unwrap_or_default(), MAX_MESSAGE);
                open.text = Some(String::new());
            }
        }
        "skipped" => {
            if let Some(open) = open {
                open.case.outcome = open.case.outcome.max(Outcome::Skipped);
            }
        }
        _ => {}
    }
}

fn end(name: &str, open: &mut Option<Open>, files: &mut Vec<String>, out: &mut Report) {
    match name {
        "testsuite" => {
            files.pop();
        }
        "failure" | "error" | "rerunFailure" | "rerunError" | "flakyFailure" | "flakyError" => {
            let Some(open) = open else { return };
            let Some(text) = open.text.take() else { return };
            if open.case.message.trim().is_empty() {
                open.case.message = clip(text.trim(), MAX_MESSAGE);
            }
            if open.case.kind.is_empty() {
                let (kind, message) = split_kind(&open.case.message);
                open.case.kind = kind;
                open.case.message = message;
            }
        }
        "testcase" => {
            if let Some(done) = open.take() {
                out.push(done.case);
            }
        }
        _ => {}
    }
}

/// Text counts inside a failure only.
fn add(open: &mut Option<Open>, part: &str) {
    if let Some(text) = open.as_mut().and_then(|open| open.text.as_mut())
        && text.len() < MAX_MESSAGE * 4
    {
        text.push_str(&clip(part, MAX_MESSAGE));
    }
}
