//! Nodes as WebAssembly components: what they can do, what stops them, and what they cannot reach.
//!
//! The samples of `nodes/wit/samples` are built from source here; `nodes/wit/samples/install-tools` installs what that
//! takes.

mod build;
mod effects;
mod limits;
mod refusals;
mod scene;
