//! Tests of ours in the test files of a foreign runner: written at the end of each file, so that they share its process.

use super::Tool;
use crate::world::tests::canary::token;
use crate::world::tests::records::Outcome;

/// Most files that get tests of ours.
pub(crate) const MAX_FILES: usize = 200;

/// What is written at the end of one file, and what must become of it.
#[derive(Debug, Clone)]
pub(crate) struct Song {
    /// Source to append.
    pub(crate) source: String,
    /// Tests by their own name.
    pub(crate) expected: Vec<(String, Outcome)>,
}

/// Tests of ours for the end of `path`, whose content is `text`; nothing where they cannot be written.
pub(crate) fn song(tool: Tool, path: &str, text: &str, module: bool) -> Option<Song> {
    // Neither their number nor their order tells which must fail.
    let must = [
        Outcome::Failed,
        Outcome::Passed,
        Outcome::Failed,
        Outcome::Skipped,
        Outcome::Passed,
        Outcome::Failed,
    ];
    let mut names: Vec<String> = must.iter().map(|_| token()).collect();
    names.sort();
    let (a, b) = (token(), token());
    let mut expected: Vec<(String, Outcome)> = names.into_iter().zip(must).collect();
    let lines = |expected: &[(String, Outcome)], line: &dyn Fn(&str, Outcome) -> String| -> String {
        expected.iter().map(|(name, outcome)| line(name, *outcome)).collect()
    };
    let source = match tool {
        Tool::Cargo | Tool::Nextest if path.ends_with(".rs") => {
            let own = token();
            let body = lines(&expected, &|name, outcome| match outcome {
                Outcome::Failed => {
                    format!("    #[test]\n    fn {name}() {{ ::core::assert_eq!({a:?}, {b:?}); }}\n")
                }
                Outcome::Skipped => format!("    #[test]\n    #[ignore]\n    fn {name}() {{}}\n"),
                Outcome::Passed => {
                    format!("    #[test]\n    fn {name}() {{ ::core::assert_eq!({a:?}, {a:?}); }}\n")
                }
            });
            format!("\n#[cfg(test)]\nmod {own} {{\n{body}}}\n")
        }
        Tool::Node => {
            let own = token();
            let import = if module {
                format!("\nimport {own} from 'node:test';\n")
            } else {
                format!("\n;const {own} = require('node:test');\n")
            };
            let body = lines(&expected, &|name, outcome| match outcome {
                Outcome::Failed => format!("{own}('{name}', () => {{ throw new Error('{a}'); }});\n"),
                Outcome::Skipped => format!("{own}('{name}', {{ skip: true }}, () => {{}});\n"),
                Outcome::Passed => format!("{own}('{name}', () => {{}});\n"),
            });
            format!("{import}{body}")
        }
        Tool::Jest | Tool::Mocha | Tool::Vitest => {
            let own = if tool == Tool::Vitest { token() } else { "it".to_owned() };
            let import = if tool == Tool::Vitest {
                format!("\nimport {{ it as {own} }} from 'vitest';\n")
            } else {
                "\n;\n".to_owned()
            };
            let body = lines(&expected, &|name, outcome| match outcome {
                Outcome::Failed => format!("{own}('{name}', () => {{ throw new Error('{a}'); }});\n"),
                Outcome::Skipped => format!("{own}.skip('{name}', () => {{}});\n"),
                Outcome::Passed => format!("{own}('{name}', () => {{}});\n"),
            });
            format!("{import}{body}")
        }
        Tool::Go if path.ends_with("_test.go") && imports_testing(text) => {
            for (name, _) in &mut expected {
                *name = format!("Test_{name}");
            }
            lines(&expected, &|name, outcome| match outcome {
                Outcome::Failed => format!("\nfunc {name}(t *testing.T) {{ t.Fatal({a:?}) }}\n"),
                Outcome::Skipped => format!("\nfunc {name}(t *testing.T) {{ t.Skip() }}\n"),
                Outcome::Passed => format!("\nfunc {name}(t *testing.T) {{}}\n"),
            })
        }
        _ => return None,
    };
    Some(Song { source, expected })
}

/// Whether go's `testing` is imported under its own name.
fn imports_testing(text: &str) -> bool {
    text.lines().map(str::trim).any(|line| matches!(line, "\"testing\"" | "import \"testing\""))
}

/// Whether tests of ours can stand at the end of `path`: its tests share a process with what is written there.
pub(crate) fn fits(tool: Tool, path: &str, text: &str) -> bool {
    match tool {
        // A test function is what makes a file one that is compiled for tests.
        Tool::Cargo | Tool::Nextest => path.ends_with(".rs") && text.contains("test]"),
        Tool::Go => path.ends_with("_test.go"),
        Tool::Node | Tool::Jest | Tool::Vitest | Tool::Mocha => {
            super::names::is_test(path)
                && path.rsplit('.').next().is_some_and(|e| e.contains('j') || e.contains('t'))
        }
        Tool::Maven | Tool::Gradle | Tool::Junit | Tool::Tap => false,
    }
}

/// Whether a script is an ECMAScript module: by its name, else by the nearest `package.json`.
pub(crate) fn is_module(path: &str, read: &dyn Fn(&str) -> Option<Vec<u8>>) -> bool {
    let extension = path.rsplit('.').next().unwrap_or_default();
    match extension {
        "mjs" | "mts" => return true,
        "cjs" | "cts" => return false,
        _ => {}
    }
    let mut folder = path;
    loop {
        folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
        let name =
            if folder.is_empty() { "package.json".to_owned() } else { format!("{folder}/package.json") };
        let json = read(&name).and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
        if let Some(json) = json {
            return json.get("type").and_then(serde_json::Value::as_str) == Some("module");
        }
        if folder.is_empty() {
            return false;
        }
    }
}
