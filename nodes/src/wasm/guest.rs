//! What a store keeps for its guest, and the mail between the guest's host functions and the node's body.
//!
//! A host function may run anywhere and its future must be `Send`; the context is bound to its thread. So the function
//! leaves what it asks for in a mailbox and waits, the guest's stack is set aside, and the body answers.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use prunella_engine::blob::BlobRef;
use prunella_engine::{Class, NodeError};
use serde_json::Value;

use super::Limits;
use super::meter::Meter;

/// The longest line of a log, in characters.
const LINE_CHARS: usize = 2000;

/// What a guest asks of the body that runs it.
pub(super) enum Ask {
    /// An effect, on several requests.
    Effects { name: &'static str, class: Class, requests: Vec<Value> },
    /// To keep a text.
    Put(String),
    /// A text that was kept.
    Get(BlobRef),
    /// The node's prompt over these variables.
    Render(Value),
}

/// One question and its answer.
#[derive(Default)]
struct Slots {
    ask: Option<Ask>,
    answer: Option<Result<Vec<String>, NodeError>>,
    lines: Vec<String>,
}

/// The mailbox of one task.
#[derive(Default)]
pub(super) struct Mail(Mutex<Slots>);

impl Mail {
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the guest waits for.
    pub(super) fn take_ask(&self) -> Option<Ask> {
        self.slots().ask.take()
    }

    /// Gives it to the guest.
    pub(super) fn answer(&self, answer: Result<Vec<String>, NodeError>) {
        self.slots().answer = Some(answer);
    }

    /// Lines logged since the last call.
    pub(super) fn take_lines(&self) -> Vec<String> {
        std::mem::take(&mut self.slots().lines)
    }
}

/// The task as the guest sees it.
pub(super) struct TaskFacts {
    pub(super) run: String,
    pub(super) lane: String,
    pub(super) node: String,
    pub(super) created_ms: u64,
    pub(super) attempt: u32,
    pub(super) max_attempts: u32,
    pub(super) settings: String,
    pub(super) previous: Option<String>,
}

/// What a store keeps for its guest.
pub(super) struct Guest {
    pub(super) facts: TaskFacts,
    pub(super) meter: Meter,
    pub(super) mail: Arc<Mail>,
    granted: Arc<BTreeMap<&'static str, Class>>,
}

impl Guest {
    pub(super) fn new(facts: TaskFacts, limits: Limits, granted: Arc<BTreeMap<&'static str, Class>>) -> Self {
        Self { facts, meter: Meter::new(limits), mail: Arc::default(), granted }
    }

    /// One line for the person who watches.
    pub(super) fn log(&mut self, message: &str) -> Result<(), NodeError> {
        self.meter.call()?;
        self.meter.text(message)?;
        let line = message.trim_end().chars().take(LINE_CHARS);
        let line = line.map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.mail.slots().lines.push(line);
        Ok(())
    }

    /// The question that an effect is; refused when it was not granted or a request is no JSON.
    pub(super) fn effects(&mut self, name: &str, requests: &[String]) -> Result<Ask, NodeError> {
        self.meter.call()?;
        self.meter.text(name)?;
        let Some((name, class)) = self.granted.get_key_value(name) else {
            let name: String = name.chars().take(100).collect();
            let message = format!("the component asks for the effect {name:?}, which it was not granted");
            return Err(NodeError::new("wasm.effect", message));
        };
        let (name, class) = (*name, *class);
        let requests = requests.iter().map(|request| self.json(request, name)).collect::<Result<_, _>>()?;
        Ok(Ask::Effects { name, class, requests })
    }

    /// The question for a kept text.
    pub(super) fn get(&mut self, reference: &str) -> Result<Ask, NodeError> {
        self.meter.call()?;
        let value = self.json(reference, "get-text")?;
        let reference = serde_json::from_value(value)
            .map_err(|e| NodeError::new("wasm.request", format!("get-text: no reference to a text: {e}")))?;
        Ok(Ask::Get(reference))
    }

    /// The question to keep a text.
    pub(super) fn put(&mut self, text: String) -> Result<Ask, NodeError> {
        self.meter.call()?;
        self.meter.text(&text)?;
        Ok(Ask::Put(text))
    }

    /// The question for the node's prompt.
    pub(super) fn render(&mut self, variables: &str) -> Result<Ask, NodeError> {
        self.meter.call()?;
        Ok(Ask::Render(self.json(variables, "render")?))
    }

    fn json(&mut self, text: &str, of: &str) -> Result<Value, NodeError> {
        self.meter.text(text)?;
        serde_json::from_str(text)
            .map_err(|e| NodeError::new("wasm.request", format!("{of}: the request is no JSON: {e}")))
    }
}

/// Leaves `ask` in the mailbox and waits for its answer.
pub(super) async fn asked(mail: Arc<Mail>, ask: Ask) -> Result<Vec<String>, NodeError> {
    mail.slots().ask = Some(ask);
    // Nobody is woken: the body polls again as soon as it has answered.
    poll_fn(|_| mail.slots().answer.take().map_or(Poll::Pending, Poll::Ready)).await
}
