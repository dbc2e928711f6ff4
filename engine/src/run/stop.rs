//! Stopping a run from outside, for signal handlers.

use std::sync::Arc;

use tokio::sync::watch;

/// What is wanted of the runs of an engine. A later wish replaces an earlier, weaker one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopWish {
    /// Nothing: go on.
    None,
    /// Stop after the present superstep; resumable.
    Drain,
    /// Stop at once; resumable, effects under way are found out about then.
    Now,
    /// End the run for good.
    Cancel,
}

/// A handle that stops the runs of an engine. Clones are the same handle.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<StopWish>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(StopWish::None)))
    }
}

impl Stop {
    /// Wishes for `wish`, unless something stronger is wished for already.
    pub fn wish_for(&self, wish: StopWish) {
        self.0.send_if_modified(|current| {
            let stronger = wish > *current;
            if stronger {
                *current = wish;
            }
            stronger
        });
    }

    /// What is wished for.
    #[must_use]
    pub fn wish(&self) -> StopWish {
        *self.0.borrow()
    }

    /// Returns when the run is to stop at once.
    pub(crate) async fn now(&self) {
        let mut wishes = self.0.subscribe();
        if wishes.wait_for(|wish| *wish == StopWish::Now).await.is_err() {
            // The sender is part of this handle, so it outlives the wait.
            std::future::pending::<()>().await;
        }
    }
}
