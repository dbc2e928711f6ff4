//! The lines of `go test -json`, as `go doc test2json` describes them. Lines that are no JSON are what the compiler
//! said; it may stand on the same stream.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Case, MAX_CASES, MAX_MESSAGE, Outcome, Report, clip, millis};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Line {
    action: String,
    #[serde(default)]
    package: String,
    #[serde(default)]
    test: String,
    #[serde(default)]
    elapsed: Option<f64>,
    #[serde(default)]
    output: String,
}

pub(super) fn read(text: &str) -> Report {
    let mut out = Report::default();
    let mut said: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut running: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut packages: BTreeMap<String, (Option<String>, usize)> = BTreeMap::new();
    let mut compiler = String::new();
    for line in text.lines() {
        let line: Line = match serde_json::from_str(line) {
            Ok(line) => line,
            Err(_) => {
                if compiler.len() < MAX_MESSAGE * 2 && !line.trim().is_empty() {
                    compiler.push_str(line);
                    compiler.push('\n');
                }
                continue;
            }
        };
        if said.len() > MAX_CASES || packages.len() > MAX_CASES {
            out.problem(format!("more than {MAX_CASES} tests"));
            return out;
        }
        let key = (line.package.clone(), line.test.clone());
        if !line.package.is_empty() {
            packages.entry(line.package.clone()).or_default();
        }
        match line.action.as_str() {
            "run" => *running.entry(key).or_default() += 1,
            "output" | "build-output" => {
                let text = said.entry(key).or_default();
                if text.len() < MAX_MESSAGE * 2 {
                    text.push_str(&line.output);
                }
            }
            "pass" | "fail" | "skip" if line.test.is_empty() => {
                if let Some(package) = packages.get_mut(&line.package) {
                    package.0 = Some(line.action);
                }
            }
            "pass" | "fail" | "skip" => {
                let outcome = match line.action.as_str() {
                    "pass" => Outcome::Passed,
                    "fail" => Outcome::Failed,
                    _ => Outcome::Skipped,
                };
                match running.get_mut(&key) {
                    Some(open) if *open > 0 => *open -= 1,
                    _ => out.problem(format!("{} has a result and no start", clip(&line.test, 200))),
                }
                let mut case = Case::new(&format!("{}::{}", line.package, line.test), outcome);
                case.ms = line.elapsed.and_then(millis);
                if outcome == Outcome::Failed {
                    case.kind = "fail".to_owned();
                    case.message = message(said.get(&key).map_or("", String::as_str));
                }
                if let Some(package) = packages.get_mut(&line.package) {
                    package.1 += usize::from(outcome == Outcome::Failed);
                }
                out.push(case);
            }
            _ => {}
        }
    }
    if packages.is_empty() {
        if compiler.is_empty() {
            out.problem("no lines of `go test -json`");
        } else {
            out.broken("the build", &compiler);
        }
    }
    if let Some((key, _)) = running.iter().find(|(_, open)| **open > 0) {
        // A panic ends the binary: the package says `fail`, the test under way gets no word.
        let ended = packages.get(&key.0).is_some_and(|(end, _)| end.as_deref() == Some("fail"));
        if !ended {
            out.problem(format!("{} has a start and no result", clip(&key.1, 200)));
        }
    }
    for (name, (end, failed)) in &packages {
        match end.as_deref() {
            None => out.problem(format!("package {} has no result", clip(name, 200))),
            Some("fail") if *failed == 0 => {
                let own = said.get(&(name.clone(), String::new())).map_or("", String::as_str);
                let built = own.contains("[build failed]") || own.contains("[setup failed]");
                let why = if built && !compiler.is_empty() { compiler.as_str() } else { own };
                out.broken(name, why);
            }
            Some(_) => {}
        }
    }
    out
}

/// What a test printed, without go's own lines.
fn message(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("=== ") && !line.trim_start().starts_with("--- "))
        .map(str::trim_end)
        .collect();
    clip(lines.join("\n").trim(), MAX_MESSAGE)
}
