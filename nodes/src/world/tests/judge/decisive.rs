//! The decisive tests: each in a process of its own, red at the base as it must be, green with the candidate.

use prunella_engine::EffectError;

use super::judgement::Judgement;
use super::{ALONE, Case, Fall, Side, Target, describe, join, meddled};
use crate::types::VerdictStatus;
use crate::world::tests::Tester;
use crate::world::tests::jobs::{Ran, isolation_word};
use crate::world::tests::records::{Failure, Outcome, StepRecords};

impl Tester {
    /// How the decisive tests fail at the base, one each; or why they do not turn from red to green.
    pub(super) fn red_then_green(
        &self,
        case: &Case<'_>,
        targets: &[Target],
        out: &mut Judgement,
    ) -> Result<Result<Vec<Failure>, Fall>, EffectError> {
        let steps = || {
            targets
                .iter()
                .map(|target| case.base.one_file(&target.path, Some(vec![target.id.clone()]), ALONE))
                .collect()
        };
        let (before, after) = std::thread::scope(|scope| {
            let before = scope.spawn(|| self.at_base(case, steps()));
            let after = self.over(case, Side::Candidate, steps());
            (join(before), after)
        });
        let (before, after) = (before?, after?);
        let verdict = &mut out.verdict;
        verdict.isolation = isolation_word(&after.report.isolation);
        verdict.reproduction_before = summary(&before, targets);
        verdict.reproduction_after = summary(&after, targets);
        if verdict.isolation == "none" {
            let reason = "it ran without isolation: what unguarded tests say is no evidence";
            return Ok(Err(Fall::new(VerdictStatus::NoEvidence, reason)));
        }
        for (i, target) in targets.iter().enumerate() {
            if let Some(fall) = wrong_red(&before, &before.steps.step(i), target) {
                return Ok(Err(fall));
            }
        }
        // A forged record outweighs whatever else one of them says.
        for i in 0..targets.len() {
            if let Some(fall) = meddled(case, &after, &after.steps.step(i)) {
                return Ok(Err(fall));
            }
        }
        for (i, target) in targets.iter().enumerate() {
            if let Some(fall) = not_green(&after, &after.steps.step(i), target) {
                return Ok(Err(fall));
            }
        }
        let red = |(i, target): (usize, &Target)| {
            before.steps.step(i).failure(&target.id).cloned().unwrap_or_default()
        };
        Ok(Ok(targets.iter().enumerate().map(red).collect()))
    }
}

/// What became of the targets in a phrase.
fn summary(ran: &Ran, targets: &[Target]) -> String {
    let first = targets.first().map(|target| describe(&ran.steps.step(0), &target.id)).unwrap_or_default();
    match targets.len() {
        0 | 1 => first,
        n => {
            let passed = targets
                .iter()
                .enumerate()
                .filter(|(i, target)| ran.steps.step(*i).outcome(&target.id) == Some(Outcome::Passed))
                .count();
            format!("{first}; {passed} of {n} passed")
        }
    }
}

/// Why what happened at the base is no ground to judge on.
fn wrong_red(ran: &Ran, step: &StepRecords, target: &Target) -> Option<Fall> {
    let none = |reason: String| Some(Fall::new(VerdictStatus::NoEvidence, reason));
    let what = describe(step, &target.id);
    match step.outcome(&target.id) {
        Some(Outcome::Failed) => {
            let failure = step.failure(&target.id).cloned().unwrap_or_default();
            if failure.exception.is_empty() {
                none(format!("at the base {} fails without an exception", target.id))
            } else if same_exception(&failure.exception, &target.exception) {
                None
            } else {
                none(format!(
                    "at the base the reproduction fails otherwise than the incident: {what}, not {}",
                    target.exception
                ))
            }
        }
        Some(_) => none(format!("{} does not fail at the base: {what}", target.id)),
        None => {
            let why =
                ran.incomplete().or(step.incomplete()).or_else(|| step.broken.first().map(|b| b.why.clone()));
            none(format!("{} cannot be run at the base: {}", target.id, why.unwrap_or(what)))
        }
    }
}

/// Why a target is not green with the candidate, when it is not.
fn not_green(ran: &Ran, step: &StepRecords, target: &Target) -> Option<Fall> {
    let id = &target.id;
    let incomplete = |reason: String| Some(Fall::new(VerdictStatus::Incomplete, reason));
    if let Some(compiler) = &step.unbuilt {
        return Some(super::unbuilt(compiler));
    }
    match step.outcome(id) {
        Some(Outcome::Passed) => {
            let why = ran.incomplete().or(step.incomplete()).or_else(|| {
                // A runner that is not ours may run more tests than the one; another's failure is its status then.
                let beside = step.tests.keys().any(|id| step.outcome(id) == Some(Outcome::Failed));
                let end = step.end.filter(|end| *end != 0 && !beside)?;
                Some(format!("the runner ended with status {end}"))
            })?;
            incomplete(format!("{id} passed, but {why}"))
        }
        Some(outcome) => {
            let what = if outcome == Outcome::Skipped { "is skipped" } else { "still fails" };
            let reason = format!("the reproduction {what}: {id} {}", describe(step, id));
            Some(Fall::new(VerdictStatus::NotFixed, reason).showing(id, step.failure(id)))
        }
        None if step.done.as_ref().is_some_and(|done| done.late) => Some(Fall::new(
            VerdictStatus::NotFixed,
            format!("the reproduction {id} does not end within {ALONE} s"),
        )),
        None => match broken(step) {
            // It does not even import any more: an honest failure, if the runner came to its end.
            Some((path, failure)) if step.incomplete().is_none() => {
                let reason = format!("{path} cannot be loaded with the patch: {}", failure.message);
                Some(Fall::new(VerdictStatus::NotFixed, reason).showing(&path, Some(&failure)))
            }
            _ => {
                let why = ran
                    .incomplete()
                    .or(step.incomplete())
                    .unwrap_or_else(|| "the reproduction has no result".to_owned());
                incomplete(format!("{id} did not run to its end: {why}"))
            }
        },
    }
}

/// The same exception, whether its module is written out or not.
fn same_exception(seen: &str, expected: &str) -> bool {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    expected.is_empty() || seen == expected || last(seen) == last(expected)
}

/// The first module that could not be collected, as a failure.
pub(super) fn broken(step: &StepRecords) -> Option<(String, Failure)> {
    let broken = step.broken.first()?;
    let failure = Failure { message: broken.why.clone(), ..Failure::default() };
    Some((broken.path.clone(), failure))
}
