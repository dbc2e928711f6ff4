//! Deterministic repair: templates over the syntax tree. Pure.
