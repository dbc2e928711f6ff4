//! A checked graph: what the scheduler walks.

pub mod codes;
mod diagnostic;
mod expr;
mod model;
mod template;
mod yaml;

pub use diagnostic::{Diagnostic, Severity};
pub use expr::{Expr, Lookup, Vars};
pub use model::{
    Arm, End, Graph, Guard, Limits, ModelRole, Next, NodeDef, Outcome, Reducer, RetryPolicy, Source,
    StateKey, Step, Target,
};
pub use template::Template;
