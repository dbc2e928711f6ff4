//! The repository a run works on, read through git2. Nothing here writes to the working tree or to HEAD, and no
//! git hook, filter or external program runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use git2::{ObjectType, Oid, Repository, TreeWalkMode, TreeWalkResult};
use prunella_engine::EffectError;

/// Exit code for input that cannot be read.
const UNREADABLE: u8 = 5;

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
            options.include_untracked(true).include_ignored(false).update_index(false);
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

    /// All files of `commit`, sorted by path; submodules are left out.
    ///
    /// # Errors
    /// When the commit cannot be read.
    pub fn files(&self, commit: &str) -> Result<Vec<String>, EffectError> {
        self.with(|repo| {
            let mut files = Vec::new();
            tree(repo, commit)?
                .walk(TreeWalkMode::PreOrder, |dir, entry| {
                    if entry.kind() == Some(ObjectType::Blob) {
                        files.push(format!("{dir}{}", String::from_utf8_lossy(entry.name_bytes())));
                    }
                    TreeWalkResult::Ok
                })
                .map_err(failed("list files"))?;
            files.sort();
            Ok(files)
        })
    }

    /// The content of `path` at `commit`, or nothing when there is no such file.
    ///
    /// # Errors
    /// When the commit cannot be read.
    pub fn read(&self, commit: &str, path: &str) -> Result<Option<Vec<u8>>, EffectError> {
        self.with(|repo| {
            let Ok(entry) = tree(repo, commit)?.get_path(Path::new(path)) else { return Ok(None) };
            if entry.kind() != Some(ObjectType::Blob) {
                return Ok(None);
            }
            let blob = repo.find_blob(entry.id()).map_err(failed("read a file"))?;
            Ok(Some(blob.content().to_vec()))
        })
    }

    /// Writes the files of `commit` below `dir`, which must be empty: no `.git`, no submodules, and symbolic
    /// links only where their target stays inside the tree.
    ///
    /// # Errors
    /// When the commit cannot be read or the folder not be written.
    pub fn export(&self, commit: &str, dir: &Path) -> Result<(), EffectError> {
        let io = |path: &Path, e: &std::io::Error| {
            EffectError::new("git.export", 6, format!("write {}: {e}", path.display()))
        };
        self.with(|repo| {
            let mut entries = Vec::new();
            tree(repo, commit)?
                .walk(TreeWalkMode::PreOrder, |parent, entry| {
                    if entry.kind() == Some(ObjectType::Blob) {
                        entries.push((
                            format!("{parent}{}", String::from_utf8_lossy(entry.name_bytes())),
                            entry.id(),
                            entry.filemode(),
                        ));
                    }
                    TreeWalkResult::Ok
                })
                .map_err(failed("list files"))?;
            for (path, id, mode) in entries {
                let target = dir.join(&path);
                if let Some(parent) = target.parent() {
                    std::fs::create_dir_all(parent).map_err(|e| io(parent, &e))?;
                }
                let blob = repo.find_blob(id).map_err(failed("read a file"))?;
                match mode {
                    0o120_000 => export_link(&path, &target, blob.content()).map_err(|e| io(&target, &e))?,
                    mode => {
                        std::fs::write(&target, blob.content()).map_err(|e| io(&target, &e))?;
                        if mode == 0o100_755 {
                            executable(&target).map_err(|e| io(&target, &e))?;
                        }
                    }
                }
            }
            Ok(())
        })
    }

    /// The git tree of `commit` with `edits` laid over it, 40 hex digits. Objects go to memory only: the
    /// repository stays as it is.
    ///
    /// # Errors
    /// When the commit cannot be read or a path is no path of a tree.
    pub fn tree_with(&self, commit: &str, edits: &[FileEdit]) -> Result<String, EffectError> {
        self.with(|repo| {
            let odb = repo.odb().map_err(failed("open the object database"))?;
            let _memory = odb.add_new_mempack_backend(1000).map_err(failed("open memory"))?;
            repo.set_odb(&odb).map_err(failed("open memory"))?;
            let result = write_tree(repo, commit, edits);
            let fresh = Repository::open(repo.path()).map_err(failed("reopen"))?;
            let plain = fresh.odb().map_err(failed("open the object database"))?;
            repo.set_odb(&plain).map_err(failed("close memory"))?;
            Ok(result?.to_string())
        })
    }
}

/// Writes the tree of `commit` with `edits` laid over it to the repository's object database.
///
/// # Errors
/// When the commit cannot be read or a path is no path of a tree.
pub fn write_tree(repo: &Repository, commit: &str, edits: &[FileEdit]) -> Result<Oid, EffectError> {
    let base = tree(repo, commit)?;
    let edits: BTreeMap<_, _> = edits.iter().map(|(path, content)| (path.as_str(), content)).collect();
    let mut update = git2::build::TreeUpdateBuilder::new();
    for (path, content) in edits {
        let old = base.get_path(Path::new(path)).ok();
        match content {
            Some(content) => {
                let mode = match old.map(|entry| entry.filemode()) {
                    Some(0o100_755) => git2::FileMode::BlobExecutable,
                    _ => git2::FileMode::Blob,
                };
                update.upsert(path, repo.blob(content).map_err(failed("write a blob"))?, mode);
            }
            None if old.is_some() => {
                update.remove(path);
            }
            None => {}
        }
    }
    update.create_updated(repo, &base).map_err(failed("write a tree"))
}

fn tree<'r>(repo: &'r Repository, commit: &str) -> Result<git2::Tree<'r>, EffectError> {
    let id = Oid::from_str(commit).map_err(failed("read a commit's id"))?;
    repo.find_commit(id).and_then(|commit| commit.tree()).map_err(failed("find the base commit"))
}

#[cfg(unix)]
fn executable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

/// A link is made only when its target, followed from where it stands, stays in the tree; else it becomes a
/// plain file with the target's text, as git does where links are not supported.
#[cfg(unix)]
fn export_link(path: &str, target: &Path, content: &[u8]) -> std::io::Result<()> {
    let to = String::from_utf8_lossy(content);
    let mut depth = path.matches('/').count() as i64;
    let inside = !to.starts_with('/')
        && to.split('/').all(|part| {
            depth += match part {
                ".." => -1,
                "." | "" => 0,
                _ => 1,
            };
            depth >= 0
        });
    if inside { std::os::unix::fs::symlink(&*to, target) } else { std::fs::write(target, content) }
}
