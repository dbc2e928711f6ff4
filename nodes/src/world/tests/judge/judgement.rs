//! A verdict with what it was made from.

use prunella_engine::canonical;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Ask, Case, Fall, count, lesson};
use crate::gate::Policy;
use crate::types::{Verdict, VerdictStatus};
use crate::world::tests::baseline::Prepared;
use crate::world::tests::jobs::harness_hash;
use crate::world::tests::records::{Outcome, StepRecords};

/// Changes when a verdict would mean something else: verdicts of another number are not remembered.
const JUDGE: u32 = 1;

/// A verdict with what it was made from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// What became of each test that counts, sorted by id.
    pub tests: Vec<SeenTest>,
    /// What became of the candidate's own tests, run apart. They are never counted.
    pub own_tests: Vec<SeenTest>,
    /// The repository's policy in a phrase; `default` when it says nothing.
    pub policy: String,
    /// What the formatter did; empty when there is none.
    pub formatter: String,
    /// The diff that was judged, when the formatter changed it.
    pub diff: Option<String>,
    /// Hash of what was asked: the base's tree, the tests' settings, the decisive tests, the harness, the policy.
    pub suite: String,
    /// Hash of what ran it: the interpreter, what is installed, what was visible, the isolation.
    pub runtime: String,
    /// Whether it is known from an earlier time, and nothing ran.
    pub remembered: bool,
    /// The lessons without the diff that was tried.
    #[serde(skip)]
    pub(super) bare: Vec<String>,
}

/// One test before and after.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenTest {
    /// Its id in its runner's form.
    pub id: String,
    /// `fail_to_pass`, `pass_to_pass`, `other` (neither), `flaky` (set aside), `own` (the candidate's).
    pub role: String,
    /// At the base: `passed`, `failed`, `skipped`; `flaky` when two runs disagree; empty for the candidate's own.
    pub before: String,
    /// With the candidate: `passed`, `failed`, `skipped`, `missing`; empty when it did not come to that.
    pub after: String,
}

impl Judgement {
    pub(super) fn new(base: &Prepared, policy: &Policy) -> Self {
        let settings = &base.settings;
        let facts = &settings.interpreter.facts;
        let suite = json!({
            "judge": JUDGE,
            "tree": base.tree_id,
            "command": base.words(),
            "env": settings.env,
            "pythonpath": settings.pythonpath,
            "subfolder": settings.subfolder,
            "harness": harness_hash(),
            "order": base.data.order,
            "tests": base.data.tests.iter().map(|(id, test)| (id, test.outcome)).collect::<Vec<_>>(),
            "policy": policy.words(),
        });
        let runtime = json!({
            "python": settings.interpreter.exe,
            "facts": facts,
            "installed": settings.interpreter.stamps(),
            "mounts": settings.mounts.iter().map(|mount| mount.host.display().to_string()).collect::<Vec<_>>(),
            "isolation": base.data.isolation,
        });
        Self {
            verdict: Verdict {
                before: count(base, |id| base.data.tests.get(id).and_then(|test| test.outcome)),
                flaky: base.flaky(),
                command: base.words(),
                isolation: base.data.isolation.clone(),
                base_tree: base.tree_id.clone(),
                reproduction_before: "not run".to_owned(),
                reproduction_after: "not run".to_owned(),
                ..Verdict::default()
            },
            policy: policy.words(),
            suite: canonical::hash(&suite),
            runtime: canonical::hash(&runtime),
            ..Self::default()
        }
    }

    /// What the verdict hangs on, as a hash.
    pub(super) fn key(&self, case: &Case<'_>, ask: Ask<'_>) -> String {
        canonical::hash(&json!({
            "suite": self.suite,
            "runtime": self.runtime,
            "candidate": self.verdict.candidate_tree,
            "reproduction": ask.reproduction,
            "alternatives": ask.alternatives,
            "fail_to_pass": case.wanted.fail_to_pass,
            "pass_to_pass": case.wanted.pass_to_pass,
            "formatter": self.formatter,
            // The same tree can be told as a change or as a new file, and flags follow the telling.
            "flags": case.flags(),
            "version": env!("CARGO_PKG_VERSION"),
        }))
    }

    /// The verdict is not `fixed`; `diff` is what its lesson is about, unless that is added later.
    pub(super) fn fall(&mut self, fall: Fall, diff: &str) {
        self.verdict.status = fall.status;
        self.bare = vec![lesson::lesson(&fall, &self.verdict.regressions)];
        self.verdict.lessons = self.about(diff).verdict.lessons;
        self.verdict.reason = fall.reason;
    }

    /// The same verdict about a diff that comes to the same tree: lessons tell the diff that was tried.
    pub(super) fn about(&self, diff: &str) -> Self {
        let mut out = self.clone();
        out.verdict.lessons.clone_from(&self.bare);
        if !diff.is_empty() {
            out.verdict.lessons.iter_mut().for_each(|lesson| lesson::with_diff(lesson, diff));
        }
        out
    }

    /// Whether the verdict would be the same another time.
    pub(super) fn decided(&self) -> bool {
        matches!(
            self.verdict.status,
            VerdictStatus::Fixed
                | VerdictStatus::NotFixed
                | VerdictStatus::Regressed
                | VerdictStatus::Tampered
        ) && self.verdict.isolation != "none"
    }

    /// Fills `tests` from the base's two runs and the candidate's.
    pub(super) fn see(&mut self, case: &Case<'_>, records: &StepRecords) {
        let wanted = case.wanted;
        self.tests = case
            .base
            .data
            .tests
            .iter()
            .map(|(id, test)| {
                let after = records.outcome(id);
                let role = match test.outcome {
                    None => "flaky",
                    Some(Outcome::Failed) if wanted.fail_to_pass.contains(id) => "fail_to_pass",
                    Some(Outcome::Failed)
                        if wanted.fail_to_pass.is_empty() && after == Some(Outcome::Passed) =>
                    {
                        "fail_to_pass"
                    }
                    Some(Outcome::Passed) if wanted.keeps(id) => "pass_to_pass",
                    Some(_) => "other",
                };
                SeenTest {
                    id: id.clone(),
                    role: role.to_owned(),
                    before: test.outcome.map_or("flaky", word).to_owned(),
                    after: after.map_or("missing", word).to_owned(),
                }
            })
            .collect();
    }

    /// What is worth saying and lowers nothing.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut out = Vec::new();
        if self.policy != "default" {
            out.push(format!("policy: {}", self.policy));
        }
        if !self.formatter.is_empty() {
            out.push(self.formatter.clone());
        }
        out
    }
}

/// An outcome in a word.
pub(super) fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Skipped => "skipped",
        Outcome::Failed => "failed",
    }
}
