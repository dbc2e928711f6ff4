//! Titles, commit messages and trailers.

use prunella_engine::TaskInfo;

use crate::page::{culprit, one_line};
use crate::types::Incident;

/// The longest title, in characters.
const LONGEST_TITLE: usize = 72;
/// Where lines of a message are broken.
const WIDTH: usize = 72;

/// The title of the fix: `Fix KeyError in app/orders.py: guard the missing discount`.
pub(super) fn title(incident: &Incident, summary: &str) -> String {
    with_summary(&format!("Fix {}", broken(incident)), summary)
}

/// The title of the commit with the failing test.
pub(super) fn test_title(incident: &Incident) -> String {
    with_summary(&format!("Add a failing test for {}", broken(incident)), "")
}

/// `KeyError in app/orders.py`.
fn broken(incident: &Incident) -> String {
    let exception = incident.exception.rsplit('.').next().unwrap_or_default();
    let exception = one_line(exception, 40);
    let Some(path) = culprit(incident).and_then(|frame| frame.path.as_ref()) else { return exception };
    let path = one_line(path, 200);
    // The folder is worth less than what is done about it.
    let file = path.rsplit('/').next().unwrap_or_default();
    format!("{exception} in {}", if path.chars().count() > 30 { file } else { &path })
}

fn with_summary(start: &str, summary: &str) -> String {
    let summary = one_line(summary, 200);
    let summary = without_place(&summary).trim_end_matches('.');
    let room = LONGEST_TITLE.saturating_sub(start.chars().count() + 2);
    if summary.is_empty() || room < 16 {
        return one_line(start, LONGEST_TITLE);
    }
    format!("{start}: {}", one_line(summary, room))
}

/// A summary without the `app/orders.py:41: ` that it may begin with: the title names the file already.
fn without_place(summary: &str) -> &str {
    match summary.split_once(": ") {
        Some((place, rest)) => match place.rsplit_once(':') {
            Some((path, line)) if !path.contains(' ') && line.parse::<u64>().is_ok() => rest,
            _ => summary,
        },
        None => summary,
    }
}

/// A commit message: title, body in one paragraph, trailers.
pub(super) fn message(title: &str, body: &str, trailers: &str) -> String {
    let body = wrapped(&untrailed(&one_line(body, 1200)));
    if body.is_empty() {
        format!("{title}\n\n{trailers}\n")
    } else {
        format!("{title}\n\n{body}\n\n{trailers}\n")
    }
}

/// The trailers of both commits. Nobody signs off here: that is for a person.
pub(super) fn trailers(task: &TaskInfo, origin: &str, fingerprint: &str) -> String {
    let root = task.chain.as_ref().map_or_else(|| "none".to_owned(), |_| task.chain_head());
    format!(
        "Assisted-by: Prunella {} ({})\nPrunella-Run: {}@{root}\nIncident: {}",
        env!("CARGO_PKG_VERSION"),
        one_line(origin, 80),
        one_line(&task.run, 80),
        one_line(fingerprint, 80)
    )
}

/// What a model says must not read like a trailer (`Signed-off-by: somebody`), wherever a tool looks for one.
fn untrailed(text: &str) -> String {
    let words = text.split(' ').map(|word| match word.to_ascii_lowercase().find("-by:") {
        Some(at) => format!("{} by {}", &word[..at], &word[at + 4..]),
        None => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}
