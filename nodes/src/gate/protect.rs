//! What a candidate may not touch, by path.

use std::collections::BTreeSet;

use super::manifest::{Ruling, rule};
use super::names::{existing, is_test_module};
use super::parse::Line;
use super::{FilePatch, Policy, Refusal, Refused, apply};

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
    /// What the repository's owners allow and protect beyond the rules here.
    pub policy: Policy,
}

/// What is to be known of a patch that is let through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admitted {
    /// What a person should look at, a phrase each.
    pub notes: Vec<String>,
    /// Files that the tests run without: configuration, for which the base's stands in.
    pub aside: BTreeSet<String>,
}

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
) -> Result<Admitted, Refusal> {
    let mut admitted = Admitted::default();
    let folded: BTreeSet<String> = if patches.iter().any(|patch| patch.old != patch.new) {
        base.files.iter().map(|path| path.to_lowercase()).collect()
    } else {
        BTreeSet::new()
    };
    for patch in patches {
        let fresh = patch.new.as_ref().filter(|new| patch.old.as_ref() != Some(new));
        for path in patch.old.iter().filter(|_| !patch.copy).chain(&patch.new) {
            if let Some(pattern) = base.policy.protects(path) {
                let reason = format!("{path} is protected by the repository's policy (`{pattern}`)");
                return Err(Refusal::new(Refused::Protected, path, reason));
            }
            match manifest(patch, path, base, &mut read)? {
                Some(Ruling::Open { note, aside }) => {
                    admitted.notes.push(note);
                    if aside {
                        admitted.aside.insert(path.clone());
                    }
                }
                Some(Ruling::Shut { why, config }) => {
                    let kind = if config { Refused::Config } else { Refused::Dependencies };
                    return Err(Refusal::new(kind, path, format!("{path} {why}")));
                }
                None => existing(path, base, fresh == Some(path))?,
            }
        }
        if let Some(path) = fresh {
            if !base.files.contains(path) && folded.contains(&path.to_lowercase()) {
                let reason = format!("{path} is, but for case, a file of the base commit");
                return Err(Refusal::new(Refused::Clash, path, reason));
            }
            added(path, base)?;
        }
        let before = patch.old.as_ref().and_then(|old| read(old)).unwrap_or_default();
        runner_in_code(patch, base, &String::from_utf8_lossy(&before))?;
    }
    admitted.notes.sort();
    admitted.notes.dedup();
    Ok(admitted)
}

/// What the policy says of a package's own description, when `path` is one.
fn manifest(
    patch: &FilePatch,
    path: &str,
    base: &Base,
    read: &mut impl FnMut(&str) -> Option<Vec<u8>>,
) -> Result<Option<Ruling>, Refusal> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    // Only a plain change can be opened by a policy.
    let plain = patch.old == patch.new;
    let before = if plain { read(path).map(text) } else { None };
    let after = if before.is_some() && rule(path, &base.policy, None, None).is_some() {
        apply::apply(std::slice::from_ref(patch), &mut *read)?
            .pop()
            .and_then(|(_, content)| content)
            .map(text)
    } else {
        None
    };
    Ok(rule(path, &base.policy, before.as_deref(), after.as_deref()))
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
