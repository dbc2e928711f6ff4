//! `prunella fork`: another way from a step of a run.

use std::path::PathBuf;

use prunella_engine::run::Change;

use super::check::checked;
use super::run::Stream;
use super::runs::{change, reader, resume};
use crate::args::ForkArgs;
use crate::exit;
use crate::failure::Result;
use crate::session;
use crate::terminal::{out, say};

/// Makes the new run, and goes on with it unless told otherwise.
pub(super) fn fork(args: &ForkArgs, store: Option<PathBuf>) -> Result {
    let store = session::store(store)?;
    let run = store.find(&args.run)?;
    let update = match args.set_state.as_slice() {
        [] => None,
        set => Some(change(String::new(), None, None, set, &[])?),
    };
    let graph = args.graph.as_deref().map(checked).transpose()?;
    let different = Change { graph, settings: None, update, allow_external: args.allow_external };
    let id = reader(&store).fork(&run, &args.at, different)?;
    if args.no_resume {
        out(&id);
        return Ok(exit::OK);
    }
    say(format!("run {id}: a fork of {run} at {}", args.at));
    resume(&store, &id, args.json, Stream::of(&[])?)
}
