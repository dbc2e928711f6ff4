//! Unified diffs as models write them: headers and counts may be missing or wrong.

use super::block::{Block, Change, Hunk};

/// Whether a diff begins at line `at`: file headers, or a hunk.
pub(super) fn starts(lines: &[&str], at: usize) -> bool {
    let Some(line) = lines.get(at) else { return false };
    line.starts_with("diff --git ")
        || headers(lines, at)
        || line.starts_with("*** Update File: ")
        || is_hunk(line)
}

/// Parses the diff at the top of `lines`. A hunk without headers is for `hint`. Where it is `fenced`, a line
/// without its leading space is context; else it ends the diff. Gives the blocks and how many lines they took.
pub(super) fn parse(lines: &[&str], hint: Option<String>, fenced: bool) -> (Vec<Block>, usize) {
    let mut blocks = Vec::new();
    let mut path = hint;
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        if headers(lines, at) {
            let (old, new) =
                (header_path(line), lines.get(at + 1).map(|l| header_path(l)).unwrap_or_default());
            let (change, named) = match (old.as_str(), new.as_str()) {
                ("/dev/null", _) => (Some("create"), new.clone()),
                (_, "/dev/null") => (Some("delete"), old.clone()),
                (a, b) if side(a) != side(b) => (Some("rename"), old.clone()),
                _ => (None, new.clone()),
            };
            if let Some(words) = change {
                blocks.push(Block { path: Some(named.clone()), change: Change::Refused(words) });
            }
            path = Some(named);
            at += 2;
        } else if let Some(named) = line.strip_prefix("*** Update File: ") {
            path = Some(named.trim().to_owned());
            at += 1;
        } else if is_hunk(line) {
            let (hunk, next) = hunk(lines, at, fenced);
            let refused =
                matches!(blocks.last(), Some(Block { change: Change::Refused(_), path: p }) if *p == path);
            if !refused && (!hunk.old.is_empty() || !hunk.new.is_empty()) {
                blocks.push(Block { path: path.clone(), change: Change::Hunk(hunk) });
            }
            at = next;
        } else if fenced || extended_header(line) {
            at += 1;
        } else {
            break;
        }
    }
    // A fence that says diff, with lines of plus and minus and no hunk header, is one hunk.
    if fenced && blocks.is_empty() && lines.iter().any(|line| line.starts_with(['+', '-'])) {
        let (hunk, _) = hunk_body(lines, 0, true, Hunk::default());
        blocks.push(Block { path, change: Change::Hunk(hunk) });
    }
    (blocks, at)
}

fn hunk(lines: &[&str], at: usize, fenced: bool) -> (Hunk, usize) {
    let header = lines.get(at).copied().unwrap_or_default();
    let rest = header.trim_start_matches('@');
    let (numbers, section) = rest.split_once("@@").unwrap_or(("", rest));
    let line = numbers
        .trim()
        .strip_prefix('-')
        .and_then(|text| text.split(|c: char| !c.is_ascii_digit()).next())
        .and_then(|digits| digits.parse().ok());
    // `@@ -1,2 +1,2` without its end has no section.
    let section = if section.trim_start().starts_with('-') { "" } else { section.trim() };
    hunk_body(lines, at + 1, fenced, Hunk { line, section: section.to_owned(), ..Hunk::default() })
}

fn hunk_body(lines: &[&str], start: usize, fenced: bool, mut hunk: Hunk) -> (Hunk, usize) {
    let mut at = start;
    let mut blank_tail = 0;
    while let Some(line) = lines.get(at) {
        if is_hunk(line) || headers(lines, at) || line.starts_with("diff --git ") || line.starts_with("*** ")
        {
            break;
        }
        let mut raw_blank = false;
        match line.chars().next() {
            Some('+') => hunk.new.push(line.get(1..).unwrap_or_default().to_owned()),
            Some('-') => hunk.old.push(line.get(1..).unwrap_or_default().to_owned()),
            Some('\\') => {}
            Some(' ') => both(&mut hunk, line.get(1..).unwrap_or_default()),
            None => {
                raw_blank = true;
                both(&mut hunk, "");
            }
            Some(_) if fenced => both(&mut hunk, line),
            Some(_) => break,
        }
        blank_tail = if raw_blank { blank_tail + 1 } else { 0 };
        at += 1;
    }
    // Empty lines at the end, without even the space of a context line, separate the diff from what follows.
    for _ in 0..blank_tail {
        hunk.old.pop();
        hunk.new.pop();
    }
    (hunk, at)
}

fn both(hunk: &mut Hunk, line: &str) {
    hunk.old.push(line.to_owned());
    hunk.new.push(line.to_owned());
}

fn is_hunk(line: &str) -> bool {
    line.strip_prefix("@@").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '@', '-']))
}

fn headers(lines: &[&str], at: usize) -> bool {
    lines.get(at).is_some_and(|line| line.starts_with("--- "))
        && lines.get(at + 1).is_some_and(|line| line.starts_with("+++ "))
}

/// What git prints between `diff --git` and the headers.
fn extended_header(line: &str) -> bool {
    [
        "diff --git ",
        "index ",
        "old mode ",
        "new mode ",
        "new file mode ",
        "deleted file mode ",
        "similarity index ",
        "rename from ",
        "rename to ",
        "*** Begin Patch",
        "*** End Patch",
        "\\ No newline",
    ]
    .iter()
    .any(|start| line.starts_with(start))
}

/// The path of a `--- ` or `+++ ` line, without time stamp.
fn header_path(line: &str) -> String {
    let path = line.get(4..).unwrap_or_default();
    path.split('\t').next().unwrap_or_default().trim().trim_matches('"').to_owned()
}

fn side(path: &str) -> &str {
    path.strip_prefix("a/").or_else(|| path.strip_prefix("b/")).unwrap_or(path)
}
