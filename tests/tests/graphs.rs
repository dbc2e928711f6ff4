//! The graphs that ship, each on a real incident with a scripted model, and each replayed from its trace.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::sync::Mutex;

use prunella_tests::{Case, Prunella, ScriptedModel};
use serde_json::{Value, json};

const SHIPPED: [&str; 6] = ["self-heal", "agentless", "ensemble", "multi-agent", "mini-agent", "triage"];

/// A patch of the case that applies, parses, and does not fix.
fn wrong(n: usize) -> String {
    format!(
        "src/pyotp/__init__.py\n<<<<<<< SEARCH\n    # Parse with URLlib\n=======\n    # Parse with urllib, try {n}\n>>>>>>> REPLACE\n"
    )
}

/// A message that calls one tool.
fn call(name: &str, args: &Value) -> Value {
    let function = json!({"name": name, "arguments": args.to_string()});
    json!({"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function", "function": function}]})
}

/// The text of a request's messages, as one.
fn asked(body: &Value) -> String {
    body["messages"].to_string()
}

struct Scene {
    case: Case,
    prunella: Prunella,
}

impl Scene {
    fn new(model: &ScriptedModel) -> Self {
        Self::of(Case::lay_out("pyotp-period", true), model)
    }

    /// The case without a test that fails: the reproduction is made, and proves less.
    fn thin(model: &ScriptedModel) -> Self {
        Self::of(Case::lay_out("pyotp-period", false), model)
    }

    fn of(case: Case, model: &ScriptedModel) -> Self {
        Self { case, prunella: Prunella::new().env("PRUNELLA_MODEL", &model.spec()).env("USER", "ann") }
    }

    fn run(&self, graph: &str, more: &[&str], code: i32) -> Value {
        let mut args = vec!["--json"];
        args.extend(more);
        self.prunella.run(&self.case.run_args(graph, &args)).code(code).json()
    }

    /// The last run's trace is lived through again, offline: the same end, and nothing asked of the model.
    fn replays(&self, model: &ScriptedModel, end: &str) {
        let calls = model.calls();
        let said = self.prunella.run(&["replay", "@latest", "--json"]).code(0).json();
        assert_eq!(said["replayed"]["end"], end, "{said}");
        assert_eq!(said["replayed"]["bodies"], true);
        assert_eq!(model.calls(), calls);
    }

    fn fixes(&self, said: &Value) {
        let branch = said["pull"]["branch"].as_str().unwrap_or_else(|| panic!("no pull request: {said}"));
        assert!(self.case.judge(&self.case.checkout(branch)).correct);
    }
}

#[test]
fn every_shipped_graph_checks_without_a_warning() {
    let prunella = Prunella::new();
    let listed = prunella.run(&["graph", "list"]).code(0).stdout;
    for name in SHIPPED {
        let outcome = prunella.run(&["check", name]).code(0);
        assert_eq!(outcome.stderr, "", "{name}");
        assert!(listed.contains(name), "{listed}");
    }
    assert_eq!(listed.lines().count(), SHIPPED.len(), "{listed}");
}

#[test]
fn triage_says_why_and_changes_nothing() {
    let model = ScriptedModel::start(&[]);
    let scene = Scene::new(&model);
    let branches = scene.case.git(&["branch", "-a"]);
    let said = scene.run("triage", &[], 0);
    assert_eq!(said["end"], "diagnosed");
    assert_eq!(said["output"]["diagnosis"]["root_cause"], "the scripted cause");
    assert_eq!(said["output"]["reproduction"]["kind"], "existing");
    assert!(said["pull"].is_null());
    assert_eq!(scene.case.git(&["branch", "-a"]), branches);
    scene.replays(&model, "diagnosed");
    // Without a model, the trace is read instead.
    let alone = Prunella::new();
    let args = scene.case.run_args("triage", &["--json"]);
    let said = alone.run(&args).code(0).json();
    assert!(
        said["output"]["diagnosis"]["root_cause"].as_str().is_some_and(|cause| !cause.is_empty()),
        "{said}"
    );
}

#[test]
fn agentless_takes_the_patch_that_passes_and_most_samples_agree_on() {
    let right = Case::lay_out("pyotp-period", true).oracle_reply();
    let turn = Mutex::new(0);
    let model = ScriptedModel::speaking(move |_| {
        let mut turn = turn.lock().unwrap();
        *turn += 1;
        // Two wrong ones, one that is no patch, and twice the right one.
        Value::from(match *turn {
            1 => wrong(1),
            2 => right.clone(),
            3 => "I would rewrite it.".to_owned(),
            4 => wrong(4),
            _ => right.clone(),
        })
    });
    let scene = Scene::new(&model);
    let said = scene.run("agentless", &[], 0);
    assert_eq!(said["end"], "healed");
    assert_eq!(model.calls(), 5, "one call a sample");
    scene.fixes(&said);
    scene.replays(&model, "healed");
}

#[test]
fn agentless_heals_nothing_where_no_sample_passes() {
    let model = ScriptedModel::speaking(|_| Value::from(wrong(1)));
    let scene = Scene::new(&model);
    let said = scene.run("agentless", &[], 10);
    assert_eq!(said["end"], "unhealed");
    assert!(said["pull"].is_null());
    scene.replays(&model, "unhealed");
}

#[test]
fn ensemble_asks_three_models_and_takes_the_best_patch() {
    let right = Case::lay_out("pyotp-period", true).oracle_reply();
    let model = ScriptedModel::speaking(move |body| {
        if body["response_format"].is_object() {
            return json!({"root_cause": "c", "files": [], "fix_strategy": "s"}).to_string().into();
        }
        Value::from(match body["model"].as_str() {
            Some("one") => wrong(1),
            Some("two") => right.clone(),
            _ => "no idea".to_owned(),
        })
    });
    let scene = Scene::new(&model);
    let [one, two, three] = ["one", "two", "three"].map(|name| model.named(name));
    let roles = [format!("first={one}"), format!("second={two}"), format!("third={three}")];
    let mut more = Vec::new();
    for role in &roles {
        more.extend(["--model", role.as_str()]);
    }
    let said = scene.run("ensemble", &more, 0);
    assert_eq!(said["end"], "healed");
    assert!(said["candidate"].is_string());
    scene.fixes(&said);
    scene.replays(&model, "healed");
}

/// What a coder with tools does on the case: looks, edits, runs the failing test, finishes.
fn coder(case: &Case, turns: &Mutex<usize>, answer: &Value, command: &[&str]) -> Value {
    let mut turn = turns.lock().unwrap();
    *turn += 1;
    let reply = case.oracle_reply();
    let (search, replace) = reply
        .split_once("<<<<<<< SEARCH\n")
        .and_then(|(_, rest)| rest.split_once("=======\n"))
        .and_then(|(search, rest)| {
            Some((search.to_owned(), rest.split_once(">>>>>>> REPLACE")?.0.to_owned()))
        })
        .unwrap();
    match *turn {
        1 => call("search", &json!({"pattern": "period"})),
        2 => call("read", &json!({"path": "../outside"})),
        3 => call("edit", &json!({"path": "src/pyotp/__init__.py", "search": search, "replace": replace})),
        4 => call("run", &json!({"argv": command})),
        _ => call("finish", &json!({"answer": answer, "summary": "Reads the period as a number."})),
    }
}

#[test]
fn mini_agent_works_with_a_shell_in_the_sandbox() {
    let case = Case::lay_out("pyotp-period", true);
    let turns = Mutex::new(0);
    let answer = json!({"root_cause": "src/pyotp/__init__.py reads text", "files": ["src/pyotp/__init__.py"], "fix_strategy": "convert"});
    let model = ScriptedModel::speaking(move |_| {
        coder(
            &case,
            &turns,
            &answer,
            &["sh", "-c", "grep -c int src/pyotp/__init__.py; cat /etc/shadow; echo still here"],
        )
    });
    let scene = Scene::new(&model);
    let said = scene.run("mini-agent", &[], 0);
    assert_eq!(said["end"], "healed");
    assert_eq!(model.calls(), 5);
    let prompts = model.prompts();
    let last = prompts.last().unwrap();
    assert!(last.contains("still here") && last.contains("exit status 0"), "{last}");
    assert!(last.contains("`..` part"), "a path that leads out is told, not followed: {last}");
    assert!(!last.contains("root:"), "{last}");
    scene.fixes(&said);
    scene.replays(&model, "healed");
}

/// The planner, the coder and the reviewer of `multi-agent`; the reviewer says no so many times first.
fn team(refusals: usize) -> ScriptedModel {
    let case = Case::lay_out("pyotp-period", true);
    let turns = Mutex::new(0);
    let refused = Mutex::new(0);
    ScriptedModel::speaking(move |body| {
        if body["tools"].is_array() {
            let names: Vec<&str> = body["tools"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|tool| tool["function"]["name"].as_str())
                .collect();
            assert_eq!(names, ["read", "search", "edit", "run", "finish"]);
            // After a refusal it begins anew.
            if body["messages"].as_array().unwrap().len() == 2 {
                *turns.lock().unwrap() = 0;
            }
            return coder(&case, &turns, &json!("I convert the period."), &["sh", "-c", "true"]);
        }
        if asked(body).contains("Review this change") {
            let mut refused = refused.lock().unwrap();
            let approved = *refused >= refusals;
            *refused += 1;
            return json!({"approved": approved, "reason": "r", "comments": ["say why it is converted"]})
                .to_string()
                .into();
        }
        json!({"root_cause": "the period is text", "files": ["src/pyotp/__init__.py"], "fix_strategy": "convert it"})
            .to_string()
            .into()
    })
}

#[test]
fn multi_agent_asks_nobody_where_the_evidence_is_strong() {
    let model = team(0);
    let scene = Scene::new(&model);
    let said = scene.run("multi-agent", &[], 0);
    assert_eq!(said["end"], "healed");
    assert!(said["verdict"]["confidence"].as_f64().unwrap() >= 0.9, "{said}");
    scene.fixes(&said);
    scene.replays(&model, "healed");
}

#[test]
fn multi_agent_asks_a_person_where_the_evidence_is_thin() {
    let model = team(1);
    let scene = Scene::thin(&model);
    let said = scene.run("multi-agent", &[], 12);
    assert_eq!(said["status"], "waiting", "{said}");
    let prompts = model.prompts();
    assert!(prompts.iter().any(|prompt| prompt.contains("not allowed here")), "the coder has no shell");
    assert!(prompts.iter().any(|prompt| prompt.contains("say why it is converted")), "a refusal is a lesson");
    let shown = scene.prunella.run(&["runs", "show", "@latest"]).code(0).stdout;
    assert!(shown.contains("Propose this fix of") && shown.contains("prunella runs approve"), "{shown}");
    // Nobody at work; a person says yes, and the same command goes on to the end.
    let done = scene
        .prunella
        .run(&["runs", "approve", "@latest", "--reason", "looks right", "--json"])
        .code(0)
        .json();
    assert_eq!(done["end"], "healed");
    scene.fixes(&done);
    scene.replays(&model, "healed");
    let shown = scene.prunella.run(&["runs", "show", "@latest"]).code(0).stdout;
    assert!(shown.contains("approved by ann"), "{shown}");
}

#[test]
fn multi_agent_ends_where_a_person_says_no() {
    let model = team(0);
    let scene = Scene::thin(&model);
    let _ = scene.run("multi-agent", &[], 12);
    let done = scene.prunella.run(&["runs", "reject", "@latest", "--by", "bob", "--json"]).code(13).json();
    assert_eq!((&done["end"], &done["outcome"]), (&json!("declined"), &json!("declined")));
    assert!(done["pull"].is_null());
    scene.replays(&model, "declined");
    let _ = scene.prunella.run(&["runs", "approve", "@latest"]).code(2);
}

#[test]
fn a_graph_that_asks_a_model_does_not_start_without_one() {
    let case = Case::lay_out("pyotp-period", true);
    let prunella = Prunella::new();
    for graph in ["mini-agent", "multi-agent"] {
        let outcome = prunella.run(&case.run_args(graph, &[])).code(4);
        assert!(outcome.stderr.contains("no model is configured"), "{}", outcome.stderr);
    }
    let listed = prunella.run(&["runs", "list", "--json"]).code(0).json();
    assert_eq!(listed["runs"], json!([]));
}
