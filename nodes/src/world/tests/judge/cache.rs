//! Verdicts that are known already: kept beside the baselines, found again by what they hang on.
//!
//! Only what would come out the same another time is kept: never an incomplete run, never one without isolation.

use super::Judgement;
use crate::world::tests::Tester;

impl Tester {
    fn verdict_file(&self, key: &str) -> std::path::PathBuf {
        self.cache.join("verdicts").join(format!("{key}.json"))
    }

    /// The verdict of an earlier time.
    pub(super) fn recall(&self, key: &str) -> Option<Judgement> {
        let mut judgement: Judgement = self.sealed.read(&self.verdict_file(key))?;
        judgement.remembered = true;
        // What is kept has not been told about a diff.
        judgement.bare.clone_from(&judgement.verdict.lessons);
        Some(judgement)
    }

    /// Keeps a verdict that is decided. A cache that cannot be written costs time, not truth.
    pub(super) fn remember(&self, key: &str, judgement: &Judgement) {
        if !judgement.decided() {
            return;
        }
        self.sealed.keep(&self.verdict_file(key), judgement);
    }
}
