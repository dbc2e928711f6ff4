//! The gate, and what of a patch the tests run with.

use std::collections::BTreeSet;

use prunella_engine::EffectError;

use super::{Ask, Case};
use crate::gate::{self, Policy, Refusal, is_test_module};
use crate::world::git::FileEdit;
use crate::world::tests::baseline::{Prepared, protected};
use crate::world::tests::{Tester, apply_parsed};

impl Tester {
    /// The repository's policy at `commit`.
    ///
    /// # Errors
    /// Exit 2 when `prunella.yaml` cannot be followed.
    pub(crate) fn policy(&self, commit: &str) -> Result<Policy, EffectError> {
        match self.repo.read(commit, "prunella.yaml")? {
            Some(text) => Policy::read(&String::from_utf8_lossy(&text))
                .map_err(|why| EffectError::new("tests.policy", 2, why)),
            None => Ok(Policy::default()),
        }
    }

    /// The gate.
    pub(super) fn admit<'a>(
        &self,
        base: &'a Prepared,
        commit: &'a str,
        diff: &str,
        policy: &Policy,
        ask: Ask<'a>,
    ) -> Result<Case<'a>, Refusal> {
        let patches = gate::parse_within(diff, policy.limits)?;
        let mut tests = base.test_files();
        tests.extend(ask.reproduction.map(|r| r.path.0.clone()));
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
            policy: policy.clone(),
        };
        let admitted = gate::check(&patches, &known, |path| self.repo.read(commit, path).ok().flatten())?;
        let edits = apply_parsed(&self.repo, commit, &patches)?;
        gate::check_rust(&edits, |path| self.repo.read(commit, path).ok().flatten())?;
        let (own, rest): (Vec<FileEdit>, Vec<FileEdit>) =
            edits.iter().cloned().partition(|(path, content)| {
                content.is_some() && is_test_module(path) && !base.files.contains(path)
            });
        let laid = rest.into_iter().filter(|(path, _)| !admitted.aside.contains(path)).collect();
        let ours = ask
            .reproduction
            .filter(|r| !r.source.is_empty())
            .map(|r| (r.path.0.clone(), Some(r.source.clone().into_bytes())));
        let mut protect = protected(&base.files, &tests);
        protect.extend(ours.iter().map(|(path, _)| path.clone()));
        let touched: BTreeSet<&str> = edits.iter().map(|(path, _)| path.as_str()).collect();
        protect.retain(|path| !touched.contains(path.as_str()) || admitted.aside.contains(path));
        protect.sort();
        protect.dedup();
        let notes = admitted.notes;
        Ok(Case { base, commit, patches, edits, laid, own, notes, ours, protect, wanted: ask.wanted })
    }
}
