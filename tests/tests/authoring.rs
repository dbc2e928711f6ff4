//! Writing graphs: what is found in them, for people, programs and code hosts, their layout, their schema, and what is
//! explained.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::path::Path;
use std::process::Command;

use prunella_engine::graph::codes::CODES;
use prunella_engine::graph::yaml;
use prunella_tests::{Outcome, Prunella};
use serde_json::{Value, json};

const RIGHT: &str = "format: 1
name: mine
inputs: {log: Log, repo: Repo}
ends: {done: success, known: nothing}
start: detect
nodes:
  detect:
    with: {log: =inputs.log, repo: =inputs.repo}
    next:
      - {when: \"output.status == 'known'\", to: known}
      - {else: done}
";

/// A folder with files, and the binary that runs in it.
struct Author {
    prunella: Prunella,
    dir: tempfile::TempDir,
}

impl Author {
    fn new(files: &[(&str, &str)]) -> Self {
        let author = Self { prunella: Prunella::new(), dir: tempfile::tempdir().unwrap() };
        for (path, text) in files {
            author.write(path, text);
        }
        author
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(path)).unwrap()
    }

    fn run(&self, args: &[&str]) -> Outcome {
        let output = self.prunella.command(args).current_dir(self.dir.path()).output().unwrap();
        Outcome {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

#[test]
fn findings_are_told_to_people_and_to_programs() {
    let wrong = RIGHT.replace("=inputs.log", "=inputs.groze");
    let unused = RIGHT.replace("start:", "types: {Note: {text: string}}\nstart:");
    let author = Author::new(&[("right.yaml", RIGHT), ("wrong.yaml", &wrong), ("unused.yaml", &unused)]);
    let good = author.run(&["check", "right.yaml", "self-heal"]).code(0);
    assert!(good.stdout.starts_with("mine: right (1 nodes, 2 ends)\nself-heal: right"), "{}", good.stdout);
    let told = author.run(&["check", "wrong.yaml"]).code(3).stderr;
    for part in ["error[E023]", "--> wrong.yaml:8:25", "^^^^^", "prunella explain E023"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let found = author.run(&["check", "right.yaml", "wrong.yaml", "unused.yaml", "--json"]).code(3).json();
    assert_eq!(found["format"], 1);
    let right: Vec<&Value> =
        found["graphs"].as_array().unwrap().iter().map(|graph| &graph["right"]).collect();
    assert_eq!(right, [&json!(true), &json!(false), &json!(true)]);
    let finding = &found["graphs"][1]["findings"][0];
    let place = json!([finding["line"], finding["column"], finding["end_line"], finding["end_column"]]);
    assert_eq!(
        (&finding["code"], &finding["severity"], place),
        (&json!("E023"), &json!("error"), json!([8, 25, 8, 30]))
    );
    assert_eq!(found["graphs"][2]["findings"][0]["severity"], "warning");
    // A warning is no reason to fail.
    let _ = author.run(&["check", "unused.yaml", "--format", "json"]).code(0);
    let _ = author.run(&["check", "nowhere.yaml", "--json"]).code(5);
}

/// What SARIF 2.1.0 demands of the parts that are there (sections 3.13 to 3.30 of the specification).
#[test]
fn findings_are_told_to_code_hosts() {
    let wrong = RIGHT.replace("=inputs.log", "=inputs.groze");
    let prompt = "{% if evidence %}\n  {{ evidenec }}\n{% endif %}\n";
    let graph = RIGHT.replace("      - {else: done}\n", "      - {else: why}\n  why:\n    kind: analyze\n    with: {incident: =incident}\n    returns: {cause: string}\n    model: fixer\n    prompt: {file: prompts/w y.md}\n    next: done\n")
        .replace("    next:\n      -", "    writes: {incident: =output.incident}\n    next:\n      -")
        .replace("start:", "models: {fixer: {use: default}}\nstate: {incident: Incident}\nstart:");
    let author = Author::new(&[
        ("wrong.yaml", &wrong),
        ("graphs/why.yaml", &graph),
        ("graphs/prompts/w y.md", prompt),
        ("empty.yaml", ""),
    ]);
    let log = author.run(&["check", "wrong.yaml", "graphs/why.yaml", "empty.yaml", "--sarif"]).code(3).json();
    assert_eq!((&log["version"], log["$schema"].is_string()), (&json!("2.1.0"), true));
    let run = &log["runs"][0];
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "prunella");
    let rules = driver["rules"].as_array().unwrap();
    assert_eq!(rules.len(), CODES.len());
    assert!(rules.iter().all(|rule| rule["id"].is_string() && rule["shortDescription"]["text"].is_string()));
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 3);
    for result in results {
        assert!(matches!(result["level"].as_str(), Some("error" | "warning")), "{result}");
        assert!(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()));
        let rule = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[rule]["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        assert!(!uri.contains(' ') && !uri.starts_with('/'), "{uri}");
        let at = |key: &str| place["region"][key].as_u64().unwrap();
        assert!(at("startLine") >= 1 && at("startColumn") >= 1);
        assert!((at("endLine"), at("endColumn")) > (at("startLine"), at("startColumn")));
    }
    let region = |at: usize| &results[at]["locations"][0]["physicalLocation"]["region"];
    assert_eq!(*region(0), json!({"startLine": 8, "startColumn": 25, "endLine": 8, "endColumn": 30}));
    // The finding in the prompt points into the prompt.
    assert_eq!(
        results[1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        "graphs/prompts/w%20y.md"
    );
    assert_eq!(*region(1), json!({"startLine": 2, "startColumn": 6, "endLine": 2, "endColumn": 14}));
}

#[test]
fn files_beside_a_graph_stay_below_its_folder() {
    let graph = |path: &str| {
        RIGHT.replace("      - {else: done}\n", &format!("      - {{else: sub}}\n  sub: {{kind: subgraph, graph: {path}, with: {{log: =inputs.log, repo: =inputs.repo}}, next: done}}\n"))
    };
    let author = Author::new(&[("inner/ok.yaml", RIGHT), ("outside.yaml", RIGHT)]);
    author.write("graphs/inner/ok.yaml", RIGHT);
    author.write("graphs/g.yaml", &graph("./inner/ok.yaml"));
    let _ = author.run(&["check", "graphs/g.yaml"]).code(0);
    let link = |from: &str, to: &str| std::os::unix::fs::symlink(to, author.dir.path().join(from)).unwrap();
    link("graphs/link.yaml", "../outside.yaml");
    link("graphs/folder", "../inner");
    std::fs::create_dir(author.dir.path().join("graphs/dir.yaml")).unwrap();
    for (path, code, why) in [
        ("../outside.yaml", "E061", "leads out of the graph's folder"),
        ("/etc/passwd.yaml", "E061", "no path below"),
        ("./link.yaml", "E060", "it is a link"),
        ("folder/ok.yaml", "E060", "it is a link, or lies behind one"),
        ("./dir.yaml", "E060", "it is no file"),
        ("./nowhere.yaml", "E060", "there is no such file"),
        ("./g.yaml", "E055", "calls itself"),
    ] {
        author.write("graphs/g.yaml", &graph(path));
        let told = author.run(&["check", "graphs/g.yaml"]).code(3).stderr;
        assert!(told.contains(code) && told.contains(why), "{path}: {told}");
    }
}

#[test]
fn a_run_keeps_the_files_of_its_graph() {
    let graph = RIGHT.replace("      - {else: done}\n", "      - {else: why}\n  why:\n    kind: analyze\n    with: {incident: =incident}\n    returns: {root_cause: string}\n    prompt: {file: prompts/why.md}\n    next: done\n")
        .replace("    next:\n      -", "    writes: {incident: =output.incident}\n    next:\n      -")
        .replace("start:", "state: {incident: Incident}\nstart:");
    let author = Author::new(&[
        ("g.yaml", &graph),
        ("prompts/why.md", "Why did it break? {{ evidence }}\n"),
        (
            "app.log",
            "Traceback (most recent call last):\n  File \"/srv/calc.py\", line 2, in half\n    return n[\"whole\"] / 2\nKeyError: 'whole'\n",
        ),
        ("repo/calc.py", "def half(n):\n    return n[\"whole\"] / 2\n"),
    ]);
    let git = |args: &[&str]| {
        let who = ["-c", "user.name=a", "-c", "user.email=a@localhost"];
        let dir: &Path = author.dir.path();
        let status = Command::new("git").arg("-C").arg(dir.join("repo")).args(who).args(args).status();
        assert!(status.unwrap().success());
    };
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-qm", "one"]);
    let ran = author.run(&["run", "g.yaml", "--incident", "app.log", "--repo", "repo"]).code(0);
    assert!(ran.stderr.contains("end: done"), "{}", ran.stderr);
    // What is recorded stands alone.
    std::fs::remove_dir_all(author.dir.path().join("prompts")).unwrap();
    let _ = author.run(&["replay", "@latest"]).code(0);
    let _ = author.run(&["run", "g.yaml", "--incident", "app.log", "--repo", "repo"]).code(3);
}

#[test]
fn layout_is_checked_and_changed_whole() {
    let author = Author::new(&[
        ("a.yaml", &RIGHT.replace("  detect:", "  # the first\n\n\n  detect:   ")),
        ("b.yaml", RIGHT),
    ]);
    let diff = author.run(&["graph", "fmt", "--check", "a.yaml", "b.yaml"]).code(3).stdout;
    assert!(
        diff.starts_with("--- a.yaml\n+++ a.yaml (laid out)\n")
            && diff.contains("-  detect:   \n+  detect:\n"),
        "{diff}"
    );
    let before = author.run(&["check", "a.yaml", "--json"]).code(0).json();
    assert_eq!(author.run(&["graph", "fmt", "a.yaml", "b.yaml"]).code(0).stdout, "a.yaml\n");
    assert!(
        author.read("a.yaml").contains("nodes:\n  # the first\n\n  detect:\n"),
        "{}",
        author.read("a.yaml")
    );
    assert_eq!(author.read("b.yaml"), RIGHT);
    let after = author.run(&["check", "a.yaml", "--json"]).code(0).json();
    assert_eq!(before["graphs"][0]["hash"], after["graphs"][0]["hash"]);
    let _ = author.run(&["graph", "fmt", "--check", "a.yaml", "b.yaml"]).code(0);
    // One file that is no YAML leaves the others as they were.
    author.write("a.yaml", "a:   1\n");
    author.write("c.yaml", "a: [1\n");
    let _ = author.run(&["graph", "fmt", "a.yaml", "c.yaml"]).code(3);
    assert_eq!(author.read("a.yaml"), "a:   1\n");
    assert_eq!(std::fs::read_dir(author.dir.path()).unwrap().count(), 3);
}

#[test]
fn shipped_graphs_fit_the_schema_that_is_printed_and_are_laid_out() {
    let author = Author::new(&[]);
    let schema = author.run(&["graph", "schema"]).code(0).json();
    assert!(jsonschema::draft202012::meta::is_valid(&schema));
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for line in author.run(&["graph", "list"]).code(0).stdout.lines() {
        let name = line.split_whitespace().next().unwrap();
        let _ = author.run(&["graph", "copy", name]).code(0);
        let file = format!("{name}.yaml");
        let _ = author.run(&["graph", "fmt", "--check", &file]).code(0);
        let graph = yaml::tree(name, &author.read(&file)).unwrap().unwrap().json();
        let wrong: Vec<String> =
            validator.iter_errors(&graph).map(|e| format!("{e} at {}", e.instance_path())).collect();
        assert!(wrong.is_empty(), "{name}: {wrong:#?}");
    }
}

#[test]
fn codes_kinds_and_types_are_explained() {
    let author = Author::new(&[]);
    let code = author.run(&["explain", "e044"]).code(0).stdout;
    for part in ["E044: a loop without a bound", "wrong:", "error[E044]", "^^^^", "right:", "max_attempts: 3"]
    {
        assert!(code.contains(part), "{part}: {code}");
    }
    let kind = author.run(&["explain", "test"]).code(0).stdout;
    for part in ["test: a kind of node", "candidate", "Candidate", "output: Verdict", "effects: tests.judge"]
    {
        assert!(kind.contains(part), "{part}: {kind}");
    }
    let ty = author.run(&["explain", "Verdict"]).code(0).stdout;
    for part in ["Verdict: a type", "confidence", "float", "list<string>"] {
        assert!(ty.contains(part), "{part}: {ty}");
    }
    let near = author.run(&["explain", "Verdct"]).code(2).stderr;
    assert!(near.contains("did you mean `Verdict`?"), "{near}");
    let json = author.run(&["explain", "limits", "--json"]).code(0).json();
    assert_eq!((&json["format"], &json["what"]), (&json!(1), &json!("key")));
}
