//! The store: every format of it that ever was, its upkeep, its damage, and what it costs.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests look at files and kill processes"
)]

#[cfg(test)]
mod cost;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
#[path = "../run_engine/scene.rs"]
#[allow(dead_code, reason = "each test binary uses a part of the scene")]
mod scene;
