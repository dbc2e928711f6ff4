//! The repository a run works on, read through git2. Nothing here writes to the working tree, the index or HEAD,
//! and no git hook, filter or external program runs: libgit2 has none of them but line endings and `$Id$`, and
//! those only act on a check-out, which never happens.

mod branch;
pub(crate) mod commit;
mod create;
mod diff;
mod export;
mod tree;

#[cfg(test)]
pub(crate) mod tests;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use git2::{ObjectType, Oid, Repository};
use prunella_engine::EffectError;

pub use commit::{commit, is_ours, reconcile_commit};
pub use create::create;
pub use diff::apply_to_base;
pub use tree::write_tree;

/// Exit code for input that cannot be read.
const UNREADABLE: u8 = 5;

/// The largest file that [`GitRepo::read`] returns, in bytes. Whoever reads through it reads source text.
pub const LARGEST_READ: usize = 16 << 20;

/// A repository, opened once and shared.
pub struct GitRepo {
    repo: Mutex<Repository>,
    /// The working tree's top.
    pub root: PathBuf,
    /// Where the path it was opened by lies below the top; empty for the top.
    pub subfolder: String,
}

/// A change of one file: its new content, or nothing for a deletion.
pub type FileEdit = (String, Option<Vec<u8>>);

fn failed(what: &str) -> impl Fn(git2::Error) -> EffectError {
    move |e| EffectError::new("git.failed", UNREADABLE, format!("{what}: {}", e.message()))
}

impl GitRepo {
    /// Opens the repository that `path` (its top or a folder below) belongs to.
    ///
    /// # Errors
    /// `git.not_a_repository` when there is none, or it is bare.
    pub fn open(path: &Path) -> Result<Self, EffectError> {
        let none = |why: String| {
            EffectError::new(
                "git.not_a_repository",
                UNREADABLE,
                format!("{} is no git repository: {why}", path.display()),
            )
            .help("give --repo the path of a git working tree, or run `git init` and commit first")
        };
        let repo = Repository::discover(path).map_err(|e| none(e.message().to_owned()))?;
        let root = repo.workdir().ok_or_else(|| none("it is bare".to_owned()))?;
        let root = root.canonicalize().map_err(|e| none(e.to_string()))?;
        let path = path.canonicalize().map_err(|e| none(e.to_string()))?;
        let subfolder = path.strip_prefix(&root).unwrap_or(Path::new("")).to_string_lossy().into_owned();
        Ok(Self { repo: Mutex::new(repo), root, subfolder })
    }

    /// Runs `f` with the repository; everything that git2 offers goes through here.
    pub fn with<T>(&self, f: impl FnOnce(&Repository) -> Result<T, EffectError>) -> Result<T, EffectError> {
        let repo = self.repo.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        f(&repo)
    }

    /// The commit that `rev` (`HEAD`, a branch, a tag, a hash) names, as 40 hex digits.
    ///
    /// # Errors
    /// When it names none.
    pub fn resolve(&self, rev: &str) -> Result<String, EffectError> {
        self.with(|repo| {
            let object = repo.revparse_single(rev).map_err(|e| {
                EffectError::new(
                    "git.revision",
                    UNREADABLE,
                    format!("revision `{rev}` names no commit: {}", e.message()),
                )
            })?;
            Ok(object.peel_to_commit().map_err(failed("peel to a commit"))?.id().to_string())
        })
    }

    /// Whether the working tree or the index differs from HEAD (untracked files count).
    ///
    /// # Errors
    /// When the working tree cannot be read.
    pub fn dirty(&self) -> Result<bool, EffectError> {
        self.with(|repo| {
            let mut options = git2::StatusOptions::new();
            options
                .include_untracked(true)
                .include_ignored(false)
                .update_index(false)
                .exclude_submodules(true);
            Ok(!repo.statuses(Some(&mut options)).map_err(failed("status"))?.is_empty())
        })
    }

    /// The tree of `commit`, 40 hex digits.
    ///
    /// # Errors
    /// When the commit is not there.
    pub fn tree_of(&self, commit: &str) -> Result<String, EffectError> {
        self.with(|repo| Ok(tree(repo, commit)?.id().to_string()))
    }

    /// All files of `commit`, sorted by path. Left out are submodules, and files whose path is no UTF-8: a
    /// request, which is JSON, could not name them ([`Self::export`] has them).
    ///
    /// # Errors
    /// When the commit cannot be read.
    pub fn files(&self, commit: &str) -> Result<Vec<String>, EffectError> {
        self.with(|repo| {
            let mut files: Vec<String> = tree::files_below(repo, commit)?
                .into_iter()
                .filter_map(|f| String::from_utf8(f.path).ok())
                .collect();
            files.sort();
            Ok(files)
        })
    }

    /// The content of `path` at `commit`, or nothing when there is no such file or it is larger than
    /// [`LARGEST_READ`].
    ///
    /// # Errors
    /// When the commit cannot be read.
    pub fn read(&self, commit: &str, path: &str) -> Result<Option<Vec<u8>>, EffectError> {
        self.with(|repo| {
            let Ok(entry) = tree(repo, commit)?.get_path(Path::new(path)) else { return Ok(None) };
            if entry.kind() != Some(ObjectType::Blob) {
                return Ok(None);
            }
            // The size comes first: a file of gigabytes must not be unpacked to find out that it is one.
            let odb = repo.odb().map_err(failed("open the object database"))?;
            let (size, _) = odb.read_header(entry.id()).map_err(failed("read a file"))?;
            if size > LARGEST_READ {
                return Ok(None);
            }
            let blob = repo.find_blob(entry.id()).map_err(failed("read a file"))?;
            Ok(Some(blob.content().to_vec()))
        })
    }

    /// The git tree of `commit` with `edits` laid over it, 40 hex digits. It is only computed: nothing is
    /// written, and the repository stays as it is.
    ///
    /// # Errors
    /// When the commit cannot be read or a path is no path of a tree.
    pub fn tree_with(&self, commit: &str, edits: &[FileEdit]) -> Result<String, EffectError> {
        self.with(|repo| Ok(tree::hash_tree(repo, commit, edits)?.to_string()))
    }
}

fn tree<'r>(repo: &'r Repository, commit: &str) -> Result<git2::Tree<'r>, EffectError> {
    let id = Oid::from_str(commit).map_err(failed("read a commit's id"))?;
    repo.find_commit(id).and_then(|commit| commit.tree()).map_err(failed("find the base commit"))
}
