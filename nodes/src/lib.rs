//! What graphs are made of: the kinds of nodes, and behind traits and effects the outside world.
//!
//! Modules at the top are pure: they take values and ask for effects. Only [`world`] touches files, processes,
//! sockets and clocks.

pub mod effects;
pub mod types;
pub mod world;
