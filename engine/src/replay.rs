//! Replay: a trace alone, lived through again. Nothing goes to the world.
//!
//! Every state is folded again, every route chosen again, and (with the same kinds) every node body run again on
//! the recorded effects. The first difference stops it, with both sides: exit 20.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use crate::blob::Blobs;
use crate::driver::{Body, Facts, Known, Polled, Wanted, known, same_question};
use crate::graph::Outcome;
use crate::journal::{self, Divergence, Past, Pending, Question};
use crate::run::{Loader, pin};
use crate::trace::Trace;
use crate::types::Type;
use crate::{Fault, Kinds, Lane};

/// What was lived through without a difference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replayed {
    /// The run's id.
    pub run: String,
    /// Supersteps.
    pub steps: u64,
    /// Effects that were answered from the trace.
    pub effects: u64,
    /// Whether node bodies ran again, or states and routes alone were checked.
    pub bodies: bool,
    /// The end it came to; nothing when the trace ends before, or the run was cancelled.
    pub end: Option<String>,
    /// What that end means.
    pub outcome: Option<Outcome>,
    /// The state at the end.
    pub state: std::collections::BTreeMap<String, Value>,
}

/// Replays `trace`. `kinds` are those that run the bodies again, in the versions that the trace is pinned to;
/// without them states and routes alone are checked. `load` reads the trace's graph.
///
/// # Errors
/// Exit 20 at the first difference, with both sides in `detail`; 7 when a kind's version or the graph's reading is
/// another; 21 when the records make no sense.
pub fn replay(trace: &Trace, kinds: Option<&Kinds>, load: &Loader) -> Result<Replayed, Fault> {
    let blobs: Arc<dyn Blobs> = trace.blobs.clone();
    let past = Past::of(trace.records.clone())?;
    let facts = pin::facts(&past.header, kinds, load, blobs.as_ref())?;
    let mut answered = 0;
    let mut play = |pending: &Pending, recorded: Option<&Value>| {
        let Some(kinds) = kinds else { return Ok(None) };
        Stage { facts: &facts, kinds, blobs: &blobs, answered: &mut answered }.play(pending, recorded)
    };
    let folded =
        journal::fold(&facts.graph, &past, blobs.as_ref(), &mut |pending, output| play(pending, output))?;
    for pending in &folded.pending {
        play(pending, None)?;
    }
    let finish = folded.finish.as_ref();
    Ok(Replayed {
        run: past.header.run,
        steps: folded.scheduler.steps(),
        effects: answered,
        bodies: kinds.is_some(),
        end: finish.and_then(|finish| finish.end.clone()),
        outcome: finish.and_then(|finish| finish.outcome),
        state: folded.scheduler.state(),
    })
}

/// Where bodies run again.
struct Stage<'a> {
    facts: &'a Facts,
    kinds: &'a Kinds,
    blobs: &'a Arc<dyn Blobs>,
    answered: &'a mut u64,
}

impl Stage<'_> {
    /// Runs a body on its recorded effects and gives its output. Nothing when the task has no commit (no `recorded`
    /// output) and waits for an answer that the trace does not have.
    fn play(&mut self, pending: &Pending, recorded: Option<&Value>) -> Result<Option<Value>, Fault> {
        let lane = &pending.task.lane;
        let mut body = Body::new(self.facts, self.kinds, pending.clone(), Arc::clone(self.blobs), 0)?;
        loop {
            let ordinals = match body.poll() {
                Ok(Polled::Returned(output)) => {
                    body.nothing_unasked()?;
                    return Ok(Some(output));
                }
                Ok(Polled::Asked(ordinals)) => ordinals,
                // What stopped the run, or failed in it, does so again.
                Ok(Polled::Failed(_)) | Err(_) if recorded.is_none() => return Ok(None),
                Ok(Polled::Failed(fault)) | Err(fault) => {
                    let now = json!({"error": fault.message});
                    return Err(Divergence::new(Some(lane), "output", None, json!(recorded), now).into());
                }
            };
            for ordinal in ordinals {
                let records = body.recorded(ordinal).to_vec();
                if let Wanted::Answer { question, ty, .. } = &body.asking(ordinal)?.want {
                    let (question, ty) = (question.clone(), ty.clone());
                    match self.answer(lane, body.question(ordinal), &question, &ty, recorded)? {
                        Some(answer) => body.answer(ordinal, answer, 0)?,
                        None => return Ok(None),
                    }
                    continue;
                }
                let effect = body.effect(ordinal)?;
                let (name, request) = (effect.name, &effect.request);
                match known(lane, name, request, &effect.request_hash, &records, self.blobs.as_ref())? {
                    Known::Answer(response, _) => {
                        *self.answered += 1;
                        body.answer(ordinal, response, 0)?;
                    }
                    Known::Tries(_) if recorded.is_none() => return Ok(None),
                    Known::Tries(_) => {
                        let now = json!({"name": name, "request": request});
                        let key = format!("{name} (effect {ordinal})");
                        return Err(Divergence::new(
                            Some(lane),
                            "effect missing",
                            Some(&key),
                            Value::Null,
                            now,
                        )
                        .into());
                    }
                }
            }
        }
    }

    /// The recorded answer to a question of a body; nothing where the trace ends before it.
    fn answer(
        &self,
        lane: &Lane,
        known: Option<&Question>,
        question: &str,
        ty: &Type,
        recorded: Option<&Value>,
    ) -> Result<Option<Value>, Fault> {
        if let Some(known) = known {
            same_question(lane, known, question, ty)?;
            if known.answer.is_some() {
                return Ok(known.answer.clone());
            }
        }
        match recorded {
            None => Ok(None),
            Some(_) => {
                let now = json!({"question": question, "answer": ty.to_string()});
                Err(Divergence::new(Some(lane), "answer missing", None, Value::Null, now).into())
            }
        }
    }
}
