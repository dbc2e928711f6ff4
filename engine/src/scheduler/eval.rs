//! Evaluates the expressions of a node over state, inputs and output.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::conform;
use crate::Fault;
use crate::graph::{Expr, Graph, NodeDef, Source};

/// What an expression may read: the state's keys, `inputs`, and after a task its `output`.
pub(super) struct Vars<'a> {
    pub(super) state: &'a BTreeMap<String, Value>,
    pub(super) inputs: &'a Value,
    pub(super) output: Option<&'a Value>,
}

impl Vars<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        match name {
            "inputs" => Some(self.inputs),
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
pub(super) fn writes(graph: &Graph, node: &NodeDef, vars: &Vars<'_>) -> Result<BTreeMap<String, Value>, Fault> {
    let mut writes = BTreeMap::new();
    for (key, from) in &node.writes {
        let mut value = source(from, vars).map_err(|fault| fault.at(format!("writes.{key}")))?;
        let def =
            graph.state.get(key).ok_or_else(|| Fault::new("state.key", 3, format!("no state key `{key}`")))?;
        conform(&def.ty, &mut value, key)?;
        writes.insert(key.clone(), value);
    }
    Ok(writes)
}

/// A condition.
pub(super) fn condition(expr: &Expr, vars: &Vars<'_>) -> Result<bool, Fault> {
    match self::expr(expr, vars)? {
        Value::Bool(holds) => Ok(holds),
        other => Err(Fault::new("cel.type", 3, format!("`{}` is {other}, not a bool", expr.source))),
    }
}

/// A literal, an expression, or a tree of both.
pub(super) fn source(from: &Source, vars: &Vars<'_>) -> Result<Value, Fault> {
    match from {
        Source::Literal(value) => Ok(value.clone()),
        Source::Expr(expr) => self::expr(expr, vars),
        Source::List(items) => items.iter().map(|item| source(item, vars)).collect(),
        Source::Map(map) => {
            let pairs = map.iter().map(|(key, item)| Ok((key.clone(), source(item, vars)?)));
            Ok(Value::Object(pairs.collect::<Result<Map<_, _>, Fault>>()?))
        }
    }
}

/// A plain path such as `incident` or `output.candidate` is walked without CEL: it is by far the most common
/// expression, and copies only what it names.
fn expr(expr: &Expr, vars: &Vars<'_>) -> Result<Value, Fault> {
    if let Some(value) = path(&expr.source, vars)? {
        return Ok(value.clone());
    }
    cel(expr, vars)
}

fn path<'a>(source: &str, vars: &'a Vars<'_>) -> Result<Option<&'a Value>, Fault> {
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !matches!(part, "true" | "false" | "null" | "in")
    };
    let mut parts = source.split('.');
    let first = parts.next().unwrap_or_default();
    if !source.split('.').all(word) {
        return Ok(None);
    }
    let unset = |name: &str| Fault::new("state.unset", 3, format!("`{name}` was not written yet"));
    let mut value = vars.get(first).ok_or_else(|| unset(first))?;
    for part in parts {
        value = value
            .get(part)
            .ok_or_else(|| Fault::new("cel.member", 3, format!("`{source}`: there is no `{part}`")))?;
    }
    Ok(Some(value))
}

fn cel(expr: &Expr, vars: &Vars<'_>) -> Result<Value, Fault> {
    let failed = |why: String| Fault::new("cel.eval", 3, format!("`{}`: {why}", expr.source));
    let mut context = cel::Context::default();
    for name in expr.program.references().variables() {
        if let Some(value) = vars.get(name) {
            context.add_variable(name, value.clone()).map_err(|e| failed(e.to_string()))?;
        }
    }
    let value = expr.program.execute(&context).map_err(|e| failed(e.to_string()))?;
    json(&value).ok_or_else(|| failed("its value is no data".to_owned()))
}

fn json(value: &cel::Value) -> Option<Value> {
    Some(match value {
        cel::Value::Null => Value::Null,
        cel::Value::Bool(yes) => Value::Bool(*yes),
        cel::Value::Int(number) => Value::from(*number),
        cel::Value::UInt(number) => Value::from(*number),
        cel::Value::Float(number) => Value::from(*number),
        cel::Value::String(text) => Value::from(text.as_str()),
        cel::Value::List(items) => Value::Array(items.iter().map(json).collect::<Option<_>>()?),
        _ => return None,
    })
}
