//! Judges a candidate: gate, base, reproduction before and after, twins, the whole suite with canaries, verdict.
//!
//! Order of the words, the first that fits: `tampered`, `no_evidence`, `incomplete`, `not_fixed`, `regressed`, `fixed`.

mod change;
mod control;
mod lesson;
mod suite;
mod twins;

use std::collections::BTreeSet;

use prunella_engine::EffectError;
use prunella_engine::blob::Blobs;
use prunella_sandbox::Edit;

use super::baseline::{Prepared, protected};
use super::evidence::{Evidence, weigh};
use super::jobs::{Ran, Start, Step, isolation_word};
use super::records::{Failure, Outcome, StepRecords};
use super::{Tester, apply_parsed};
use crate::effects::JudgeRequest;
use crate::gate::{self, FilePatch, Refusal};
use crate::types::{Counts, Reproduction, ReproductionKind, Verdict, VerdictStatus};
use crate::world::git::FileEdit;

/// Seconds that the reproduction may take by itself.
const ALONE: f64 = 60.0;
/// Tests that a patch turns green which are looked at one by one.
const MAX_TARGETS: usize = 3;

/// A test that must turn from red to green.
#[derive(Debug, Clone)]
struct Target {
    id: String,
    path: String,
    /// The content, when it is not in the repository.
    source: Option<String>,
    /// The exception it must fail with at the base; empty for any.
    exception: String,
}

/// A candidate as it is judged.
struct Case<'a> {
    base: &'a Prepared,
    commit: &'a str,
    patches: Vec<FilePatch>,
    edits: Vec<FileEdit>,
    /// A generated reproduction, laid over both sides.
    ours: Option<FileEdit>,
    protect: Vec<String>,
}

/// Why it is not `fixed`.
struct Fall {
    status: VerdictStatus,
    reason: String,
    /// The test that shows it.
    failing: Option<(String, Option<Failure>)>,
}

impl Fall {
    fn new(status: VerdictStatus, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), failing: None }
    }

    fn showing(mut self, id: &str, failure: Option<&Failure>) -> Self {
        self.failing = Some((id.to_owned(), failure.cloned()));
        self
    }
}

impl Tester {
    /// Judges a candidate. A refusal by the gate, a candidate that breaks off or cheats: all are verdicts.
    ///
    /// # Errors
    /// When the base cannot be judged by: exit 15, 31, 2 as [`Tester::baseline`]; 6 when the diff is not stored.
    pub fn judge(&self, request: &JudgeRequest, blobs: &dyn Blobs) -> Result<Verdict, EffectError> {
        let diff = blobs
            .get(&request.diff)
            .map_err(|e| EffectError::new("tests.diff", super::STORE, e.to_string()))?;
        self.verdict(
            &request.commit,
            request.command.as_deref(),
            &String::from_utf8_lossy(&diff),
            request.reproduction.as_ref().filter(|r| r.kind != ReproductionKind::None),
            request.alternatives,
        )
    }

    /// Judges somebody's patch without a reproduction: by the repository's own tests that fail at `commit` and pass
    /// with it. Where it turns none green there is no evidence.
    ///
    /// # Errors
    /// As [`Tester::judge`].
    pub fn judge_patch(
        &self,
        commit: &str,
        command: Option<&[String]>,
        diff: &str,
    ) -> Result<Verdict, EffectError> {
        self.verdict(commit, command, diff, None, 0)
    }

    fn verdict(
        &self,
        commit: &str,
        command: Option<&[String]>,
        diff: &str,
        reproduction: Option<&Reproduction>,
        alternatives: u64,
    ) -> Result<Verdict, EffectError> {
        let base = self.prepare(commit, command)?;
        let mut verdict = Verdict {
            before: count(&base, |id| base.data.tests.get(id).and_then(|test| test.outcome)),
            flaky: base.flaky(),
            command: base.words(),
            isolation: base.data.isolation.clone(),
            base_tree: base.tree_id.clone(),
            reproduction_before: "not run".to_owned(),
            reproduction_after: "not run".to_owned(),
            ..Verdict::default()
        };
        let fall = match self.admit(&base, commit, diff, reproduction) {
            Ok(case) => {
                let laid: Vec<FileEdit> = case.edits.iter().chain(&case.ours).cloned().collect();
                verdict.candidate_tree = self.repo.tree_with(commit, &laid)?;
                match self.try_out(&case, reproduction, alternatives, &mut verdict)? {
                    Ok(seen) => {
                        (verdict.confidence, verdict.evidence) = weigh(&seen);
                        verdict.status = VerdictStatus::Fixed;
                        verdict.fixed = true;
                        verdict.reason =
                            "the reproduction failed before and passes now, and all that passed still does"
                                .to_owned();
                        return Ok(verdict);
                    }
                    Err(fall) => fall,
                }
            }
            Err(refusal) => refused(&refusal),
        };
        verdict.status = fall.status;
        verdict.lessons = vec![lesson::lesson(&fall, diff, &verdict.regressions)];
        verdict.reason = fall.reason;
        Ok(verdict)
    }

    /// The gate.
    fn admit<'a>(
        &self,
        base: &'a Prepared,
        commit: &'a str,
        diff: &str,
        reproduction: Option<&Reproduction>,
    ) -> Result<Case<'a>, Refusal> {
        let patches = gate::parse(diff)?;
        let mut tests = base.test_files();
        tests.extend(reproduction.map(|r| r.path.0.clone()));
        let known = gate::Base {
            files: base.files.clone(),
            tests: tests.clone(),
            roots: base
                .settings
                .pythonpath
                .iter()
                .filter(|p| !p.starts_with('/'))
                .cloned()
                .chain([String::new()])
                .collect(),
            reserved: base.settings.interpreter.facts.stdlib.iter().cloned().collect(),
        };
        gate::check(&patches, &known, |path| self.repo.read(commit, path).ok().flatten())?;
        let edits = apply_parsed(&self.repo, commit, &patches)?;
        gate::check_rust(&edits, |path| self.repo.read(commit, path).ok().flatten())?;
        let ours = reproduction
            .filter(|r| !r.source.is_empty())
            .map(|r| (r.path.0.clone(), Some(r.source.clone().into_bytes())));
        let mut protect = protected(&base.files, &tests);
        protect.extend(ours.iter().map(|(path, _)| path.clone()));
        let touched: BTreeSet<&str> = edits.iter().map(|(path, _)| path.as_str()).collect();
        protect.retain(|path| !touched.contains(path.as_str()));
        protect.sort();
        protect.dedup();
        Ok(Case { base, commit, patches, edits, ours, protect })
    }

    fn try_out(
        &self,
        case: &Case<'_>,
        reproduction: Option<&Reproduction>,
        alternatives: u64,
        verdict: &mut Verdict,
    ) -> Result<Result<Evidence, Fall>, EffectError> {
        if case
            .edits
            .iter()
            .all(|(path, content)| self.repo.read(case.commit, path).ok().flatten() == *content)
        {
            return Ok(Err(Fall::new(VerdictStatus::NotFixed, "the patch changes nothing")));
        }
        let (targets, green) = match reproduction {
            Some(reproduction) => {
                let target = Target {
                    id: reproduction.test_id.clone(),
                    path: reproduction.path.0.clone(),
                    source: (!reproduction.source.is_empty()).then(|| reproduction.source.clone()),
                    exception: reproduction.exception.clone(),
                };
                (vec![target], None)
            }
            None => match self.turned_green(case, verdict)? {
                Ok(found) => found,
                Err(fall) => return Ok(Err(fall)),
            },
        };
        let mut twins = 0;
        let mut lines = None;
        for target in &targets {
            match self.red_then_green(case, target, verdict)? {
                Ok(seen) => {
                    twins += seen.twins;
                    lines = lines.or(seen.lines);
                }
                Err(fall) => return Ok(Err(fall)),
            }
        }
        let suite = match green {
            Some(suite) => suite,
            None => match self.suite(case, verdict)? {
                Ok(suite) => suite,
                Err(fall) => return Ok(Err(fall)),
            },
        };
        if let Some(fall) = suite.regressed {
            return Ok(Err(fall));
        }
        Ok(Ok(Evidence {
            reproduction: reproduction.map(|r| r.kind),
            isolation: verdict.isolation.clone(),
            lines,
            alternatives,
            kept: suite.kept,
            flags: gate::flags(&case.patches),
            canaries: suite.canaries,
            twins,
            flaky: verdict.flaky.len(),
            not_runnable: case.base.data.broken.len(),
            own_report: case.base.settings.command.foreign().is_some(),
        }))
    }

    /// The target fails at the base as it must, passes with the candidate in a process of its own, and its twins fail.
    fn red_then_green(
        &self,
        case: &Case<'_>,
        target: &Target,
        verdict: &mut Verdict,
    ) -> Result<Result<twins::Seen, Fall>, EffectError> {
        let step = || case.base.one_file(&target.path, Some(vec![target.id.clone()]), ALONE);
        let (before, after) = std::thread::scope(|scope| {
            let before = scope.spawn(|| self.over(case, false, vec![step()]));
            let after = self.over(case, true, vec![step()]);
            (join(before), after)
        });
        let (before, after) = (before?, after?);
        let (red, green) = (before.steps.step(0), after.steps.step(0));
        verdict.reproduction_before = describe(&red, &target.id);
        verdict.reproduction_after = describe(&green, &target.id);
        verdict.isolation = isolation_word(&after.report.isolation);
        if verdict.isolation == "none" {
            let reason = "it ran without isolation: what unguarded tests say is no evidence";
            return Ok(Err(Fall::new(VerdictStatus::NoEvidence, reason)));
        }
        if let Some(fall) = wrong_red(&before, &red, target) {
            return Ok(Err(fall));
        }
        if let Some(fall) = meddled(case, &after, &green) {
            return Ok(Err(fall));
        }
        if let Some(compiler) = &green.unbuilt {
            return Ok(Err(unbuilt(compiler)));
        }
        match green.outcome(&target.id) {
            Some(Outcome::Passed) => {}
            Some(outcome) => {
                let what = if outcome == Outcome::Skipped { "is skipped" } else { "still fails" };
                let fall = Fall::new(
                    VerdictStatus::NotFixed,
                    format!("the reproduction {what}: {}", verdict.reproduction_after),
                );
                return Ok(Err(fall.showing(&target.id, green.failure(&target.id))));
            }
            None if green.done.as_ref().is_some_and(|done| done.late) => {
                return Ok(Err(Fall::new(
                    VerdictStatus::NotFixed,
                    format!("the reproduction does not end within {ALONE} s"),
                )));
            }
            None => {
                let fall = match broken(&green) {
                    // It does not even import any more: an honest failure, if the runner came to its end.
                    Some((path, failure)) if green.incomplete().is_none() => Fall::new(
                        VerdictStatus::NotFixed,
                        format!("{path} cannot be imported with the patch: {}", failure.message),
                    )
                    .showing(&path, Some(&failure)),
                    _ => {
                        let why = after
                            .incomplete()
                            .or(green.incomplete())
                            .unwrap_or_else(|| "the reproduction has no result".to_owned());
                        Fall::new(
                            VerdictStatus::Incomplete,
                            format!("the reproduction did not run to its end: {why}"),
                        )
                    }
                };
                return Ok(Err(fall));
            }
        }
        if let Some(why) = after.incomplete().or(green.incomplete()) {
            return Ok(Err(Fall::new(
                VerdictStatus::Incomplete,
                format!("the reproduction passed, but {why}"),
            )));
        }
        self.twins(case, target)
    }

    /// Runs steps over the base, with the reproduction of ours, and with the candidate or without.
    fn over(&self, case: &Case<'_>, candidate: bool, steps: Vec<Step>) -> Result<Ran, EffectError> {
        self.over_with(case, candidate, steps, Vec::new())
    }

    /// [`Self::over`] with more files of ours.
    fn over_with(
        &self,
        case: &Case<'_>,
        candidate: bool,
        steps: Vec<Step>,
        more: Vec<FileEdit>,
    ) -> Result<Ran, EffectError> {
        let mut edits: Vec<Edit> = Vec::new();
        if candidate {
            edits.extend(self.sandbox_edits(case.commit, &case.edits));
        }
        let ours: Vec<FileEdit> = case.ours.iter().cloned().chain(more).collect();
        // Ours may lie over the candidate's own file.
        edits.retain(|edit| ours.iter().all(|(path, _)| *path != edit.path));
        edits.extend(self.sandbox_edits(case.commit, &ours));
        let mut protect = case.protect.clone();
        protect.extend(ours.into_iter().map(|(path, _)| path));
        protect.sort();
        protect.dedup();
        self.launcher.run(Start {
            tree: &case.base.tree,
            settings: &case.base.settings,
            edits,
            protect,
            steps,
            seed: 0,
            warm: None,
        })
    }
}

fn join<T>(thread: std::thread::ScopedJoinHandle<'_, Result<T, EffectError>>) -> Result<T, EffectError> {
    thread
        .join()
        .unwrap_or_else(|_| Err(EffectError::new("tests.thread", 1, "a thread that runs tests broke")))
}

/// A refusal as a verdict.
fn refused(refusal: &Refusal) -> Fall {
    let status = if refusal.tampering() { VerdictStatus::Tampered } else { VerdictStatus::NotFixed };
    Fall::new(status, format!("refused before it ran: {}", refusal.reason))
}

/// Why what happened at the base is no ground to judge on.
fn wrong_red(ran: &Ran, step: &StepRecords, target: &Target) -> Option<Fall> {
    let none = |reason: String| Some(Fall::new(VerdictStatus::NoEvidence, reason));
    let what = describe(step, &target.id);
    match step.outcome(&target.id) {
        Some(Outcome::Failed) => {
            let failure = step.failure(&target.id).cloned().unwrap_or_default();
            if same_exception(&failure.exception, &target.exception) {
                None
            } else {
                none(format!(
                    "at the base the reproduction fails otherwise than the incident: {what}, not {}",
                    target.exception
                ))
            }
        }
        Some(_) => none(format!("the reproduction does not fail at the base: {what}")),
        None => {
            let why =
                ran.incomplete().or(step.incomplete()).or_else(|| step.broken.first().map(|b| b.why.clone()));
            none(format!("the reproduction cannot be run at the base: {}", why.unwrap_or(what)))
        }
    }
}

/// The same exception, whether its module is written out or not.
fn same_exception(seen: &str, expected: &str) -> bool {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    expected.is_empty() || seen == expected || last(seen) == last(expected)
}

/// Signs that the run was meddled with: forged records, or protected files that differ at its end.
fn meddled(case: &Case<'_>, ran: &Ran, step: &StepRecords) -> Option<Fall> {
    if let Some(why) = step.forged() {
        return Some(Fall::new(VerdictStatus::Tampered, why));
    }
    let protect: BTreeSet<&str> = case.protect.iter().map(String::as_str).collect();
    let changed = ran.report.changed.iter().find(|change| protect.contains(change.path.as_str()))?;
    let reason = format!("{} was {} while the tests ran", changed.path, changed.how);
    Some(Fall::new(VerdictStatus::Tampered, reason))
}

/// The first module that could not be collected, as a failure.
fn broken(step: &StepRecords) -> Option<(String, Failure)> {
    let broken = step.broken.first()?;
    let failure = Failure { message: broken.why.clone(), ..Failure::default() };
    Some((broken.path.clone(), failure))
}

/// A patch that the compiler refuses.
fn unbuilt(compiler: &str) -> Fall {
    let first = compiler.lines().next().unwrap_or_default();
    let failure =
        Failure { exception: "the compiler".to_owned(), message: compiler.to_owned(), frames: Vec::new() };
    Fall::new(VerdictStatus::NotFixed, format!("it does not build with the patch: {first}"))
        .showing("the build", Some(&failure))
}

/// An outcome in words: `passed`, `failed (KeyError: 'a')`, `skipped`, `missing`.
fn describe(step: &StepRecords, id: &str) -> String {
    match step.outcome(id) {
        Some(Outcome::Passed) => "passed".to_owned(),
        Some(Outcome::Skipped) => "skipped".to_owned(),
        Some(Outcome::Failed) => {
            let failure = step.failure(id).cloned().unwrap_or_default();
            let message: String =
                failure.message.lines().next().unwrap_or_default().chars().take(160).collect();
            format!("failed ({}: {message})", failure.exception)
        }
        None => "missing".to_owned(),
    }
}

/// The base's tests by what became of them.
fn count(base: &Prepared, outcome: impl Fn(&str) -> Option<Outcome>) -> Counts {
    let mut counts = Counts::default();
    for (id, test) in &base.data.tests {
        // Set aside: neither run of it means anything.
        if test.outcome.is_none() {
            continue;
        }
        match outcome(id) {
            Some(Outcome::Passed) => counts.passed += 1,
            Some(Outcome::Failed) => counts.failed += 1,
            Some(Outcome::Skipped) => counts.skipped += 1,
            None => counts.missing += 1,
        }
    }
    counts
}
