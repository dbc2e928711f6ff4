//! What came of a run.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Fault;
use crate::graph::Outcome;
use crate::scheduler::Finish;
use crate::store::RunStatus;

/// How a session of a run came to rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// `ended`, `cancelled`, `stopped` (resumable) or `waiting` (for a person).
    pub status: RunStatus,
    /// The end it reached.
    pub end: Option<String>,
    /// What that end means.
    pub outcome: Option<Outcome>,
    /// The limit that was reached: `steps`, `wall` or `cost`.
    pub limit: Option<String>,
    /// The run's output.
    pub output: Value,
    /// Why it stopped.
    pub error: Option<Fault>,
    /// The documented exit code.
    pub exit: u8,
}

impl RunResult {
    /// The result of a run that is over.
    pub(crate) fn of_finish(finish: &Finish) -> Self {
        let exit = match (finish.outcome, &finish.limit) {
            (_, Some(_)) => 14,
            (Some(Outcome::Success), None) => 0,
            (Some(Outcome::Nothing), None) => 11,
            (Some(Outcome::Failure), None) => 10,
            (Some(Outcome::Declined), None) => 13,
            (None, None) => 130,
        };
        Self {
            status: if finish.end.is_some() { RunStatus::Ended } else { RunStatus::Cancelled },
            end: finish.end.clone(),
            outcome: finish.outcome,
            limit: finish.limit.clone(),
            output: finish.output.clone(),
            error: None,
            exit,
        }
    }

    /// The result of a run that stopped before its end because of `fault`.
    pub(crate) fn stopped(status: RunStatus, fault: Fault) -> Self {
        let exit = fault.exit;
        Self { status, end: None, outcome: None, limit: None, output: Value::Null, error: Some(fault), exit }
    }

    /// The result as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        // A struct of plain data always is JSON; null would only lose the listing's summary.
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}
