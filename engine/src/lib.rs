//! The state machine runtime: graph files, state, scheduling, journal, traces and replay.
//!
//! The engine knows no incident, model, git or sandbox. It walks a checked [`graph::Graph`] whose steps are
//! [`Node`]s; a node touches the world only through an [`Effect`] on its [`Ctx`], which the driver performs,
//! records in the journal, and hands back. See `ARCHITECTURE.md` for the invariants.

#![forbid(unsafe_code)]

pub mod blob;
pub mod canonical;
pub mod clock;
mod ctx;
mod driver;
mod effect;
mod error;
pub mod event;
pub mod format;
pub mod graph;
pub mod journal;
mod kind;
mod lane;
pub mod redact;
pub mod replay;
pub mod run;
pub mod scheduler;
pub mod store;
pub mod testing;
pub mod trace;
pub mod types;

pub use ctx::{Ctx, Due, Expiry, TaskInfo};
pub use effect::{Call, Class, Done, Effect, Nowhere, Progress, Reconciled, World};
pub use error::{EffectError, Failure, Fault, NodeError};
pub use kind::{Field, Kind, Kinds, Node, Output, Part, Setting, SettingType};
pub use lane::{Lane, Name};
