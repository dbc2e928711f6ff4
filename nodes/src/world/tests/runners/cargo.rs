//! Rust's tests by id: `package::binary::module::test`, and `doc::src/lib.rs - item` for documentation.

use std::collections::{BTreeMap, BTreeSet};

use super::sent::Sent;
use crate::reports::{self, Format, Outcome, Report};

/// The test's name as its binary knows it.
pub(super) fn test_name(id: &str) -> &str {
    match id.strip_prefix("doc::") {
        Some(name) => name,
        None => id.splitn(3, "::").nth(2).unwrap_or(id),
    }
}

/// Reads what each test binary printed. `files` are those of the base, to find a binary's own file.
pub(super) fn read(sent: &Sent, files: &BTreeSet<String>) -> Report {
    let mut out = Report::default();
    let times = times(sent);
    for file in sent.files.iter().filter(|file| file.label == super::launch::REPORT) {
        let text = String::from_utf8_lossy(&file.content);
        let (head, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let mut words = head.splitn(4, ' ');
        let (Some("binary"), Some(package), Some(stem), Some(folder)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            out.problem.get_or_insert("a file that is not of our making among the reports".to_owned());
            continue;
        };
        let Some((body, code)) = rest.rsplit_once("\nbinary end ") else {
            out.problem.get_or_insert(format!("the test binary {stem} was cut off"));
            continue;
        };
        let mut one = reports::read(Format::Libtest, body.as_bytes());
        let status = code.trim();
        if one.cases.is_empty() && one.problem.is_some() && !body.starts_with("\nrunning ") {
            // A binary with a harness of its own: it says nothing that could be read.
            out.broken.push((format!("{package}::{stem}"), "its output is not libtest's".to_owned()));
            continue;
        }
        let failed = one.cases.iter().any(|case| case.outcome == Outcome::Failed);
        if one.problem.is_none() && (status == "0") == failed {
            one.problem = Some(format!("it ended with status {status}, unlike its result"));
        }
        if let Some(why) = one.problem {
            out.problem.get_or_insert(format!("{package}::{stem}: {why}"));
        }
        let path = own_file(folder, stem, files);
        for mut case in one.cases {
            let unit = stem == package.replace('-', "_");
            let key = if unit {
                format!("{package}::{}", case.id)
            } else {
                format!("{package}::{stem}::{}", case.id)
            };
            case.ms = case.ms.or(times.get(&key).copied());
            case.id = format!("{package}::{stem}::{}", case.id);
            case.file.clone_from(&path);
            out.cases.push(case);
        }
    }
    // Lines move with every patch: a doc test is known by its item and its place among those of that item.
    for mut case in reports::doc_tests(&sent.text("stdout")).cases {
        let name = case.id.rsplit_once(" (line ").map_or(case.id.as_str(), |(name, _)| name);
        case.id = format!("doc::{name}");
        // A file of the code itself is not one of the tests.
        case.file = String::new();
        out.cases.push(case);
    }
    out
}

/// Times of nextest's JUnit report, by its names.
fn times(sent: &Sent) -> BTreeMap<String, u64> {
    let mut out = BTreeMap::new();
    for file in sent.files.iter().filter(|file| file.label == super::launch::TIMES) {
        for case in reports::read(Format::Junit, &file.content).cases {
            if let Some(ms) = case.ms {
                out.insert(case.id, ms);
            }
        }
    }
    out
}

/// The file of an integration test's binary, relative to the top; empty for unit tests.
fn own_file(folder: &str, stem: &str, files: &BTreeSet<String>) -> String {
    let below = folder.strip_prefix("/repo").unwrap_or_default().trim_start_matches('/');
    let prefix = if below.is_empty() { String::new() } else { format!("{below}/") };
    [format!("{prefix}tests/{stem}.rs"), format!("{prefix}tests/{stem}/main.rs")]
        .into_iter()
        .find(|path| files.contains(path))
        .unwrap_or_default()
}
