//! The general kinds through the binary: model, command, select, approve, wait, notify, in small graphs of their own.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use prunella_tests::{Outcome, Prunella, ScriptedModel};
use serde_json::{Value, json};
use wiremock::matchers::{header_exists, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// A small repository, and graphs beside it.
struct Scene {
    dir: tempfile::TempDir,
    prunella: Prunella,
}

impl Scene {
    fn new(prunella: Prunella) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repo = dir.path().join("repo");
        std::fs::create_dir_all(&repo).unwrap();
        std::fs::write(repo.join("numbers.py"), "NUMBERS = [3, 1, 2]\n").unwrap();
        for args in [
            &["init", "-q", "-b", "main"][..],
            &["add", "."],
            &["-c", "user.name=dev", "-c", "user.email=dev@example.com", "commit", "-qm", "base"],
        ] {
            assert!(Command::new("git").arg("-C").arg(&repo).args(args).status().unwrap().success());
        }
        Self { dir, prunella }
    }

    /// The command line that runs a graph whose head is written here; it checks without a warning.
    fn args(&self, rest: &str, more: &[&str]) -> Vec<String> {
        let graph = self.dir.path().join("graph.yaml");
        std::fs::write(&graph, format!("format: 1\nname: small\n{rest}")).unwrap();
        let check = self.prunella.run(&["check", graph.to_str().unwrap()]).code(0);
        assert_eq!(check.stderr, "", "the graph checks without a warning");
        let repo = self.dir.path().join("repo");
        let mut args = vec!["run", graph.to_str().unwrap(), "--repo", repo.to_str().unwrap(), "--json"];
        args.extend(more);
        args.into_iter().map(str::to_owned).collect()
    }

    fn run(&self, rest: &str, more: &[&str]) -> Outcome {
        self.prunella.run(&self.args(rest, more))
    }

    fn replays(&self, end: &str) {
        let said = self.prunella.run(&["replay", "@latest", "--json"]).code(0).json();
        assert_eq!(said["replayed"]["end"], end, "{said}");
    }

    fn again(&self, args: &[&str], code: i32) -> Value {
        let mut all = vec!["runs"];
        all.extend(args);
        self.prunella.run(&all).code(code).json()
    }
}

const PLAN: &str = "
models: {planner: {use: default}}
types: {Plan: {steps: list<string>, risk: enum<low|high>}}
state: {plan: Plan?, problem: string?}
ends: {planned: {outcome: success, output: =plan}, helpless: {outcome: failure, output: =problem}}
start: plan
nodes:
  plan:
    kind: model
    with: {what: a sorted list}
    model: planner
    returns: Plan
    prompt: 'Plan for {{ what }}.'
    writes: {plan: =output}
    on_error: {to: helpless, writes: {problem: =error.code}}
    next: planned
";

#[test]
fn a_model_answers_with_the_declared_type_or_fails_into_the_graph() {
    let turn = Mutex::new(0);
    let model = ScriptedModel::speaking(move |body| {
        assert_eq!(
            body["response_format"]["json_schema"]["schema"]["properties"]["risk"]["enum"],
            json!(["low", "high"])
        );
        let mut turn = turn.lock().unwrap();
        *turn += 1;
        Value::from(if *turn == 1 { "It is easy." } else { "{\"steps\": [\"sort\"], \"risk\": \"low\"}" })
    });
    let scene = Scene::new(Prunella::new().env("PRUNELLA_MODEL", &model.spec()));
    let said = scene.run(PLAN, &[]).code(0).json();
    assert_eq!(said["output"], json!({"steps": ["sort"], "risk": "low"}));
    assert!(
        model.prompts()[1].contains("could not be used: it holds no JSON object"),
        "{:?}",
        model.prompts()
    );
    scene.replays("planned");

    let model = ScriptedModel::speaking(|_| Value::from("No."));
    let scene = Scene::new(Prunella::new().env("PRUNELLA_MODEL", &model.spec()));
    let said = scene.run(PLAN, &[]).code(10).json();
    assert_eq!((&said["end"], &said["output"]), (&json!("helpless"), &json!("model.answer")));
    assert_eq!(model.calls(), 2);
    scene.replays("helpless");
}

#[test]
fn a_command_runs_in_the_sandbox_and_a_choice_is_made_of_what_it_says() {
    let graph = "
inputs: {word: string}
state: {status: int?, best: string?}
ends: {done: {outcome: success, output: =best}, none: failure}
start: count
nodes:
  count:
    kind: command
    with: {env: {WORD: =inputs.word}}
    run: [python, -c, 'import os, sys; sys.exit(len(os.environ[\"WORD\"]))']
    bounds: {wall: 60s}
    writes: {status: =output.status}
    next: choose
  choose:
    kind: select
    with:
      from: [one, two, three]
      scores: '=[1.0, 2.0, 3.0].map(s, status == null ? 0.0 : (double(status) == s ? 1.0 : 0.0))'
    writes: {best: =output.value}
    next:
      - {when: output.found, to: done}
      - {else: none}
";
    let scene = Scene::new(Prunella::new());
    let said = scene.run(graph, &["--set", "word=\"ab\""]).code(0).json();
    assert_eq!(said["output"], "two", "{said}");
    scene.replays("done");
    let said = scene.run(graph, &["--set", "word=\"; rm -rf /; exit 3 #\""]).code(0).json();
    assert_eq!(said["output"], "one", "a value is no command: {said}");
}

const ASK: &str = "
inputs: {what: string}
state: {who: string?, why: string?}
ends: {shipped: {outcome: success, output: =who}, no: {outcome: declined, output: =why}, late: failure}
start: approve
nodes:
  approve:
    with: {what: =inputs.what}
    ask: 'Ship {{ what }}?'
    deadline: DEADLINE
    writes: {who: =output.by, why: =output.reason}
    next:
      switch: output.outcome
      cases: {approved: shipped, declined: no, expired: late}
";

#[test]
fn a_person_approves_rejects_or_is_too_late() {
    let scene = Scene::new(Prunella::new().env("USER", "ann"));
    let graph = ASK.replace("DEADLINE", "24h");
    let run = |code: i32| {
        let outcome = scene.run(&graph, &["--set", "what=it"]).code(12);
        let said = outcome.json();
        assert_eq!(said["status"], "waiting");
        let shown = scene.prunella.run(&["runs", "show", "@latest"]).code(0).stdout;
        assert!(shown.contains("Ship it? (approve#1/0, until 20"), "{shown}");
        code
    };
    run(0);
    let said = scene.again(&["approve", "@latest", "--json"], 0);
    assert_eq!((&said["end"], &said["output"]), (&json!("shipped"), &json!("ann")));
    scene.replays("shipped");
    run(13);
    let said = scene.again(&["reject", "@latest", "--by", "bob", "--reason", "not today", "--json"], 13);
    assert_eq!((&said["end"], &said["output"]), (&json!("no"), &json!("not today")));
    scene.replays("no");
    // Answered, and not gone on with.
    run(12);
    let _ = scene.prunella.run(&["runs", "approve", "@latest", "--no-resume"]).code(0);
    assert_eq!(scene.prunella.run(&["runs", "approve", "@latest"]).code(2).stdout, "");
    let said = scene.again(&["resume", "@latest", "--json"], 0);
    assert_eq!(said["end"], "shipped");

    // A deadline that is over by the time anybody looks.
    let graph = ASK.replace("DEADLINE", "1ms");
    let _ = scene.run(&graph, &["--set", "what=it"]);
    let said = scene.again(&["resume", "@latest", "--json"], 10);
    assert_eq!(said["end"], "late");
    scene.replays("late");
}

#[test]
fn a_wait_is_sat_out_or_parks_the_run_until_it_is_due() {
    let scene = Scene::new(Prunella::new());
    let graph = |with: &str| {
        format!(
            "\nends: {{done: success, early: nothing}}\nstart: wait\nnodes:\n  wait:\n    with: {{{with}}}\n    next:\n      - {{when: output.early, to: early}}\n      - {{else: done}}\n"
        )
    };
    assert_eq!(scene.run(&graph("for: 20ms"), &[]).code(0).json()["end"], "done");
    scene.replays("done");
    assert_eq!(scene.run(&graph("until: '2020-01-01T00:00:00Z'"), &[]).code(0).json()["end"], "done");
    let said = scene.run(&graph("for: 240h"), &[]).code(12).json();
    assert_eq!(said["status"], "waiting");
    assert!(said["error"]["message"].as_str().unwrap().contains("until 20"), "{said}");
    let said = scene.again(&["resume", "@latest", "--json"], 12);
    assert_eq!(said["status"], "waiting", "not due yet");
    let said = scene.again(&["answer", "@latest", "wait#1/0=true", "--json"], 11);
    assert_eq!(said["end"], "early");
    scene.replays("early");
}

#[test]
fn a_wait_that_is_killed_is_still_there() {
    let scene = Scene::new(Prunella::new());
    let graph = "\nends: {done: success, early: nothing}\nstart: wait\nnodes:\n  wait:\n    with: {for: 4m}\n    next:\n      - {when: output.early, to: early}\n      - {else: done}\n";
    let args = scene.args(graph, &[]);
    let mut child =
        scene.prunella.command(&args).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let seen = lines.map_while(Result::ok).find(|line| line.contains("(wait#1/0)"));
    child.kill().unwrap();
    let _ = child.wait().unwrap();
    assert!(seen.is_some(), "it never said that it waits");
    let open = scene.again(&["answer", "@latest", "--json"], 0);
    assert!(open["interrupts"][0]["until_ms"].is_u64(), "{open}");
    let said = scene.again(&["answer", "@latest", "wait#1/0=true", "--json"], 11);
    assert_eq!(said["end"], "early");
    scene.replays("early");
}

#[test]
fn a_message_goes_to_a_configured_channel_and_its_address_nowhere_else() {
    let graph = "
inputs: {what: string}
state: {sent: bool?, why: string?}
ends: {done: {outcome: success, output: {sent: =sent, why: =why}}}
start: notify
nodes:
  notify:
    with: {what: =inputs.what}
    channel: on-call
    text: '{{ what }} broke'
    writes: {sent: =output.sent, why: =output.why}
    next: done
";
    let scene = Scene::new(Prunella::new());
    let said = scene.run(graph, &["--set", "what=it"]).code(0).json();
    assert_eq!(said["output"]["sent"], false);
    assert!(said["output"]["why"].as_str().unwrap().contains("PRUNELLA_NOTIFY_ON_CALL"), "{said}");
    scene.replays("done");

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(async {
        let server = MockServer::start().await;
        let hook = Mock::given(method("POST")).and(header_exists("Idempotency-Key"));
        hook.respond_with(ResponseTemplate::new(200)).mount(&server).await;
        server
    });
    let url = format!("{}/services/secret-hook", server.uri());
    let scene = Scene::new(Prunella::new().env("PRUNELLA_NOTIFY_ON_CALL", &format!("slack@{url}")));
    let said = scene.run(graph, &["--set", "what=it"]).code(0).json();
    assert_eq!(said["output"]["sent"], true, "{said}");
    let got = runtime.block_on(server.received_requests()).unwrap();
    assert_eq!(got.len(), 1);
    assert_eq!(serde_json::from_slice::<Value>(&got[0].body).unwrap(), json!({"text": "it broke"}));
    scene.replays("done");
    assert_eq!(runtime.block_on(server.received_requests()).unwrap().len(), 1, "a replay sends nothing");
    for path in files(&scene.prunella.store()) {
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(11).any(|part| part == b"secret-hook"), "{}", path.display());
    }
}

/// Every file below `dir`.
fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
