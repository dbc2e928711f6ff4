//! One frame of a traceback: its `File` line, the line it quotes, and the marks below.

use std::sync::LazyLock;

use regex::Regex;

use crate::types::Frame;

/// A frame's first line, anywhere in a line of the log.
pub(super) static FRAME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"\s*File "([^"\n]{1,1024})", line (\d{1,9})(?:, in ([^\s,]{1,256}(?: [^\s]{1,256})?))?"#)
        .expect("the pattern is a constant that the tests compile")
});

/// A frame's first line and nothing else.
static WHOLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"^\s*File "([^"]{1,1024})", line (\d{1,9})(?:, in (\S.{0,255}))?\s*$"#)
        .expect("the pattern is a constant that the tests compile")
});

/// Longest quoted line that is kept, in characters.
const LONGEST_CODE: usize = 1000;

/// The frame that `text`, a line without its prefix, begins.
pub(super) fn first_line(text: &str) -> Option<Frame> {
    let found = WHOLE.captures(text)?;
    let group = |i| found.get(i).map_or("", |m| m.as_str());
    Some(Frame {
        file: group(1).to_owned(),
        line: group(2).parse().ok()?,
        function: group(3).trim_end().to_owned(),
        ..Frame::default()
    })
}

/// How deep `text` is indented, in characters.
pub(super) fn indent(text: &str) -> usize {
    text.chars().take_while(|c| c.is_whitespace()).count()
}

/// Whether `text` holds marks (`~~~^^^`) and nothing else.
pub(super) fn is_marks(text: &str) -> bool {
    let text = text.trim();
    text.contains(['^', '~']) && text.chars().all(|c| matches!(c, '^' | '~' | ' '))
}

/// Sets the line that `frame` quotes. `text` is the line without its prefix.
pub(super) fn set_code(frame: &mut Frame, text: &str) {
    frame.code = text.trim().chars().take(LONGEST_CODE).collect();
}

/// Sets what `marks` mark in the quoted line `code`, both without their prefix and with their indentation.
pub(super) fn set_marks(frame: &mut Frame, code: &str, marks: &str) {
    let shift = indent(code);
    let length = frame.code.chars().count();
    let start = indent(marks).saturating_sub(shift).min(length);
    let end = marks.trim_end().chars().count().saturating_sub(shift).min(length);
    if start < end {
        (frame.mark_start, frame.mark_end) = (Some(start as u64), Some(end as u64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_count_characters_of_the_quoted_line() {
        let mut frame = first_line("  File \"/a b/x.py\", line 7, in f").unwrap();
        assert_eq!((frame.file.as_str(), frame.line, frame.function.as_str()), ("/a b/x.py", 7, "f"));
        set_code(&mut frame, "    é = tb[i + 1]");
        set_marks(&mut frame, "    é = tb[i + 1]", "        ~~^^^^^^^");
        assert_eq!((frame.mark_start, frame.mark_end), (Some(4), Some(13)));
    }

    #[test]
    fn a_frame_of_a_syntax_error_has_no_function() {
        assert_eq!(first_line("  File \"x.py\", line 3").unwrap().function, "");
        assert!(first_line("  File \"x.py\", line 3, column 4").is_none());
    }
}
