//! The outside world. Nothing else in this crate touches files, processes, sockets, clocks or randomness.

pub mod apply;
pub mod evidence;
pub mod forge;
pub mod git;
pub mod intake;
pub mod ledger;
pub mod locate;
pub mod models;
pub mod resolve;
pub mod search;
pub mod tests;
