//! All kinds and records that graph files may name.

use prunella_engine::Kinds;
use prunella_engine::types::Typed;

use crate::types::{Candidate, Counts, Frame, Incident, Log, Pull, Repo, Reproduction, Verdict};
use crate::{analyze, detect, generate, pr, reproduce, test};

/// The kinds of this crate, with the records that they take and give.
#[must_use]
pub fn kinds() -> Kinds {
    [detect::kind(), reproduce::kind(), analyze::kind(), generate::kind(), test::kind(), pr::kind()]
        .into_iter()
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
