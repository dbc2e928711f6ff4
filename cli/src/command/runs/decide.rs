//! Yes or no to what a run asks for approval, and what a waiting run asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use prunella_engine::clock::utc;
use prunella_engine::run::OpenInterrupt;
use prunella_engine::store::Store;
use prunella_nodes::approve::answer_type;
use serde_json::json;

use super::travel::reader;
use crate::args::DecideArgs;
use crate::failure::{Failure, Result};
use crate::terminal::{out, say};

/// Whether the question is one of kind `approve`.
fn asks_approval(question: &OpenInterrupt) -> bool {
    [false, true].iter().any(|deadline| answer_type(*deadline).to_string() == question.answer)
}

/// Prints what the run asks.
pub(super) fn questions(store: &Arc<Store>, run: &str) -> Result<()> {
    for one in reader(store).interrupts(run)? {
        let until = one.until_ms.map(|ms| format!(", until {}", utc(ms))).unwrap_or_default();
        out(format!("  asks        {} ({}{until})", one.question.replace('\n', "\n              "), one.id));
        if asks_approval(&one) {
            out(format!(
                "              prunella runs approve {run} {0}, or prunella runs reject {run} {0}",
                one.id
            ));
        }
    }
    Ok(())
}

/// Answers the question that the arguments name, or the only one.
///
/// # Errors
/// Exit 2 when the run asks for no approval, or for several and none is named; 7 when somebody is at work on it.
pub(super) fn decide(store: &Arc<Store>, args: &DecideArgs, approved: bool) -> Result<()> {
    let run = store.find(&args.run)?;
    let engine = reader(store);
    let open: Vec<OpenInterrupt> = engine.interrupts(&run)?.into_iter().filter(asks_approval).collect();
    let ids = || open.iter().map(|one| one.id.as_str()).collect::<Vec<_>>().join(", ");
    let found = match &args.id {
        Some(id) => open.iter().find(|one| one.id == *id),
        None if open.len() > 1 => {
            return Err(Failure::usage(format!("run {run} asks for several approvals"))
                .help(format!("name one of {}", ids())));
        }
        None => open.first(),
    };
    let Some(found) = found else {
        let help = if open.is_empty() {
            format!("`prunella runs answer {run}` lists what it asks")
        } else {
            format!("it asks {}", ids())
        };
        return Err(Failure::usage(format!("run {run} asks for no such approval")).help(help));
    };
    let user = || std::env::var("USER").ok().filter(|name| !name.is_empty());
    let answer = json!({
        "approved": approved,
        "by": args.by.clone().or_else(user),
        "reason": args.reason,
    });
    engine.answer(&run, &BTreeMap::from([(found.id.clone(), answer)]))?;
    say(format!("run {run}: {} {}", found.id, if approved { "approved" } else { "rejected" }));
    Ok(())
}
