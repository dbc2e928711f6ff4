//! Fixes of the playbook: one search a run, then one fix a visit.

use prunella_engine::NodeError;
use prunella_engine::types::Diff;

use super::{FoundFix, Visit};
use crate::effects::{PlaybookRequest, SearchPlaybook};
use crate::types::Candidate;

/// Most candidates that the search may try.
const MOST: u64 = 600;

/// The next fix that was found and not offered; nothing when there is none left.
///
/// # Errors
/// When the recorded response is not what the search gives.
pub(super) async fn next(visit: &mut Visit<'_>) -> Result<Option<Candidate>, NodeError> {
    if !visit.cursor.searched {
        search(visit).await?;
    }
    while !visit.cursor.found.is_empty() {
        let fix = visit.cursor.found.remove(0);
        if visit.was_offered(&fix.tree) {
            continue;
        }
        let rest = visit.cursor.found.iter();
        return Ok(Some(Candidate {
            origin: format!("playbook/{}", fix.template),
            alternatives: rest.map(|other| format!("{}: {}", other.template, other.summary)).collect(),
            diff: fix.diff,
            files: fix.files,
            summary: fix.summary,
            tree: fix.tree,
        }));
    }
    Ok(None)
}

async fn search(visit: &mut Visit<'_>) -> Result<(), NodeError> {
    let request = PlaybookRequest {
        commit: visit.commit.clone(),
        command: visit.input.command.clone(),
        incident: visit.input.incident.clone(),
        reproduction: visit.input.reproduction.clone(),
        judged: visit.cursor.offered.clone(),
        most: MOST,
    };
    let answer = visit.ctx.call::<SearchPlaybook>(&request).await?;
    visit.ctx.log(format!(
        "the playbook proposed {} repairs, tried {}, and {} make the reproduction pass",
        answer.proposed,
        answer.tried,
        answer.found.len()
    ));
    if answer.found.is_empty() {
        visit.lessons.push(match answer.tried {
            0 => "the playbook has no repair for this".to_owned(),
            n => format!("the playbook tried {n} repairs, and the reproduction fails with each of them"),
        });
    }
    visit.cursor.searched = true;
    visit.cursor.found = answer
        .found
        .into_iter()
        .map(|fix| FoundFix {
            template: fix.template,
            summary: fix.summary,
            diff: Diff(fix.diff),
            files: fix.files,
            tree: fix.tree,
            score: fix.score,
        })
        .collect();
    Ok(())
}
