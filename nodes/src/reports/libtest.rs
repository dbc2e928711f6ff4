//! The text of one binary of Rust's libtest (`library/test/src/formatters/pretty.rs`), run with at least two test
//! threads so that each line is written whole. It tells no times on a stable toolchain.

use std::collections::BTreeMap;

use super::{Case, MAX_MESSAGE, Outcome, Report, clip};

/// Reads what one test binary printed.
pub(super) fn read(text: &str) -> Report {
    let mut out = Report::default();
    let mut planned = None;
    let mut result = None;
    let mut sections: BTreeMap<String, String> = BTreeMap::new();
    let mut section: Option<(String, String)> = None;
    for line in text.lines() {
        if let Some(count) = running(line) {
            if planned.is_some() {
                out.problem("two runs in the output of one test binary");
            }
            planned = Some(count);
            continue;
        }
        if line.starts_with("test result: ") {
            close(&mut section, &mut sections);
            if result.is_some() {
                out.problem("two results in the output of one test binary");
            }
            result = Some(counts(line));
            continue;
        }
        if let Some(name) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
            close(&mut section, &mut sections);
            section = Some((name.to_owned(), String::new()));
            continue;
        }
        if line == "failures:" {
            close(&mut section, &mut sections);
            continue;
        }
        if let Some((_, text)) = &mut section {
            if text.len() < MAX_MESSAGE * 4 {
                text.push_str(line);
                text.push('\n');
            }
            continue;
        }
        if let Some((name, outcome)) = test_line(line) {
            out.push(Case::new(name, outcome));
        }
    }
    for case in &mut out.cases {
        if let Some(text) = sections.get(&case.id).filter(|_| case.outcome == Outcome::Failed) {
            (case.kind, case.message) = panic_of(text);
        }
    }
    match (planned, result) {
        (None, _) => out.problem("no output of a libtest binary"),
        (Some(_), None) => out.problem("the test binary ended before its result"),
        (Some(planned), Some(told)) => {
            let of = |outcome| out.cases.iter().filter(|case| case.outcome == outcome).count();
            let seen = [of(Outcome::Passed), of(Outcome::Failed), of(Outcome::Skipped)];
            if told != Some(seen) || seen.iter().sum::<usize>() != planned {
                out.problem("the tests in the output of a test binary are not those that it counts");
            }
        }
    }
    out
}

/// Doc tests in the output of `cargo test`: rustdoc's lines `test src/lib.rs - item (line 3) ... ok`.
pub(super) fn doc_tests(text: &str) -> Report {
    let mut out = Report::default();
    for line in text.lines() {
        let Some((name, outcome)) = test_line(line) else { continue };
        let place = name.split(" - ").next().unwrap_or_default();
        if name.contains(" (line ") && place.ends_with(".rs") {
            let mut case = Case::new(name, outcome);
            case.file = clip(place, 1000);
            out.push(case);
        }
    }
    out
}

fn close(section: &mut Option<(String, String)>, sections: &mut BTreeMap<String, String>) {
    if let Some((name, text)) = section.take() {
        sections.entry(name).or_insert(text);
    }
}

/// `running 3 tests`
fn running(line: &str) -> Option<usize> {
    let rest = line.strip_prefix("running ")?;
    rest.strip_suffix(" tests").or_else(|| rest.strip_suffix(" test"))?.parse().ok()
}

/// `test NAME ... ok`, with what libtest adds to the name.
fn test_line(line: &str) -> Option<(&str, Outcome)> {
    let rest = line.strip_prefix("test ")?;
    let (name, word) = rest.rsplit_once(" ... ")?;
    let outcome = match word {
        "ok" => Outcome::Passed,
        "FAILED" => Outcome::Failed,
        _ if word == "ignored" || word.starts_with("ignored, ") => Outcome::Skipped,
        // With a time, as a nightly tells it.
        _ if word.starts_with("ok <") => Outcome::Passed,
        _ if word.starts_with("FAILED <") => Outcome::Failed,
        _ => return None,
    };
    let name = name.trim_end_matches(" - should panic");
    let name = name.trim_end_matches(" - compile fail").trim_end_matches(" - compile");
    Some((name, outcome))
}

/// Passed, failed and ignored of `test result: ok. 2 passed; 0 failed; 1 ignored; …`; nothing when it says both good
/// and bad.
fn counts(line: &str) -> Option<[usize; 3]> {
    let rest = line.strip_prefix("test result: ")?;
    let (word, rest) = rest.split_once(". ")?;
    let mut numbers = [0; 3];
    for part in rest.split(';') {
        let mut words = part.split_whitespace();
        let (Some(number), Some(what)) = (words.next(), words.next()) else { continue };
        let at = match what {
            "passed" => 0,
            "failed" => 1,
            "ignored" => 2,
            _ => continue,
        };
        *numbers.get_mut(at)? = number.parse().ok()?;
    }
    let good = word == "ok";
    let [_, failed, _] = numbers;
    (good == (failed == 0)).then_some(numbers)
}

/// Kind and message of what a failed test printed: from its panic on.
pub(crate) fn panic_of(text: &str) -> (String, String) {
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.starts_with("thread '") && line.contains("panicked at"));
    match at {
        Some(at) => {
            let place = lines
                .get(at)
                .and_then(|line| line.split("panicked at ").nth(1))
                .unwrap_or_default()
                .trim_end_matches(':');
            let rest: Vec<&str> = lines
                .get(at + 1..)
                .unwrap_or_default()
                .iter()
                .take_while(|line| !line.starts_with("note: ") && !line.starts_with("stack backtrace:"))
                .copied()
                .collect();
            ("panic".to_owned(), clip(&format!("{} (at {place})", rest.join("\n").trim()), MAX_MESSAGE))
        }
        None => (String::new(), clip(text.trim(), MAX_MESSAGE)),
    }
}
