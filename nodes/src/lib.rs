//! What graphs are made of: the kinds of nodes, and behind traits and effects the outside world.
//!
//! Modules at the top are pure: they take values and ask for effects. Only [`world`] touches files, processes,
//! sockets and clocks.

#![forbid(unsafe_code)]

pub mod agent;
pub mod analyze;
mod answer;
pub mod approve;
pub mod command;
pub mod detect;
pub mod effects;
pub mod gate;
pub mod generate;
pub mod incident;
mod kinds;
pub mod model;
pub mod notify;
pub mod page;
pub mod patch;
pub mod playbook;
pub mod pr;
pub mod prompt;
pub mod reports;
pub mod reproduce;
pub mod select;
pub mod summary;
pub mod test;
pub mod types;
pub mod wait;
pub mod wasm;
pub mod world;
pub use kinds::kinds;
