//! Applies blocks to the files of the base commit.

use std::collections::BTreeMap;

use super::block::{Block, Change, Hunk};
use super::files::Files;
use super::locate::{self, Found, Shift};
use super::{Base, MAX_FILE, prefix};
use crate::world::git::FileEdit;

/// A file with at least so many lines is not replaced by a block with less than half of them.
const EXCERPT_FROM: usize = 20;

/// Applies `blocks` in order. All that name a file of the base apply, or none; gives the changed files, sorted,
/// and the problems.
pub(super) fn apply(blocks: &[Block], base: &Base<'_>, files: &Files<'_>) -> (Vec<FileEdit>, Vec<String>) {
    let mut work = Work { base, texts: BTreeMap::new() };
    let (mut problems, mut failed) = (Vec::new(), false);
    for block in blocks {
        let path = match &block.path {
            Some(path) => match files.resolve(path) {
                Ok(path) => path.to_owned(),
                Err(problem) => {
                    push(&mut problems, problem);
                    continue;
                }
            },
            None => match work.only_home(&block.change) {
                Ok(path) => path,
                Err(problem) => {
                    push(&mut problems, problem);
                    failed = true;
                    continue;
                }
            },
        };
        if let Err(problem) = work.change(&path, &block.change) {
            push(&mut problems, problem);
            failed = true;
        }
    }
    if failed {
        return (Vec::new(), problems);
    }
    let edits: Vec<FileEdit> = work
        .texts
        .into_iter()
        .filter(|(_, text)| text.print() != text.before)
        .map(|(path, text)| (path, Some(text.print().into_bytes())))
        .collect();
    if edits.is_empty() && problems.is_empty() && !blocks.is_empty() {
        problems.push("The edits change nothing: what they would put is what is there.".to_owned());
    }
    (edits, problems)
}

/// The same problem is said once.
fn push(problems: &mut Vec<String>, problem: String) {
    if !problems.contains(&problem) {
        problems.push(problem);
    }
}

/// A file's text as lines.
struct Text {
    before: String,
    /// The byte order mark, when there is one.
    mark: &'static str,
    /// Each with its own line ending.
    lines: Vec<(String, &'static str)>,
    /// The line ending of new lines.
    ending: &'static str,
}

impl Text {
    fn new(before: String) -> Self {
        let (mark, body) =
            before.strip_prefix('\u{feff}').map_or(("", before.as_str()), |rest| ("\u{feff}", rest));
        let lines: Vec<(String, &'static str)> = body
            .split_inclusive('\n')
            .map(|line| match (line.strip_suffix("\r\n"), line.strip_suffix('\n')) {
                (Some(line), _) => (line.to_owned(), "\r\n"),
                (None, Some(line)) => (line.to_owned(), "\n"),
                (None, None) => (line.to_owned(), ""),
            })
            .collect();
        let crlf = lines.iter().filter(|(_, ending)| *ending == "\r\n").count();
        let ending = if crlf * 2 > lines.len() { "\r\n" } else { "\n" };
        Self { mark, lines, ending, before }
    }

    /// Puts `new` in the place of `count` lines from `start`. A line that stays keeps its ending, and so does the
    /// file's end.
    fn splice(&mut self, start: usize, count: usize, new: Vec<String>) {
        let at_end = start + count == self.lines.len();
        let unended = self.lines.last().is_some_and(|(_, ending)| ending.is_empty());
        let old: Vec<_> = self.lines.drain(start..start + count).collect();
        let mut endings: BTreeMap<&str, &'static str> = BTreeMap::new();
        for (text, ending) in old.iter().filter(|(_, ending)| !ending.is_empty()) {
            endings.entry(text).or_insert(ending);
        }
        let mut new: Vec<(String, &'static str)> = new
            .into_iter()
            .map(|line| {
                let ending = endings.get(line.as_str()).copied().unwrap_or(self.ending);
                (line, ending)
            })
            .collect();
        if at_end && unended {
            if let Some(last) = new.last_mut() {
                last.1 = "";
            } else if let Some(last) = self.lines.last_mut() {
                last.1 = "";
            }
        }
        self.lines.splice(start..start, new);
    }

    fn print(&self) -> String {
        let body = self.lines.iter().flat_map(|(line, ending)| [line.as_str(), ending]);
        std::iter::once(self.mark).chain(body).collect()
    }

    fn refs(&self) -> Vec<&str> {
        self.lines.iter().map(|(line, _)| line.as_str()).collect()
    }
}

struct Work<'a> {
    base: &'a Base<'a>,
    texts: BTreeMap<String, Text>,
}

impl Work<'_> {
    fn text(&mut self, path: &str) -> Result<&mut Text, String> {
        if !self.texts.contains_key(path) {
            let content = (self.base.read)(path).ok_or_else(|| format!("`{path}` cannot be read."))?;
            if content.len() > MAX_FILE {
                return Err(format!("`{path}` is larger than {MAX_FILE} bytes and is not edited."));
            }
            let content = String::from_utf8(content).map_err(|_| format!("`{path}` is no UTF-8 text."))?;
            self.texts.insert(path.to_owned(), Text::new(content));
        }
        self.texts.get_mut(path).ok_or_else(|| format!("`{path}` cannot be read."))
    }

    /// The one preferred file in which a block that names none applies.
    fn only_home(&mut self, change: &Change) -> Result<String, String> {
        if matches!(change, Change::Whole { .. } | Change::Refused(_)) {
            return Err("A block names no file; write its path on the line before.".to_owned());
        }
        let base = self.base;
        let homes: Vec<&String> = base
            .prefer
            .iter()
            .filter(|path| self.text(path).is_ok_and(|text| place(&text.refs(), path, change).is_ok()))
            .collect();
        match homes.as_slice() {
            [only] => Ok((*only).clone()),
            [] => Err(format!(
                "A block ({}) names no file and was found in none of the files in question.",
                show(change)
            )),
            [first, second, ..] => Err(format!(
                "A block ({}) names no file and fits both `{first}` and `{second}`.",
                show(change)
            )),
        }
    }

    fn change(&mut self, path: &str, change: &Change) -> Result<(), String> {
        match change {
            Change::Refused(what) => {
                return Err(format!("The edit would {what} `{path}`; only changes inside files are taken."));
            }
            Change::Whole { lines } => return self.whole(path, lines),
            Change::Replace { .. } | Change::Hunk(_) => {}
        }
        let text = self.text(path)?;
        let (start, count, new) = place(&text.refs(), path, change)?;
        text.splice(start, count, new);
        Ok(())
    }

    fn whole(&mut self, path: &str, lines: &[String]) -> Result<(), String> {
        let text = self.text(path)?;
        let left_out = lines.iter().any(|line| {
            let line = line.trim().trim_start_matches(['#', '/', ' ']);
            line.starts_with("...")
                && line.trim_matches(['.', ' ']).split(' ').any(|word| {
                    matches!(
                        word.to_ascii_lowercase().as_str(),
                        "existing" | "rest" | "unchanged" | "remaining" | "same"
                    )
                })
        });
        if left_out || (text.lines.len() >= EXCERPT_FROM && lines.len() * 2 < text.lines.len()) {
            return Err(format!(
                "The block for `{path}` has {} lines and the file {}: an excerpt was taken for the whole file; give search/replace blocks.",
                lines.len(),
                text.lines.len()
            ));
        }
        let count = text.lines.len();
        text.splice(0, count, lines.to_vec());
        Ok(())
    }
}

/// Where a change goes in `hay`: first line, number of lines, and the new lines.
fn place(hay: &[&str], path: &str, change: &Change) -> Result<(usize, usize, Vec<String>), String> {
    match change {
        Change::Hunk(hunk) => hunk_place(hay, path, hunk),
        Change::Replace { lines, dividers } => {
            let mut first_problem = None;
            // The longest search part that the file has is meant: a divider in it is then the file's own text.
            for &divider in dividers.iter().rev() {
                let search = lines.get(..divider).unwrap_or_default();
                let replace = lines.get(divider + 1..).unwrap_or_default();
                let placed = replace_place(hay, path, search, replace).or_else(|problem| {
                    match (without_numbers(search, true), without_numbers(replace, false)) {
                        (Some(bare), Some(new)) => replace_place(hay, path, &bare, &new),
                        _ => Err(problem),
                    }
                });
                match placed {
                    Ok(found) => return Ok(found),
                    Err(problem) => {
                        first_problem.get_or_insert(problem);
                    }
                }
            }
            Err(first_problem.unwrap_or_else(|| format!("A block for `{path}` has no `=======`.")))
        }
        Change::Whole { .. } | Change::Refused(_) => Err(format!("`{path}` cannot be changed in this way.")),
    }
}

fn replace_place(
    hay: &[&str],
    path: &str,
    search: &[String],
    replace: &[String],
) -> Result<(usize, usize, Vec<String>), String> {
    if search.iter().all(|line| line.trim().is_empty()) {
        if hay.iter().all(|line| line.trim().is_empty()) {
            return Ok((0, hay.len(), replace.to_vec()));
        }
        return Err(format!("A block for `{path}` has an empty search part; quote the lines to replace."));
    }
    match only(hay, path, search, |_| None) {
        Ok(found) => Ok((found.start, search.len(), shift(replace, &found.shift))),
        Err(problem) => {
            // Blank lines around the quotation are often not the file's.
            let (inner, new) = (without_blank_edges(search), without_blank_edges(replace));
            if inner.len() == search.len() {
                return Err(problem);
            }
            let found = only(hay, path, inner, |_| None).map_err(|_| problem)?;
            Ok((found.start, inner.len(), shift(new, &found.shift)))
        }
    }
}

fn hunk_place(hay: &[&str], path: &str, hunk: &Hunk) -> Result<(usize, usize, Vec<String>), String> {
    if hunk.old.iter().all(|line| line.trim().is_empty()) {
        return Err(format!("A hunk for `{path}` has no context or removed lines, so its place is unknown."));
    }
    let found = only(hay, path, &hunk.old, |all| choose(hay, hunk, all))?;
    let mut new = shift(&hunk.new, &found.shift);
    // Context keeps the file's own white space.
    let kept = hay.get(found.start..found.start + hunk.old.len()).unwrap_or_default();
    let mut own: BTreeMap<&str, &str> = BTreeMap::new();
    for line in kept {
        own.entry(line.trim_end()).or_insert(line);
    }
    for line in &mut new {
        if let Some(own) = own.get(line.trim_end()) {
            *line = (*own).to_owned();
        }
    }
    Ok((found.start, hunk.old.len(), new))
}

/// Among several matches of a hunk: the one at exactly the line of its header, else the first one in the
/// function that its header names.
fn choose(hay: &[&str], hunk: &Hunk, all: &[Found]) -> Option<Found> {
    if let Some(line) = hunk.line
        && let Some(found) = all.iter().find(|found| found.start + 1 == line)
    {
        return Some(found.clone());
    }
    let section = hunk.section.trim();
    if section.is_empty() {
        return None;
    }
    let mut heads =
        (0..hay.len()).filter(|&i| hay.get(i).is_some_and(|line| line.trim().starts_with(section)));
    let (Some(head), None) = (heads.next(), heads.next()) else { return None };
    let depth = |line: &str| line.len() - line.trim_start().len();
    let head_depth = hay.get(head).map(|line| depth(line))?;
    let body = hay.get(head + 1..).unwrap_or_default().iter().take_while(|line| {
        line.trim().is_empty() || depth(line) > head_depth || line.trim_start().starts_with(')')
    });
    let last = head + body.count();
    let mut inside = all.iter().filter(|found| (head..=last).contains(&found.start));
    match (inside.next(), inside.next()) {
        (Some(only), None) => Some(only.clone()),
        _ => None,
    }
}

/// The one place of `needle`, or the one that `choose` picks among several.
fn only(
    hay: &[&str],
    path: &str,
    needle: &[String],
    choose: impl Fn(&[Found]) -> Option<Found>,
) -> Result<Found, String> {
    let needle: Vec<&str> = needle.iter().map(String::as_str).collect();
    let found = locate::all(hay, &needle);
    let quoted =
        needle.iter().find(|line| !line.trim().is_empty()).map_or("", |line| prefix(line.trim(), 80));
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => {
            let near = match locate::nearest(hay, &needle) {
                Some((start, same)) => {
                    let at = start + same;
                    let has = hay.get(at).map_or("the end of the file", |line| prefix(line.trim(), 80));
                    let says = needle.get(same).map_or("", |line| prefix(line.trim(), 80));
                    format!("line {} of the file is `{has}`, not `{says}`", at + 1)
                }
                None => "quote the lines as they are in the file".to_owned(),
            };
            Err(format!("`{path}`: the lines to replace (`{quoted}` …) were not found; {near}."))
        }
        many => choose(many).ok_or_else(|| {
            let lines: Vec<String> = many.iter().take(5).map(|f| (f.start + 1).to_string()).collect();
            format!(
                "`{path}`: the lines to replace (`{quoted}` …) were found {} times (at lines {}); quote more of the lines around them.",
                many.len(),
                lines.join(", ")
            )
        }),
    }
}

fn shift(lines: &[String], shift: &Shift) -> Vec<String> {
    lines.iter().map(|line| shift.apply(line)).collect()
}

/// `lines` without the line numbers that they were shown with (`>  12 | code`); nothing when they have none. New lines
/// may lack them, the searched ones not.
fn without_numbers(lines: &[String], all: bool) -> Option<Vec<String>> {
    let bare = |line: &String| {
        let (number, code) = line.split_once('|')?;
        let digits = number.trim_start_matches(['>', ' ']).trim_end();
        let numbered = !digits.is_empty() && digits.len() <= 7 && digits.bytes().all(|b| b.is_ascii_digit());
        numbered.then(|| code.strip_prefix(' ').unwrap_or(code).to_owned())
    };
    let stripped = lines.iter().map(|line| match bare(line) {
        None if !all || line.trim().is_empty() => Some(line.clone()),
        found => found,
    });
    stripped.collect()
}

fn without_blank_edges(lines: &[String]) -> &[String] {
    let blank = |line: &String| line.trim().is_empty();
    let start = lines.iter().take_while(|line| blank(line)).count();
    let end = lines.len() - lines.iter().rev().take_while(|line| blank(line)).count();
    lines.get(start..end).unwrap_or_default()
}

fn show(change: &Change) -> String {
    let line = match change {
        Change::Replace { lines, .. } => lines.iter().find(|line| !line.trim().is_empty()),
        Change::Hunk(hunk) => hunk.old.iter().find(|line| !line.trim().is_empty()),
        Change::Whole { lines } => lines.first(),
        Change::Refused(_) => None,
    };
    format!("`{}` …", line.map_or("", |line| prefix(line.trim(), 80)))
}
