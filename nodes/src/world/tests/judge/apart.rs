//! The decisive test once more, with the code under test in another process than the assertions.
//!
//! A record can be forged by whoever shares a process with the reporter. Here the candidate does not: it only answers
//! calls. What the test says then cannot be forged, as far as the test can be told over a socket at all; the base
//! shows whether it can.

use std::collections::BTreeSet;

use prunella_engine::EffectError;
use prunella_sandbox::Edit;
use serde_json::json;

use super::{ALONE, Case, Fall, Side, Target, describe, join};
use crate::types::VerdictStatus;
use crate::world::tests::Tester;
use crate::world::tests::jobs::{Ran, Start, Step};
use crate::world::tests::records::{Failure, Outcome, StepRecords};

/// Most characters of a reason.
const MAX_REASON: usize = 160;
/// A suite that takes longer at the base, in seconds, is not run with two processes.
const QUICK: f64 = 15.0;
/// Most tests that are looked into where the two ways differ.
const MAX_DOUBTED: usize = 10;
/// The exception of a test that cannot be told over a socket.
const UNDETERMINED: &str = "Undetermined";

/// What the run with two processes showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Apart {
    /// It was not tried.
    #[default]
    Untried,
    /// It fails at the base as it must, and passes with the candidate.
    Confirmed,
    /// The test cannot be told over a socket.
    Unsuited(String),
    /// It could at the base, and cannot with the candidate, or fails otherwise.
    Withdrawn(String),
}

impl Tester {
    /// Runs the target with two processes over both sides; `red` is how it fails at the base in one process, and
    /// `simple` whether the test only calls functions and looks at what comes back.
    pub(super) fn apart(
        &self,
        case: &Case<'_>,
        target: &Target,
        red: &Failure,
        simple: bool,
    ) -> Result<Result<Apart, Fall>, EffectError> {
        if !case.is_python() {
            return Ok(Ok(Apart::Untried));
        }
        let step = || case.base.one_file(&target.path, Some(vec![target.id.clone()]), ALONE);
        let (before, after) = std::thread::scope(|scope| {
            let before = scope.spawn(|| {
                let ours = case.ours.as_ref().map(|(path, _)| (path, &target.source));
                let key = json!({"how": "apart", "step": step(), "ours": ours});
                case.base.once(&key, || self.two_processes(case, step(), Side::Base))
            });
            let after = self.two_processes(case, step(), Side::Candidate);
            (join(before), after)
        });
        let (before, after) = (before?, after?);
        let (base, seen) = (before.steps.step(0), after.steps.step(0));
        let said = |text: String| -> String { text.chars().take(MAX_REASON).collect() };
        let same = |other: &Failure| other.exception == red.exception && other.message == red.message;
        let undetermined = base.apart.as_ref().and_then(|apart| apart.undetermined.clone());
        let suited = base.outcome(&target.id) == Some(Outcome::Failed)
            && base.failure(&target.id).is_some_and(same)
            && base.apart.as_ref().is_some_and(|apart| apart.calls > 0);
        if !suited || undetermined.is_some() || before.incomplete().or(base.incomplete()).is_some() {
            let why = undetermined.unwrap_or_else(|| "it does not fail there as it does in one".to_owned());
            return Ok(Ok(Apart::Unsuited(said(why))));
        }
        let undetermined = seen.apart.as_ref().and_then(|apart| apart.undetermined.clone());
        let whole = after.incomplete().or(seen.incomplete());
        let what = describe(&seen, &target.id);
        let refuted = simple && whole.is_none() && told_by_code(&seen, &target.id, red) && {
            // Once more with a tree that the code may write to: an honest one may need that.
            let again = self.two_processes(case, Step { copy: true, ..step() }, Side::Candidate)?;
            let records = again.steps.step(0);
            again.incomplete().or(records.incomplete()).is_none() && told_by_code(&records, &target.id, red)
        };
        Ok(match (seen.outcome(&target.id), undetermined, whole) {
            (Some(Outcome::Passed), None, None) => Ok(Apart::Confirmed),
            _ if refuted => {
                let reason = format!(
                    "the reproduction passes only where it shares a process with the patch's code; with the code in a process of its own: {what}"
                );
                Err(Fall::new(VerdictStatus::NotFixed, reason).showing(&target.id, seen.failure(&target.id)))
            }
            (_, Some(why), _) | (_, None, Some(why)) => Ok(Apart::Withdrawn(said(why))),
            _ => Ok(Apart::Withdrawn(said(what))),
        })
    }

    /// Runs the suite with two processes. Tests that pass so at the base, and in one process with the candidate, and
    /// not in two, were told otherwise than they went. Gives how many pass both ways.
    pub(super) fn apart_suite(
        &self,
        case: &Case<'_>,
        records: &StepRecords,
        key: &str,
    ) -> Result<Result<u64, Fall>, EffectError> {
        if !case.is_python() || case.base.data.seconds > QUICK {
            return Ok(Ok(0));
        }
        let able = self.able(case, key)?;
        let able: Vec<&String> = able
            .iter()
            .filter(|id| case.wanted.keeps(id) && records.outcome(id) == Some(Outcome::Passed))
            .collect();
        if able.is_empty() {
            return Ok(Ok(0));
        }
        let ran =
            self.two_processes(case, case.base.suite(Vec::new(), self.patience(case), 0), Side::Candidate)?;
        let step = ran.steps.step(0);
        let kept = able.iter().filter(|id| step.outcome(id) == Some(Outcome::Passed)).count() as u64;
        let told: Vec<&String> = able
            .into_iter()
            .filter(|id| {
                step.outcome(id) == Some(Outcome::Failed)
                    && step.failure(id).is_some_and(|failure| !failure.exception.ends_with(UNDETERMINED))
            })
            .take(MAX_DOUBTED)
            .collect();
        for id in told {
            let Some((target, failure)) = self.doubted(case, id)? else { continue };
            let reason = format!(
                "{id} passes only where it shares a process with the patch's code; with the code in a process of its own: failed ({}: {})",
                failure.exception,
                failure
                    .message
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .chars()
                    .take(MAX_REASON)
                    .collect::<String>()
            );
            return Ok(Err(Fall::new(VerdictStatus::Regressed, reason).showing(&target.id, Some(&failure))));
        }
        Ok(Ok(kept))
    }

    /// A test of the suite that passes in one process and not in two, looked at by itself: how it fails, when the code
    /// is surely to blame.
    fn doubted(&self, case: &Case<'_>, id: &str) -> Result<Option<(Target, Failure)>, EffectError> {
        let path = case.base.data.tests.get(id).map(|test| test.path.clone()).unwrap_or_default();
        let target = Target { id: id.to_owned(), path, source: None, exception: String::new() };
        if !self.is_simple(case, &target)? {
            return Ok(None);
        }
        let mut step = case.base.one_file(&target.path, Some(vec![target.id.clone()]), ALONE);
        step.copy = true;
        let ran = self.two_processes(case, step, Side::Candidate)?;
        let records = ran.steps.step(0);
        let whole = ran.incomplete().or(records.incomplete()).is_none();
        let failure = records.failure(id).filter(|_| records.outcome(id) == Some(Outcome::Failed));
        let sure = whole && told_by_code(&records, id, &Failure::default());
        Ok(failure.filter(|_| sure).cloned().map(|failure| (target, failure)))
    }

    /// Tests that pass with two processes at the base; kept under `key`.
    fn able(&self, case: &Case<'_>, key: &str) -> Result<BTreeSet<String>, EffectError> {
        let file = self.cache.join("apart").join(format!("{key}.json"));
        if let Some(known) = self.sealed.read(&file) {
            return Ok(known);
        }
        let ran =
            self.two_processes(case, case.base.suite(Vec::new(), self.patience(case), 0), Side::Base)?;
        let step = ran.steps.step(0);
        let whole = ran.incomplete().or(step.incomplete()).is_none();
        let passed = |id: &&str| whole && step.outcome(id) == Some(Outcome::Passed);
        let able: BTreeSet<String> =
            case.base.having(Outcome::Passed).filter(passed).map(str::to_owned).collect();
        self.sealed.keep(&file, &able);
        Ok(able)
    }

    fn patience(&self, case: &Case<'_>) -> f64 {
        case.base.data.seconds.mul_add(10.0, 60.0)
    }

    fn two_processes(&self, case: &Case<'_>, mut step: Step, side: Side) -> Result<Ran, EffectError> {
        let base = case.base;
        let mut edits: Vec<Edit> = Vec::new();
        if side == Side::Candidate {
            edits.extend(self.sandbox_edits(case.commit, &case.laid));
        }
        edits.extend(self.sandbox_edits(case.commit, &case.ours.iter().cloned().collect::<Vec<_>>()));
        step.apart = case.test_modules();
        // The code's process may not lay anything in the way of the test's: the whole tree is read-only.
        let tops =
            base.files.iter().chain(edits.iter().filter(|e| e.content.is_some()).map(|edit| &edit.path));
        let mut protect: Vec<String> =
            tops.map(|path| path.split('/').next().unwrap_or(path).to_owned()).collect();
        protect.sort();
        protect.dedup();
        self.launcher.run(Start {
            tree: &base.tree,
            settings: &base.settings,
            edits,
            protect,
            steps: vec![step],
            seed: 0,
            warm: None,
        })
    }
}

/// Whether a failure with two processes is the code's own doing, whoever would be asked: its process ended, a plain value
/// was wrong, it raised something of its own, or the test failed as at the base.
fn told_by_code(step: &StepRecords, id: &str, red: &Failure) -> bool {
    let Some(apart) = &step.apart else { return false };
    let failed = step.failure(id).filter(|_| step.outcome(id) == Some(Outcome::Failed));
    let is =
        |one: &Failure, other: &Failure| one.exception == other.exception && one.message == other.message;
    failed.is_some_and(|failure| {
        let raised = apart.raised.as_ref().is_some_and(|raised| is(raised, failure) && !apart.surroundings);
        let plain = is(failure, red) || failure.exception == "AssertionError" || raised;
        apart.ended || (apart.undetermined.is_none() && plain)
    })
}
