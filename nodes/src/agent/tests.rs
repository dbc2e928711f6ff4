use std::sync::{Arc, Mutex};

use prunella_engine::blob::{Blobs, MemoryBlobs};
use prunella_engine::testing::Task;
use prunella_engine::{Call, Class, Done, EffectError, Reconciled, World};

use super::*;
use crate::effects::{ModelRequest, ToolResponse};

/// A model that says these messages in turn, and a tree that takes what it is told.
struct Stage {
    says: Mutex<Vec<Value>>,
    asked: Mutex<Vec<ModelRequest>>,
    used: Mutex<Vec<ToolRequest>>,
}

#[async_trait]
impl World for Stage {
    fn class(&self, _: &str) -> Option<Class> {
        Some(Class::Costly)
    }

    async fn perform(&self, call: Call) -> Result<Done, EffectError> {
        let put = |text: &str| call.blobs.put(text.as_bytes()).unwrap();
        let response = match call.name.as_str() {
            "model.call" => {
                self.asked.lock().unwrap().push(serde_json::from_value(call.request.clone()).unwrap());
                let says = self.says.lock().unwrap().remove(0);
                let calls = says["tool_calls"].is_array();
                json!(ModelResponse {
                    text: put(says["content"].as_str().unwrap_or_default()),
                    message: calls.then(|| put(&says.to_string())),
                    cost_microusd: Some(300_000),
                    ..ModelResponse::default()
                })
            }
            _ => {
                let request: ToolRequest = serde_json::from_value(call.request.clone()).unwrap();
                let edits = request.tool == "edit" || request.diff.is_some();
                self.used.lock().unwrap().push(request);
                json!(ToolResponse {
                    text: put("told"),
                    done: true,
                    diff: put(if edits { "the diff" } else { "" }),
                    files: if edits { vec!["a.py".into()] } else { Vec::new() },
                    tree: if edits { "t1".to_owned() } else { String::new() },
                })
            }
        };
        Ok(Done::free(response))
    }

    async fn reconcile(&self, _: Call) -> Result<Reconciled, EffectError> {
        Ok(Reconciled::DidNot)
    }
}

/// A message that calls tools.
fn calls(calls: &[(&str, Value)]) -> Value {
    let calls: Vec<Value> = calls
        .iter()
        .enumerate()
        .map(|(i, (name, args))| {
            let args = args.as_str().map_or_else(|| args.to_string(), str::to_owned);
            json!({"id": format!("c{i}"), "type": "function", "function": {"name": name, "arguments": args}})
        })
        .collect();
    json!({"role": "assistant", "content": null, "tool_calls": calls})
}

struct Ran {
    output: Value,
    stage: Stage,
    blobs: Arc<MemoryBlobs>,
}

fn run(settings: Value, says: Vec<Value>) -> Ran {
    let stage = Stage { says: Mutex::new(says), asked: Mutex::default(), used: Mutex::default() };
    let blobs = Arc::new(MemoryBlobs::default());
    let mut all = settings;
    all["repo"] = json!({"commit": "c0"});
    all["model"] = json!({"role": "coder", "provider": "openai", "name": "m"});
    let mut task = Task::new("work", all).prompt("Mend {{ what }}.");
    task.blobs = blobs.clone();
    let returns = Type::parse("{cause: string}", &mut |_| None).unwrap();
    task.info.returns = Some(Arc::new(returns.json_schema()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let output = runtime.block_on(task.run(&Agent, json!({"what": "it"}), &stage)).unwrap();
    super::output(returns).check(&output).unwrap();
    Ran { output, stage, blobs }
}

/// What the model was told in its last request, as messages.
fn history(ran: &Ran) -> Vec<Value> {
    let asked = ran.stage.asked.lock().unwrap();
    let blobs = asked.last().unwrap().history.iter().map(|blob| ran.blobs.get(blob).unwrap());
    blobs.map(|bytes| serde_json::from_slice(&bytes).unwrap()).collect()
}

#[test]
fn it_looks_edits_and_finishes_with_a_candidate_and_an_answer() {
    let ran = run(
        json!({"allow": [["pytest"]]}),
        vec![
            calls(&[("read", json!({"path": "a.py"}))]),
            calls(&[
                ("edit", json!({"path": "a.py", "search": "x", "replace": "y"})),
                ("search", json!({"pattern": "y"})),
            ]),
            calls(&[("finish", json!({"answer": {"cause": "x"}, "summary": "Makes `x` a y."}))]),
        ],
    );
    let output = &ran.output;
    assert_eq!(
        (&output["finished"], &output["turns"], &output["why"]),
        (&json!(true), &json!(3), &json!(""))
    );
    assert_eq!(output["answer"], json!({"cause": "x"}));
    assert_eq!(output["candidate"]["summary"], "Makes x a y");
    assert_eq!(output["candidate"]["origin"], "agent/coder");
    let used = ran.stage.used.lock().unwrap();
    let tools: Vec<&str> = used.iter().map(|one| one.tool.as_str()).collect();
    assert_eq!(tools, ["read", "edit", "search"]);
    assert_eq!(used[0].diff, None);
    assert!(used[2].diff.is_some(), "what comes after an edit sees it");
    let asked = ran.stage.asked.lock().unwrap();
    let names: Vec<&str> = asked[0].tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["read", "search", "edit", "run", "finish"]);
    assert_eq!(asked[0].prompt, asked[2].prompt);
}

#[test]
fn the_search_gave_no_diff_so_nothing_is_proposed() {
    // The stage's `search` answers with an empty tree: the changes are what the last call says they are.
    let ran = run(
        json!({}),
        vec![
            calls(&[("search", json!({"pattern": "y"}))]),
            calls(&[("finish", json!({"answer": {"cause": "none"}, "summary": ""}))]),
        ],
    );
    assert_eq!((&ran.output["proposed"], &ran.output["finished"]), (&json!(false), &json!(true)));
    assert_eq!(ran.output["candidate"]["tree"], "");
}

#[test]
fn what_goes_wrong_is_told_and_costs_a_turn() {
    let ran = run(
        json!({}),
        vec![
            json!({"role": "assistant", "content": "I will look first."}),
            calls(&[("run", json!({"argv": ["sh"]})), ("sudo", json!({})), ("read", json!("{not json"))]),
            calls(&[("finish", json!({"answer": {"cause": 3}, "summary": "s"}))]),
            calls(&[
                ("finish", json!({"answer": {"cause": "c"}, "summary": "s"})),
                ("read", json!({"path": "a.py"})),
            ]),
        ],
    );
    assert_eq!((&ran.output["turns"], &ran.output["finished"]), (&json!(4), &json!(true)));
    assert!(ran.stage.used.lock().unwrap().is_empty(), "no tool that is not given, nothing after `finish`");
    let told: Vec<String> = history(&ran)
        .iter()
        .filter(|message| message["role"] != "assistant")
        .map(|message| message["content"].as_str().unwrap().to_owned())
        .collect();
    assert!(told[0].contains("Go on with a call"), "{told:?}");
    assert_eq!((told[1].as_str(), told[2].as_str()), ("there is no tool `run`", "there is no tool `sudo`"));
    assert!(told[3].starts_with("the arguments are no JSON"), "{told:?}");
    assert!(told[4].contains("`answer`.cause is no string"), "{told:?}");
}

#[test]
fn turns_and_cost_are_bounded() {
    let read = || calls(&[("read", json!({"path": "a.py"}))]);
    let edit = calls(&[("edit", json!({"path": "a.py", "search": "x", "replace": "y"}))]);
    let ran = run(json!({"max_turns": 2}), vec![read(), edit]);
    assert_eq!((&ran.output["turns"], &ran.output["finished"]), (&json!(2), &json!(false)));
    assert_eq!(ran.output["why"], "its 2 turns were used up");
    assert_eq!(
        (&ran.output["proposed"], &ran.output["answer"]),
        (&json!(true), &json!(null)),
        "what there is so far"
    );
    // 0.30 a question: the third would be over it.
    let ran = run(json!({"max_cost_usd": 0.5}), vec![read(), read()]);
    assert_eq!(
        (&ran.output["turns"], &ran.output["why"]),
        (&json!(2), &json!("what it may cost was used up"))
    );
}
