//! Graph files: from YAML to a checked [`Graph`], which is what the scheduler walks.
//!
//! `yaml` reads a tree with places, `lower` checks its shape, `check` its meaning; [`load`] does all three.

mod ast;
mod attempts;
mod builder;
mod changes;
mod check;
pub mod codes;
pub(crate) mod diagnostic;
pub mod draw;
mod explain;
mod expr;
mod files;
mod fmt;
mod hash;
mod keys;
mod load;
mod lower;
mod model;
mod schema;
mod template;
mod ways;
pub mod yaml;

pub use attempts::Loop;
pub use builder::{Builder, Node as NodeBuilder};
pub use changes::{Change, changes, changes_of};
pub use diagnostic::{Diagnostic, Severity};
pub use explain::{Explained, explain};
pub use expr::{Condition, Expr, Lookup, Test, Vars};
pub use files::{Beside, Stored, text};
pub use fmt::{Unformatted, fmt};
pub use load::{load, load_beside};
pub use model::{
    Arm, At, Does, End, Failed, Fork, Graph, Guard, Interrupt, Limits, Map, ModelRole, Next, NodeDef,
    OnError, Outcome, Reducer, RetryPolicy, Source, StateKey, Step, Switch, Target, Write,
};
pub use schema::schema;
pub use template::Template;
pub use ways::{Turn, Way};
pub use yaml::MAX_BYTES;
