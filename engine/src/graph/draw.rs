//! A graph for people, a module a format.

mod dot;
mod mermaid;
mod svg;
mod tree;

pub use dot::dot;
pub use mermaid::mermaid;
pub use svg::svg;
pub use tree::tree;
