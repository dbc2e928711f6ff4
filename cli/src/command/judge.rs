//! `prunella judge`: the verdict on somebody's patch.

use std::path::{Path, PathBuf};

use prunella_nodes::types::{Verdict, VerdictStatus};
use prunella_nodes::world::git::GitRepo;
use serde_json::json;

use crate::args::JudgeArgs;
use crate::exit;
use crate::failure::{Failure, Result};
use crate::session::{self, Local};
use crate::terminal::{json, out, say};

/// Judges the patch by the repository's own tests: those that fail at the base must pass, the others stay.
pub(super) fn judge(args: &JudgeArgs, store: Option<PathBuf>) -> Result {
    let store = session::store_dir(store)?;
    let mut local = Local::new(&args.repo, &args.tests)?;
    local.settle(&args.tests, &store, args.at.as_deref())?;
    let (repo, tester) = session::tester(&local, &store)?;
    let (commit, diff) = patch(args, &repo)?;
    say(format!("judging {} on {}", args.patch, &commit[..12.min(commit.len())]));
    let command = session::test_command(&args.tests)?;
    let verdict = tester.judge_patch(&commit, command.as_deref(), &diff)?;
    if args.json {
        json(&json!({"format": 1, "commit": commit, "verdict": verdict}));
    } else {
        show(&verdict);
    }
    Ok(match verdict.status {
        VerdictStatus::Fixed => exit::OK,
        VerdictStatus::Regressed => exit::REGRESSED,
        VerdictStatus::Tampered => exit::TAMPERED,
        VerdictStatus::Incomplete => exit::INCOMPLETE,
        VerdictStatus::NotFixed | VerdictStatus::NoEvidence => exit::UNHEALED,
    })
}

/// The base commit and the diff: a file's text, or what a branch changes.
fn patch(args: &JudgeArgs, repo: &GitRepo) -> Result<(String, String)> {
    let file = Path::new(&args.patch);
    if file.is_file() {
        let bytes = std::fs::read(file).map_err(|e| {
            Failure::new(exit::UNREADABLE, format!("the patch {} cannot be read: {e}", file.display()))
        })?;
        let text = String::from_utf8(bytes).map_err(|_| {
            Failure::new(exit::UNREADABLE, format!("the patch {} is not UTF-8", file.display()))
        })?;
        return Ok((repo.resolve(args.at.as_deref().unwrap_or("HEAD"))?, text));
    }
    repo.branch_patch(&args.patch, args.at.as_deref())
        .map_err(|e| Failure::from(e).help("name a file with a unified diff, or a branch of the repository"))
}

fn show(verdict: &Verdict) {
    out(format!("{}: {}", verdict.status.word(), verdict.reason));
    let counts = |counts: &prunella_nodes::types::Counts| {
        format!(
            "{} passed, {} failed, {} skipped, {} missing",
            counts.passed, counts.failed, counts.skipped, counts.missing
        )
    };
    out(format!("  before      {}", counts(&verdict.before)));
    out(format!("  after       {}", counts(&verdict.after)));
    for regression in &verdict.regressions {
        out(format!("  regressed   {regression}"));
    }
    for flaky in &verdict.flaky {
        out(format!("  set aside   {flaky} (two runs of the base disagree)"));
    }
    out(format!("  confidence  {:.2}", verdict.confidence));
    for evidence in &verdict.evidence {
        out(format!("              {evidence}"));
    }
    out(format!("  isolation   {}", verdict.isolation));
    out(format!("  command     {}", verdict.command.join(" ")));
}
