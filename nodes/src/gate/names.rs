//! Names of files that a fix may not touch: tests, their data and configuration, pipelines, locks, secrets, hooks.

use super::protect::Base;
use super::{Refusal, Refused};

/// Folders that hold tests and nothing else.
const TEST_FOLDERS: &[&str] =
    &["test", "tests", "testing", "unittests", "unit_tests", "__tests__", "spec", "specs"];
/// Folders of data beside tests.
const DATA_FOLDERS: &[&str] =
    &["testdata", "test_data", "fixtures", "snapshots", "__snapshots__", "golden", "cassettes"];
/// How the names of configuration files of JavaScript's runners begin.
const RUNNER_CONFIG: &[&str] = &[
    "jest.config.",
    "vitest.config.",
    "vitest.workspace.",
    "karma.conf.",
    "ava.config.",
    "playwright.config.",
    "cypress.config.",
    "babel.config.",
    ".babelrc",
    ".mocharc",
    ".nycrc",
    ".swcrc",
];
/// Configuration of tests and of what runs them.
const CONFIG: &[&str] = &[
    "conftest.py",
    "pytest.ini",
    ".pytest.ini",
    "pytest.toml",
    ".pytest.toml",
    "noxfile.py",
    "nextest.toml",
    "phpunit.xml",
    ".rspec",
    ".python-version",
    ".node-version",
    ".nvmrc",
    ".tool-versions",
    "rust-toolchain",
    "rust-toolchain.toml",
];
/// Files of continuous integration.
const PIPELINES: &[&str] = &[
    ".gitlab-ci.yml",
    ".travis.yml",
    "appveyor.yml",
    ".appveyor.yml",
    "azure-pipelines.yml",
    "jenkinsfile",
    ".drone.yml",
    "bitbucket-pipelines.yml",
    ".pre-commit-config.yaml",
    "codecov.yml",
    ".codecov.yml",
];
/// Lock files beside those that end in `.lock`.
const LOCKS: &[&str] = &[
    "package-lock.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "npm-shrinkwrap.json",
    "go.sum",
    "go.work.sum",
    "pdm.lock",
    "bun.lockb",
];
/// Files that hold secrets.
const SECRETS: &[&str] = &[
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    "credentials",
    "credentials.json",
    "secrets.json",
    "secrets.yaml",
    "secrets.yml",
    ".htpasswd",
];
/// What runs when a package is built or checked out.
const HOOKS: &[&str] = &[
    "setup.py",
    "makefile",
    "gnumakefile",
    "hatch_build.py",
    "build.py",
    "tasks.py",
    "justfile",
    "dockerfile",
    "cmakelists.txt",
    "meson.build",
    "build.rs",
    "binding.gyp",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "settings.gradle",
    "settings.gradle.kts",
    "gradle.properties",
    "gradlew",
    "gradlew.bat",
    "mvnw",
    "mvnw.cmd",
    "gulpfile.js",
    "gruntfile.js",
    "rakefile",
    "package.mk",
    ".gitattributes",
    ".gitmodules",
    ".gitconfig",
    ".envrc",
    ".lfsconfig",
];
/// Instructions to tools that write code.
const INSTRUCTIONS: &[&str] = &[
    "agents.md",
    "claude.md",
    "gemini.md",
    ".cursorrules",
    ".windsurfrules",
    ".clinerules",
    "copilot-instructions.md",
    ".mcp.json",
];

/// Whether a file's name is that of a test module.
#[must_use]
pub fn is_test_module(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_suffix(".py").is_some_and(|stem| {
        stem.starts_with("test_") || stem.ends_with("_test") || stem == "test" || stem == "tests"
    })
}

/// Whether a file's name is that of a test in a language whose runners find tests by name.
fn is_foreign_test(name: &str) -> bool {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    name.ends_with("_test.go")
        || (stem.ends_with(".test") || stem.ends_with(".spec"))
            && [".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts"]
                .iter()
                .any(|end| name.ends_with(end))
}

fn refuse(kind: Refused, path: &str, what: &str) -> Result<(), Refusal> {
    Err(Refusal::new(kind, path, format!("{path} is {what}, which a fix may not touch")))
}

/// Refuses a path that is protected by its name or by what the base has there; `fresh` when the patch brings it.
pub(super) fn existing(path: &str, base: &Base, fresh: bool) -> Result<(), Refusal> {
    let lower = path.to_lowercase();
    let parts: Vec<&str> = lower.split('/').collect();
    let name = *parts.last().unwrap_or(&"");
    let top = *parts.first().unwrap_or(&"");
    if base.tests.contains(path) || (base.files.contains(path) && is_foreign_test(name)) {
        return refuse(Refused::Tests, path, "a test file");
    }
    if CONFIG.contains(&name)
        || RUNNER_CONFIG.iter().any(|start| name.starts_with(start))
        || matches!(lower.as_str(), "prunella.yaml" | "prunella.yml")
        || lower.ends_with(".cargo/config.toml")
        || lower.ends_with(".cargo/config")
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
    ) || PIPELINES.contains(&name)
    {
        return refuse(Refused::Ci, path, "continuous integration");
    }
    if name.ends_with(".lock") || LOCKS.contains(&name) {
        return refuse(Refused::Lock, path, "a lock file, which is made anew from what it locks");
    }
    if name == ".env"
        || name.starts_with(".env.")
        || [".pem", ".key", ".p12", ".pfx", ".keystore", ".jks"].iter().any(|end| name.ends_with(end))
        || ["id_rsa", "id_ed25519", "id_ecdsa", "id_dsa"].iter().any(|start| name.starts_with(start))
        || SECRETS.contains(&name)
        || parts.iter().any(|part| matches!(*part, ".aws" | ".ssh" | ".gnupg" | ".kube" | ".docker"))
    {
        return refuse(Refused::Secret, path, "a place for secrets");
    }
    if HOOKS.contains(&name)
        || name.starts_with("dockerfile.")
        || parts.iter().any(|part| matches!(*part, ".husky" | ".githooks" | ".hooks"))
    {
        return refuse(Refused::BuildHook, path, "code that runs when the package is built or checked out");
    }
    if INSTRUCTIONS.contains(&name)
        || parts
            .iter()
            .any(|part| matches!(*part, ".cursor" | ".claude" | ".vscode" | ".idea" | ".devcontainer"))
        || name.starts_with(".aider")
    {
        return refuse(Refused::Instructions, path, "an instruction to tools");
    }
    Ok(())
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
