//! A strict reader of unified diffs, with and without git's headers.

mod words;

use super::paths::check_path;
use super::{Limits, MAX_LINE, Refusal, Refused};
use words::{git_names, ranges, regular, unquote};

/// What a diff does to one file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilePatch {
    /// The path at the base; nothing for a new file.
    pub old: Option<String>,
    /// The path afterwards; nothing for a deleted file.
    pub new: Option<String>,
    /// Whether the old path stays (a copy).
    pub copy: bool,
    /// The changes, in order.
    pub hunks: Vec<Hunk>,
}

impl FilePatch {
    /// The path to name it by: the new one, or the old one of a deletion.
    #[must_use]
    pub fn path(&self) -> &str {
        self.new.as_deref().or(self.old.as_deref()).unwrap_or_default()
    }
}

/// One hunk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hunk {
    /// First line at the base, from 1 (0 for an empty side).
    pub old_start: usize,
    /// First line afterwards.
    pub new_start: usize,
    /// Lines in order, with their line ends.
    pub lines: Vec<Line>,
}

/// One line of a hunk, with its line end unless the file ends without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// On both sides.
    Context(String),
    /// At the base only.
    Removed(String),
    /// Afterwards only.
    Added(String),
}

/// Reads a unified diff.
///
/// Text before the first file header (a mail's head, a commit message) is skipped; text between files is not. Git's
/// `diff --git`, mode, rename and index lines must agree with `---` and `+++`; a hunk's counts must be what follows.
///
/// # Errors
/// Whatever is no plain change of regular text files inside the tree.
pub fn parse(diff: &str) -> Result<Vec<FilePatch>, Refusal> {
    parse_within(diff, Limits::default())
}

/// [`parse`] within limits of one's own.
///
/// # Errors
/// As [`parse`].
pub fn parse_within(diff: &str, limits: Limits) -> Result<Vec<FilePatch>, Refusal> {
    // The size comes first: nothing is looked at that is too large to be looked at.
    if diff.len() > limits.bytes {
        let reason = format!("the patch has {} bytes; {} are allowed", diff.len(), limits.bytes);
        return Err(Refusal::new(Refused::TooLarge, "", reason));
    }
    if diff.trim().is_empty() {
        return Err(Refusal::new(Refused::Empty, "", "the patch is empty"));
    }
    let lines: Vec<&str> = diff.split_inclusive('\n').collect();
    if lines.len() > limits.lines {
        let reason = format!("the patch has {} lines; {} are allowed", lines.len(), limits.lines);
        return Err(Refusal::new(Refused::TooLarge, "", reason));
    }
    if let Some(at) = lines.iter().position(|line| line.len() > MAX_LINE) {
        return Err(Refusal::new(Refused::TooLarge, "", format!("line {} of the patch is too long", at + 1)));
    }
    let mut reader = Reader { lines: &lines, at: 0 };
    let mut files = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    while reader.seek(files.is_empty())? {
        let file = reader.file()?;
        // A rename takes its old path along; and some file systems do not tell case apart.
        let leaves = file.old.as_ref().filter(|old| !file.copy && file.new.as_ref() != Some(old));
        for path in file.new.iter().chain(leaves) {
            if !seen.insert(path.to_lowercase()) {
                let reason = format!("the patch changes {path} twice");
                return Err(Refusal::new(Refused::Clash, path, reason));
            }
        }
        files.push(file);
        if files.len() > limits.files {
            let reason = format!("the patch touches more than {} files", limits.files);
            return Err(Refusal::new(Refused::TooLarge, "", reason));
        }
    }
    if files.is_empty() {
        return Err(Refusal::new(Refused::Malformed, "", "the patch holds no unified diff"));
    }
    let made: std::collections::BTreeSet<&str> =
        files.iter().filter_map(|file| file.new.as_deref()).collect();
    for path in &made {
        if path.match_indices('/').any(|(end, _)| path.get(..end).is_some_and(|above| made.contains(above))) {
            let reason = format!("{path} lies below a path that the patch makes a file");
            return Err(Refusal::new(Refused::Clash, path, reason));
        }
    }
    Ok(files)
}

struct Reader<'a> {
    lines: &'a [&'a str],
    at: usize,
}

/// What git's extended headers said.
#[derive(Default)]
struct Extended {
    named: Option<(String, String)>,
    new_file: bool,
    deleted: bool,
    from: Option<String>,
    to: Option<String>,
    copy: bool,
}

impl Reader<'_> {
    fn line(&self, ahead: usize) -> Option<&str> {
        self.lines.get(self.at + ahead).map(|line| line.trim_end_matches('\n').trim_end_matches('\r'))
    }

    fn malformed<T>(&self, why: impl std::fmt::Display) -> Result<T, Refusal> {
        Err(Refusal::new(Refused::Malformed, "", format!("line {} of the patch: {why}", self.at + 1)))
    }

    /// Goes to the next file's header; false at the end.
    fn seek(&mut self, first: bool) -> Result<bool, Refusal> {
        while let Some(line) = self.line(0) {
            let plain = line.starts_with("--- ") && self.line(1).is_some_and(|next| next.starts_with("+++ "));
            if line.starts_with("diff --git ") || plain {
                return Ok(true);
            }
            // `git format-patch` signs with `-- ` and a version; a mail may end with blank lines.
            let signature = line == "-- " || line == "--";
            if signature {
                self.at = self.lines.len();
                return Ok(false);
            }
            if line.starts_with("@@") {
                return self.malformed("a hunk without a file header");
            }
            if !first && !line.trim().is_empty() && !line.starts_with("index ") {
                return self.malformed("text where a file header or a hunk should be");
            }
            self.at += 1;
        }
        Ok(false)
    }

    fn file(&mut self) -> Result<FilePatch, Refusal> {
        let mut extended = Extended::default();
        if let Some(rest) = self.line(0).and_then(|line| line.strip_prefix("diff --git ")) {
            extended.named = git_names(rest);
            self.at += 1;
            self.extended(&mut extended)?;
        }
        let has_sides = self.line(0).is_some_and(|line| line.starts_with("--- "));
        let (old, new) = if has_sides { self.sides()? } else { (None, None) };
        let mut file = self.agree(&extended, has_sides, old, new)?;
        for path in file.old.iter().chain(&file.new) {
            check_path(path)?;
        }
        while self.line(0).is_some_and(|line| line.starts_with("@@ ")) {
            let hunk = self.hunk()?;
            file.hunks.push(hunk);
        }
        let renamed = file.old.is_some() && file.new.is_some() && file.old != file.new;
        if file.hunks.is_empty() && has_sides {
            return self.malformed(format!("no hunk for {}", file.path()));
        }
        if file.hunks.is_empty() && file.old.is_some() && file.new.is_some() && !renamed {
            return self.malformed(format!("nothing changes in {}", file.path()));
        }
        Ok(file)
    }

    /// Git's header lines between `diff --git` and `---`.
    fn extended(&mut self, out: &mut Extended) -> Result<(), Refusal> {
        while let Some(line) = self.line(0) {
            let named = out.named.as_ref().map_or("", |(_, new)| new.as_str()).to_owned();
            if let Some(mode) = line.strip_prefix("new file mode ") {
                regular(mode, &named)?;
                out.new_file = true;
            } else if let Some(mode) = line.strip_prefix("deleted file mode ") {
                if mode != "100755" {
                    regular(mode, &named)?;
                }
                out.deleted = true;
            } else if let Some(mode) =
                line.strip_prefix("old mode ").or_else(|| line.strip_prefix("new mode "))
            {
                regular(mode, &named).and_then(|()| {
                    Err(Refusal::new(Refused::Mode, &named, format!("the mode of {named} changes")))
                })?;
            } else if let Some(path) =
                line.strip_prefix("rename from ").or_else(|| line.strip_prefix("copy from "))
            {
                out.copy = line.starts_with("copy");
                out.from = Some(unquote(path).map_or_else(|| self.malformed("a broken quoted path"), Ok)?);
            } else if let Some(path) =
                line.strip_prefix("rename to ").or_else(|| line.strip_prefix("copy to "))
            {
                out.to = Some(unquote(path).map_or_else(|| self.malformed("a broken quoted path"), Ok)?);
            } else if line.starts_with("GIT binary patch") || line.starts_with("Binary files ") {
                return Err(Refusal::new(Refused::Binary, &named, format!("binary content for {named}")));
            } else if let Some(index) = line.strip_prefix("index ") {
                if let Some(mode) =
                    index.split_once(' ').map(|(_, mode)| mode).filter(|mode| *mode != "100755")
                {
                    regular(mode, &named)?;
                }
            } else if !line.starts_with("similarity index ") && !line.starts_with("dissimilarity index ") {
                return Ok(());
            }
            self.at += 1;
        }
        Ok(())
    }

    /// The `---` and `+++` lines.
    fn sides(&mut self) -> Result<(Option<String>, Option<String>), Refusal> {
        let side = |line: Option<&str>, mark: &str| -> Option<Option<String>> {
            let name = line?.strip_prefix(mark)?;
            // Some tools add a tab and a time.
            let name = name.split('\t').next().unwrap_or_default().trim_end();
            if name == "/dev/null" { Some(None) } else { unquote(name).map(Some) }
        };
        let (Some(old), Some(new)) = (side(self.line(0), "--- "), side(self.line(1), "+++ ")) else {
            return self.malformed("a broken `---` or `+++` line");
        };
        self.at += 2;
        let strip = |name: String, prefix: &str| name.strip_prefix(prefix).map(str::to_owned).ok_or(name);
        // Prefixes are stripped from both sides or from none.
        Ok(match (old.map(|n| strip(n, "a/")), new.map(|n| strip(n, "b/"))) {
            (Some(Ok(old)), Some(Ok(new))) => (Some(old), Some(new)),
            (Some(Ok(old)), None) => (Some(old), None),
            (None, Some(Ok(new))) => (None, Some(new)),
            (None, None) => return self.malformed("both sides are /dev/null"),
            (old, new) => {
                let whole = |side: Option<Result<String, String>>, prefix: &str| {
                    side.map(|side| side.map_or_else(|whole| whole, |cut| format!("{prefix}{cut}")))
                };
                (whole(old, "a/"), whole(new, "b/"))
            }
        })
    }

    /// One file out of what all its headers say; they must say the same.
    fn agree(
        &self,
        said: &Extended,
        has_sides: bool,
        old: Option<String>,
        new: Option<String>,
    ) -> Result<FilePatch, Refusal> {
        let mismatch = |a: &str, b: &str| {
            self.malformed(format!(
                "headers contradict each other: `{}` and `{}`",
                a.escape_debug(),
                b.escape_debug()
            ))
        };
        if said.new_file && said.deleted {
            return self.malformed("a file both new and deleted");
        }
        if has_sides && ((said.new_file && old.is_some()) || (said.deleted && new.is_some())) {
            return self.malformed("`/dev/null` is missing on the side that the mode line says is absent");
        }
        let (mut file_old, mut file_new) = (old, new);
        if let Some((named_old, named_new)) = &said.named {
            if has_sides {
                for (side, named) in [(&file_old, named_old), (&file_new, named_new)] {
                    if let Some(side) = side.as_ref().filter(|side| *side != named) {
                        return mismatch(side, named);
                    }
                }
            } else {
                file_old = (!said.new_file).then(|| named_old.clone());
                file_new = (!said.deleted).then(|| named_new.clone());
            }
        } else if !has_sides && said.from.is_none() {
            return self.malformed("a git header without readable names");
        }
        match (&said.from, &said.to) {
            (Some(from), Some(to)) => {
                for (side, said) in [(&file_old, from), (&file_new, to)] {
                    if let Some(side) = side.as_ref().filter(|side| *side != said) {
                        return mismatch(side, said);
                    }
                }
                (file_old, file_new) = (Some(from.clone()), Some(to.clone()));
            }
            (None, None) => {
                if let (Some(old), Some(new)) = (&file_old, &file_new)
                    && old != new
                {
                    return mismatch(old, new);
                }
            }
            _ => return self.malformed("half a rename"),
        }
        Ok(FilePatch { old: file_old, new: file_new, copy: said.copy, hunks: Vec::new() })
    }

    fn hunk(&mut self) -> Result<Hunk, Refusal> {
        let Some((old_start, mut old_left, new_start, mut new_left)) = self.line(0).and_then(ranges) else {
            return self.malformed("a broken `@@` line");
        };
        if old_left > self.lines.len() || new_left > self.lines.len() {
            return self.malformed("a hunk that is larger than the patch");
        }
        self.at += 1;
        let mut hunk = Hunk { old_start, new_start, lines: Vec::new() };
        while old_left > 0 || new_left > 0 {
            let Some(raw) = self.lines.get(self.at) else {
                return self.malformed("the patch ends within a hunk");
            };
            let text = || raw.get(1..).unwrap_or_default().to_owned();
            let (line, old, new) = match raw.as_bytes().first() {
                Some(b' ') => (Line::Context(text()), 1, 1),
                Some(b'-') => (Line::Removed(text()), 1, 0),
                Some(b'+') => (Line::Added(text()), 0, 1),
                // Some mailers strip the blank of an empty context line.
                Some(b'\n') => (Line::Context("\n".to_owned()), 1, 1),
                Some(b'\\') => {
                    self.no_newline(&mut hunk)?;
                    continue;
                }
                _ => return self.malformed("a line in a hunk that is neither context, removed nor added"),
            };
            if old > old_left || new > new_left {
                return self.malformed("a hunk with other counts than its `@@` line says");
            }
            old_left -= old;
            new_left -= new;
            hunk.lines.push(line);
            self.at += 1;
        }
        if self.line(0).is_some_and(|line| line.starts_with('\\')) {
            self.no_newline(&mut hunk)?;
        }
        let more = self.line(0).is_some_and(|line| {
            let side = line.starts_with("--- ") && self.line(1).is_some_and(|next| next.starts_with("+++ "));
            line.starts_with(['+', ' ']) || (line.starts_with('-') && !side && line != "-- " && line != "--")
        });
        if more {
            return self.malformed("a hunk with more lines than its `@@` line says");
        }
        if hunk.lines.iter().all(|line| matches!(line, Line::Context(_))) {
            return self.malformed("a hunk that changes nothing");
        }
        Ok(hunk)
    }

    /// `\ No newline at end of file` belongs to the line before it.
    fn no_newline(&mut self, hunk: &mut Hunk) -> Result<(), Refusal> {
        match hunk.lines.last_mut() {
            Some(Line::Context(text) | Line::Removed(text) | Line::Added(text)) if text.ends_with('\n') => {
                text.pop();
            }
            _ => return self.malformed("`\\ No newline` that belongs to no line"),
        }
        self.at += 1;
        Ok(())
    }
}
