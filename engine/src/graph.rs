//! A checked graph: what the scheduler walks.

mod model;
mod template;

pub use model::{
    Arm, End, Expr, Graph, Guard, Limits, ModelRole, Next, NodeDef, Outcome, Reducer, RetryPolicy, Source,
    StateKey, Step, Target,
};
pub use template::Template;
