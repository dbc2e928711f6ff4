#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test lays out a real repository")]

use std::path::PathBuf;
use std::sync::Mutex;

use prunella_engine::blob::{Blobs, MemoryBlobs};
use prunella_engine::testing::Task;
use prunella_engine::{Call, Class, Done, Reconciled, World};
use serde_json::json;

use super::*;
use crate::effects::{ClaimResponse, LookupResponse};
use crate::world::locate::scratch::repository;

const CART: &str =
    "def total(items):\n    return prices[items]\n\n\ndef mean(items):\n    return sum(items) / len(items)\n";

fn trace(stamp: &str, function: &str, line: u32, code: &str, last: &str) -> String {
    format!(
        "{stamp} ERROR boom\nTraceback (most recent call last):\n  File \"/srv/app/run.py\", line 3, in <module>\n    go()\n  File \"/srv/app/shop/cart.py\", line {line}, in {function}\n    {code}\n{last}\n"
    )
}

/// Answers `frames.locate` from a real repository and the ledger from a script.
struct Scripted {
    root: PathBuf,
    known: Vec<(&'static str, Known)>,
    owners: Mutex<Vec<&'static str>>,
    claimed: Mutex<Vec<String>>,
}

#[async_trait]
impl World for Scripted {
    fn class(&self, _: &str) -> Option<Class> {
        Some(Class::Read)
    }

    async fn perform(&self, call: Call) -> Result<Done, EffectError> {
        let answer = match call.name.as_str() {
            "frames.locate" => {
                let request = serde_json::from_value(call.request).unwrap();
                serde_json::to_value(locate(&GitRepo::open(&self.root)?, &request)?).unwrap()
            }
            "ledger.lookup" => {
                let request: LookupRequest = serde_json::from_value(call.request).unwrap();
                let known = request.fingerprints.iter().map(|f| self.of(f)).collect();
                serde_json::to_value(LookupResponse { known }).unwrap()
            }
            "ledger.claim" => {
                let request: ClaimRequest = serde_json::from_value(call.request).unwrap();
                self.claimed.lock().unwrap().push(request.fingerprint);
                let owner = self.owners.lock().unwrap().pop().unwrap_or("test").to_owned();
                serde_json::to_value(ClaimResponse { owner }).unwrap()
            }
            other => panic!("unexpected effect {other}"),
        };
        Ok(Done::free(answer))
    }

    async fn reconcile(&self, _: Call) -> Result<Reconciled, EffectError> {
        Ok(Reconciled::DidNot)
    }
}

impl Scripted {
    fn of(&self, fingerprint: &str) -> Known {
        let found = self.known.iter().find(|(start, _)| fingerprint.starts_with(start));
        found.map(|(_, known)| known.clone()).unwrap_or_default()
    }
}

struct Case {
    _dir: tempfile::TempDir,
    world: Scripted,
    commit: String,
}

impl Case {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let commit = repository(dir.path(), &[("shop/cart.py", CART)]);
        let world = Scripted {
            root: dir.path().to_owned(),
            known: Vec::new(),
            owners: Mutex::default(),
            claimed: Mutex::default(),
        };
        Self { _dir: dir, world, commit }
    }

    async fn detect(&self, log: &str, options: Value) -> Result<(Detected, Arc<MemoryBlobs>), NodeError> {
        let blobs = Arc::new(MemoryBlobs::default());
        let text = Text(blobs.put(log.as_bytes()).unwrap());
        let log = Log { name: "app.log".to_owned(), text };
        let repo = Repo { commit: self.commit.clone(), ..Repo::default() };
        let mut task = Task::new("detect", json!({"options": options}));
        task.blobs = blobs.clone();
        let output = task.run(kind().node.as_ref(), json!({"log": log, "repo": repo}), &self.world).await?;
        Ok((serde_json::from_value(output).unwrap(), blobs))
    }
}

fn key_error(stamp: &str, key: &str) -> String {
    trace(stamp, "total", 2, "return prices[items]", &format!("KeyError: '{key}'"))
}

fn zero(stamp: &str) -> String {
    trace(stamp, "mean", 60, "return sum(items) / len(items)", "ZeroDivisionError: division by zero")
}

#[tokio::test]
async fn the_newest_new_incident_of_ours_runs_and_the_others_are_listed() {
    let case = Case::new();
    let foreign = "Traceback (most recent call last):\n  File \"/usr/lib/python3.11/json/x.py\", line 2, in f\n    g()\nValueError: x\n";
    let log = [
        key_error("2024-05-01 10:00:00", "a"),
        zero("2024-05-01 10:01:00"),
        key_error("2024-05-01 10:02:00", "b"),
        zero("2024-05-01 10:03:00"),
        foreign.to_owned(),
    ]
    .concat();
    let (detected, blobs) = case.detect(&log, Value::Null).await.unwrap();
    assert_eq!(detected.status, IncidentStatus::New);
    let incident = &detected.incident;
    assert_eq!((incident.exception.as_str(), incident.count), ("ZeroDivisionError", 2));
    assert_eq!(
        (incident.first_seen.as_str(), incident.last_seen.as_str()),
        ("2024-05-01 10:01:00", "2024-05-01 10:03:00")
    );
    assert_eq!(incident.frames[1].repo_line, Some(6));
    assert_eq!(incident.frames[0].path, None);
    let excerpt = String::from_utf8(blobs.get(&incident.excerpt.0).unwrap()).unwrap();
    assert!(excerpt.contains("ZeroDivisionError") && !excerpt.contains("KeyError"));
    let others: Vec<_> = detected.others.iter().map(|o| (o.exception.as_str(), o.count, o.in_repo)).collect();
    assert_eq!(others, [("ValueError", 1, false), ("KeyError", 2, true)]);
    assert_eq!(*case.world.claimed.lock().unwrap(), vec![incident.fingerprint.clone()]);
}

#[tokio::test]
async fn fingerprint_picks_and_again_overrides() {
    let mut case = Case::new();
    let log = [key_error("2024-05-01 10:00:00", "a"), zero("2024-05-01 10:01:00")].concat();
    let (first, _) = case.detect(&log, Value::Null).await.unwrap();
    let older = first.others[0].fingerprint.clone();
    let (picked, _) = case.detect(&log, json!({"fingerprint": older[..8], "again": false})).await.unwrap();
    assert_eq!((picked.incident.exception.as_str(), picked.status), ("KeyError", IncidentStatus::New));
    assert!(case.detect(&log, json!({"fingerprint": older[..3]})).await.is_err());
    let (absent, _) = case.detect(&log, json!({"fingerprint": "00000000"})).await.unwrap();
    assert_eq!(absent.status, IncidentStatus::None);

    let why = Known { why: "open pull request ab".to_owned(), regression: false };
    case.world.known = vec![("", why)];
    let (known, _) = case.detect(&log, Value::Null).await.unwrap();
    assert_eq!((known.status, known.known.as_str()), (IncidentStatus::Known, "open pull request ab"));
    assert_eq!(known.incident.exception, "ZeroDivisionError");
    let (again, _) = case.detect(&log, json!({"again": true})).await.unwrap();
    assert_eq!(again.status, IncidentStatus::New);
}

#[tokio::test]
async fn a_claim_that_another_run_holds_goes_to_the_next_incident() {
    let case = Case::new();
    case.world.owners.lock().unwrap().extend(["test", "faster"]);
    let log = [key_error("2024-05-01 10:00:00", "a"), zero("2024-05-01 10:01:00")].concat();
    let (detected, _) = case.detect(&log, Value::Null).await.unwrap();
    assert_eq!(detected.incident.exception, "KeyError");
    assert_eq!(detected.others[0].status, IncidentStatus::Known);
    case.world.owners.lock().unwrap().push("faster");
    let (detected, _) = case.detect(&log, json!({"again": true})).await.unwrap();
    assert_eq!((detected.status, detected.known.as_str()), (IncidentStatus::Known, "run faster is at work"));
}

#[tokio::test]
async fn no_incident_is_none_and_says_why() {
    let case = Case::new();
    let (detected, _) = case.detect("all is well\n", Value::Null).await.unwrap();
    assert_eq!(
        (detected.status, detected.known.as_str()),
        (IncidentStatus::None, "app.log holds no traceback")
    );
    assert_eq!(detected.incident, Incident::default());
    let foreign =
        "Traceback (most recent call last):\n  File \"/other/x.py\", line 2, in f\n    g()\nValueError: x\n";
    let (detected, _) = case.detect(foreign, Value::Null).await.unwrap();
    assert_eq!((detected.status, detected.others.len()), (IncidentStatus::None, 1));
}

#[tokio::test]
async fn a_regression_is_new_and_marked() {
    let mut case = Case::new();
    case.world.known = vec![("", Known { why: String::new(), regression: true })];
    let (detected, _) = case.detect(&zero("2024-05-01 10:01:00"), Value::Null).await.unwrap();
    assert!(detected.incident.regression && detected.status == IncidentStatus::New);
}

#[test]
fn a_survey_lists_them_all_newest_first() {
    let case = Case::new();
    let repo = GitRepo::open(&case.world.root).unwrap();
    let log = [key_error("2024-05-01 10:00:00", "a"), zero("2024-05-01 10:01:00")].concat();
    let (found, broken_off) = survey(&repo, &case.commit, &log).unwrap();
    let names: Vec<_> = found.iter().map(|s| s.incident.exception.as_str()).collect();
    assert_eq!((names, broken_off), (vec!["ZeroDivisionError", "KeyError"], 0));
}
