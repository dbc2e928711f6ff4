//! `prunella runs`: what ran, and going on with it.

mod decide;
mod travel;
mod upkeep;

use std::path::PathBuf;
use std::sync::Arc;

use prunella_engine::clock::SystemClock;
use prunella_engine::journal::Record;
use prunella_engine::run::RunResult;
use prunella_engine::store::{Filter, RunRow, RunStatus, Store};
use prunella_nodes::effects::ClaimRequest;
use prunella_nodes::summary::Told;
use prunella_nodes::world::claims::StoreClaims;
use prunella_nodes::world::forge::LocalForge;
use prunella_nodes::world::git::GitRepo;
use prunella_nodes::world::ledger;
use prunella_nodes::world::models::Providers;
use serde_json::{Value, json};

use super::run::{Stream, see_through};
use crate::args::{DecideArgs, RunsCommand};
use crate::exit;
use crate::failure::{Failure, Result};
use crate::progress::short;
use crate::report::{micro, told, write_report};
use crate::session::{self, Local};
use crate::terminal::{json, out, say, seconds};
pub(super) use travel::{change, reader};

/// Does what the subcommand says.
pub(super) fn runs(command: RunsCommand, store: Option<PathBuf>) -> Result {
    let store = session::store(store)?;
    match command {
        RunsCommand::List { status, graph, since, limit, json: as_json } => {
            list(&store, &upkeep::filter(&status, graph, since.as_deref(), limit)?, as_json)
        }
        RunsCommand::Show { run, json: as_json } => show(&store, &run, as_json),
        RunsCommand::Resume { run, graph, stream, json: as_json } => {
            if let Some(graph) = graph {
                travel::same_graph(&store, &run, &graph)?;
            }
            resume(&store, &run, as_json, Stream::of(&stream)?)
        }
        RunsCommand::History { run, json: as_json } => travel::history(&store, &run, as_json),
        RunsCommand::State { run, at, since, json: as_json } => {
            travel::state(&store, &run, at.as_deref(), since.as_deref(), as_json)
        }
        RunsCommand::Answer { run, answers, no_resume, json: as_json } => {
            let given = travel::answer(&store, &run, &answers, as_json)?;
            if given && !no_resume { resume(&store, &run, as_json, Stream::of(&[])?) } else { Ok(exit::OK) }
        }
        RunsCommand::Approve(args) => decided(&store, &args, true),
        RunsCommand::Reject(args) => decided(&store, &args, false),
        RunsCommand::Update { run, scope, node, output, set, overwrite } => {
            travel::update(&store, &run, travel::change(scope, node, output, &set, &overwrite)?)
        }
        RunsCommand::Delete { runs } => upkeep::delete(&store, &runs),
        RunsCommand::Copy { run } => upkeep::copy(&store, &run),
        RunsCommand::Prune { graph, older_than, keep, dry_run, json: as_json } => {
            upkeep::prune(&store, graph, older_than.as_deref(), keep, dry_run, as_json)
        }
        RunsCommand::Gc { json: as_json } => upkeep::gc(&store, as_json),
        RunsCommand::Verify { run, json: as_json } => upkeep::verify(&store, run.as_deref(), as_json),
        RunsCommand::Cancel { run } => cancel(&store, &run),
    }
}

/// Answers what a run asks for approval, and goes on with it.
fn decided(store: &Arc<Store>, args: &DecideArgs, approved: bool) -> Result {
    decide::decide(store, args, approved)?;
    if args.no_resume { Ok(exit::OK) } else { resume(store, &args.run, args.json, Stream::of(&[])?) }
}

/// The word for where a run stands; one that was killed at work says so.
fn standing(store: &Arc<Store>, row: &RunRow) -> Result<&'static str> {
    Ok(match row.status {
        RunStatus::Running | RunStatus::Created if !store.is_live(&row.id)? => "killed",
        status => status.word(),
    })
}

fn list(store: &Arc<Store>, filter: &Filter, as_json: bool) -> Result {
    let rows = store.list_by(filter)?;
    let mut listed = Vec::new();
    for row in &rows {
        let standing = standing(store, row)?;
        let repo = row.local["repo"].as_str().unwrap_or_default();
        if as_json {
            listed.push(
                json!({"run": row.id, "graph": row.graph, "status": standing, "created_ms": row.created_ms,
                               "end": row.result["end"], "exit": row.result["exit"], "repo": repo}),
            );
        } else {
            let end = row.result["end"].as_str().unwrap_or("–");
            out(format!(
                "{}  {:<10} {:<9} {:<12} {}  {repo}",
                row.id,
                row.graph,
                standing,
                end,
                time(row.created_ms)
            ));
        }
    }
    if as_json {
        json(&json!({"format": 1, "runs": listed}));
    } else if rows.is_empty() {
        say("no runs yet");
    }
    Ok(exit::OK)
}

fn show(store: &Arc<Store>, name: &str, as_json: bool) -> Result {
    let row = store.row(&store.find(name)?)?;
    let trace = prunella_engine::trace::Trace::of_run(store, &row.id)?;
    let steps = trace.steps()?;
    let standing = standing(store, &row)?;
    let (local, _) = pinned(store, &row)?;
    let told = told(store, &row.id, result(&row).as_ref(), &local)?;
    if as_json {
        let summary = &told.summary;
        json(
            &json!({"format": 1, "run": row.id, "graph": row.graph, "status": standing, "created_ms": row.created_ms,
                     "repo": summary.repo, "commit": summary.commit, "incident": summary.incident, "attempts": told.attempts,
                     "verdict": told.verdict, "pull": summary.pull, "cost_usd": micro(told.cost_microusd),
                     "active_ms": told.active_ms, "reason": told.reason(), "result": row.result, "steps": steps}),
        );
        return Ok(exit::OK);
    }
    out(format!("run {}: {}, {standing}, {}", row.id, row.graph, time(row.created_ms)));
    head(&row, &told);
    for step in steps {
        let to = step.to.map(|to| format!(" → {to}")).unwrap_or_default();
        out(format!("  {:<14} {:>9}{to}", step.lane.to_string(), seconds(step.active_ms)));
        for effect in step.effects {
            let state = if effect.done { "" } else { " (not answered)" };
            let tries = if effect.tries > 1 { format!(", {} tries", effect.tries) } else { String::new() };
            out(format!("      {} {}{tries}{state}", effect.ordinal, effect.name));
        }
        for line in step.log {
            out(format!("      {line}"));
        }
    }
    if let Some(error) = row.result["error"]["message"].as_str() {
        out(format!("  stopped: {error}"));
    }
    if standing == "waiting" {
        decide::questions(store, &row.id)?;
    }
    if matches!(standing, "killed" | "stopped" | "waiting") {
        out(format!("go on with: prunella runs resume {}", row.id));
    }
    let report = store
        .dir()
        .map(|dir| dir.join("reports").join(&row.id).join("report.md"))
        .filter(|path| path.exists());
    if let Some(report) = report {
        out(report.display());
    }
    Ok(exit::OK)
}

/// What the run is about and what came of it.
fn head(row: &RunRow, told: &Told) {
    let summary = &told.summary;
    out(format!("  repository  {} at {}", summary.repo, summary.commit.get(..12).unwrap_or(&summary.commit)));
    if let Some(incident) = &summary.incident {
        let at = incident.frames.iter().rev().find_map(|frame| frame.path.as_ref().zip(frame.repo_line));
        let at = at.map(|(path, line)| format!(" at {path}:{line}")).unwrap_or_default();
        out(format!("  incident    {}{at} ({})", incident.exception, short(&incident.fingerprint)));
    }
    if let Some(end) = row.result["end"].as_str() {
        let exit = &row.result["exit"];
        let reason = Some(told.reason()).filter(|reason| !reason.is_empty());
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        out(format!("  end         {end} (exit {exit}){reason}"));
    }
    if told.attempts > 0 {
        out(format!("  attempts    {}", told.attempts));
    }
    if let Some(pull) = &summary.pull {
        let draft = if pull.draft { " (draft)" } else { "" };
        out(format!("  pull        {}{draft} on branch {}", pull.id, pull.branch));
    }
    out(format!("  at work     {}, cost ${:.4}", seconds(told.active_ms), micro(told.cost_microusd)));
}

pub(super) fn resume(store: &Arc<Store>, name: &str, as_json: bool, stream: Stream) -> Result {
    let id = store.find(name)?;
    let row = store.row(&id)?;
    let (local, roles) = pinned(store, &row)?;
    let providers = Providers::from_roles(&roles, |name| std::env::var(name).ok())?;
    let (engine, stop) = session::engine(store, &local, providers, stream.modes())?;
    if row.status.is_over() {
        say(format!("run {id} is over; this is its result again"));
    } else {
        keep_claim(store, &id, &local)?;
    }
    see_through(&engine, stop, &id, &local, as_json, stream)
}

/// A run that was killed or stopped may have lost its incident to another one; two at work on it are one too many.
fn keep_claim(store: &Arc<Store>, id: &str, local: &Local) -> Result<()> {
    let Some(incident) = told(store, id, None, local)?.summary.incident else { return Ok(()) };
    let dir = store.dir().unwrap_or(std::path::Path::new("."));
    let forge = LocalForge::new(dir, Arc::new(GitRepo::open(&local.repo)?));
    let request = ClaimRequest { fingerprint: incident.fingerprint };
    let owner = ledger::claim(&StoreClaims(Arc::clone(store)), forge.key(), id, &request)?.owner;
    if owner != id {
        return Err(Failure::new(
            exit::OWNED,
            format!("run {owner} has taken the incident of run {id} over"),
        )
        .help(format!("wait for run {owner}, or cancel one: prunella runs cancel {id}")));
    }
    Ok(())
}

fn cancel(store: &Arc<Store>, name: &str) -> Result {
    let id = store.find(name)?;
    let row = store.row(&id)?;
    let (local, _) = pinned(store, &row)?;
    prunella_engine::run::cancel(store, &SystemClock::default(), &id)?;
    let row = store.row(&id)?;
    if !row.status.is_over() {
        out(format!("run {id}: its owner will cancel it after the step it is at"));
        return Ok(exit::OK);
    }
    store.release_claims(&id)?;
    let result = result(&row);
    write_report(store, &id, &told(store, &id, result.as_ref(), &local)?)?;
    out(format!("run {id}: cancelled"));
    Ok(exit::OK)
}

/// How the run last came to rest, as its row says.
fn result(row: &RunRow) -> Option<RunResult> {
    serde_json::from_value(row.result.clone()).ok()
}

/// What a run was started with: this machine's facts, and its model roles.
fn pinned(store: &Arc<Store>, row: &RunRow) -> Result<(Local, Value)> {
    let local: Local = serde_json::from_value(row.local.clone()).map_err(|e| {
        Failure::new(exit::STORE, format!("run {}: its local facts cannot be read: {e}", row.id))
    })?;
    let records = store.records(&row.id)?;
    let Some(Record::Header(header)) = records.first().map(|sealed| &sealed.record) else {
        return Err(Failure::new(exit::BUG, format!("the journal of run {} has no header", row.id)));
    };
    let settings = header.settings.unpack(&Value::Null, store.as_ref())?;
    Ok((local, settings["models"].clone()))
}

/// A time as a person reads it, in UTC.
fn time(ms: u64) -> String {
    let seconds = i64::try_from(ms / 1000).unwrap_or_default();
    jiff::Timestamp::from_second(seconds)
        .map(|at| at.strftime("%Y-%m-%d %H:%M").to_string())
        .unwrap_or_default()
}
