//! Answers to what a run asks of a person.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::Engine;
use crate::driver::Facts;
use crate::journal::{self, Answer, Folded, Past, Payload, Record};
use crate::store::{Durability, Store};
use crate::types::Type;
use crate::{Fault, Kinds, Lane};

/// A question that waits for its answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OpenInterrupt {
    /// Its name in the run, by which it is answered.
    pub id: String,
    /// The task that waits.
    pub lane: Lane,
    /// The question.
    pub question: String,
    /// The type of the answer, as graph files write it.
    pub answer: String,
    /// The same as JSON Schema.
    pub schema: Value,
    /// When time answers it, in milliseconds since the Unix epoch, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    #[serde(skip)]
    ty: Type,
}

impl Engine {
    /// What the run asks, in the order of the tasks that ask.
    ///
    /// # Errors
    /// As [`Engine::view`].
    pub fn interrupts(&self, run: &str) -> Result<Vec<OpenInterrupt>, Fault> {
        let past = Past::of(self.store().records(run)?)?;
        let facts = self.facts(&past.header)?;
        let folded = journal::fold(&facts.graph, &past, self.store().as_ref(), &mut |_, _| Ok(None))?;
        open(&facts, &folded, &self.tools.kinds)
    }

    /// Answers what the run asks, by id: all of these or none. [`Engine::run`] then goes on with it; nothing that was
    /// done before is done again.
    ///
    /// # Errors
    /// Exit 2 when an id is none of an open question (answered ones included), or an answer does not have its
    /// question's type; 7 when another process is at work on the run.
    pub fn answer(&self, run: &str, answers: &BTreeMap<String, Value>) -> Result<(), Fault> {
        let store = self.store();
        let (mut owner, sealed) = store.own(run)?;
        let mut past = Past::of(sealed)?;
        let facts = self.facts(&past.header)?;
        let fold = |past: &Past| journal::fold(&facts.graph, past, store.as_ref(), &mut |_, _| Ok(None));
        let folded = fold(&past)?;
        let open = open(&facts, &folded, &self.tools.kinds)?;
        if answers.is_empty() {
            return Err(Fault::new("interrupt.none", 2, "there is no answer to give").help(known(&open)));
        }
        let at_ms = self.tools.clock.now_ms();
        let mut records = folded.owed.clone();
        records.extend(unasked(&folded, store, at_ms)?);
        records.iter().try_for_each(|record| past.push(record.clone()))?;
        for (id, value) in answers {
            let asked = open.iter().find(|one| one.id == *id).ok_or_else(|| {
                let message = format!("run {run} does not wait for an answer to `{}`", id.escape_debug());
                Fault::new("interrupt.unknown", 2, message).help(known(&open))
            })?;
            if let Some(until_ms) = asked.until_ms.filter(|until_ms| *until_ms <= at_ms) {
                let when = crate::clock::utc(until_ms);
                let message = format!("the time to answer `{id}` was over at {when}");
                return Err(Fault::new("interrupt.late", 2, message)
                    .help(format!("go on without it: prunella runs resume {run}")));
            }
            asked.ty.check(value).map_err(|mismatch| {
                Fault::new("interrupt.answer", 2, format!("the answer to `{id}`: {mismatch}"))
                    .help(format!("it takes {}: {}", asked.answer, asked.question))
            })?;
            let value = Payload::pack(&self.options.redactor.value(value.clone()), store.as_ref())?;
            let answer = Record::Answer(Answer { lane: asked.lane.clone(), id: id.clone(), value, at_ms });
            past.push(answer.clone())?;
            records.push(answer);
            // What follows from an answer stands behind it, before the next one.
            for owed in fold(&past)?.owed {
                past.push(owed.clone())?;
                records.push(owed);
            }
        }
        owner.append(&records, None, Durability::Disk, at_ms)
    }
}

/// The records of declared questions that a crash kept from being recorded.
fn unasked(folded: &Folded, store: &Store, at_ms: u64) -> Result<Vec<Record>, Fault> {
    let open = folded.asks.iter().filter(|pending| !pending.recorded);
    open.map(|pending| {
        let ask = &pending.ask;
        let output = ask.output.as_ref().map(|value| Payload::pack(value, store)).transpose()?;
        Ok(Record::Interrupt(journal::Interrupt {
            lane: ask.lane.clone(),
            id: Some(ask.id()),
            ordinal: None,
            when: Some(ask.at),
            question: ask.question.clone(),
            answer: None,
            output,
            used: ask.used,
            until_ms: None,
            at_ms,
        }))
    })
    .collect()
}

fn open(facts: &Facts, folded: &Folded, kinds: &Kinds) -> Result<Vec<OpenInterrupt>, Fault> {
    let mut open = Vec::new();
    for pending in &folded.asks {
        let ask = &pending.ask;
        let Some(interrupt) = &facts.node(&ask.graph, &ask.lane)?.interrupt else { continue };
        open.push(one(ask.id(), &ask.lane, &ask.question, interrupt.answer.clone(), None));
    }
    for pending in &folded.pending {
        for question in pending.questions.iter().filter(|question| question.answer.is_none()) {
            let asked = &question.asked;
            let (Some(id), Some(text)) = (&asked.id, &asked.answer) else { continue };
            let ty = Type::parse(text, &mut |name| {
                let own = facts.graph.types.get(name).or_else(|| kinds.records.get(name));
                own.map(|record| Type::Record(record.clone()))
            });
            let ty = ty.map_err(|e| Fault::new("interrupt.type", 21, format!("`{text}`: {}", e.message)))?;
            open.push(one(id.clone(), &asked.lane, &asked.question, ty, asked.until_ms));
        }
    }
    open.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(open)
}

fn one(id: String, lane: &Lane, question: &str, ty: Type, until_ms: Option<u64>) -> OpenInterrupt {
    let (answer, schema) = (ty.to_string(), ty.json_schema());
    OpenInterrupt { id, lane: lane.clone(), question: question.to_owned(), answer, schema, until_ms, ty }
}

fn known(open: &[OpenInterrupt]) -> String {
    if open.is_empty() {
        return "the run waits for no answer".to_owned();
    }
    let ids: Vec<&str> = open.iter().map(|one| one.id.as_str()).collect();
    format!("it waits for {}", ids.join(", "))
}
