//! What a person reads: the page of a pull request, and the report of a run. Pure: values in, Markdown out.

mod escape;
mod mask;
mod report;

#[cfg(test)]
pub(crate) mod tests;

use std::fmt::Write;

pub use escape::{code, fence, one_line, prose, visible};
pub use mask::Mask;
pub use report::{Attempt, RunSummary, report};

use crate::types::{Candidate, Counts, Frame, Incident, Reproduction, ReproductionKind, Verdict};

/// What the page of a pull request is made of.
pub struct PullPage<'a> {
    /// The run's id.
    pub run: &'a str,
    /// The base commit.
    pub base: &'a str,
    /// The branch.
    pub branch: &'a str,
    /// The branch's last commit; empty while it is not written.
    pub head: &'a str,
    /// Something that is red to check out: `BRANCH~1`, or the base commit.
    pub red: &'a str,
    /// What broke.
    pub incident: &'a Incident,
    /// Why it broke.
    pub root_cause: &'a str,
    /// What the fix was meant to do; empty when nobody said.
    pub strategy: &'a str,
    /// The test that failed.
    pub reproduction: &'a Reproduction,
    /// The fix.
    pub candidate: &'a Candidate,
    /// Its unified diff.
    pub diff: &'a str,
    /// What the tests said.
    pub verdict: &'a Verdict,
    /// What earlier attempts taught.
    pub lessons: &'a [String],
    /// Why it is a draft; empty when it is offered as ready.
    pub draft: &'a [String],
    /// The folder within the repository that its tests run in; empty for the repository's top.
    pub folder: &'a str,
    /// Keeps values of the log off the page.
    pub mask: &'a Mask,
}

/// The page of a pull request, Markdown. All that matters stands in its first 25 lines; the rest is folded.
#[must_use]
pub fn pull_page(page: &PullPage<'_>) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = what_broke(page, &mut out)
        .and_then(|()| evidence(page, &mut out))
        .and_then(|()| limits(page, &mut out))
        .and_then(|()| how_to_check(page, &mut out))
        .and_then(|()| folded(page, &mut out));
    out
}

fn what_broke(page: &PullPage<'_>, out: &mut String) -> std::fmt::Result {
    let incident = page.incident;
    write!(out, "**{}**", prose(&incident.exception, 80))?;
    if let Some(frame) = culprit(incident) {
        write!(out, " at {}", code(&place(frame), 160))?;
        if !frame.function.is_empty() {
            write!(out, " in {}", code(&frame.function, 80))?;
        }
    }
    if !incident.template.is_empty() {
        write!(out, ": {}", code(&incident.template, 160))?;
    }
    write!(out, "\n\nSeen {} in the log", times(incident.count))?;
    match (incident.first_seen.as_str(), incident.last_seen.as_str()) {
        ("", _) => {}
        (first, last) if last.is_empty() || first == last => write!(out, ", at {}", prose(first, 40))?,
        (first, last) => write!(out, ", from {} to {}", prose(first, 40), prose(last, 40))?,
    }
    write!(out, "; incident {}.", code(&incident.fingerprint, 80))?;
    if incident.regression {
        write!(out, " **It was fixed before**, that fix is in the base, and it happened again.")?;
    }
    let why = page.mask.apply(page.root_cause);
    write!(out, "\n\n**Why:** {}", prose(if why.trim().is_empty() { "not known" } else { &why }, 320))?;
    if let Some(frame) = culprit(incident).filter(|frame| !why.contains(&place(frame))) {
        write!(out, " ({})", code(&place(frame), 160))?;
    }
    writeln!(out, "\n")
}

fn evidence(page: &PullPage<'_>, out: &mut String) -> std::fmt::Result {
    let (reproduction, verdict) = (page.reproduction, page.verdict);
    let made = match reproduction.kind {
        ReproductionKind::Generated => ", made from the trace",
        ReproductionKind::Existing => ", in the repository already",
        ReproductionKind::None => "",
    };
    writeln!(out, "| | before ({}) | with this change |\n|---|---|---|", code(short(page.base), 12))?;
    let id = code(&reproduction.test_id, 160);
    let outcomes =
        [&verdict.reproduction_before, &verdict.reproduction_after].map(|o| prose(&outcome(o), 80));
    writeln!(out, "| reproduction {id}{made} | {} | {} |", outcomes[0], outcomes[1])?;
    writeln!(out, "| whole suite | {} | {} |", counts(&verdict.before), counts(&verdict.after))?;
    writeln!(out, "| command | {} | the same |", code(&shell(&verdict.command), 200))?;
    let isolation = prose(&verdict.isolation, 120);
    let trees = [&verdict.base_tree, &verdict.candidate_tree].map(|tree| code(short(tree), 12));
    writeln!(out, "| sandbox: isolation {isolation} | tree {} | tree {} |\n", trees[0], trees[1])
}

/// How the evidence begins that says so.
pub(crate) const SHARED_PROCESS: &str = "the reproduction shares a process with the code under test";

/// At most four lines.
fn limits(page: &PullPage<'_>, out: &mut String) -> std::fmt::Result {
    let verdict = page.verdict;
    let mut limits = vec![match page.reproduction.kind {
        ReproductionKind::Generated => {
            "the reproduction is the trace's own call: it shows that nothing is raised any more, not that the result is right"
        }
        ReproductionKind::Existing => "the tests pass; what they do not look at is not known",
        ReproductionKind::None => "nothing reproduced the incident: no test shows that it is gone",
    }
    .to_owned()];
    if !verdict.flaky.is_empty() {
        limits.push(format!("{} flaky tests were set aside", verdict.flaky.len()));
    }
    if !page.incident.drift.is_empty() {
        limits.push("the source in the trace differs from the base commit".to_owned());
    }
    // The judge's own words for it, so that nothing of a test's is looked for.
    if verdict.evidence.iter().any(|phrase| phrase.starts_with(SHARED_PROCESS)) {
        limits.push(
            "the reproduction shares a process with the fix, which could bend what it reports".to_owned(),
        );
    }
    writeln!(out, "**What this does not prove:** {}.", limits.join("; "))?;
    let because: Vec<_> = verdict.evidence.iter().map(|phrase| page.mask.apply(phrase)).collect();
    writeln!(out, "Confidence {:.2} ({}).", verdict.confidence, prose(&because.join("; "), 280))?;
    if !page.draft.is_empty() {
        writeln!(out, "A **draft**: {}.", prose(&page.mask.apply(&page.draft.join("; ")), 280))?;
    }
    writeln!(out)
}

fn how_to_check(page: &PullPage<'_>, out: &mut String) -> std::fmt::Result {
    let command = one_line(&shell(&page.verdict.command), 300);
    let folder = one_line(&shell(&[page.folder.to_owned()]), 200);
    let (then, repo) = match (command.is_empty(), page.folder.is_empty()) {
        (true, true) => (String::new(), "."),
        (true, false) => (String::new(), folder.as_str()),
        (false, true) => (format!(" && {command}"), "."),
        (false, false) => (format!(" && (cd {folder} && {command})"), folder.as_str()),
    };
    let (red, branch, run) = (one_line(page.red, 80), one_line(page.branch, 80), one_line(page.run, 80));
    let text = format!(
        "git checkout {red}{then}   # red\n\
         git checkout {branch}{then}   # green\n\
         prunella judge {branch} --repo {repo}   # runs the tests again, here\n\
         prunella replay {run}   # shows what happened, step by step\n"
    );
    writeln!(out, "{}", fence("sh", &text, 4))
}

fn folded(page: &PullPage<'_>, out: &mut String) -> std::fmt::Result {
    let (verdict, candidate) = (page.verdict, page.candidate);
    let said = |text: &str, most: usize| prose(&page.mask.apply(text), most);
    fold(out, "Change and risk", |out| {
        writeln!(out, "{}\n", said(&candidate.summary, 600))?;
        if !page.strategy.trim().is_empty() {
            writeln!(out, "Meant to: {}\n", said(page.strategy, 1200))?;
        }
        let (mut added, mut removed) = (0, 0);
        for file in stat(page.diff) {
            writeln!(out, "- {} +{} −{}", code(&file.0, 200), file.1, file.2)?;
            (added, removed) = (added + file.1, removed + file.2);
        }
        writeln!(out, "\nIn all +{added} −{removed}. The verdict: {}.", said(&verdict.reason, 400))?;
        list(out, "Passed before and not now:", &verdict.regressions)?;
        list(out, "Flaky, set aside:", &verdict.flaky)?;
        list(out, "The trace and the base commit differ:", &page.incident.drift)?;
        writeln!(out, "\n{}", fence("diff", page.diff, 600))
    })?;
    fold(out, "Undo", |out| {
        let id = page.branch.rsplit('/').next().unwrap_or_default();
        let fix = if page.head.is_empty() { page.branch } else { short(page.head) };
        let text = format!(
            "prunella pulls close {}   # before it is merged\ngit revert {}   # after\n",
            one_line(id, 80),
            one_line(fix, 80)
        );
        writeln!(out, "{}", fence("sh", &text, 2))
    })?;
    fold(out, "Attempts that failed", |out| {
        if page.lessons.is_empty() {
            return writeln!(out, "None: the first one held.\n");
        }
        for (i, lesson) in page.lessons.iter().take(20).enumerate() {
            writeln!(out, "{}.\n\n{}", i + 1, fence("text", &page.mask.apply(lesson), 80))?;
        }
        Ok(())
    })?;
    fold(out, "Alternatives that also passed", |out| {
        if candidate.alternatives.is_empty() {
            return writeln!(out, "None.\n");
        }
        for alternative in candidate.alternatives.iter().take(8) {
            writeln!(out, "- {}", said(alternative, 300))?;
        }
        writeln!(out)
    })?;
    fold(out, "Prompts and models", |out| {
        let origin = code(&candidate.origin, 80);
        let run = code(&format!("prunella trace show {}", page.run), 120);
        match candidate.origin.strip_prefix("playbook/") {
            Some(_) => writeln!(
                out,
                "The change is by {origin}, a rule; no model wrote it. The trace has all that was asked: {run}.\n"
            ),
            None => {
                writeln!(out, "The change is by {origin}. Every prompt and answer is in the trace: {run}.\n")
            }
        }
    })?;
    fold(out, "Cost", |out| {
        writeln!(out, "Time and money by step: {}.\n", code(&format!("prunella runs show {}", page.run), 120))
    })?;
    fold(out, "Stack", |out| {
        for frame in page.incident.frames.iter().rev().take(40) {
            let ours = if frame.path.is_some() { "" } else { " (outside)" };
            writeln!(out, "- {} {}{ours}", code(&place(frame), 200), code(&frame.function, 80))?;
        }
        for cause in &page.incident.causes {
            writeln!(out, "- caused by {}", code(&cause.exception, 80))?;
        }
        writeln!(out)
    })
}

/// A folded part. The blank line after the summary makes Markdown of what follows.
fn fold(
    out: &mut String,
    title: &str,
    body: impl FnOnce(&mut String) -> std::fmt::Result,
) -> std::fmt::Result {
    write!(out, "<details><summary>{title}</summary>\n\n")?;
    body(out)?;
    writeln!(out, "</details>")
}

/// A list under a line, or nothing when it is empty.
fn list(out: &mut String, title: &str, items: &[String]) -> std::fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title}\n")?;
    for item in items.iter().take(50) {
        writeln!(out, "- {}", code(item, 200))?;
    }
    if items.len() > 50 {
        writeln!(out, "- and {} more", items.len() - 50)?;
    }
    Ok(())
}

/// The innermost frame in the repository, or the innermost of all.
pub(crate) fn culprit(incident: &Incident) -> Option<&Frame> {
    incident.frames.iter().rfind(|frame| frame.path.is_some()).or(incident.frames.last())
}

/// `path:line`, in the repository where it is ours.
pub(crate) fn place(frame: &Frame) -> String {
    match &frame.path {
        Some(path) => format!("{path}:{}", frame.repo_line.unwrap_or(frame.line)),
        None => format!("{}:{}", frame.file, frame.line),
    }
}

/// An outcome without the message that it may quote: `failed (KeyError: 'a')` is `failed (KeyError)`.
fn outcome(text: &str) -> String {
    let (word, rest) = text.split_once('(').unwrap_or((text, ""));
    let kind = rest.split([':', ')', '\n', ' ']).next().unwrap_or_default();
    let word = word.split([':', '\n']).next().unwrap_or_default().trim();
    if kind.is_empty() { word.to_owned() } else { format!("{word} ({kind})") }
}

fn counts(counts: &Counts) -> String {
    let mut text = format!("{} passed, {} failed", counts.passed, counts.failed);
    for (count, what) in [(counts.skipped, "skipped"), (counts.missing, "missing")] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    text
}

/// The command as a person types it in a shell.
#[must_use]
pub fn shell(argv: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    let quote = |arg: &String| match !arg.is_empty() && arg.chars().all(plain) {
        true => arg.clone(),
        false => format!("'{}'", arg.replace('\'', "'\\''")),
    };
    argv.iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// For each file of a unified diff its path, and the lines added and removed. The hunks' headers say how far
/// they reach: a removed line may well read `-- a/file`.
fn stat(diff: &str) -> Vec<(String, u64, u64)> {
    let mut files: Vec<(String, u64, u64)> = Vec::new();
    let (mut old, mut old_left, mut new_left) = ("", 0_u64, 0_u64);
    for line in diff.lines() {
        if old_left > 0 || new_left > 0 {
            let (removed, added) = (line.starts_with('-'), line.starts_with('+'));
            let context = u64::from(!removed && !added && !line.starts_with('\\'));
            old_left = old_left.saturating_sub(context + u64::from(removed));
            new_left = new_left.saturating_sub(context + u64::from(added));
            if let Some(file) = files.last_mut() {
                file.1 += u64::from(added);
                file.2 += u64::from(removed);
            }
        } else if let Some(path) = line.strip_prefix("--- ") {
            old = path.strip_prefix("a/").unwrap_or(path);
        } else if let Some(path) = line.strip_prefix("+++ ") {
            let new = path.strip_prefix("b/").unwrap_or(path);
            files.push((if new == "/dev/null" { old } else { new }.to_owned(), 0, 0));
        } else if let Some(ranges) = line.strip_prefix("@@ ") {
            let mut lengths = ranges.split(' ').take(2).map(|range| match range.split_once(',') {
                Some((_, length)) => length.parse().unwrap_or(0),
                None => 1,
            });
            (old_left, new_left) = (lengths.next().unwrap_or(0), lengths.next().unwrap_or(0));
        }
    }
    files
}

/// `3 times`, as one says it.
pub(crate) fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    }
}

/// The first seven digits of a hash.
pub(crate) fn short(hash: &str) -> &str {
    hash.get(..7).unwrap_or(hash)
}
