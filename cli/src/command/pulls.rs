//! `prunella pulls`: the local pull requests of a repository.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use prunella_nodes::world::forge::{Forge, LocalForge};
use prunella_nodes::world::git::GitRepo;

use crate::args::PullsCommand;
use crate::exit;
use crate::failure::Result;
use crate::session::store_dir;
use crate::terminal::{out, out_raw, say};

/// Does what the subcommand says.
pub(super) fn pulls(command: PullsCommand, store: Option<PathBuf>) -> Result {
    let forge = |repo: &Path| -> Result<LocalForge> {
        Ok(LocalForge::new(&store_dir(store.clone())?, Arc::new(GitRepo::open(repo)?)))
    };
    match command {
        PullsCommand::List { repo } => {
            let pulls = forge(&repo)?.list()?;
            for pull in &pulls {
                let draft = if pull.record.draft { " (draft)" } else { "" };
                out(format!(
                    "{:<10} {:<8}{draft} {}  {}",
                    pull.record.id,
                    pull.state.word(),
                    pull.record.branch,
                    pull.record.title
                ));
            }
            if pulls.is_empty() {
                say("no pull requests");
            }
        }
        PullsCommand::Show { id, repo } => {
            let (pull, page, comments) = forge(&repo)?.show(&id)?;
            say(format!("{} {} on branch {}", pull.record.id, pull.state.word(), pull.record.branch));
            out_raw(&page);
            for comment in comments {
                out_raw(&format!("\n---\n\n{comment}"));
            }
        }
        PullsCommand::Close { id, repo } => {
            let pull = forge(&repo)?.close(&id, "closed by command")?;
            out(format!("{} {}", pull.record.id, pull.state.word()));
        }
    }
    Ok(exit::OK)
}
