//! Candidates tried by the repository's own runner: what joins the playbook's search to the tester.

use std::time::Duration;

use prunella_engine::EffectError;

use super::git::FileEdit;
use super::search::{Trial, TrialOutcome};
use super::tests::{BatchRequest, Tester};
use crate::types::Reproduction;

/// How long the reproduction may take with one candidate: one that hangs costs no more than this.
const PATIENCE: Duration = Duration::from_secs(10);

/// Trials in a tester's sandbox, with the user's test command.
pub struct TesterTrial<'a> {
    /// Runs them.
    pub tester: &'a Tester,
    /// The test command, when the user gave one.
    pub command: Option<Vec<String>>,
}

impl Trial for TesterTrial<'_> {
    fn try_all(
        &self,
        commit: &str,
        reproduction: &Reproduction,
        candidates: &[Vec<FileEdit>],
    ) -> Result<Vec<TrialOutcome>, EffectError> {
        let outcomes = self.tester.batch(&BatchRequest {
            commit: commit.to_owned(),
            command: self.command.clone(),
            reproduction: reproduction.clone(),
            candidates: candidates.to_vec(),
            per_candidate_limit: PATIENCE,
        })?;
        let outcome = |one: crate::effects::ProbeOutcome| TrialOutcome {
            passed: one.passed,
            failure: one.failed,
            problem: one.problem,
        };
        Ok(outcomes.into_iter().map(outcome).collect())
    }

    fn regressions(
        &self,
        commit: &str,
        candidates: &[Vec<FileEdit>],
    ) -> Result<Vec<Option<u64>>, EffectError> {
        self.tester.regressions(commit, self.command.as_deref(), candidates)
    }
}
