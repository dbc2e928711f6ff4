//! Runs of scripted nodes on a scripted world: everything the engine promises, without an incident in sight.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests look at files and kill processes"
)]

#[cfg(test)]
mod kill;
#[cfg(test)]
mod owner;
#[cfg(test)]
#[path = "../support/prefix.rs"]
mod prefix;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod resume;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod semantics;
