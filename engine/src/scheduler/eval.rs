//! Evaluates the expressions of a node over state, inputs and output.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::scope::Scope;
use super::state::{State, Writes};
use crate::graph::{Expr, Graph, Lookup, NodeDef, Source, Write};
use crate::{Fault, NodeError};

/// What an expression may read: the state's keys, `inputs`, `attempt`, `max_attempts` and `remaining_steps`, and at
/// its place `output`, `answer`, `error`, `item` and `index`.
pub(super) struct Vars<'a> {
    state: &'a State,
    inputs: &'a Value,
    attempt: Value,
    max_attempts: Value,
    remaining_steps: Option<Value>,
    answer: Value,
    named: Vec<(&'static str, &'a Value)>,
}

impl<'a> Vars<'a> {
    pub(super) fn of(scope: &'a Scope, (attempt, max_attempts): (u32, u32)) -> Self {
        Self {
            state: &scope.state,
            inputs: &scope.inputs,
            attempt: Value::from(attempt),
            max_attempts: Value::from(max_attempts),
            remaining_steps: scope.remaining_steps().map(Value::from),
            answer: scope.answer.clone().unwrap_or(Value::Null),
            named: Vec::new(),
        }
    }

    /// With a value that is there at this place only.
    pub(super) fn with(mut self, name: &'static str, value: &'a Value) -> Self {
        self.named.push((name, value));
        self
    }
}

impl Lookup for Vars<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        if let Some((_, value)) = self.named.iter().find(|(known, _)| *known == name) {
            return Some(value);
        }
        match name {
            "inputs" => Some(self.inputs),
            "attempt" => Some(&self.attempt),
            "max_attempts" => Some(&self.max_attempts),
            key => self.state.get(key).or(match key {
                "remaining_steps" => self.remaining_steps.as_ref(),
                "answer" => Some(&self.answer),
                _ => None,
            }),
        }
    }
}

/// The evaluated `with`.
pub(super) fn input(node: &NodeDef, vars: &Vars<'_>) -> Result<Value, Fault> {
    let mut input = Map::new();
    for (name, from) in &node.with {
        input.insert(name.clone(), source(from, vars).map_err(|fault| fault.at(format!("with.{name}")))?);
    }
    Ok(Value::Object(input))
}

/// The evaluated condition settings.
pub(super) fn conditions(node: &NodeDef, vars: &Vars<'_>) -> Result<BTreeMap<String, bool>, Fault> {
    let evaluate = |(name, expr): (&String, &Expr)| {
        let holds = condition(expr, vars).map_err(|fault| fault.at(name))?;
        Ok((name.clone(), holds))
    };
    node.conditions.iter().map(evaluate).collect()
}

/// The evaluated `writes`, each of its key's type.
pub(super) fn writes(
    graph: &Graph,
    entries: &IndexMap<String, Write>,
    vars: &Vars<'_>,
) -> Result<Writes, Fault> {
    let mut writes = Writes::default();
    for (key, write) in entries {
        let value = source(&write.value, vars).map_err(|fault| fault.at(format!("writes.{key}")))?;
        checked(graph, key, &value)?;
        writes.values.insert(key.clone(), value);
        if write.overwrite {
            writes.overwrites.insert(key.clone());
        }
    }
    Ok(writes)
}

/// Refuses a value that the state key does not take.
pub(super) fn checked(graph: &Graph, key: &str, value: &Value) -> Result<(), Fault> {
    let def = graph
        .state
        .get(key)
        .ok_or_else(|| Fault::new("state.key", 3, format!("the graph has no state key `{key}`")))?;
    def.ty.check(value).map_err(|mismatch| {
        let dot = if mismatch.path.is_empty() || mismatch.path.starts_with('[') { "" } else { "." };
        let path = format!("{key}{dot}{}", mismatch.path);
        Fault::new("state.type", 3, format!("state key `{path}`: {}", mismatch.message))
    })
}

/// A condition.
pub(super) fn condition(expr: &Expr, vars: &Vars<'_>) -> Result<bool, Fault> {
    expr.holds(vars).map_err(failed)
}

/// What an expression gives.
pub(super) fn value(expr: &Expr, vars: &Vars<'_>) -> Result<Value, Fault> {
    // Most expressions name a value; those are copied without a round trip through CEL.
    match named(&expr.source, vars) {
        Some(value) => Ok(value.clone()),
        None => expr.eval(vars).map_err(failed),
    }
}

/// A literal, an expression, or a tree of both.
pub(super) fn source(from: &Source, vars: &Vars<'_>) -> Result<Value, Fault> {
    match from {
        Source::Literal(value) => Ok(value.clone()),
        Source::Expr(expr) => value(expr, vars),
        Source::List(items) => items.iter().map(|item| source(item, vars)).collect(),
        Source::Map(map) => {
            let pairs = map.iter().map(|(key, item)| Ok((key.clone(), source(item, vars)?)));
            Ok(Value::Object(pairs.collect::<Result<Map<_, _>, Fault>>()?))
        }
    }
}

/// The value that a plain path such as `incident` or `output.candidate` names; nothing for any other expression,
/// and for a path that leads nowhere, which CEL judges by declared type.
fn named<'a>(path: &str, vars: &'a Vars<'_>) -> Option<&'a Value> {
    let mut parts = path.split('.');
    let first = vars.value(parts.next()?)?;
    parts.try_fold(first, |value, part| value.as_object()?.get(part))
}

/// An expression that fails on these values is the graph's fault.
fn failed(error: NodeError) -> Fault {
    Fault { exit: 3, ..Fault::from(error) }
}
