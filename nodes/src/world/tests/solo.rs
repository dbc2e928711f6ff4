//! Steps where nothing can be forked: each is a job of its own, and this side is the parent that knows its end.

use std::time::Duration;

use prunella_engine::EffectError;
use prunella_sandbox::{Edit, End, Job, Limits, Network, Report};
use serde_json::{Value, json};

use super::jobs::{Launcher, Plan, Ran, Start, Step, base_env, harness};
use super::records;

/// Runs the steps one after the other.
///
/// # Errors
/// Exit 31 when the sandbox cannot start.
pub(super) fn run(launcher: &Launcher, start: Start<'_>) -> Result<Ran, EffectError> {
    let mut channel = Vec::new();
    let mut whole: Option<Report> = None;
    let count = start.steps.len();
    for (number, step) in start.steps.iter().enumerate() {
        let mut report = launcher.perform(&job(launcher, &start, step)?)?;
        let heard = std::mem::take(&mut report.channel);
        for line in lines(number, &heard, &report) {
            channel.extend_from_slice(line.to_string().as_bytes());
            channel.push(b'\n');
        }
        // A step that broke the bounds of the sandbox speaks for all; one that was late speaks for itself.
        let broke = !contained(&report.end);
        if broke || whole.is_none() {
            whole = Some(report);
        }
        if broke {
            break;
        }
    }
    let mut report = match whole {
        Some(report) => report,
        None => launcher.perform(&job(launcher, &start, &Step { limit: 1.0, ..Step::default() })?)?,
    };
    if contained(&report.end) {
        report.end = End::Exited { code: 0 };
        channel.extend_from_slice(json!({"end": count}).to_string().as_bytes());
    }
    Ok(Ran { steps: records::read(&channel, count), report })
}

/// Whether a step that ended so hurt itself alone.
fn contained(end: &End) -> bool {
    matches!(end, End::Exited { .. } | End::Signalled { .. } | End::TimedOut | End::CpuTimedOut)
}

/// The job of one step; its files lie over the tree like edits.
fn job(launcher: &Launcher, start: &Start<'_>, step: &Step) -> Result<Job, EffectError> {
    let settings = start.settings;
    let mut edits = start.edits.clone();
    for (path, content) in &step.files {
        edits.retain(|edit| edit.path != *path);
        edits.push(Edit { path: path.clone(), content: decode(content), executable: false });
    }
    let plan = Plan {
        what: "run",
        runner: settings.command.runner(),
        subfolder: settings.subfolder.clone(),
        pythonpath: settings.pythonpath.clone(),
        steps: vec![Step { files: Vec::new(), ..step.clone() }],
        sites: settings.interpreter.facts.sites.clone(),
        ..Plan::default()
    };
    let wall = Duration::from_secs_f64(step.limit.clamp(0.1, 7200.0));
    let mut env = base_env(start.seed);
    env.extend(settings.env.iter().map(|(name, value)| (name.clone(), value.clone())));
    Ok(Job {
        tree: start.tree.to_owned(),
        edits,
        argv: launcher.argv(&settings.interpreter.exe),
        env,
        mounts: settings.mounts.clone(),
        files: harness(),
        input: plan.orders()?,
        protect: start.protect.clone(),
        limits: Limits { wall, cpu: wall + Duration::from_secs(1), ..Limits::default() },
        network: Network::None,
        channel: true,
        ..Job::default()
    })
}

/// Content as a plan holds it.
fn decode(content: &Value) -> Option<Vec<u8>> {
    match content {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Object(object) => {
            let hex = object.get("hex").and_then(Value::as_str).unwrap_or_default();
            let digits: Vec<u8> = hex.chars().filter_map(|c| u8::try_from(c.to_digit(16)?).ok()).collect();
            Some(
                digits
                    .chunks_exact(2)
                    .map(|pair| pair.iter().fold(0, |sum, digit| (sum << 4) | digit))
                    .collect(),
            )
        }
        _ => None,
    }
}

/// What the parent of forked steps would have sent: each record that carries the nonce and the next number, and then
/// what only a parent knows.
fn lines(number: usize, heard: &[u8], report: &Report) -> Vec<Value> {
    let mut out = Vec::new();
    let (mut foreign, mut gap, mut expected) = (0u64, false, 0u64);
    let mut rows: Vec<&[u8]> = heard.split(|byte| *byte == b'\n').collect();
    // What follows the last line's end is a line that breaks off.
    if rows.pop().is_some_and(|rest| !rest.is_empty()) {
        foreign += 1;
    }
    let mut rows = rows.into_iter();
    let nonce = rows
        .next()
        .and_then(|first| serde_json::from_slice::<Value>(first).ok())
        .and_then(|first| first.get("nonce").and_then(Value::as_str).map(str::to_owned));
    for row in rows {
        let record = nonce.as_deref().and_then(|nonce| numbered(row, nonce));
        let Some((at, record)) = record else {
            foreign += 1;
            continue;
        };
        gap |= at != expected;
        expected = at.saturating_add(1);
        if record["kind"] != "modules" {
            out.push(json!({"step": number, "record": record}));
        }
    }
    let (code, signal, late) = match report.end {
        End::Exited { code } => (Some(code), None, false),
        End::Signalled { signal } => (None, Some(signal), false),
        End::TimedOut | End::CpuTimedOut => (None, Some(9), true),
        _ => (None, Some(9), false),
    };
    out.push(json!({"step": number, "done": {
        "code": code, "signal": signal, "late": late, "wall_ms": report.usage.wall_ms, "foreign": foreign, "gap": gap,
    }}));
    out
}

/// A record's number and content, if it carries the nonce.
fn numbered(row: &[u8], nonce: &str) -> Option<(u64, Value)> {
    let text = std::str::from_utf8(row).ok()?;
    let (said, rest) = text.split_once(' ')?;
    let (number, record) = rest.split_once(' ')?;
    if said != nonce {
        return None;
    }
    Some((number.parse().ok()?, serde_json::from_str(record).ok()?))
}

#[cfg(test)]
mod tests {
    use prunella_sandbox::{Isolation, Output, Usage};

    use super::*;

    fn report(end: End) -> Report {
        Report {
            end,
            isolation: Isolation::Full,
            stdout: Output::default(),
            stderr: Output::default(),
            channel: Vec::new(),
            changed: Vec::new(),
            usage: Usage::default(),
        }
    }

    const HONEST: &str = r#"{"nonce": "ab"}
ab 0 {"kind":"collected","id":"t.py::a","path":"t.py"}
ab 1 {"kind":"start","id":"t.py::a"}
ab 2 {"kind":"result","id":"t.py::a","outcome":"passed","ms":3}
ab 3 {"kind":"finish","id":"t.py::a"}
ab 4 {"kind":"end","code":0}
"#;

    fn read(heard: &str, end: End) -> records::StepRecords {
        let text: Vec<String> =
            lines(0, heard.as_bytes(), &report(end)).iter().map(Value::to_string).collect();
        records::read(text.join("\n").as_bytes(), 1).step(0)
    }

    #[test]
    fn an_honest_step_is_complete() {
        let step = read(HONEST, End::Exited { code: 0 });
        assert_eq!((step.incomplete(), step.forged()), (None, None));
        assert_eq!(step.outcome("t.py::a"), Some(records::Outcome::Passed));
    }

    #[test]
    fn what_the_host_knows_counts_for_more_than_what_the_step_says() {
        assert!(read(HONEST, End::Exited { code: 3 }).incomplete().is_some());
        assert!(read(HONEST, End::Signalled { signal: 6 }).incomplete().is_some());
        let late = read(HONEST, End::TimedOut);
        assert!(late.done.as_ref().is_some_and(|done| done.late) && late.incomplete().is_some());
    }

    #[test]
    fn records_without_the_nonce_or_out_of_order_are_foreign() {
        for forged in [
            HONEST.replace("ab 2", "xx 2"),
            HONEST.replace("ab 3", "ab 4"),
            HONEST.replace("{\"nonce\": \"ab\"}\n", ""),
            format!("{HONEST}ab 5 {{\"kind\":\"result\""),
            format!("{HONEST}no record\n"),
        ] {
            assert!(read(&forged, End::Exited { code: 0 }).forged().is_some(), "{forged}");
        }
    }

    #[test]
    fn contents_come_back_from_a_plan() {
        let bytes: &[u8] = &[0, 255, 16, 7];
        for content in [Some(b"text".as_slice()), Some(bytes), None] {
            assert_eq!(decode(&super::super::batch::encode(content)).as_deref(), content);
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(heard in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = lines(0, &heard, &report(End::TimedOut));
        }
    }
}
