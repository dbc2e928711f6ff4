//! Many candidates at once: equal trees once, the decisive test first and the rest for those that pass it, as many
//! side by side as cores and memory bear.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prunella_engine::EffectError;

use super::{Ask, Case, Fall, Judgement, Wanted};
use crate::types::{Reproduction, ReproductionKind, VerdictStatus};
use crate::world::tests::baseline::Prepared;
use crate::world::tests::batch::Tried;
use crate::world::tests::records::{Failure, Outcome, RawFrame};
use crate::world::tests::workers::workers;
use crate::world::tests::{BatchRequest, Tester};

/// Fewest candidates for which a sieve pays.
const SIEVED: usize = 3;

/// A candidate that the gate let through.
pub(super) struct Open<'a> {
    pub(super) case: Case<'a>,
    pub(super) out: Judgement,
    pub(super) diff: String,
    pub(super) key: String,
}

/// Where a candidate stands.
enum Stand<'a> {
    Done(Box<Judgement>),
    Open(Box<Open<'a>>),
    /// The tree of an earlier one.
    As(usize, String),
}

impl Tester {
    /// Judges several patches against one commit: one judgement each, in order.
    ///
    /// Patches that come to the same tree are judged once, and what is known already is not run again. Where one test
    /// decides, it is first run with all candidates from one warm interpreter that forks for each; only those that
    /// pass it are judged. Candidates in whose code the gate sees something to look at are not let into that shared
    /// sandbox, where they could harm the others; no verdict but that the test still fails is taken from it, and
    /// that only of those before whom nobody left anything behind. All others are judged alone.
    ///
    /// # Errors
    /// As [`Tester::judge_patch`].
    pub fn judge_many(
        &self,
        commit: &str,
        command: Option<&[String]>,
        diffs: &[&str],
        wanted: &Wanted,
    ) -> Result<Vec<Judgement>, EffectError> {
        let ask = Ask { reproduction: None, alternatives: 0, wanted };
        let policy = self.policy(commit)?;
        let base = self.prepare(commit, command)?;
        wanted.check(&base)?;
        let mut stands = Vec::with_capacity(diffs.len());
        let mut trees: BTreeMap<String, usize> = BTreeMap::new();
        for (i, diff) in diffs.iter().enumerate() {
            let stand = match self.begin(&base, &policy, commit, diff, ask)? {
                Err(done) => Stand::Done(Box::new(done)),
                Ok(open) => match trees.get(&open.key) {
                    Some(first) => Stand::As(*first, open.diff),
                    None => {
                        trees.insert(open.key.clone(), i);
                        match self.known(&open, ask) {
                            Some(known) => Stand::Done(Box::new(known)),
                            None => Stand::Open(Box::new(open)),
                        }
                    }
                },
            };
            stands.push(stand);
        }
        self.sieve(&base, commit, command, &mut stands, wanted)?;
        self.side_by_side(stands, ask)
    }

    /// Takes out those that fail the one test that decides, when there is one.
    fn sieve(
        &self,
        base: &Prepared,
        commit: &str,
        command: Option<&[String]>,
        stands: &mut [Stand<'_>],
        wanted: &Wanted,
    ) -> Result<(), EffectError> {
        let mut failing = base.having(Outcome::Failed);
        let (id, named) = match (wanted.fail_to_pass.first(), failing.next(), failing.next()) {
            (Some(named), ..) => (named.clone(), true),
            // What the patch is to turn green is no question where one test fails.
            (None, Some(only), None) => (only.to_owned(), false),
            _ => return Ok(()),
        };
        let Some(test) = base.data.tests.get(&id) else { return Ok(()) };
        let calm = |stand: &Stand<'_>| matches!(stand, Stand::Open(open) if open.case.flags().is_empty());
        let at: Vec<usize> = (0..stands.len()).filter(|i| stands.get(*i).is_some_and(calm)).collect();
        if at.len() < SIEVED {
            return Ok(());
        }
        let candidates = at
            .iter()
            .filter_map(|i| match stands.get(*i) {
                Some(Stand::Open(open)) => Some(open.case.laid.clone()),
                _ => None,
            })
            .collect();
        let tried = self.try_all(&BatchRequest {
            commit: commit.to_owned(),
            command: command.map(<[String]>::to_vec),
            reproduction: Reproduction {
                kind: ReproductionKind::Existing,
                test_id: id.clone(),
                path: test.path.as_str().into(),
                ..Reproduction::default()
            },
            candidates,
            per_candidate_limit: Duration::from_secs_f64(super::ALONE),
        })?;
        for (i, Tried { outcome, sure }) in at.into_iter().zip(tried) {
            // Only a plain failure on clean ground counts; whatever else happened is looked at by itself.
            let (Some(failed), true) = (outcome.failed, sure) else { continue };
            let Some(Stand::Open(open)) = stands.get_mut(i) else { continue };
            let message: String =
                failed.message.lines().next().unwrap_or_default().chars().take(160).collect();
            let what = format!("failed ({}: {message})", failed.exception);
            let (status, reason) = if named {
                (VerdictStatus::NotFixed, format!("the reproduction still fails: {id} {what}"))
            } else {
                let reason = "none of the 1 tests that fail at the base passes with the patch".to_owned();
                (VerdictStatus::NoEvidence, reason)
            };
            let failure = Failure {
                exception: failed.exception,
                message: failed.message,
                frames: failed
                    .frames
                    .into_iter()
                    .map(|frame| RawFrame {
                        file: frame.file,
                        path: frame.path.map(|path| path.0),
                        line: frame.line,
                        function: frame.function,
                        code: frame.code,
                    })
                    .collect(),
            };
            let mut out = open.out.clone();
            out.verdict.reproduction_after = what;
            out.fall(Fall::new(status, reason).showing(&id, Some(&failure)), "");
            self.remember(&open.key, &out);
            let done = out.about(&open.diff);
            if let Some(stand) = stands.get_mut(i) {
                *stand = Stand::Done(Box::new(done));
            }
        }
        Ok(())
    }

    /// Judges those that are open, a few at a time.
    fn side_by_side(&self, stands: Vec<Stand<'_>>, ask: Ask<'_>) -> Result<Vec<Judgement>, EffectError> {
        let slots: Vec<Mutex<Stand<'_>>> = stands.into_iter().map(Mutex::new).collect();
        let next = AtomicUsize::new(0);
        let failed: Mutex<Option<EffectError>> = Mutex::new(None);
        // Each runs the suite twice at once.
        let threads = workers(2).min(slots.len());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some(slot) = slots.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if failed.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                            break;
                        }
                        let mut stand = slot.lock().unwrap_or_else(PoisonError::into_inner);
                        if let Stand::Open(open) = &*stand {
                            match self.finish(open, ask) {
                                Ok(done) => *stand = Stand::Done(Box::new(done)),
                                Err(e) => {
                                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(e);
                                }
                            }
                        }
                    }
                });
            }
        });
        if let Some(e) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(e);
        }
        let broke = || EffectError::new("tests.judge", 1, "a thread that judges broke");
        let mut out: Vec<Judgement> = Vec::with_capacity(slots.len());
        for slot in &slots {
            let one = match &*slot.lock().unwrap_or_else(PoisonError::into_inner) {
                Stand::Done(done) => (**done).clone(),
                Stand::As(first, diff) => out.get(*first).map(|first| first.about(diff)).ok_or_else(broke)?,
                Stand::Open(_) => return Err(broke()),
            };
            out.push(one);
        }
        Ok(out)
    }
}
