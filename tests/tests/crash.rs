//! `kill -9` or SIGTERM in the middle of a run, then `runs resume`.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use prunella_tests::{Case, Prunella, ScriptedModel};

const WRONG: &str = "src/pyotp/__init__.py\n<<<<<<< SEARCH\n    # Parse with URLlib\n=======\n    # Parse with urllib, try N\n>>>>>>> REPLACE\n";

/// Kills the run as soon as a line of progress contains `at`, resumes it, and gives the result.
fn killed_at(at: &str) -> (serde_json::Value, usize) {
    let replies: Vec<String> = (1..=6).map(|n| WRONG.replace('N', &n.to_string())).collect();
    let model = ScriptedModel::start(&replies);
    let case = Case::lay_out("pyotp-period", true);
    let prunella = Prunella::new().env("PRUNELLA_MODEL", &model.spec());
    let graph = prunella.store().with_file_name("model-only.yaml");
    let _ = prunella.run(&["graph", "copy", "self-heal", graph.to_str().unwrap()]).code(0);
    let text = std::fs::read_to_string(&graph)
        .unwrap()
        .replace("strategies: [playbook, model]", "strategies: [model]");
    assert!(text.contains("strategies: [model]"));
    std::fs::write(&graph, text).unwrap();
    let args = case.run_args(graph.to_str().unwrap(), &[]);
    let mut child = prunella.command(&args).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let seen = lines.map_while(Result::ok).find(|line| line.contains(at));
    child.kill().unwrap();
    let _ = child.wait().unwrap();
    assert!(seen.is_some(), "the run never said {at}");
    let listed = prunella.run(&["runs", "list", "--json"]).code(0).json();
    assert_eq!(listed["runs"][0]["status"], "killed");
    let said = prunella.run(&["runs", "resume", "@latest", "--json"]).code(10).json();
    (said, model.calls())
}

#[test]
fn a_run_killed_in_its_third_attempt_has_no_fourth() {
    let (said, calls) = killed_at("test, attempt 3 of 3");
    assert_eq!(said["end"], "unhealed");
    assert_eq!(said["attempts"], 3);
    assert_eq!(calls, 6, "a diagnosis and a patch for each attempt, none asked for twice");
}

#[test]
fn a_run_killed_before_its_model_answers_goes_on_from_there() {
    let (said, calls) = killed_at("analyze, attempt 2 of 3");
    assert_eq!(said["attempts"], 3);
    // The call under way when it was killed may have reached the model; it is asked again, and no other is.
    assert!((6..=7).contains(&calls), "{calls} calls");
}

#[test]
fn a_run_that_lost_its_incident_to_a_live_one_does_not_go_on() {
    let slow = wiremock::ResponseTemplate::new(200).set_delay(std::time::Duration::from_secs(120));
    let model = ScriptedModel::always(slow);
    let case = Case::lay_out("pyotp-period", true);
    let prunella = Prunella::new().env("PRUNELLA_MODEL", &model.spec());
    // Both are at work until they are killed: the model they wait for never answers in time.
    let at_work = || {
        let mut command = prunella.command(&case.run_args("self-heal", &[]));
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let started = lines.find(|line| line.starts_with("run ")).expect("the run starts");
        assert!(lines.any(|line| line.contains("analyze, attempt 1")), "it comes to the model");
        let id = started.trim_start_matches("run ").split(':').next().unwrap().to_owned();
        (child, id)
    };
    let (mut first, lost) = at_work();
    first.kill().unwrap();
    let _ = first.wait().unwrap();
    let (mut second, owner) = at_work();
    let refused = prunella.run(&["runs", "resume", &lost]);
    second.kill().unwrap();
    let _ = second.wait().unwrap();
    assert!(refused.code == 7 && refused.stderr.contains(&owner), "{refused:?}");
}

#[test]
fn a_run_that_is_asked_to_stop_ends_its_superstep_and_goes_on_later() {
    let prunella = Prunella::new();
    let place = prunella.store().with_file_name("example");
    let mut child = prunella
        .command(&["demo", place.to_str().unwrap()])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("… generate")), "it comes to the search");
    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(143), "{rest:#?}");
    // What was under way came to its end, and nothing began after it.
    assert!(rest.iter().any(|line| line.starts_with("✓ generate")), "{rest:#?}");
    assert!(!rest.iter().any(|line| line.contains("… test")), "{rest:#?}");
    let listed = prunella.run(&["runs", "list", "--json"]).code(0).json();
    assert_eq!(listed["runs"][0]["status"], "stopped");
    let resumed = prunella.run(&["runs", "resume", "@latest", "--json"]).code(0);
    assert_eq!(resumed.json()["end"], "healed");
    assert!(!resumed.stderr.contains("… generate"), "{}", resumed.stderr);
}
