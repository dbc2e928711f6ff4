//! Lays a parsed diff over the base content: exactly where it says, or where its lines occur exactly once.

use super::parse::Line;
use super::{FilePatch, Hunk, Refusal, Refused};

/// A path and its new content, or nothing for a deletion.
pub type NewFile = (String, Option<Vec<u8>>);

/// The files that `patches` make of the base, sorted by path: new content, or nothing for a deletion. `read` gives a
/// file's base content, or nothing when the base has no such plain file.
///
/// A hunk goes where its line numbers say; when its old lines are not there, where they occur exactly once after
/// the hunk before it. There is no fuzz: every context line must be there.
///
/// # Errors
/// With [`Refused::DoesNotApply`] when a hunk does not fit or a file is (not) there that must (not) be,
/// [`Refused::Binary`] when the base file is no UTF-8 text.
pub fn apply(
    patches: &[FilePatch],
    mut read: impl FnMut(&str) -> Option<Vec<u8>>,
) -> Result<Vec<NewFile>, Refusal> {
    let mut out = std::collections::BTreeMap::new();
    for patch in patches {
        let path = patch.path();
        let unfit = |why: &str| Refusal::new(Refused::DoesNotApply, path, format!("{path}: {why}"));
        let before = match &patch.old {
            Some(old) => {
                let Some(bytes) = read(old) else { return Err(unfit("is not a file of the base commit")) };
                let Ok(text) = String::from_utf8(bytes) else {
                    return Err(Refusal::new(Refused::Binary, path, format!("{path} is no UTF-8 text")));
                };
                text
            }
            None => String::new(),
        };
        if patch.new.is_some() && patch.new != patch.old && read(path).is_some() {
            return Err(unfit("the patch adds it, and the base commit has it already"));
        }
        let after = lay(&before, &patch.hunks).map_err(|line| {
            unfit(&format!(
                "the hunk at line {line} does not fit the base commit; its context and removed lines must be there word for word"
            ))
        })?;
        match (&patch.old, &patch.new) {
            (Some(old), None) => {
                if !after.is_empty() {
                    return Err(unfit("the patch deletes it, but leaves lines over"));
                }
                out.insert(old.clone(), None);
            }
            (old, Some(new)) => {
                if after.contains('\0') {
                    return Err(Refusal::new(Refused::Binary, path, format!("{path} would hold a NUL byte")));
                }
                if let Some(old) = old.as_ref().filter(|old| *old != new && !patch.copy) {
                    out.entry(old.clone()).or_insert(None);
                }
                out.insert(new.clone(), Some(after.into_bytes()));
            }
            (None, None) => return Err(unfit("neither an old nor a new path")),
        }
    }
    Ok(out.into_iter().collect())
}

/// The text with all hunks laid over it, or the line of the first one that does not fit.
fn lay(before: &str, hunks: &[Hunk]) -> Result<String, usize> {
    let lines: Vec<&str> = before.split_inclusive('\n').collect();
    let mut out = String::with_capacity(before.len());
    let mut done = 0;
    for hunk in hunks {
        let old: Vec<&str> = hunk
            .lines
            .iter()
            .filter_map(|line| match line {
                Line::Context(text) | Line::Removed(text) => Some(text.as_str()),
                Line::Added(_) => None,
            })
            .collect();
        let at = place(&lines, &old, hunk.old_start, done).ok_or(hunk.old_start)?;
        out.extend(lines.get(done..at).unwrap_or_default().iter().copied());
        for line in &hunk.lines {
            if let Line::Context(text) | Line::Added(text) = line {
                out.push_str(text);
            }
        }
        done = at + old.len();
    }
    out.extend(lines.get(done..).unwrap_or_default().iter().copied());
    Ok(out)
}

/// The index of the first line of `old` in `lines`, not before `from`.
fn place(lines: &[&str], old: &[&str], start: usize, from: usize) -> Option<usize> {
    if old.is_empty() {
        // A pure insertion stands after the line it names.
        return (start >= from && start <= lines.len()).then_some(start);
    }
    let fits = |at: usize| lines.get(at..at + old.len()).is_some_and(|part| part == old);
    let said = start.saturating_sub(1);
    if said >= from && fits(said) {
        return Some(said);
    }
    let mut places = (from..lines.len()).filter(|at| fits(*at));
    let first = places.next()?;
    places.next().is_none().then_some(first)
}
