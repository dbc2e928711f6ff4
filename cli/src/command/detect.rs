//! `prunella detect`: the incidents of a log.

use prunella_nodes::detect::survey;
use prunella_nodes::world::git::GitRepo;
use prunella_nodes::world::intake::read_log;
use serde_json::json;

use crate::args::DetectArgs;
use crate::exit;
use crate::failure::Result;
use crate::progress::short;
use crate::terminal::{json, out, say};

/// Lists the incidents, newest first: 0 when there are any, 11 when there are none.
pub(super) fn detect(args: &DetectArgs) -> Result {
    let log = read_log(&args.log)?;
    let repo = GitRepo::open(&args.repo)?;
    let commit = repo.resolve(args.at.as_deref().unwrap_or("HEAD"))?;
    let (found, broken_off) = survey(&repo, &commit, &log.text)?;
    if args.json {
        let incidents: Vec<_> =
            found.iter().map(|one| json!({"incident": one.incident, "in_repo": one.in_repo})).collect();
        json(&json!({"format": 1, "commit": commit, "incidents": incidents, "broken_off": broken_off}));
    } else {
        for one in &found {
            let incident = &one.incident;
            out(format!("{}  {} ({}x)", short(&incident.fingerprint), incident.exception, incident.count));
            out(format!("          {}", incident.template));
            match incident.frames.iter().rev().find_map(|frame| frame.path.as_ref().zip(frame.repo_line)) {
                Some((path, line)) => out(format!("          {path}:{line}")),
                None => out("          no frame is in the repository"),
            }
        }
        if broken_off > 0 {
            say(format!("{broken_off} tracebacks break off before they name an exception"));
        }
        if found.is_empty() {
            say(format!("no incident in {}", log.name));
        }
    }
    Ok(if found.is_empty() { exit::NOTHING } else { exit::OK })
}
