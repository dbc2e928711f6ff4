//! The candidate's own tests: run apart and told apart. A patch is not believed for what it says of itself.

use prunella_engine::EffectError;

use super::judgement::word;
use super::{ALONE, Case, SeenTest, Side};
use crate::world::tests::Tester;

/// Most files of the candidate's tests that are run.
const MAX_FILES: usize = 20;
/// Most tests that are told.
const MAX_TOLD: usize = 500;

impl Tester {
    /// Runs the test modules that the patch brings, each in a process of its own, in a sandbox of their own.
    pub(super) fn own_tests(&self, case: &Case<'_>) -> Result<Vec<SeenTest>, EffectError> {
        if case.own.is_empty() {
            return Ok(Vec::new());
        }
        let own: Vec<_> = case.own.iter().take(MAX_FILES).cloned().collect();
        let steps = own.iter().map(|(path, _)| case.base.one_file(path, None, ALONE)).collect();
        let ran = self.over_with(case, Side::Candidate, steps, own.clone(), 0)?;
        let mut out = Vec::new();
        let seen = |id: &str, after: &str| SeenTest {
            id: id.to_owned(),
            role: "own".to_owned(),
            before: String::new(),
            after: after.to_owned(),
        };
        for (i, (path, _)) in own.iter().enumerate() {
            let step = ran.steps.step(i);
            if step.tests.is_empty() || !step.broken.is_empty() {
                out.push(seen(path, "not collected"));
            }
            let whole = step.incomplete().is_none();
            for id in step.tests.keys() {
                let after = step.outcome(id).filter(|_| whole).map_or("missing", word);
                out.push(seen(id, after));
            }
        }
        out.truncate(MAX_TOLD);
        Ok(out)
    }
}
