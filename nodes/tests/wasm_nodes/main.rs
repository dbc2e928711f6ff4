//! Nodes as WebAssembly components: what they can do, what stops them, and what they cannot reach.
//!
//! The samples of `nodes/wit/samples` are built from source here; `nodes/wit/samples/install-tools` installs what that
//! takes.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests build the samples with compilers"
)]

#[cfg(test)]
mod beside;
#[cfg(test)]
mod build;
#[cfg(test)]
mod effects;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod scene;
