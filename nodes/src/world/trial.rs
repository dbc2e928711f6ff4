//! Candidates tried by the repository's own runner: what joins the playbook's search to the tester.

use std::cell::Cell;
use std::time::{Duration, Instant};

use prunella_engine::EffectError;

use super::git::FileEdit;
use super::search::{Trial, TrialOutcome};
use super::tests::{BatchRequest, Tester};
use crate::types::Reproduction;

/// How long the reproduction may take at the base, where nothing is known of it yet.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a candidate is given at least, and at most: one that hangs costs no more than this.
const BOUNDS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));

/// Trials in a tester's sandbox, with the user's test command.
pub struct TesterTrial<'a> {
    /// Runs them.
    pub tester: &'a Tester,
    /// The test command, when the user gave one.
    pub command: Option<Vec<String>>,
    /// What one candidate is given, once the base was tried.
    pub patience: Cell<Option<Duration>>,
}

impl Trial for TesterTrial<'_> {
    fn try_all(
        &self,
        commit: &str,
        reproduction: &Reproduction,
        candidates: &[Vec<FileEdit>],
    ) -> Result<Vec<TrialOutcome>, EffectError> {
        let started = Instant::now();
        let outcomes = self.tester.batch(&BatchRequest {
            commit: commit.to_owned(),
            command: self.command.clone(),
            reproduction: reproduction.clone(),
            candidates: candidates.to_vec(),
            per_candidate_limit: self.patience.get().unwrap_or(PATIENCE),
        })?;
        if self.patience.get().is_none() {
            // The start of the sandbox is in it, so it is generous already.
            let hung = outcomes.iter().all(|one| !one.passed && one.failed.is_none());
            let took = if hung { BOUNDS.0 } else { started.elapsed() };
            self.patience.set(Some(took.clamp(BOUNDS.0, BOUNDS.1)));
        }
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
