//! Judges a candidate: gate, formatter, the decisive tests before and after, twins and mutants of them, the whole
//! suite twice with canaries, verdict.
//!
//! Order of the words, the first that fits: `tampered`, `no_evidence`, `incomplete`, `not_fixed`, `regressed`, `fixed`.

mod admit;
mod apart;
mod cache;
mod change;
mod control;
mod decisive;
mod format;
mod judgement;
mod lesson;
mod many;
mod own;
mod suite;
mod twins;
mod wanted;

use std::collections::BTreeSet;
use std::sync::Arc;

use prunella_engine::EffectError;
use prunella_engine::blob::Blobs;
use prunella_engine::types::Diff;
use prunella_sandbox::Edit;
use serde_json::json;

use super::Tester;
use super::baseline::Prepared;
use super::evidence::{Evidence, weigh};
use super::jobs::{Ran, Start, Step};
use super::records::{Failure, Outcome, StepRecords};
use crate::effects::JudgeRequest;
use crate::gate::{FilePatch, Policy, Refusal};
use crate::types::{Counts, Reproduction, ReproductionKind, Verdict, VerdictStatus};
use crate::world::git::FileEdit;

use many::Open;

pub(crate) use apart::Apart;
pub use judgement::{Judgement, SeenTest};
pub use wanted::Wanted;

/// Seconds that the reproduction may take by itself.
const ALONE: f64 = 60.0;
/// Tests that a patch turns green which are looked at one by one, when nobody said which matter.
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
    /// All files that the patch makes: what the candidate's tree is.
    edits: Vec<FileEdit>,
    /// Those of them that tests run with.
    laid: Vec<FileEdit>,
    /// Test modules that the patch brings: run apart, never counted.
    own: Vec<FileEdit>,
    /// What a person should look at, by the gate.
    notes: Vec<String>,
    /// A generated reproduction, laid over both sides.
    ours: Option<FileEdit>,
    protect: Vec<String>,
    wanted: &'a Wanted,
}

/// What is asked of a candidate.
#[derive(Clone, Copy)]
struct Ask<'a> {
    reproduction: Option<&'a Reproduction>,
    alternatives: u64,
    wanted: &'a Wanted,
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

/// What steps run over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Base,
    Candidate,
}

impl Tester {
    /// Judges a candidate. A refusal by the gate, a candidate that breaks off or cheats: all are verdicts.
    ///
    /// # Errors
    /// When the base cannot be judged by: exit 15, 31, 2 as [`Tester::baseline`]; 6 when the diff is not stored.
    pub fn judge(&self, request: &JudgeRequest, blobs: &dyn Blobs) -> Result<Verdict, EffectError> {
        let store =
            |e: prunella_engine::NodeError| EffectError::new("tests.diff", super::STORE, e.to_string());
        let diff = blobs.get(&request.diff).map_err(store)?;
        let ask = Ask {
            reproduction: request.reproduction.as_ref().filter(|r| r.kind != ReproductionKind::None),
            alternatives: request.alternatives,
            wanted: &Wanted::default(),
        };
        let (commit, command) = (&request.commit, request.command.as_deref());
        let mut judged = self.judged(commit, command, &String::from_utf8_lossy(&diff), ask)?;
        if let Some(text) = judged.diff {
            judged.verdict.judged = Some(Diff(blobs.put(text.as_bytes()).map_err(store)?));
        }
        Ok(judged.verdict)
    }

    /// Judges somebody's patch without a reproduction: by the tests that `wanted` names, else by the repository's own
    /// that fail at `commit` and pass with it. Where it turns none green there is no evidence.
    ///
    /// # Errors
    /// As [`Tester::judge`]; exit 2 when `wanted` names a test that the base commit does not have.
    pub fn judge_patch(
        &self,
        commit: &str,
        command: Option<&[String]>,
        diff: &str,
        wanted: &Wanted,
    ) -> Result<Judgement, EffectError> {
        self.judged(commit, command, diff, Ask { reproduction: None, alternatives: 0, wanted })
    }

    fn judged(
        &self,
        commit: &str,
        command: Option<&[String]>,
        diff: &str,
        ask: Ask<'_>,
    ) -> Result<Judgement, EffectError> {
        let policy = self.policy(commit)?;
        let base = self.prepare(commit, command)?;
        ask.wanted.check(&base)?;
        match self.begin(&base, &policy, commit, diff, ask)? {
            Ok(open) => match self.known(&open, ask) {
                Some(known) => Ok(known),
                None => self.finish(&open, ask),
            },
            Err(refused) => Ok(refused),
        }
    }

    /// The gate and the formatter; the inner error is the verdict of a refusal.
    fn begin<'a>(
        &self,
        base: &'a Prepared,
        policy: &Policy,
        commit: &'a str,
        diff: &str,
        ask: Ask<'a>,
    ) -> Result<Result<Open<'a>, Judgement>, EffectError> {
        let mut out = Judgement::new(base, policy);
        let case = match self.admit(base, commit, diff, policy, ask) {
            Ok(case) => case,
            Err(refusal) => {
                out.fall(refused(&refusal), diff);
                return Ok(Err(out));
            }
        };
        let (case, diff) = self.formatted(case, policy, diff, ask, &mut out)?;
        let whole: Vec<FileEdit> = case.edits.iter().chain(&case.ours).cloned().collect();
        out.verdict.candidate_tree = self.repo.tree_with(commit, &whole)?;
        let key = out.key(&case, ask);
        Ok(Ok(Open { case, out, diff, key }))
    }

    /// The verdict of an earlier time, unless the tests are to run again.
    fn known(&self, open: &Open<'_>, ask: Ask<'_>) -> Option<Judgement> {
        let known = if ask.wanted.fresh { None } else { self.recall(&open.key) };
        known.map(|known| known.about(&open.diff))
    }

    /// The verdict of a candidate that the gate let through, found out.
    fn finish(&self, open: &Open<'_>, ask: Ask<'_>) -> Result<Judgement, EffectError> {
        let Open { case, diff, key, .. } = open;
        let mut out = open.out.clone();
        match self.try_out(case, ask, &mut out)? {
            Ok(seen) => {
                let verdict = &mut out.verdict;
                (verdict.confidence, verdict.evidence) = weigh(&seen);
                verdict.status = VerdictStatus::Fixed;
                verdict.fixed = true;
                verdict.reason =
                    "the reproduction failed before and passes now, and all that passed still does"
                        .to_owned();
            }
            Err(fall) => out.fall(fall, ""),
        }
        if !matches!(out.verdict.status, VerdictStatus::Tampered | VerdictStatus::Incomplete) {
            out.own_tests = self.own_tests(case)?;
        }
        self.remember(key, &out);
        Ok(out.about(diff))
    }

    fn try_out(
        &self,
        case: &Case<'_>,
        ask: Ask<'_>,
        out: &mut Judgement,
    ) -> Result<Result<Evidence, Fall>, EffectError> {
        let same = |(path, content): &FileEdit| self.repo.read(case.commit, path).ok().flatten() == *content;
        if case.laid.iter().all(same) {
            let reason = if case.laid.len() == case.edits.len() {
                "the patch changes nothing"
            } else {
                "the patch changes nothing that the tests run with"
            };
            return Ok(Err(Fall::new(VerdictStatus::NotFixed, reason)));
        }
        let (targets, green) = match (ask.reproduction, case.named()) {
            (Some(reproduction), _) => (vec![Target::from(reproduction)], None),
            (None, Some(targets)) => (targets, None),
            (None, None) => match self.turned_green(case, out)? {
                Ok(found) => found,
                Err(fall) => return Ok(Err(fall)),
            },
        };
        let reds = match self.red_then_green(case, &targets, out)? {
            Ok(reds) => reds,
            Err(fall) => return Ok(Err(fall)),
        };
        let mut evidence = Evidence::default();
        for (target, red) in targets.iter().zip(&reds).take(MAX_TARGETS) {
            let seen = match self.twins(case, target, red)? {
                Ok(seen) => seen,
                Err(fall) => return Ok(Err(fall)),
            };
            evidence.twins += seen.twins;
            evidence.mutants += seen.mutants;
            evidence.lines = evidence.lines.or(seen.lines);
            // Only our own harness can put a socket between the two.
            if case.base.settings.command.foreign().is_some() {
                continue;
            }
            match self.apart(case, target, red, seen.simple)? {
                Ok(apart) => evidence.apart.push(apart),
                Err(fall) => return Ok(Err(fall)),
            }
        }
        let suite = match green {
            Some(suite) => suite,
            None => match self.suite(case, out)? {
                Ok(suite) => suite,
                Err(fall) => return Ok(Err(fall)),
            },
        };
        if let Some(fall) = suite.regressed {
            return Ok(Err(fall));
        }
        let mut flags = case.flags();
        flags.extend(case.notes.iter().cloned());
        Ok(Ok(Evidence {
            reproduction: match ask.reproduction {
                Some(reproduction) => Some(reproduction.kind),
                None => ask.wanted.brought.then_some(ReproductionKind::Generated),
            },
            isolation: out.verdict.isolation.clone(),
            alternatives: ask.alternatives,
            kept: suite.kept,
            kept_apart: suite.apart,
            flags,
            canaries: suite.canaries,
            flaky: out.verdict.flaky.len(),
            not_runnable: case.base.data.broken.len(),
            own_report: case.base.settings.command.foreign().is_some(),
            notes: out.notes(),
            ..evidence
        }))
    }

    /// Runs steps over the base or the candidate, with the reproduction of ours.
    fn over(&self, case: &Case<'_>, side: Side, steps: Vec<Step>) -> Result<Ran, EffectError> {
        self.over_with(case, side, steps, Vec::new(), 0)
    }

    /// [`Self::over`] the base, which is the same for every candidate.
    fn at_base(&self, case: &Case<'_>, steps: Vec<Step>) -> Result<Arc<Ran>, EffectError> {
        let ours = case.ours.as_ref().map(|(path, content)| (path, content.as_deref().map(blake3::hash)));
        let ours = ours.map(|(path, hash)| (path, hash.map(|hash| hash.to_hex().to_string())));
        let key = json!({"how": "together", "steps": steps, "ours": ours, "protect": case.protect});
        case.base.once(&key, || self.over(case, Side::Base, steps))
    }

    /// [`Self::over`] with more files of ours, and another hash seed.
    fn over_with(
        &self,
        case: &Case<'_>,
        side: Side,
        steps: Vec<Step>,
        more: Vec<FileEdit>,
        seed: u32,
    ) -> Result<Ran, EffectError> {
        let mut edits: Vec<Edit> = Vec::new();
        if side == Side::Candidate {
            edits.extend(self.sandbox_edits(case.commit, &case.laid));
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
            seed,
            warm: None,
        })
    }
}

impl From<&Reproduction> for Target {
    fn from(reproduction: &Reproduction) -> Self {
        Self {
            id: reproduction.test_id.clone(),
            path: reproduction.path.0.clone(),
            source: (!reproduction.source.is_empty()).then(|| reproduction.source.clone()),
            exception: reproduction.exception.clone(),
        }
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
