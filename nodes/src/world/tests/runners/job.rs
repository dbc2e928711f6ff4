//! Runs steps of a foreign runner, one start of the sandbox each, and turns what it reported into records.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use prunella_engine::EffectError;
use prunella_sandbox::{Edit, End, File, Job, Limits, Network};
use serde_json::Value;

use super::launch::{self, Launch, REPORT};
use super::sent::{self, Sent};
use super::{Foreign, Tool, cargo};
use crate::reports::{self, Outcome as Reported, Report};
use crate::world::tests::jobs::{Launcher, Ran, Start, Step};
use crate::world::tests::records::{Broken, Done, Failure, Outcome, StepRecords, Steps, Test};

/// Our side of a foreign runner, visible under `/prunella`.
pub(crate) const DRIVERS: &[(&str, &str)] = &[
    ("prunella_run.sh", include_str!("../harness/prunella_run.sh")),
    ("prunella_cargo.sh", include_str!("../harness/prunella_cargo.sh")),
    ("prunella_node.mjs", include_str!("../harness/prunella_node.mjs")),
    ("prunella_nextest.toml", include_str!("../harness/prunella_nextest.toml")),
];

/// Seconds that a build may take beside the tests' own time.
const BUILD: f64 = 900.0;
/// What compilers and their output need.
const MEMORY: u64 = 6 << 30;
/// The same for what they write.
const DISK: u64 = 4 << 30;

impl Launcher {
    /// Runs the steps with a foreign runner.
    ///
    /// # Errors
    /// Exit 31 when the sandbox cannot start.
    pub(crate) fn run_foreign(&self, start: Start<'_>, foreign: &Foreign) -> Result<Ran, EffectError> {
        let mut steps = Steps { steps: Vec::new(), ended: true };
        let mut whole = None;
        for step in &start.steps {
            let launch = launch::launch(foreign, &start.settings.kit, step);
            let job = job(&start, step, &launch);
            let mut report = self.perform(&job)?;
            let channel = std::mem::take(&mut report.channel);
            let late = report.end == End::TimedOut;
            let mut records = records(foreign, &sent::read(&channel), &start.settings.files, late);
            if let Some(done) = &mut records.done {
                done.wall_ms = report.usage.wall_ms;
            }
            steps.steps.push(records);
            // The worst start speaks for all.
            if whole.as_ref().is_none_or(|_| report.end != (End::Exited { code: 0 })) {
                whole = Some(report);
            }
        }
        let Some(report) = whole else {
            return Err(EffectError::new("tests.plan", 1, "a plan without a step"));
        };
        Ok(Ran { steps, report })
    }
}

fn job(start: &Start<'_>, step: &Step, launch: &Launch) -> Job {
    let settings = start.settings;
    let kit = &settings.kit;
    let lines =
        |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes();
    let reports: Vec<String> =
        launch.reports.iter().map(|(label, pattern)| format!("{label} {pattern}")).collect();
    let links: Vec<String> = kit.links.iter().map(|(target, link)| format!("{target} {link}")).collect();
    let mut files: Vec<File> = DRIVERS
        .iter()
        .map(|(name, source)| File { name: (*name).to_owned(), content: source.as_bytes().to_vec() })
        .collect();
    for (name, content) in [
        ("build", lines(&launch.build)),
        ("command", lines(&launch.command)),
        ("reports", lines(&reports)),
        ("links", lines(&links)),
        ("limit", format!("{}\n", step.limit.ceil().max(1.0)).into_bytes()),
    ] {
        files.push(File { name: name.to_owned(), content });
    }
    for (name, content) in &kit.files {
        files.push(File { name: name.clone(), content: content.clone().into_bytes() });
    }
    let mut env: BTreeMap<String, String> = kit.env.clone();
    env.insert("PYTHONHASHSEED".to_owned(), start.seed.to_string());
    env.extend(settings.env.clone());
    env.extend(launch.env.clone());
    let build = if launch.build.is_empty() { 0.0 } else { BUILD };
    let wall = Duration::from_secs_f64((step.limit + build + 30.0).clamp(1.0, 7200.0));
    let mut edits = start.edits.clone();
    for (path, content) in &step.files {
        edits.retain(|edit| edit.path != *path);
        edits.push(Edit { path: path.clone(), content: decode(content), executable: false });
    }
    Job {
        tree: start.tree.to_owned(),
        edits,
        argv: ["sh", "/prunella/prunella_run.sh"].map(str::to_owned).to_vec(),
        env,
        cwd: settings.subfolder.clone(),
        mounts: settings.mounts.clone(),
        files,
        input: Vec::new(),
        protect: start.protect.clone(),
        limits: Limits {
            wall,
            cpu: wall,
            memory: MEMORY,
            processes: 1024,
            cores: cores(),
            disk: DISK,
            output_max: 192 << 20,
            ..Limits::default()
        },
        network: Network::Loopback,
        channel: true,
    }
}

/// Compilers and runners may use the whole machine.
pub(super) fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX))
}

/// Content as a step holds it.
fn decode(content: &Value) -> Option<Vec<u8>> {
    match content {
        Value::Null => None,
        Value::String(text) => Some(text.clone().into_bytes()),
        other => {
            let hex = other.get("hex").and_then(Value::as_str).unwrap_or_default().as_bytes();
            let digit = |at: usize| hex.get(at).and_then(|c| char::from(*c).to_digit(16)).unwrap_or_default();
            Some((0..hex.len() / 2).map(|i| (digit(2 * i) * 16 + digit(2 * i + 1)) as u8).collect())
        }
    }
}

/// What was sent, as records.
fn records(foreign: &Foreign, sent: &Sent, files: &BTreeSet<String>, late: bool) -> StepRecords {
    // 124 is what `timeout` says of a command that it ended.
    let late = late || sent.end == Some(124);
    let mut out = StepRecords {
        done: Some(Done { code: sent.end, late, ..Done::default() }),
        end: sent.end.map(i64::from),
        ..StepRecords::default()
    };
    if sent.nonsense || (sent.end.is_none() && !late) {
        out.problem = Some("what came back from the test command breaks off".to_owned());
    }
    if let Some(stale) = sent.stale.first() {
        out.problem = Some(format!("{stale} was there before the tests and could not be removed"));
    }
    if sent.built.is_some_and(|code| code != 0) {
        out.unbuilt = Some(compiler(&sent.text("said")));
        return out;
    }
    let report = report(foreign, sent, files);
    let said = sent.text("said");
    let failed = report.cases.iter().any(|case| case.outcome == Reported::Failed);
    if foreign.tool == Tool::Go && report.cases.is_empty() && !report.broken.is_empty() {
        out.unbuilt = report.broken.first().map(|(place, why)| format!("{place}: {why}"));
    }
    out.problem = out.problem.or(report.problem);
    match sent.end {
        Some(0) | None => {}
        Some(_) if failed || !report.broken.is_empty() || late => {}
        Some(code) => {
            out.problem.get_or_insert(format!(
                "the command ended with status {code}, and no test in its report failed: {}",
                last_line(&said)
            ));
        }
    }
    if sent.end == Some(0) && report.cases.is_empty() && report.broken.is_empty() {
        out.problem.get_or_insert(
            "the command ended with status 0 and reported no test: an exit status alone is no evidence"
                .to_owned(),
        );
    }
    for case in report.cases {
        let outcome = match case.outcome {
            Reported::Passed => Outcome::Passed,
            Reported::Skipped => Outcome::Skipped,
            Reported::Failed => Outcome::Failed,
        };
        let failure = (outcome == Outcome::Failed).then(|| Failure {
            // A failure is of some kind, though not every report says which.
            exception: if case.kind.is_empty() { "failure".to_owned() } else { case.kind.clone() },
            message: case.message.clone(),
            frames: Vec::new(),
        });
        let test = out.tests.entry(case.id).or_insert_with(|| Test {
            path: own_path(&case.file, files),
            outcome: None,
            failure: None,
            starts: 0,
            finished: true,
            ms: None,
        });
        test.starts += 1;
        // The worst of a test that ran more than once counts.
        test.outcome = test.outcome.max(Some(outcome));
        test.failure = test.failure.take().or(failure);
        test.ms = test.ms.max(case.ms);
    }
    out.broken = report
        .broken
        .into_iter()
        .map(|(path, why)| Broken { why: reason(&why).to_owned(), text: why, path: own_path(&path, files) })
        .collect();
    out
}

/// The reports of a step as one.
fn report(foreign: &Foreign, sent: &Sent, files: &BTreeSet<String>) -> Report {
    let format = foreign.format();
    if matches!(foreign.tool, Tool::Cargo | Tool::Nextest) && foreign.reports.is_empty() {
        return cargo::read(sent, files);
    }
    let mut parts: Vec<Report> = sent
        .files
        .iter()
        .filter(|file| file.label == REPORT)
        .map(|file| reports::read(format, &file.content))
        .collect();
    let stream = foreign.reports.is_empty() && matches!(foreign.tool, Tool::Go | Tool::Tap);
    if stream {
        let mut text = sent.text("stdout");
        if launch::merged(format) {
            text.push('\n');
            text.push_str(&sent.text("said"));
        }
        parts.push(reports::read(format, text.as_bytes()));
    }
    let mut out = Report::default();
    if parts.is_empty() {
        out.problem = Some(format!("the command wrote no report: {}", last_line(&sent.text("said"))));
    }
    for part in parts {
        out.cases.extend(part.cases);
        out.broken.extend(part.broken);
        out.problem = out.problem.or(part.problem);
    }
    out
}

/// A report's path as one of the repository, where it is; else as it is written.
fn own_path(path: &str, files: &BTreeSet<String>) -> String {
    let plain = path.strip_prefix("/repo/").unwrap_or(path).trim_start_matches("./");
    if files.contains(plain) {
        return plain.to_owned();
    }
    // Reports name files from where the tests are started, or as modules.
    let ending = format!("/{plain}");
    let mut fits = files.iter().filter(|file| !plain.is_empty() && file.ends_with(&ending));
    match (fits.next(), fits.next()) {
        (Some(one), None) => one.clone(),
        _ => plain.to_owned(),
    }
}

/// What a compiler said, from its first error on.
fn compiler(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    let first = lines
        .iter()
        .position(|line| line.starts_with("error") || line.contains("ERROR") || line.contains(": error"));
    let from = first.unwrap_or(lines.len().saturating_sub(40));
    let text = lines.get(from..).unwrap_or_default().join("\n");
    text.chars().take(4000).collect()
}

/// The line that says most: the first with an error in it, else the last.
fn reason(text: &str) -> &str {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .clone()
        .find(|line| line.contains("Error") || line.contains("error"))
        .or(lines.next_back())
        .unwrap_or("")
}

fn last_line(text: &str) -> String {
    text.lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("it said nothing")
        .chars()
        .take(300)
        .collect()
}
