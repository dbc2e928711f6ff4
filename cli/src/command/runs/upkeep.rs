//! Keeping a store in order: finding runs, taking them away, giving back space, looking for damage.

use std::sync::Arc;

use prunella_engine::clock::{Clock, SystemClock};
use prunella_engine::store::{Filter, Prune, RunStatus, Store};
use prunella_engine::types::duration_ms;
use serde_json::json;

use super::time;
use crate::exit;
use crate::failure::{Failure, Result};
use crate::terminal::{json, out, say};

/// What the arguments of `runs list` mean.
pub(super) fn filter(
    status: &[String],
    graph: Option<String>,
    since: Option<&str>,
    limit: Option<usize>,
) -> Result<Filter> {
    let statuses = status.iter().map(|word| {
        RunStatus::ALL.into_iter().find(|status| status.word() == word).ok_or_else(|| {
            let known: Vec<&str> = RunStatus::ALL.iter().map(|status| status.word()).collect();
            Failure::usage(format!("no run stands as `{word}`")).help(format!("one of {}", known.join(", ")))
        })
    });
    let since = since.map(span).transpose()?;
    Ok(Filter {
        statuses: statuses.collect::<Result<_>>()?,
        graph,
        created_after_ms: since.map(|ms| SystemClock::default().now_ms().saturating_sub(ms)),
        limit,
        ..Filter::default()
    })
}

/// `prunella runs delete`
pub(super) fn delete(store: &Arc<Store>, names: &[String]) -> Result {
    let ids = names.iter().map(|name| Ok(store.find(name)?)).collect::<Result<Vec<String>>>()?;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let count = store.delete(&ids)?;
    out(format!("{count} deleted; `prunella runs gc` gives back their large values"));
    Ok(exit::OK)
}

/// `prunella runs copy`
pub(super) fn copy(store: &Arc<Store>, name: &str) -> Result {
    let id = super::reader(store).copy(&store.find(name)?)?;
    out(id);
    Ok(exit::OK)
}

/// `prunella runs prune`
pub(super) fn prune(
    store: &Arc<Store>,
    graph: Option<String>,
    older_than: Option<&str>,
    keep: usize,
    dry_run: bool,
    as_json: bool,
) -> Result {
    let older_than_ms = older_than.map(span).transpose()?;
    if older_than_ms.is_none() && keep == 0 {
        return Err(Failure::usage("this would delete every run that is over")
            .help("say which with `--older-than 30d` or `--keep 20`"));
    }
    let what = Prune { graph, statuses: Vec::new(), older_than_ms, keep_latest: keep, dry_run };
    let pruned = store.prune(&what, SystemClock::default().now_ms())?;
    if as_json {
        let removed: Vec<&str> = pruned.removed.iter().map(|row| row.id.as_str()).collect();
        json(&json!({"format": 1, "removed": removed, "live": pruned.live, "dry_run": dry_run}));
        return Ok(exit::OK);
    }
    for row in &pruned.removed {
        out(format!("{}  {:<10} {:<9} {}", row.id, row.graph, row.status.word(), time(row.created_ms)));
    }
    let verb = if dry_run { "would be deleted" } else { "deleted" };
    say(format!("{} {verb}, {} kept because they are at work", pruned.removed.len(), pruned.live.len()));
    Ok(exit::OK)
}

/// `prunella runs gc`
pub(super) fn gc(store: &Arc<Store>, as_json: bool) -> Result {
    // Pull requests and reports are files of their own and mention no blob.
    let swept = store.gc(&[], SystemClock::default().now_ms())?;
    if as_json {
        json(&json!({"format": 1, "swept": swept}));
    } else {
        out(format!(
            "{} large values ({} bytes) and {} lock files gone; the database is {} bytes smaller",
            swept.blobs, swept.blob_bytes, swept.locks, swept.file_bytes
        ));
    }
    Ok(exit::OK)
}

/// `prunella runs verify`: 21 when something is damaged.
pub(super) fn verify(store: &Arc<Store>, name: Option<&str>, as_json: bool) -> Result {
    let run = name.map(|name| store.find(name)).transpose()?;
    let found = store.verify(run.as_deref())?;
    if as_json {
        json(&json!({"format": 1, "findings": found}));
    }
    for one in found.iter().filter(|_| !as_json) {
        let run = one.run.as_ref().map(|run| format!("{run}: ")).unwrap_or_default();
        out(format!("{run}{} ({})", one.message, one.code));
    }
    if found.is_empty() {
        say("sound");
        return Ok(exit::OK);
    }
    Ok(exit::DAMAGED)
}

fn span(text: &str) -> Result<u64> {
    duration_ms(text).ok_or_else(|| {
        Failure::usage(format!("`{text}` is no duration")).help("such as `90s`, `24h` or `30d`")
    })
}
