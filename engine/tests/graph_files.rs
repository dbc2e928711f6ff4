//! Graph files as data: every file under `graphs/valid` checks, and every one under `graphs/invalid` is told what is
//! wrong, letter for letter as its snapshot says.

#![expect(clippy::disallowed_methods, reason = "a test reads its cases")]

#[path = "graph_support/kinds.rs"]
mod kinds;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use prunella_engine::graph::codes::CODES;
use prunella_engine::graph::{Diagnostic, Severity, load};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/graphs").join(name)
}

/// Name and text of every file of `folder` that ends with `suffix`, sorted.
fn files(folder: &Path, suffix: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
        .expect("the folder is part of the tests")
        .map(|entry| entry.expect("a readable folder").path())
        .filter_map(|path| {
            let stem = path.file_name()?.to_str()?.strip_suffix(suffix)?.to_owned();
            Some((stem, std::fs::read_to_string(&path).expect("a text file")))
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no {suffix} in {}", folder.display());
    files
}

fn shown(found: &[Diagnostic], source: &str) -> String {
    found.iter().map(|one| one.render(source)).collect::<Vec<_>>().join("\n")
}

/// What is found in a file, and whether it checks.
fn check(name: &str, source: &str) -> (Vec<Diagnostic>, bool) {
    match load(&format!("{name}.yaml"), source, &kinds::kinds()) {
        Ok((_, warnings)) => (warnings, true),
        Err(found) => (found, false),
    }
}

#[test]
fn valid_files_check_without_a_finding() {
    for (name, source) in files(&folder("valid"), ".yaml") {
        let (found, good) = check(&name, &source);
        assert!(good && found.is_empty(), "{name}:\n{}", shown(&found, &source));
    }
}

#[test]
fn invalid_files_are_told_what_is_wrong() {
    for (name, source) in files(&folder("invalid"), ".yaml") {
        let (found, good) = check(&name, &source);
        let errors = found.iter().filter(|one| one.severity == Severity::Error).count();
        assert_eq!(good, errors == 0, "{name}");
        assert!(!found.is_empty(), "{name} has nothing wrong");
        insta::with_settings!({
            snapshot_path => "graphs/snapshots",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(name.as_str(), shown(&found, &source));
        });
    }
}

#[test]
fn every_code_has_a_file_named_after_it_and_no_snapshot_is_left_over() {
    let files = files(&folder("invalid"), ".yaml");
    for code in CODES {
        let prefix = code.code.to_lowercase();
        let mut named = files.iter().filter(|(name, _)| name.starts_with(&prefix)).peekable();
        assert!(named.peek().is_some(), "no file shows {}", code.code);
        for (name, source) in named {
            let (found, _) = check(name, source);
            assert!(found.iter().any(|one| one.code == code.code), "{name} does not show {}", code.code);
        }
    }
    let names: BTreeSet<String> = files.into_iter().map(|(name, _)| name).collect();
    let snapshots: BTreeSet<String> =
        self::files(&folder("snapshots"), ".snap").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, snapshots);
}

/// One cause gives one error: a file says in its first line how many it expects, one unless it says otherwise.
#[test]
fn one_cause_gives_one_finding() {
    for (name, source) in files(&folder("invalid"), ".yaml") {
        let (found, _) = check(&name, &source);
        let first = source.lines().next().unwrap_or_default();
        let expected = first.strip_prefix("# findings: ").map_or(1, |number| number.trim().parse().unwrap());
        assert_eq!(found.len(), expected, "{name}:\n{}", shown(&found, &source));
    }
}
