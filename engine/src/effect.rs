//! The one way out: effects, their classes, and the world that performs them.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::blob::Blobs;
use crate::{EffectError, Lane};

/// How an effect is recorded, and what a resumed run may do about one that was under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Looks only: the result is recorded, and one without a result is asked again.
    Read,
    /// Costs time or money: its start is recorded too, so that it is known after `kill -9`.
    Costly,
    /// Changes the world: its start is on disk before it begins, it carries an idempotency key, and one under
    /// way is reconciled before anything else happens.
    External,
}

/// One kind of contact with the world, as types. Requests and responses are small; large content is a blob.
pub trait Effect {
    /// The stable name, `area.verb`.
    const NAME: &'static str;
    /// How it is recorded.
    const CLASS: Class;
    /// What is asked. Its canonical JSON is hashed, so it holds nothing that differs between machines.
    type Request: Serialize + DeserializeOwned;
    /// What is answered.
    type Response: Serialize + DeserializeOwned;
}

/// One effect to perform.
#[derive(Clone)]
pub struct Call {
    /// Of the run, the lane and the ordinal: the same again after a crash, another in another run.
    pub key: String,
    /// The run's id.
    pub run: String,
    /// The task that asks.
    pub lane: Lane,
    /// Counts the effects of the lane, from 0.
    pub ordinal: u32,
    /// [`Effect::NAME`].
    pub name: String,
    /// [`Effect::Request`] as JSON.
    pub request: Value,
    /// Where blobs are read and written.
    pub blobs: Arc<dyn Blobs>,
    /// Takes pieces of the answer while it is on its way.
    pub progress: Progress,
}

/// Takes pieces of an answer while it is on its way, for whoever watches the run. They are never recorded: the answer
/// is.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<dyn Fn(String) + Send + Sync>>);

impl Progress {
    /// Hands pieces to `take`.
    #[must_use]
    pub fn to(take: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(take)))
    }

    /// Whether anybody watches: an answer need not come in pieces where nobody does.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Tells a piece.
    pub fn send(&self, piece: impl Into<String>) {
        if let Some(take) = &self.0 {
            take(piece.into());
        }
    }
}

/// An effect that was performed.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// [`Effect::Response`] as JSON.
    pub response: Value,
    /// What it cost, in millionths of a US dollar.
    pub cost_microusd: u64,
}

impl Done {
    /// A response that cost nothing.
    #[must_use]
    pub fn free(response: Value) -> Self {
        Self { response, cost_microusd: 0 }
    }
}

/// What became of an external effect whose start is recorded and whose result is not.
#[derive(Debug, Clone, PartialEq)]
pub enum Reconciled {
    /// It happened; this is its result.
    Happened(Done),
    /// It did not happen; it can be performed now.
    DidNot,
    /// It cannot be told; a person must look.
    Unknown(String),
}

/// Performs effects. The driver is its only caller.
#[async_trait]
pub trait World: Send + Sync {
    /// The class of the effect called `name`, or nothing when this world does not know it.
    fn class(&self, name: &str) -> Option<Class>;

    /// Performs `call`.
    ///
    /// # Errors
    /// When the world could not be asked or did not answer.
    async fn perform(&self, call: Call) -> Result<Done, EffectError>;

    /// Finds out whether `call`, of class [`Class::External`], happened before a crash.
    ///
    /// # Errors
    /// When the world could not be asked.
    async fn reconcile(&self, call: Call) -> Result<Reconciled, EffectError>;
}

/// A world for engines that only look at runs or change them: every effect fails.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nowhere;

#[async_trait]
impl World for Nowhere {
    fn class(&self, _: &str) -> Option<Class> {
        None
    }

    async fn perform(&self, call: Call) -> Result<Done, EffectError> {
        Err(EffectError::new("world.none", 1, format!("{} was asked of nobody", call.name)))
    }

    async fn reconcile(&self, call: Call) -> Result<Reconciled, EffectError> {
        Err(EffectError::new("world.none", 1, format!("{} was asked of nobody", call.name)))
    }
}
