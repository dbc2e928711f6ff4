//! What is known of an incident: pull requests, and the claims of live runs.

use std::collections::BTreeMap;
use std::sync::Mutex;

use git2::Oid;
use prunella_engine::EffectError;

use crate::effects::{ClaimRequest, ClaimResponse, Known, LookupRequest, LookupResponse};
use crate::world::forge::{Forge, PullState, PullView};
use crate::world::git::GitRepo;

#[cfg(test)]
mod tests;

/// Who works on what: at most one run a key. Kept where all runs of a store see it.
pub trait Claims: Send + Sync {
    /// Gives `key` to `run` when nobody has it; returns who has it now. One step: of two runs at once, one gets it.
    ///
    /// # Errors
    /// When the store cannot be used.
    fn claim(&self, key: &str, run: &str) -> Result<String, EffectError>;

    /// Gives `key` to `run` when `from` has it (or nobody); returns who has it now. One step too.
    ///
    /// # Errors
    /// When the store cannot be used.
    fn take_over(&self, key: &str, from: &str, run: &str) -> Result<String, EffectError>;

    /// Who has `key`.
    ///
    /// # Errors
    /// When the store cannot be used.
    fn owner(&self, key: &str) -> Result<Option<String>, EffectError>;

    /// Takes `key` from `run`; nothing happens when it does not have it.
    ///
    /// # Errors
    /// When the store cannot be used.
    fn release(&self, key: &str, run: &str) -> Result<(), EffectError>;

    /// Whether `run` is at work or can go on: it has not ended. A run that was killed and waits to be resumed is
    /// live as its store says.
    ///
    /// # Errors
    /// When the store cannot be used.
    fn live(&self, run: &str) -> Result<bool, EffectError>;
}

/// The key under which `fingerprint` is claimed in the repository called `repository`
/// ([`crate::world::forge::LocalForge::key`]).
#[must_use]
pub fn claim_key(repository: &str, fingerprint: &str) -> String {
    format!("{repository}/{fingerprint}")
}

/// Performs `ledger.lookup` for `run`: what is known of each fingerprint.
///
/// # Errors
/// When the forge, the claims or the repository cannot be read.
pub fn lookup(
    repo: &GitRepo,
    forge: &dyn Forge,
    claims: &dyn Claims,
    repository: &str,
    run: &str,
    request: &LookupRequest,
) -> Result<LookupResponse, EffectError> {
    let mut pulls: BTreeMap<String, Vec<PullView>> = BTreeMap::new();
    for pull in forge.list()? {
        pulls.entry(pull.record.fingerprint.clone()).or_default().push(pull);
    }
    let mut known = Vec::with_capacity(request.fingerprints.len());
    for fingerprint in &request.fingerprints {
        let pulls = pulls.get(fingerprint).map_or(&[][..], Vec::as_slice);
        let mut answer = by_pulls(repo, &request.commit, pulls)?;
        if answer.why.is_empty()
            && let Some(owner) = claims.owner(&claim_key(repository, fingerprint))?
            && owner != run
            && claims.live(&owner)?
        {
            answer.why = format!("run {owner} is at work on it");
        }
        known.push(answer);
    }
    Ok(LookupResponse { known })
}

/// An open pull request says most; then a merged one that this base lacks; then whether the last word on it was
/// a rejection. A merged fix that is in the base makes the incident a regression, whatever was rejected before.
fn by_pulls(repo: &GitRepo, base: &str, pulls: &[PullView]) -> Result<Known, EffectError> {
    let known = |why: String| Ok(Known { why, regression: false });
    let name = |pull: &PullView| format!("{} (branch {})", pull.record.id, pull.record.branch);
    if let Some(open) = pulls.iter().find(|pull| pull.state == PullState::Open) {
        return known(format!("open pull request {}", name(open)));
    }
    let mut regression = None;
    for pull in pulls.iter().filter(|pull| pull.state == PullState::Merged) {
        if !holds(repo, base, &pull.landed)? {
            return known(format!("merged fix {} is not in the base", name(pull)));
        }
        regression = regression.max(Some(pull.record.opened));
    }
    let rejected =
        pulls.iter().filter(|pull| pull.state == PullState::Closed).max_by_key(|p| p.record.opened);
    match rejected {
        Some(pull) if regression.is_none_or(|merged| merged < pull.record.opened) => {
            known(format!("rejected pull request {}: {}", name(pull), closed_why(pull)))
        }
        _ => Ok(Known { why: String::new(), regression: regression.is_some() }),
    }
}

fn closed_why(pull: &PullView) -> &str {
    if pull.record.closed.is_empty() { "its branch was deleted" } else { &pull.record.closed }
}

/// Whether `commit` is `base` or one of its ancestors.
fn holds(repo: &GitRepo, base: &str, commit: &str) -> Result<bool, EffectError> {
    let bad =
        |e: git2::Error| EffectError::new("git.failed", 5, format!("compare with the base: {}", e.message()));
    repo.with(|git| {
        let (base, commit) = (Oid::from_str(base).map_err(bad)?, Oid::from_str(commit).map_err(bad)?);
        Ok(base == commit || git.graph_descendant_of(base, commit).unwrap_or(false))
    })
}

/// Performs `ledger.claim` for `run`. A claim whose run is not live any more is taken over.
///
/// # Errors
/// When the claims cannot be read or written.
pub fn claim(
    claims: &dyn Claims,
    repository: &str,
    run: &str,
    request: &ClaimRequest,
) -> Result<ClaimResponse, EffectError> {
    let key = claim_key(repository, &request.fingerprint);
    let mut owner = claims.claim(&key, run)?;
    if owner != run && !claims.live(&owner)? {
        owner = claims.take_over(&key, &owner, run)?;
    }
    Ok(ClaimResponse { owner })
}

/// Whether [`claim`] has happened: its response, or nothing when it can be performed now.
///
/// # Errors
/// When the claims cannot be read.
pub fn reconcile_claim(
    claims: &dyn Claims,
    repository: &str,
    run: &str,
    request: &ClaimRequest,
) -> Result<Option<ClaimResponse>, EffectError> {
    let owner = claims.owner(&claim_key(repository, &request.fingerprint))?;
    Ok(owner.filter(|owner| owner == run).map(|owner| ClaimResponse { owner }))
}

/// Claims in memory: for one process, and for tests.
#[derive(Default)]
pub struct MemoryClaims {
    state: Mutex<(BTreeMap<String, String>, Vec<String>)>,
}

impl MemoryClaims {
    /// Marks `run` as ended: it is not live any more.
    pub fn end(&self, run: &str) {
        self.lock().1.push(run.to_owned());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (BTreeMap<String, String>, Vec<String>)> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Claims for MemoryClaims {
    fn claim(&self, key: &str, run: &str) -> Result<String, EffectError> {
        Ok(self.lock().0.entry(key.to_owned()).or_insert_with(|| run.to_owned()).clone())
    }

    fn take_over(&self, key: &str, from: &str, run: &str) -> Result<String, EffectError> {
        let mut state = self.lock();
        let owner = state.0.entry(key.to_owned()).or_insert_with(|| run.to_owned());
        if owner == from {
            run.clone_into(owner);
        }
        Ok(owner.clone())
    }

    fn owner(&self, key: &str) -> Result<Option<String>, EffectError> {
        Ok(self.lock().0.get(key).cloned())
    }

    fn release(&self, key: &str, run: &str) -> Result<(), EffectError> {
        let mut state = self.lock();
        if state.0.get(key).is_some_and(|owner| owner == run) {
            state.0.remove(key);
        }
        Ok(())
    }

    fn live(&self, run: &str) -> Result<bool, EffectError> {
        Ok(!self.lock().1.iter().any(|ended| ended == run))
    }
}
