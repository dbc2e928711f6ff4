//! Takes a reply apart into blocks.

use super::block::{Block, Change};
use super::files::{Files, path_in_info, path_line};
use super::{MAX_BLOCKS, unified};

/// Most lines of `=======` in one search/replace block that are tried as its divider.
const MAX_DIVIDERS: usize = 20;
/// Most fences of another kind that may stand inside a fence.
const MAX_INNER: usize = 1000;
/// Most problems of form that are told.
const MAX_PROBLEMS: usize = 20;

/// The blocks of `reply`, in its order. What is cut off or left open is a problem and no block. When there are more
/// than [`MAX_BLOCKS`], the reading stops.
///
/// Whole files only count where nothing else names the same file: next to a diff, a fenced file is an
/// illustration.
pub(super) fn blocks(reply: &str, files: &Files<'_>, problems: &mut Vec<String>) -> Vec<Block> {
    let lines: Vec<&str> = reply.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    let fences = Fences::of(&lines);
    let mut scan = Scan { lines: &lines, fences, files, current: None, blocks: Vec::new(), problems };
    scan.run();
    let mut blocks = scan.blocks;
    if blocks.len() > MAX_BLOCKS {
        return blocks;
    }
    let edited: Vec<Option<String>> = blocks
        .iter()
        .filter(|block| !matches!(block.change, Change::Whole { .. }))
        .map(|block| block.path.as_deref().and_then(|path| files.resolve(path).ok()).map(str::to_owned))
        .collect();
    blocks.retain(|block| {
        let Change::Whole { .. } = block.change else { return true };
        let path = block.path.as_deref().and_then(|path| files.resolve(path).ok());
        !edited.iter().any(|other| other.is_none() || other.as_deref() == path)
    });
    blocks
}

struct Scan<'a> {
    lines: &'a [&'a str],
    fences: Fences,
    files: &'a Files<'a>,
    /// The file that the last block was for; a block that names none goes on there.
    current: Option<String>,
    blocks: Vec<Block>,
    problems: &'a mut Vec<String>,
}

impl<'a> Scan<'a> {
    fn run(&mut self) {
        let mut at = 0;
        while let Some(line) = self.line(at) {
            if self.blocks.len() > MAX_BLOCKS {
                return;
            }
            if self.problems.len() > MAX_PROBLEMS {
                // Half of a change is not what was meant.
                self.blocks.clear();
                self.problems.push("The rest of the reply was not read, and no block was applied.".into());
                return;
            }
            at = if search_marker(line).is_some() {
                self.replace(at)
            } else if let Some(fence) = fence(line) {
                self.fenced(at, fence)
            } else if unified::starts(self.lines, at) {
                self.diff(at, self.lines.len(), false)
            } else {
                at + 1
            };
        }
    }

    fn line(&self, at: usize) -> Option<&'a str> {
        self.lines.get(at).copied()
    }

    /// A search/replace block whose first marker is at `start`; returns where to go on.
    fn replace(&mut self, start: usize) -> usize {
        let named = self.line(start).and_then(search_marker).and_then(path_line);
        let path = named.or_else(|| self.path_above(start)).or_else(|| self.current.clone());
        let (mut end, mut fence_end, mut at) = (None, None, start + 1);
        while let Some(line) = self.line(at) {
            if is_marker(line, '>') {
                end = Some(at);
                break;
            }
            if search_marker(line).is_some() {
                break;
            }
            if fence_end.is_none() && fence(line).is_some_and(|fence| fence.info.is_empty()) {
                fence_end = Some(at);
            }
            at += 1;
        }
        // The end of a fence closes a block whose last marker was forgotten; the end of the reply does not, for
        // then the reply was cut off.
        let Some(end) = end.or(fence_end) else {
            self.problems
                .push("A search/replace block has no `>>>>>>> REPLACE`; the reply may be cut off.".into());
            return at.max(start + 1);
        };
        let inside = self.lines.get(start + 1..end).unwrap_or_default();
        let dividers: Vec<usize> =
            (0..inside.len()).filter(|&i| inside.get(i).is_some_and(|line| is_marker(line, '='))).collect();
        if dividers.len() > MAX_DIVIDERS {
            self.problems
                .push(format!("A search/replace block has more than {MAX_DIVIDERS} lines of `=======`."));
        } else if dividers.is_empty() {
            self.problems.push("A search/replace block has no `=======` between its parts.".into());
        } else {
            self.current.clone_from(&path);
            let lines = inside.iter().map(|line| (*line).to_owned()).collect();
            self.blocks.push(Block { path, change: Change::Replace { lines, dividers } });
        }
        end + 1
    }

    /// A fence at `start`; returns where to go on.
    fn fenced(&mut self, start: usize, open: Fence<'_>) -> usize {
        let (info, closes) = (open.info.to_owned(), open.ticks);
        let Some(end) = self.fences.closing(start, closes) else {
            // Never closed: look inside for blocks that carry their own markers.
            return start + 1;
        };
        let inside = self.lines.get(start + 1..end).unwrap_or_default();
        if self.fences.marked(start, end) {
            return start + 1;
        }
        let first = (start + 1..end).find(|&at| self.line(at).is_some_and(|line| !line.trim().is_empty()));
        let says_diff = info
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|word| matches!(word.to_ascii_lowercase().as_str(), "diff" | "patch" | "udiff"));
        if says_diff || first.is_some_and(|at| unified::starts(self.lines, at)) {
            if let Some(path) = path_in_info(&info).or_else(|| self.path_above(start)) {
                self.current = Some(path);
            }
            return self.diff(start + 1, end, true).max(end + 1);
        }
        let above = self.lines.get(..start).unwrap_or_default().iter().rev().find(|l| !l.trim().is_empty());
        if let Some(path) = path_in_info(&info).or_else(|| above.and_then(|line| path_line(line))) {
            let lines = inside.iter().map(|line| (*line).to_owned()).collect();
            self.blocks.push(Block { path: Some(path), change: Change::Whole { lines } });
        }
        end + 1
    }

    /// The hunks between `start` and `end`; returns where they end.
    fn diff(&mut self, start: usize, end: usize, fenced: bool) -> usize {
        let inside = self.lines.get(start..end).unwrap_or_default();
        let hint = self.current.clone().or_else(|| self.path_above(start));
        let (blocks, read) = unified::parse(inside, hint, fenced);
        if let Some(last) = blocks.last() {
            self.current.clone_from(&last.path);
        }
        self.blocks.extend(blocks);
        start + read.max(1)
    }

    /// The path that the lines just above `at` name, fences and blank lines not counted.
    fn path_above(&self, at: usize) -> Option<String> {
        for line in self.lines.get(..at)?.iter().rev().filter(|line| !line.trim().is_empty()).take(3) {
            if let Some(fence) = fence(line) {
                if let Some(path) = path_in_info(fence.info) {
                    return Some(path);
                }
                continue;
            }
            return path_line(line).or_else(|| self.files.mentioned(line));
        }
        None
    }
}

/// Where fences can close and where blocks begin, found once: a reply of open fences costs no more than any other.
struct Fences {
    /// Lines that are a fence and nothing else: the line, the character, and how many of it.
    bare: Vec<(usize, char, usize)>,
    /// Lines with the first marker of a search/replace block.
    marks: Vec<usize>,
}

impl Fences {
    fn of(lines: &[&str]) -> Self {
        let bare = |(at, line): (usize, &&str)| {
            let fence = fence(line).filter(|fence| fence.info.is_empty())?;
            Some((at, fence.ticks.chars().next()?, fence.ticks.len()))
        };
        let marks = lines.iter().enumerate().filter(|(_, line)| search_marker(line).is_some());
        Self {
            marks: marks.map(|(at, _)| at).collect(),
            bare: lines.iter().enumerate().filter_map(bare).collect(),
        }
    }

    /// The line that closes the fence of `ticks` at `start`.
    fn closing(&self, start: usize, ticks: &str) -> Option<usize> {
        let tick = ticks.chars().next()?;
        let from = self.bare.partition_point(|(at, ..)| *at <= start);
        let mut after = self.bare.get(from..)?.iter().take(MAX_INNER);
        after.find(|(_, c, count)| *c == tick && *count >= ticks.len()).map(|(at, ..)| *at)
    }

    /// Whether a search/replace block begins between `start` and `end`.
    fn marked(&self, start: usize, end: usize) -> bool {
        let from = self.marks.partition_point(|at| *at <= start);
        self.marks.get(from).is_some_and(|at| *at < end)
    }
}

/// A line of three or more backticks or tildes.
#[derive(Clone, Copy)]
struct Fence<'l> {
    ticks: &'l str,
    info: &'l str,
}

fn fence(line: &str) -> Option<Fence<'_>> {
    let line = line.trim();
    let tick = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let info = line.trim_start_matches(tick);
    let ticks = line.get(..line.len() - info.len())?;
    (ticks.len() >= 3 && !info.contains('`')).then(|| Fence { ticks, info: info.trim() })
}

/// What follows the word of a line such as `<<<<<<< SEARCH`, if it is one.
fn search_marker(line: &str) -> Option<&str> {
    let line = line.trim();
    let rest = line.trim_start_matches('<');
    if !(5..=9).contains(&(line.len() - rest.len())) {
        return None;
    }
    let rest = rest.trim_start();
    let word = rest.split(|c: char| c.is_whitespace() || c == ':').next().unwrap_or_default();
    let known = ["SEARCH", "ORIGINAL", "HEAD", "OLD", "BEFORE"].iter().any(|w| word.eq_ignore_ascii_case(w));
    known.then(|| rest.get(word.len()..).unwrap_or_default().trim_start_matches(':').trim())
}

/// Whether `line` is five to nine of `mark`, which for `>` a word may follow.
fn is_marker(line: &str, mark: char) -> bool {
    let line = line.trim();
    let rest = line.trim_start_matches(mark);
    (5..=9).contains(&(line.len() - rest.len()))
        && (rest.is_empty()
            || (mark == '>'
                && rest.trim().chars().all(|c| c.is_ascii_alphanumeric() || "._/-: ".contains(c))))
}
