//! The gate, and what of a patch the tests run with.

use std::collections::BTreeSet;

use prunella_engine::EffectError;

use super::{Ask, Case};
use crate::gate::{self, FilePatch, Policy, Refusal, is_test_module};
use crate::world::git::FileEdit;
use crate::world::tests::baseline::{Prepared, protected};
use crate::world::tests::{Tester, apply_parsed};

impl Case<'_> {
    /// Whether the tests are Python's: only those can be copied, changed, and run apart from the code.
    pub(super) fn is_python(&self) -> bool {
        matches!(self.base.settings.command.runner(), "pytest" | "unittest")
    }

    /// The tests' own modules: what stays the tests' where the code has a process of its own.
    pub(super) fn test_modules(&self) -> Vec<String> {
        let python = |path: &&String| path.ends_with(".py");
        let mut out: Vec<String> = self.protect.iter().filter(python).cloned().collect();
        out.extend(self.base.test_files().iter().filter(python).cloned());
        out.sort();
        out.dedup();
        out
    }

    /// What in the added code is worth a person's eye; the candidate's own tests are none of it.
    pub(super) fn flags(&self) -> Vec<String> {
        let own = |path: &str| self.own.iter().any(|(one, _)| one == path);
        let code: Vec<FilePatch> = self.patches.iter().filter(|patch| !own(patch.path())).cloned().collect();
        gate::flags(&code)
    }
}

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
