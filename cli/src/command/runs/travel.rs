//! A run's steps and states, its questions, and changes by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use prunella_engine::Nowhere;
use prunella_engine::run::{Engine, Options};
use prunella_engine::scheduler::{Update, Writes};
use prunella_engine::store::Store;
use prunella_nodes::kinds;
use serde_json::{Value, json};

use super::time;
use crate::command::check::checked;
use crate::exit;
use crate::failure::{Failure, Result};
use crate::terminal::{json, out, say};

/// An engine that looks at runs and changes them, and runs none.
pub(in crate::command) fn reader(store: &Arc<Store>) -> Engine {
    Engine::new(Arc::clone(store), kinds(), Arc::new(Nowhere), Options::new(&kinds()))
}

/// `prunella runs history`
pub(super) fn history(store: &Arc<Store>, name: &str, as_json: bool) -> Result {
    let run = store.find(name)?;
    let steps = reader(store).history(&run)?;
    if as_json {
        json(&json!({"format": 1, "run": run, "steps": steps}));
        return Ok(exit::OK);
    }
    for step in &steps {
        let task = step.lane.as_ref().map_or_else(|| "by hand".to_owned(), ToString::to_string);
        let to = step.to.as_ref().map(|to| format!(" → {to}")).unwrap_or_default();
        let failed =
            step.error.as_ref().map(|error| format!(", failed: {}", error.message)).unwrap_or_default();
        let keys = if step.keys.is_empty() { String::new() } else { format!("  [{}]", step.keys.join(", ")) };
        out(format!("{:>4}  {}  {task}{to}{failed}{keys}", step.number, time(step.at_ms)));
    }
    if steps.is_empty() {
        say("no step yet");
    }
    Ok(exit::OK)
}

/// `prunella runs state`
pub(super) fn state(
    store: &Arc<Store>,
    name: &str,
    at: Option<&str>,
    since: Option<&str>,
    as_json: bool,
) -> Result {
    let run = store.find(name)?;
    let engine = reader(store);
    let last = engine.history(&run)?.last().map_or(0, |step| step.number).to_string();
    let at = at.unwrap_or(&last);
    if let Some(since) = since {
        let changes = engine.changes(&run, since, at)?;
        if as_json {
            json(&json!({"format": 1, "run": run, "from": since, "to": at, "changes": changes}));
            return Ok(exit::OK);
        }
        for change in changes {
            let key = if change.scope.is_empty() {
                change.key
            } else {
                format!("{}: {}", change.scope, change.key)
            };
            let side =
                |value: Option<Value>| value.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
            out(format!("{key}\n  - {}\n  + {}", side(change.before), side(change.after)));
        }
        return Ok(exit::OK);
    }
    let state = engine.state_at(&run, at)?;
    if as_json {
        json(
            &json!({"format": 1, "run": run, "at": at, "states": state.states, "under_way": state.under_way}),
        );
        return Ok(exit::OK);
    }
    for (scope, values) in &state.states {
        if !scope.is_empty() {
            out(format!("{scope}:"));
        }
        for (key, value) in values {
            out(format!("{key} = {value}"));
        }
    }
    let under_way: Vec<String> = state.under_way.iter().map(ToString::to_string).collect();
    if !under_way.is_empty() {
        say(format!("under way: {}", under_way.join(", ")));
    }
    Ok(exit::OK)
}

/// `prunella runs answer`: whether an answer was given.
pub(super) fn answer(store: &Arc<Store>, name: &str, answers: &[String], as_json: bool) -> Result<bool> {
    let run = store.find(name)?;
    let engine = reader(store);
    if answers.is_empty() {
        let open = engine.interrupts(&run)?;
        if as_json {
            json(&json!({"format": 1, "run": run, "interrupts": open}));
        } else if open.is_empty() {
            say(format!("run {run} asks nothing"));
        }
        for one in open.iter().filter(|_| !as_json) {
            out(format!("{}  [{}]  {}", one.id, one.answer, one.question));
        }
        return Ok(false);
    }
    let answers: BTreeMap<String, Value> = answers.iter().map(|pair| value(pair)).collect::<Result<_>>()?;
    engine.answer(&run, &answers)?;
    Ok(true)
}

/// What the arguments of a change by hand say.
pub(in crate::command) fn change(
    scope: String,
    node: Option<String>,
    output: Option<String>,
    set: &[String],
    overwrite: &[String],
) -> Result<Update> {
    let output = output
        .map(|text| {
            let no_json = |e: serde_json::Error| Failure::usage(format!("--output is no JSON: {e}"));
            serde_json::from_str(&text).map_err(no_json)
        })
        .transpose()?;
    let mut writes = Writes::default();
    for (pair, replaces) in
        set.iter().map(|pair| (pair, false)).chain(overwrite.iter().map(|pair| (pair, true)))
    {
        let (key, value) = value(pair)?;
        if replaces {
            writes.overwrites.insert(key.clone());
        }
        writes.values.insert(key, value);
    }
    Ok(Update { scope, node, output, writes, at_ms: 0 })
}

/// `prunella runs update`
pub(super) fn update(store: &Arc<Store>, name: &str, update: Update) -> Result {
    let run = store.find(name)?;
    if update.node.is_none() && update.writes.values.is_empty() {
        return Err(
            Failure::usage("there is nothing to change").help("give `--set KEY=VALUE`, or `--as NODE`")
        );
    }
    reader(store).update(&run, update)?;
    out(format!("run {run}: changed; go on with: prunella runs resume {run}"));
    Ok(exit::OK)
}

/// Refuses to go on with a run under another graph than it is pinned to.
pub(super) fn same_graph(store: &Arc<Store>, name: &str, graph: &str) -> Result<()> {
    let run = store.find(name)?;
    Ok(reader(store).same_graph(&run, &checked(graph)?)?)
}

/// `KEY=VALUE`, the value as JSON, or as text where it is none.
fn value(pair: &str) -> Result<(String, Value)> {
    let (key, value) =
        pair.split_once('=').ok_or_else(|| Failure::usage(format!("`{pair}` is not KEY=VALUE")))?;
    Ok((key.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))))
}
