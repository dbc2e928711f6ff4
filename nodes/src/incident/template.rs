//! The message template: a message with what changes from one time to the next replaced.

use std::sync::LazyLock;

use regex::Regex;

/// Longest message that is looked at, in characters.
const LONGEST: usize = 2000;

/// Python's own types: in quotes they say what went wrong, and are no value of the log.
const TYPES: [&str; 22] = [
    "NoneType",
    "bool",
    "builtin_function_or_method",
    "bytearray",
    "bytes",
    "complex",
    "coroutine",
    "dict",
    "float",
    "frozenset",
    "function",
    "generator",
    "int",
    "list",
    "method",
    "module",
    "object",
    "range",
    "set",
    "str",
    "tuple",
    "type",
];

/// The template of `message`: its first line that is not empty, with quoted strings (but the names of Python's own types) as `<str>`, URLs as `<url>`, paths as
/// `<path>`, times as `<time>`, UUIDs as `<uuid>`, addresses and hashes as `<hex>`, numbers as `<n>`.
#[must_use]
pub fn template(message: &str) -> String {
    static RULES: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
        [
            (r"\b[a-z][a-z0-9+.-]{1,20}://\S+", "<url>"),
            (r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b", "<uuid>"),
            (
                r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?",
                "<time>",
            ),
            (r"\b\d{1,2}:\d{2}:\d{2}(?:[.,]\d+)?", "<time>"),
            (r"(^|[\s(\[{=:,])(?:[A-Za-z]:\\|~/|\.{0,2}/)[\w.@+-]+(?:[/\\][\w.@+-]+)*/?", "$1<path>"),
            (r"\b0[xX][0-9a-fA-F]+\b", "<hex>"),
        ]
        .into_iter()
        .map(|(pattern, with)| {
            (Regex::new(pattern).expect("the pattern is a constant that the tests compile"), with)
        })
        .collect()
    });
    let line = message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line: String = line.chars().take(LONGEST).collect();
    let mut text = quoted(&line);
    for (pattern, with) in RULES.iter() {
        text = pattern.replace_all(&text, *with).into_owned();
    }
    words(&text)
}

/// Replaces quoted strings. A quote opens where no word stands before it (but `b'`, `r"` and their like) and
/// closes where none follows, so that `can't` stays.
fn quoted(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let word = |i: usize| chars.get(i).is_some_and(|c| c.is_alphanumeric() || *c == '_');
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    // Sorts of quote that no longer close: looked for once, so that a row of open quotes costs no more than one.
    let mut unclosed: Vec<char> = Vec::new();
    while i < chars.len() {
        let c = chars[i];
        let prefix = i > 0
            && matches!(chars[i - 1], 'b' | 'r' | 'u' | 'f' | 'B' | 'R' | 'U' | 'F')
            && !(i > 1 && word(i - 2));
        let opens =
            matches!(c, '\'' | '"' | '`') && !unclosed.contains(&c) && (i == 0 || !word(i - 1) || prefix);
        if !opens {
            out.push(c);
            i += 1;
            continue;
        }
        let mut end = i + 1;
        while end < chars.len() && (chars[end] != c || word(end + 1)) {
            end += if chars[end] == '\\' { 2 } else { 1 };
        }
        if end >= chars.len() {
            unclosed.push(c);
            out.push(c);
            i += 1;
            continue;
        }
        if prefix {
            out.pop();
        }
        let inside: String = chars[i + 1..end].iter().collect();
        match TYPES.contains(&inside.as_str()) {
            true => out.extend([c.to_string(), inside, c.to_string()]),
            false => out.push_str("<str>"),
        }
        i = end + 1;
    }
    out
}

/// Replaces numbers, and words that are hashes: at least eight hex digits with a letter and a digit among them.
fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if !first.is_alphanumeric() {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let hex = word.len() >= 8
            && word.chars().all(|c| c.is_ascii_hexdigit())
            && word.contains(|c: char| c.is_ascii_digit())
            && word.contains(|c: char| c.is_ascii_alphabetic());
        if hex {
            out.push_str("<hex>");
            rest = after;
        } else if first.is_ascii_digit() {
            // A number and its decimals, exponent and unit's digits: one `<n>`.
            let digits = rest
                .char_indices()
                .find(|&(i, c)| {
                    let next_is_digit =
                        || rest[i + c.len_utf8()..].starts_with(|next: char| next.is_ascii_digit());
                    !(c.is_ascii_digit() || (matches!(c, '.' | ',') && next_is_digit()))
                })
                .map_or(rest.len(), |(i, _)| i);
            out.push_str("<n>");
            rest = &rest[digits..];
        } else {
            let digit = word.find(|c: char| c.is_ascii_digit()).unwrap_or(word.len());
            out.push_str(&word[..digit]);
            rest = &rest[digit..];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_replaced_and_what_stays_is_kept() {
        for (message, want) in [
            ("'order_items'", "<str>"),
            ("'int' object has no attribute 'startswith'", "'int' object has no attribute <str>"),
            ("can't open b'a\\'b' at 0x7f3a", "can't open <str> at <hex>"),
            ("user 6549cc7d-2938-2246-d914-9f382d1a5021 gone", "user <uuid> gone"),
            ("no such file: /var/task/a.py after 1,204.5 s", "no such file: <path> after <n> s"),
            ("at 2024-05-01T10:00:00Z row12 of deadbeef01", "at <time> row<n> of <hex>"),
            (
                "unsupported operand type(s) for /: 'float' and 'str'",
                "unsupported operand type(s) for /: 'float' and 'str'",
            ),
            ("GET https://x.example/y?z=1 failed", "GET <url> failed"),
            ("\n2 validation errors for Order\nname\n  missing", "<n> validation errors for Order"),
            ("an 'open quote", "an 'open quote"),
            ("", ""),
        ] {
            assert_eq!(template(message), want, "{message}");
        }
    }
}
