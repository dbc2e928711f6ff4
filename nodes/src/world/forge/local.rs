//! The local forge: branches in the repository, pull requests in the store. It needs no account and no network.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::{Oid, Repository};
use prunella_engine::EffectError;

use super::store::{FORMAT, Files};
use super::{Forge, PullRecord, PullState, PullView, REFUSED, to_pull};
use crate::effects::OpenPullRequest;
use crate::types::Pull;
use crate::world::git::{GitRepo, is_ours};

/// How many pull requests there can be on one fingerprint.
const MOST_NAMES: usize = 99;

/// Pull requests of one repository, kept in the store's folder.
pub struct LocalForge {
    repo: Arc<GitRepo>,
    files: Files,
    key: String,
}

impl LocalForge {
    /// The forge of `repo` in the store at `store`. Nothing is written before a pull request is.
    #[must_use]
    pub fn new(store: &Path, repo: Arc<GitRepo>) -> Self {
        let key = repository_key(&repo);
        let files = Files::new(store.join("pulls").join(&key));
        Self { repo, files, key }
    }

    /// What names the repository in this store: its folder's name and 16 hex digits of where its git folder
    /// lies (the same for all its worktrees). A claim's key begins with it.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The file that holds the page of `id`.
    #[must_use]
    pub fn page_path(&self, id: &str) -> PathBuf {
        self.files.at(id).join("page.md")
    }

    fn view(&self, record: PullRecord) -> Result<PullView, EffectError> {
        let (state, landed) = self.repo.with(|git| Ok(state(git, &record)))?;
        let landed = landed.map(|commit| commit.to_string()).unwrap_or_default();
        Ok(PullView { record, state, landed })
    }

    fn existing(&self, id: &str) -> Result<PullView, EffectError> {
        match self.files.record(id)? {
            Some(record) => self.view(record),
            None => Err(EffectError::new("forge.no_pull", 2, format!("there is no pull request {id:?}"))
                .help("`prunella pulls list` shows what there is")),
        }
    }

    /// The branch that HEAD is on, without `refs/heads/`; empty when it is detached.
    fn current_branch(&self) -> Result<String, EffectError> {
        self.repo.with(|git| {
            let head = git.find_reference("HEAD").ok();
            let target = head.as_ref().and_then(|head| head.symbolic_target().ok().flatten());
            Ok(target.and_then(|name| name.strip_prefix("refs/heads/")).unwrap_or_default().to_owned())
        })
    }
}

fn repository_key(repo: &GitRepo) -> String {
    let git = repo.with(|git| Ok(git.commondir().to_owned())).unwrap_or_default();
    let git = git.canonicalize().unwrap_or(git);
    let hash = blake3::hash(git.as_os_str().as_encoded_bytes()).to_hex();
    let name: String = repo
        .root
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' })
        .take(40)
        .collect();
    format!("{name}-{}", &hash[..16])
}

/// What became of a pull request, as the repository shows it now, and for a merged one the commit that landed.
fn state(git: &Repository, record: &PullRecord) -> (PullState, Option<Oid>) {
    let tip = git.refname_to_id(&format!("refs/heads/{}", record.branch)).ok();
    match merged(git, record, tip) {
        Some(landed) => (PullState::Merged, Some(landed)),
        None if !record.closed.is_empty() || tip.is_none() => (PullState::Closed, None),
        None => (PullState::Open, None),
    }
}

/// Merged is what the branch it was made for (here or where that one is pulled from) has: our last commit, or
/// where a person rewrote the branch, its tip. A branch put back to the base proposes nothing and is not merged.
fn merged(git: &Repository, record: &PullRecord, tip: Option<Oid>) -> Option<Oid> {
    let holds = |target: Oid, commit: Oid| {
        target == commit || git.graph_descendant_of(target, commit).unwrap_or(false)
    };
    let base = Oid::from_str(&record.base).ok();
    let proposed = [Oid::from_str(&record.head).ok(), tip];
    let proposed: Vec<Oid> = proposed
        .into_iter()
        .flatten()
        .filter(|commit| !base.is_some_and(|base| holds(base, *commit)))
        .collect();
    let targets = targets(git, record);
    proposed.into_iter().find(|commit| targets.iter().any(|target| holds(*target, *commit)))
}

/// The tips that a merge would show in: the base branch and its upstream, or without one all local branches
/// but ours.
fn targets(git: &Repository, record: &PullRecord) -> Vec<Oid> {
    let mut tips = Vec::new();
    if let Ok(branch) = git.find_branch(&record.base_branch, git2::BranchType::Local) {
        tips.extend(branch.upstream().ok().and_then(|upstream| upstream.get().target()));
        tips.extend(branch.get().target());
    } else if let Ok(branches) = git.branches(Some(git2::BranchType::Local)) {
        for (branch, _) in branches.flatten() {
            let own = branch.name_bytes().is_ok_and(|name| name.starts_with(b"prunella/"));
            tips.extend(branch.get().target().filter(|_| !own));
        }
    }
    tips
}

impl Forge for LocalForge {
    fn list(&self) -> Result<Vec<PullView>, EffectError> {
        self.files.all()?.into_iter().map(|record| self.view(record)).collect()
    }

    fn show(&self, id: &str) -> Result<(PullView, String, Vec<String>), EffectError> {
        let view = self.existing(id)?;
        let page = self.files.text(id, "page.md")?;
        let comments = (1..=view.record.comments.len())
            .map(|n| self.files.text(id, &format!("comment-{n}.md")))
            .collect::<Result<_, _>>()?;
        Ok((view, page, comments))
    }

    fn branch_for(&self, fingerprint: &str, wanted: &str) -> Result<String, EffectError> {
        let open = self.find(fingerprint)?.into_iter().rfind(|pull| pull.state == PullState::Open);
        if let Some(open) = open {
            return Ok(open.record.branch);
        }
        for n in 1..=MOST_NAMES {
            let branch = if n == 1 { wanted.to_owned() } else { format!("{wanted}-{n}") };
            if let Some(mut record) = self.files.record(id_of(&branch))? {
                // A branch deleted by hand closes its pull request; written down, so that a branch of the same
                // name does not open it again.
                let view = self.view(record.clone())?;
                if view.state == PullState::Closed && record.closed.is_empty() {
                    "the branch was deleted".clone_into(&mut record.closed);
                    self.files.put(&record)?;
                }
                continue;
            }
            let foreign = self.repo.with(|git| {
                let tip = git.refname_to_id(&format!("refs/heads/{branch}")).ok();
                Ok(tip.is_some_and(|tip| !is_ours(git, tip)))
            })?;
            if !foreign {
                return Ok(branch);
            }
        }
        Err(EffectError::new(
            "forge.names",
            REFUSED,
            format!("all branches {wanted}-N up to {MOST_NAMES} are taken"),
        )
        .help("delete some of them"))
    }

    fn open(&self, request: &OpenPullRequest, page: &str) -> Result<Pull, EffectError> {
        let record = PullRecord {
            format: FORMAT,
            id: id_of(&request.branch).to_owned(),
            fingerprint: request.fingerprint.clone(),
            branch: request.branch.clone(),
            base: request.base.clone(),
            base_branch: self.current_branch()?,
            head: request.head.clone(),
            title: request.title.clone(),
            draft: request.draft,
            opened: request.time,
            updated: request.time,
            closed: String::new(),
            page: request.page.hash.clone(),
            comments: Vec::new(),
            action: "opened".to_owned(),
        };
        if self.files.record(&record.id)?.is_some() {
            let what = format!(
                "there is a pull request {} already, and it is not open for this incident",
                record.id
            );
            return Err(EffectError::new("forge.id_taken", REFUSED, what));
        }
        self.files.put_text(&record.id, "page.md", page)?;
        self.files.put(&record)?;
        Ok(to_pull(&record))
    }

    fn update(&self, id: &str, request: &OpenPullRequest, page: &str) -> Result<Pull, EffectError> {
        let mut record = self.existing(id)?.record;
        record.base.clone_from(&request.base);
        record.head.clone_from(&request.head);
        record.title.clone_from(&request.title);
        record.draft = request.draft;
        record.updated = request.time;
        record.page.clone_from(&request.page.hash);
        "updated".clone_into(&mut record.action);
        self.files.put_text(id, "page.md", page)?;
        self.files.put(&record)?;
        Ok(to_pull(&record))
    }

    fn comment(&self, id: &str, request: &OpenPullRequest, page: &str) -> Result<Pull, EffectError> {
        let mut record = self.existing(id)?.record;
        record.updated = request.time;
        record.comments.push(request.page.hash.clone());
        "commented".clone_into(&mut record.action);
        self.files.put_text(id, &format!("comment-{}.md", record.comments.len()), page)?;
        self.files.put(&record)?;
        Ok(to_pull(&record))
    }

    fn close(&self, id: &str, why: &str) -> Result<PullView, EffectError> {
        let mut view = self.existing(id)?;
        match view.state {
            PullState::Merged => {
                return Err(EffectError::new("forge.merged", 2, format!("pull request {id} is merged")));
            }
            PullState::Closed if !view.record.closed.is_empty() => {}
            PullState::Open | PullState::Closed => {
                view.record.closed =
                    if why.trim().is_empty() { "closed by hand".to_owned() } else { why.to_owned() };
                view.state = PullState::Closed;
                self.files.put(&view.record)?;
            }
        }
        Ok(view)
    }
}

/// A pull request is called by what follows `prunella/` in its branch.
fn id_of(branch: &str) -> &str {
    branch.rsplit('/').next().unwrap_or(branch)
}
