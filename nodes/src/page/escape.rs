//! Text from logs, models and tests, made safe to stand in Markdown: it cannot open a tag, a link, a mention or a
//! heading, cannot close what it stands in, and shows what would be invisible.

/// `text` without control characters; what a reader cannot see, or what turns the reading direction, is
/// spelled out. Line feeds and tabs stay.
#[must_use]
pub fn visible(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            '\u{2028}' | '\u{2029}' | '\u{85}' => out.push('\n'),
            c if c.is_control() || is_hidden(c) => out.push_str(&format!("[U+{:04X}]", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// Characters that show nothing or reorder what is around them.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// `text` on one line, at most `most` characters, white space collapsed. Not escaped yet.
#[must_use]
pub fn one_line(text: &str, most: usize) -> String {
    let line = visible(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= most {
        return line;
    }
    let mut short: String = line.chars().take(most.saturating_sub(1)).collect();
    // A word cut in two reads badly; a space near the end is a better place.
    if let Some(space) = short.rfind(' ').filter(|at| *at > short.len() * 2 / 3) {
        short.truncate(space);
    }
    short.push('…');
    short
}

/// `text` as prose on one line, at most `most` characters: but for code in single backticks, it means the same
/// in Markdown as it does as text.
#[must_use]
pub fn prose(text: &str, most: usize) -> String {
    let line = one_line(text, most);
    let parts: Vec<&str> = line.split('`').collect();
    let spans = parts.len() % 2 == 1 && parts.iter().skip(1).step_by(2).all(|span| !span.trim().is_empty());
    if !spans || line.contains("``") {
        return escaped(&line, true);
    }
    let piece = |(i, part): (usize, &&str)| match i % 2 {
        0 => escaped(part, i == 0),
        _ => code(part, most),
    };
    parts.iter().enumerate().map(piece).collect()
}

/// One line with all that means something in Markdown taken apart; `start` when it may begin a line.
fn escaped(line: &str, start: bool) -> String {
    let mut out = String::with_capacity(line.len() + 16);
    let mut chars = line.chars().peekable();
    // A number at the start of a line begins a list.
    let mut number = start && line.starts_with(|c: char| c.is_ascii_digit());
    while let Some(c) = chars.next() {
        let next = chars.peek().copied().unwrap_or(' ');
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // Within a word an underscore means nothing: `test_total`.
            '_' if next.is_alphanumeric() && out.ends_with(|c: char| c.is_alphanumeric()) => out.push(c),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' | '!' => {
                out.push('\\');
                out.push(c);
            }
            // Forges make links of mentions, numbers and addresses even where Markdown would not.
            '@' | '#' if next.is_alphanumeric() => out.push_str(&format!("`{c}`")),
            ':' if next == '/' => out.push_str("`:`"),
            '.' if out.to_ascii_lowercase().ends_with("www") => out.push_str("`.`"),
            '#' | '+' | '-' | '=' if out.is_empty() && start => {
                out.push('\\');
                out.push(c);
            }
            '.' | ')' if number => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
        number &= c.is_ascii_digit();
    }
    out
}

/// `text` as a code span on one line, at most `most` characters. It may stand in a table.
#[must_use]
pub fn code(text: &str, most: usize) -> String {
    let line = one_line(text, most).replace('|', "\\|");
    if line.is_empty() {
        return "–".to_owned();
    }
    let fence = "`".repeat(longest_run(&line, '`') + 1);
    let pad = if line.starts_with('`') || line.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{line}{pad}{fence}")
}

/// `text` as a fenced block that it cannot close, at most `most` lines and 64 KiB, ending in a line feed.
#[must_use]
pub fn fence(language: &str, text: &str, most: usize) -> String {
    let text = visible(text);
    let mut body = String::new();
    let mut lines = text.trim_end_matches('\n').split('\n');
    for line in lines.by_ref().take(most) {
        if body.len() + line.len() > 64 * 1024 {
            body.push_str("… (cut)\n");
            break;
        }
        body.push_str(line);
        body.push('\n');
    }
    let left = lines.count();
    if left > 0 {
        body.push_str(&format!("… ({left} more lines)\n"));
    }
    let fence = "`".repeat(longest_run(&body, '`').max(2) + 1);
    format!("{fence}{language}\n{body}{fence}\n")
}

fn longest_run(text: &str, of: char) -> usize {
    text.split(|c| c != of).map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prose_opens_nothing() {
        let check = |text: &str, expected: &str| assert_eq!(prose(text, 200), expected);
        check("<img src=x onerror=y>", "&lt;img src=x onerror=y&gt;");
        check("<!-- hidden -->", "&lt;\\!-- hidden --&gt;");
        check("[click](https://evil)", "\\[click\\](https`:`//evil)");
        check("thanks @maintainer, see #12", "thanks `@`maintainer, see `#`12");
        check("# heading", "\\# heading");
        check("1. item", "1\\. item");
        check("a\nb\u{202e}c", "a b\\[U+202E\\]c");
        check("| a | b |", "\\| a \\| b \\|");
        check("www.evil.example", "www`.`evil.example");
        check("reads `order['d']` and `<b>`", "reads `order['d']` and `<b>`");
        check("`a` | ``", "\\`a\\` \\| \\`\\`");
        check("a ` b", "a \\` b");
        check("test_total and __init__ _x_", "test_total and \\_\\_init\\_\\_ \\_x\\_");
    }

    #[test]
    fn code_and_fences_hold_what_is_in_them() {
        assert_eq!(code("a`b``c", 80), "```a`b``c```");
        assert_eq!(code("`", 80), "`` ` ``");
        assert_eq!(code("a|b", 80), "`a\\|b`");
        assert_eq!(fence("", "```\n</details>", 10), "````\n```\n</details>\n````\n");
        assert_eq!(fence("diff", "1\n2\n3\n", 2), "```diff\n1\n2\n… (1 more lines)\n```\n");
    }

    proptest! {
        #[test]
        fn a_fence_is_closed_once(text in "[`a \n]{0,60}") {
            let block = fence("", &text, 100);
            let mark = block.lines().next().unwrap().to_owned();
            prop_assert_eq!(block.lines().filter(|line| line.starts_with(&mark)).count(), 2);
        }

        #[test]
        fn nothing_panics_and_one_line_is_one(text in any::<String>(), most in 0_usize..40) {
            for out in [one_line(&text, most), prose(&text, most), code(&text, most)] {
                prop_assert!(!out.contains('\n'));
            }
            prop_assert!(one_line(&text, most).chars().count() <= most.max(1));
            let _ = fence("", &text, most);
        }
    }
}
