//! Which runner a repository's tests are made for, from the files of the base commit.
//!
//! The rule, in this order: what the user or `prunella.yaml` says; Python, where the folder that the tests are started
//! in is marked as a Python project; else the first of `Cargo.toml`, `package.json` with a test script that is
//! understood, `go.mod`, `pom.xml`, `build.gradle`; else Python. `doctor` names the others that were there.

use super::{Foreign, Tool};
use crate::gate::is_test_module;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The runner; nothing for Python's.
    pub(crate) foreign: Option<Foreign>,
    /// The file that it was found by; empty when Python is what is left.
    pub(crate) by: String,
    /// Other runners that the files speak of, as `runner (file)`.
    pub(crate) others: Vec<String>,
}

/// Files that mark a Python project.
const PYTHON: &[&str] = &[
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "pytest.ini",
    ".pytest.ini",
    "pytest.toml",
    "tox.ini",
    "conftest.py",
    "manage.py",
    "requirements.txt",
];

/// Looks through the names in the folder `start` (empty for the top). `read` gives a file's text, `installed` says
/// whether a program is here.
pub(crate) fn detect(
    files: &[String],
    start: &str,
    read: &dyn Fn(&str) -> Option<String>,
    installed: &dyn Fn(&str) -> bool,
) -> Found {
    let prefix = if start.is_empty() { String::new() } else { format!("{start}/") };
    let names: Vec<&str> = files.iter().filter_map(|file| file.strip_prefix(&prefix)).collect();
    let has = |name: &str| names.contains(&name);
    let mut all: Vec<(Tool, Vec<String>, &str)> = Vec::new();
    if has("Cargo.toml") {
        let nextest = has(".config/nextest.toml") || has("nextest.toml");
        let tool = if nextest && installed("cargo-nextest") { Tool::Nextest } else { Tool::Cargo };
        all.push((tool, tool.words(), "Cargo.toml"));
    }
    if has("package.json")
        && let Some((tool, words)) = read("package.json").and_then(|text| script(&text))
    {
        all.push((tool, words, "package.json"));
    }
    if has("go.mod") {
        all.push((Tool::Go, Tool::Go.words(), "go.mod"));
    }
    if has("pom.xml") {
        let wrapper = has("mvnw") && !installed("mvn");
        let words = if wrapper { vec!["./mvnw".into(), "test".into()] } else { Tool::Maven.words() };
        all.push((Tool::Maven, words, "pom.xml"));
    }
    if let Some(name) = ["build.gradle", "build.gradle.kts"].into_iter().find(|name| has(name)) {
        let wrapper = has("gradlew") && !installed("gradle");
        let words = if wrapper { vec!["./gradlew".into(), "test".into()] } else { Tool::Gradle.words() };
        all.push((Tool::Gradle, words, name));
    }
    let marked = PYTHON.iter().find(|name| has(name));
    let python = marked.copied().or_else(|| {
        // Scripts with tests beside a program of another language do not make it Python's.
        (all.is_empty() && names.iter().any(|name| is_test_module(name))).then_some("")
    });
    let word = |(tool, _, by): &(Tool, Vec<String>, &str)| format!("{} ({by})", tool.name());
    if let Some(by) = python {
        return Found { foreign: None, by: by.to_owned(), others: all.iter().map(word).collect() };
    }
    let mut rest = all.iter();
    match rest.next() {
        Some((tool, words, by)) => Found {
            foreign: Some(Foreign { tool: *tool, words: words.clone(), reports: Vec::new() }),
            by: (*by).to_owned(),
            others: rest.map(word).collect(),
        },
        None => Found { foreign: None, by: String::new(), others: Vec::new() },
    }
}

/// The runner behind `scripts.test` of a `package.json`.
pub(crate) fn script(text: &str) -> Option<(Tool, Vec<String>)> {
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    let script = json.get("scripts")?.get("test")?.as_str()?;
    // Of several commands (`lint && test`) the one that runs tests counts.
    script.split("&&").filter_map(|part| typed(&shlex::split(part)?)).next()
}

/// The foreign runner of a command as a person types it; nothing when it is none that is known.
pub(crate) fn typed(words: &[String]) -> Option<(Tool, Vec<String>)> {
    let mut words: Vec<String> = words.to_vec();
    // Variables before the command, and what only starts another program.
    while let Some(first) = words.first() {
        let assignment = first.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        });
        if assignment || matches!(first.as_str(), "npx" | "pnpx" | "bunx" | "cross-env" | "exec") {
            words.remove(0);
        } else {
            break;
        }
    }
    let first = words.first()?.clone();
    let name = first.rsplit('/').next().unwrap_or(&first).to_owned();
    let second = words.get(1).map_or("", String::as_str);
    let tool = match (name.as_str(), second) {
        ("cargo", "nextest") => Tool::Nextest,
        ("cargo", "test" | "t") => Tool::Cargo,
        ("node", _) if words.iter().any(|word| word == "--test") => Tool::Node,
        ("go", "test") => Tool::Go,
        ("jest", _) => Tool::Jest,
        ("vitest", _) => Tool::Vitest,
        ("mocha" | "_mocha", _) => Tool::Mocha,
        ("mvn" | "mvnw", _) => Tool::Maven,
        ("gradle" | "gradlew", _) => Tool::Gradle,
        _ => return None,
    };
    if tool == Tool::Vitest {
        // Alone it waits for changes.
        words.retain(|word| word != "watch" && word != "--watch" && word != "dev");
        if words.get(1).is_none_or(|word| word != "run") {
            words.insert(1, "run".to_owned());
        }
    }
    words.retain(|word| !matches!(word.as_str(), "--watch" | "--watchAll" | "--coverage"));
    Some((tool, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[&str], package: &str) -> Found {
        let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
        detect(&files, "", &|_| Some(package.to_owned()), &|_| true)
    }

    fn name(found: &Found) -> &'static str {
        found.foreign.as_ref().map_or("python", |foreign| foreign.tool.name())
    }

    #[test]
    fn each_ecosystem_is_known_by_its_file() {
        for (files, runner) in [
            (&["Cargo.toml", "src/lib.rs", "scripts/test_x.py"][..], "cargo"),
            (&["Cargo.toml", ".config/nextest.toml"], "nextest"),
            (&["go.mod"], "go"),
            (&["pom.xml"], "maven"),
            (&["build.gradle.kts"], "gradle"),
            (&["tests/test_a.py"], "python"),
            (&["a.py"], "python"),
            (&["sub/Cargo.toml"], "python"),
        ] {
            assert_eq!(name(&found(files, "")), runner, "{files:?}");
        }
    }

    #[test]
    fn of_several_the_rule_takes_one_and_names_the_others() {
        let both = found(&["pyproject.toml", "Cargo.toml", "go.mod"], "");
        assert_eq!(name(&both), "python");
        assert_eq!(both.others, ["cargo (Cargo.toml)", "go (go.mod)"]);
        let both = found(&["Cargo.toml", "package.json"], r#"{"scripts": {"test": "jest"}}"#);
        assert_eq!((name(&both), both.others.join(", ").as_str()), ("cargo", "jest (package.json)"));
    }

    #[test]
    fn a_test_script_tells_its_runner() {
        for (script, words) in [
            ("node --test test/", "node --test test/"),
            ("eslint . && jest --coverage", "jest"),
            ("NODE_ENV=test npx mocha --recursive", "mocha --recursive"),
            ("vitest", "vitest run"),
            ("vitest run --dir test", "vitest run --dir test"),
        ] {
            let package = serde_json::json!({"scripts": {"test": script}}).to_string();
            assert_eq!(super::script(&package).unwrap().1.join(" "), words, "{script}");
        }
        for package in [r#"{"scripts": {"test": "echo none && exit 1"}}"#, "{}", "[", r#"{"scripts": 3}"#] {
            assert_eq!(super::script(package), None, "{package}");
        }
    }
}
