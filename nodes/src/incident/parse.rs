//! Finds the tracebacks among a log's lines.

use super::frames::{first_line, indent, is_marks, set_code, set_marks};
use super::lines::{HEADER, Line, split, stamp};
use super::{MOST_FRAMES, Parsed, Trace};
use crate::types::{Cause, Frame};

/// Most lines of other writers that may stand between two lines of a traceback whose lines carry a prefix.
const MOST_FOREIGN: usize = 20;

/// Most further lines of a message.
const MOST_MESSAGE_LINES: usize = 30;

/// Longest message, in bytes.
const LONGEST_MESSAGE: usize = 8 << 10;

/// Longest excerpt, in bytes: the first quarter and the last three are kept.
const LONGEST_EXCERPT: usize = 16 << 10;

/// Most exceptions in a chain.
const MOST_CAUSES: usize = 20;

/// Finds the Python tracebacks of `log`, whatever stands before or between their lines: prefixes of CloudWatch, Lambda,
/// syslog, docker and kubectl, JSON records, escaped newlines, colours, indentation.
///
/// Never fails, and its work grows with the log's length alone.
#[must_use]
pub fn parse(log: &str) -> Parsed {
    let lines = split(log);
    let mut parsed = Parsed::default();
    let mut at = 0;
    let mut clock = Clock { last: String::new(), looked: 0 };
    while at < lines.len() {
        let begun =
            if lines[at].text.contains(HEADER) { chain(&lines, at) } else { syntax_error(&lines, at) };
        let Some((mut trace, next)) = begun else {
            at += 1;
            continue;
        };
        trace.stamp = clock.at(&lines, at);
        if trace.exception.is_empty() {
            parsed.broken_off += 1;
        } else {
            trace.excerpt = excerpt(&lines, at, next);
            parsed.traces.push(trace);
        }
        at = next.max(at + 1);
    }
    parsed
}

/// The last time stamp seen; each line is looked at once.
struct Clock {
    last: String,
    looked: usize,
}

impl Clock {
    fn at(&mut self, lines: &[Line<'_>], at: usize) -> String {
        let found = lines[self.looked..=at]
            .iter()
            .rev()
            .find_map(|line| line.stamp.as_deref().or_else(|| stamp(&line.text)).map(str::to_owned));
        self.looked = at;
        if let Some(found) = found {
            self.last = found;
        }
        self.last.clone()
    }
}

/// The traceback that begins at `at`, with those that Python chained to it; and the line after it.
fn chain(lines: &[Line<'_>], at: usize) -> Option<(Trace, usize)> {
    let (mut trace, mut next) = one(lines, at)?;
    let mut causes: Vec<Cause> = Vec::new();
    while !trace.exception.is_empty() && causes.len() < MOST_CAUSES {
        let Some(header) = chained(lines, next) else { break };
        let Some((later, after)) = one(lines, header) else { break };
        if later.exception.is_empty() {
            // The log breaks off in the middle of the chain: what is whole is what is known.
            next = after;
            break;
        }
        causes.push(Cause { exception: trace.exception, message: trace.message });
        (trace, next) = (later, after);
    }
    causes.append(&mut trace.causes);
    trace.causes = causes;
    Some((trace, next))
}

/// The header of the traceback that the lines from `at` chain to the one before them.
fn chained(lines: &[Line<'_>], at: usize) -> Option<usize> {
    let window = |from: usize| (from..lines.len().min(from + 4)).map(|i| (i, lines[i].text.as_ref()));
    let (marker, _) = window(at).find(|(_, text)| is_chain_marker(text))?;
    let quiet = |i: usize| !lines[i].text.contains(HEADER);
    if !(at..marker).all(quiet) {
        return None;
    }
    window(marker + 1).find(|(_, text)| text.contains(HEADER)).map(|(i, _)| i)
}

fn is_chain_marker(text: &str) -> bool {
    text.contains("During handling of the above exception, another exception occurred")
        || text.contains("The above exception was the direct cause of the following exception")
}

/// The one traceback whose header is at `at`, and the line after it.
fn one(lines: &[Line<'_>], at: usize) -> Option<(Trace, usize)> {
    let header = lines[at].text.as_ref();
    let before = &header[..header.find(HEADER)?];
    let (prefix, first) = find_prefix(lines, at, before);
    let mut frames = Frames::default();
    let mut trace = Trace::default();
    let mut foreign = 0;
    let mut next = first;
    // Where the last `File` line stood: what is deeper belongs to it.
    let mut depth = 0;
    let mut quoted: Option<&str> = None;
    while let Some(line) = lines.get(next) {
        let Some(text) = prefix.strip(&line.text) else {
            foreign += 1;
            next += 1;
            if foreign > MOST_FOREIGN || line.text.contains(HEADER) {
                next -= foreign;
                break;
            }
            continue;
        };
        if let Some(frame) = first_line(text) {
            frames.push(frame);
            depth = indent(text);
            quoted = None;
        } else if text.contains(HEADER) || is_chain_marker(text) {
            break;
        } else if let Some(frame) = frames.last()
            && !text.trim().is_empty()
            && (indent(text) > depth || (quoted.is_none() && depth == 0 && exception(text).is_none()))
        {
            match quoted {
                None => {
                    set_code(frame, text);
                    quoted = Some(text);
                }
                Some(code) if is_marks(text) && frame.mark_start.is_none() => set_marks(frame, code, text),
                // Further lines of a long call, further marks.
                Some(_) => {}
            }
        } else if text.trim_start().starts_with("[Previous line repeated ") {
            // The frame stands for its repetitions; nothing is counted by them.
        } else if let Some((kind, message)) = exception(text.trim_start()) {
            trace.exception = kind.to_owned();
            trace.message = message.to_owned();
            next = message_lines(lines, next + 1, &prefix, &mut trace.message);
            break;
        } else {
            break;
        }
        foreign = 0;
        next += 1;
    }
    if let Some((kind, message)) = announced(lines, at, before)
        && (trace.exception.is_empty() || trace.exception == kind)
        && trace.message.is_empty()
    {
        trace.exception = kind.to_owned();
        trace.message = message.to_owned();
    }
    trace.frames = frames.0;
    if header.contains("Exception Group Traceback") && !trace.exception.is_empty() {
        next = members(lines, next, &mut trace.causes);
    }
    Some((trace, next))
}

/// Frames in order, with the middle of a long stack left out.
#[derive(Default)]
struct Frames(Vec<Frame>);

impl Frames {
    fn push(&mut self, frame: Frame) {
        if self.0.len() == MOST_FRAMES {
            self.0.remove(MOST_FRAMES / 4);
        }
        self.0.push(frame);
    }

    fn last(&mut self) -> Option<&mut Frame> {
        self.0.last_mut()
    }
}

/// What every line of a traceback begins with: words (a time, a container's name) and the space after each.
#[derive(Debug, Default, PartialEq)]
struct Prefix {
    /// White space before the first word.
    lead: usize,
    /// Each word, and the white space after it.
    words: Vec<(String, String)>,
}

impl Prefix {
    fn of(text: &str) -> Self {
        let mut rest = text.trim_start();
        let lead = text.len() - rest.len();
        let mut words = Vec::new();
        while !rest.is_empty() {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            rest = after.trim_start();
            words.push((word.to_owned(), after[..after.len() - rest.len()].to_owned()));
        }
        Self { lead, words }
    }

    /// `line` without this prefix, or nothing when it does not begin with one of this shape.
    fn strip<'a>(&self, line: &'a str) -> Option<&'a str> {
        let spaces = line.len() - line.trim_start().len();
        let lead = (0..=spaces.min(self.lead)).rev().find(|&n| line.is_char_boundary(n)).unwrap_or(0);
        let mut rest = &line[lead..];
        for (i, (word, space)) in self.words.iter().enumerate() {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (found, after) = rest.split_at(end);
            if !(found == word || volatile(found) && volatile(word)) {
                return None;
            }
            rest = match after.strip_prefix(space.as_str()) {
                Some(rest) => rest,
                // Editors and shippers trim what is white at the end of a line.
                None if i + 1 == self.words.len() && after.trim().is_empty() => "",
                None => return None,
            };
        }
        Some(rest)
    }
}

/// Whether `word` may differ from line to line: a time, a number, an id.
fn volatile(word: &str) -> bool {
    let hex = word.len() >= 8 && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let time = word.contains(|c: char| c.is_ascii_digit())
        && word.chars().all(|c| c.is_ascii_digit() || ":.,-+/[]()TZ".contains(c));
    hex || time
}

/// The prefix of the lines below the header at `at`, and the first of them. `before` stands before the header.
fn find_prefix(lines: &[Line<'_>], at: usize, before: &str) -> (Prefix, usize) {
    let own = Prefix::of(before);
    let frame_at =
        |i: usize| lines.get(i).and_then(|line| line.text.find("File \"").map(|p| &line.text[..p]));
    // The line right below says it: it carries the same prefix, or another one, or none.
    if let Some(lead) = frame_at(at + 1)
        && lead.len() < 400
    {
        let trimmed = lead.trim_end_matches(' ');
        let spaces = lead.len() - trimmed.len();
        return (Prefix::of(&lead[..trimmed.len() + spaces.saturating_sub(2)]), at + 1);
    }
    if own.words.is_empty() || before.len() > 400 {
        return (Prefix { lead: own.lead, words: Vec::new() }, at + 1);
    }
    // Lines of others in between: the first frame that begins like the header.
    let first = (at + 1..lines.len().min(at + 2 + MOST_FOREIGN))
        .find(|&i| own.strip(&lines[i].text).is_some_and(|text| first_line(text).is_some()));
    match first {
        Some(first) => (own, first),
        None => (Prefix::default(), at + 1),
    }
}

/// The type and message of a traceback's last line, given without prefix and indentation.
fn exception(text: &str) -> Option<(&str, &str)> {
    let (kind, message) = match text.split_once(':') {
        Some((kind, message)) if message.is_empty() || message.starts_with(' ') => (kind, message.trim()),
        Some(_) => return None,
        None => (text.trim_end(), ""),
    };
    let last = kind.rsplit('.').next()?;
    let first = last.chars().next()?;
    let name = kind.len() <= 256
        && kind.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && kind.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '<' | '>'))
        && (first.is_alphabetic() || first == '_');
    let level = matches!(
        kind,
        "DEBUG"
            | "INFO"
            | "NOTICE"
            | "WARNING"
            | "WARN"
            | "ERROR"
            | "CRITICAL"
            | "FATAL"
            | "START"
            | "END"
            | "REPORT"
    );
    let bare = !text.contains(':') && !first.is_uppercase() && !kind.contains('.');
    (name && !level && !bare).then_some((kind, message))
}

/// The exception that Lambda's runtime prints before the header: `[ERROR] KeyError: 'order_items'`.
fn announced<'a>(lines: &'a [Line<'_>], at: usize, before: &'a str) -> Option<(&'a str, &'a str)> {
    let above = || at.checked_sub(1).and_then(|above| lines.get(above)).map(|line| line.text.as_ref());
    let after = |text: &'a str| text.split_once("[ERROR]").map(|(_, after)| after);
    let mut text = after(before).or_else(|| above().and_then(after))?;
    // A time and a request id may stand in between.
    loop {
        text = text.trim_start();
        let word = text.split_whitespace().next()?;
        if !volatile(word.trim_end_matches('Z')) {
            break;
        }
        text = &text[word.len()..];
    }
    exception(text.trim_end())
}

/// Adds the message's further lines from `next` on to `message`; gives the line after them.
fn message_lines(lines: &[Line<'_>], mut next: usize, prefix: &Prefix, message: &mut String) -> usize {
    cap(message, LONGEST_MESSAGE);
    let last = next + MOST_MESSAGE_LINES;
    while let Some(line) = lines.get(next) {
        if lines[next - 1].closes {
            break;
        }
        let Some(text) = prefix.strip(&line.text) else { break };
        // Where every line of the log has the prefix, only what is indented is certainly the message's.
        let foreign = !prefix.words.is_empty() && !text.starts_with(char::is_whitespace);
        if next >= last || foreign || text.trim().is_empty() || begins_record(text) {
            break;
        }
        if message.len() + text.len() < LONGEST_MESSAGE {
            message.push('\n');
            message.push_str(text.trim_end());
        }
        next += 1;
    }
    next
}

/// Whether `text` looks like the first line of a log record of its own.
fn begins_record(text: &str) -> bool {
    let trimmed = text.trim_start();
    let word = trimmed.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let level = [
        "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "CRITICAL", "FATAL", "START", "END", "REPORT",
    ]
    .contains(&word);
    level
        || trimmed.starts_with(['[', '{', '+', '|'])
        || trimmed.starts_with("=====")
        || trimmed.starts_with("-----")
        || text.contains(HEADER)
        || is_chain_marker(text)
        || stamp(text).is_some()
        || first_line(text).is_some()
}

/// Collects the members of the exception group whose own traceback ended before `next`; gives the line after them.
fn members(lines: &[Line<'_>], mut next: usize, causes: &mut Vec<Cause>) -> usize {
    while let Some(line) = lines.get(next) {
        let text = line.text.trim_start();
        if !text.starts_with(['|', '+']) {
            break;
        }
        let inner = text.trim_start_matches(['|', '+', '-', ' ']);
        // One space after the art: frames and quoted lines have more.
        let direct = text.strip_prefix("| ").is_some_and(|text| text == inner);
        if direct
            && causes.len() < MOST_CAUSES
            && !inner.contains(HEADER)
            && let Some((kind, message)) = exception(inner)
        {
            causes.push(Cause { exception: kind.to_owned(), message: message.to_owned() });
        }
        next += 1;
    }
    next
}

/// A syntax error that is printed without a header: its `File` line is at `at`.
fn syntax_error(lines: &[Line<'_>], at: usize) -> Option<(Trace, usize)> {
    let text = lines[at].text.as_ref();
    if !text.trim_start().starts_with("File \"") {
        return None;
    }
    let mut frame = first_line(text).filter(|frame| frame.function.is_empty())?;
    let mut quoted: Option<&str> = None;
    for (next, line) in lines.iter().enumerate().skip(at + 1).take(3) {
        let text = line.text.as_ref();
        match (exception(text.trim()), quoted) {
            (Some((kind @ ("SyntaxError" | "IndentationError" | "TabError"), message)), _) => {
                let trace = Trace {
                    exception: kind.to_owned(),
                    message: message.to_owned(),
                    frames: vec![frame],
                    ..Trace::default()
                };
                return Some((trace, next + 1));
            }
            (_, None) => {
                set_code(&mut frame, text);
                quoted = Some(text);
            }
            (_, Some(code)) if is_marks(text) => set_marks(&mut frame, code, text),
            _ => return None,
        }
    }
    None
}

/// The text of lines `from..to`, with the line before when it announces the trace; bounded.
fn excerpt(lines: &[Line<'_>], from: usize, to: usize) -> String {
    let announces = |i: usize| {
        let text = &lines[i].text;
        text.len() < 1000 && (stamp(text).is_some() || text.contains("[ERROR]")) && !text.contains(HEADER)
    };
    let from = if from > 0 && announces(from - 1) { from - 1 } else { from };
    let to = to.min(lines.len());
    let half = LONGEST_EXCERPT / 4;
    let mut head = String::new();
    let mut cut = from;
    while cut < to && head.len() + lines[cut].text.len() < half {
        head.push_str(lines[cut].text.trim_end());
        head.push('\n');
        cut += 1;
    }
    let mut tail = Vec::new();
    let (mut room, mut back) = (LONGEST_EXCERPT - half, to);
    while back > cut && lines[back - 1].text.len() < room {
        back -= 1;
        room -= lines[back].text.len() + 1;
        tail.push(lines[back].text.trim_end());
    }
    if back > cut {
        head.push_str(&format!("[{} lines left out]\n", back - cut));
    }
    for line in tail.iter().rev() {
        head.push_str(line);
        head.push('\n');
    }
    head
}

fn cap(text: &mut String, most: usize) {
    if text.len() > most {
        let mut end = most;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
