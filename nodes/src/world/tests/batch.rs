//! Many candidates against one test: one start of the sandbox and of the runner, one forked process a candidate.

use std::collections::BTreeSet;
use std::time::Duration;

use prunella_engine::EffectError;
use serde_json::{Value, json};

use super::Tester;
use super::baseline::Prepared;
use super::jobs::{Ran, Start, Step};
use super::probe::outcome;
use super::workers::workers;
use crate::effects::ProbeOutcome;
use crate::types::Reproduction;
use crate::world::git::FileEdit;

/// Most candidates of one start of the sandbox.
const CHUNK: usize = 150;
/// Most starts at once.
const MAX_WORKERS: usize = 4;

/// Candidates and the test that they are to pass.
#[derive(Debug, Clone, Default)]
pub struct BatchRequest {
    /// The base commit.
    pub commit: String,
    /// The test command, when the user gave one.
    pub command: Option<Vec<String>>,
    /// The test that must pass.
    pub reproduction: Reproduction,
    /// Each candidate as the files it changes: new content, or nothing for a deletion.
    pub candidates: Vec<Vec<FileEdit>>,
    /// How long the test may take with one candidate.
    pub per_candidate_limit: Duration,
}

/// What became of one candidate of a batch.
pub(super) struct Tried {
    pub(super) outcome: ProbeOutcome,
    /// Whether it came to that by itself: the run is whole, and no other candidate left anything behind for it.
    pub(super) sure: bool,
}

impl Tester {
    /// Runs the reproduction, and nothing else, with each candidate: one outcome each, in order.
    ///
    /// It says who is worth judging, not who is right: candidates of one batch share a sandbox.
    ///
    /// # Errors
    /// As [`Tester::baseline`].
    pub fn batch(&self, request: &BatchRequest) -> Result<Vec<ProbeOutcome>, EffectError> {
        Ok(self.try_all(request)?.into_iter().map(|tried| tried.outcome).collect())
    }

    /// [`Self::batch`], with how far each outcome can be trusted.
    pub(super) fn try_all(&self, request: &BatchRequest) -> Result<Vec<Tried>, EffectError> {
        let base = self.prepare(&request.commit, request.command.as_deref())?;
        let reproduction = &request.reproduction;
        let generated = (!reproduction.source.is_empty())
            .then(|| (reproduction.path.0.clone(), Value::String(reproduction.source.clone())));
        let limit = request.per_candidate_limit.as_secs_f64().clamp(0.1, 600.0);
        let steps: Vec<Step> = request
            .candidates
            .iter()
            .map(|edits| {
                let mut step =
                    base.one_file(&reproduction.path, Some(vec![reproduction.test_id.clone()]), limit);
                step.files = generated.iter().cloned().collect();
                step.files
                    .extend(edits.iter().map(|(path, content)| (path.clone(), encode(content.as_deref()))));
                step
            })
            .collect();
        let mut warm =
            base.one_file(&reproduction.path, Some(vec![reproduction.test_id.clone()]), limit.max(30.0));
        warm.files = generated.into_iter().collect();
        warm.learn = true;
        let laid: BTreeSet<String> =
            steps.iter().flat_map(|step| &step.files).map(|(path, _)| path.clone()).collect();
        // Where each has a sandbox of its own, there is nothing that they share.
        let apart = !self.launcher.forks();
        self.spread(&base, steps, warm, &|ran, number| {
            let step = ran.steps.step(number);
            let mut outcome = outcome(&step, &reproduction.path);
            if let (None, Some(why)) = (&step.done, ran.incomplete()) {
                outcome.problem = why;
            }
            let left = ran.report.changed.iter().all(|change| laid.contains(&change.path));
            let shared = step.done.as_ref().is_none_or(|done| done.shared);
            let sure = step.incomplete().or(step.forged()).is_none() && (apart || (left && !shared));
            Tried { outcome, sure }
        })
    }

    /// Runs steps over the plain base, as many starts at once as there are workers, each after a step that warms.
    /// Gives what `read` makes of each step (of a start, by its number there), in order.
    pub(super) fn spread<T: Send>(
        &self,
        base: &Prepared,
        steps: Vec<Step>,
        warm: Step,
        read: &(dyn Fn(&Ran, usize) -> T + Sync),
    ) -> Result<Vec<T>, EffectError> {
        let workers = workers(1).min(MAX_WORKERS);
        let size = steps.len().div_ceil(workers).clamp(1, CHUNK);
        let chunks: Vec<&[Step]> = steps.chunks(size).collect();
        let mut out = Vec::with_capacity(steps.len());
        for group in chunks.chunks(workers) {
            let ran: Vec<Result<Ran, EffectError>> = std::thread::scope(|scope| {
                let warm = &warm;
                let start = |chunk: &[Step]| Start {
                    tree: &base.tree,
                    settings: &base.settings,
                    edits: Vec::new(),
                    protect: Vec::new(),
                    steps: chunk.to_vec(),
                    seed: 0,
                    // One alone would only run twice.
                    warm: (chunk.len() > 1).then(|| warm.clone()),
                };
                let running: Vec<_> = group
                    .iter()
                    .map(|chunk| {
                        let start = start(chunk);
                        scope.spawn(move || self.launcher.run(start))
                    })
                    .collect();
                running
                    .into_iter()
                    .map(|thread| {
                        thread.join().unwrap_or_else(|_| {
                            Err(EffectError::new("tests.batch", 1, "a thread that runs candidates broke"))
                        })
                    })
                    .collect()
            });
            for (ran, chunk) in ran.into_iter().zip(group) {
                let ran = ran?;
                out.extend((0..chunk.len()).map(|number| read(&ran, number)));
            }
        }
        Ok(out)
    }
}

/// Content as the plan holds it: text, or hex where it is no text.
pub(super) fn encode(content: Option<&[u8]>) -> Value {
    match content.map(std::str::from_utf8) {
        None => Value::Null,
        Some(Ok(text)) => Value::String(text.to_owned()),
        Some(Err(_)) => {
            let hex: String = content.unwrap_or_default().iter().map(|b| format!("{b:02x}")).collect();
            json!({"hex": hex})
        }
    }
}
