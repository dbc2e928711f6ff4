//! Tries tests that are not in the repository: each file on its own, at the base commit.

use prunella_engine::EffectError;
use serde_json::Value;

use super::Tester;
use super::baseline::{Prepared, failed_test};
use super::jobs::{Ran, Start, Step};
use super::records::{Outcome, StepRecords};
use crate::effects::{ProbeOutcome, ProbeRequest, ProbeResponse};
use crate::gate;

/// Seconds that one file may take.
const LIMIT: f64 = 60.0;
/// Most files of a request.
const MAX_FILES: usize = 200;

impl Tester {
    /// Runs tests that are not in the repository, each file on its own, at the base commit.
    ///
    /// # Errors
    /// Exit 2 for a path outside the tree or one that the base commit has; else as [`Tester::baseline`].
    pub fn probe(&self, request: &ProbeRequest) -> Result<ProbeResponse, EffectError> {
        let base = self.prepare(&request.commit, request.command.as_deref())?;
        if let Some(foreign) = base.settings.command.foreign() {
            // A generated test is Python's; where another runner is at work it proves nothing.
            let name = foreign.tool.name();
            let problem =
                format!("a generated test needs pytest or unittest, and the tests here are run by {name}");
            let outcome = ProbeOutcome { passed: false, failed: None, problem };
            return Ok(ProbeResponse { outcomes: vec![outcome; request.files.len()] });
        }
        let mut steps = Vec::new();
        for file in request.files.iter().take(MAX_FILES) {
            let bad = gate::check_path(&file.path).err().map(|refusal| refusal.reason);
            let taken = base
                .files
                .contains(&*file.path)
                .then(|| format!("{} is in the repository already", file.path));
            if let Some(why) = bad.or(taken) {
                return Err(EffectError::new("tests.probe", 2, why));
            }
            let mut step = base.one_file(&file.path, None, LIMIT);
            step.files = vec![(file.path.0.clone(), Value::String(file.source.clone()))];
            steps.push(step);
        }
        let ran = self.start(&base, steps)?;
        let paths: Vec<&str> = request.files.iter().map(|file| &*file.path).collect();
        Ok(ProbeResponse { outcomes: outcomes(&ran, &paths) })
    }

    /// Starts steps over the plain base commit.
    fn start(&self, base: &Prepared, steps: Vec<Step>) -> Result<Ran, EffectError> {
        self.launcher.run(Start {
            tree: &base.tree,
            settings: &base.settings,
            edits: Vec::new(),
            protect: Vec::new(),
            steps,
            seed: 0,
            warm: None,
        })
    }
}

/// One outcome a step; `paths` are the files of the tests.
fn outcomes(ran: &Ran, paths: &[&str]) -> Vec<ProbeOutcome> {
    let whole = ran.incomplete();
    paths
        .iter()
        .enumerate()
        .map(|(i, path)| {
            let step = ran.steps.step(i);
            let mut outcome = outcome(&step, path);
            if step.done.is_none()
                && let Some(why) = &whole
            {
                outcome.problem = why.clone();
            }
            outcome
        })
        .collect()
}

/// What became of the tests of one step.
pub(super) fn outcome(step: &StepRecords, path: &str) -> ProbeOutcome {
    let failed =
        step.tests.iter().find(|(id, _)| step.outcome(id) == Some(Outcome::Failed)).map(|(id, test)| {
            failed_test(id, if test.path.is_empty() { path } else { &test.path }, test.failure.as_ref())
        });
    let ran = step.tests.keys().filter(|id| step.outcome(id).is_some()).count();
    let all_passed = ran > 0 && step.tests.keys().all(|id| step.outcome(id) == Some(Outcome::Passed));
    let stopped = step.incomplete().or(step.forged());
    let passed = all_passed && step.broken.is_empty() && stopped.is_none();
    let problem = match (&failed, passed, stopped, step.broken.first()) {
        (Some(_), ..) | (None, true, ..) => String::new(),
        (_, _, Some(why), _) => why,
        (_, _, _, Some(broken)) => broken.why.clone(),
        _ if ran == 0 => "no test was collected".to_owned(),
        _ => "a test was skipped or has no result".to_owned(),
    };
    ProbeOutcome { passed, failed, problem }
}
