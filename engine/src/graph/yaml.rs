//! YAML as a small tree with byte spans. What makes a file mean more than it shows is refused: anchors, aliases,
//! tags, merge keys, several documents, the same key twice. Graph files are read with it, and settings: [`tree`].

use std::collections::HashSet;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span as YamlSpan};
use serde_json::Value;

use super::diagnostic::{Diagnostic, Report};

/// Largest file, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;
/// Deepest nesting.
const MAX_DEPTH: usize = 32;

/// A span of bytes in the file.
pub type Span = Range<usize>;

/// A node of the tree.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    pub(crate) data: Data,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub(crate) enum Data {
    /// A scalar: its text with quotes and folding undone.
    Scalar(String, ScalarStyle),
    List(Vec<Node>),
    /// In the file's order.
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Debug, Clone)]
pub struct Key {
    /// The key itself.
    pub name: String,
    /// Where it stands.
    pub span: Span,
}

impl Node {
    /// What it is, for messages: `a list`, `a map`, `nothing`, `true or false`, `a number` or `a text`.
    #[must_use]
    pub fn shape(&self) -> &'static str {
        match &self.data {
            Data::List(_) => "a list",
            Data::Map(_) => "a map",
            Data::Scalar(..) => match self.json() {
                Value::Null => "nothing",
                Value::Bool(_) => "true or false",
                Value::Number(_) => "a number",
                _ => "a text",
            },
        }
    }

    /// The keys and values of a map, in the file's order.
    #[must_use]
    pub fn entries(&self) -> Option<&[(Key, Self)]> {
        match &self.data {
            Data::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items of a list.
    #[must_use]
    pub fn items(&self) -> Option<&[Self]> {
        match &self.data {
            Data::List(items) => Some(items),
            _ => None,
        }
    }

    /// The text of a scalar, with quotes and folding undone.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// The value as JSON, by YAML's core schema with decimal numbers only.
    #[must_use]
    pub fn json(&self) -> Value {
        match &self.data {
            Data::List(items) => items.iter().map(Self::json).collect(),
            Data::Map(entries) => {
                entries.iter().map(|(key, value)| (key.name.clone(), value.json())).collect()
            }
            Data::Scalar(text, ScalarStyle::Plain) => plain(text),
            Data::Scalar(text, _) => Value::from(text.as_str()),
        }
    }

    /// Where byte `at` of this scalar's text stands in `source`, whatever its style adds: indentation, quotes, escapes.
    pub(crate) fn locate(&self, source: &str, at: usize) -> usize {
        let (Data::Scalar(text, style), Some(raw)) = (&self.data, source.get(self.span.clone())) else {
            return self.span.start;
        };
        let skip = match style {
            ScalarStyle::Plain => 0,
            ScalarStyle::SingleQuoted => 1,
            ScalarStyle::DoubleQuoted => 1,
            ScalarStyle::Literal | ScalarStyle::Folded => 0,
        };
        let raws: Vec<(usize, char)> = match style {
            ScalarStyle::DoubleQuoted if raw.contains('\\') => escaped(raw, skip),
            _ => raw.char_indices().skip_while(|(i, _)| *i < skip).collect(),
        };
        let mut raws = raws.into_iter().peekable();
        for (i, c) in text.char_indices() {
            // Skip what the style adds: indentation, doubled quotes.
            while raws.peek().is_some_and(|(_, r)| *r != c && !(c == ' ' && r.is_whitespace())) {
                raws.next();
            }
            let Some(&(offset, _)) = raws.peek() else { break };
            if i >= at {
                return self.span.start + offset;
            }
            raws.next();
        }
        raws.peek().map_or(self.span.end, |(offset, _)| self.span.start + offset)
    }
}

/// The characters of a double-quoted scalar from byte `at` on, each with the byte where it or its escape begins.
fn escaped(raw: &str, at: usize) -> Vec<(usize, char)> {
    let mut found = Vec::new();
    let mut chars = raw.char_indices().skip_while(|(i, _)| *i < at);
    while let Some((at, c)) = chars.next() {
        if c != '\\' {
            found.push((at, c));
            continue;
        }
        let mut hex = |digits: usize| {
            // The letter that says how many comes first.
            let text: String = chars.by_ref().take(digits).skip(1).map(|(_, c)| c).collect();
            u32::from_str_radix(&text, 16).ok().and_then(char::from_u32)
        };
        let meant = match raw.get(at + 1..).and_then(|rest| rest.chars().next()) {
            Some('x') => hex(3),
            Some('u') => hex(5),
            Some('U') => hex(9),
            _ => chars.next().map(|(_, c)| match c {
                '0' => '\0',
                'a' => '\x07',
                'b' => '\x08',
                't' => '\t',
                'n' => '\n',
                'v' => '\x0b',
                'f' => '\x0c',
                'r' => '\r',
                'e' => '\x1b',
                'N' => '\u{85}',
                '_' => '\u{a0}',
                'L' => '\u{2028}',
                'P' => '\u{2029}',
                c => c,
            }),
        };
        found.extend(meant.map(|meant| (at, meant)));
    }
    found
}

/// A plain scalar by YAML's core schema, with decimal numbers only.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => {
            let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
            let numeric = digits.starts_with(|c: char| c.is_ascii_digit())
                && digits
                    .bytes()
                    .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+'));
            if numeric && let Ok(int) = text.parse::<i64>() {
                return Value::from(int);
            }
            let float =
                text.parse::<f64>().ok().filter(|_| numeric && !digits.bytes().all(|b| b.is_ascii_digit()));
            float.and_then(serde_json::Number::from_f64).map_or_else(|| Value::from(text), Value::Number)
        }
    }
}

/// A collection that is still open.
struct Open {
    start: usize,
    data: Data,
    /// The key whose value comes next, in a map.
    key: Option<Key>,
    seen: HashSet<String>,
    /// Its value is dropped: the key was there before.
    repeated: bool,
}

/// Reads a file that is no graph, such as settings. `name` is what findings call it. Nothing when it is empty or
/// holds comments only.
///
/// # Errors
/// Everything that is wrong with it, in the file's order, each with its line.
pub fn tree(name: &str, source: &str) -> Result<Option<Node>, Vec<Diagnostic>> {
    let mut report = Report::new(name, source);
    let root = document(&mut report, 0..source.len());
    let found = report.finish();
    if found.is_empty() { Ok(root.flatten()) } else { Err(found) }
}

/// Parses the file that stands at `at` in `report`'s text, which may not be empty. Nothing when it cannot be used at
/// all; the reason is in the report.
pub(crate) fn parse(report: &mut Report<'_>, at: Span) -> Option<Node> {
    let start = at.start;
    let root = document(report, at)?;
    if root.is_none() {
        report.error("E001", &(start..start), "the file is empty");
    }
    root
}

/// The one document of the file at `at`, or that there is none; nothing at all after an error that ends the reading.
fn document(report: &mut Report<'_>, at: Span) -> Option<Option<Node>> {
    let mut start = at.start;
    let mut source = report.source.get(at).unwrap_or_default();
    // A byte order mark says nothing in UTF-8; some editors write one all the same.
    if let Some(rest) = source.strip_prefix('\u{feff}') {
        start += source.len() - rest.len();
        source = rest;
    }
    if let Some(nul) = source.find('\0') {
        let at = start + nul;
        report.error("E062", &(at..at + 1), "it is no text: it holds a NUL byte");
        return None;
    }
    if source.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, more than {MAX_BYTES}", source.len());
        report.error("E003", &(start..start), message);
        return None;
    }
    Builder { offsets: Offsets::new(source, start), open: Vec::new(), root: None, report }.run(source)
}

struct Builder<'r, 's> {
    offsets: Offsets,
    open: Vec<Open>,
    root: Option<Node>,
    report: &'r mut Report<'s>,
}

impl Builder<'_, '_> {
    fn run(mut self, source: &str) -> Option<Option<Node>> {
        let mut parser = Parser::new_from_str(source);
        let mut documents = 0;
        loop {
            let (event, span) = match parser.next_event()? {
                Ok(next) => next,
                Err(error) => {
                    let at = self.offsets.byte(error.marker().index());
                    let found = self.report.error("E001", &(at..at + 1), error.info().to_owned());
                    if error.info().contains("flow") {
                        found.help("inside `{…}` and `[…]`, a text with a comma or a bracket must be quoted");
                    } else if error.info().contains("mapping values") {
                        found.help("a text with `: ` in it must be quoted");
                    }
                    return None;
                }
            };
            let span = self.offsets.span(source, &span);
            match event {
                Event::Nothing | Event::StreamStart | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        self.report
                            .error("E002", &span, "a file is one document")
                            .label("a second one starts here");
                        return None;
                    }
                }
                Event::Alias(_) => {
                    self.report.error("E002", &span, "aliases are not used here").help("repeat the value");
                    return None;
                }
                Event::Scalar(text, style, anchor, tag) => {
                    self.refuse(&span, anchor, tag.is_some())?;
                    if style == ScalarStyle::Plain && text.starts_with(['|', '>']) {
                        // Elsewhere these begin a block; here the parser takes them for text.
                        self.report
                            .error("E001", &span, "a block of text cannot stand inside brackets")
                            .help("quote it, or write the collection over several lines without brackets");
                        return None;
                    }
                    let span = match style {
                        // The parser gives a value that is not there the place of what follows.
                        ScalarStyle::Plain if self.is_bracket(&span) => span.start..span.start,
                        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                            closed(self.report.source, span)
                        }
                        _ => span,
                    };
                    self.scalar(text.into_owned(), style, span)?;
                }
                Event::SequenceStart(anchor, tag) => {
                    self.refuse(&span, anchor, tag.is_some())?;
                    self.start(span, Data::List(Vec::new()))?;
                }
                Event::MappingStart(anchor, tag) => {
                    self.refuse(&span, anchor, tag.is_some())?;
                    self.start(span, Data::Map(Vec::new()))?;
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    let open = self.open.pop()?;
                    let end = self.offsets.trim_end(source, open.start, closed(self.report.source, span).end);
                    self.place(Node { span: open.start..end, data: open.data })?;
                }
            }
        }
        Some(self.root)
    }

    fn is_bracket(&self, span: &Span) -> bool {
        self.report.source.get(span.clone()).is_some_and(|raw| raw.starts_with([']', '}', ',']))
    }

    fn refuse(&mut self, span: &Span, anchor: usize, tag: bool) -> Option<()> {
        if tag {
            self.report
                .error("E002", span, "tags are not used here")
                .help("a text that starts with `!` must be quoted: \"!output.found\"");
            return None;
        }
        if anchor > 0 {
            self.report
                .error("E002", span, "anchors are not used here")
                .help("repeat the value where it is used");
            return None;
        }
        Some(())
    }

    fn start(&mut self, span: Span, data: Data) -> Option<()> {
        if self.open.len() >= MAX_DEPTH {
            self.report.error("E003", &span, format!("nested deeper than {MAX_DEPTH} levels"));
            return None;
        }
        if let Some(Open { data: Data::Map(_), key: None, .. }) = self.open.last() {
            self.report.error("E007", &span, "a key must be a text");
            return None;
        }
        self.open.push(Open { start: span.start, data, key: None, seen: HashSet::new(), repeated: false });
        Some(())
    }

    fn scalar(&mut self, text: String, style: ScalarStyle, span: Span) -> Option<()> {
        let Some(open) = self.open.last_mut() else {
            return self.place(Node { span, data: Data::Scalar(text, style) });
        };
        if matches!(open.data, Data::Map(_)) && open.key.is_none() {
            if text == "<<" && style == ScalarStyle::Plain {
                self.report.error("E002", &span, "merge keys are not used here").help("repeat the keys");
                return None;
            }
            open.repeated = !open.seen.insert(text.clone());
            if open.repeated {
                self.report
                    .error("E004", &span, format!("the key `{text}` is there twice"))
                    .label("again here");
            }
            open.key = Some(Key { name: text, span });
            return Some(());
        }
        self.place(Node { span, data: Data::Scalar(text, style) })
    }

    /// Puts a finished node where it belongs.
    fn place(&mut self, node: Node) -> Option<()> {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open { data: Data::List(items), .. }) => items.push(node),
            Some(Open { data: Data::Map(entries), key, repeated, .. }) => {
                let key = key.take()?;
                if !*repeated {
                    entries.push((key, node));
                }
            }
            Some(Open { data: Data::Scalar(..), .. }) => {}
        }
        Some(())
    }
}

/// The span without what follows its closing quote or bracket: the parser counts the rest of that line, a comment too,
/// as a part of it.
fn closed(source: &str, span: Span) -> Span {
    let raw = source.get(span.clone()).unwrap_or_default();
    let mut rest = raw.char_indices().skip(1).peekable();
    let len = match raw.chars().next() {
        Some(']' | '}') => Some(1),
        Some(quote @ ('\'' | '"')) => loop {
            match rest.next() {
                None => break None,
                Some((_, '\\')) if quote == '"' => drop(rest.next()),
                Some((at, c)) if c == quote => {
                    // A doubled quote is one that is meant.
                    if quote == '"' || rest.next_if(|(_, next)| *next == quote).is_none() {
                        break Some(at + 1);
                    }
                }
                Some(_) => {}
            }
        },
        _ => None,
    };
    span.start..len.map_or(span.end, |len| span.start + len)
}

/// The parser counts characters of the file; this turns them into bytes of the whole text.
struct Offsets {
    /// Byte offset of each character, unless the text is ASCII.
    bytes: Option<Vec<usize>>,
    len: usize,
    /// Where the file begins.
    start: usize,
}

impl Offsets {
    fn new(source: &str, start: usize) -> Self {
        let bytes = (!source.is_ascii()).then(|| source.char_indices().map(|(at, _)| at).collect());
        Self { bytes, len: source.len(), start }
    }

    fn byte(&self, index: usize) -> usize {
        let within = match &self.bytes {
            None => index.min(self.len),
            Some(bytes) => bytes.get(index).copied().unwrap_or(self.len),
        };
        self.start + within
    }

    fn span(&self, source: &str, span: &YamlSpan) -> Span {
        let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
        start..self.trim_end(source, start, end.max(start))
    }

    /// The end of a span without the white space before it.
    fn trim_end(&self, source: &str, start: usize, end: usize) -> usize {
        let within = source.get(start - self.start..end - self.start);
        within.map_or(end, |text| start + text.trim_end().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(source: &str) -> Vec<&'static str> {
        let mut report = Report::new("f", source);
        parse(&mut report, 0..source.len());
        report.finish().iter().map(|d| d.code).collect()
    }

    fn root(source: &str) -> Node {
        let mut report = Report::new("f", source);
        parse(&mut report, 0..source.len()).unwrap_or_else(|| panic!("{:?}", report.finish()))
    }

    #[test]
    fn values_and_their_places() {
        let source = "é: [1, -2.5, '3', ~, true, 0x1F, 30m, =a.b]\nb:\n  c: |\n    one\n      two\n  d: {e: 'it''s'}\n";
        let root = root(source);
        let expected = serde_json::json!({
            "é": [1, -2.5, "3", null, true, "0x1F", "30m", "=a.b"], "b": {"c": "one\n  two\n", "d": {"e": "it's"}}
        });
        assert_eq!(root.json(), expected);
        let Data::Map(entries) = &root.data else { panic!("a map") };
        assert_eq!(&source[entries[0].0.span.clone()], "é");
        let Data::Map(inner) = &entries[1].1.data else { panic!("a map") };
        let text = inner[0].1.text().unwrap();
        let at = inner[0].1.locate(source, text.find("two").unwrap());
        assert!(source[at..].starts_with("two"), "{}", &source[at..]);
        let Data::Map(deep) = &inner[1].1.data else { panic!("a map") };
        let at = deep[0].1.locate(source, 3);
        assert!(source[at..].starts_with("s'}"), "{}", &source[at..]);
        let Data::List(items) = &entries[0].1.data else { panic!("a list") };
        assert_eq!(&source[items[7].span.clone()], "=a.b");
        assert_eq!(&source[items[7].locate(source, 3)..][..1], "b");
    }

    #[test]
    fn places_are_found_behind_escapes() {
        let source = r#"a: "x \"y\" \u00e9 z\tend""#;
        let root = root(source);
        let Data::Map(entries) = &root.data else { panic!("a map") };
        let text = entries[0].1.text().unwrap();
        assert_eq!(text, "x \"y\" é z\tend");
        for part in ["y", "z", "end"] {
            let at = entries[0].1.locate(source, text.find(part).unwrap());
            assert!(source[at..].starts_with(part), "{part}: {}", &source[at..]);
        }
    }

    #[test]
    fn what_hides_meaning_is_refused() {
        for (source, code) in [
            ("a: &x 1\nb: *x", "E002"),
            ("a: *x", "E001"),
            ("a: !!str 1", "E002"),
            ("when: !output.found", "E002"),
            ("<<: {a: 1}", "E002"),
            ("a: 1\n---\nb: 1", "E002"),
            ("a: 1\na: 2", "E004"),
            ("{a: 1, a: 2}", "E004"),
            ("[a]: 1", "E007"),
            ("a: [1", "E001"),
            ("", "E001"),
            ("# nothing\n", "E001"),
        ] {
            assert_eq!(codes(source), [code], "{source}");
        }
        assert_eq!(codes(&"[".repeat(200)), ["E003"]);
        assert_eq!(codes(&"- ".repeat(5000)), ["E003"]);
        assert_eq!(codes(&"x".repeat(MAX_BYTES + 1)), ["E003"]);
    }

    #[test]
    fn a_file_that_is_no_graph_may_be_empty() {
        assert!(super::tree("f", "# nothing\n").unwrap().is_none());
        let root = super::tree("f", "a: [1, {b: c}]\n").unwrap().unwrap();
        let (key, list) = &root.entries().unwrap()[0];
        assert_eq!((key.name.as_str(), list.items().unwrap().len(), list.text()), ("a", 2, None));
        let found = super::tree("f", "a: 1\na: 2\n").unwrap_err();
        assert_eq!((found.len(), found[0].line), (1, 2));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(source in r#"[a-c0-9é:{}\[\],'"|>&*!<#%@`?~=. \t\n-]{0,80}"#) {
            let mut report = Report::new("f", &source);
            if let Some(root) = parse(&mut report, 0..source.len()) {
                let _ = root.json();
                let _ = root.locate(&source, 7);
            }
            for found in report.finish() {
                let _ = found.render(&source);
            }
        }
    }
}
