//! Evaluates the expressions of a node over state, inputs and output.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::scope::Scope;
use crate::graph::{Expr, Graph, Lookup, NodeDef, Source};
use crate::{Fault, NodeError};

/// What an expression may read: the state's keys, `inputs`, `attempt` and `max_attempts`, and after a task its
/// `output`.
pub(super) struct Vars<'a> {
    state: &'a BTreeMap<String, Value>,
    inputs: &'a Value,
    attempt: Value,
    max_attempts: Value,
    output: Option<&'a Value>,
}

impl<'a> Vars<'a> {
    pub(super) fn of(scope: &'a Scope, inputs: &'a Value, (attempt, max_attempts): (u32, u32)) -> Self {
        let (attempt, max_attempts) = (Value::from(attempt), Value::from(max_attempts));
        Self { state: &scope.state, inputs, attempt, max_attempts, output: None }
    }

    pub(super) fn with_output(self, output: &'a Value) -> Self {
        Self { output: Some(output), ..self }
    }
}

impl Lookup for Vars<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        match name {
            "inputs" => Some(self.inputs),
            "attempt" => Some(&self.attempt),
            "max_attempts" => Some(&self.max_attempts),
            "output" => self.output,
            key => self.state.get(key),
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
    node: &NodeDef,
    vars: &Vars<'_>,
) -> Result<BTreeMap<String, Value>, Fault> {
    let mut writes = BTreeMap::new();
    for (key, from) in &node.writes {
        let value = source(&from.value, vars).map_err(|fault| fault.at(format!("writes.{key}")))?;
        let def = graph
            .state
            .get(key)
            .ok_or_else(|| Fault::new("state.key", 3, format!("the graph has no state key `{key}`")))?;
        def.ty.check(&value).map_err(|mismatch| {
            let dot = if mismatch.path.is_empty() || mismatch.path.starts_with('[') { "" } else { "." };
            let path = format!("{key}{dot}{}", mismatch.path);
            Fault::new("state.type", 3, format!("state key `{path}`: {}", mismatch.message))
        })?;
        writes.insert(key.clone(), value);
    }
    Ok(writes)
}

/// A condition.
pub(super) fn condition(expr: &Expr, vars: &Vars<'_>) -> Result<bool, Fault> {
    expr.holds(vars).map_err(failed)
}

/// A literal, an expression, or a tree of both.
pub(super) fn source(from: &Source, vars: &Vars<'_>) -> Result<Value, Fault> {
    match from {
        Source::Literal(value) => Ok(value.clone()),
        // Most expressions name a value; those are copied without a round trip through CEL.
        Source::Expr(expr) => match named(&expr.source, vars) {
            Some(value) => Ok(value.clone()),
            None => expr.eval(vars).map_err(failed),
        },
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
