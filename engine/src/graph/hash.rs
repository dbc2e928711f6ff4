//! The hash of a checked graph: its meaning, prompts included; comments, layout and the order of keys are not in it.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::model::{
    Does, Graph, Guard, Interrupt, Limits, ModelRole, Next, NodeDef, OnError, Source, Step, Target, Write,
};
use crate::canonical;
use crate::types::Type;

/// BLAKE3 of the canonical form, in hex.
pub(crate) fn of(graph: &Graph) -> String {
    canonical::hash(&form(graph))
}

impl Graph {
    /// Its canonical form as JSON text: what [`Graph::hash`] is the hash of.
    #[must_use]
    pub fn form(&self) -> String {
        canonical::to_string(&form(self))
    }
}

/// The canonical form of `graph` as JSON.
pub(crate) fn form(graph: &Graph) -> Value {
    let Graph {
        name,
        description,
        hash: _,
        source: _,
        // What of them counts is in the nodes and graphs.
        files: _,
        inputs,
        models,
        types,
        state,
        limits,
        ends,
        start,
        nodes,
        returns,
        graphs,
    } = graph;
    // What may be large is moved in: `json!` copies the values that it is given.
    let mut form = json!({
        "format": 1,
        "name": name,
        "description": description,
        "inputs": map(inputs, |ty| Value::from(ty.to_string())),
        "models": map(models, role),
        "types": map(types, |record| {
            map(&record.fields, |field| Value::from(field.ty.to_string()))
        }),
        "state": map(state, |key| json!({"type": key.ty.to_string(), "reduce": key.reducer.word()})),
        "limits": limit(limits),
        "ends": map(ends, |end| json!({"outcome": end.outcome, "output": end.output.as_ref().map(source)})),
        "start": start,
    });
    form["nodes"] = map(nodes, node);
    // What a graph does not use is not in its form, so that a new part of the language changes no hash.
    if let Some(returns) = returns {
        form["returns"] = Value::from(returns.to_string());
    }
    if !graphs.is_empty() {
        form["graphs"] = map(graphs, |graph| self::form(graph));
    }
    form
}

fn map<T>(entries: &IndexMap<String, T>, value: impl Fn(&T) -> Value) -> Value {
    entries.iter().map(|(name, entry)| (name.clone(), value(entry))).collect()
}

fn role(role: &ModelRole) -> Value {
    let ModelRole { uses, provider, name, params } = role;
    json!({"use": uses, "provider": provider, "name": name, "params": params})
}

fn limit(limits: &Limits) -> Value {
    let Limits { steps, wall_ms, cost_microusd, exhausted } = limits;
    json!({"steps": steps, "wall_ms": wall_ms, "cost_microusd": cost_microusd, "exhausted": exhausted})
}

fn node(node: &NodeDef) -> Value {
    let NodeDef {
        name: _,
        kind,
        description,
        does,
        with,
        writes,
        literals,
        conditions,
        model,
        returns,
        prompt,
        retry,
        timeout_ms,
        on_error,
        interrupt,
        next,
    } = node;
    let conditions: Value =
        conditions.iter().map(|(key, expr)| (key.clone(), Value::from(expr.source.as_str()))).collect();
    let mut form = json!({
        "kind": kind,
        "literals": literals,
        "model": model,
        "returns": returns.as_ref().map(Type::to_string),
        "prompt": prompt.as_ref().map(|prompt| prompt.source.as_ref()),
        "retry": {"tries": retry.tries, "backoff_ms": retry.backoff_ms},
    });
    form["with"] = map(with, source);
    form["writes"] = map(writes, write);
    form["conditions"] = conditions;
    form["next"] = leads(next);
    match does {
        Does::Run => {}
        Does::Call(graph) => form["graph"] = Value::from(graph.as_str()),
        Does::Map(over) => {
            form["graph"] = Value::from(over.graph.as_str());
            form["over"] = Value::from(over.over.source.as_str());
            form["parallel"] = Value::from(over.parallel);
            form["failed"] = Value::from(over.failed.word());
        }
    }
    if !description.is_empty() {
        form["description"] = Value::from(description.as_str());
    }
    if let Some(timeout_ms) = timeout_ms {
        form["timeout_ms"] = Value::from(*timeout_ms);
    }
    if let Some(OnError { to, writes }) = on_error {
        form["on_error"] = json!({"to": target(to), "writes": map(writes, write)});
    }
    if let Some(Interrupt { at, when, ask, answer }) = interrupt {
        let when = when.as_ref().map(|expr| expr.source.as_str());
        form["interrupt"] =
            json!({"at": at.word(), "when": when, "ask": source(ask), "answer": answer.to_string()});
    }
    form
}

fn write(write: &Write) -> Value {
    let value = source(&write.value);
    if write.overwrite { json!({"overwrite": value}) } else { value }
}

fn source(source_: &Source) -> Value {
    match source_ {
        Source::Literal(value) => one("literal", value.clone()),
        Source::Expr(expr) => one("cel", Value::from(expr.source.as_str())),
        Source::List(items) => one("list", items.iter().map(source).collect()),
        Source::Map(entries) => one("map", map(entries, source)),
    }
}

fn leads(next: &Next) -> Value {
    match next {
        Next::Go(one) => step(None, one),
        Next::Choose(arms) => arms
            .iter()
            .map(|arm| {
                let when = match &arm.guard {
                    Guard::When(expr) => Some(expr.source.as_str()),
                    Guard::Else => None,
                };
                step(Some(when), &arm.step)
            })
            .collect(),
        Next::Switch(switch) => json!({
            "switch": switch.on.source,
            "cases": map(&switch.cases, |one| step(None, one)),
            "else": switch.otherwise.as_ref().map(|one| step(None, one)),
        }),
        Next::Goto { name, among } => {
            json!({"goto": name.source, "among": among.iter().map(target).collect::<Vec<_>>()})
        }
    }
}

/// A step; `when` is that of the arm it stands in.
fn step(when: Option<Option<&str>>, step: &Step) -> Value {
    let mut form = match step {
        Step::To(to) => one("to", target(to)),
        // The join follows from the rest of the graph.
        Step::Fork(fork) => json!({"fork": fork.branches}),
        Step::Retry { head, max_attempts, exhausted } => {
            json!({"retry": head, "max_attempts": max_attempts, "exhausted": target(exhausted)})
        }
    };
    if let Some(when) = when {
        form["when"] = json!(when);
    }
    form
}

fn target(target: &Target) -> Value {
    match target {
        Target::Node(name) => one("node", Value::from(name.as_str())),
        Target::End(name) => one("end", Value::from(name.as_str())),
    }
}

/// An object of one entry.
fn one(key: &str, value: Value) -> Value {
    Value::Object(std::iter::once((key.to_owned(), value)).collect())
}
