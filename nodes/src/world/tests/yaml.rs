//! `prunella.yaml`, the part about tests: a tree with line numbers, lowered by hand so that every error names its place.

use std::collections::BTreeMap;

use prunella_engine::graph::yaml::{self, Key, Node, Span};

use super::settings::HostSettings;

/// Largest file in bytes.
const MAX_BYTES: usize = 64 << 10;

/// What is wrong, and where.
type Problem = (Span, String);

/// Reads the test settings of a `prunella.yaml`. Other sections (`policy`, `models`, `pr`) are not looked into.
///
/// # Errors
/// `prunella.yaml:LINE: …`, when it is no YAML, or a key is unknown, twice, or of the wrong shape.
pub(crate) fn read(text: &str) -> Result<HostSettings, String> {
    let mut out = HostSettings::default();
    let mut image = None;
    parse(text, &mut out, &mut image)?;
    Ok(out)
}

/// Reads the container image that a `prunella.yaml` names.
///
/// # Errors
/// As [`read`].
pub(crate) fn image(text: &str) -> Result<Option<String>, String> {
    let mut image = None;
    parse(text, &mut HostSettings::default(), &mut image)?;
    Ok(image)
}

fn parse(text: &str, out: &mut HostSettings, image: &mut Option<String>) -> Result<(), String> {
    let at = |line: usize, why: &str| format!("prunella.yaml:{line}: {why}");
    if text.len() > MAX_BYTES {
        return Err(at(1, &format!("{} bytes; {MAX_BYTES} are allowed", text.len())));
    }
    let root = yaml::tree("prunella.yaml", text).map_err(|found| match found.first() {
        Some(first) => at(first.line, &first.message),
        None => at(1, "no YAML"),
    })?;
    let Some(root) = root else { return Ok(()) };
    lower(&root, out, image).map_err(|(span, why)| {
        let before = text.get(..span.start).unwrap_or_default();
        at(before.matches('\n').count() + 1, &why)
    })
}

fn lower(root: &Node, out: &mut HostSettings, image: &mut Option<String>) -> Result<(), Problem> {
    for (key, node) in map(root, "the file")? {
        match key.name.as_str() {
            "tests" => section(node, out)?,
            "sandbox" => {
                for (key, node) in map(node, "`sandbox`")? {
                    if key.name != "image" {
                        let why = format!("unknown key `sandbox.{}`; there is `image`", key.name);
                        return Err((key.span.clone(), why));
                    }
                    *image = Some(scalar(node, "`image`")?);
                }
            }
            "policy" | "models" | "pr" => {}
            other => {
                let why =
                    format!("unknown key `{other}`; there are `tests`, `sandbox`, `policy`, `models`, `pr`");
                return Err((key.span.clone(), why));
            }
        }
    }
    Ok(())
}

fn section(tests: &Node, out: &mut HostSettings) -> Result<(), Problem> {
    for (key, node) in map(tests, "`tests`")? {
        match key.name.as_str() {
            "runner" => out.runner = Some(scalar(node, "`runner`")?),
            "prepare" => out.prepare = Some(words(node, "`prepare`")?),
            "report" => out.report = Some(scalar(node, "`report`")?),
            "path" => {
                out.report_paths = if node.items().is_some() {
                    words(node, "`path`")?
                } else {
                    vec![scalar(node, "`path`")?]
                };
            }
            "command" => out.command = Some(words(node, "`command`")?),
            "python" => out.python = Some(scalar(node, "`python`")?),
            "pythonpath" => out.pythonpath = words(node, "`pythonpath`")?,
            "mounts" => out.mounts = words(node, "`mounts`")?,
            "env" => {
                let mut env = BTreeMap::new();
                for (name, value) in map(node, "`env`")? {
                    env.insert(name.name.clone(), scalar(value, "a value of `env`")?);
                }
                out.env = env;
            }
            other => {
                let why = format!(
                    "unknown key `tests.{other}`; there are `runner`, `command`, `report`, `path`, `prepare`, `python`, `env`, `pythonpath`, `mounts`"
                );
                return Err((key.span.clone(), why));
            }
        }
    }
    Ok(())
}

fn map<'n>(node: &'n Node, what: &str) -> Result<&'n [(Key, Node)], Problem> {
    match node.entries() {
        Some(entries) => Ok(entries),
        None if node.text().is_some_and(str::is_empty) => Ok(&[]),
        None => Err((node.span.clone(), format!("{what} takes keys and values"))),
    }
}

fn words(node: &Node, what: &str) -> Result<Vec<String>, Problem> {
    match node.items() {
        Some(items) => items.iter().map(|item| scalar(item, what)).collect(),
        None => Err((node.span.clone(), format!("{what} takes a list, such as `[python, -m, pytest]`"))),
    }
}

fn scalar(node: &Node, what: &str) -> Result<String, Problem> {
    match node.text() {
        Some(text) => Ok(text.to_owned()),
        None => Err((node.span.clone(), format!("{what} takes plain text"))),
    }
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
    fn the_image_is_read() {
        let text = "sandbox: {image: 'python:3.11-slim'}\ntests: {python: python3}\n";
        assert_eq!(image(text).unwrap().as_deref(), Some("python:3.11-slim"));
        assert_eq!(image("tests: {}").unwrap(), None);
        assert!(
            image("sandbox: {imag: x}")
                .unwrap_err()
                .starts_with("prunella.yaml:1: unknown key `sandbox.imag`")
        );
    }

    #[test]
    fn errors_name_their_line() {
        for (text, place) in [
            ("tests:\n  comand: [a]\n", "prunella.yaml:2: unknown key `tests.comand`"),
            ("test: {}\n", "prunella.yaml:1: unknown key `test`"),
            ("tests:\n  command: pytest -q\n", "prunella.yaml:2: `command` takes a list"),
            ("tests: {env: {A: 1}, env: {}}\n", "prunella.yaml:1: the key `env` is there twice"),
            ("tests: [\n", "prunella.yaml:"),
            ("a: 1\nb: &x 1\n", "prunella.yaml:2: anchors are not used here"),
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
