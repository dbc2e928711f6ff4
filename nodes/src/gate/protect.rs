//! What a candidate may not touch, by path.

use std::collections::BTreeSet;

use super::parse::Line;
use super::{FilePatch, Refusal, Refused};

/// The base commit as the gate needs to know it.
#[derive(Debug, Clone, Default)]
pub struct Base {
    /// All files of the base commit.
    pub files: BTreeSet<String>,
    /// Files that the baseline collected tests from, and the reproduction's.
    pub tests: BTreeSet<String>,
    /// Folders on the interpreter's path while tests run, relative; the top is the empty string.
    pub roots: BTreeSet<String>,
    /// Names of modules that nothing may stand in for: the standard library's and the runner's.
    pub reserved: BTreeSet<String>,
}

/// Folders that hold tests and nothing else.
const TEST_FOLDERS: &[&str] = &["test", "tests", "testing", "unittests", "unit_tests"];
/// Folders of data beside tests.
const DATA_FOLDERS: &[&str] =
    &["testdata", "test_data", "fixtures", "snapshots", "__snapshots__", "golden", "cassettes"];
/// Modules of the runner, beside the standard library.
const RUNNER: &[&str] =
    &["pytest", "_pytest", "pluggy", "iniconfig", "py", "pygments", "packaging", "exceptiongroup", "tomli"];

/// Refuses a patch that touches what is protected, or brings what would be loaded unasked.
///
/// `read` gives a file's base content.
///
/// # Errors
/// The first refusal, files in the patch's order.
pub fn check(
    patches: &[FilePatch],
    base: &Base,
    mut read: impl FnMut(&str) -> Option<Vec<u8>>,
) -> Result<(), Refusal> {
    for patch in patches {
        let fresh = patch.new.as_ref().filter(|new| patch.old.as_ref() != Some(new));
        for path in patch.old.iter().filter(|_| !patch.copy).chain(&patch.new) {
            existing(path, base, fresh == Some(path))?;
        }
        if let Some(path) = fresh {
            added(path, base)?;
        }
        let before = patch.old.as_ref().and_then(|old| read(old)).unwrap_or_default();
        runner_in_code(patch, base, &String::from_utf8_lossy(&before))?;
    }
    Ok(())
}

/// Whether a file's name is that of a test module.
#[must_use]
pub fn is_test_module(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_suffix(".py").is_some_and(|stem| {
        stem.starts_with("test_") || stem.ends_with("_test") || stem == "test" || stem == "tests"
    })
}

fn refuse(kind: Refused, path: &str, what: &str) -> Result<(), Refusal> {
    Err(Refusal::new(kind, path, format!("{path} is {what}, which a fix may not touch")))
}

fn existing(path: &str, base: &Base, fresh: bool) -> Result<(), Refusal> {
    let lower = path.to_lowercase();
    let parts: Vec<&str> = lower.split('/').collect();
    let name = *parts.last().unwrap_or(&"");
    let top = *parts.first().unwrap_or(&"");
    if base.tests.contains(path) {
        return refuse(Refused::Tests, path, "a test file");
    }
    if matches!(
        name,
        "conftest.py"
            | "pytest.ini"
            | ".pytest.ini"
            | "pytest.toml"
            | ".pytest.toml"
            | "pyproject.toml"
            | "tox.ini"
            | "setup.cfg"
            | "noxfile.py"
            | ".coveragerc"
    ) || path == "prunella.yaml"
        || is_foreign_config(name, &parts)
    {
        return refuse(Refused::Config, path, "configuration of the tests");
    }
    // A test module that is new is judged beside the others and proves nothing by itself; all else in a folder of
    // tests is what the tests were written against.
    let folders = parts.get(..parts.len() - 1).unwrap_or_default();
    let in_tests = folders.iter().any(|part| TEST_FOLDERS.contains(part)) && holds_tests(path, base);
    let in_data = folders.iter().any(|part| DATA_FOLDERS.contains(part))
        && !base.tests.is_empty()
        && !name.ends_with(".py");
    if (in_tests && !(fresh && is_test_module(path))) || in_data {
        return refuse(Refused::Tests, path, "part of the tests and their data");
    }
    if matches!(
        top,
        ".github" | ".gitlab" | ".circleci" | ".buildkite" | ".woodpecker" | ".drone" | ".teamcity"
    ) || matches!(
        name,
        ".gitlab-ci.yml"
            | ".travis.yml"
            | "appveyor.yml"
            | ".appveyor.yml"
            | "azure-pipelines.yml"
            | "jenkinsfile"
            | ".drone.yml"
            | "bitbucket-pipelines.yml"
            | ".pre-commit-config.yaml"
            | "codecov.yml"
            | ".codecov.yml"
    ) {
        return refuse(Refused::Ci, path, "continuous integration");
    }
    if name.ends_with(".lock")
        || matches!(
            name,
            "package-lock.json"
                | "yarn.lock"
                | "pnpm-lock.yaml"
                | "npm-shrinkwrap.json"
                | "go.sum"
                | "environment.yml"
        )
        || ((name.starts_with("requirements") || name.starts_with("constraints")) && name.ends_with(".txt"))
    {
        return refuse(Refused::Lock, path, "a list of pinned dependencies");
    }
    if name == ".env"
        || name.starts_with(".env.")
        || [".pem", ".key", ".p12", ".pfx", ".keystore", ".jks"].iter().any(|end| name.ends_with(end))
        || ["id_rsa", "id_ed25519", "id_ecdsa", "id_dsa"].iter().any(|start| name.starts_with(start))
        || matches!(
            name,
            ".netrc"
                | ".npmrc"
                | ".pypirc"
                | ".git-credentials"
                | "credentials"
                | "credentials.json"
                | "secrets.json"
                | "secrets.yaml"
                | "secrets.yml"
                | ".htpasswd"
        )
        || parts.iter().any(|part| matches!(*part, ".aws" | ".ssh" | ".gnupg" | ".kube" | ".docker"))
    {
        return refuse(Refused::Secret, path, "a place for secrets");
    }
    if matches!(
        name,
        "setup.py"
            | "makefile"
            | "gnumakefile"
            | "hatch_build.py"
            | "build.rs"
            | "build.py"
            | "tasks.py"
            | "justfile"
            | "dockerfile"
            | "cmakelists.txt"
            | "meson.build"
            | ".gitattributes"
            | ".gitmodules"
            | ".gitconfig"
            | ".envrc"
            | ".lfsconfig"
    ) || name.starts_with("dockerfile.")
        || parts.iter().any(|part| matches!(*part, ".husky" | ".githooks" | ".hooks"))
    {
        return refuse(Refused::BuildHook, path, "code that runs when the package is built or checked out");
    }
    if matches!(
        name,
        "agents.md"
            | "claude.md"
            | "gemini.md"
            | ".cursorrules"
            | ".windsurfrules"
            | ".clinerules"
            | "copilot-instructions.md"
            | ".mcp.json"
    ) || parts
        .iter()
        .any(|part| matches!(*part, ".cursor" | ".claude" | ".vscode" | ".idea" | ".devcontainer"))
        || name.starts_with(".aider")
    {
        return refuse(Refused::Instructions, path, "an instruction to tools");
    }
    Ok(())
}

/// What says how tests are built and run, in other languages than Python.
fn is_foreign_config(name: &str, parts: &[&str]) -> bool {
    let starts =
        ["jest.config.", "vitest.config.", "vite.config.", "vitest.workspace.", ".mocharc", "babel.config."];
    matches!(
        name,
        "cargo.toml"
            | "rust-toolchain"
            | "rust-toolchain.toml"
            | "nextest.toml"
            | "package.json"
            | "go.mod"
            | "pom.xml"
            | "build.gradle"
            | "build.gradle.kts"
            | "settings.gradle"
            | "settings.gradle.kts"
            | "gradlew"
            | "mvnw"
    ) || starts.iter().any(|start| name.starts_with(start))
        || parts.contains(&".cargo")
}

/// Whether the baseline collected tests in the innermost folder of tests that `path` lies in.
fn holds_tests(path: &str, base: &Base) -> bool {
    let mut end = 0;
    for part in path.split('/') {
        end += part.len() + 1;
        if TEST_FOLDERS.contains(&part.to_lowercase().as_str())
            && let Some(folder) = path.get(..end)
            && base.tests.iter().any(|test| test.starts_with(folder))
        {
            return true;
        }
    }
    false
}

/// New files that the interpreter or the runner would load unasked, or instead of its own.
fn added(path: &str, base: &Base) -> Result<(), Refusal> {
    let lower = path.to_lowercase();
    let name = lower.rsplit('/').next().unwrap_or_default();
    let startup = matches!(
        name,
        "sitecustomize.py" | "usercustomize.py" | "entry_points.txt" | "pyvenv.cfg" | "__pycache__"
    ) || [".pth", ".pyc", ".pyo", ".so", ".pyd", ".dll", ".dylib", ".egg", ".whl", ".egg-link"]
        .iter()
        .any(|end| name.ends_with(end))
        || lower.split('/').any(|part| {
            part.ends_with(".dist-info")
                || part.ends_with(".egg-info")
                || part == "__pycache__"
                || part == "site-packages"
        });
    if startup {
        return Err(Refusal::new(
            Refused::Runner,
            path,
            format!("{path} would be loaded by the interpreter unasked"),
        ));
    }
    for root in base.roots.iter().map(String::as_str).chain(base.tests.iter().map(|test| folder_of(test))) {
        let Some(rest) = (if root.is_empty() {
            Some(lower.as_str())
        } else {
            lower.strip_prefix(&format!("{}/", root.to_lowercase()))
        }) else {
            continue;
        };
        let module = rest.split('/').next().unwrap_or_default();
        let is_package = rest.contains('/');
        let module = if is_package { Some(module) } else { module.strip_suffix(".py") };
        let Some(module) = module else { continue };
        let prefix = if root.is_empty() { format!("{module}/") } else { format!("{root}/{module}/") };
        let there = is_package
            && base.files.range(prefix.clone()..).next().is_some_and(|file| file.starts_with(&prefix));
        if !there && (base.reserved.contains(module) || RUNNER.contains(&module)) {
            return Err(Refusal::new(
                Refused::Runner,
                path,
                format!("{path} would stand in for the module `{module}`"),
            ));
        }
    }
    Ok(())
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Code under test has no business with the test runner, unless it had before.
fn runner_in_code(patch: &FilePatch, base: &Base, before: &str) -> Result<(), Refusal> {
    let path = patch.path();
    if !path.ends_with(".py") || (is_test_module(path) && !base.files.contains(path)) {
        return Ok(());
    }
    let names = |text: &str| -> Option<&'static str> {
        let text = text.trim_start();
        let rest = text.strip_prefix("import ").or_else(|| text.strip_prefix("from "))?;
        ["pytest", "_pytest", "unittest", "pluggy"]
            .into_iter()
            .find(|module| rest.split([',', ' ', '.']).map(str::trim).any(|word| word == *module))
    };
    // A fix that asks whether it is being tested mends nothing.
    let knows = |text: &str| {
        [
            "PYTEST_",
            "PRUNELLA_",
            "\"pytest\"",
            "'pytest'",
            "\"_pytest",
            "'_pytest",
            "\"unittest\"",
            "'unittest'",
        ]
        .into_iter()
        .find(|word| text.contains(word))
    };
    let had = before.lines().any(|line| names(line).or(knows(line)).is_some());
    for line in patch.hunks.iter().flat_map(|hunk| &hunk.lines) {
        if let Line::Added(text) = line
            && let Some(module) = names(text).or(knows(text))
            && !had
        {
            let reason = format!("{path} would bring the test runner (`{module}`) into the code under test");
            return Err(Refusal::new(Refused::Runner, path, reason));
        }
    }
    Ok(())
}
