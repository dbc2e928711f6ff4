//! How a command fails: what happened, what to do about it, and the exit code.

use prunella_engine::{EffectError, Fault};

use crate::exit;

/// An expected failure.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub code: u8,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Failure {
    /// A failure with this exit code.
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    /// The command line is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(exit::USAGE, message)
    }

    /// The same, with what to do about it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl From<EffectError> for Failure {
    fn from(error: EffectError) -> Self {
        Self { code: error.exit, message: error.message, help: error.help }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self { code: fault.exit, message: fault.message, help: fault.help }
    }
}

/// What a command gives: its exit code, or why it failed.
pub(crate) type Result<T = u8> = std::result::Result<T, Failure>;
