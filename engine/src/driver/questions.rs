//! Questions to a person: declared by the graph, or asked by a node's body.

use serde_json::json;

use super::deadlines::Deadline;
use super::flight::At;
use super::{Driver, Halt};
use crate::ctx::Expiry;
use crate::event::{Event, Mode};
use crate::journal::{Divergence, Interrupt, Payload, PendingAsk, Question, Record};
use crate::scheduler::Used;
use crate::store::Durability;
use crate::types::Type;
use crate::{Fault, Lane};

/// Refuses a question that is not the one that was recorded.
///
/// # Errors
/// Exit 20, with both.
pub(crate) fn same_question(
    lane: &Lane,
    recorded: &Question,
    question: &str,
    ty: &Type,
) -> Result<(), Fault> {
    let (was, is) = (&recorded.asked, ty.to_string());
    if was.question == question && was.answer.as_deref() == Some(is.as_str()) {
        return Ok(());
    }
    let recorded = json!({"question": was.question, "answer": was.answer});
    let now = json!({"question": question, "answer": is});
    Err(Divergence::new(Some(lane), "question", was.id.as_deref(), recorded, now).into())
}

impl Driver<'_> {
    /// A declared interrupt asks.
    pub(super) fn ask(&mut self, pending: PendingAsk) -> Result<(), Fault> {
        let PendingAsk { ask, recorded } = pending;
        let node = self.facts.node(&ask.graph, &ask.lane)?;
        let answer = node.interrupt.as_ref().map(|interrupt| interrupt.answer.to_string());
        let id = ask.id();
        let question = self.tools.redactor.text(&ask.question);
        if !recorded && self.log.is_on() {
            let output = ask.output.as_ref();
            let output = output.map(|value| Payload::pack(value, self.blobs.as_ref())).transpose()?;
            let interrupt = Interrupt {
                lane: ask.lane.clone(),
                id: Some(id.clone()),
                ordinal: None,
                when: Some(ask.at),
                question: ask.question.clone(),
                answer: answer.clone(),
                output,
                used: ask.used,
                until_ms: None,
                at_ms: self.tools.clock.now_ms(),
            };
            self.record(Record::Interrupt(interrupt), Durability::Disk)?;
        }
        self.say(Mode::Tasks, || Event::Interrupted { lane: ask.lane.clone(), id, question, answer });
        self.asks.insert(ask.lane.clone(), ask);
        Ok(())
    }

    /// A node's body asks.
    pub(super) fn body_asks(
        &mut self,
        lane: &Lane,
        ordinal: u32,
        question: String,
        ty: &Type,
        expiry: Option<Expiry>,
    ) -> Result<(), Fault> {
        let Some(body) = self.bodies.get_mut(lane) else { return Ok(()) };
        let id = format!("{lane}/{ordinal}");
        let now_ms = self.tools.clock.now_ms();
        let mut until_ms = expiry.as_ref().map(|expiry| expiry.due.after(now_ms));
        match body.question(ordinal).cloned() {
            Some(recorded) => {
                same_question(lane, &recorded, &question, ty)?;
                if let Some(answer) = recorded.answer {
                    return body.answer(ordinal, answer, 0);
                }
                until_ms = recorded.asked.until_ms;
            }
            None => {
                let interrupt = Interrupt {
                    lane: lane.clone(),
                    id: Some(id.clone()),
                    ordinal: Some(ordinal),
                    when: None,
                    question: question.clone(),
                    answer: Some(ty.to_string()),
                    output: None,
                    used: Used::default(),
                    until_ms,
                    at_ms: now_ms,
                };
                self.record(Record::Interrupt(interrupt), Durability::Disk)?;
            }
        }
        if let (Some(Expiry { answer, alone, .. }), Some(due_ms)) = (expiry, until_ms) {
            let since_ticks = self.tools.clock.ticks_ms();
            let deadline = Deadline { due_ms, answer, alone, since_ticks };
            self.deadlines.insert(At { lane: lane.clone(), ordinal }, deadline);
            // One that fell due while nobody was at work is answered before anybody is asked again.
            if due_ms <= now_ms {
                self.due()?;
                return Ok(());
            }
        }
        let (lane, answer) = (lane.clone(), Some(ty.to_string()));
        let question = self.tools.redactor.text(&question);
        self.say(Mode::Tasks, || Event::Interrupted { lane, id, question, answer });
        Ok(())
    }

    /// Why nothing goes on: somebody wanted it, something failed, or a person must answer.
    pub(super) fn why_it_rests(&mut self) -> Halt {
        if let Some(halt) = self.halt.take() {
            return halt;
        }
        if self.draining {
            return Halt::Asked;
        }
        let declared = self.asks.values().map(super::Ask::id);
        let inside = self
            .bodies
            .iter()
            .flat_map(|(lane, body)| body.open_questions().map(move |ordinal| format!("{lane}/{ordinal}")));
        let open: Vec<String> = declared.chain(inside).collect();
        if open.is_empty() {
            return Halt::Failed(Fault::bug("the run waits for nothing"));
        }
        let first = self.deadlines.values().map(|deadline| deadline.due_ms).min();
        let alone = open.iter().all(|id| {
            self.deadlines.iter().any(|(at, one)| one.alone && *id == format!("{}/{}", at.lane, at.ordinal))
        });
        let until = first.map(|ms| format!(" until {}", crate::clock::utc(ms))).unwrap_or_default();
        let (what, help) = if alone {
            ("waiting", "`prunella runs resume` goes on when the time has come")
        } else {
            (
                "waiting for an answer to",
                "`prunella runs show` has the question; `prunella runs answer` answers it and goes on",
            )
        };
        let message = format!("{what} {}{until}", open.join(", "));
        let fault = Fault::new("run.waiting", 12, message).help(help);
        Halt::Waiting(Fault {
            detail: Some(Box::new(json!({"interrupts": open, "until_ms": first}))),
            ..fault
        })
    }
}
