//! What a person gets when a run has come to rest: `report.md`, a summary, or JSON.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use prunella_engine::journal::Record;
use prunella_engine::run::{Engine, RunResult};
use prunella_engine::store::{RunStatus, Store};
use prunella_nodes::page;
use prunella_nodes::summary::{Told, tell};
use prunella_nodes::types::Pull;
use prunella_nodes::world::forge::LocalForge;
use prunella_nodes::world::git::GitRepo;
use serde_json::{Value, json};

use crate::exit;
use crate::failure::{Failure, Result};
use crate::session::{Local, loader};
use crate::terminal::{json as print_json, out, say};

/// Tells of a run that came to rest, and gives its exit code. `signal` is the exit code of a signal that stopped it.
///
/// # Errors
/// Exit 6 when the store cannot be read or the report not be written.
pub(crate) fn conclude(
    engine: &Engine,
    run: &str,
    result: &RunResult,
    local: &Local,
    as_json: bool,
    signal: u8,
) -> Result {
    let told = told(engine.store(), run, Some(result), local)?;
    let path = write_report(engine.store(), run, &told)?;
    let code = if signal != 0 && result.status == RunStatus::Stopped { signal } else { result.exit };
    if as_json {
        let page =
            told.summary.pull.as_ref().map(|pull| page_path(engine.store(), local, &pull.id)).transpose()?;
        print_json(&as_value(&told, result, code, &path, page.as_deref()));
        return Ok(code);
    }
    if let Some(error) = result.error.as_ref().filter(|error| error.code != "run.stopped") {
        crate::terminal::failure(&Failure { code, message: error.message.clone(), help: error.help.clone() });
    }
    if told.summary.resumable {
        say(format!("go on with: prunella runs resume {run}"));
    }
    if let Some(pull) = &told.summary.pull {
        out(format!(
            "pull request {}{} on branch {}: {}",
            pull.id,
            if pull.draft { " (draft)" } else { "" },
            pull.branch,
            page_of(pull, local)
        ));
    }
    if let Some(page) = &told.page {
        out(page);
    }
    out(path.display());
    Ok(code)
}

/// What the journal of `run` tells.
///
/// # Errors
/// Exit 6 when the store cannot be read, 3 when the stored graph does not check.
pub(crate) fn told(store: &Arc<Store>, run: &str, result: Option<&RunResult>, local: &Local) -> Result<Told> {
    let records: Vec<Record> = store.records(run)?.into_iter().map(|sealed| sealed.record).collect();
    let Some(Record::Header(header)) = records.first() else {
        return Err(Failure::new(exit::BUG, format!("the journal of run {run} has no header")));
    };
    let graph = loader()(&header.graph.stored(store.as_ref())?)?;
    let mut told = tell(&graph, &records, result, store.as_ref());
    told.summary.repo = local.repo.display().to_string();
    told.summary.again.clone_from(&local.again);
    if let Ok(inputs) = header.inputs.unpack(&Value::Null, store.as_ref()) {
        told.summary.log = inputs["log"]["name"].as_str().unwrap_or_default().to_owned();
    }
    Ok(told)
}

/// Where the page of `pull` is read, from any folder.
fn page_of(pull: &Pull, local: &Local) -> String {
    match pull.url.strip_prefix("prunella ") {
        Some(_) => format!("{} --repo {}", pull.url, page::shell(&[local.repo.display().to_string()])),
        None => pull.url.clone(),
    }
}

/// The file that holds the page of a local pull request.
fn page_path(store: &Store, local: &Local, id: &str) -> Result<PathBuf> {
    let dir = store.dir().unwrap_or(Path::new("."));
    Ok(LocalForge::new(dir, Arc::new(GitRepo::open(&local.repo)?)).page_path(id))
}

/// Writes `report.md` of the run into the store.
///
/// # Errors
/// Exit 6 when it cannot be written.
pub(crate) fn write_report(store: &Store, run: &str, told: &Told) -> Result<PathBuf> {
    let dir = store.dir().unwrap_or(Path::new(".")).join("reports").join(run);
    let path = dir.join("report.md");
    std::fs::create_dir_all(&dir).and_then(|()| std::fs::write(&path, page::report(&told.summary))).map_err(
        |e| Failure::new(exit::STORE, format!("the report {} cannot be written: {e}", path.display())),
    )?;
    Ok(path)
}

/// The result of `run --json`, format 1.
fn as_value(told: &Told, result: &RunResult, code: u8, report: &Path, page: Option<&Path>) -> Value {
    let summary = &told.summary;
    let pull = summary.pull.as_ref().map(|pull| {
        json!({"id": pull.id, "branch": pull.branch, "commit": pull.commit, "draft": pull.draft, "action": pull.action, "page": page})
    });
    json!({
        "format": 1,
        "run": summary.run,
        "graph": summary.graph,
        "status": result.status.word(),
        "end": result.end,
        "outcome": result.outcome,
        "limit": result.limit,
        "output": result.output,
        "exit": code,
        "resumable": summary.resumable,
        "reason": told.reason(),
        "error": result.error,
        "commit": summary.commit,
        "incident": summary.incident,
        "reproduction": summary.reproduction,
        "attempts": told.attempts,
        "candidate": told.candidate.as_ref().map(|candidate| format!("{}: {}", candidate.origin, candidate.summary)),
        "verdict": told.verdict,
        "lessons": told.lessons,
        "pull": pull,
        "cost_usd": micro(told.cost_microusd),
        "active_ms": told.active_ms,
        "report": report.display().to_string(),
    })
}

/// Millionths of a dollar as dollars.
#[expect(clippy::cast_precision_loss, reason = "nobody spends 2^53 millionths of a dollar")]
pub(crate) fn micro(microusd: u64) -> f64 {
    microusd as f64 / 1_000_000.0
}
