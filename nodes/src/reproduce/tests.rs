#![expect(clippy::disallowed_methods, reason = "a test lays out a real repository")]

use std::path::PathBuf;
use std::sync::Mutex;

use prunella_engine::testing::Task;
use prunella_engine::{Call, Class, Done, EffectError, Reconciled, World};
use serde_json::json;

use super::*;
use crate::effects::{FailedTest, ProbeResponse};
use crate::world::git::GitRepo;
use crate::world::locate::scratch::repository;
use crate::world::resolve::resolve;

/// Answers `source.resolve` from a real repository and the tests from a script.
struct Scripted {
    root: PathBuf,
    baseline: BaselineResponse,
    outcome: fn(&str) -> ProbeOutcome,
    probed: Mutex<Vec<ProbeFile>>,
}

#[async_trait]
impl World for Scripted {
    fn class(&self, _: &str) -> Option<Class> {
        Some(Class::Read)
    }

    async fn perform(&self, call: Call) -> Result<Done, EffectError> {
        let answer = match call.name.as_str() {
            "tests.baseline" => serde_json::to_value(&self.baseline).unwrap(),
            "source.resolve" => {
                let request = serde_json::from_value(call.request).unwrap();
                serde_json::to_value(resolve(&GitRepo::open(&self.root)?, &request)?).unwrap()
            }
            "tests.probe" => {
                let request: ProbeRequest = serde_json::from_value(call.request).unwrap();
                let outcomes = request.files.iter().map(|file| (self.outcome)(&file.source)).collect();
                self.probed.lock().unwrap().extend(request.files);
                serde_json::to_value(ProbeResponse { outcomes }).unwrap()
            }
            other => panic!("unexpected effect {other}"),
        };
        Ok(Done::free(answer))
    }

    async fn reconcile(&self, _: Call) -> Result<Reconciled, EffectError> {
        Ok(Reconciled::DidNot)
    }
}

const FILES: &[(&str, &str)] = &[
    ("shop/__init__.py", "from .cart import total\n"),
    (
        "shop/cart.py",
        "def total(items, tax):\n    return rate(tax) * len(items)\n\n\ndef rate(tax):\n    return 1 / tax\n\n\nclass BadTax(Exception): pass\n\n\ndef checked(tax):\n    raise BadTax(tax)\n",
    ),
    ("shop/other.py", "def total(): pass\n"),
];

fn frame(file: &str, path: Option<&str>, function: &str, code: &str) -> Frame {
    Frame {
        file: file.into(),
        path: path.map(Into::into),
        line: 3,
        function: function.into(),
        code: code.into(),
        ..Frame::default()
    }
}

fn incident(entry: &str) -> Incident {
    Incident {
        language: "python".into(),
        exception: "ZeroDivisionError".into(),
        message: "division by zero".into(),
        template: "division by zero".into(),
        fingerprint: "ab12cd34ab12cd34ab12cd34ab12cd34".into(),
        frames: vec![
            frame("/srv/main.py", None, "<module>", entry),
            frame("/srv/shop/cart.py", Some("shop/cart.py"), "total", "return rate(tax) * len(items)"),
            frame("/srv/shop/cart.py", Some("shop/cart.py"), "rate", "return 1 / tax"),
        ],
        ..Incident::default()
    }
}

fn failed(exception: &str, function: &str) -> FailedTest {
    FailedTest {
        id: "tests/test_cart.py::test_total".into(),
        path: "tests/test_cart.py".into(),
        exception: exception.into(),
        message: "whatever 3".into(),
        frames: vec![frame("shop/cart.py", Some("shop/cart.py"), function, "return 1 / tax")],
    }
}

fn fails(exception: &str, function: &str) -> ProbeOutcome {
    ProbeOutcome { failed: Some(failed(exception, function)), ..ProbeOutcome::default() }
}

async fn run(
    incident: &Incident,
    failing: Vec<FailedTest>,
    outcome: fn(&str) -> ProbeOutcome,
) -> (Reproduced, Vec<ProbeFile>) {
    let dir = tempfile::tempdir().unwrap();
    let commit = repository(dir.path(), FILES);
    let baseline = BaselineResponse {
        runner: "pytest".into(),
        test_dir: "tests".into(),
        failed: failing,
        ..BaselineResponse::default()
    };
    let world = Scripted { root: dir.path().to_owned(), baseline, outcome, probed: Mutex::default() };
    let repo = Repo { commit, ..Repo::default() };
    let task = Task::new("reproduce", json!({"repo": repo}));
    let input = json!({"incident": incident, "command": null});
    let output = task.run(kind().node.as_ref(), input, &world).await.unwrap();
    (serde_json::from_value(output).unwrap(), world.probed.into_inner().unwrap())
}

#[tokio::test]
async fn a_failing_test_of_the_repository_is_taken_before_anything_is_made() {
    let incident = incident("print(shop.total([1], 0))");
    let failing = vec![failed("KeyError", "rate"), failed("ZeroDivisionError", "rate")];
    let (out, probed) = run(&incident, failing, |_| panic!("nothing is to be run")).await;
    assert!(out.found && probed.is_empty());
    assert_eq!(out.reproduction.kind, ReproductionKind::Existing);
    assert_eq!(out.reproduction.test_id, "tests/test_cart.py::test_total");
    assert_eq!(out.reproduction.source, "");
}

#[tokio::test]
async fn else_one_is_made_of_the_traces_own_call() {
    let incident = incident("print(shop.total([1], 0))");
    let (out, probed) = run(&incident, vec![failed("ZeroDivisionError", "mean")], |source| {
        assert!(
            source.ends_with("import shop\n\n\ndef test_incident_ab12cd34():\n    shop.total([1], 0)\n"),
            "{source}"
        );
        fails("ZeroDivisionError", "rate")
    })
    .await;
    assert!(out.found, "{:?}", out.tried);
    assert_eq!(out.reproduction.kind, ReproductionKind::Generated);
    assert_eq!(out.reproduction.path.0, "tests/test_incident_ab12cd34.py");
    assert_eq!(out.reproduction.source, probed[0].source);
    assert_eq!(out.tried.last().unwrap(), "main.py line 3: its call: fails as the incident did");
}

#[tokio::test]
async fn a_second_way_to_import_is_tried_when_the_first_fails_otherwise() {
    let incident = incident("x = total([1], 0)");
    let (out, probed) = run(&incident, Vec::new(), |source| {
        if source.contains("from shop.cart import total") {
            fails("ZeroDivisionError", "rate")
        } else {
            fails("TypeError", "total")
        }
    })
    .await;
    assert!(out.found && probed[0].source.contains("from shop import total"), "{:?}", out.tried);
    assert!(out.reproduction.source.contains("from shop.cart import total"));
}

#[tokio::test]
async fn the_same_exception_somewhere_else_is_not_the_incident() {
    let incident = incident("shop.total([1], 0)");
    let (out, _) = run(&incident, Vec::new(), |_| fails("ZeroDivisionError", "elsewhere")).await;
    assert!(!out.found);
    assert_eq!(out.reproduction, Reproduction::default());
    assert!(
        out.tried
            .contains(&"main.py line 3: its call: fails with ZeroDivisionError, but another one".to_owned())
    );
}

#[tokio::test]
async fn arguments_that_cannot_be_had_are_said_and_nothing_runs() {
    let incident = incident("cart.add(item, load(item))");
    let (out, probed) = run(&incident, Vec::new(), |_| panic!("nothing is to be run")).await;
    assert!(!out.found && !out.already_fixed && probed.is_empty());
    assert_eq!(out.tried.len(), 4, "{:?}", out.tried);
    assert!(out.tried[1].contains("main.py line 3: its call needs `"), "{:?}", out.tried);
}

#[tokio::test]
async fn passing_is_already_fixed_only_where_the_code_is_another() {
    let passes = |_: &str| ProbeOutcome { passed: true, ..ProbeOutcome::default() };
    let mut incident = incident("shop.total([1], 0)");
    let (out, _) = run(&incident, Vec::new(), passes).await;
    assert!(!out.found && !out.already_fixed);
    incident.drift = vec!["shop/cart.py: the trace quotes another line".into()];
    let (out, _) = run(&incident, Vec::new(), passes).await;
    assert!(!out.found && out.already_fixed);
    incident.drift.clear();
    incident.frames[2].repo_line = Some(7);
    let (out, _) = run(&incident, Vec::new(), passes).await;
    assert!(out.already_fixed);
    // A part of what the outermost frame does, or an inner frame's call, proves nothing.
    incident.frames[0].code = "basket.add(shop.total([1], 0))".into();
    let (out, probed) = run(&incident, Vec::new(), passes).await;
    assert!(probed.len() == 1 && !out.already_fixed, "{:?}", out.tried);
}

#[tokio::test]
async fn an_error_of_the_repositorys_own_is_no_failure() {
    let mut incident = incident("shop.total([1], 0)");
    incident.frames[2].function = "checked".into();
    let (_, probed) = run(&incident, Vec::new(), |_| fails("ZeroDivisionError", "checked")).await;
    assert!(probed[0].source.contains("    except BadTax:\n"), "{}", probed[0].source);
    // Its base could be the incident's own exception's: then nothing is caught.
    incident.exception = "shop.cart.WorseTax".into();
    let (_, probed) = run(&incident, Vec::new(), |_| fails("WorseTax", "checked")).await;
    assert!(!probed[0].source.contains("except"), "{}", probed[0].source);
}

#[tokio::test]
async fn a_missing_repository_is_an_error() {
    let world = Scripted {
        root: PathBuf::new(),
        baseline: BaselineResponse::default(),
        outcome: |_| ProbeOutcome::default(),
        probed: Mutex::default(),
    };
    let task = Task::new("reproduce", json!({}));
    let input = json!({"incident": incident("f()")});
    assert_eq!(task.run(kind().node.as_ref(), input, &world).await.unwrap_err().code, "node.input");
}
