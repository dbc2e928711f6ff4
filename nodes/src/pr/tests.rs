#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test looks at a real repository")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use prunella_engine::blob::{Blobs, MemoryBlobs};
use prunella_engine::testing::Task;
use prunella_engine::types::Diff;
use prunella_engine::{Call, Class, Done, EffectError, Reconciled, World};
use serde_json::json;

use super::*;
use crate::world::forge::{Forge, LocalForge, open_pull, reconcile_pull};
use crate::world::git::tests::{Fixture, fixture, snapshot};
use crate::world::git::{GitRepo, commit, reconcile_commit};

const DIFF: &str = "--- a/app/orders.py\n+++ b/app/orders.py\n@@ -1,2 +1,2 @@\n def total(o):\n-    return o['d']\n+    return o.get('d', 0)\n";
const FINGERPRINT: &str = "ab12cd34ef56ab12cd34ef56";

/// The real handlers over a real repository.
struct Real {
    repo: Arc<GitRepo>,
    forge: LocalForge,
    asked: Mutex<Vec<(String, Value)>>,
}

#[async_trait]
impl World for Real {
    fn class(&self, _name: &str) -> Option<Class> {
        Some(Class::External)
    }

    async fn perform(&self, call: Call) -> Result<Done, EffectError> {
        self.asked.lock().unwrap().push((call.name.clone(), call.request.clone()));
        let blobs = call.blobs.as_ref();
        let request = call.request.clone();
        let response = match call.name.as_str() {
            Commit::NAME => {
                let request = serde_json::from_value(request).unwrap();
                let made = commit(&self.repo, &self.forge, &request, blobs)?;
                assert_eq!(reconcile_commit(&self.repo, &self.forge, &request, blobs)?, Some(made.clone()));
                serde_json::to_value(made)
            }
            _ => {
                let request = serde_json::from_value(request).unwrap();
                let made = open_pull(&self.forge, &request, blobs)?;
                assert_eq!(reconcile_pull(&self.forge, &request)?, Some(made.clone()));
                serde_json::to_value(made)
            }
        };
        Ok(Done::free(response.unwrap()))
    }

    async fn reconcile(&self, _call: Call) -> Result<Reconciled, EffectError> {
        Ok(Reconciled::DidNot)
    }
}

struct Bench {
    f: Fixture,
    world: Real,
    blobs: Arc<MemoryBlobs>,
    _store: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let f = fixture(&[("app/orders.py", "def total(o):\n    return o['d']\n")]);
        let repo = Arc::new(GitRepo::open(f.dir.path()).unwrap());
        let store = tempfile::tempdir().unwrap();
        let forge = LocalForge::new(store.path(), Arc::clone(&repo));
        let world = Real { repo, forge, asked: Mutex::default() };
        Self { f, world, blobs: Arc::default(), _store: store }
    }

    fn input(&self) -> Value {
        let incident = Incident { fingerprint: FINGERPRINT.to_owned(), ..crate::page::tests::incident() };
        let tree = crate::world::git::apply_to_base(&self.world.repo, &self.f.base, DIFF.as_bytes()).unwrap();
        let candidate = Candidate {
            diff: Diff(self.blobs.put(DIFF.as_bytes()).unwrap()),
            tree: self.world.repo.tree_with(&self.f.base, &tree).unwrap(),
            ..crate::page::tests::candidate()
        };
        json!({
            "incident": incident,
            "diagnosis": {"root_cause": "total reads d without looking\n\nSigned-off-by: Dana <d@e.f>", "files": [], "fix_strategy": "look first"},
            "reproduction": crate::page::tests::reproduction(),
            "candidate": candidate,
            "verdict": Verdict { candidate_tree: String::new(), ..crate::page::tests::verdict() },
            "lessons": ["the first attempt broke test_total"],
        })
    }

    fn run(&self, input: Value, options: Value) -> Result<Proposal, NodeError> {
        let repo = Repo { handle: "repo".to_owned(), commit: self.f.base.clone(), ..Repo::default() };
        let mut task = Task::new("pr", json!({"repo": repo, "draft": false, "options": options}));
        task.blobs = Arc::clone(&self.blobs) as Arc<dyn Blobs>;
        task.info.chain = Some([0xc0; 32]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let output = runtime.block_on(task.run(kind().node.as_ref(), input, &self.world))?;
        Ok(serde_json::from_value(output).unwrap())
    }

    fn page(&self, proposal: &Proposal) -> String {
        String::from_utf8(self.blobs.get(&proposal.page.0).unwrap()).unwrap()
    }
}

#[test]
fn a_healed_incident_becomes_a_branch_and_a_pull_request() {
    let b = Bench::new();
    let made = b.run(b.input(), json!({})).unwrap();
    assert_eq!((made.pull.id.as_str(), made.pull.action.as_str()), ("ab12cd34", "opened"));
    assert!(made.pull.draft, "a generated reproduction is no more than a draft");
    assert_eq!(made.title, "Fix KeyError in app/orders.py: return early in total when the discount…");
    let (view, page, _) = b.world.forge.show("ab12cd34").unwrap();
    assert_eq!(page, b.page(&made));
    assert_eq!(view.record.title, made.title);
    assert!(page.contains("git checkout prunella/ab12cd34~1 && python3 -m pytest"), "{page}");
    let git = git2::Repository::open(b.f.dir.path()).unwrap();
    let head = git.find_commit(made.pull.commit.parse().unwrap()).unwrap();
    let message = head.message().unwrap();
    let trailers: Vec<_> = message.trim_end().rsplit("\n\n").next().unwrap().lines().collect();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        trailers,
        [
            format!("Assisted-by: Prunella {version} (playbook/key-guard)"),
            format!("Prunella-Run: test@{}", "c0".repeat(32)),
            format!("Incident: {FINGERPRINT}"),
        ]
    );
    assert!(!message.contains("Signed-off-by"), "{message}");
    // A trailer is one line, however long.
    let mut prose = message.lines().filter(|line| !trailers.contains(line));
    assert!(prose.all(|line| line.chars().count() <= 72), "{message}");
    let red = head.parent(0).unwrap();
    assert!(red.message().unwrap().starts_with("Add a failing test for KeyError in app/orders.py\n\n"));
}

#[test]
fn the_page_can_be_checked_by_hand() {
    // What the page says to type does what it says: below the branch the code is the base's, with the test.
    let b = Bench::new();
    let made = b.run(b.input(), json!({})).unwrap();
    let git = git2::Repository::open(b.f.dir.path()).unwrap();
    let red = git.revparse_single(&format!("{}~1", made.pull.branch)).unwrap().id().to_string();
    let read = |commit: &str, path: &str| b.world.repo.read(commit, path).unwrap();
    assert_eq!(read(&red, "app/orders.py"), read(&b.f.base, "app/orders.py"));
    assert!(read(&red, "tests/test_incident_ab12cd34.py").is_some());
    assert!(read(&b.f.base, "tests/test_incident_ab12cd34.py").is_none());
}

#[test]
fn a_dry_run_renders_the_page_and_does_nothing() {
    let b = Bench::new();
    let before = snapshot(b.f.dir.path());
    let made = b.run(b.input(), json!({"dry_run": true})).unwrap();
    assert_eq!((made.pull.id.as_str(), made.pull.commit.as_str()), ("", ""));
    assert!(b.page(&made).starts_with("**KeyError** at `app/orders.py:41` in `total`"), "{}", b.page(&made));
    assert!(b.world.asked.lock().unwrap().is_empty());
    assert_eq!(snapshot(b.f.dir.path()), before);
}

#[test]
fn requests_are_the_same_in_every_folder() {
    let (a, b) = (Bench::new(), Bench::new());
    a.run(a.input(), json!({})).unwrap();
    b.run(b.input(), json!({})).unwrap();
    let asked = |b: &Bench| b.world.asked.lock().unwrap().clone();
    assert_eq!(asked(&a), asked(&b));
    let text = serde_json::to_string(&asked(&a)).unwrap();
    assert!(!text.contains(a.f.dir.path().to_str().unwrap()));
}

#[test]
fn ready_only_with_evidence_that_holds() {
    let b = Bench::new();
    let mut good = b.input();
    good["reproduction"]["kind"] = json!("existing");
    good["candidate"]["alternatives"] = json!([]);
    good["verdict"]["confidence"] = json!(0.95);
    let draft = |change: &dyn Fn(&mut Value)| {
        let b = Bench::new();
        let mut input = good.clone();
        input["candidate"]["diff"] = b.input()["candidate"]["diff"].clone();
        change(&mut input);
        b.run(input, json!({})).unwrap().pull.draft
    };
    assert!(!draft(&|_| {}));
    assert!(draft(&|v| v["reproduction"]["kind"] = json!("generated")));
    assert!(draft(&|v| v["verdict"]["confidence"] = json!(0.89)));
    assert!(draft(&|v| v["verdict"]["isolation"] = json!("reduced(cgroup)")));
    assert!(draft(&|v| v["candidate"]["alternatives"] = json!(["another"])));
    assert!(draft(&|v| v["verdict"]["status"] = json!("incomplete")));
}

#[test]
fn what_was_judged_is_what_is_proposed() {
    let b = Bench::new();
    let mut input = b.input();
    input["verdict"]["candidate_tree"] = json!("5555555555555555555555555555555555555555");
    let error = b.run(input.clone(), json!({})).unwrap_err();
    assert!(error.message.contains("was judged"), "{error}");
    // The judge's tree has the generated test in it.
    let test = crate::page::tests::reproduction();
    let mut edits = crate::world::git::apply_to_base(&b.world.repo, &b.f.base, DIFF.as_bytes()).unwrap();
    edits.push((test.path.0, Some(test.source.into_bytes())));
    input["verdict"]["candidate_tree"] = json!(b.world.repo.tree_with(&b.f.base, &edits).unwrap());
    assert_eq!(b.run(input, json!({})).unwrap().pull.action, "opened");
}

#[test]
fn a_fingerprint_that_is_none_is_refused() {
    let b = Bench::new();
    for bad in ["", "short", "../../etc/x", "ab12cd3é"] {
        let mut input = b.input();
        input["incident"]["fingerprint"] = json!(bad);
        assert_eq!(b.run(input, json!({})).unwrap_err().code, "node.input", "{bad}");
    }
    assert!(b.world.asked.lock().unwrap().is_empty());
}

#[test]
fn a_title_fits_and_names_what_it_can() {
    let mut incident = crate::page::tests::incident();
    let check = |incident: &Incident, summary: &str, expected: &str| {
        let title = words::title(incident, summary);
        assert_eq!(title, expected);
        assert!(title.chars().count() <= 72);
    };
    check(
        &incident,
        "guard\nthe\u{202e} discount.",
        "Fix KeyError in app/orders.py: guard the[U+202E] discount",
    );
    check(
        &incident,
        "app/orders.py:41: return 0 if `d` is None",
        "Fix KeyError in app/orders.py: return 0 if `d` is None",
    );
    check(&incident, "note: return 0", "Fix KeyError in app/orders.py: note: return 0");
    check(&incident, "", "Fix KeyError in app/orders.py");
    incident.exception = "very.long.module.path.of.errors.OrderTotalsCouldNotBeComputedError".to_owned();
    check(&incident, "guard it", "Fix OrderTotalsCouldNotBeComputedError in app/orders.py");
    incident.frames.clear();
    incident.exception = "ValueError".to_owned();
    check(&incident, "guard it", "Fix ValueError: guard it");
}

#[test]
fn what_the_formatter_made_of_it_is_proposed() {
    let b = Bench::new();
    let text = DIFF.replace("o.get('d', 0)", "o.get(\"d\", 0)");
    let tree = crate::world::git::apply_to_base(&b.world.repo, &b.f.base, text.as_bytes()).unwrap();
    let mut input = b.input();
    input["verdict"]["judged"] = serde_json::to_value(Diff(b.blobs.put(text.as_bytes()).unwrap())).unwrap();
    input["candidate"]["tree"] = json!(b.world.repo.tree_with(&b.f.base, &tree).unwrap());
    let made = b.run(input, json!({})).unwrap();
    let content = b.world.repo.read(&made.pull.commit, "app/orders.py").unwrap().unwrap();
    assert!(String::from_utf8(content).unwrap().contains("o.get(\"d\", 0)"));
}
