//! The body of a running task: its future, the effects it asked for, and what the journal holds of them.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use serde_json::Value;

use super::Facts;
use super::facts::Prepared;
use crate::blob::Blobs;
use crate::ctx::{Expiry, Slot, Want};
use crate::journal::{Divergence, EffectRecord, Pending, Phase, Question};
use crate::types::Type;
use crate::{Class, Ctx, Fault, Kinds, NodeError, canonical};

/// What a poll of a body came to.
pub(crate) enum Polled {
    /// It returned this output.
    Returned(Value),
    /// It returned an error.
    Failed(Fault),
    /// It asked for these effects, by ordinal.
    Asked(Vec<u32>),
}

/// One thing that a body asked for.
pub(crate) struct Asking {
    pub(crate) want: Wanted,
    slot: Slot,
    answered: bool,
}

/// What it is.
pub(crate) enum Wanted {
    /// An effect on the world.
    Effect(AskedEffect),
    /// A person's answer.
    Answer { question: String, ty: Type, expiry: Option<Expiry> },
}

/// An effect that a body asked for.
pub(crate) struct AskedEffect {
    pub(crate) name: &'static str,
    pub(crate) class: Class,
    pub(crate) request: Value,
    pub(crate) request_hash: String,
    /// Tries so far, those before a resume included.
    pub(crate) tries: u32,
    /// Whether a record of it holds the request already.
    pub(crate) told: bool,
}

type Future1 = Pin<Box<dyn Future<Output = Result<Value, NodeError>>>>;

/// A running task.
pub(crate) struct Body {
    /// What all tasks of its node share.
    pub(crate) prepared: Rc<Prepared>,
    ctx: Ctx,
    future: Future1,
    /// By ordinal, what the journal holds, in order.
    recorded: BTreeMap<u32, Vec<EffectRecord>>,
    /// By ordinal, what was asked of a person before.
    questions: BTreeMap<u32, Question>,
    asking: BTreeMap<u32, Asking>,
    next_ordinal: u32,
    started_ticks: u64,
    /// What the recorded effects of earlier sessions took and cost.
    earlier_ms: u64,
    cost_microusd: u64,
}

impl Body {
    /// A body for a task, not yet polled.
    pub(crate) fn new(
        facts: &Facts,
        kinds: &Kinds,
        pending: Pending,
        blobs: Arc<dyn Blobs>,
        now_ticks: u64,
    ) -> Result<Self, Fault> {
        let Pending { task, effects: recorded, questions, head } = pending;
        let prepared = facts.prepared(kinds, &task.graph, &task.lane)?;
        let node = prepared.node.clone().ok_or_else(|| {
            let message = format!("{}: this program has no kind `{}`", task.lane, prepared.kind);
            Fault::new("kind.unknown", 7, message)
        })?;
        let ctx = Ctx::new(facts.of_task(&prepared, &task, head), blobs);
        let (inner, input) = (ctx.clone(), task.input);
        let future: Future1 = Box::pin(async move { node.run(&inner, input).await });
        let mut by_ordinal: BTreeMap<u32, Vec<EffectRecord>> = BTreeMap::new();
        let (mut earlier_ms, mut cost_microusd) = (0_u64, 0_u64);
        for record in recorded {
            earlier_ms = earlier_ms.saturating_add(record.took_ms);
            cost_microusd = cost_microusd.saturating_add(record.cost_microusd);
            by_ordinal.entry(record.ordinal).or_default().push(record);
        }
        let questions = questions.into_iter().filter_map(|one| Some((one.asked.ordinal?, one)));
        Ok(Self {
            prepared,
            ctx,
            future,
            recorded: by_ordinal,
            questions: questions.collect(),
            asking: BTreeMap::new(),
            next_ordinal: 0,
            started_ticks: now_ticks,
            earlier_ms,
            cost_microusd,
        })
    }

    /// Lets the body run until it returns or waits.
    pub(crate) fn poll(&mut self) -> Result<Polled, Fault> {
        let lane = self.ctx.task().lane.clone();
        let future = self.future.as_mut();
        let polled =
            catch_unwind(AssertUnwindSafe(move || future.poll(&mut Context::from_waker(Waker::noop()))));
        match polled {
            Err(_) => return Err(Fault::bug("the node panicked").at(lane)),
            Ok(Poll::Ready(Ok(output))) => return Ok(Polled::Returned(output)),
            Ok(Poll::Ready(Err(error))) => return Ok(Polled::Failed(Fault::from(error).at(lane))),
            Ok(Poll::Pending) => {}
        }
        let mut ordinals = Vec::new();
        for one in self.ctx.take_asked() {
            let ordinal = self.next_ordinal;
            self.next_ordinal = self.next_ordinal.saturating_add(1);
            let want = match one.want {
                Want::Answer { question, ty, expiry } => Wanted::Answer { question, ty, expiry },
                Want::Effect { name, class, request } => Wanted::Effect(AskedEffect {
                    name,
                    class,
                    request_hash: canonical::hash(&request),
                    request,
                    tries: 0,
                    told: false,
                }),
            };
            let asking = Asking { want, slot: one.slot, answered: false };
            self.asking.insert(ordinal, asking);
            ordinals.push(ordinal);
        }
        if ordinals.is_empty() && self.answered() {
            return Err(Fault::bug("the node waits for something that is no effect").at(lane));
        }
        Ok(Polled::Asked(ordinals))
    }

    /// Lines logged since the last call.
    pub(crate) fn logged(&self) -> Vec<String> {
        self.ctx.take_logged()
    }

    /// What it told since the last call.
    pub(crate) fn told(&self) -> Vec<Value> {
        self.ctx.take_told()
    }

    /// What the journal holds of the effect, oldest first.
    pub(crate) fn recorded(&self, ordinal: u32) -> &[EffectRecord] {
        self.recorded.get(&ordinal).map_or(&[], Vec::as_slice)
    }

    /// What the journal holds of the question, and its answer when there is one.
    pub(crate) fn question(&self, ordinal: u32) -> Option<&Question> {
        self.questions.get(&ordinal)
    }

    /// Refuses a body that returned without asking for what the journal says it asked for.
    pub(crate) fn nothing_unasked(&self) -> Result<(), Fault> {
        let mut later = self.recorded.range(self.next_ordinal..).flat_map(|(_, records)| records);
        let Some(record) = later.find(|record| record.phase == Phase::Done) else { return Ok(()) };
        let key = format!("{} (effect {})", record.name, record.ordinal);
        let recorded = Value::from(record.name.as_str());
        Err(Divergence::new(Some(&record.lane), "effect unasked", Some(&key), recorded, Value::Null).into())
    }

    /// What was asked for under this number.
    pub(crate) fn asking(&mut self, ordinal: u32) -> Result<&mut Asking, Fault> {
        self.asking.get_mut(&ordinal).ok_or_else(|| Fault::bug(format!("effect {ordinal} was not asked for")))
    }

    /// The effect that was asked for under this number.
    pub(crate) fn effect(&mut self, ordinal: u32) -> Result<&mut AskedEffect, Fault> {
        match &mut self.asking(ordinal)?.want {
            Wanted::Effect(effect) => Ok(effect),
            Wanted::Answer { .. } => Err(Fault::bug(format!("{ordinal} is a question and no effect"))),
        }
    }

    /// Gives the body an answer.
    pub(crate) fn answer(&mut self, ordinal: u32, response: Value, cost_microusd: u64) -> Result<(), Fault> {
        self.cost_microusd = self.cost_microusd.saturating_add(cost_microusd);
        let asking = self.asking(ordinal)?;
        *asking.slot.borrow_mut() = Some(response);
        asking.answered = true;
        Ok(())
    }

    /// Waiting for a time is no work: so long it was not at work.
    pub(crate) fn rested(&mut self, ms: u64) {
        self.started_ticks = self.started_ticks.saturating_add(ms);
    }

    /// Whether it waits for a person alone.
    pub(crate) fn waits_for_answer(&self) -> bool {
        let mut open = self.asking.values().filter(|asking| !asking.answered).peekable();
        open.peek().is_some() && open.all(|asking| matches!(asking.want, Wanted::Answer { .. }))
    }

    /// The numbers of the questions that wait for an answer.
    pub(crate) fn open_questions(&self) -> impl Iterator<Item = u32> {
        let open = self.asking.iter().filter(|(_, asking)| !asking.answered);
        open.filter(|(_, asking)| matches!(asking.want, Wanted::Answer { .. })).map(|(ordinal, _)| *ordinal)
    }

    /// Whether everything asked for is answered.
    pub(crate) fn answered(&self) -> bool {
        self.asking.values().all(|asking| asking.answered)
    }

    /// How long the task was at work, sessions before a resume included (as far as their effects tell).
    pub(crate) fn active_ms(&self, now_ticks: u64) -> u64 {
        now_ticks.saturating_sub(self.started_ticks).saturating_add(self.earlier_ms)
    }

    /// What its effects cost.
    pub(crate) fn cost_microusd(&self) -> u64 {
        self.cost_microusd
    }
}
