//! For tests of nodes: run one task against a world, without a graph, a store or a clock. For tests of graphs: [`cases`].

pub mod cases;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use serde_json::Value;

use crate::blob::{Blobs, MemoryBlobs};
use crate::ctx::{TaskInfo, Want};
use crate::graph::Template;
use crate::{Call, Ctx, Lane, Node, NodeError, World};

/// One task to run. Start from [`Task::new`] and set what matters.
pub struct Task {
    /// The facts that the context tells.
    pub info: TaskInfo,
    /// Where blobs are kept.
    pub blobs: Arc<dyn Blobs>,
    /// What is answered to the node's questions, in order; then time answers.
    pub answers: VecDeque<Value>,
}

impl Task {
    /// The first visit of `node`, attempt 1 of 3, with these settings.
    #[must_use]
    pub fn new(node: &str, settings: Value) -> Self {
        let info = TaskInfo {
            run: "test".into(),
            created_ms: 1_700_000_000_000,
            lane: Lane::root(node, 1),
            attempt: 1,
            max_attempts: 3,
            settings: Arc::new(settings),
            prompt: None,
            returns: None,
            previous: None,
            chain: None,
        };
        Self { info, blobs: Arc::new(MemoryBlobs::default()), answers: VecDeque::new() }
    }

    /// With a prompt.
    #[must_use]
    pub fn prompt(mut self, source: &str) -> Self {
        self.info.prompt = Some(Template::new(source));
        self
    }

    /// Runs `node` on `input`; each effect is performed by `world` as it is asked for. Returns the output.
    ///
    /// # Errors
    /// What the node returned, or `effect.failed` with the message of an effect that failed.
    pub async fn run(mut self, node: &dyn Node, input: Value, world: &dyn World) -> Result<Value, NodeError> {
        let (run, lane, blobs) = (self.info.run.to_string(), self.info.lane.clone(), Arc::clone(&self.blobs));
        let ctx = Ctx::new(self.info, self.blobs);
        let mut body = pin!(node.run(&ctx, input));
        let mut ordinal = 0;
        loop {
            if let Poll::Ready(result) = body.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return result;
            }
            let asked = ctx.take_asked();
            if asked.is_empty() {
                return Err(NodeError::new("node.stuck", "the node waits for something that is no effect"));
            }
            for one in asked {
                let (name, request) = match one.want {
                    Want::Effect { name, request, .. } => (name, request),
                    Want::Answer { question, ty, expiry } => {
                        let answer = self.answers.pop_front().or(expiry.map(|expiry| expiry.answer));
                        let Some(answer) = answer else {
                            let message = format!("the node asks a person, and there is none: {question}");
                            return Err(NodeError::new("node.asks", message));
                        };
                        ty.check(&answer)
                            .map_err(|mismatch| NodeError::new("node.asks", mismatch.to_string()))?;
                        *one.slot.borrow_mut() = Some(answer);
                        continue;
                    }
                };
                let call = Call {
                    key: format!("{run}/{lane}/{ordinal}"),
                    run: run.clone(),
                    lane: lane.clone(),
                    ordinal,
                    name: name.to_owned(),
                    request,
                    blobs: Arc::clone(&blobs),
                    progress: crate::Progress::default(),
                };
                ordinal += 1;
                let done =
                    world.perform(call).await.map_err(|e| NodeError::new("effect.failed", e.to_string()))?;
                *one.slot.borrow_mut() = Some(done.response);
            }
        }
    }
}
