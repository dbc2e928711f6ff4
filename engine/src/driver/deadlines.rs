//! Questions that time answers where nobody did.
//!
//! When a question was asked is in its record, so when it is due is the same after a crash. What time answered is
//! recorded like any answer: a replay needs no clock.

use std::sync::Arc;

use serde_json::Value;

use super::Driver;
use super::flight::{At, Landed};
use crate::Fault;
use crate::journal::{Answer, Payload, Record};
use crate::store::Durability;

/// What becomes of an open question, and when.
pub(super) struct Deadline {
    /// In milliseconds since the Unix epoch.
    pub(super) due_ms: u64,
    /// The answer that it has then.
    pub(super) answer: Value,
    /// Whether no person is asked: the process may stay until it is due.
    pub(super) alone: bool,
    /// When the task began to wait for it, by the clock's ticks.
    pub(super) since_ticks: u64,
}

impl Driver<'_> {
    /// Answers the questions that are due. Whether there were any.
    pub(super) fn due(&mut self) -> Result<bool, Fault> {
        if self.deadlines.is_empty() || self.halt.is_some() || self.draining {
            return Ok(false);
        }
        let (now_ms, now_ticks) = (self.tools.clock.now_ms(), self.tools.clock.ticks_ms());
        let due: Vec<At> = self
            .deadlines
            .iter()
            .filter(|(_, deadline)| deadline.due_ms <= now_ms)
            .map(|(at, _)| at.clone())
            .collect();
        let mut any = false;
        for at in due {
            let Some(deadline) = self.deadlines.remove(&at) else { continue };
            let lane = &at.lane;
            let open = |body: &super::Body| body.open_questions().any(|ordinal| ordinal == at.ordinal);
            if !self.bodies.get(lane).is_some_and(open) {
                continue;
            }
            let value = Payload::pack(&deadline.answer, self.blobs.as_ref())?;
            let id = format!("{lane}/{}", at.ordinal);
            let answer = Record::Answer(Answer { lane: lane.clone(), id, value, at_ms: now_ms });
            self.record(answer, Durability::Disk)?;
            if let Some(body) = self.bodies.get_mut(lane) {
                body.rested(now_ticks.saturating_sub(deadline.since_ticks));
                body.answer(at.ordinal, deadline.answer, 0)?;
            }
            self.wake(lane);
            any = true;
        }
        Ok(any)
    }

    /// Waits for the first question that is due soon and asks no person. Whether there is one.
    pub(super) fn await_due(&mut self) -> bool {
        if self.halt.is_some() || self.draining {
            return false;
        }
        let now_ms = self.tools.clock.now_ms();
        let first = self.deadlines.values().filter(|deadline| deadline.alone).map(|one| one.due_ms).min();
        let Some(left) = first.map(|due_ms| due_ms.saturating_sub(now_ms)) else { return false };
        if left > self.tools.patience_ms {
            return false;
        }
        let clock = Arc::clone(&self.tools.clock);
        self.flights.wait(async move {
            clock.sleep(left).await;
            Landed::Due
        });
        true
    }
}
