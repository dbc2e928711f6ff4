//! One task of a component.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;
use prunella_engine::types::Type;
use prunella_engine::{Class, Ctx, Node, NodeError, canonical};
use serde_json::Value;
use wasmtime::component::Val;
use wasmtime::{Store, Trap};

use super::Limits;
use super::compile::Compiled;
use super::guest::{Ask, Guest, Mail, TaskFacts};

/// The behaviour of a component's kind.
pub(super) struct WasmNode {
    pub(super) compiled: Arc<Compiled>,
    pub(super) limits: Limits,
    pub(super) granted: Arc<BTreeMap<&'static str, Class>>,
    /// The type that the output must have; nothing when the graph says it and the driver checks it.
    pub(super) checked: Option<Type>,
}

#[async_trait(?Send)]
impl Node for WasmNode {
    async fn run(&self, ctx: &Ctx, input: Value) -> Result<Value, NodeError> {
        let mut guest = Guest::new(facts(ctx), self.limits, Arc::clone(&self.granted));
        let input = canonical::to_string(&input);
        guest.meter.text(&input)?;
        let mail = Arc::clone(&guest.mail);
        let mut store = Store::new(self.compiled.ready.engine(), guest);
        store.limiter(|guest| &mut guest.meter);
        store.set_hostcall_fuel(usize::try_from(self.limits.host_bytes).unwrap_or(usize::MAX));
        store.set_fuel(self.limits.fuel).map_err(|e| self.ended(&e))?;
        let called = attended(ctx, &mail, self.call(&mut store, input)).await;
        let output = match called.map_err(|e| self.ended(&e))? {
            Ok(output) => output,
            Err(error) => return Err(error),
        };
        store.data_mut().meter.text(&output)?;
        let output: Value = serde_json::from_str(&output)
            .map_err(|e| NodeError::new("wasm.output", format!("the component's output is no JSON: {e}")))?;
        if let Some(ty) = &self.checked {
            ty.check(&output)
                .map_err(|e| NodeError::new("wasm.output", format!("the component's output: {e}")))?;
        }
        Ok(output)
    }
}

impl WasmNode {
    /// Makes an instance and calls its `run`. The outer error is the host's or a trap, the inner one the guest's.
    async fn call(
        &self,
        store: &mut Store<Guest>,
        input: String,
    ) -> wasmtime::Result<Result<String, NodeError>> {
        let instance = self.compiled.ready.instantiate_async(&mut *store).await?;
        let Some(run) = instance.get_func(&mut *store, self.compiled.run) else {
            return Ok(Err(NodeError::new("wasm.component", "the component has no `run`")));
        };
        let mut results = [Val::Bool(false)];
        run.call_async(&mut *store, &[Val::String(input)], &mut results).await?;
        let [result] = results;
        Ok(match result {
            Val::Result(Ok(Some(output))) => match *output {
                Val::String(output) => Ok(output),
                _ => Err(NodeError::new("wasm.output", "the component's output is no string")),
            },
            Val::Result(Err(Some(error))) => Err(guests_own(*error)),
            _ => Err(NodeError::new("wasm.output", "the component gave no result")),
        })
    }

    /// Why a guest was ended from outside.
    fn ended(&self, error: &wasmtime::Error) -> NodeError {
        if let Some(refused) = error.downcast_ref::<NodeError>() {
            return refused.clone();
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => {
                let message = format!("the component used up its {} units of fuel", self.limits.fuel);
                NodeError::new("wasm.fuel", message)
            }
            Some(trap) => NodeError::new("wasm.trap", format!("the component trapped: {trap}")),
            None => NodeError::new("wasm.trap", format!("the component was ended: {error:#}")),
        }
    }
}

/// Runs `guest` and answers what it asks for.
async fn attended<T>(
    ctx: &Ctx,
    mail: &Mail,
    guest: impl Future<Output = wasmtime::Result<T>>,
) -> wasmtime::Result<T> {
    let mut guest = pin!(guest);
    loop {
        let polled = poll_fn(|waker| Poll::Ready(guest.as_mut().poll(waker))).await;
        for line in mail.take_lines() {
            ctx.log(line);
        }
        if let Poll::Ready(result) = polled {
            return result;
        }
        let answer = match mail.take_ask() {
            Some(ask) => answer(ctx, ask).await,
            None => Err(NodeError::new("wasm.stuck", "the component waits for nothing")),
        };
        mail.answer(answer);
    }
}

async fn answer(ctx: &Ctx, ask: Ask) -> Result<Vec<String>, NodeError> {
    Ok(match ask {
        Ask::Effects { name, class, requests } => {
            ctx.all_named(name, class, requests).await.iter().map(canonical::to_string).collect()
        }
        Ask::Put(text) => {
            let reference = serde_json::to_value(ctx.put_text(&text)?)
                .map_err(|e| NodeError::new("wasm.request", format!("put-text: {e}")))?;
            vec![canonical::to_string(&reference)]
        }
        Ask::Get(reference) => vec![ctx.text(&reference)?],
        Ask::Render(variables) => vec![ctx.render(&variables)?],
    })
}

fn facts(ctx: &Ctx) -> TaskFacts {
    let task = ctx.task();
    TaskFacts {
        run: task.run.to_string(),
        lane: task.lane.to_string(),
        node: task.lane.node.to_string(),
        created_ms: task.created_ms,
        attempt: task.attempt,
        max_attempts: task.max_attempts,
        settings: canonical::to_string(&task.settings),
        previous: task.previous.as_deref().map(canonical::to_string),
    }
}

/// The error that a guest returned, under `component.` so that it cannot pass for one of ours.
fn guests_own(error: Val) -> NodeError {
    let mut texts = BTreeMap::new();
    if let Val::Record(fields) = error {
        for (name, value) in fields {
            if let Val::String(text) = value {
                texts.insert(name, text);
            }
        }
    }
    let code = texts.remove("code").unwrap_or_default();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    let code = if code.is_empty() || code.len() > 64 || !code.chars().all(plain) { "error" } else { &code };
    let message: String = texts.remove("message").unwrap_or_default().chars().take(2000).collect();
    NodeError::new(&format!("component.{code}"), message)
}
