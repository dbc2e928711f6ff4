//! The reproduction once more, in its file with a failing end: a run that comes out well all the same was not told by
//! the tests.

use prunella_engine::EffectError;

use super::twins::Seen;
use super::{ALONE, Case, Fall, Side, Target};
use crate::types::VerdictStatus;
use crate::world::tests::Tester;
use crate::world::tests::records::Outcome;
use crate::world::tests::runners::control::sabotaged;

impl Tester {
    /// Runs the control of a runner that is not ours; the twins of ours need a language that is understood.
    pub(super) fn control(
        &self,
        case: &Case<'_>,
        target: &Target,
    ) -> Result<Result<Seen, Fall>, EffectError> {
        let mut seen = Seen::default();
        let text = self.content(case, &target.path).and_then(|bytes| String::from_utf8(bytes).ok());
        let Some(text) = text.and_then(|text| sabotaged(&target.path, &text)) else {
            return Ok(Ok(seen));
        };
        let step = case.base.one_file(&target.path, Some(vec![target.id.clone()]), ALONE);
        let ran = self.over_with(
            case,
            Side::Candidate,
            vec![step],
            vec![(target.path.clone(), Some(text.into_bytes()))],
            0,
        )?;
        let records = ran.steps.step(0);
        let well = records.done.as_ref().is_some_and(|done| done.code == Some(0));
        if well && records.outcome(&target.id) == Some(Outcome::Passed) {
            let reason = format!("{} was reported passed though its file ends in an error", target.id);
            return Ok(Err(Fall::new(VerdictStatus::Tampered, reason)));
        }
        seen.twins = 1;
        Ok(Ok(seen))
    }

    /// A file as it is with the candidate.
    pub(super) fn content(&self, case: &Case<'_>, path: &str) -> Option<Vec<u8>> {
        match case.laid.iter().find(|(edited, _)| edited == path) {
            Some((_, content)) => content.clone(),
            None => self.repo.read(case.commit, path).ok().flatten(),
        }
    }
}
