//! The hash of a checked graph: its meaning, prompts included; comments, layout and the order of keys are not in it.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::model::{Graph, Guard, Limits, ModelRole, Next, NodeDef, Reducer, Source, Step, Target};
use crate::canonical;
use crate::types::Type;

/// BLAKE3 of the canonical form, in hex.
pub(crate) fn of(graph: &Graph) -> String {
    canonical::hash(&form(graph))
}

/// The canonical form of `graph` as JSON.
pub(crate) fn form(graph: &Graph) -> Value {
    let Graph {
        name,
        description,
        hash: _,
        source: _,
        inputs,
        models,
        types,
        state,
        limits,
        ends,
        start,
        nodes,
    } = graph;
    json!({
        "format": 1,
        "name": name,
        "description": description,
        "inputs": map(inputs, |ty| Value::from(ty.to_string())),
        "models": map(models, role),
        "types": map(types, |record| {
            map(&record.fields, |field| Value::from(field.ty.to_string()))
        }),
        "state": map(state, |key| json!({"type": key.ty.to_string(), "reduce": reducer(key.reducer)})),
        "limits": limit(limits),
        "ends": map(ends, |end| json!({"outcome": end.outcome, "output": end.output.as_ref().map(source)})),
        "start": start,
        "nodes": map(nodes, node),
    })
}

fn map<T>(entries: &IndexMap<String, T>, value: impl Fn(&T) -> Value) -> Value {
    entries.iter().map(|(name, entry)| (name.clone(), value(entry))).collect()
}

fn role(role: &ModelRole) -> Value {
    let ModelRole { uses, provider, name, params } = role;
    json!({"use": uses, "provider": provider, "name": name, "params": params})
}

fn reducer(reducer: Reducer) -> &'static str {
    match reducer {
        Reducer::Last => "last",
        Reducer::Append => "append",
    }
}

fn limit(limits: &Limits) -> Value {
    let Limits { steps, wall_ms, cost_microusd, exhausted } = limits;
    json!({"steps": steps, "wall_ms": wall_ms, "cost_microusd": cost_microusd, "exhausted": exhausted})
}

fn node(node: &NodeDef) -> Value {
    let NodeDef { name: _, kind, with, writes, literals, conditions, model, returns, prompt, retry, next } =
        node;
    let conditions: Value =
        conditions.iter().map(|(key, expr)| (key.clone(), Value::from(expr.source.as_str()))).collect();
    json!({
        "kind": kind,
        "with": map(with, source),
        "writes": map(writes, source),
        "literals": literals,
        "conditions": conditions,
        "model": model,
        "returns": returns.as_ref().map(Type::to_string),
        "prompt": prompt.as_ref().map(|prompt| prompt.source.as_ref()),
        "retry": {"tries": retry.tries, "backoff_ms": retry.backoff_ms},
        "next": leads(next),
    })
}

fn source(source_: &Source) -> Value {
    match source_ {
        Source::Literal(value) => json!({"literal": value}),
        Source::Expr(expr) => json!({"cel": expr.source}),
        Source::List(items) => json!({"list": items.iter().map(source).collect::<Vec<_>>()}),
        Source::Map(entries) => json!({"map": map(entries, source)}),
    }
}

fn leads(next: &Next) -> Value {
    match next {
        Next::To(to) => json!({"to": target(to)}),
        Next::Choose(arms) => arms
            .iter()
            .map(|arm| {
                let when = match &arm.guard {
                    Guard::When(expr) => Some(expr.source.as_str()),
                    Guard::Else => None,
                };
                match &arm.step {
                    Step::To(to) => json!({"when": when, "to": target(to)}),
                    Step::Retry { head, max_attempts, exhausted } => json!({
                        "when": when, "retry": head, "max_attempts": max_attempts, "exhausted": target(exhausted)
                    }),
                }
            })
            .collect(),
    }
}

fn target(target: &Target) -> Value {
    match target {
        Target::Node(name) => json!({"node": name}),
        Target::End(name) => json!({"end": name}),
    }
}
