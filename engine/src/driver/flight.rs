//! What is in the air: work on tokio's pool that comes back to the driver's thread.

use crate::{Done, EffectError, Lane, Reconciled};

/// Which effect of which task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) lane: Lane,
    pub(super) ordinal: u32,
}

/// Something that came back.
pub(super) enum Landed {
    /// A try was performed, well or not, and took this many milliseconds.
    Performed(At, Result<Done, EffectError>, u64),
    /// An effect that began before was looked for, which took this many milliseconds.
    Reconciled(At, Result<Reconciled, EffectError>, u64),
    /// The pause before the next try is over.
    Rested(At),
}
