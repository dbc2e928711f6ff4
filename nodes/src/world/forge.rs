//! Where pull requests live: what every forge can do, and the effect `pr.open`.

mod local;
mod store;

#[cfg(test)]
mod tests;

use prunella_engine::EffectError;
use prunella_engine::blob::Blobs;
use serde::{Deserialize, Serialize};

use crate::effects::OpenPullRequest;
use crate::types::Pull;

pub use local::LocalForge;

/// Exit code where the forge refuses.
const REFUSED: u8 = 32;
/// Exit code where the store cannot be used.
const STORE: u8 = 6;

/// What became of a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PullState {
    /// Waits for a person.
    Open,
    /// Its branch can be reached from the branch it was made for.
    Merged,
    /// Closed unmerged, by command or by deleting the branch: the fix was rejected.
    Closed,
}

impl PullState {
    /// The word in JSON and on the page.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Merged => "merged",
            Self::Closed => "closed",
        }
    }
}

/// A pull request as a forge keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PullRecord {
    /// The format's number, 1.
    pub format: u32,
    /// Its id at the forge.
    pub id: String,
    /// The incident's fingerprint.
    pub fingerprint: String,
    /// The branch it proposes.
    pub branch: String,
    /// The commit it was made on.
    pub base: String,
    /// The branch it is for; empty when HEAD was detached.
    pub base_branch: String,
    /// The last commit of ours on the branch.
    pub head: String,
    /// Its title.
    pub title: String,
    /// Not offered as ready.
    pub draft: bool,
    /// When it was opened, in seconds since the Unix epoch.
    pub opened: u64,
    /// When it was last updated or commented.
    pub updated: u64,
    /// Why it was closed; empty while it is not.
    pub closed: String,
    /// BLAKE3 of the page.
    pub page: String,
    /// BLAKE3 of each comment's page, oldest first.
    pub comments: Vec<String>,
    /// What the last contact with us did: `opened`, `updated`, `commented`.
    pub action: String,
}

/// A pull request and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PullView {
    /// What is kept.
    pub record: PullRecord,
    /// What became of it, found out just now.
    pub state: PullState,
    /// The commit that was merged: our last one, or a person's rewritten one. Empty while it is not merged.
    pub landed: String,
}

/// A place where pull requests live. All calls are idempotent for the same arguments.
pub trait Forge: Send + Sync {
    /// All pull requests of this repository, sorted by id.
    ///
    /// # Errors
    /// When the forge does not answer.
    fn list(&self) -> Result<Vec<PullView>, EffectError>;

    /// Those for `fingerprint`, oldest first.
    ///
    /// # Errors
    /// When the forge does not answer.
    fn find(&self, fingerprint: &str) -> Result<Vec<PullView>, EffectError> {
        let mut found = self.list()?;
        found.retain(|pull| pull.record.fingerprint == fingerprint);
        found.sort_by_key(|pull| (pull.record.opened, pull.record.id.len(), pull.record.id.clone()));
        Ok(found)
    }

    /// The pull request called `id` with its page (Markdown) and the comments on it.
    ///
    /// # Errors
    /// `forge.no_pull` when there is none.
    fn show(&self, id: &str) -> Result<(PullView, String, Vec<String>), EffectError>;

    /// The branch for a pull request on `fingerprint`: that of the open one, else `wanted`, or `wanted-2` and so
    /// on where that name is taken by a closed or merged one or by a person.
    ///
    /// # Errors
    /// When the forge does not answer, or all names are taken.
    fn branch_for(&self, fingerprint: &str, wanted: &str) -> Result<String, EffectError>;

    /// Opens a pull request.
    ///
    /// # Errors
    /// When the forge refuses.
    fn open(&self, request: &OpenPullRequest, page: &str) -> Result<Pull, EffectError>;

    /// Gives the open one called `id` a new head, title and page.
    ///
    /// # Errors
    /// When the forge refuses.
    fn update(&self, id: &str, request: &OpenPullRequest, page: &str) -> Result<Pull, EffectError>;

    /// Leaves `page` as a comment on the one called `id`, and all else as it is.
    ///
    /// # Errors
    /// When the forge refuses.
    fn comment(&self, id: &str, request: &OpenPullRequest, page: &str) -> Result<Pull, EffectError>;

    /// Closes the one called `id`, unmerged. One that is closed already stays so.
    ///
    /// # Errors
    /// `forge.no_pull` when there is none, `forge.merged` when it is merged.
    fn close(&self, id: &str, why: &str) -> Result<PullView, EffectError>;
}

/// Performs `pr.open`: opens the pull request, updates the open one for the fingerprint, or comments on it where
/// a person committed.
///
/// # Errors
/// What the forge says, or `blob.missing`.
pub fn open_pull(
    forge: &dyn Forge,
    request: &OpenPullRequest,
    blobs: &dyn Blobs,
) -> Result<Pull, EffectError> {
    if let Some(done) = reconcile_pull(forge, request)? {
        return Ok(done);
    }
    let page = blobs.get(&request.page).map_err(|e| EffectError::new(&e.code, STORE, e.message))?;
    let page = String::from_utf8_lossy(&page);
    let open = on_branch(forge, request)?;
    match open {
        Some(pull) if !request.kept.is_empty() => forge.comment(&pull.record.id, request, &page),
        Some(pull) => forge.update(&pull.record.id, request, &page),
        None if !request.kept.is_empty() => Err(EffectError::new(
            "forge.branch_taken",
            REFUSED,
            format!("{}, and no pull request is open for it", request.kept),
        )
        .help("rename or delete that branch, then resume the run")),
        None => forge.open(request, &page),
    }
}

/// Whether [`open_pull`] with this request has happened: its response, or nothing when it can be performed now.
///
/// # Errors
/// When the forge does not answer.
pub fn reconcile_pull(forge: &dyn Forge, request: &OpenPullRequest) -> Result<Option<Pull>, EffectError> {
    let Some(pull) = on_branch(forge, request)? else { return Ok(None) };
    let record = &pull.record;
    let there = match request.kept.is_empty() {
        true => record.head == request.head && record.page == request.page.hash,
        false => record.comments.contains(&request.page.hash),
    };
    Ok(there.then(|| to_pull(record)))
}

/// The open pull request for the request's fingerprint and branch.
fn on_branch(forge: &dyn Forge, request: &OpenPullRequest) -> Result<Option<PullView>, EffectError> {
    let mut found = forge.find(&request.fingerprint)?;
    found.retain(|pull| pull.state == PullState::Open && pull.record.branch == request.branch);
    Ok(found.pop())
}

fn to_pull(record: &PullRecord) -> Pull {
    Pull {
        id: record.id.clone(),
        branch: record.branch.clone(),
        commit: record.head.clone(),
        url: format!("prunella pulls show {}", record.id),
        draft: record.draft,
        action: record.action.clone(),
    }
}
