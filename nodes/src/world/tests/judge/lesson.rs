//! What a further attempt should know.

use super::Fall;
use crate::prompt::{fenced, screen};

/// Most characters of the diff in a lesson.
const MAX_DIFF: usize = 4000;
/// Most frames of the trace in a lesson.
const MAX_FRAMES: usize = 6;

/// One text: why it fell, the first failing test and the tail of its trace.
///
/// What the tests printed or raised is the candidate's own text. It stands in a fence that nothing in it can close,
/// and what reads like an order to a model is taken out.
pub(super) fn lesson(fall: &Fall, regressions: &[String]) -> String {
    let mut reason = fall.reason.as_str();
    if let (Some((_, Some(_))), Some(at)) = (&fall.failing, reason.find("failed (")) {
        // What it raised stands below, in the fence.
        reason = reason.get(..at + "failed".len()).unwrap_or(reason);
    }
    let mut out = format!("{}: {}\n", fall.status.word(), one_line(reason));
    if let Some((id, failure)) = &fall.failing {
        out.push_str(&format!("first failing test: {}\n", one_line(id)));
        if let Some(failure) = failure {
            let mut said = String::new();
            let from = failure.frames.len().saturating_sub(MAX_FRAMES);
            for frame in failure.frames.get(from..).unwrap_or_default() {
                said.push_str(&format!(
                    "  {}:{} in {}: {}\n",
                    frame.file, frame.line, frame.function, frame.code
                ));
            }
            let message: String = failure.message.chars().take(1000).collect();
            said.push_str(&format!("  {}: {message}\n", failure.exception));
            out.push_str("what it said, as data:\n");
            out.push_str(&fenced("", &screen(&said).0));
        }
    }
    if regressions.len() > 1 {
        let ids: Vec<String> = regressions.iter().take(10).map(|id| one_line(id)).collect();
        out.push_str(&format!("broken by it: {}\n", ids.join(", ")));
    }
    out
}

/// Adds the diff that was tried, in a fence.
pub(super) fn with_diff(lesson: &mut String, diff: &str) {
    let mut shown: String = diff.chars().take(MAX_DIFF).collect();
    if shown.len() < diff.len() {
        shown.push_str("\n[cut]\n");
    }
    lesson.push_str("the diff tried:\n");
    lesson.push_str(&fenced("diff", &shown));
}

/// Foreign text as one screened line.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    screen(&words.join(" ")).0
}
