//! `prunella diff`: where two runs part.

use std::path::PathBuf;

use prunella_engine::run::diff as compare;
use serde_json::{Value, json};

use super::trace::open;
use crate::args::DiffArgs;
use crate::exit;
use crate::failure::Result;
use crate::terminal::{json, out, say};

/// Prints the first difference of each task that both have, and what only one has.
pub(super) fn diff(args: &DiffArgs, store: Option<PathBuf>) -> Result {
    let (a, b) = (open(&args.a, store.clone())?, open(&args.b, store)?);
    let found = compare((a.records.clone(), a.blobs.as_ref()), (b.records.clone(), b.blobs.as_ref()))?;
    if args.json {
        json(&json!({"format": 1, "diff": found}));
        return Ok(exit::OK);
    }
    for task in &found.tasks {
        let key = task.key.as_ref().map(|key| format!(" {key}")).unwrap_or_default();
        out(format!("{}: {}{key}\n  - {}\n  + {}", task.lane, task.what, brief(&task.a), brief(&task.b)));
    }
    for (sign, lanes) in [("-", &found.only_a), ("+", &found.only_b)] {
        for lane in lanes {
            out(format!("{sign} {lane}"));
        }
    }
    if found.end_a != found.end_b {
        out(format!("end\n  - {}\n  + {}", brief(&found.end_a), brief(&found.end_b)));
    }
    if found.is_empty() {
        say("no difference");
    }
    Ok(exit::OK)
}

/// A value on one line.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 200 { text } else { text.chars().take(200).chain("…".chars()).collect() }
}
