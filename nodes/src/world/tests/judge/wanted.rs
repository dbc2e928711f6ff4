//! Tests that somebody names: those that must turn from red to green, and those that must stay green.

use prunella_engine::EffectError;

use super::{Case, Target};
use crate::world::tests::baseline::Prepared;

/// Most near names that an error tells.
const MAX_NEAR: usize = 3;

/// What somebody wants a patch to be judged by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Tests that fail at the base with an exception and must pass with the patch; empty: those that it turns green.
    pub fail_to_pass: Vec<String>,
    /// Tests that must keep passing; empty: all that pass at the base.
    pub pass_to_pass: Vec<String>,
    /// Whether a verdict that is known already is left alone and the tests run again.
    pub fresh: bool,
    /// Whether the failing test came with the patch's branch: it weighs as a generated reproduction.
    pub brought: bool,
}

impl Wanted {
    /// Every id names a test of the base commit.
    ///
    /// # Errors
    /// Exit 2 with the near names of the first one that does not.
    pub(super) fn check(&self, base: &Prepared) -> Result<(), EffectError> {
        let all = self.fail_to_pass.iter().map(|id| ("--fail-to-pass", id));
        for (flag, id) in all.chain(self.pass_to_pass.iter().map(|id| ("--pass-to-pass", id))) {
            if base.data.tests.contains_key(id) {
                continue;
            }
            let near = near(id, base.data.tests.keys().map(String::as_str));
            let help = if near.is_empty() {
                "`prunella doctor --repo R` says what is collected; tests that the patch brings are run apart and never counted"
                    .to_owned()
            } else {
                format!("near names: {}", near.join(", "))
            };
            let shown: String = id.chars().take(200).flat_map(char::escape_debug).collect();
            let why = format!("{flag} `{shown}` is not a test of the base commit");
            return Err(EffectError::new("tests.unknown", 2, why).help(help));
        }
        Ok(())
    }

    /// Whether `id` must keep passing.
    pub(super) fn keeps(&self, id: &str) -> bool {
        self.pass_to_pass.is_empty() || self.pass_to_pass.iter().any(|one| one == id)
    }
}

impl Case<'_> {
    /// The tests that were named, as targets.
    pub(super) fn named(&self) -> Option<Vec<Target>> {
        let ids = &self.wanted.fail_to_pass;
        let target = |id: &String| Target {
            id: id.clone(),
            path: self.base.data.tests.get(id).map(|test| test.path.clone()).unwrap_or_default(),
            source: None,
            exception: String::new(),
        };
        (!ids.is_empty()).then(|| ids.iter().map(target).collect())
    }
}

/// Names of `known` that `wrong` may have meant, nearest first: the same test elsewhere, or few letters away.
fn near<'k>(wrong: &str, known: impl Iterator<Item = &'k str>) -> Vec<&'k str> {
    let last = |id: &'k str| id.rsplit(['.', ':', '/']).next().unwrap_or(id);
    let end = wrong.split('[').next().unwrap_or(wrong).rsplit(['.', ':', '/', ' ']).next().unwrap_or(wrong);
    let mut found: Vec<(f64, &str)> = known
        .map(|id| {
            let short = last(id.split('[').next().unwrap_or(id));
            let whole = strsim::normalized_levenshtein(wrong, id);
            (whole.max(strsim::normalized_levenshtein(end, short) * 0.95), id)
        })
        .filter(|(score, _)| *score > 0.6)
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    found.into_iter().take(MAX_NEAR).map(|(_, id)| id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_the_same_test_elsewhere_or_few_letters_away() {
        let known = [
            "tests/test_a.py::TestA::test_total",
            "tests/test_a.py::TestA::test_tax",
            "tests/test_b.py::test_x[1]",
        ];
        let near = |wrong| near(wrong, known.into_iter());
        assert_eq!(near("tests/test_a.py::TestA::test_totel")[0], known[0]);
        assert_eq!(near("test_tax")[0], known[1]);
        assert_eq!(near("tests.test_a.TestA.test_total")[0], known[0]);
        assert_eq!(near("tests/test_b.py::test_x")[0], known[2]);
        assert!(near("something else entirely").is_empty());
    }
}
