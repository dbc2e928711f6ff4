//! The body of a running task: its future, the effects it asked for, and what the journal holds of them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use serde_json::Value;

use super::Facts;
use crate::blob::Blobs;
use crate::journal::{Divergence, EffectRecord, Phase};
use crate::scheduler::Task;
use crate::{Class, Ctx, Fault, Kinds, NodeError, canonical};

/// What a poll of a body came to.
pub(crate) enum Polled {
    /// It returned this output.
    Returned(Value),
    /// It asked for these effects, by ordinal.
    Asked(Vec<u32>),
}

/// One effect that a body asked for.
pub(crate) struct Asking {
    pub(crate) name: &'static str,
    pub(crate) class: Class,
    pub(crate) request: Value,
    pub(crate) request_hash: String,
    /// Tries so far, those before a resume included.
    pub(crate) tries: u32,
    /// Whether a record of it holds the request already.
    pub(crate) told: bool,
    slot: Rc<RefCell<Option<Value>>>,
    answered: bool,
}

type Future1 = Pin<Box<dyn Future<Output = Result<Value, NodeError>>>>;

/// A running task.
pub(crate) struct Body {
    ctx: Ctx,
    future: Future1,
    /// By ordinal, what the journal holds, in order.
    recorded: BTreeMap<u32, Vec<EffectRecord>>,
    asking: BTreeMap<u32, Asking>,
    next_ordinal: u32,
    started_ticks: u64,
    /// What the recorded effects of earlier sessions took and cost.
    earlier_ms: u64,
    cost_microusd: u64,
}

impl Body {
    /// A body for `task`, not yet polled.
    pub(crate) fn new(
        facts: &Facts,
        kinds: &Kinds,
        task: Task,
        recorded: Vec<EffectRecord>,
        blobs: Arc<dyn Blobs>,
        now_ticks: u64,
    ) -> Result<Self, Fault> {
        let lane = &task.lane;
        let kind = facts.graph.nodes.get(&lane.node).map_or("", |node| node.kind.as_str());
        let kind = kinds.kinds.get(kind).ok_or_else(|| {
            Fault::new("kind.unknown", 7, format!("{lane}: this program has no kind `{kind}`"))
        })?;
        let ctx = Ctx::new(facts.of_task(&task)?, blobs);
        let (node, inner, input) = (Arc::clone(&kind.node), ctx.clone(), task.input);
        let future: Future1 = Box::pin(async move { node.run(&inner, input).await });
        let mut by_ordinal: BTreeMap<u32, Vec<EffectRecord>> = BTreeMap::new();
        let (mut earlier_ms, mut cost_microusd) = (0_u64, 0_u64);
        for record in recorded {
            earlier_ms = earlier_ms.saturating_add(record.took_ms);
            cost_microusd = cost_microusd.saturating_add(record.cost_microusd);
            by_ordinal.entry(record.ordinal).or_default().push(record);
        }
        Ok(Self {
            ctx,
            future,
            recorded: by_ordinal,
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
            Ok(Poll::Ready(Err(error))) => return Err(Fault::from(error).at(lane)),
            Ok(Poll::Pending) => {}
        }
        let mut ordinals = Vec::new();
        for one in self.ctx.take_asked() {
            let ordinal = self.next_ordinal;
            self.next_ordinal = self.next_ordinal.saturating_add(1);
            let asking = Asking {
                name: one.name,
                class: one.class,
                request_hash: canonical::hash(&one.request),
                request: one.request,
                tries: 0,
                told: false,
                slot: one.slot,
                answered: false,
            };
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

    /// What the journal holds of the effect, oldest first.
    pub(crate) fn recorded(&self, ordinal: u32) -> &[EffectRecord] {
        self.recorded.get(&ordinal).map_or(&[], Vec::as_slice)
    }

    /// Refuses a body that returned without asking for what the journal says it asked for.
    pub(crate) fn nothing_unasked(&self) -> Result<(), Fault> {
        let mut later = self.recorded.range(self.next_ordinal..).flat_map(|(_, records)| records);
        let Some(record) = later.find(|record| record.phase == Phase::Done) else { return Ok(()) };
        let key = format!("{} (effect {})", record.name, record.ordinal);
        let recorded = Value::from(record.name.as_str());
        Err(Divergence::new(Some(&record.lane), "effect unasked", Some(&key), recorded, Value::Null).into())
    }

    /// An effect that was asked for.
    pub(crate) fn asking(&mut self, ordinal: u32) -> Result<&mut Asking, Fault> {
        self.asking.get_mut(&ordinal).ok_or_else(|| Fault::bug(format!("effect {ordinal} was not asked for")))
    }

    /// Gives the body an answer.
    pub(crate) fn answer(&mut self, ordinal: u32, response: Value, cost_microusd: u64) -> Result<(), Fault> {
        self.cost_microusd = self.cost_microusd.saturating_add(cost_microusd);
        let asking = self.asking(ordinal)?;
        *asking.slot.borrow_mut() = Some(response);
        asking.answered = true;
        Ok(())
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
