//! The one place that prints. Results go to standard output, everything else to standard error.

use std::io::{IsTerminal, Write};

use crate::failure::Failure;

/// Writes a line of the result. A reader that went away is no failure of ours.
pub(crate) fn out(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Writes text of the result as it stands.
pub(crate) fn out_raw(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Writes a line of progress.
pub(crate) fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Writes a value of the result as JSON.
pub(crate) fn json(value: &serde_json::Value) {
    out(serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Writes a failure: `error: …` and `help: …`.
pub(crate) fn failure(failure: &Failure) {
    say(format!("{}: {}", paint(Tone::Bad, "error"), failure.message));
    if let Some(help) = &failure.help {
        say(format!("{}: {help}", paint(Tone::Note, "help")));
    }
}

/// What a word means to the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// It worked.
    Good,
    /// It did not.
    Bad,
    /// A hint.
    Note,
    /// Beside the point.
    Dim,
}

/// `text` in the colour of `tone`, where standard error is a terminal and `NO_COLOR` is not set.
pub(crate) fn paint(tone: Tone, text: &str) -> String {
    painted(tone, text, std::io::stderr().is_terminal())
}

/// The same for text that goes to standard output.
pub(crate) fn paint_out(tone: Tone, text: &str) -> String {
    painted(tone, text, std::io::stdout().is_terminal())
}

fn painted(tone: Tone, text: &str, terminal: bool) -> String {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if plain || !terminal {
        return text.to_owned();
    }
    let code = match tone {
        Tone::Good => "32",
        Tone::Bad => "31",
        Tone::Note => "36",
        Tone::Dim => "2",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// A duration as a person reads it.
pub(crate) fn seconds(ms: u64) -> String {
    if ms < 60_000 {
        format!("{}.{} s", ms / 1000, ms % 1000 / 100)
    } else {
        format!("{} min {} s", ms / 60_000, ms / 1000 % 60)
    }
}
