//! `prunella graph test`: the shipped graphs' own cases, and what the command says of cases that are wrong.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::path::Path;

use prunella_tests::{Outcome, Prunella};

const GRAPH: &str = r"
format: 1
name: two
inputs: {log: Log, repo: Repo}
state: {incident: Incident}
ends: {done: success, idle: nothing, lost: failure}
start: detect
nodes:
  detect:
    with: {log: =inputs.log, repo: =inputs.repo}
    writes: {incident: =output.incident}
    on_error: {to: lost}
    next:
      - {when: output.status == 'new', to: reproduce}
      - {else: idle}
  reproduce:
    with: {incident: =incident}
    next:
      - {when: output.found, to: done}
      - {retry: detect, max_attempts: 2, exhausted: lost}
";

/// A folder with a graph and its cases.
struct Folder {
    prunella: Prunella,
    dir: tempfile::TempDir,
}

impl Folder {
    fn new(cases: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("two.yaml"), GRAPH.trim_start()).unwrap();
        std::fs::write(dir.path().join("two.test.yaml"), cases.trim_start()).unwrap();
        Self { prunella: Prunella::new(), dir }
    }

    fn run(&self, args: &[&str]) -> Outcome {
        run(&self.prunella, self.dir.path(), args)
    }
}

fn run(prunella: &Prunella, dir: &Path, args: &[&str]) -> Outcome {
    let mut words = vec!["graph", "test"];
    words.extend(args);
    let output = prunella.command(&words).current_dir(dir).output().unwrap();
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn every_shipped_graph_has_cases_that_take_every_edge() {
    let prunella = Prunella::new();
    let listed = prunella.run(&["graph", "list"]).code(0).stdout;
    let names: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains(&"self-heal"), "{listed}");
    for name in names {
        let outcome = prunella.run(&["graph", "test", name, "--min-coverage", "100"]).code(0);
        assert!(outcome.stdout.contains("(100 %)"), "{}", outcome.stdout);
    }
}

#[test]
fn without_a_name_the_graphs_of_the_folder_are_tested_and_untaken_edges_are_named() {
    let folder = Folder::new(
        r"
format: 1
stubs: {detect: {gives: {status: new}}}
cases:
  found at once:
    stubs: {reproduce: {gives: {found: true}}}
    expect: {path: [detect, reproduce], end: done, outcome: success}
  found the second time:
    stubs: {reproduce: [{gives: {found: false}}, {gives: {found: true}}]}
    expect: {path: [detect, reproduce, detect, reproduce], end: done}
",
    );
    let outcome = folder.run(&[]).code(0);
    assert_eq!(
        outcome.stdout,
        "two.test.yaml
  ok      found at once
  ok      found the second time
2 cases, all as expected; 3 of 6 edges taken (50 %)
  not taken: detect next[1] (else) to idle
  not taken: detect on_error (on error) to lost
  not taken: reproduce next[1].exhausted (attempts used up) to lost
"
    );
    let outcome = folder.run(&["two.yaml", "--min-coverage", "51"]).code(10);
    assert!(outcome.stdout.contains("(50 %, 51 % are needed)"), "{}", outcome.stdout);
    let json = folder.run(&["two.test.yaml", "--json"]).code(0).json();
    assert_eq!(json["format"], 1);
    assert_eq!(json["graphs"][0]["coverage"]["percent"], 50);
    assert_eq!(json["graphs"][0]["cases"][1]["steps"][1]["edge"], "next[1].retry");
    assert_eq!(json["graphs"][0]["cases"][1]["ended"]["end"], "done");
}

#[test]
fn a_case_that_comes_out_otherwise_shows_where_and_why() {
    let folder = Folder::new(
        r#"
format: 1
cases:
  wrong way:
    stubs:
      detect: {gives: {status: new, incident: {exception: KeyError}}}
      reproduce: {gives: {found: true}}
    expect:
      path: [detect, reproduce, detect]
      state:
        incident: {exception: TypeError, message: ""}
      end: lost
      outcome: success
"#,
    );
    let outcome = folder.run(&[]).code(10);
    assert_eq!(
        outcome.stdout,
        "two.test.yaml
  failed  wrong way
    two.test.yaml:8: path
      expected  detect → reproduce → detect
      found     detect → reproduce
      reproduce#1 took next[0] (output.found) to done
    two.test.yaml:10: state.incident.exception
      expected  \"TypeError\"
      found     \"KeyError\"
    two.test.yaml:11: end
      expected  lost
      found     done
1 case, 1 failed; 2 of 6 edges taken (33 %)
  not taken: detect next[1] (else) to idle
  not taken: detect on_error (on error) to lost
  not taken: reproduce next[1].retry (retry ≤2) to detect
  not taken: reproduce next[1].exhausted (attempts used up) to lost
"
    );
    let json = folder.run(&["--json"]).code(10).json();
    let differences = json["graphs"][0]["cases"][0]["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 3);
    assert_eq!(differences[2]["what"], "end");
}

#[test]
fn a_node_without_a_stub_is_named() {
    let folder = Folder::new(
        r"
format: 1
cases:
  nobody says what reproduce gives:
    stubs: {detect: {gives: {status: new}}}
    expect: {end: done}
  the list is too short:
    stubs:
      detect: {gives: {status: new}}
      reproduce: [{gives: {found: false}}]
    expect: {end: done}
  a failure is taken:
    stubs: {detect: {fails: {code: model.throttled}}}
    expect: {end: lost}
  a failure that nobody takes stops the run:
    stubs:
      detect: {gives: {status: new}}
      reproduce: {fails: sandbox.unavailable}
    expect: {end: done}
",
    );
    let said = folder.run(&[]).code(10).stdout;
    for line in [
        "    two.test.yaml:3: `reproduce#1` runs and nothing says what it gives\n      help: add `reproduce: {gives: …}`",
        "    two.test.yaml:6: `reproduce#2` has no stub: the list of `reproduce` has 1\n",
        "  ok      a failure is taken\n",
        "      expected  done\n      found     none: reproduce#1 failed (sandbox.unavailable: ",
    ] {
        assert!(said.contains(line), "no {line:?} in\n{said}");
    }
}

#[test]
fn what_is_wrong_with_the_file_is_told_at_its_place() {
    let folder = Folder::new(
        r"
format: 1
inputs: {logs: {name: x}}
stubs:
  detekt: {gives: {}}
  detect: {gives: {status: knwon, incident: {exceptoin: KeyError, count: many}}}
  reproduce: {answer: yes}
cases:
  one:
    expect: {path: [detect, done], state: {inciden: {}}, end: dun, limit: money}
",
    );
    let outcome = folder.run(&[]).code(3);
    let places: Vec<&str> =
        outcome.stderr.lines().filter_map(|line| line.trim_start().strip_prefix("--> ")).collect();
    assert_eq!(
        places,
        [
            "two.test.yaml:2:10",
            "two.test.yaml:4:3",
            "two.test.yaml:5:28",
            "two.test.yaml:5:46",
            "two.test.yaml:5:74",
            "two.test.yaml:6:15",
            "two.test.yaml:9:29",
            "two.test.yaml:9:44",
            "two.test.yaml:9:63",
            "two.test.yaml:9:75",
        ],
        "{}",
        outcome.stderr
    );
    for words in [
        "did you mean `log`?",
        "did you mean `detect`?",
        "did you mean `known`?",
        "Incident has no field `exceptoin`",
        "expected int, found a string",
        "`done` is an end; say `end: done` beside `path`",
    ] {
        assert!(outcome.stderr.contains(words), "no {words:?} in\n{}", outcome.stderr);
    }
    assert_eq!(outcome.stdout, "");
}

#[test]
fn a_graph_without_cases_says_where_they_belong() {
    let folder = Folder::new("format: 1\ncases: {}\n");
    let outcome = folder.run(&[]).code(3);
    assert!(outcome.stderr.contains("there are no `cases`"), "{}", outcome.stderr);
    std::fs::remove_file(folder.dir.path().join("two.test.yaml")).unwrap();
    let outcome = folder.run(&["two.yaml"]).code(5);
    assert!(outcome.stderr.contains("there is no two.test.yaml beside two.yaml"), "{}", outcome.stderr);
    let outcome = folder.run(&[]).code(2);
    assert!(outcome.stderr.contains("there is no `*.test.yaml` in this folder"), "{}", outcome.stderr);
}
