//! Many candidates against one test: one start of the sandbox and of the runner, one forked process a candidate.

use std::time::Duration;

use prunella_engine::EffectError;
use serde_json::{Value, json};

use super::Tester;
use super::jobs::{Start, Step};
use super::probe::outcomes;
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

impl Tester {
    /// Runs the reproduction, and nothing else, with each candidate: one outcome each, in order.
    ///
    /// It says who is worth judging, not who is right: candidates of one batch share a sandbox.
    ///
    /// # Errors
    /// As [`Tester::baseline`].
    pub fn batch(&self, request: &BatchRequest) -> Result<Vec<ProbeOutcome>, EffectError> {
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
        let workers = workers(1).min(MAX_WORKERS);
        let size = steps.len().div_ceil(workers).clamp(1, CHUNK);
        let chunks: Vec<&[Step]> = steps.chunks(size).collect();
        let mut out = Vec::with_capacity(steps.len());
        // As many starts at once as there are workers; answers keep the order of the candidates.
        for group in chunks.chunks(workers) {
            let ran: Vec<Result<Vec<ProbeOutcome>, EffectError>> = std::thread::scope(|scope| {
                let (base, warm) = (&base, &warm);
                let running: Vec<_> = group
                    .iter()
                    .map(|chunk| {
                        scope.spawn(move || {
                            let steps = chunk.to_vec();
                            let paths = vec![&*reproduction.path; steps.len()];
                            let ran = self.launcher.run(Start {
                                tree: &base.tree,
                                settings: &base.settings,
                                edits: Vec::new(),
                                protect: Vec::new(),
                                steps,
                                seed: 0,
                                warm: Some(warm.clone()),
                            })?;
                            Ok(outcomes(&ran, &paths))
                        })
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
            for outcomes in ran {
                out.extend(outcomes?);
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
