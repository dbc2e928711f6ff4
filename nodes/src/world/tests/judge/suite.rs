//! The whole suite with the candidate, canaries among it.

use prunella_engine::EffectError;

use super::{Case, Fall, Target, count, describe, meddled};
use crate::types::{Verdict, VerdictStatus};
use crate::world::tests::Tester;
use crate::world::tests::canary::Sung;
use crate::world::tests::jobs::isolation_word;
use crate::world::tests::records::{Outcome, StepRecords};

/// Regressions that are tried again at the base, to tell a flaky test from a broken one.
const MAX_AGAIN: usize = 200;

/// What the suite showed.
pub(super) struct Suite {
    /// Tests that passed before and still do.
    pub(super) kept: u64,
    /// Whether tests of ours were reported truly.
    pub(super) canaries: bool,
    /// Why it is no fix, when tests that passed do not any more.
    pub(super) regressed: Option<Fall>,
    /// All records.
    records: StepRecords,
}

/// Tests that a patch turns green, and the run that showed it.
pub(super) type TurnedGreen = (Vec<Target>, Option<Suite>);

impl Tester {
    /// Runs the suite with the candidate; fills `after`, `regressions`, `flaky`.
    pub(super) fn suite(
        &self,
        case: &Case<'_>,
        verdict: &mut Verdict,
    ) -> Result<Result<Suite, Fall>, EffectError> {
        let base = case.base;
        let canaries = base.canaries(&|path| self.content(case, path));
        let limit = base.data.seconds.mul_add(5.0, 60.0);
        let mut step = base.suite(canaries.extra(), limit);
        if let Some((path, _)) = &case.ours {
            step.extra.push(path.clone());
        }
        let ran = self.over_with(case, true, vec![step], canaries.edits())?;
        let records = ran.steps.step(0);
        verdict.isolation = isolation_word(&ran.report.isolation);
        if verdict.isolation == "none" {
            let reason = "it ran without isolation: what unguarded tests say is no evidence";
            return Ok(Err(Fall::new(VerdictStatus::NoEvidence, reason)));
        }
        verdict.after = count(base, |id| records.outcome(id));
        if let Some(fall) = meddled(case, &ran, &records) {
            return Ok(Err(fall));
        }
        if let Some(compiler) = &records.unbuilt {
            return Ok(Err(super::unbuilt(compiler)));
        }
        let sung = if base.data.canaries { canaries.listen(&records) } else { Sung::True };
        if let Sung::False(why) = sung {
            return Ok(Err(Fall::new(VerdictStatus::Tampered, why)));
        }
        if let Some(why) = ran.incomplete().or(records.incomplete()) {
            return Ok(Err(Fall::new(
                VerdictStatus::Incomplete,
                format!("the suite did not run to its end: {why}"),
            )));
        }
        // A file that cannot be loaded any more takes our tests with it, and its own: those are missed below.
        let unloaded = base.settings.command.foreign().is_some()
            && records.broken.iter().any(|broken| !base.data.broken.contains(broken));
        if sung == Sung::Missing && !unloaded {
            return Ok(Err(Fall::new(VerdictStatus::Tampered, "tests of ours were left out of the run")));
        }
        let lost: Vec<String> = base
            .having(Outcome::Passed)
            .filter(|id| !still_passes(base, &records, id))
            .map(str::to_owned)
            .collect();
        let flaky = self.flaky_among(case, &lost)?;
        let kept = base.having(Outcome::Passed).count() - lost.len();
        let (aside, lost): (Vec<String>, Vec<String>) = lost.into_iter().partition(|id| flaky.contains(id));
        verdict.flaky.extend(aside);
        verdict.flaky.sort();
        let regressed = lost.first().map(|first| {
            let reason = format!(
                "{} that passed before {} not any more, first {first}: {}",
                if lost.len() == 1 { "a test".to_owned() } else { format!("{} tests", lost.len()) },
                if lost.len() == 1 { "does" } else { "do" },
                describe(&records, first)
            );
            let mut fall = Fall::new(VerdictStatus::Regressed, reason).showing(first, records.failure(first));
            if records.outcome(first).is_none()
                && let Some((path, failure)) = super::broken(&records)
            {
                fall = fall.showing(&path, Some(&failure));
            }
            fall
        });
        verdict.regressions = lost;
        Ok(Ok(Suite { kept: kept as u64, canaries: base.data.canaries, regressed, records }))
    }

    /// Tests of `lost` that do not pass at the base either when they are run again.
    fn flaky_among(&self, case: &Case<'_>, lost: &[String]) -> Result<Vec<String>, EffectError> {
        if lost.is_empty() || lost.len() > MAX_AGAIN {
            return Ok(Vec::new());
        }
        let mut step = case.base.suite(Vec::new(), case.base.data.seconds.mul_add(5.0, 60.0));
        step.ids = Some(lost.to_vec());
        let ran = self.over(case, false, vec![step])?;
        let records = ran.steps.step(0);
        if ran.incomplete().or(records.incomplete()).is_some() {
            return Ok(Vec::new());
        }
        Ok(lost
            .iter()
            .filter(|id| records.outcome(id).is_some_and(|o| o != Outcome::Passed))
            .cloned()
            .collect())
    }

    /// Without a reproduction: the suite, and the tests that it turns from red to green.
    pub(super) fn turned_green(
        &self,
        case: &Case<'_>,
        verdict: &mut Verdict,
    ) -> Result<Result<TurnedGreen, Fall>, EffectError> {
        let suite = match self.suite(case, verdict)? {
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

/// It passes, and was not run more often than at the base.
fn still_passes(base: &crate::world::tests::baseline::Prepared, records: &StepRecords, id: &str) -> bool {
    let starts = |n: Option<u32>| n.unwrap_or_default();
    let before = starts(base.data.tests.get(id).map(|test| test.starts));
    let after = starts(records.tests.get(id).map(|test| test.starts));
    records.outcome(id) == Some(Outcome::Passed) && after <= before
}
