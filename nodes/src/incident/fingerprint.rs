//! The fingerprint: what makes two sightings the same incident.

use crate::types::Frame;

/// Bytes of the hash that are shown, two hex digits each.
const BYTES: usize = 16;

/// The fingerprint of an incident: 32 hex digits of the BLAKE3 hash over language, exception type, message template, and
/// file and function of its frames in the repository (where it has none: of all its frames, files by base name).
///
/// Lines are left out, so it stays when code above moves; a file and function counts once, so it stays when a
/// recursion is deeper; frames of list, set and dict comprehensions are left out, because newer interpreters
/// have none.
#[must_use]
pub fn fingerprint(language: &str, exception: &str, template: &str, frames: &[Frame]) -> String {
    let ours = frames.iter().any(|frame| frame.path.is_some());
    let mut places: Vec<(&str, &str)> = Vec::new();
    for frame in frames {
        let file = match &frame.path {
            Some(path) => &path.0,
            None if ours => continue,
            None => frame.file.rsplit(['/', '\\']).next().unwrap_or(&frame.file),
        };
        let place = (file, frame.function.as_str());
        if !matches!(place.1, "<listcomp>" | "<setcomp>" | "<dictcomp>") && !places.contains(&place) {
            places.push(place);
        }
    }
    let mut hasher = blake3::Hasher::new();
    // Each part ends with a byte that no part holds, so that no two lists of parts read the same.
    for part in [language, exception, template].into_iter().chain(places.iter().flat_map(|p| [p.0, p.1])) {
        hasher.update(part.replace('\0', " ").as_bytes());
        hasher.update(b"\0");
    }
    hasher.finalize().as_bytes()[..BYTES].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(file: &str, path: Option<&str>, line: u64, function: &str) -> Frame {
        Frame {
            file: file.into(),
            path: path.map(Into::into),
            line,
            function: function.into(),
            ..Frame::default()
        }
    }

    #[test]
    fn it_forgets_lines_depth_and_where_it_ran() {
        let here = [
            frame("/srv/app/main.py", None, 1, "<module>"),
            frame("/srv/app/src/a/b.py", Some("src/a/b.py"), 10, "f"),
            frame("/srv/app/src/a/b.py", Some("src/a/b.py"), 10, "f"),
            frame("/srv/app/src/a/b.py", Some("src/a/b.py"), 11, "<dictcomp>"),
        ];
        let there = [frame("/var/task/a/b.py", Some("src/a/b.py"), 22, "f")];
        let print = fingerprint("python", "KeyError", "<str>", &here);
        assert_eq!(print, fingerprint("python", "KeyError", "<str>", &there));
        assert_eq!(print.len(), 32);
    }

    #[test]
    fn it_tells_type_template_and_function_apart() {
        let frames = [frame("/x/b.py", None, 1, "f")];
        let print = fingerprint("python", "KeyError", "<str>", &frames);
        assert_eq!(print, fingerprint("python", "KeyError", "<str>", &[frame("/y/b.py", None, 2, "f")]));
        assert_ne!(print, fingerprint("python", "IndexError", "<str>", &frames));
        assert_ne!(print, fingerprint("python", "KeyError", "<n>", &frames));
        assert_ne!(print, fingerprint("python", "KeyError", "<str>", &[frame("/x/b.py", None, 1, "g")]));
    }
}
