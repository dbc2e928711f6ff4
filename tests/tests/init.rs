//! `prunella init` and `prunella graph copy`: what they write works as it is, and nothing that is there is touched.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::path::Path;

use prunella_tests::{Outcome, Prunella};
use serde_json::Value;

/// Runs `args` in `dir`.
fn run(prunella: &Prunella, dir: &Path, args: &[&str]) -> Outcome {
    let output = prunella.command(args).current_dir(dir).output().unwrap();
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The first line names a schema that stands beside the file, and the schema knows what a graph has.
fn has_schema(dir: &Path, graph: &str) {
    let source = std::fs::read_to_string(dir.join(graph)).unwrap();
    let schema = source.lines().next().unwrap().strip_prefix("# yaml-language-server: $schema=./").unwrap();
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(dir.join(schema)).unwrap()).unwrap();
    assert!(schema["properties"]["nodes"].is_object(), "{schema}");
}

#[test]
fn what_init_writes_is_checked_tested_drawn_and_run_as_it_is() {
    let (prunella, dir) = (Prunella::new(), tempfile::tempdir().unwrap());
    let dir = dir.path();
    let said = run(&prunella, dir, &["init", "first"]).code(0);
    assert_eq!(said.stdout, "first/heal.yaml\nfirst/heal.test.yaml\nfirst/graph.v1.schema.json\n");
    let first = dir.join("first");
    assert_eq!(names(&first), ["graph.v1.schema.json", "heal.test.yaml", "heal.yaml", "sample"]);
    has_schema(&first, "heal.yaml");
    let checked = run(&prunella, &first, &["check", "heal.yaml"]).code(0);
    assert_eq!(checked.stderr, "");
    let tested = run(&prunella, &first, &["graph", "test"]).code(0);
    assert!(tested.stdout.contains("(100 %)"), "{}", tested.stdout);
    let drawn = run(&prunella, &first, &["graph", "show", "heal.yaml", "--format", "svg"]).code(0);
    assert!(drawn.stdout.starts_with("<svg ") && drawn.stdout.ends_with("</svg>\n"));
    // The last command that it names, as it names it.
    let last = said.stderr.lines().last().unwrap().trim().strip_prefix("prunella ").unwrap();
    let healed = run(&prunella, dir, &last.split(' ').collect::<Vec<_>>()).code(0);
    assert!(healed.stderr.contains("end: healed"), "{}", healed.stderr);
}

#[test]
fn nothing_that_is_there_is_touched() {
    let (prunella, dir) = (Prunella::new(), tempfile::tempdir().unwrap());
    let dir = dir.path();
    std::fs::write(dir.join("heal.test.yaml"), "mine").unwrap();
    let refused = run(&prunella, dir, &["init"]).code(5);
    assert!(refused.stderr.contains("heal.test.yaml is there already"), "{}", refused.stderr);
    assert_eq!(names(dir), ["heal.test.yaml"]);
    assert_eq!(std::fs::read_to_string(dir.join("heal.test.yaml")).unwrap(), "mine");
    std::fs::create_dir(dir.join("sample")).unwrap();
    std::fs::remove_file(dir.join("heal.test.yaml")).unwrap();
    let refused = run(&prunella, dir, &["init", "."]).code(5);
    assert!(refused.stderr.contains("sample is there already"), "{}", refused.stderr);
    assert_eq!(names(dir), ["sample"]);
}

#[test]
fn a_copy_of_every_shipped_graph_checks_and_passes_its_cases() {
    let (prunella, dir) = (Prunella::new(), tempfile::tempdir().unwrap());
    let dir = dir.path();
    let listed = run(&prunella, dir, &["graph", "list"]).code(0).stdout;
    for name in listed.lines().filter_map(|line| line.split_whitespace().next()) {
        let graph = format!("{name}.yaml");
        let copied = run(&prunella, dir, &["graph", "copy", name]).code(0).stdout;
        assert!(copied.starts_with(&format!("{graph}\n{name}.test.yaml\n")), "{copied}");
        has_schema(dir, &graph);
        let _ = run(&prunella, dir, &["check", &graph]).code(0);
        let _ = run(&prunella, dir, &["graph", "test", &graph]).code(0);
        let again = run(&prunella, dir, &["graph", "copy", name]).code(5);
        assert!(again.stderr.contains(&format!("{graph} is there already")), "{}", again.stderr);
    }
    let elsewhere = run(&prunella, dir, &["graph", "copy", "self-heal", "deep/er/mine.yaml"]).code(0);
    assert_eq!(elsewhere.stdout, "deep/er/mine.yaml\ndeep/er/mine.test.yaml\ndeep/er/graph.v1.schema.json\n");
}
