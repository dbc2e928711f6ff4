//! The file that `jest --json --outputFile=FILE` and vitest's `json` reporter write
//! (`packages/jest-test-result/src/types.ts`, `FormattedTestResults`).

use serde::Deserialize;

use super::{Case, MAX_MESSAGE, Outcome, Report, clip, millis, split_kind};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Whole {
    #[serde(default)]
    num_total_tests: Option<u64>,
    #[serde(default)]
    was_interrupted: bool,
    test_results: Vec<File>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    name: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    assertion_results: Vec<Test>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    #[serde(default)]
    ancestor_titles: Vec<String>,
    #[serde(default)]
    title: String,
    status: String,
    #[serde(default)]
    duration: Option<f64>,
    #[serde(default)]
    failure_messages: Option<Vec<String>>,
}

pub(super) fn read(text: &str) -> Report {
    let mut out = Report::default();
    let whole: Whole = match serde_json::from_str(text) {
        Ok(whole) => whole,
        Err(error) => {
            out.problem(format!("no jest report: {error}"));
            return out;
        }
    };
    if whole.was_interrupted {
        out.problem("the run was interrupted");
    }
    for file in whole.test_results {
        let place = super::node::relative(&file.name);
        if file.assertion_results.is_empty() && file.status == "failed" {
            out.broken(&place, &plain(file.message.as_deref().unwrap_or_default()));
        }
        for test in file.assertion_results {
            let outcome = match test.status.as_str() {
                "passed" => Outcome::Passed,
                "failed" => Outcome::Failed,
                "pending" | "skipped" | "todo" | "disabled" | "focused" => Outcome::Skipped,
                other => {
                    out.problem(format!("a test with the unknown status `{}`", clip(other, 40)));
                    continue;
                }
            };
            let mut path = test.ancestor_titles;
            path.push(test.title);
            let mut case = Case::new(&format!("{place}::{}", path.join(" > ")), outcome);
            case.file = place.clone();
            case.ms = test.duration.and_then(|ms| millis(ms / 1000.0));
            if outcome == Outcome::Failed {
                let text = plain(&test.failure_messages.unwrap_or_default().join("\n"));
                (case.kind, case.message) = split_kind(&clip(&text, MAX_MESSAGE));
            }
            out.push(case);
        }
    }
    if whole.num_total_tests.is_some_and(|total| total != out.cases.len() as u64) {
        out.problem("the tests in a jest report are not those that it counts");
    }
    out
}

/// Text without the escape sequences of a terminal's colours.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MAX_MESSAGE * 4));
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            for c in chars.by_ref() {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        } else if out.len() < MAX_MESSAGE * 4 {
            out.push(c);
        }
    }
    out
}
