//! Files that say what a package is: a policy may open their dependencies, or them as configuration.

use std::collections::BTreeMap;

use super::Policy;

/// What became of a change to such a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ruling {
    /// It is let through, for a person to look at.
    Open {
        /// What to look at.
        note: String,
        /// Whether the tests run with the base's version.
        aside: bool,
    },
    /// It is not; why, and whether it configures the tests.
    Shut {
        /// A fragment after the path.
        why: String,
        /// Whether the file configures the tests.
        config: bool,
    },
}

/// How a file says what it depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// TOML, with dependencies in tables of these last names.
    Toml(&'static [&'static str]),
    /// JSON, with dependencies under these top keys.
    Json(&'static [&'static str]),
    /// Every line is a dependency.
    Lines,
    /// No dependencies that could be told from the rest.
    Opaque,
}

/// The shape of the file at `path`, and whether it configures the tests; nothing when it is no such file.
fn shape(path: &str) -> Option<(Shape, bool)> {
    let lower = path.to_lowercase();
    let name = lower.rsplit('/').next().unwrap_or_default();
    Some(match name {
        "pyproject.toml" => (
            Shape::Toml(&["dependencies", "optional-dependencies", "dependency-groups", "dev-dependencies"]),
            true,
        ),
        "cargo.toml" => (Shape::Toml(&["dependencies", "dev-dependencies", "build-dependencies"]), true),
        "package.json" => (
            Shape::Json(&["dependencies", "devDependencies", "peerDependencies", "optionalDependencies"]),
            true,
        ),
        "composer.json" => (Shape::Json(&["require", "require-dev"]), true),
        "setup.cfg" | "tox.ini" | ".coveragerc" | "tsconfig.json" => (Shape::Opaque, true),
        "go.mod" | "pipfile" | "gemfile" | "environment.yml" | "environment.yaml" => (Shape::Opaque, false),
        _ if (name.starts_with("requirements") || name.starts_with("constraints"))
            && (name.ends_with(".txt") || name.ends_with(".in")) =>
        {
            (Shape::Lines, false)
        }
        _ => return None,
    })
}

/// What `policy` says of a change of the file at `path` from `before` to `after`; nothing when it is no such file.
pub(super) fn rule(path: &str, policy: &Policy, before: Option<&str>, after: Option<&str>) -> Option<Ruling> {
    let (shape, config) = shape(path)?;
    let shut = |why: &str| Some(Ruling::Shut { why: why.to_owned(), config });
    let what = if config { "configuration of the tests and the package" } else { "a list of dependencies" };
    if !policy.config && !policy.dependencies {
        return shut(&format!("is {what}, which a fix may not touch"));
    }
    let (Some(before), Some(after)) = (before, after) else {
        return shut(&format!("is {what}, and appears or disappears with the patch"));
    };
    let wanted = match shape {
        Shape::Lines => Some(lines(before, after)),
        Shape::Toml(tables) => toml_dependencies(before, after, tables),
        Shape::Json(keys) => json_dependencies(before, after, keys),
        Shape::Opaque if !config => Some(lines(before, after)),
        Shape::Opaque => None,
    };
    if policy.dependencies
        && let Some(added) = &wanted
    {
        // `user/repository` is an address to npm.
        let address = |one: &str| {
            matches!(shape, Shape::Json(_))
                && one.rsplit(" = ").next().is_some_and(|value| value.contains('/'))
        };
        if let Some(elsewhere) = added.iter().find(|one| leads_elsewhere(one) || address(one)) {
            let shown: String = elsewhere.trim().chars().take(80).flat_map(char::escape_default).collect();
            return shut(&format!("would take a dependency from elsewhere than the registry (`{shown}`)"));
        }
        return Some(Ruling::Open {
            note: format!("{path} changes dependencies, which the policy allows"),
            aside: false,
        });
    }
    if policy.config && config {
        return Some(Ruling::Open {
            note: format!(
                "{path} changes configuration, which the policy allows; the tests ran with the base's"
            ),
            aside: true,
        });
    }
    shut(if wanted.is_some() {
        "changes dependencies, which the policy does not allow"
    } else {
        "changes more than dependencies, which the policy does not allow"
    })
}

/// Lines of `after` that `before` lacks.
fn lines(before: &str, after: &str) -> Vec<String> {
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    for line in before.lines() {
        *known.entry(line.trim()).or_default() += 1;
    }
    after
        .lines()
        .filter(|line| match known.get_mut(line.trim()) {
            Some(left) if *left > 0 => {
                *left -= 1;
                false
            }
            _ => true,
        })
        .map(str::to_owned)
        .collect()
}

/// What the dependency tables of `after` have that those of `before` have not, when nothing else differs.
fn toml_dependencies(before: &str, after: &str, tables: &[&str]) -> Option<Vec<String>> {
    let read = |text: &str| {
        let value: toml::Table = text.parse().ok()?;
        serde_json::to_value(value).ok()
    };
    split(read(before)?, read(after)?, tables, true)
}

fn json_dependencies(before: &str, after: &str, keys: &[&str]) -> Option<Vec<String>> {
    split(serde_json::from_str(before).ok()?, serde_json::from_str(after).ok()?, keys, false)
}

fn split(
    mut before: serde_json::Value,
    mut after: serde_json::Value,
    keys: &[&str],
    deep: bool,
) -> Option<Vec<String>> {
    let (mut old, mut new) = (Vec::new(), Vec::new());
    take(&mut before, keys, deep, "", &mut old);
    take(&mut after, keys, deep, "", &mut new);
    (before == after).then(|| new.into_iter().filter(|one| !old.contains(one)).collect())
}

/// Takes everything under `keys` out of `value`; `deep` looks below other tables, too.
fn take(value: &mut serde_json::Value, keys: &[&str], deep: bool, at: &str, out: &mut Vec<String>) {
    let Some(map) = value.as_object_mut() else { return };
    for key in keys {
        if let Some(table) = map.remove(*key) {
            list(&table, &format!("{at}{key}"), out);
        }
    }
    if deep {
        for (key, below) in map.iter_mut() {
            // Scripts, tools and their like have tables of the same name that are none of this.
            if matches!(
                key.as_str(),
                "project" | "workspace" | "target" | "poetry" | "group" | "dev" | "pdm" | "uv"
            ) || at.contains("group.")
                || at.starts_with("target.")
                || (at.is_empty() && key == "tool")
            {
                take(below, keys, deep, &format!("{at}{key}."), out);
            }
        }
    }
}

fn list(value: &serde_json::Value, at: &str, out: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, below) in map {
                list(below, &format!("{at}.{key}"), out);
            }
        }
        serde_json::Value::Array(items) => {
            for item in items {
                list(item, at, out);
            }
        }
        other => out.push(format!("{at} = {other}")),
    }
}

/// Whether a dependency names a place instead of a version: an address, a repository, a folder, an option of pip.
fn leads_elsewhere(text: &str) -> bool {
    let text = text.trim();
    let plain = text.to_lowercase();
    let key = plain.split(" = ").next().unwrap_or_default();
    text.starts_with('-')
        || plain.contains("://")
        || plain.contains(" @ ")
        || plain.contains("@file:")
        || ["git+", "file:", "link:", "github:", "gitlab:", "bitbucket:", "portal:", "npm:"]
            .iter()
            .any(|mark| plain.contains(mark))
        || plain.contains("../")
        || plain.contains("./")
        || plain.starts_with("replace ")
        || plain.contains("=> ")
        || [".git", ".path", ".url", ".registry", ".registry-index", ".source", ".index"]
            .iter()
            .any(|end| key.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &str, policy: &str, before: &str, after: &str) -> Option<bool> {
        let policy = Policy::read(&format!("policy: {{allow: [{policy}]}}\n")).unwrap();
        match rule(path, &policy, Some(before), Some(after)).unwrap() {
            Ruling::Open { aside, .. } => Some(aside),
            Ruling::Shut { .. } => None,
        }
    }

    #[test]
    fn dependencies_are_let_through_alone_and_from_the_registry() {
        let toml =
            "[project]\nname = 'a'\ndependencies = ['x==1']\n[tool.pytest.ini_options]\naddopts = '-q'\n";
        let more = toml.replace("'x==1'", "'x==2', 'y'");
        let elsewhere = toml.replace("'x==1'", "'x @ git+https://h/x'");
        let both = more.replace("-q", "--co");
        assert_eq!(open("pyproject.toml", "dependencies", toml, &more), Some(false));
        assert_eq!(open("pyproject.toml", "dependencies", toml, &elsewhere), None);
        assert_eq!(open("pyproject.toml", "dependencies", toml, &both), None);
        assert_eq!(open("pyproject.toml", "config, dependencies", toml, &both), Some(true));
        assert_eq!(open("pyproject.toml", "config", toml, &both), Some(true));
        assert_eq!(open("requirements.txt", "dependencies", "x==1\n", "x==2\ny\n"), Some(false));
        assert_eq!(open("requirements.txt", "dependencies", "x==1\n", "x==1\n-e ./evil\n"), None);
        assert_eq!(open("requirements.txt", "config", "x==1\n", "x==2\n"), None);
        let json = r#"{"scripts": {"test": "node --test"}, "dependencies": {"a": "1"}}"#;
        assert_eq!(open("package.json", "dependencies", json, &json.replace("\"1\"", "\"^2\"")), Some(false));
        assert_eq!(open("package.json", "dependencies", json, &json.replace("node --test", "true")), None);
        assert_eq!(open("package.json", "dependencies", json, &json.replace("\"1\"", "\"u/r\"")), None);
        let cargo = "[package]\nname = 'a'\n[dependencies]\nx = '1'\n";
        assert_eq!(open("Cargo.toml", "dependencies", cargo, &cargo.replace("'1'", "'2'")), Some(false));
        assert_eq!(
            open("Cargo.toml", "dependencies", cargo, &cargo.replace("'1'", "{ path = '/evil' }")),
            None
        );
        assert_eq!(open("go.mod", "dependencies", "module a\n", "module a\nrequire b v1.0.0\n"), Some(false));
        assert_eq!(open("go.mod", "dependencies", "module a\n", "module a\nreplace b => ../c\n"), None);
        assert_eq!(rule("pkg/a.py", &Policy::default(), None, None), None);
    }

    #[test]
    fn without_a_policy_and_for_new_or_deleted_ones_they_are_shut() {
        let shut = |policy: &Policy, before, after| {
            matches!(rule("pyproject.toml", policy, before, after), Some(Ruling::Shut { config: true, .. }))
        };
        assert!(shut(&Policy::default(), Some("a = 1\n"), Some("a = 2\n")));
        let all = Policy::read("policy: {allow: [config, dependencies]}\n").unwrap();
        assert!(shut(&all, None, Some("a = 1\n")) && shut(&all, Some("a = 1\n"), None));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(
            name in "(pyproject.toml|package.json|Cargo.toml|requirements.txt|go.mod|setup.cfg)",
            before in "([a-z\\[\\]{}\"=:,. \n]|dependencies|project){0,40}",
            after in "([a-z\\[\\]{}\"=:,. \n]|dependencies|project){0,40}",
        ) {
            let policy = Policy::read("policy: {allow: [config, dependencies]}\n").unwrap();
            let _ = rule(&name, &policy, Some(&before), Some(&after));
        }
    }
}
