//! Whether a repository's tests come to the same in one sandbox as in another: what makes a sandbox that is not quite
//! the machine, such as `wasm`, good enough to judge by.

use std::collections::BTreeSet;
use std::path::PathBuf;

use prunella_engine::{EffectError, canonical};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Tester;
use super::jobs::harness_hash;
use super::records::Outcome;

/// Most differences that are told.
const MAX_TOLD: usize = 50;

/// The tests of one commit in two sandboxes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Whether every test came to the same.
    pub same: bool,
    /// Tests that came to the same.
    pub equal: u64,
    /// Tests that did not, each with what became of it in the first and in the second: `id: passed, failed`.
    pub different: Vec<String>,
    /// Why the second could not run them at all.
    pub problem: Option<String>,
}

impl Tester {
    /// Compares the baseline of `commit` here with that of `other`, and keeps what came of it for [`Tester::compared`].
    /// Tests whose own two runs disagree on either side are set aside.
    ///
    /// # Errors
    /// As [`Tester::baseline`], when it is `other` that has none; a baseline that cannot be had here is a comparison
    /// that failed.
    pub fn compare(
        &self,
        other: &Self,
        commit: &str,
        command: Option<&[String]>,
    ) -> Result<Comparison, EffectError> {
        let theirs = other.prepare(commit, command)?;
        let comparison = match self.prepare(commit, command) {
            Ok(ours) => {
                let outcomes =
                    |base: &super::Prepared, id: &str| base.data.tests.get(id).map(|test| test.outcome);
                let ids: BTreeSet<&String> = ours.data.tests.keys().chain(theirs.data.tests.keys()).collect();
                let mut equal = 0;
                let mut different = Vec::new();
                for id in ids {
                    match (outcomes(&theirs, id), outcomes(&ours, id)) {
                        (Some(None), _) | (_, Some(None)) => {}
                        (Some(Some(a)), Some(Some(b))) if a == b => equal += 1,
                        (a, b) => different.push(format!("{id}: {}, {}", word(a), word(b))),
                    }
                }
                let broken = |base: &super::Prepared| -> BTreeSet<String> {
                    base.data.broken.iter().map(|broken| broken.path.clone()).collect()
                };
                for path in broken(&theirs).symmetric_difference(&broken(&ours)) {
                    different.push(format!("{path}: can be collected in one alone"));
                }
                let same = different.is_empty() && equal > 0;
                different.truncate(MAX_TOLD);
                Comparison { same, equal, different, problem: None }
            }
            Err(error) => {
                Comparison { same: false, equal: 0, different: Vec::new(), problem: Some(error.message) }
            }
        };
        let kept = self.comparison(commit, command)?;
        self.sealed.write(&kept, &comparison).map_err(|e| {
            EffectError::new("tests.cache", super::STORE, format!("write {}: {e}", kept.display()))
        })?;
        Ok(comparison)
    }

    /// What [`Tester::compare`] found for this commit's tree and these settings; nothing when they were not compared.
    ///
    /// # Errors
    /// As [`Tester::baseline`], when the settings cannot be worked out.
    pub fn compared(
        &self,
        commit: &str,
        command: Option<&[String]>,
    ) -> Result<Option<Comparison>, EffectError> {
        Ok(self.sealed.read(&self.comparison(commit, command)?))
    }

    /// Where a comparison is kept: by the tree, and by everything that the tests here depend on.
    fn comparison(&self, commit: &str, command: Option<&[String]>) -> Result<PathBuf, EffectError> {
        let (_, settings) = self.settle(commit, command)?;
        let key = canonical::hash(&json!({
            "tree": self.repo.tree_of(commit)?,
            "command": settings.command,
            "python": settings.interpreter.exe,
            "env": settings.env,
            "pythonpath": settings.pythonpath,
            "subfolder": settings.subfolder,
            "harness": harness_hash(),
            "sites": settings.interpreter.stamps(),
        }));
        Ok(self.cache.join("comparisons").join(format!("{key}.json")))
    }
}

fn word(outcome: Option<Option<Outcome>>) -> &'static str {
    match outcome.flatten() {
        Some(Outcome::Passed) => "passed",
        Some(Outcome::Skipped) => "skipped",
        Some(Outcome::Failed) => "failed",
        None => "not there",
    }
}
