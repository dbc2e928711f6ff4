//! A log's lines with what wraps them taken off: colours, JSON records, escaped newlines.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use regex::Regex;
use serde_json::Value;

use super::frames::FRAME;

/// What begins a traceback.
pub(super) const HEADER: &str = "Traceback (most recent call last)";

/// Longest line that is read as JSON, in bytes.
const LONGEST_JSON: usize = 8 << 20;

/// Where in a line its own time stamp is looked for, in bytes.
const STAMP_WINDOW: usize = 120;

/// Longest time stamp of a JSON record that is taken for one, in bytes.
const LONGEST_STAMP: usize = 64;

/// Most lines that are looked at, those of JSON records included: the last ones. At 16 bytes a line that is all of the
/// longest log; a log of line feeds alone would need fifty times its size in memory.
const MOST_LINES: usize = 4 << 20;

/// A line of the log, or a line of a text that one line of the log holds.
pub(super) struct Line<'a> {
    /// The text, without its end.
    pub(super) text: Cow<'a, str>,
    /// The time stamp of the JSON record it came in.
    pub(super) stamp: Option<Arc<str>>,
    /// It is the last one of a text that one line of the log holds: what follows is another record.
    pub(super) closes: bool,
}

/// The lines of `log`, unwrapped. Work and memory grow with the log's length.
pub(super) fn split(log: &str) -> Vec<Line<'_>> {
    newest(log, MOST_LINES)
}

/// The last `most` lines of `log`, and no more than as many again that records hold.
fn newest(log: &str, most: usize) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let ends = log.bytes().enumerate().rev().filter(|(_, byte)| matches!(byte, b'\n' | b'\r'));
    let start = ends.skip(most).map(|(at, _)| at + 1).next().unwrap_or(0);
    // A lone carriage return ends a line too: that is how Lambda's runtime writes a traceback in one event.
    for physical in log[start..].split('\n').flat_map(|line| line.trim_end_matches('\r').split('\r')) {
        let text = plain(physical);
        if lines.len() > most + most / 2 {
            lines.drain(..lines.len() - most);
        }
        if !unwrap(&text, &mut lines) {
            lines.push(Line { text, stamp: None, closes: false });
        }
    }
    lines
}

/// The time stamp that `line` begins with (a few words may stand before it), as printed.
pub(super) fn stamp(line: &str) -> Option<&str> {
    static STAMP: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(concat!(
            r"\d{4}[-/]\d{2}[-/]\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?",
            r"|\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2}(?: [+-]\d{4})?",
            r"|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d{2}:\d{2}:\d{2}",
            r"|^\W?\d{2}:\d{2}:\d{2}(?:[.,]\d{1,9})?",
            r"|^1\d{12}\b",
        ))
        .expect("the pattern is a constant that the tests compile")
    });
    let mut end = line.len().min(STAMP_WINDOW);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    STAMP.find(&line[..end]).map(|found| found.as_str())
}

/// `text` without terminal colours, and with plain spaces for the no-break ones that Lambda indents by.
fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(['\u{1b}', '\u{a0}']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{a0}' => out.push(' '),
            '\u{1b}' => match chars.next() {
                Some('[') => {
                    // Parameters and intermediates, then one final byte.
                    while chars.peek().is_some_and(|c| ('\u{20}'..='\u{3f}').contains(c)) {
                        chars.next();
                    }
                    chars.next();
                }
                Some(']') => {
                    for c in chars.by_ref() {
                        if c == '\u{7}' || c == '\u{1b}' {
                            break;
                        }
                    }
                }
                _ => {}
            },
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Pushes the lines that `text` holds when it wraps several; says whether it does.
fn unwrap(text: &str, lines: &mut Vec<Line<'_>>) -> bool {
    let docker = text.starts_with("{\"log\":");
    let has_header = text.contains(HEADER);
    if !docker && !has_header && !text.contains("\"stackTrace\"") {
        return false;
    }
    if text.len() <= LONGEST_JSON
        && let Some(start) = text.find('{')
        && let Ok(Value::Object(record)) = serde_json::from_str(text[start..].trim_end())
    {
        let found = traces_in(&Value::Object(record.clone()), docker);
        if !found.is_empty() {
            let time = ["timestamp", "@timestamp", "time", "ts", "asctime", "date"]
                .iter()
                .find_map(|key| record.get(*key))
                .and_then(|value| match value {
                    Value::String(text) if text.len() <= LONGEST_STAMP => Some(text.clone()),
                    Value::Number(number) => Some(number.to_string()),
                    _ => None,
                })
                .or_else(|| stamp(&text[..start]).map(str::to_owned));
            for text in found {
                push_lines(&text, time.as_deref(), lines);
            }
            return true;
        }
    }
    if !has_header {
        return false;
    }
    let after = text.find(HEADER).map_or("", |at| text[at + HEADER.len()..].trim_start_matches(':'));
    let time = stamp(text).map(str::to_owned);
    if after.starts_with("\\n") || after.starts_with("\\r") {
        push_lines(&unescape(quoted(text)), time.as_deref(), lines);
        true
    } else if after.starts_with("#012") {
        push_lines(&text.replace("#012", "\n").replace("#011", "\t"), time.as_deref(), lines);
        true
    } else if FRAME.is_match(after) {
        push_lines(&unflatten(text), time.as_deref(), lines);
        true
    } else {
        false
    }
}

fn push_lines(text: &str, stamp: Option<&str>, lines: &mut Vec<Line<'_>>) {
    let stamp: Option<Arc<str>> = stamp.map(Arc::from);
    for line in text.split(['\n', '\r']).filter(|line| !line.is_empty()).take(MOST_LINES) {
        let text = Cow::Owned(plain(line).into_owned());
        lines.push(Line { text, stamp: stamp.clone(), closes: false });
    }
    if text.trim_end().contains(['\n', '\r'])
        && let Some(last) = lines.last_mut()
    {
        last.closes = true;
    }
}

/// The strings inside a JSON record that hold a traceback, or the one that its fields amount to.
fn traces_in(record: &Value, docker: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![record];
    // serde_json bounds the depth, the line's length bounds the rest.
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) if text.contains(HEADER) => found.push(text.clone()),
            Value::Array(items) => open.extend(items.iter().rev()),
            Value::Object(map) => {
                if let (Some(kind), Some(Value::Array(stack))) =
                    (map.get("errorType").and_then(Value::as_str), map.get("stackTrace"))
                {
                    let mut text = format!("{HEADER}:\n");
                    for frame in stack.iter().filter_map(Value::as_str) {
                        text.push_str(frame.trim_end());
                        text.push('\n');
                    }
                    let message = map.get("errorMessage").and_then(Value::as_str).unwrap_or_default();
                    text.push_str(&format!("{kind}: {message}"));
                    found.push(text);
                } else {
                    let mut values: Vec<_> = map.iter().collect();
                    values.sort_by(|a, b| b.0.cmp(a.0));
                    open.extend(values.into_iter().map(|(_, value)| value));
                }
            }
            _ => {}
        }
    }
    // Docker's own format holds one line of the program's in each record.
    if found.is_empty()
        && docker
        && let Some(line) = record.get("log").and_then(Value::as_str)
    {
        found.push(line.to_owned());
    }
    found
}

/// `text` up to the quote that closes the string that the traceback is in, when it is in one (`exc="Traceback …"`).
fn quoted(text: &str) -> &str {
    let start = text.find(HEADER).unwrap_or(0);
    let Some(quote) = text[..start].chars().next_back().filter(|c| matches!(c, '"' | '\'')) else {
        return text;
    };
    let mut escaped = false;
    for (at, c) in text[start..].char_indices() {
        if c == quote && !escaped {
            return &text[..start + at];
        }
        escaped = c == '\\' && !escaped;
    }
    text
}

/// Undoes the escapes of JSON and of Python's `repr`.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n' | 'r') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('u') => {
                let digits: String = chars.clone().take(4).collect();
                match u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32) {
                    Some(c) if digits.len() == 4 => {
                        out.push(c);
                        chars.nth(3);
                    }
                    _ => out.push_str("\\u"),
                }
            }
            Some('x') => {
                let digits: String = chars.clone().take(2).collect();
                match u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32) {
                    Some(c) if digits.len() == 2 => {
                        out.push(c);
                        chars.nth(1);
                    }
                    _ => out.push_str("\\x"),
                }
            }
            Some(c @ ('\\' | '"' | '\'' | '/')) => out.push(c),
            Some(c) => {
                out.push('\\');
                out.push(c);
            }
            None => out.push('\\'),
        }
    }
    out
}

/// Breaks a traceback whose newlines became spaces, as consoles show it, before each frame and each quoted line.
fn unflatten(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut last = 0;
    for found in FRAME.find_iter(text) {
        // The space before a frame may be taken already, by the frame before it.
        out.push_str(text[last..found.start().max(last)].trim_end());
        out.push_str("\n  ");
        out.push_str(found.as_str().trim());
        out.push_str("\n    ");
        last = found.end() + (text[found.end()..].len() - text[found.end()..].trim_start().len());
    }
    out.push_str(&text[last..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_and_no_break_spaces_become_plain() {
        assert_eq!(plain("\u{1b}[31;1mred\u{1b}[0m\u{a0}x\u{1b}]0;title\u{7}y"), "red xy");
        assert_eq!(plain("torn \u{1b}["), "torn ");
    }

    #[test]
    fn stamps_are_found_near_the_start() {
        for (line, want) in [
            ("2024-05-01T10:00:00.000Z\tid\tERROR", "2024-05-01T10:00:00.000Z"),
            ("[2024-05-01 10:00:00,123] ERROR", "2024-05-01 10:00:00,123"),
            ("May  1 10:00:00 host app[3]: x", "May  1 10:00:00"),
            ("10.0.0.1 - - [01/May/2024:10:00:00 +0000] \"GET /\"", "01/May/2024:10:00:00 +0000"),
            ("10:00:00.5 ERROR", "10:00:00.5"),
        ] {
            assert_eq!(stamp(line), Some(want));
        }
        assert_eq!(stamp("nothing here"), None);
    }

    #[test]
    fn the_newest_lines_are_kept() {
        let texts =
            |log, most| newest(log, most).iter().map(|line| line.text.to_string()).collect::<Vec<_>>();
        assert_eq!(texts("a\nb\nc\nd", 2), ["b", "c", "d"]);
        assert_eq!(texts("a\nb", 2), ["a", "b"]);
        let record = format!(r#"{{"t": "{HEADER}{}"}}"#, r"\nx".repeat(50));
        let lines = newest(&record, 10);
        assert_eq!(lines.len(), 51, "one record is whole");
        let log = format!("{record}\ny\nz");
        assert_eq!(texts(&log, 10)[9..], ["x", "y", "z"]);
    }

    #[test]
    fn a_stamp_of_a_record_is_short() {
        let record = |stamp: &str| format!(r#"{{"timestamp": "{stamp}", "exc": "{HEADER}\nKeyError: 1"}}"#);
        assert_eq!(split(&record("12:00"))[0].stamp.as_deref(), Some("12:00"));
        assert_eq!(split(&record(&"9".repeat(1 << 20)))[0].stamp, None);
    }

    #[test]
    fn escapes_are_undone_once() {
        assert_eq!(unescape(r#"a\n\"b\\n\u00a0\x41\q\"#), "a\n\"b\\n\u{a0}A\\q\\");
    }
}
