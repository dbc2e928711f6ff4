//! Type expressions: `string`, `list<path>?`, `map<int>`, `enum<low|high>`, `{file: path, line: int?}`.

use std::ops::Range;
use std::sync::Arc;

use super::{FieldMap, Record, RecordField, Type};

/// Deepest nesting of a type expression.
const MAX_DEPTH: usize = 16;

/// Why a text is no type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeError {
    /// The bytes of the text that are meant.
    pub span: Range<usize>,
    /// The name that is not known, when that is all that is wrong.
    pub unknown: Option<String>,
    /// What is wrong, a lowercase fragment.
    pub message: String,
}

impl std::fmt::Display for TypeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TypeError {}

impl Type {
    /// Parses a type expression; `record` finds the records it names.
    ///
    /// Words of an enum are separated by `|` or `,`; inside YAML's `{…}` and `[…]` only `|` works without quotes.
    ///
    /// # Errors
    /// When the text is no type expression, or names a record that `record` does not know.
    pub fn parse(text: &str, record: &mut dyn FnMut(&str) -> Option<Self>) -> Result<Self, TypeError> {
        let mut parser = TypeParser { text, at: 0, record };
        let ty = parser.ty(0)?;
        parser.space();
        if parser.at < text.len() {
            return Err(parser.wrong("something follows the type"));
        }
        Ok(ty)
    }
}

/// Milliseconds of a duration such as `90s`, `30m`, `1h30m` or `500ms`.
#[must_use]
pub fn duration_ms(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut total: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, after) = after.split_at_checked(letters)?;
        let factor: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = after;
    }
    Some(total)
}

struct TypeParser<'t, 'r> {
    text: &'t str,
    at: usize,
    record: &'r mut dyn FnMut(&str) -> Option<Type>,
}

impl<'t> TypeParser<'t, '_> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn wrong(&self, message: impl Into<String>) -> TypeError {
        let width = self.rest().chars().next().map_or(0, char::len_utf8);
        TypeError { span: self.at..self.at + width, unknown: None, message: message.into() }
    }

    /// Takes `token` if it comes next.
    fn take(&mut self, token: char) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len_utf8();
        }
        found
    }

    fn expect(&mut self, token: char) -> Result<(), TypeError> {
        if self.take(token) { Ok(()) } else { Err(self.wrong(format!("`{token}` is missing"))) }
    }

    /// A name of letters, digits, `_` and `-`.
    fn word(&mut self) -> Result<(&'t str, Range<usize>), TypeError> {
        self.space();
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'))).unwrap_or(rest.len());
        if end == 0 {
            return Err(self.wrong("a name is missing"));
        }
        let span = self.at..self.at + end;
        self.at += end;
        Ok((&rest[..end], span))
    }

    fn ty(&mut self, depth: usize) -> Result<Type, TypeError> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("the type is nested too deeply"));
        }
        let mut ty = if self.take('{') { self.fields(depth)? } else { self.named(depth)? };
        if self.take('?') {
            ty = Type::Optional(Box::new(ty));
        }
        Ok(ty)
    }

    fn fields(&mut self, depth: usize) -> Result<Type, TypeError> {
        let mut fields = FieldMap::new();
        while !self.take('}') {
            if !fields.is_empty() {
                self.expect(',')?;
            }
            let (name, span) = self.word()?;
            self.expect(':')?;
            let ty = self.ty(depth + 1)?;
            if fields.insert(name.to_owned(), RecordField { ty, doc: String::new() }).is_some() {
                return Err(TypeError {
                    span,
                    unknown: None,
                    message: format!("the field `{name}` is there twice"),
                });
            }
        }
        Ok(Type::Record(Arc::new(Record { name: String::new(), doc: String::new(), fields })))
    }

    fn named(&mut self, depth: usize) -> Result<Type, TypeError> {
        let (name, span) = self.word()?;
        let inside = |this: &mut Self| {
            this.expect('<')?;
            let ty = this.ty(depth + 1)?;
            this.expect('>')?;
            Ok(Box::new(ty))
        };
        Ok(match name {
            "string" => Type::String,
            "text" => Type::Text,
            "diff" => Type::Diff,
            "int" => Type::Int,
            "float" => Type::Float,
            "bool" => Type::Bool,
            "path" => Type::Path,
            "duration" => Type::Duration,
            "list" => Type::List(inside(self)?),
            "map" => Type::Map(inside(self)?),
            "enum" => self.words()?,
            _ => {
                let message = format!("there is no type `{name}`");
                let unknown = Some(name.to_owned());
                (self.record)(name).ok_or(TypeError { span, unknown, message })?
            }
        })
    }

    fn words(&mut self) -> Result<Type, TypeError> {
        self.expect('<')?;
        let mut words: Vec<String> = Vec::new();
        loop {
            let (word, span) = self.word()?;
            if words.iter().any(|known| known == word) {
                return Err(TypeError {
                    span,
                    unknown: None,
                    message: format!("the word `{word}` is there twice"),
                });
            }
            words.push(word.to_owned());
            if self.take('>') {
                return Ok(Type::Enum(words));
            }
            if !self.take('|') && !self.take(',') {
                return Err(self.wrong("`|` or `>` is missing"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Type, TypeError> {
        Type::parse(text, &mut |name| (name == "Incident").then_some(Type::Bool))
    }

    #[test]
    fn types_print_as_they_are_written() {
        for text in [
            "string",
            "list<path>?",
            "map<list<int?>>",
            "enum<low|high>?",
            "{file: path, line: int?}",
            "{}",
            "list<{a: duration}>",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        assert_eq!(parse("enum<a, b>").unwrap().to_string(), "enum<a|b>");
        assert_eq!(parse(" Incident "), Ok(Type::Bool));
    }

    #[test]
    fn what_is_no_type_says_where() {
        for (text, at, part) in [
            ("list", 4, "`<` is missing"),
            ("list<string", 11, "`>` is missing"),
            ("list<strin>", 5, "no type `strin`"),
            ("string string", 7, "follows"),
            ("enum<a|a>", 7, "twice"),
            ("{a: int, a: int}", 9, "twice"),
            ("int??", 4, "follows"),
            ("", 0, "a name is missing"),
            ("enum<é b>", 8, "`|` or `>`"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.message.contains(part) && error.span.start == at, "{text}: {error:?}");
        }
        assert!(parse(&"list<".repeat(10_000)).is_err());
    }

    #[test]
    fn durations_are_milliseconds() {
        for (text, ms) in [
            ("30m", Some(1_800_000)),
            ("1h30m", Some(5_400_000)),
            ("500ms", Some(500)),
            ("2d", Some(172_800_000)),
            ("", None),
            ("30", None),
            ("m", None),
            ("1x", None),
            ("-1s", None),
            ("99999999999999999999s", None),
            ("1s é", None),
        ] {
            assert_eq!(duration_ms(text), ms, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in r"[a-zé<>{}:,|?_ -]{0,60}|(list<|enum<|\{a: |map<|int|\?|>|\}){0,20}") {
            let _ = parse(&text);
            let _ = duration_ms(&text);
        }
    }
}
