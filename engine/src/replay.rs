//! Replay: a trace alone, lived through again. Nothing goes to the world.
//!
//! Every state is folded again, every route chosen again, and (with the same kinds) every node body run again on
//! the recorded effects. The first difference stops it, with both sides: exit 20.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use crate::blob::Blobs;
use crate::driver::{Body, Facts, Known, Polled, known};
use crate::graph::Outcome;
use crate::journal::{self, Divergence, EffectRecord, Pending};
use crate::run::{Loader, Past, pin};
use crate::scheduler::Task;
use crate::trace::Trace;
use crate::{Fault, Kinds};

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
    let inputs = past.header.inputs.unpack(&Value::Null, blobs.as_ref())?;
    let mut answered = 0;
    let folded = journal::fold(
        &facts.graph,
        inputs,
        &past.records,
        &past.heads,
        blobs.as_ref(),
        &mut |task, effects, recorded| {
            let Some(kinds) = kinds else { return Ok(None) };
            let mut stage = Stage { facts: &facts, kinds, blobs: &blobs, answered: &mut answered };
            let output = stage.play(task, effects, recorded)?;
            output.map(Some).ok_or_else(|| {
                let lane = Some(&task.lane);
                Divergence::new(lane, "effect missing", None, Value::Null, json!("the node asks for more"))
                    .into()
            })
        },
    )?;
    if let Some(kinds) = kinds {
        for Pending { task, effects } in &folded.pending {
            let mut stage = Stage { facts: &facts, kinds, blobs: &blobs, answered: &mut answered };
            stage.play(task, effects, &Value::Null)?;
        }
    }
    let finish = folded.finish.as_ref();
    Ok(Replayed {
        run: past.header.run,
        steps: folded.scheduler.steps(),
        effects: answered,
        bodies: kinds.is_some(),
        end: finish.and_then(|finish| finish.end.clone()),
        outcome: finish.and_then(|finish| finish.outcome),
        state: folded.scheduler.state().clone(),
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
    /// Runs a body on its recorded effects. Nothing when it waits for one that the trace has no answer of.
    fn play(
        &mut self,
        task: &Task,
        effects: &[EffectRecord],
        recorded: &Value,
    ) -> Result<Option<Value>, Fault> {
        let lane = &task.lane;
        let mut body =
            Body::new(self.facts, self.kinds, task.clone(), effects.to_vec(), Arc::clone(self.blobs), 0)?;
        loop {
            let ordinals = match body.poll() {
                Ok(Polled::Returned(output)) => {
                    body.nothing_unasked()?;
                    return Ok(Some(output));
                }
                Ok(Polled::Asked(ordinals)) => ordinals,
                Err(fault) => {
                    let now = json!({"error": fault.message});
                    return Err(Divergence::new(Some(lane), "output", None, recorded.clone(), now).into());
                }
            };
            for ordinal in ordinals {
                let records = body.recorded(ordinal).to_vec();
                let asking = body.asking(ordinal)?;
                let (name, request) = (asking.name, &asking.request);
                match known(lane, name, request, &asking.request_hash, &records, self.blobs.as_ref())? {
                    Known::Answer(response, _) => {
                        *self.answered += 1;
                        body.answer(ordinal, response, 0)?;
                    }
                    Known::Tries(_) if recorded.is_null() => return Ok(None),
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
}
