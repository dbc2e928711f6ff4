//! What a further attempt should know.

use super::Fall;

/// Most characters of the diff in a lesson.
const MAX_DIFF: usize = 4000;
/// Most frames of the trace in a lesson.
const MAX_FRAMES: usize = 6;

/// One text: why it fell, the diff tried, the first failing test and the tail of its trace.
pub(super) fn lesson(fall: &Fall, diff: &str, regressions: &[String]) -> String {
    let mut out = format!("{}: {}\n", fall.status.word(), fall.reason);
    if let Some((id, failure)) = &fall.failing {
        out.push_str(&format!("first failing test: {id}\n"));
        if let Some(failure) = failure {
            let from = failure.frames.len().saturating_sub(MAX_FRAMES);
            for frame in failure.frames.get(from..).unwrap_or_default() {
                out.push_str(&format!(
                    "  {}:{} in {}: {}\n",
                    frame.file, frame.line, frame.function, frame.code
                ));
            }
            let message: String = failure.message.chars().take(1000).collect();
            out.push_str(&format!("  {}: {message}\n", failure.exception));
        }
    }
    if regressions.len() > 1 {
        out.push_str(&format!("broken by it: {}\n", regressions.get(..10).unwrap_or(regressions).join(", ")));
    }
    let shown: String = diff.chars().take(MAX_DIFF).collect();
    out.push_str("the diff tried:\n");
    out.push_str(&shown);
    if shown.len() < diff.len() {
        out.push_str("\n[cut]");
    }
    out
}
