//! The outside world. Nothing else in this crate touches files, processes, sockets, clocks or randomness.

pub mod git;
