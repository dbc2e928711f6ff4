//! Repositories of ours: the demo's.

use std::path::Path;

use git2::{IndexAddOption, Repository, RepositoryInitOptions, Signature};
use prunella_engine::EffectError;

use super::failed;

/// Makes a git repository of the files in `dir`, with one commit on `main`.
///
/// # Errors
/// When the folder cannot be written or is a repository already.
pub fn create(dir: &Path, message: &str) -> Result<(), EffectError> {
    let mut options = RepositoryInitOptions::new();
    // Templates of the machine may bring hooks; ours brings nothing.
    options.initial_head("main").no_reinit(true).external_template(false);
    let repo = Repository::init_opts(dir, &options).map_err(failed("make a repository"))?;
    let mut index = repo.index().map_err(failed("open the index"))?;
    index.add_all(["*"], IndexAddOption::DEFAULT, None).map_err(failed("add files"))?;
    index.write().map_err(failed("write the index"))?;
    let tree = index.write_tree().and_then(|id| repo.find_tree(id)).map_err(failed("write a tree"))?;
    let who = Signature::now("Prunella demo", "demo@localhost").map_err(failed("name an author"))?;
    repo.commit(Some("HEAD"), &who, &who, message, &tree, &[]).map_err(failed("commit"))?;
    Ok(())
}
