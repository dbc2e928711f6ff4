//! What the end-to-end tests share: the binary in a hermetic environment, real incidents laid out as
//! repositories, and a scripted model behind a real socket.

#![forbid(unsafe_code)]

mod binary;
mod cases;
mod model;

pub use binary::{Outcome, Prunella};
pub use cases::{Case, Oracle, python};
pub use model::ScriptedModel;
