//! The state of a scope, and how writes land on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Number, Value};

use crate::Fault;
use crate::canonical;
use crate::graph::{Graph, Reducer};
use crate::types::Type;

/// What one task or one person writes together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Writes {
    /// By state key, before the reducer.
    pub values: BTreeMap<String, Value>,
    /// The keys among them whose value replaces what is there, whatever the reducer.
    pub overwrites: BTreeSet<String>,
}

/// A state: values by key. A key that was never written and has no identity is absent. A copy shares its values
/// until one side writes them.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    values: BTreeMap<String, Arc<Value>>,
    /// Of `union` keys, what is in the list, for looking up alone; made when first needed.
    members: BTreeMap<String, BTreeSet<String>>,
}

impl State {
    /// Where a graph starts: the identities of its reducers.
    pub(super) fn of(graph: &Graph) -> Self {
        let identity = |reducer, ty: &Type| match reducer {
            Reducer::Append | Reducer::Union => Some(Value::Array(Vec::new())),
            Reducer::Merge => Some(Value::Object(Map::new())),
            Reducer::Sum if matches!(ty, Type::Float) => Some(Value::from(0.0)),
            Reducer::Sum => Some(Value::from(0)),
            Reducer::Last | Reducer::Max | Reducer::Min => None,
        };
        let start = |(key, def): (&String, &crate::graph::StateKey)| {
            Some((key.clone(), Arc::new(identity(def.reducer, &def.ty)?)))
        };
        Self { values: graph.state.iter().filter_map(start).collect(), members: BTreeMap::new() }
    }

    /// A state with these values.
    pub(super) fn with(values: BTreeMap<String, Arc<Value>>) -> Self {
        Self { values, members: BTreeMap::new() }
    }

    /// All values, shared.
    pub(super) fn values(&self) -> &BTreeMap<String, Arc<Value>> {
        &self.values
    }

    /// The value of `key`.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key).map(Arc::as_ref)
    }

    /// All values, copied.
    pub(super) fn to_map(&self) -> BTreeMap<String, Value> {
        self.values.iter().map(|(key, value)| (key.clone(), value.as_ref().clone())).collect()
    }

    /// Lands writes through the reducers, in place: the cost is that of what is written.
    ///
    /// # Errors
    /// When a sum leaves the numbers that its type has.
    pub(super) fn land(&mut self, graph: &Graph, writes: &Writes) -> Result<(), Fault> {
        for (key, value) in &writes.values {
            let reducer = graph.state.get(key).map_or(Reducer::Last, |def| def.reducer);
            if reducer == Reducer::Last || writes.overwrites.contains(key) || !self.values.contains_key(key) {
                self.members.remove(key);
                let first = if reducer == Reducer::Union { distinct(value) } else { value.clone() };
                self.values.insert(key.clone(), Arc::new(first));
                continue;
            }
            if reducer == Reducer::Union {
                self.unite(key, value);
                continue;
            }
            let Some(there) = self.values.get_mut(key) else { continue };
            match (reducer, Arc::make_mut(there), value) {
                (Reducer::Append, Value::Array(list), Value::Array(items)) => list.extend_from_slice(items),
                (Reducer::Merge, Value::Object(map), Value::Object(more)) => {
                    map.extend(more.iter().map(|(name, item)| (name.clone(), item.clone())));
                }
                (Reducer::Sum, sum, more) => *sum = added(key, sum, more)?,
                (Reducer::Max, most, new) if larger(new, most) => *most = new.clone(),
                (Reducer::Min, least, new) if larger(least, new) => *least = new.clone(),
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds the items that are not there yet.
    fn unite(&mut self, key: &str, value: &Value) {
        let (Some(there), Value::Array(items)) = (self.values.get_mut(key), value) else { return };
        let Value::Array(list) = Arc::make_mut(there) else { return };
        let members = self
            .members
            .entry(key.to_owned())
            .or_insert_with(|| list.iter().map(canonical::to_string).collect());
        for item in items {
            if members.insert(canonical::to_string(item)) {
                list.push(item.clone());
            }
        }
    }
}

/// A list without repetitions.
fn distinct(value: &Value) -> Value {
    let Value::Array(items) = value else { return value.clone() };
    let mut seen = BTreeSet::new();
    items.iter().filter(|item| seen.insert(canonical::to_string(item))).cloned().collect()
}

fn added(key: &str, sum: &Value, more: &Value) -> Result<Value, Fault> {
    let out_of_range =
        || Fault::new("state.sum", 3, format!("state key `{key}`: {sum} + {more} is out of range"));
    if let (Some(a), Some(b)) = (sum.as_i64(), more.as_i64()) {
        return a.checked_add(b).map(Value::from).ok_or_else(out_of_range);
    }
    let total = sum.as_f64().zip(more.as_f64()).map(|(a, b)| a + b);
    total.and_then(Number::from_f64).map(Value::Number).ok_or_else(out_of_range)
}

/// Whether `a` is the larger number.
fn larger(a: &Value, b: &Value) -> bool {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => a > b,
        _ => a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| a > b),
    }
}
