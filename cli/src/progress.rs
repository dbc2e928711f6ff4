//! What a person sees while a run is at work: the node, the attempt, how long, and what came of it.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use prunella_engine::Lane;
use prunella_engine::event::Event;
use serde_json::Value;

use crate::terminal::{Tone, paint, say, seconds};

/// Where a task stands, for people: its node, and the branch, item or call that it is in. Which execution it is shows
/// from the attempt and the order.
fn place(lane: &Lane) -> String {
    if lane.scope.is_empty() { lane.node.to_string() } else { format!("{}/{}", lane.scope, lane.node) }
}

/// Prints the events of a run: a moving line on a terminal, plain lines elsewhere.
pub(crate) struct Progress {
    line: Option<ProgressBar>,
    kinds: BTreeMap<Lane, String>,
}

impl Progress {
    /// For standard error as it is.
    pub(crate) fn new() -> Self {
        let line = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}");
            let bar = ProgressBar::new_spinner()
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { line, kinds: BTreeMap::new() }
    }

    /// Tells of one event.
    pub(crate) fn tell(&mut self, event: Event) {
        match event {
            Event::RunStarted { run, graph, resumed } => {
                self.print(&format!("run {run}: {graph}{}", if resumed { ", resumed" } else { "" }));
            }
            Event::TaskStarted { lane, kind, attempt, max_attempts } => {
                let which = if max_attempts > 1 {
                    format!(", attempt {attempt} of {max_attempts}")
                } else {
                    String::new()
                };
                self.now(&format!("{}{which}", place(&lane)));
                self.kinds.insert(lane, kind);
            }
            Event::EffectStarted { lane, name, r#try, .. } => {
                let again = if r#try > 1 { format!(", try {try}", r#try = r#try) } else { String::new() };
                self.moment(&format!("{}: {name}{again}", place(&lane)));
            }
            Event::EffectDone { .. }
            | Event::Routed { .. }
            | Event::Values { .. }
            | Event::Updates { .. }
            | Event::Tokens { .. }
            | Event::Custom { .. }
            | Event::Checkpoint { .. } => {}
            Event::EffectFailed { lane, name, r#try, message, again_in_ms, .. } => {
                let next = again_in_ms.map(|ms| format!("; again in {}", seconds(ms))).unwrap_or_default();
                self.print(&format!(
                    "  {} {}: {name} failed, try {}: {message}{next}",
                    paint(Tone::Bad, "!"),
                    place(&lane),
                    r#try
                ));
            }
            Event::TaskFailed { lane, error } => {
                self.print(&format!(
                    "{} {:<10} failed: {}",
                    paint(Tone::Bad, "✗"),
                    place(&lane),
                    error.message
                ));
            }
            Event::Interrupted { lane, id, question, answer } => {
                let takes = answer.map(|ty| format!(" [{ty}]")).unwrap_or_default();
                self.print(&format!(
                    "{} {:<10} asks ({id}): {question}{takes}",
                    paint(Tone::Dim, "?"),
                    place(&lane)
                ));
            }
            Event::Log { lane, message } => {
                self.print(&format!("  {} {message}", paint(Tone::Dim, &format!("{}:", place(&lane)))))
            }
            Event::Committed { lane, output, active_ms, .. } => {
                let kind = self.kinds.remove(&lane).unwrap_or_default();
                let (tone, what) = outcome(&kind, &output);
                let mark = if tone == Tone::Bad { "✗" } else { "✓" };
                self.print(&format!(
                    "{} {:<10} {:>8}  {what}",
                    paint(tone, mark),
                    place(&lane),
                    seconds(active_ms)
                ));
            }
            Event::Ended { end, limit, .. } => {
                let limit = limit.map(|limit| format!(" (limit reached: {limit})")).unwrap_or_default();
                self.print(&format!("end: {}{limit}", end.unwrap_or_else(|| "cancelled".to_owned())));
                self.clear();
            }
            Event::Stopped { why } => {
                self.print(&format!("stopped: {why}"));
                self.clear();
            }
        }
    }

    /// A finished line.
    fn print(&self, text: &str) {
        match &self.line {
            Some(line) => line.suspend(|| say(text)),
            None => say(text),
        }
    }

    /// What is at work now: a moving line, or a plain one.
    fn now(&self, text: &str) {
        match &self.line {
            Some(line) => {
                line.reset_elapsed();
                line.set_message(text.to_owned());
            }
            None => say(format!("… {text}")),
        }
    }

    /// What is at work now in detail; only where it can be overwritten.
    fn moment(&self, text: &str) {
        if let Some(line) = &self.line {
            line.set_message(text.to_owned());
        }
    }

    fn clear(&self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}

/// What a task gave, in one line.
fn outcome(kind: &str, output: &Value) -> (Tone, String) {
    let text = |pointer: &str| output.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let yes = |pointer: &str| output.pointer(pointer).and_then(Value::as_bool).unwrap_or_default();
    match kind {
        "detect" => {
            let what = match text("/status").as_str() {
                "none" if text("/known").is_empty() => "no incident in the log".to_owned(),
                "none" => text("/known"),
                "known" => format!("{}: {}", text("/incident/exception"), text("/known")),
                _ => format!("{} ({})", text("/incident/exception"), short(&text("/incident/fingerprint"))),
            };
            (Tone::Good, what)
        }
        "reproduce" if yes("/found") => {
            (Tone::Good, format!("{} test {}", text("/reproduction/kind"), text("/reproduction/test_id")))
        }
        "reproduce" if yes("/already_fixed") => (Tone::Good, "already fixed at the base commit".to_owned()),
        "reproduce" => (Tone::Bad, "no reproduction".to_owned()),
        "analyze" => (Tone::Good, text("/root_cause")),
        "generate" if yes("/proposed") => {
            (Tone::Good, format!("{}: {}", text("/candidate/origin"), text("/candidate/summary")))
        }
        "generate" => (Tone::Bad, output["lessons"][0].as_str().unwrap_or("no candidate").to_owned()),
        "test" => (
            if yes("/fixed") { Tone::Good } else { Tone::Bad },
            format!("{}: {}", text("/status"), text("/reason")),
        ),
        "pr" if text("/pull/id").is_empty() => (Tone::Good, "dry run: nothing was written".to_owned()),
        "pr" => {
            let draft = if yes("/pull/draft") { " (draft)" } else { "" };
            (Tone::Good, format!("{}{draft} {}", text("/pull/action"), text("/pull/branch")))
        }
        "agent" if yes("/proposed") => (Tone::Good, text("/candidate/summary")),
        "agent" if text("/why").is_empty() => (Tone::Good, "no change".to_owned()),
        "agent" => (Tone::Bad, text("/why")),
        "command" => {
            let how = match output["status"].as_i64() {
                Some(status) => format!("status {status}"),
                None => text("/how"),
            };
            (if yes("/ok") { Tone::Good } else { Tone::Bad }, how)
        }
        "select" if yes("/found") => (Tone::Good, format!("item {}", output["index"])),
        "select" => (Tone::Bad, "nothing passes".to_owned()),
        "approve" if text("/by").is_empty() => (Tone::Good, text("/outcome")),
        "approve" => (Tone::Good, format!("{} by {}", text("/outcome"), text("/by"))),
        "notify" if yes("/sent") => (Tone::Good, "sent".to_owned()),
        "notify" => (Tone::Bad, format!("not sent: {}", text("/why"))),
        _ => (Tone::Good, String::new()),
    }
}

/// The first eight digits of a hash: how people say it.
pub(crate) fn short(hash: &str) -> &str {
    hash.get(..8).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_told_with_the_scope_that_it_is_in() {
        let told = |lane: &str| place(&Lane::try_from(lane.to_owned()).unwrap());
        assert_eq!(told("generate#2"), "generate");
        assert_eq!(told("compete[1]/generate#2"), "compete[1]/generate");
        assert_eq!(told("each[3]/fork[0]/test#1"), "each[3]/fork[0]/test");
    }
}
