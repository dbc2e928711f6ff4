//! `prunella.yaml`, the part about tests: a tree with line numbers, lowered by hand so that every error names its place.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser};

use super::settings::HostSettings;

/// Deepest nesting.
const MAX_DEPTH: usize = 16;
/// Largest file in bytes.
const MAX_BYTES: usize = 64 << 10;

/// A node of the file and the line it starts at.
struct Node {
    line: usize,
    value: Value,
}

enum Value {
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// Reads the test settings of a `prunella.yaml`. Other sections (`policy`, `models`, `pr`) are not looked into.
///
/// # Errors
/// `prunella.yaml:LINE: …`, when it is no YAML, or a key is unknown, twice, or of the wrong shape.
pub(crate) fn read(text: &str) -> Result<HostSettings, String> {
    let at = |line: usize, why: String| format!("prunella.yaml:{line}: {why}");
    if text.len() > MAX_BYTES {
        return Err(at(1, format!("{} bytes; {MAX_BYTES} are allowed", text.len())));
    }
    let mut out = HostSettings::default();
    let Some(root) = parse(text).map_err(|(line, why)| at(line, why))? else { return Ok(out) };
    for (key, node) in map(root, "the file").map_err(|(line, why)| at(line, why))? {
        match key.as_str() {
            "tests" => lower(node, &mut out).map_err(|(line, why)| at(line, why))?,
            "policy" | "models" | "pr" => {}
            _ => {
                return Err(at(
                    node.line,
                    format!("unknown key `{key}`; there are `tests`, `policy`, `models`, `pr`"),
                ));
            }
        }
    }
    Ok(out)
}

type Problem = (usize, String);

fn lower(node: Node, out: &mut HostSettings) -> Result<(), Problem> {
    for (key, node) in map(node, "`tests`")? {
        match key.as_str() {
            "command" => out.command = Some(words(node, "`command`")?),
            "python" => out.python = Some(scalar(node, "`python`")?),
            "pythonpath" => out.pythonpath = words(node, "`pythonpath`")?,
            "mounts" => out.mounts = words(node, "`mounts`")?,
            "env" => {
                let mut env = BTreeMap::new();
                for (name, value) in map(node, "`env`")? {
                    env.insert(name, scalar(value, "a value of `env`")?);
                }
                out.env = env;
            }
            _ => {
                let why = format!(
                    "unknown key `tests.{key}`; there are `command`, `python`, `env`, `pythonpath`, `mounts`"
                );
                return Err((node.line, why));
            }
        }
    }
    Ok(())
}

fn map(node: Node, what: &str) -> Result<Vec<(String, Node)>, Problem> {
    match node.value {
        Value::Map(entries) => Ok(entries),
        Value::Scalar(text) if text.is_empty() => Ok(Vec::new()),
        _ => Err((node.line, format!("{what} takes keys and values"))),
    }
}

fn words(node: Node, what: &str) -> Result<Vec<String>, Problem> {
    match node.value {
        Value::List(items) => items.into_iter().map(|item| scalar(item, what)).collect(),
        _ => Err((node.line, format!("{what} takes a list, such as `[python, -m, pytest]`"))),
    }
}

fn scalar(node: Node, what: &str) -> Result<String, Problem> {
    match node.value {
        Value::Scalar(text) => Ok(text),
        _ => Err((node.line, format!("{what} takes plain text"))),
    }
}

fn parse(text: &str) -> Result<Option<Node>, Problem> {
    let mut parser = Parser::new_from_str(text);
    loop {
        let (event, line) = next(&mut parser)?;
        match event {
            Event::StreamEnd => return Ok(None),
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            event => return build(&mut parser, event, line, 0).map(Some),
        }
    }
}

fn next<'a>(parser: &mut Parser<'a, saphyr_parser::StrInput<'a>>) -> Result<(Event<'a>, usize), Problem> {
    match parser.next_event() {
        Some(Ok((event, span))) => Ok((event, span.start.line())),
        Some(Err(e)) => Err((e.marker().line(), e.info().to_owned())),
        None => Ok((Event::StreamEnd, 0)),
    }
}

fn build<'a>(
    parser: &mut Parser<'a, saphyr_parser::StrInput<'a>>,
    event: Event<'a>,
    line: usize,
    depth: usize,
) -> Result<Node, Problem> {
    if depth > MAX_DEPTH {
        return Err((line, "nested too deep".to_owned()));
    }
    let value = match event {
        Event::Scalar(text, ..) => Value::Scalar(text.into_owned()),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                let (event, line) = next(parser)?;
                if matches!(event, Event::SequenceEnd | Event::StreamEnd) {
                    break;
                }
                items.push(build(parser, event, line, depth + 1)?);
            }
            Value::List(items)
        }
        Event::MappingStart(..) => {
            let mut entries: Vec<(String, Node)> = Vec::new();
            loop {
                let (event, line) = next(parser)?;
                if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                    break;
                }
                let key = scalar(build(parser, event, line, depth + 1)?, "a key")?;
                if entries.iter().any(|(known, _)| *known == key) {
                    return Err((line, format!("key `{key}` is there twice")));
                }
                let (event, line) = next(parser)?;
                entries.push((key, build(parser, event, line, depth + 1)?));
            }
            Value::Map(entries)
        }
        _ => return Err((line, "anchors and aliases are not taken here".to_owned())),
    };
    Ok(Node { line, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_settings_are_read() {
        let text = "tests:\n  command: [python, -m, pytest, -q]\n  env: {TZ: UTC}\n  pythonpath:\n    - src\n    - ../deps\npolicy: {x: [1]}\n";
        let read = read(text).unwrap();
        assert_eq!(read.command.unwrap().join(" "), "python -m pytest -q");
        assert_eq!(read.env.get("TZ").map(String::as_str), Some("UTC"));
        assert_eq!(read.pythonpath, ["src", "../deps"]);
        assert_eq!(super::read("").unwrap(), HostSettings::default());
    }

    #[test]
    fn errors_name_their_line() {
        for (text, place) in [
            ("tests:\n  comand: [a]\n", "prunella.yaml:2: unknown key `tests.comand`"),
            ("test: {}\n", "prunella.yaml:1: unknown key `test`"),
            ("tests:\n  command: pytest -q\n", "prunella.yaml:2: `command` takes a list"),
            ("tests: {env: {A: 1}, env: {}}\n", "prunella.yaml:1: key `env` is there twice"),
            ("tests: [\n", "prunella.yaml:"),
            ("a: &x 1\nb: *x\n", "prunella.yaml:1: unknown key `a`"),
        ] {
            let why = read(text).unwrap_err();
            assert!(why.starts_with(place), "{text:?}: {why}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "[a-z:{}\\[\\]\\-,&*'\"\n \t|>!%@0-9]{0,200}") {
            let _ = read(&text);
        }
    }
}
