//! `prunella trace`: a run's record, to look at, verify and take along.

use std::path::{Path, PathBuf};

use prunella_engine::canonical;
use prunella_engine::store::Sealed;
use prunella_engine::trace::{Trace, read};

use crate::args::TraceCommand;
use crate::exit;
use crate::failure::{Failure, Result};
use crate::session;
use crate::terminal::{out, say};

/// Does what the subcommand says.
pub(super) fn trace(command: TraceCommand, store: Option<PathBuf>) -> Result {
    match command {
        TraceCommand::Show { trace } => show(&open(&trace, store)?.records),
        TraceCommand::Verify { trace } => {
            let trace = open(&trace, store)?;
            let head = trace.records.last().map(|sealed| sealed.head()).unwrap_or_default();
            out(format!(
                "{} records and {} blobs are whole; chain {head}",
                trace.records.len(),
                trace.blobs.len()
            ));
        }
        TraceCommand::Pack { run, out: file } => {
            let store = session::store(store)?;
            let trace = Trace::of_run(&store, &store.find(&run)?)?;
            std::fs::write(&file, trace.to_bytes()?).map_err(|e| {
                Failure::new(exit::UNREADABLE, format!("{} cannot be written: {e}", file.display()))
            })?;
            out(file.display());
        }
    }
    Ok(exit::OK)
}

/// The trace in a file, or that of a run. Damage is told with what is still valid.
///
/// # Errors
/// Exit 21 for a damaged trace, 22 for a newer format, 5 for a file that cannot be read, 2 for an unknown run.
pub(super) fn open(name: &str, store: Option<PathBuf>) -> Result<Trace> {
    let path = Path::new(name);
    if path.is_file() {
        let bytes = std::fs::read(path)
            .map_err(|e| Failure::new(exit::UNREADABLE, format!("{name} cannot be read: {e}")))?;
        return read(&bytes).map_err(|damage| {
            if let Some(last) = damage.valid.last() {
                say(format!("the valid prefix ends with: {}", brief(last)));
            }
            Failure::from(damage.fault)
        });
    }
    if name.contains(['/', '.']) {
        return Err(Failure::new(exit::UNREADABLE, format!("there is no trace {name}")));
    }
    let store = session::store(store)?;
    Ok(Trace::of_run(&store, &store.find(name)?)?)
}

/// Each record as a line of canonical JSON.
fn show(records: &[Sealed]) {
    for sealed in records {
        out(text(sealed));
    }
}

fn text(sealed: &Sealed) -> String {
    serde_json::to_value(&sealed.record).map(|value| canonical::to_string(&value)).unwrap_or_default()
}

fn brief(sealed: &Sealed) -> String {
    text(sealed).chars().take(160).collect()
}
