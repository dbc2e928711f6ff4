use std::collections::VecDeque;
use std::sync::Mutex;

use prunella_engine::testing::Task;
use prunella_engine::{Call, Class, Done, EffectError, Reconciled, World};
use serde_json::json;

use super::*;
use crate::effects::{ModelRequest, ModelResponse, PlaybookFix, PlaybookRequest, PlaybookResponse};
use crate::types::Frame;
use crate::world::git::tests::{Fixture, fixture};
use crate::world::{apply, evidence};

const CODE: &str =
    "def mean(values):\n    return sum(values) / len(values)\n\n\ndef top(values):\n    return max(values)\n";
const OLD: &str = "    return sum(values) / len(values)";
const NEW: &str = "    return sum(values) / len(values) if values else 0.0";

/// Real evidence and real patches over a real repository; the model and the playbook are scripted.
struct Scene {
    shop: Fixture,
    replies: Mutex<VecDeque<String>>,
    found: Vec<PlaybookFix>,
    prompts: Mutex<Vec<String>>,
    searches: Mutex<Vec<PlaybookRequest>>,
}

impl Scene {
    fn new(replies: &[&str]) -> Self {
        Self {
            shop: fixture(&[("src/calc.py", CODE), ("tests/test_calc.py", "def test_x():\n    pass\n")]),
            replies: Mutex::new(replies.iter().map(|reply| (*reply).to_owned()).collect()),
            found: Vec::new(),
            prompts: Mutex::default(),
            searches: Mutex::default(),
        }
    }

    /// One visit; `previous` is the output of the last one.
    fn visit(&self, strategies: &[&str], model: bool, previous: Option<&Generated>) -> Generated {
        let model =
            if model { json!({"role": "fixer", "provider": "openai", "name": "m"}) } else { Value::Null };
        let settings = json!({"repo": {"commit": self.shop.base}, "strategies": strategies, "model": model});
        let mut task = Task::new("generate", settings);
        task.info.previous = previous.map(|output| json!(output).into());
        let frame = Frame {
            file: "/srv/src/calc.py".into(),
            line: 2,
            function: "mean".into(),
            path: Some("src/calc.py".into()),
            repo_line: Some(2),
            ..Frame::default()
        };
        let incident =
            Incident { exception: "ZeroDivisionError".into(), frames: vec![frame], ..Incident::default() };
        let reproduction = Reproduction {
            test_id: "tests/test_incident.py::test_incident".into(),
            source: "def test_incident():\n    mean([])\n".into(),
            ..Reproduction::default()
        };
        let diagnosis = json!({"root_cause": "no values", "files": ["src/calc.py"], "fix_strategy": "guard"});
        let lessons = previous.map(|output| output.lessons.clone()).unwrap_or_default();
        let input = json!({"incident": incident, "diagnosis": diagnosis, "reproduction": reproduction, "lessons": lessons});
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let output = runtime.block_on(task.run(&Generate, input, self)).unwrap();
        Generated::ty().check(&output).unwrap();
        serde_json::from_value(output).unwrap()
    }
}

#[async_trait::async_trait]
impl World for Scene {
    fn class(&self, _: &str) -> Option<Class> {
        Some(Class::Read)
    }

    async fn perform(&self, call: Call) -> Result<Done, EffectError> {
        let (request, blobs) = (call.request.clone(), call.blobs.as_ref());
        let response = match call.name.as_str() {
            "evidence.gather" => {
                json!(evidence::gather(&self.shop.repo, &serde_json::from_value(request).unwrap(), blobs)?)
            }
            "patch.apply" => {
                json!(apply::apply(&self.shop.repo, &serde_json::from_value(request).unwrap(), blobs)?)
            }
            "model.call" => {
                let request: ModelRequest = serde_json::from_value(request).unwrap();
                assert!(request.schema.is_none() && !request.system.is_empty());
                self.prompts
                    .lock()
                    .unwrap()
                    .push(String::from_utf8(blobs.get(&request.prompt).unwrap()).unwrap());
                let text = self.replies.lock().unwrap().pop_front().expect("one question more than replies");
                json!(ModelResponse {
                    text: blobs.put(text.as_bytes()).unwrap(),
                    stop: "stop".into(),
                    ..ModelResponse::default()
                })
            }
            "playbook.search" => {
                self.searches.lock().unwrap().push(serde_json::from_value(request).unwrap());
                json!(PlaybookResponse { found: self.found.clone(), tried: 9, proposed: 12 })
            }
            other => panic!("{other}"),
        };
        Ok(Done::free(response))
    }

    async fn reconcile(&self, _: Call) -> Result<Reconciled, EffectError> {
        unreachable!("nothing external is asked for")
    }
}

fn block(path: &str, old: &str, new: &str) -> String {
    format!("{path}\n<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n")
}

fn fix(tree: &str, score: f64) -> PlaybookFix {
    PlaybookFix {
        template: "zero-guard".into(),
        summary: format!("guard {tree}"),
        tree: tree.into(),
        score,
        ..PlaybookFix::default()
    }
}

#[test]
fn every_form_of_reply_gives_the_same_candidate() {
    let whole = CODE.replace(OLD, NEW);
    let forms = [
        block("src/calc.py", OLD, NEW),
        format!(
            "```diff\n--- a/src/calc.py\n+++ b/src/calc.py\n@@ -1,2 +1,2 @@\n def mean(values):\n-{OLD}\n+{NEW}\n```"
        ),
        format!(
            "```diff\n--- a/src/calc.py\n+++ b/src/calc.py\n@@ -70,9 +1,1 @@\n def mean(values):\n-{OLD}\n+{NEW}\n```"
        ),
        format!("src/calc.py\n```python\n{whole}```"),
        format!("<<<<<<< SEARCH\n{OLD}\n=======\n{NEW}\n>>>>>>> REPLACE"),
    ];
    let mut trees = Vec::new();
    for form in &forms {
        let scene = Scene::new(&[&format!("**Summary:** guard `mean` against no values.\n\n{form}")]);
        let output = scene.visit(&["model"], true, None);
        assert!(output.proposed, "{form}\n{:?}", output.lessons);
        let candidate = output.candidate;
        assert_eq!(
            (candidate.origin.as_str(), candidate.files.as_slice()),
            ("model/fixer", ["src/calc.py".into()].as_slice())
        );
        assert_eq!(output.cursor.offered, std::slice::from_ref(&candidate.tree));
        trees.push(candidate.tree);
    }
    trees.dedup();
    assert_eq!(trees.len(), 1);
}

#[test]
fn what_is_no_patch_is_a_lesson_and_no_candidate() {
    let cases = [
        ("I would rewrite the parser.".to_owned(), "holds no edit"),
        (String::new(), "is empty"),
        (block("../../etc/passwd", "root", "toor"), "outside the repository"),
        (block("src/calc.py", "    return", "    return 1 +"), "not found"),
        (block("src/calc.py", "def mean(values):", "def mean(values:"), "no valid Python"),
        (block("tests/test_calc.py", "    pass", "    return"), "belongs to the tests"),
        ("src/calc.py\n<<<<<<< SEARCH\n\n\n=======\nx\n>>>>>>> REPLACE".to_owned(), "empty search part"),
    ];
    for (reply, why) in cases {
        let output = Scene::new(&[&reply]).visit(&["model"], true, None);
        assert!(!output.proposed, "{reply}");
        assert!(output.lessons.iter().any(|lesson| lesson.contains(why)), "{why}: {:?}", output.lessons);
    }
}

#[test]
fn the_prompt_holds_what_is_known_and_what_was_tried() {
    let scene = Scene::new(&["no", &block("src/calc.py", OLD, NEW)]);
    let first = scene.visit(&["model"], true, None);
    let second = scene.visit(&["model"], true, Some(&first));
    assert!(second.proposed);
    let prompts = scene.prompts.lock().unwrap();
    for part in [
        "ZeroDivisionError",
        "no values",
        "def test_incident():",
        "return sum(values) / len(values)",
        "<<<<<<< SEARCH",
    ] {
        assert!(prompts[0].contains(part), "{part}\n{}", prompts[0]);
    }
    assert!(!prompts[0].contains("holds no edit") && prompts[1].contains("holds no edit"));
}

#[test]
fn a_tree_is_offered_once() {
    let reply = block("src/calc.py", OLD, NEW);
    let scene = Scene::new(&[&reply, &reply]);
    let first = scene.visit(&["model"], true, None);
    let second = scene.visit(&["model"], true, Some(&first));
    assert!(first.proposed && !second.proposed);
    assert!(second.lessons[0].contains("same patch as before"), "{:?}", second.lessons);
    assert_eq!(second.cursor.offered, first.cursor.offered);
}

#[test]
fn the_playbook_is_searched_once_and_the_model_comes_after_its_last_fix() {
    let mut scene = Scene::new(&[&block("src/calc.py", OLD, NEW)]);
    scene.found = vec![fix("t1", 0.9), fix("t2", 0.4)];
    let first = scene.visit(&["playbook", "model"], true, None);
    assert_eq!(
        (first.candidate.tree.as_str(), first.candidate.origin.as_str()),
        ("t1", "playbook/zero-guard")
    );
    assert_eq!(first.candidate.alternatives, ["zero-guard: guard t2"]);
    let second = scene.visit(&["playbook", "model"], true, Some(&first));
    assert_eq!(second.candidate.tree, "t2");
    assert_eq!(second.candidate.alternatives, Vec::<String>::new());
    let third = scene.visit(&["playbook", "model"], true, Some(&second));
    assert_eq!(third.candidate.origin, "model/fixer");
    assert_eq!(scene.searches.lock().unwrap().len(), 1);
    assert_eq!(third.cursor.offered.len(), 3);
}

#[test]
fn with_nothing_left_and_no_model_it_says_so() {
    let scene = Scene::new(&[]);
    let first = scene.visit(&["playbook", "model"], false, None);
    assert!(!first.proposed && first.lessons[0].contains("tried 9 repairs"), "{:?}", first.lessons);
    let second = scene.visit(&["playbook", "model"], false, Some(&first));
    assert!(!second.proposed && second.lessons[0].contains("no model is configured"));
    assert_eq!(scene.searches.lock().unwrap().len(), 1);
}

#[test]
fn a_foreign_edit_is_dropped_and_the_rest_is_offered() {
    let reply = format!(
        "{}\n{}",
        block("tests/test_calc.py", "    pass", "    return"),
        block("src/calc.py", OLD, NEW)
    );
    let output = Scene::new(&[&reply]).visit(&["model"], true, None);
    assert!(output.proposed && output.lessons.len() == 1, "{:?}", output.lessons);
    assert_eq!(output.candidate.summary, "changes src/calc.py");
}
