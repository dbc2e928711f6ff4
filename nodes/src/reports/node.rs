//! The lines of our reporter of node's test runner (`harness/prunella_node.mjs`), one event a line. The reporter runs in
//! the runner's own process, which loads no file of the repository: each test file has a process of its own.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Case, MAX_MESSAGE, Outcome, Report, clip, millis};

/// Deepest nesting of suites.
const MAX_DEPTH: usize = 200;

#[derive(Deserialize)]
struct Line {
    /// `start`, `pass`, `fail`, `stderr` or `end`.
    #[serde(default)]
    t: String,
    /// The test's name.
    #[serde(default)]
    n: String,
    /// Its depth.
    #[serde(default)]
    l: usize,
    /// Its file.
    #[serde(default)]
    f: String,
    /// Its time in milliseconds.
    #[serde(default)]
    ms: Option<f64>,
    /// Whether it is skipped or to be done.
    #[serde(default)]
    s: bool,
    /// The failure's type.
    #[serde(default)]
    k: String,
    /// Its message, or what was printed.
    #[serde(default)]
    m: String,
}

pub(super) fn read(text: &str) -> Report {
    let mut out = Report::default();
    let mut paths: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut printed: BTreeMap<String, String> = BTreeMap::new();
    let mut ended = false;
    for line in text.lines() {
        let Ok(line) = serde_json::from_str::<Line>(line) else {
            out.problem("a line that is not of our reporter");
            continue;
        };
        if ended {
            out.problem("lines after the end of the report");
        }
        if line.l > MAX_DEPTH {
            out.problem("suites nested too deeply");
            continue;
        }
        let file = relative(&line.f);
        match line.t.as_str() {
            "start" => {
                let path = paths.entry(file).or_default();
                path.resize(line.l, String::new());
                path.push(line.n);
            }
            "stderr" => {
                let text = printed.entry(file).or_default();
                if text.len() < MAX_MESSAGE * 2 {
                    text.push_str(&line.m);
                }
            }
            "pass" | "fail" => {
                // A file as a whole: what it printed says why it could not be run. As a pass it says nothing.
                if line.l == 0 && relative(&line.n) == file && !file.is_empty() {
                    let own = out.cases.iter().any(|case| case.file == file);
                    if line.t == "fail" && !own {
                        let why = printed.get(&file).cloned().unwrap_or_default();
                        out.broken(&file, if why.trim().is_empty() { &line.m } else { &why });
                    }
                    continue;
                }
                let outcome = match (line.s, line.t.as_str()) {
                    (true, _) => Outcome::Skipped,
                    (false, "pass") => Outcome::Passed,
                    _ => Outcome::Failed,
                };
                let above = paths.get(&file).and_then(|path| path.get(..line.l)).unwrap_or_default();
                let mut name: Vec<&str> = above.iter().map(String::as_str).collect();
                name.push(&line.n);
                let mut case = Case::new(&format!("{file}::{}", name.join(" > ")), outcome);
                case.file = file;
                case.ms = line.ms.and_then(|ms| millis(ms / 1000.0));
                if outcome == Outcome::Failed {
                    case.kind = clip(&line.k, 200);
                    case.message = clip(line.m.trim(), MAX_MESSAGE);
                }
                out.push(case);
            }
            "end" => ended = true,
            _ => {}
        }
    }
    if !ended {
        out.problem("the report of node's test runner breaks off");
    }
    out
}

/// A path as it is below the tree's top in the sandbox; other paths stay as they are.
pub(super) fn relative(path: &str) -> String {
    let path = path.strip_prefix("file://").unwrap_or(path);
    clip(path.strip_prefix("/repo/").unwrap_or(path), 1000)
}
