//! What a node sees of its run.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use serde_json::Value;

use crate::blob::{BlobRef, Blobs};
use crate::graph::Template;
use crate::journal::{self, Chain};
use crate::types::Type;
use crate::{Class, Effect, Lane, Name, NodeError};

/// What stays the same while a task runs.
pub struct TaskInfo {
    /// The run's id.
    pub run: Name,
    /// When the run was created, in milliseconds since the Unix epoch; recorded, so the same in replay.
    pub created_ms: u64,
    /// The task.
    pub lane: Lane,
    /// The attempt of the innermost loop around the node, from 1.
    pub attempt: u32,
    /// The most attempts that loop allows; 1 outside a loop.
    pub max_attempts: u32,
    /// What the run's settings tell every node (under `nodes`), and the node's own settings beside `with`, as JSON:
    /// `strategies`, `draft` (already evaluated), `model` (the role's resolved settings: `{role, provider, name, …}`,
    /// or null when none is configured).
    pub settings: Arc<Value>,
    /// The node's `prompt`, when it has one.
    pub prompt: Option<Template>,
    /// The type that `returns:` names, as JSON Schema, when there is one.
    pub returns: Option<Arc<Value>>,
    /// Output of this node's last execution in its scope.
    pub previous: Option<Arc<Value>>,
    /// The hash of the journal's record that led to this task; nothing where there is no journal.
    pub chain: Option<Chain>,
}

impl TaskInfo {
    /// The hash of the journal's record that led to this task, lower-case hex: the same on resume and in replay.
    /// Empty where there is no journal.
    #[must_use]
    pub fn chain_head(&self) -> String {
        self.chain.as_ref().map(journal::hex).unwrap_or_default()
    }
}

/// Something asked for and not yet answered.
pub(crate) struct Asked {
    pub(crate) want: Want,
    pub(crate) slot: Slot,
}

/// What is asked for.
pub(crate) enum Want {
    /// An effect on the world.
    Effect { name: &'static str, class: Class, request: Value },
    /// A person's answer of this type.
    Answer { question: String, ty: Type, expiry: Option<Expiry> },
}

/// When time answers a question, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Expiry {
    /// When.
    pub due: Due,
    /// The answer that it has then, of the question's type.
    pub answer: Value,
    /// Whether no person is asked: a process stays for it where that does not take long.
    pub alone: bool,
}

/// A time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// So many milliseconds after the question was asked for the first time.
    In(u64),
    /// In milliseconds since the Unix epoch.
    At(u64),
}

impl Due {
    /// For a question that is asked at `now_ms`, in milliseconds since the Unix epoch.
    pub(crate) fn after(self, now_ms: u64) -> u64 {
        match self {
            Self::In(ms) => now_ms.saturating_add(ms),
            Self::At(ms) => ms,
        }
    }
}

/// Where an answer is put.
pub(crate) type Slot = Rc<RefCell<Option<Value>>>;

/// A node's context: facts about the task, blobs, and effects. It queues requests; the driver answers them.
#[derive(Clone)]
pub struct Ctx {
    info: Rc<TaskInfo>,
    blobs: Arc<dyn Blobs>,
    asked: Rc<RefCell<Vec<Asked>>>,
    logged: Rc<RefCell<Vec<String>>>,
    told: Rc<RefCell<Vec<Value>>>,
}

impl Ctx {
    /// A context for one task.
    pub(crate) fn new(info: TaskInfo, blobs: Arc<dyn Blobs>) -> Self {
        Self { info: Rc::new(info), blobs, asked: Rc::default(), logged: Rc::default(), told: Rc::default() }
    }

    /// The facts of this task.
    #[must_use]
    pub fn task(&self) -> &TaskInfo {
        &self.info
    }

    /// Performs one effect. A technical failure is retried and then ends the run; it never comes back here.
    ///
    /// # Errors
    /// When the (recorded) response is not of the effect's type.
    pub async fn call<E: Effect>(&self, request: &E::Request) -> Result<E::Response, NodeError> {
        let mut answers = self.all::<E>(std::slice::from_ref(request)).await?;
        answers
            .pop()
            .ok_or_else(|| NodeError::new("effect.response", format!("{} was not answered", E::NAME)))
    }

    /// Performs several effects at once; answers come in the order of `requests`, whatever finished first.
    ///
    /// # Errors
    /// When a (recorded) response is not of the effect's type.
    pub async fn all<E: Effect>(&self, requests: &[E::Request]) -> Result<Vec<E::Response>, NodeError> {
        let requests = requests.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>();
        let requests = requests.map_err(|e| NodeError::new("effect.request", format!("{}: {e}", E::NAME)))?;
        let answers = self.all_named(E::NAME, E::CLASS, requests).await;
        answers
            .into_iter()
            .map(|answer| {
                serde_json::from_value(answer).map_err(|e| {
                    NodeError::new("effect.response", format!("the response of {}: {e}", E::NAME))
                })
            })
            .collect()
    }

    /// Performs an effect that is known by name alone, on several requests at once; answers come in the order of
    /// `requests`. For nodes whose code is no Rust. `class` is that of the world's own table, never what such code says.
    pub async fn all_named(&self, name: &'static str, class: Class, requests: Vec<Value>) -> Vec<Value> {
        let wants = requests.into_iter().map(|request| Want::Effect { name, class, request });
        self.answers(wants.collect()).await
    }

    /// Asks a person, and returns the answer, which has the type `ty`. The run parks while nothing else can go on; when
    /// it is resumed the body runs again up to here, its effects answered from the journal.
    pub async fn interrupt(&self, question: impl Into<String>, ty: Type) -> Value {
        self.question(question.into(), ty, None).await
    }

    /// [`Ctx::interrupt`], where time answers what nobody has answered by then. When that was is recorded, so it holds
    /// across resumes; a person cannot answer any more after it.
    pub async fn interrupt_until(&self, question: impl Into<String>, ty: Type, expiry: Expiry) -> Value {
        self.question(question.into(), ty, Some(expiry)).await
    }

    async fn question(&self, question: String, ty: Type, expiry: Option<Expiry>) -> Value {
        let want = Want::Answer { question, ty: ty.spelled_out(), expiry };
        self.answers(vec![want]).await.pop().unwrap_or(Value::Null)
    }

    /// Queues `wants` for the driver and waits until all of them are answered.
    async fn answers(&self, wants: Vec<Want>) -> Vec<Value> {
        let mut slots = Vec::with_capacity(wants.len());
        for want in wants {
            let slot = Slot::default();
            self.asked.borrow_mut().push(Asked { want, slot: Rc::clone(&slot) });
            slots.push(slot);
        }
        // The driver owns the waking: it polls the task again once every slot it was asked for is filled.
        let waiting = slots.clone();
        poll_fn(move |_| {
            if waiting.iter().all(|slot| slot.borrow().is_some()) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        slots.into_iter().map(|slot| slot.borrow_mut().take().unwrap_or(Value::Null)).collect()
    }

    /// Tells the person who watches, and the trace. One line, no values of the log.
    pub fn log(&self, message: impl Into<String>) {
        self.logged.borrow_mut().push(message.into());
    }

    /// Tells whoever watches the run something of the node's own, as it happens. Not recorded: when the task runs again
    /// after a resume it is told again.
    pub fn emit(&self, data: Value) {
        self.told.borrow_mut().push(data);
    }

    /// Stores `text` and returns its reference.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn put_text(&self, text: &str) -> Result<BlobRef, NodeError> {
        self.blobs.put(text.as_bytes())
    }

    /// The text that `blob` names; bytes that are no UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// When it is not in the store.
    pub fn text(&self, blob: &BlobRef) -> Result<String, NodeError> {
        Ok(String::from_utf8_lossy(&self.blobs.get(blob)?).into_owned())
    }

    /// The bytes that `blob` names.
    ///
    /// # Errors
    /// When it is not in the store.
    pub fn bytes(&self, blob: &BlobRef) -> Result<Vec<u8>, NodeError> {
        self.blobs.get(blob)
    }

    /// Renders the node's prompt over `vars` (its input plus what the kind gathered), with `attempt` and
    /// `max_attempts` where `vars` has none of that name.
    ///
    /// # Errors
    /// When the node has no prompt, or the template fails on these values.
    pub fn render(&self, vars: &Value) -> Result<String, NodeError> {
        let template = self.info.prompt.as_ref().ok_or_else(|| {
            NodeError::new("node.prompt", format!("node {} has no prompt", self.info.lane.node))
        })?;
        self.render_template(template, vars)
    }

    /// Renders the node's prompt over `vars`, or `default` where it has none.
    ///
    /// # Errors
    /// When the template fails on these values.
    pub fn render_or(&self, default: &str, vars: &Value) -> Result<String, NodeError> {
        match &self.info.prompt {
            Some(template) => self.render_template(template, vars),
            None => self.render_template(&Template::new(default), vars),
        }
    }

    fn render_template(&self, template: &Template, vars: &Value) -> Result<String, NodeError> {
        let mut vars = vars.as_object().cloned().unwrap_or_default();
        vars.entry("attempt").or_insert_with(|| self.info.attempt.into());
        vars.entry("max_attempts").or_insert_with(|| self.info.max_attempts.into());
        template.render(&Value::Object(vars), self.blobs.as_ref())
    }

    /// What was asked for since the last call, in order. For drivers.
    pub(crate) fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.borrow_mut())
    }

    /// What was told since the last call. For drivers.
    pub(crate) fn take_told(&self) -> Vec<Value> {
        std::mem::take(&mut *self.told.borrow_mut())
    }

    /// Lines logged since the last call. For drivers.
    pub(crate) fn take_logged(&self) -> Vec<String> {
        std::mem::take(&mut *self.logged.borrow_mut())
    }
}
