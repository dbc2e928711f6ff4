//! Which of a few candidates break a test that passed: a quick look before one of them is judged.

use prunella_engine::EffectError;

use super::Tester;
use super::batch::encode;
use super::jobs::Step;
use super::records::Outcome;
use crate::world::git::FileEdit;

/// A suite that takes longer at the base, in seconds, is left to the judge.
const QUICK: f64 = 6.0;

impl Tester {
    /// How many tests that pass at `commit` do not with each candidate's edits; nothing where the suite is too slow
    /// for a quick look. It says who is worth judging, not who is right.
    ///
    /// # Errors
    /// As [`Tester::baseline`].
    pub fn regressions(
        &self,
        commit: &str,
        command: Option<&[String]>,
        candidates: &[Vec<FileEdit>],
    ) -> Result<Vec<Option<u64>>, EffectError> {
        let base = self.prepare(commit, command)?;
        if base.data.seconds > QUICK || candidates.is_empty() {
            return Ok(vec![None; candidates.len()]);
        }
        let limit = base.data.seconds.mul_add(5.0, 10.0);
        let steps: Vec<Step> = candidates
            .iter()
            .map(|edits| {
                let mut step = base.suite(Vec::new(), limit, 0);
                step.files =
                    edits.iter().map(|(path, text)| (path.clone(), encode(text.as_deref()))).collect();
                step
            })
            .collect();
        let mut warm = base.suite(Vec::new(), limit, 0);
        warm.learn = true;
        self.spread(&base, steps, warm, &|ran, number| {
            let records = ran.steps.step(number);
            let lost = base.having(Outcome::Passed).filter(|id| records.outcome(id) != Some(Outcome::Passed));
            Some(lost.count() as u64)
        })
    }
}
