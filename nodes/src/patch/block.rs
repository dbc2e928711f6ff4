//! What a reply is made of.

/// One edit as the reply states it, not yet located.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    /// The file it names, cleaned of decoration; nothing when it names none.
    pub(super) path: Option<String>,
    /// What to do there.
    pub(super) change: Change,
}

/// What to do in a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    /// A search/replace block: the lines between its markers, and which of them may be the divider. There is
    /// usually one; text that is underlined with `=======` has more, and the search part tells which is meant.
    Replace { lines: Vec<String>, dividers: Vec<usize> },
    /// One hunk of a unified diff.
    Hunk(Hunk),
    /// The whole file.
    Whole { lines: Vec<String> },
    /// Something that is never done, with the words for it: `create`, `delete`, `rename`.
    Refused(&'static str),
}

/// A hunk of a unified diff.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Hunk {
    /// The old file's first line as the header says, from 1; a hint only.
    pub(super) line: Option<usize>,
    /// What follows the second `@@`: the enclosing function, if anything.
    pub(super) section: String,
    /// Context and removed lines.
    pub(super) old: Vec<String>,
    /// Context and added lines.
    pub(super) new: Vec<String>,
}
