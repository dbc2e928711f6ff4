//! `report.md`: what a run did, healed or not. It stays on the machine that ran it.

use std::fmt::{Result, Write};

use super::{code, culprit, fence, one_line, place, prose, short, times};
use crate::types::{Incident, Pull, Reproduction, ReproductionKind};

/// One candidate and what became of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attempt {
    /// Where the candidate came from and what it does; empty when there was none.
    pub summary: String,
    /// Its unified diff; empty when there was none.
    pub diff: String,
    /// The verdict's word; empty when nothing was judged.
    pub status: String,
    /// One line on why.
    pub reason: String,
    /// What the next attempt was told.
    pub lessons: Vec<String>,
}

/// A run, as read from its journal. What did not come to pass is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunSummary {
    /// The run's id.
    pub run: String,
    /// The graph's name.
    pub graph: String,
    /// The base commit.
    pub commit: String,
    /// The incident file, as the person named it.
    pub log: String,
    /// The repository's folder.
    pub repo: String,
    /// The command line that runs it again, in words; empty when it is not known.
    pub again: Vec<String>,
    /// The end that was reached; empty when the run broke off.
    pub end: String,
    /// `success`, `nothing`, `failure`, `declined`; empty when the run broke off.
    pub outcome: String,
    /// What broke the run off.
    pub error: Option<String>,
    /// What to do about the error.
    pub help: Option<String>,
    /// Whether the run can be resumed.
    pub resumable: bool,
    /// Whether the tests ran without isolation, so that nothing could count as fixed.
    pub unguarded: bool,
    /// Whether a model is configured.
    pub model: bool,
    /// Why there was nothing to do: what is known of the incident.
    pub known: String,
    /// What broke.
    pub incident: Option<Incident>,
    /// Other incidents of the log, a line each.
    pub others: Vec<String>,
    /// The test that fails because of it.
    pub reproduction: Option<Reproduction>,
    /// What was tried to get one.
    pub tried: Vec<String>,
    /// The diagnosis: why it broke.
    pub root_cause: String,
    /// The diagnosis: what to do about it.
    pub strategy: String,
    /// Where to look, best first: `path:line function`.
    pub suspects: Vec<String>,
    /// The attempts, in order.
    pub attempts: Vec<Attempt>,
    /// The pull request.
    pub pull: Option<Pull>,
}

/// The report, Markdown.
#[must_use]
pub fn report(run: &RunSummary) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = head(run, &mut out)
        .and_then(|()| cause(run, &mut out))
        .and_then(|()| reproduction(run, &mut out))
        .and_then(|()| attempts(run, &mut out))
        .and_then(|()| next(run, &mut out));
    out
}

fn head(run: &RunSummary, out: &mut String) -> Result {
    writeln!(out, "# {}\n", headline(run))?;
    writeln!(
        out,
        "Run {} of {} on {} at {}.\n",
        code(&run.run, 80),
        code(&run.graph, 80),
        code(&run.repo, 200),
        code(short(&run.commit), 12)
    )?;
    if let Some(error) = &run.error {
        writeln!(out, "It broke off: {}\n", prose(error, 600))?;
        if let Some(help) = &run.help {
            writeln!(out, "Help: {}\n", prose(help, 400))?;
        }
    }
    if !run.known.is_empty() {
        let known = if run.end == "known" { "Known: " } else { "" };
        writeln!(out, "{known}{}\n", prose(&run.known, 400))?;
    }
    Ok(())
}

fn headline(run: &RunSummary) -> String {
    let what = match &run.incident {
        Some(incident) => match culprit(incident) {
            Some(frame) => format!("{} at {}", incident.exception, place(frame)),
            None => incident.exception.clone(),
        },
        None if run.outcome.is_empty() => "the run".to_owned(),
        None => "no incident".to_owned(),
    };
    let how = match (run.outcome.as_str(), run.end.as_str()) {
        ("", _) if run.error.is_none() && !run.resumable => "cancelled",
        ("", _) => "broke off",
        ("success", _) => "healed",
        (_, "known") => "known already",
        (_, "false_alarm") => "nothing to do",
        (_, "unproven") => "not reproduced",
        ("nothing", _) => "nothing to do",
        ("declined", _) => "declined",
        _ => "not healed",
    };
    format!("{}: {how}", prose(&what, 160))
}

fn cause(run: &RunSummary, out: &mut String) -> Result {
    let Some(incident) = &run.incident else {
        if run.outcome.is_empty() {
            return Ok(());
        }
        writeln!(out, "The log holds no incident that concerns this repository.\n")?;
        return list(out, "Also in the log", &run.others);
    };
    writeln!(out, "## Cause\n")?;
    writeln!(out, "{}: {}\n", code(&incident.exception, 80), code(&incident.message, 300))?;
    if !run.root_cause.is_empty() {
        writeln!(out, "{}\n", prose(&run.root_cause, 2000))?;
    }
    if !run.strategy.is_empty() {
        writeln!(out, "What to do: {}\n", prose(&run.strategy, 2000))?;
    }
    write!(out, "Seen {}", times(incident.count))?;
    if !incident.first_seen.is_empty() && incident.first_seen == incident.last_seen {
        write!(out, ", at {}", prose(&incident.first_seen, 40))?;
    } else if !incident.first_seen.is_empty() {
        write!(out, ", from {} to {}", prose(&incident.first_seen, 40), prose(&incident.last_seen, 40))?;
    }
    writeln!(out, "; fingerprint {}.\n", code(&incident.fingerprint, 80))?;
    let mut suspects = run.suspects.clone();
    if suspects.is_empty() {
        let ours = incident.frames.iter().rev().filter(|frame| frame.path.is_some());
        suspects = ours.map(|frame| format!("{} {}", place(frame), frame.function)).collect();
    }
    list(out, "Suspects", &suspects)?;
    list(out, "The trace and the commit differ", &incident.drift)?;
    list(out, "Also in the log", &run.others)
}

fn reproduction(run: &RunSummary, out: &mut String) -> Result {
    if run.incident.is_none() {
        return Ok(());
    }
    let found = run.reproduction.as_ref().filter(|found| found.kind != ReproductionKind::None);
    match found {
        None if run.tried.is_empty() => {}
        None => {
            writeln!(out, "## Reproduction\n\nNone was found.\n")?;
            list(out, "Tried", &run.tried)?;
        }
        Some(found) if found.kind == ReproductionKind::Generated => {
            writeln!(out, "## Reproduction\n\nSave as {}:\n", code(&found.path, 200))?;
            writeln!(out, "{}", fence("python", &found.source, 400))?;
        }
        Some(found) => {
            writeln!(
                out,
                "## Reproduction\n\nA test of the repository fails already: {}\n",
                code(&found.test_id, 300)
            )?;
        }
    }
    Ok(())
}

fn attempts(run: &RunSummary, out: &mut String) -> Result {
    if run.attempts.is_empty() {
        return Ok(());
    }
    writeln!(out, "## Candidates\n")?;
    for (i, attempt) in run.attempts.iter().enumerate() {
        let status = if attempt.status.is_empty() { "not judged" } else { &attempt.status };
        let summary = if attempt.summary.is_empty() { "no candidate" } else { &attempt.summary };
        writeln!(out, "### {}. {}: {}\n", i + 1, prose(status, 40), prose(summary, 300))?;
        if !attempt.reason.is_empty() {
            writeln!(out, "{}\n", prose(&attempt.reason, 600))?;
        }
        if !attempt.diff.is_empty() {
            writeln!(out, "{}", fence("diff", &attempt.diff, 400))?;
        }
        for lesson in attempt.lessons.iter().take(8) {
            writeln!(out, "{}", fence("text", lesson, 80))?;
        }
    }
    Ok(())
}

/// The one command that a person would type now.
fn next(run: &RunSummary, out: &mut String) -> Result {
    let run_again = |extra: &str| {
        if !run.again.is_empty() {
            return format!("{}{extra}", one_line(&super::shell(&run.again), 2000));
        }
        let (graph, log, repo) = (argument(&run.graph), argument(&run.log), argument(&run.repo));
        format!("prunella run {graph} --incident {log} --repo {repo}{extra}")
    };
    let repo = argument(&run.repo);
    let (why, command) = if let Some(pull) = &run.pull {
        let what = if pull.draft { "Review the draft" } else { "Review it" };
        (what, format!("prunella pulls show {} --repo {repo}", one_line(&pull.id, 80)))
    } else if run.outcome.is_empty() && run.resumable {
        ("Go on where it stopped", format!("prunella runs resume {}", one_line(&run.run, 80)))
    } else {
        match (run.outcome.as_str(), run.end.as_str()) {
            ("", _) => ("Run it again", run_again("")),
            (_, "known") => ("See what there is on it", format!("prunella pulls list --repo {repo}")),
            ("nothing" | "success", _) => {
                ("See what the run did", format!("prunella runs show {}", one_line(&run.run, 80)))
            }
            (_, "unproven") => (
                "Add a test that fails because of it (or name the test command), commit it, and run again",
                run_again(""),
            ),
            _ if run.unguarded => (
                "It ran without isolation, where nothing counts as fixed. Run it again without `--sandbox none`; \
                 this says whether the sandbox works here",
                format!("prunella doctor --repo {repo}"),
            ),
            _ if !run.model => (
                "The playbook has no fix for this. With a model it can go further",
                format!("PRUNELLA_MODEL=openai/ID@URL {}", run_again("")),
            ),
            _ => (
                "See every step, prompt and answer",
                format!("prunella trace show {}", one_line(&run.run, 80)),
            ),
        }
    };
    write!(out, "## Next\n\n{why}:\n\n{}", fence("sh", &command, 2))
}

/// A word of a command, quoted where it must be.
fn argument(text: &str) -> String {
    let argv = [one_line(text, 1000)];
    super::shell(&argv)
}

fn list(out: &mut String, title: &str, items: &[String]) -> Result {
    if items.is_empty() {
        return Ok(());
    }
    writeln!(out, "{title}:\n")?;
    for item in items.iter().take(30) {
        writeln!(out, "- {}", code(item, 300))?;
    }
    writeln!(out)
}
