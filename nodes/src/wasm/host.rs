//! The functions of `prunella:node/host` that a guest may import.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Val};

use prunella_engine::NodeError;

use super::guest::{Ask, Guest, asked};

/// The interface that is offered; nothing else is.
pub(super) const HOST: &str = "prunella:node/host@1.0.0";

type Store<'a> = StoreContextMut<'a, Guest>;

/// A linker that offers the host's functions and nothing else.
pub(super) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    let mut host = linker.instance(HOST)?;
    host.func_wrap("log", |mut store: Store<'_>, (message,): (String,)| {
        store.data_mut().log(&message).map_err(refused)
    })?;
    host.func_new("current-task", |mut store: Store<'_>, _, _, results| {
        let guest = store.data_mut();
        guest.meter.call().map_err(refused)?;
        let task = task(guest).map_err(refused)?;
        match results {
            [result] => *result = task,
            _ => return Err(refused(NodeError::new("wasm.request", "current-task gives one result"))),
        }
        Ok(())
    })?;
    host.func_wrap_async("call", |mut store: Store<'_>, (effect, request): (String, String)| {
        Box::new(async move {
            let ask = store.data_mut().effects(&effect, &[request]);
            one(store, ask).await
        })
    })?;
    host.func_wrap_async("call-all", |mut store: Store<'_>, (effect, requests): (String, Vec<String>)| {
        Box::new(async move {
            let ask = store.data_mut().effects(&effect, &requests);
            Ok((all(store, ask).await?,))
        })
    })?;
    host.func_wrap_async("put-text", |mut store: Store<'_>, (text,): (String,)| {
        Box::new(async move {
            let ask = store.data_mut().put(text);
            one(store, ask).await
        })
    })?;
    host.func_wrap_async("get-text", |mut store: Store<'_>, (reference,): (String,)| {
        Box::new(async move {
            let ask = store.data_mut().get(&reference);
            one(store, ask).await
        })
    })?;
    host.func_wrap_async("render", |mut store: Store<'_>, (variables,): (String,)| {
        Box::new(async move {
            let ask = store.data_mut().render(&variables);
            one(store, ask).await
        })
    })?;
    Ok(linker)
}

/// Waits for the answers to `ask`, and counts them.
async fn all(mut store: Store<'_>, ask: Result<Ask, NodeError>) -> wasmtime::Result<Vec<String>> {
    let mail = store.data().mail.clone();
    let answers = asked(mail, ask.map_err(refused)?).await.map_err(refused)?;
    for answer in &answers {
        store.data_mut().meter.text(answer).map_err(refused)?;
    }
    Ok(answers)
}

async fn one(store: Store<'_>, ask: Result<Ask, NodeError>) -> wasmtime::Result<(String,)> {
    Ok((all(store, ask).await?.pop().unwrap_or_default(),))
}

/// The record `task`.
fn task(guest: &mut Guest) -> Result<Val, NodeError> {
    let (facts, meter) = (&guest.facts, &mut guest.meter);
    let text = [&facts.run, &facts.lane, &facts.node, &facts.settings];
    for text in text.into_iter().chain(&facts.previous) {
        meter.text(text)?;
    }
    let string = |text: &String| Val::String(text.clone());
    let fields = [
        ("run", string(&facts.run)),
        ("lane", string(&facts.lane)),
        ("node", string(&facts.node)),
        ("created-ms", Val::U64(facts.created_ms)),
        ("attempt", Val::U32(facts.attempt)),
        ("max-attempts", Val::U32(facts.max_attempts)),
        ("settings", string(&facts.settings)),
        ("previous", Val::Option(facts.previous.as_ref().map(|text| Box::new(string(text))))),
    ];
    Ok(Val::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}

/// Ends the guest with this error.
fn refused(error: NodeError) -> wasmtime::Error {
    wasmtime::Error::new(error)
}
