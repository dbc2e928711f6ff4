//! The words of a diff's headers: names as git writes them, numbers of lines, modes.

use crate::gate::{Refusal, Refused};

/// `@@ -A[,B] +C[,D] @@`.
pub(super) fn ranges(line: &str) -> Option<(usize, usize, usize, usize)> {
    let (ranges, _) = line.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    let range = |text: &str| -> Option<(usize, usize)> {
        let (start, count) = text.split_once(',').unwrap_or((text, "1"));
        let plain = |t: &str| !t.is_empty() && t.len() < 9 && t.bytes().all(|b| b.is_ascii_digit());
        if plain(start) && plain(count) { Some((start.parse().ok()?, count.parse().ok()?)) } else { None }
    };
    let ((old_start, old_count), (new_start, new_count)) = (range(old)?, range(new)?);
    Some((old_start, old_count, new_start, new_count))
}

/// The two names of `diff --git a/X b/Y`, when they can be told apart.
pub(super) fn git_names(rest: &str) -> Option<(String, String)> {
    if rest.starts_with('"') || rest.ends_with('"') {
        let (old, new) = if let Some(old) = rest.strip_prefix('"') {
            let end = closing(old)?;
            (format!("\"{}", old.get(..=end)?), old.get(end + 1..)?.trim_start().to_owned())
        } else {
            let at = rest.find(" \"")?;
            (rest.get(..at)?.to_owned(), rest.get(at + 1..)?.to_owned())
        };
        let (old, new) = (unquote(&old)?, unquote(&new)?);
        return Some((old.strip_prefix("a/")?.to_owned(), new.strip_prefix("b/")?.to_owned()));
    }
    // Without a rename both names are the same, which tells where the first one ends, blanks or not.
    let half = rest.len() / 2;
    if let (Some(old), Some(new)) = (rest.get(..half), rest.get(half + 1..))
        && let (Some(old), Some(new)) = (old.strip_prefix("a/"), new.strip_prefix("b/"))
        && old == new
    {
        return Some((old.to_owned(), new.to_owned()));
    }
    let (old, new) = rest.split_once(" b/")?;
    Some((old.strip_prefix("a/")?.to_owned(), new.to_owned()))
}

/// Where the quote that is open ends.
fn closing(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (i, b) in text.bytes().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(i),
            _ => {}
        }
    }
    None
}

/// A path as git writes it: plain, or in quotes with C escapes.
pub(super) fn unquote(path: &str) -> Option<String> {
    let Some(inner) = path.strip_prefix('"') else { return Some(path.to_owned()) };
    let inner = inner.strip_suffix('"')?;
    let mut out = Vec::new();
    let mut bytes = inner.bytes();
    while let Some(b) = bytes.next() {
        if b != b'\\' {
            out.push(b);
            continue;
        }
        out.push(match bytes.next()? {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'a' => 7,
            b'b' => 8,
            b'f' => 12,
            b'v' => 11,
            c @ (b'"' | b'\\') => c,
            c @ b'0'..=b'3' => {
                let (d, e) = (bytes.next()?, bytes.next()?);
                if !(b'0'..=b'7').contains(&d) || !(b'0'..=b'7').contains(&e) {
                    return None;
                }
                (c - b'0') * 64 + (d - b'0') * 8 + (e - b'0')
            }
            _ => return None,
        });
    }
    String::from_utf8(out).ok()
}

/// Only plain, non-executable files may come.
pub(super) fn regular(mode: &str, path: &str) -> Result<(), Refusal> {
    let (kind, what) = match mode.trim() {
        "100644" | "" => return Ok(()),
        "120000" => (Refused::Symlink, "a symbolic link"),
        "160000" => (Refused::Submodule, "a submodule"),
        _ => (Refused::Mode, "no plain file"),
    };
    Err(Refusal::new(kind, path, format!("{path} is {what} (mode {})", mode.escape_debug())))
}
