//! The words, variables and files that get a runner's report out of one step.

use std::collections::BTreeMap;

use super::toolchain::Kit;
use super::{Foreign, Tool};
use crate::reports::Format;
use crate::world::tests::canary::token;
use crate::world::tests::jobs::Step;

/// One start of a foreign runner.
#[derive(Debug, Clone, Default)]
pub(super) struct Launch {
    /// What is built first, so that a failed build is not taken for failed tests; empty for nothing.
    pub(super) build: Vec<String>,
    /// The command itself.
    pub(super) command: Vec<String>,
    /// Variables beside the kit's.
    pub(super) env: BTreeMap<String, String>,
    /// Files that are reports: label and pattern.
    pub(super) reports: Vec<(&'static str, String)>,
    /// Whether the command's output is the report.
    pub(super) output: bool,
}

/// Label of the files that hold the report.
pub(super) const REPORT: &str = "report";
/// Label of what holds times only.
pub(super) const TIMES: &str = "times";

/// How `step` is started.
pub(super) fn launch(foreign: &Foreign, kit: &Kit, step: &Step) -> Launch {
    let out = format!("/tmp/{}", token());
    let mut command = foreign.words.clone();
    if let (Some(first), Some(program)) = (command.first_mut(), &kit.program) {
        program.to_string_lossy().as_ref().clone_into(first);
    }
    let mut launch = Launch::default();
    let own = |name: &str| vec![(REPORT, format!("{out}/{name}"))];
    let names = step.ids.as_deref().unwrap_or_default();
    match foreign.tool {
        Tool::Cargo => {
            let (words, rest) = split(&command, "--");
            launch.build = join(&words, &["--no-run"], &[]);
            // With two threads at least each line of libtest's is written whole.
            let threads = if rest.iter().any(|word| word.starts_with("--test-threads")) {
                Vec::new()
            } else {
                vec!["--test-threads=2".to_owned()]
            };
            let mut after = rest;
            after.extend(threads);
            after.extend(exact(names));
            command = join(&words, &["--no-fail-fast", "--"], &after);
            launch.reports = own("run.*");
            launch.env.insert(target_runner(kit), "sh /prunella/prunella_cargo.sh".to_owned());
        }
        Tool::Nextest => {
            let (words, mut after) = split(&command, "--");
            launch.build = join(&words, &["--no-run"], &[]);
            after.extend(exact(names));
            let ours = [
                "--no-fail-fast",
                "--retries",
                "0",
                "--tool-config-file",
                "prunella:/prunella/prunella_nextest.toml",
                "--profile",
                "prunella",
            ];
            command = join(&words, &ours, &[]);
            if !after.is_empty() {
                command.push("--".to_owned());
                command.extend(after);
            }
            launch.reports = own("run.*");
            launch.reports.push((TIMES, "/repo/target/nextest/prunella/junit.xml".to_owned()));
            launch.env.insert(target_runner(kit), "sh /prunella/prunella_cargo.sh".to_owned());
        }
        Tool::Node => {
            let mut words = Vec::new();
            let mut paths: Vec<String> = Vec::new();
            for word in command {
                let option = word.starts_with('-') || words.is_empty();
                if word.starts_with("--test-reporter") {
                    continue;
                }
                if option { words.push(word) } else { paths.push(word) }
            }
            if !words.iter().any(|word| word == "--test") {
                words.push("--test".to_owned());
            }
            words.push("--test-reporter=/prunella/prunella_node.mjs".to_owned());
            words.push(format!("--test-reporter-destination={out}/report"));
            if step.only {
                words.extend(step.extra.iter().cloned())
            } else {
                words.extend(paths)
            }
            command = words;
            launch.reports = own("report");
        }
        Tool::Go => {
            command.retain(|word| word != "-json" && word != "-v");
            let at = command.iter().position(|word| word == "test").map_or(command.len(), |at| at + 1);
            command.splice(at..at, ["-json".to_owned(), "-count=1".to_owned()]);
            if let Some(order) = step.order {
                command.insert(at, format!("-shuffle={order}"));
            }
            launch.output = true;
        }
        Tool::Jest => {
            command.extend(["--ci", "--json", "--testLocationInResults"].map(str::to_owned));
            command.push(format!("--outputFile={out}/report"));
            if step.only {
                command.push("--runTestsByPath".to_owned());
                command.extend(step.extra.iter().cloned());
            }
            launch.reports = own("report");
        }
        Tool::Vitest => {
            command.extend(["--reporter=junit".to_owned(), format!("--outputFile={out}/report")]);
            if let Some(order) = step.order {
                command.extend(["--sequence.shuffle".to_owned(), format!("--sequence.seed={order}")]);
            }
            if step.only {
                command.extend(step.extra.iter().cloned());
            }
            launch.reports = own("report");
        }
        Tool::Mocha => {
            let output = format!("output={out}/report");
            command.extend(["--reporter", "xunit", "--reporter-option"].map(str::to_owned));
            command.push(output);
            launch.reports = own("report");
        }
        Tool::Maven => {
            let offline = ["-o", "-B", "-fae"].map(str::to_owned);
            command.splice(1..1, offline);
            launch.build =
                command.iter().map(|w| if w == "test" { "test-compile".into() } else { w.clone() }).collect();
            launch.reports = vec![(REPORT, "*target/surefire-reports/*.xml".to_owned())];
        }
        Tool::Gradle => {
            command.splice(1..1, ["--offline", "--no-daemon", "--continue"].map(str::to_owned));
            launch.build =
                command.iter().map(|w| if w == "test" { "testClasses".into() } else { w.clone() }).collect();
            launch.reports = vec![(REPORT, "*build/test-results/*.xml".to_owned())];
        }
        Tool::Junit | Tool::Tap => {}
    }
    if !foreign.reports.is_empty() {
        launch.reports.retain(|(label, _)| *label != REPORT);
        launch.reports.extend(foreign.reports.iter().map(|pattern| (REPORT, pattern.clone())));
        launch.output = false;
    } else if matches!(foreign.tool, Tool::Tap) {
        launch.output = true;
    }
    launch.command = command;
    launch.env.insert("PRUNELLA_OUT".to_owned(), out);
    launch
}

/// Which tests libtest runs, by their whole names.
fn exact(ids: &[String]) -> Vec<String> {
    if ids.is_empty() {
        return Vec::new();
    }
    let names = ids.iter().map(|id| super::cargo::test_name(id).to_owned());
    std::iter::once("--exact".to_owned()).chain(names).collect()
}

/// The words before and after the first `at`.
fn split(words: &[String], at: &str) -> (Vec<String>, Vec<String>) {
    match words.iter().position(|word| word == at) {
        Some(here) => (
            words.get(..here).unwrap_or_default().to_vec(),
            words.get(here + 1..).unwrap_or_default().to_vec(),
        ),
        None => (words.to_vec(), Vec::new()),
    }
}

fn join(words: &[String], more: &[&str], rest: &[String]) -> Vec<String> {
    words
        .iter()
        .cloned()
        .chain(more.iter().map(|word| (*word).to_owned()))
        .chain(rest.iter().cloned())
        .collect()
}

/// The variable that makes cargo start test binaries through a program of ours.
fn target_runner(kit: &Kit) -> String {
    format!("CARGO_TARGET_{}_RUNNER", kit.triple.to_uppercase().replace(['-', '.'], "_"))
}

/// Whether the runner's own output may hold lines that are not its report.
pub(super) fn merged(format: Format) -> bool {
    matches!(format, Format::Go)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(tool: Tool, typed: &str, step: &Step) -> String {
        let foreign =
            Foreign { tool, words: typed.split(' ').map(str::to_owned).collect(), reports: Vec::new() };
        let launch = launch(&foreign, &Kit::default(), step);
        launch.command.join(" ").replace(&launch.env["PRUNELLA_OUT"], "OUT")
    }

    #[test]
    fn each_runner_is_made_to_report() {
        let whole = Step::default();
        for (tool, typed, made) in [
            (
                Tool::Cargo,
                "cargo test -p a -- --skip b",
                "cargo test -p a --no-fail-fast -- --skip b --test-threads=2",
            ),
            (
                Tool::Node,
                "node --test --test-reporter=spec test/",
                "node --test --test-reporter=/prunella/prunella_node.mjs --test-reporter-destination=OUT/report test/",
            ),
            (Tool::Go, "go test -v ./...", "go test -json -count=1 ./..."),
            (Tool::Jest, "jest", "jest --ci --json --testLocationInResults --outputFile=OUT/report"),
            (Tool::Vitest, "vitest run", "vitest run --reporter=junit --outputFile=OUT/report"),
            (Tool::Mocha, "mocha", "mocha --reporter xunit --reporter-option output=OUT/report"),
            (Tool::Maven, "mvn test", "mvn -o -B -fae test"),
        ] {
            assert_eq!(words(tool, typed, &whole), made);
        }
        let one = Step {
            ids: Some(vec!["sample::it::outer".to_owned()]),
            extra: vec!["tests/it.rs".to_owned()],
            only: true,
            ..Step::default()
        };
        let made = words(Tool::Nextest, "cargo nextest run", &one);
        assert!(made.ends_with("--profile prunella -- --exact outer"), "{made}");
        let made = words(Tool::Node, "node --test test/", &one);
        assert!(made.ends_with("OUT/report tests/it.rs"), "{made}");
    }
}
