//! The model path over a real socket, on a real incident: three attempts, and every form of reply.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::path::PathBuf;

use prunella_tests::{Case, Outcome, Prunella, ScriptedModel};
use serde_json::Value;

/// A wrong patch for the case: it applies, parses, and does not fix.
const WRONG: [&str; 3] = [
    "src/pyotp/__init__.py\n<<<<<<< SEARCH\n    # Parse with URLlib\n=======\n    # Parse with urllib, first try\n>>>>>>> REPLACE\n",
    "src/pyotp/__init__.py\n<<<<<<< SEARCH\n    # Parse with URLlib\n=======\n    # Parse with urllib, second try\n>>>>>>> REPLACE\n",
    "src/pyotp/__init__.py\n<<<<<<< SEARCH\n    # Parse with URLlib\n=======\n    # Parse with urllib, third try\n>>>>>>> REPLACE\n",
];

struct Scene {
    case: Case,
    prunella: Prunella,
    graph: PathBuf,
    _dir: tempfile::TempDir,
}

impl Scene {
    /// The case with a failing test, and the shipped graph with the model as its only strategy.
    fn new(model: &ScriptedModel) -> Self {
        let case = Case::lay_out("pyotp-period", true);
        let prunella = Prunella::new().env("PRUNELLA_MODEL", &model.spec());
        let dir = tempfile::tempdir().unwrap();
        let graph = dir.path().join("model-only.yaml");
        let _ = prunella.run(&["graph", "copy", "self-heal", graph.to_str().unwrap()]).code(0);
        let text = std::fs::read_to_string(&graph).unwrap();
        assert!(text.contains("strategies: [playbook, model]"));
        std::fs::write(&graph, text.replace("strategies: [playbook, model]", "strategies: [model]")).unwrap();
        Self { case, prunella, graph, _dir: dir }
    }

    fn run(&self) -> Outcome {
        let args = self.case.run_args(&self.graph.display().to_string(), &["--json"]);
        self.prunella.run(&args)
    }

    fn branches(&self) -> String {
        self.case.git(&["branch", "--format=%(refname:short)"])
    }

    fn page(&self, said: &Value) -> String {
        std::fs::read_to_string(said["pull"]["page"].as_str().expect("a page")).unwrap()
    }
}

fn diff(case: &Case) -> String {
    format!("```diff\n{}```\n", case.oracle_patch())
}

fn diff_with_wrong_line_numbers(case: &Case) -> String {
    let patch = case.oracle_patch();
    let lines = patch
        .lines()
        .map(|line| if line.starts_with("@@") { "@@ -900,3 +7,1 @@" } else { line })
        .collect::<Vec<_>>();
    format!("Here is the fix:\n```diff\n{}\n```\n", lines.join("\n"))
}

#[test]
fn two_wrong_patches_then_a_right_one_heal_in_attempt_three() {
    let right = Case::lay_out("pyotp-period", true).oracle_reply();
    let model = ScriptedModel::start(&[WRONG[0].to_owned(), WRONG[1].to_owned(), right]);
    let scene = Scene::new(&model);
    let said = scene.run().code(0).json();
    assert_eq!(said["end"], "healed");
    assert_eq!(said["attempts"], 3, "{said}");
    let page = scene.page(&said);
    assert!(page.contains("first try") && page.contains("second try"), "both failures are told: {page}");
    assert!(!page.contains("third try"));
    let branch = said["pull"]["branch"].as_str().unwrap();
    assert!(scene.branches().contains(branch));
    assert!(scene.case.judge(&scene.case.checkout(branch)).correct);
    let lessons = model.prompts().iter().filter(|prompt| prompt.contains("first try")).count();
    assert!(lessons >= 1, "a later prompt carries what was tried");
}

#[test]
fn three_wrong_patches_leave_everything_as_it_was() {
    let model = ScriptedModel::start(&WRONG.map(str::to_owned));
    let scene = Scene::new(&model);
    std::fs::write(scene.case.repo().join("README.rst"), "a change that nobody committed\n").unwrap();
    let before = (
        scene.branches(),
        scene.case.git(&["status", "--porcelain"]),
        scene.case.git(&["rev-parse", "HEAD"]),
    );
    let said = scene.run().code(10).json();
    assert_eq!(said["end"], "unhealed");
    assert_eq!(said["attempts"], 3);
    assert!(said["pull"].is_null());
    assert_eq!(
        before,
        (
            scene.branches(),
            scene.case.git(&["status", "--porcelain"]),
            scene.case.git(&["rev-parse", "HEAD"])
        )
    );
    let report = std::fs::read_to_string(said["report"].as_str().unwrap()).unwrap();
    for try_ in ["first try", "second try", "third try"] {
        assert!(report.contains(try_), "the report tells of the {try_}: {report}");
    }
}

#[test]
fn prose_and_silence_are_lessons() {
    let model = ScriptedModel::start(&[
        "I think the parser should be rewritten.".to_owned(),
        String::new(),
        "Sorry.".to_owned(),
    ]);
    let scene = Scene::new(&model);
    let said = scene.run().code(10).json();
    assert_eq!(said["attempts"], 3);
    assert_eq!(said["end"], "unhealed");
    assert!(said["lessons"].as_array().is_some_and(|lessons| lessons.len() >= 3), "{said}");
}

#[test]
fn the_right_fix_is_taken_in_every_form() {
    let case = Case::lay_out("pyotp-period", true);
    for reply in [diff(&case), diff_with_wrong_line_numbers(&case), case.oracle_reply()] {
        let model = ScriptedModel::start(std::slice::from_ref(&reply));
        let scene = Scene::new(&model);
        let outcome = scene.run();
        assert_eq!(outcome.code, 0, "{reply}\n{outcome:?}");
        assert_eq!(outcome.json()["attempts"], 1);
    }
}
