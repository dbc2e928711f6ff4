//! What is in the air: work on tokio's pool that comes back to the driver's thread.

use std::collections::BTreeMap;
use std::future::Future;

use tokio::task::{AbortHandle, JoinSet};

use crate::{Done, EffectError, Fault, Lane, Reconciled};

/// Which effect of which task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) lane: Lane,
    pub(super) ordinal: u32,
}

/// Something that came back.
pub(super) enum Landed {
    /// A try was performed, well or not, and took this many milliseconds.
    Performed(At, Result<Done, EffectError>, u64),
    /// An effect that began before was looked for, which took this many milliseconds.
    Reconciled(At, Result<Reconciled, EffectError>, u64),
    /// The pause before the next try is over.
    Rested(At),
    /// The task took as long as its node may.
    TimedOut(Lane),
    /// A time has come that a question waits for.
    Due,
}

/// Everything in the air.
#[derive(Default)]
pub(super) struct Flights {
    set: JoinSet<Landed>,
    /// By task, what nobody will miss when the task is dropped.
    loose: BTreeMap<Lane, Vec<AbortHandle>>,
    timers: BTreeMap<Lane, AbortHandle>,
    /// What only waits for a time.
    waiting: Option<AbortHandle>,
}

impl Flights {
    /// Sends up work of a task that nobody will miss when the task is dropped.
    pub(super) fn send(&mut self, lane: &Lane, work: impl Future<Output = Landed> + Send + 'static) {
        let handle = self.set.spawn(work);
        self.loose.entry(lane.clone()).or_default().push(handle);
    }

    /// Sends up an effect that changes the world: it is waited for, whatever becomes of its task.
    pub(super) fn send_firm(&mut self, work: impl Future<Output = Landed> + Send + 'static) {
        self.set.spawn(work);
    }

    /// Starts the clock of a task.
    pub(super) fn time(&mut self, lane: &Lane, work: impl Future<Output = Landed> + Send + 'static) {
        let handle = self.set.spawn(work);
        self.timers.insert(lane.clone(), handle);
    }

    /// Waits for a time.
    pub(super) fn wait(&mut self, work: impl Future<Output = Landed> + Send + 'static) {
        self.waiting = Some(self.set.spawn(work));
    }

    /// Waits for it no longer.
    pub(super) fn stop_waiting(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            waiting.abort();
        }
    }

    /// Stops the clock of a task.
    pub(super) fn stop_clock(&mut self, lane: &Lane) {
        if let Some(timer) = self.timers.remove(lane) {
            timer.abort();
        }
    }

    /// Calls back what belongs to a task that nobody waits for, but for what changes the world.
    pub(super) fn call_back(&mut self, lane: &Lane) {
        self.stop_clock(lane);
        self.loose.remove(lane).into_iter().flatten().for_each(|flight| flight.abort());
    }

    /// The next thing that comes back; nothing for what was called back.
    ///
    /// # Errors
    /// When a world's code panicked.
    pub(super) async fn next(&mut self) -> Result<Option<Landed>, Fault> {
        match self.set.join_next().await {
            Some(Ok(landed)) => Ok(Some(landed)),
            Some(Err(e)) if !e.is_cancelled() => Err(Fault::bug(format!("an effect's task broke: {e}"))),
            _ => Ok(None),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    pub(super) fn abort_all(&mut self) {
        self.set.abort_all();
    }
}
