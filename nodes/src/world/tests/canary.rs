//! Tests of ours among the repository's: some must fail, one must be skipped, one must pass. A run that reports them
//! otherwise does not report what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::hash::{BuildHasher, Hasher};

use super::records::{Outcome, StepRecords};
use super::runners::{self, Tool};
use crate::world::git::FileEdit;

/// A file of canaries, with names and values that no candidate can know.
#[derive(Debug, Clone)]
pub(crate) struct Canaries {
    /// Where it lies.
    pub(crate) path: String,
    /// Its content.
    pub(crate) source: String,
    /// What must become of each test, by the last part of its id.
    expected: BTreeMap<String, Outcome>,
    /// Where tests of ours stand at the end of the repository's own files: those files, and each test's file.
    among: (Vec<FileEdit>, BTreeMap<String, String>),
}

/// What the canaries say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sung {
    /// All as they must.
    True,
    /// Some are missing, and nothing contradicts the rest.
    Missing,
    /// One that must fail or be skipped passed, or the other way round.
    False(String),
}

/// Letters that cannot be guessed.
pub(crate) fn token() -> String {
    let hasher = std::hash::RandomState::new().build_hasher();
    let mut out = blake3::hash(&hasher.finish().to_le_bytes()).to_hex().to_string();
    out.truncate(12);
    // A name must not start with a digit.
    format!("n{out}")
}

impl Canaries {
    /// A file in `folder` for `runner`.
    pub(crate) fn new(folder: &str, runner: &str) -> Self {
        let mut expected = BTreeMap::new();
        let (a, b, class) = (token(), token(), token());
        let mut source = format!("import unittest\n\n\nclass Test{class}(unittest.TestCase):\n");
        let bodies = [
            (format!("self.assertEqual({a:?}, {b:?})"), Outcome::Failed),
            (format!("self.assertTrue({a:?} == {b:?})"), Outcome::Failed),
            (format!("self.assertIn({a:?}, [{b:?}])"), Outcome::Failed),
            ("self.assertEqual(object(), object())".to_owned(), Outcome::Failed),
            ("self.assertRaises(KeyError, dict)".to_owned(), Outcome::Failed),
            (format!("raise LookupError({a:?})"), Outcome::Failed),
            (format!("self.skipTest({a:?})"), Outcome::Skipped),
            (format!("self.assertEqual({a:?}, {a:?})"), Outcome::Passed),
        ];
        for (body, outcome) in bodies {
            let name = format!("test_{}", token());
            let _ = writeln!(source, "    def {name}(self):\n        {body}\n");
            expected.insert(name, outcome);
        }
        if runner == "pytest" {
            source.insert_str(0, "import pytest\n");
            let bodies = [
                (format!("assert {a:?} == {b:?}"), Outcome::Failed),
                (format!("with pytest.raises(KeyError):\n        str({a:?})"), Outcome::Failed),
                (format!("raise LookupError({b:?})"), Outcome::Failed),
                (format!("pytest.skip({b:?})"), Outcome::Skipped),
                (format!("assert {b:?} == {b:?}"), Outcome::Passed),
            ];
            for (body, outcome) in bodies {
                let name = format!("test_{}", token());
                let _ = writeln!(source, "\ndef {name}():\n    {body}\n");
                expected.insert(name, outcome);
            }
        }
        let name = format!("test_{}.py", token());
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        Self { path, source, expected, among: Default::default() }
    }

    /// Canaries at the end of those of `paths` where they fit, for a runner that is not ours.
    pub(crate) fn among<'p>(
        tool: Tool,
        paths: impl Iterator<Item = &'p str>,
        read: &dyn Fn(&str) -> Option<Vec<u8>>,
    ) -> Self {
        let mut out = Self {
            path: String::new(),
            source: String::new(),
            expected: BTreeMap::new(),
            among: Default::default(),
        };
        for path in paths {
            let Some(text) = read(path).and_then(|bytes| String::from_utf8(bytes).ok()) else { continue };
            if out.among.0.len() >= runners::canary::MAX_FILES || !runners::canary::fits(tool, path, &text) {
                continue;
            }
            let module = runners::canary::is_module(path, read);
            let Some(song) = runners::canary::song(tool, path, &text, module) else { continue };
            for (name, outcome) in song.expected {
                out.among.1.insert(name.clone(), path.to_owned());
                out.expected.insert(name, outcome);
            }
            out.among.0.push((path.to_owned(), Some((text + &song.source).into_bytes())));
        }
        out
    }

    /// The files that hold them.
    pub(crate) fn edits(&self) -> Vec<FileEdit> {
        if self.path.is_empty() {
            return self.among.0.clone();
        }
        vec![(self.path.clone(), Some(self.source.clone().into_bytes()))]
    }

    /// Files that a runner has to be told of.
    pub(crate) fn extra(&self) -> Vec<String> {
        if self.path.is_empty() { Vec::new() } else { vec![self.path.clone()] }
    }

    /// Files of the repository at whose end all came out as they must.
    pub(crate) fn heard(&self, step: &StepRecords) -> BTreeSet<String> {
        let mut files: BTreeSet<String> = self.among.0.iter().map(|(path, _)| path.clone()).collect();
        let mut seen = BTreeMap::new();
        for (id, _) in step.tests.iter().filter(|(id, _)| self.expected.contains_key(last(id))) {
            seen.insert(last(id), step.outcome(id));
        }
        for (name, file) in &self.among.1 {
            if seen.get(name.as_str()).copied().flatten() != self.expected.get(name).copied() {
                files.remove(file);
            }
        }
        files
    }

    /// Whether `id` is one of these.
    pub(crate) fn owns(&self, id: &str, path: &str) -> bool {
        (!self.path.is_empty() && path == self.path) || self.expected.contains_key(last(id))
    }

    /// What they say in a step's records.
    pub(crate) fn listen(&self, step: &StepRecords) -> Sung {
        let mut seen = BTreeMap::new();
        for (id, test) in step.tests.iter().filter(|(id, test)| self.owns(id, &test.path)) {
            seen.insert(last(id).to_owned(), test.outcome.filter(|_| test.finished));
        }
        let mut missing = false;
        for (name, expected) in &self.expected {
            match seen.get(name).copied().flatten() {
                None => missing = true,
                Some(outcome) if outcome == *expected => {}
                Some(outcome) => {
                    return Sung::False(
                        format!("a test of ours that must be {expected:?} was reported {outcome:?}")
                            .to_lowercase(),
                    );
                }
            }
        }
        if missing { Sung::Missing } else { Sung::True }
    }
}

/// The test's own name, in either runner's form of an id.
fn last(id: &str) -> &str {
    id.rsplit(['.', ':']).next().unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::tests::records::Test;

    #[test]
    fn a_canary_that_sings_wrong_is_heard() {
        let canaries = Canaries::new("tests", "pytest");
        let mut step = StepRecords::default();
        assert_eq!(canaries.listen(&step), Sung::Missing);
        for (name, outcome) in &canaries.expected {
            let test = Test {
                path: canaries.path.clone(),
                outcome: Some(*outcome),
                failure: None,
                starts: 1,
                finished: true,
                ms: None,
            };
            step.tests.insert(format!("{}::{name}", canaries.path), test);
        }
        assert_eq!(canaries.listen(&step), Sung::True);
        for test in step.tests.values_mut() {
            test.outcome = Some(Outcome::Passed);
        }
        assert!(matches!(canaries.listen(&step), Sung::False(_)));
    }

    #[test]
    fn names_and_values_differ_from_run_to_run() {
        let (a, b) = (Canaries::new("", "unittest"), Canaries::new("", "unittest"));
        assert_ne!(a.path, b.path);
        assert_ne!(a.source, b.source);
    }
}
