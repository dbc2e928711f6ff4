//! Paths that mean what they say: relative, inside the tree, not `.git` in any spelling.

use super::{Refusal, Refused};

/// Longest path in bytes.
const MAX_PATH: usize = 512;
/// Most folders of a path.
const MAX_DEPTH: usize = 40;

/// Refuses a path that leads out of the tree, into `.git`, or that a person would misread.
///
/// # Errors
/// With [`Refused::Outside`], or [`Refused::TooLarge`] for one that is too long or too deep.
pub fn check_path(path: &str) -> Result<(), Refusal> {
    let shown: String = path.chars().take(120).flat_map(char::escape_default).collect();
    let refuse = |why: &str| Err(Refusal::new(Refused::Outside, path, format!("path `{shown}` {why}")));
    if path.is_empty() {
        return refuse("is empty");
    }
    if path.len() > MAX_PATH || path.matches('/').count() >= MAX_DEPTH {
        return Err(Refusal::new(Refused::TooLarge, path, format!("path `{shown}` is too long or too deep")));
    }
    if path.starts_with('/') || path.as_bytes().get(1) == Some(&b':') {
        return refuse("is absolute");
    }
    if path.contains('\\') {
        return refuse("contains a backslash");
    }
    if path.chars().any(misleading) {
        return refuse("contains a control, bidirectional or invisible character");
    }
    for part in path.split('/') {
        match part {
            "" => return refuse("has an empty part"),
            "." | ".." => return refuse("has a `.` or `..` part"),
            part if is_git(part) => return refuse("lies in `.git`"),
            part if part.ends_with(['.', ' ']) => {
                return refuse("has a part that ends with a dot or a space");
            }
            _ => {}
        }
    }
    Ok(())
}

/// `.git` in the spellings that some file system takes for it: case, trailing dots and spaces, streams, the short
/// name, and characters that are ignored.
fn is_git(part: &str) -> bool {
    let plain: String = part.chars().filter(|c| !ignorable(*c)).flat_map(char::to_lowercase).collect();
    let stem = plain.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
    stem == ".git" || stem == "git~1" || stem == "gitmod~1"
}

fn ignorable(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{ad}')
}

fn misleading(c: char) -> bool {
    c.is_control()
        || ignorable(c)
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fffd}' | '\u{115f}' | '\u{3164}')
}

/// How a line of code reads otherwise than it runs, when it does.
pub(super) fn misleading_code(line: &str) -> Option<&'static str> {
    let body = line.strip_suffix('\n').unwrap_or(line);
    let body = body.strip_suffix('\r').unwrap_or(body);
    if body.chars().any(ignorable) {
        return Some("holds invisible or bidirectional characters");
    }
    if body.contains(['\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']) {
        return Some("holds characters that some programs take for the end of a line");
    }
    if body.chars().any(|c| c.is_control() && c != '\t') {
        return Some("holds control characters, which a terminal obeys");
    }
    if body.split(|c: char| !c.is_alphanumeric() && c != '_').any(two_scripts) {
        return Some("mixes letters of several scripts in one word, which look alike");
    }
    None
}

/// Whether a word has Latin letters and letters that look like them.
pub(super) fn two_scripts(word: &str) -> bool {
    let latin = word.chars().any(|c| c.is_ascii_alphabetic());
    latin
        && word.chars().any(|c| {
            matches!(c, '\u{370}'..='\u{52f}' | '\u{531}'..='\u{587}' | '\u{13a0}'..='\u{13fd}'
                | '\u{ff21}'..='\u{ff5a}' | '\u{1d400}'..='\u{1d7ff}')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spellings_of_git_and_ways_out_are_refused() {
        for path in [
            ".git/config",
            ".GIT/hooks/pre-commit",
            "a/.Git/x",
            ".git./x",
            ".git /x",
            "git~1/x",
            "GIT~1/config",
            ".git::$INDEX_ALLOCATION/x",
            ".g\u{200c}it/x",
            ".git",
            "../x",
            "a/../../x",
            "/etc/passwd",
            "C:/x",
            "a\\b",
            "a//b",
            "./a",
            "a/\u{202e}b.py",
            "a\nb",
            "",
        ] {
            let refusal = check_path(path).unwrap_err();
            assert!(refusal.tampering(), "{path:?}: {refusal}");
        }
        for path in ["a.py", ".gitignore", "src/pkg/mod.py", "ünïcode/ß.py", "a b/c.py", "digit.py"] {
            check_path(path).unwrap();
        }
        assert_eq!(check_path(&"d/".repeat(2000)).unwrap_err().kind, Refused::TooLarge);
    }
}
