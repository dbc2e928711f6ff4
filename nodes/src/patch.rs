//! A model's reply becomes edits of files: search/replace blocks, unified diffs, whole files.
//!
//! A reply is hostile input. It never chooses a file that is not in the base commit, it is bounded in size, and a
//! block is only applied where its old text stands exactly once. What cannot be applied becomes a problem: a
//! sentence that the next attempt's prompt carries as a lesson.

mod block;
mod diff;
mod edit;
mod files;
mod locate;
mod reply;
mod syntax;
mod unified;

pub use diff::unified_diff;
pub use files::is_test_file;
pub use syntax::python_error;

use files::Files;

use crate::world::git::FileEdit;

/// Longest reply that is read, in bytes; the rest is a problem.
pub const MAX_REPLY: usize = 512 * 1024;
/// Largest file that is edited, in bytes.
pub const MAX_FILE: usize = 2 * 1024 * 1024;
/// Most blocks of a reply that are applied.
pub const MAX_BLOCKS: usize = 100;

/// What the edits are made to.
pub struct Base<'a> {
    /// All files of the base commit, sorted: the only ones that an edit may touch.
    pub files: &'a [String],
    /// Files to look in, in this order, where a block names none.
    pub prefer: &'a [String],
    /// The content of one of `files`.
    pub read: &'a dyn Fn(&str) -> Option<Vec<u8>>,
}

/// What a reply comes to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Patched {
    /// The changed files with their new content, sorted by path; empty when nothing could be applied.
    pub edits: Vec<FileEdit>,
    /// What was wrong with the reply, a sentence each.
    pub problems: Vec<String>,
}

/// Reads `reply` and applies what it holds to `base`.
///
/// The blocks that name a file of `base` stand or fall together: when one of them cannot be located, none is
/// applied, since half of a change is not what was meant. A block for a file that is not in `base` is dropped
/// with a problem and the others go on.
#[must_use]
pub fn edits(reply: &str, base: &Base<'_>) -> Patched {
    let mut problems = Vec::new();
    let mut text = without_thinking(reply);
    if text.len() > MAX_REPLY {
        problems.push(format!("The reply is longer than {MAX_REPLY} bytes; the rest was not read."));
        text = prefix(text, MAX_REPLY);
    }
    let files = Files::new(base.files);
    let mut blocks = reply::blocks(text, &files, &mut problems);
    if blocks.is_empty() && problems.is_empty() {
        let what = if text.trim().is_empty() { "is empty" } else { "holds no edit" };
        problems.push(format!(
            "The reply {what}: search/replace blocks, a unified diff or whole files were expected."
        ));
    }
    if blocks.len() > MAX_BLOCKS {
        problems.push(format!("The reply has more than {MAX_BLOCKS} blocks; none was applied."));
        blocks.clear();
    }
    let (edits, more) = edit::apply(&blocks, base, &files);
    problems.extend(more);
    Patched { edits, problems }
}

/// `reply` without the `<think>…</think>` with which some models begin: drafts in there are no answers.
#[must_use]
pub fn without_thinking(reply: &str) -> &str {
    let text = reply.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    match text.strip_prefix("<think>").and_then(|rest| rest.split_once("</think>")) {
        Some((_, answer)) => answer,
        None => reply,
    }
}

/// At most `limit` bytes of `text`, cut at a character.
pub(crate) fn prefix(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests;
