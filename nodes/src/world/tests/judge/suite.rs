//! The whole suite with the candidate, canaries among it, twice: under two hash seeds, in two orders, and with other
//! canaries.

use prunella_engine::EffectError;

use super::decisive::broken;
use super::judgement::Judgement;
use super::{Case, Fall, Side, Target, count, describe, join, meddled};
use crate::types::VerdictStatus;
use crate::world::tests::Tester;
use crate::world::tests::baseline::Prepared;
use crate::world::tests::canary::{Canaries, Sung};
use crate::world::tests::jobs::{Ran, isolation_word};
use crate::world::tests::records::{Outcome, StepRecords};

/// Regressions that are tried again at the base, to tell a flaky test from a broken one.
const MAX_AGAIN: usize = 200;
/// The hash seeds of the runs: those of the baseline's.
const SEEDS: [u32; 2] = [0, 1];

/// What the suite showed.
pub(super) struct Suite {
    /// Tests that passed before and still do.
    pub(super) kept: u64,
    /// Whether tests of ours were reported truly.
    pub(super) canaries: bool,
    /// Why it is no fix, when tests that passed do not any more.
    pub(super) regressed: Option<Fall>,
    /// How many of those that are kept pass with the code in a process of its own, too.
    pub(super) apart: u64,
    /// All records: of a test that passes in one run only, the other one's.
    records: StepRecords,
}

/// Tests that a patch turns green, and the run that showed it.
pub(super) type TurnedGreen = (Vec<Target>, Option<Suite>);

impl Tester {
    /// Runs the suite with the candidate; fills `after`, `regressions`, `flaky`, and each test's fate.
    pub(super) fn suite(
        &self,
        case: &Case<'_>,
        out: &mut Judgement,
    ) -> Result<Result<Suite, Fall>, EffectError> {
        let base = case.base;
        let (one, two) = std::thread::scope(|scope| {
            let two = scope.spawn(|| self.sing(case, SEEDS[1]));
            (self.sing(case, SEEDS[0]), join(two))
        });
        let (one, two) = (one?, two?);
        out.verdict.isolation = isolation_word(&one.0.report.isolation);
        if out.verdict.isolation == "none" {
            let reason = "it ran without isolation: what unguarded tests say is no evidence";
            return Ok(Err(Fall::new(VerdictStatus::NoEvidence, reason)));
        }
        let records = worse(one.0.steps.step(0), two.0.steps.step(0));
        out.verdict.after = count(base, |id| records.outcome(id));
        out.see(case, &records);
        for (ran, canaries) in [&one, &two] {
            if let Some(fall) = dishonest(case, ran, canaries) {
                return Ok(Err(fall));
            }
        }
        let lost: Vec<String> = base
            .having(Outcome::Passed)
            .filter(|id| case.wanted.keeps(id) && !still_passes(base, &records, id))
            .map(str::to_owned)
            .collect();
        let unfit = case.wanted.pass_to_pass.iter().find(|id| {
            let outcome = base.data.tests.get(*id).and_then(|test| test.outcome);
            outcome.is_some_and(|outcome| outcome != Outcome::Passed)
        });
        if let Some(id) = unfit {
            let reason = format!("{id}, which is to keep passing, does not pass at the base");
            return Ok(Err(Fall::new(VerdictStatus::NoEvidence, reason)));
        }
        let apart = if lost.is_empty() && base.settings.command.foreign().is_none() {
            match self.apart_suite(case, &records, &format!("{}-{}", out.suite, out.runtime))? {
                Ok(apart) => apart,
                Err(fall) => {
                    out.verdict.regressions = fall.failing.iter().map(|(id, _)| id.clone()).collect();
                    return Ok(Err(fall));
                }
            }
        } else {
            0
        };
        let flaky = self.flaky_among(case, &lost)?;
        let kept = base.having(Outcome::Passed).filter(|id| case.wanted.keeps(id)).count() - lost.len();
        let (aside, lost): (Vec<String>, Vec<String>) = lost.into_iter().partition(|id| flaky.contains(id));
        out.verdict.flaky.extend(aside);
        out.verdict.flaky.sort();
        let regressed = lost.first().map(|first| {
            let reason = format!(
                "{} that passed before {} not any more, first {first}: {}",
                if lost.len() == 1 { "a test".to_owned() } else { format!("{} tests", lost.len()) },
                if lost.len() == 1 { "does" } else { "do" },
                describe(&records, first)
            );
            let mut fall = Fall::new(VerdictStatus::Regressed, reason).showing(first, records.failure(first));
            if records.outcome(first).is_none()
                && let Some((path, failure)) = broken(&records)
            {
                fall = fall.showing(&path, Some(&failure));
            }
            fall
        });
        out.verdict.regressions = lost;
        let (kept, canaries) = (kept as u64, base.data.canaries);
        Ok(Ok(Suite { kept, canaries, regressed, apart, records }))
    }

    /// The suite once, with canaries of its own.
    fn sing(&self, case: &Case<'_>, seed: u32) -> Result<(Ran, Canaries), EffectError> {
        let base = case.base;
        let canaries = base.canaries(&|path| self.content(case, path));
        let limit = base.data.seconds.mul_add(5.0, 60.0);
        let mut step = base.suite(canaries.extra(), limit, seed);
        if let Some((path, _)) = &case.ours {
            step.extra.push(path.clone());
        }
        let ran = self.over_with(case, Side::Candidate, vec![step], canaries.edits(), seed)?;
        Ok((ran, canaries))
    }

    /// Tests of `lost` that do not pass at the base either when they are run again.
    fn flaky_among(&self, case: &Case<'_>, lost: &[String]) -> Result<Vec<String>, EffectError> {
        if lost.is_empty() || lost.len() > MAX_AGAIN {
            return Ok(Vec::new());
        }
        let mut flaky = Vec::new();
        for seed in SEEDS {
            let mut step = case.base.suite(Vec::new(), case.base.data.seconds.mul_add(5.0, 60.0), seed);
            step.ids = Some(lost.to_vec());
            let ran = self.over_with(case, Side::Base, vec![step], Vec::new(), seed)?;
            let records = ran.steps.step(0);
            if ran.incomplete().or(records.incomplete()).is_none() {
                let unsteady = |id: &&String| records.outcome(id).is_some_and(|o| o != Outcome::Passed);
                flaky.extend(lost.iter().filter(unsteady).cloned());
            }
        }
        Ok(flaky)
    }

    /// Without a reproduction: the suite, and the tests that it turns from red to green.
    pub(super) fn turned_green(
        &self,
        case: &Case<'_>,
        out: &mut Judgement,
    ) -> Result<Result<TurnedGreen, Fall>, EffectError> {
        let suite = match self.suite(case, out)? {
            Ok(suite) => suite,
            Err(fall) => return Ok(Err(fall)),
        };
        let mut green: Vec<Target> = Vec::new();
        let mut all = 0;
        for id in case.base.having(Outcome::Failed) {
            if suite.records.outcome(id) == Some(Outcome::Passed) {
                all += 1;
                let test = case.base.data.tests.get(id);
                let exception =
                    test.and_then(|test| test.failure.as_ref()).map(|failure| failure.exception.clone());
                green.push(Target {
                    id: id.to_owned(),
                    path: test.map(|test| test.path.clone()).unwrap_or_default(),
                    source: None,
                    exception: exception.unwrap_or_default(),
                });
            }
        }
        green.truncate(super::MAX_TARGETS);
        if let Some(fall) = suite.regressed {
            return Ok(Err(fall));
        }
        if all == 0 {
            let failing = case.base.having(Outcome::Failed).count();
            let reason = if failing == 0 {
                "no test fails at the base, so none can show what the patch mends".to_owned()
            } else {
                format!("none of the {failing} tests that fail at the base passes with the patch")
            };
            return Ok(Err(Fall::new(VerdictStatus::NoEvidence, reason)));
        }
        Ok(Ok((green, Some(suite))))
    }
}

/// Signs that a run of the suite does not report what happened, or not all of it.
fn dishonest(case: &Case<'_>, ran: &Ran, canaries: &Canaries) -> Option<Fall> {
    let records = ran.steps.step(0);
    if let Some(fall) = meddled(case, ran, &records) {
        return Some(fall);
    }
    if let Some(compiler) = &records.unbuilt {
        return Some(super::unbuilt(compiler));
    }
    let sung = if case.base.data.canaries { canaries.listen(&records) } else { Sung::True };
    if let Sung::False(why) = sung {
        return Some(Fall::new(VerdictStatus::Tampered, why));
    }
    if let Some(why) = ran.incomplete().or(records.incomplete()) {
        let reason = format!("the suite did not run to its end: {why}");
        return Some(Fall::new(VerdictStatus::Incomplete, reason));
    }
    // A file that cannot be loaded any more takes our tests with it, and its own: those are missed by the caller.
    let unloaded = case.base.settings.command.foreign().is_some()
        && records.broken.iter().any(|broken| !case.base.data.broken.contains(broken));
    if unloaded {
        return None;
    }
    let left_out = "tests of ours were left out of the run";
    (sung == Sung::Missing).then(|| Fall::new(VerdictStatus::Tampered, left_out))
}

/// Both runs as one: what failed in either failed, what is missing in either is missing.
fn worse(mut one: StepRecords, mut two: StepRecords) -> StepRecords {
    for (id, test) in &mut one.tests {
        let Some(other) = two.tests.remove(id) else {
            test.outcome = None;
            continue;
        };
        test.starts = test.starts.max(other.starts);
        test.finished &= other.finished;
        if other.outcome.is_none() || other.outcome > test.outcome.filter(|_| test.finished) {
            test.outcome = other.outcome;
            test.failure = other.failure;
        }
    }
    if one.broken.is_empty() {
        one.broken = two.broken;
    }
    one
}

/// It passes, and was not run more often than at the base.
fn still_passes(base: &Prepared, records: &StepRecords, id: &str) -> bool {
    let starts = |n: Option<u32>| n.unwrap_or_default();
    let before = starts(base.data.tests.get(id).map(|test| test.starts));
    let after = starts(records.tests.get(id).map(|test| test.starts));
    records.outcome(id) == Some(Outcome::Passed) && after <= before
}
