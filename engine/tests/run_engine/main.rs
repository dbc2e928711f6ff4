//! Runs of scripted nodes on a scripted world: everything the engine promises, without an incident in sight.

mod kill;
mod owner;
mod resume;
mod scene;
mod semantics;
