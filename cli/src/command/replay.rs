//! `prunella replay`: a trace walked again, offline.

use std::path::PathBuf;

use prunella_engine::replay::replay as replay_trace;
use prunella_nodes::kinds;
use serde_json::json;

use super::trace::open;
use crate::args::ReplayArgs;
use crate::exit;
use crate::failure::Result;
use crate::session::loader;
use crate::terminal::{json, out};

/// Replays: 0 when all is as recorded, 20 at the first difference, 21 for a damaged trace.
pub(super) fn replay(args: &ReplayArgs, store: Option<PathBuf>) -> Result {
    let trace = open(&args.trace, store)?;
    let replayed = replay_trace(&trace, Some(&kinds()), &loader())?;
    if args.json {
        json(&json!({"format": 1, "replayed": replayed}));
        return Ok(exit::OK);
    }
    out(format!(
        "run {}: {} steps and {} effects are as recorded; end: {}",
        replayed.run,
        replayed.steps,
        replayed.effects,
        replayed.end.as_deref().unwrap_or("none yet")
    ));
    Ok(exit::OK)
}
