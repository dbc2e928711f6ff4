//! The inputs of a run against their declaration.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::Fault;
use crate::types::Type;

/// The inputs with what was left out as null; refused by name where one is missing, unknown or of another type.
pub(super) fn checked(declared: &IndexMap<String, Type>, inputs: Value) -> Result<Value, Fault> {
    let refused = |why: String| Fault::new("run.inputs", 2, why);
    let mut map = match inputs {
        Value::Null => Map::new(),
        Value::Object(map) => map,
        _ => return Err(refused("the inputs are no map".to_owned())),
    };
    if let Some(unknown) = map.keys().find(|key| !declared.contains_key(*key)) {
        return Err(refused(format!("the graph has no input `{}`", unknown.escape_debug())));
    }
    for (name, ty) in declared {
        match map.get(name) {
            Some(value) => ty.check(value).map_err(|e| refused(format!("input `{name}`: {e}")))?,
            None if matches!(ty, Type::Optional(_)) => {
                map.insert(name.clone(), Value::Null);
            }
            None => return Err(refused(format!("input `{name}` ({ty}) is missing"))),
        }
    }
    Ok(Value::Object(map))
}
