//! All kinds and records that graph files may name.

use prunella_engine::Kinds;
use prunella_engine::types::Typed;

use crate::types::{Candidate, Counts, Frame, Incident, Log, Pull, Repo, Reproduction, Verdict};
use crate::{
    agent, analyze, approve, command, detect, generate, model, notify, pr, reproduce, select, test, wait,
    wasm,
};

/// The kinds of this crate, with the records that they take and give.
#[must_use]
pub fn kinds() -> Kinds {
    let incidents =
        [detect::kind(), reproduce::kind(), analyze::kind(), generate::kind(), test::kind(), pr::kind()];
    let general = [
        model::kind(),
        agent::kind(),
        command::kind(),
        approve::kind(),
        wait::kind(),
        notify::kind(),
        select::kind(),
        wasm::kind(),
    ];
    incidents
        .into_iter()
        .chain(general)
        .fold(Kinds::default(), Kinds::with_kind)
        .with_record(&Log::ty())
        .with_record(&Repo::ty())
        .with_record(&Frame::ty())
        .with_record(&Incident::ty())
        .with_record(&Reproduction::ty())
        .with_record(&Candidate::ty())
        .with_record(&Counts::ty())
        .with_record(&Verdict::ty())
        .with_record(&Pull::ty())
}
