//! JSON to CEL by declared type, and back.

use std::collections::{BTreeMap, HashMap};

use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt,
};
use cel::common::value::Val;
use serde_json::Value;

use super::runtime::Blob;
use crate::types::Type;

/// `value` for CEL. Strings are borrowed. An absent optional field of a record reads as null.
pub(super) fn to_cel<'v>(value: &'v Value, ty: Option<&Type>) -> Box<dyn Val + 'v> {
    let ty = match ty {
        Some(Type::Optional(inner)) => Some(inner.as_ref()),
        other => other,
    };
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(b) => Box::new(CelBool::from(*b)),
        Value::Number(n) => match (ty, n.as_i64(), n.as_u64()) {
            (Some(Type::Float), ..) => Box::new(CelDouble::from(n.as_f64().unwrap_or(f64::NAN))),
            (_, Some(int), _) => Box::new(CelInt::from(int)),
            (_, None, Some(large)) => Box::new(CelUInt::from(large)),
            _ => Box::new(CelDouble::from(n.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(s) => Box::new(CelString::from(s.as_str())),
        Value::Array(items) => {
            let item = match ty {
                Some(Type::List(item)) => Some(item.as_ref()),
                _ => None,
            };
            Box::new(CelList::from(items.iter().map(|v| to_cel(v, item)).collect::<Vec<_>>()))
        }
        Value::Object(map) => {
            if let Some(blob) = Blob::of(value) {
                return Box::new(blob);
            }
            let mut entries: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> = HashMap::with_capacity(map.len());
            for (key, value) in map {
                entries
                    .insert(CelMapKey::String(CelString::from(key.as_str())), to_cel(value, member(ty, key)));
            }
            if let Some(Type::Record(record)) = ty {
                for (name, field) in &record.fields {
                    if matches!(field.ty, Type::Optional(_)) && !map.contains_key(name) {
                        entries.insert(CelMapKey::from(name.clone()), Box::new(CelNull));
                    }
                }
            }
            Box::new(CelMap::from(entries))
        }
    }
}

/// The declared type of `key` inside `ty`.
pub(super) fn member<'t>(ty: Option<&'t Type>, key: &str) -> Option<&'t Type> {
    match ty? {
        Type::Record(record) => record.fields.get(key).map(|field| &field.ty),
        Type::Map(item) => Some(item),
        Type::Optional(inner) => member(Some(inner), key),
        _ => None,
    }
}

/// The result of an expression as JSON.
pub(super) fn to_json(val: &dyn Val) -> Result<Value, String> {
    if val.downcast_ref::<CelNull>().is_some() {
        return Ok(Value::Null);
    }
    if let Some(b) = val.downcast_ref::<CelBool>() {
        return Ok(Value::Bool(*b.inner()));
    }
    if let Some(i) = val.downcast_ref::<CelInt>() {
        return Ok(Value::from(*i.inner()));
    }
    if let Some(u) = val.downcast_ref::<CelUInt>() {
        return Ok(Value::from(*u.inner()));
    }
    if let Some(f) = val.downcast_ref::<CelDouble>() {
        let number = serde_json::Number::from_f64(*f.inner());
        return number.map(Value::Number).ok_or_else(|| format!("{} is no number of JSON", f.inner()));
    }
    if let Some(s) = val.downcast_ref::<CelString>() {
        return Ok(Value::from(s.inner()));
    }
    if let Some(list) = val.downcast_ref::<CelList>() {
        return list
            .inner()
            .iter()
            .map(|item| to_json(item.as_ref()))
            .collect::<Result<_, _>>()
            .map(Value::Array);
    }
    if let Some(map) = val.downcast_ref::<CelMap>() {
        let mut entries = BTreeMap::new();
        // The order of this map is random; the sorted one and JSON's own make it stable.
        #[expect(clippy::iter_over_hash_type, reason = "collected into a sorted map")]
        for (key, value) in map.inner() {
            let key = key.inner().downcast_ref::<CelString>().ok_or("a key of the map is no string")?;
            entries.insert(key.inner().to_owned(), to_json(value.as_ref())?);
        }
        return Ok(Value::Object(entries.into_iter().collect()));
    }
    if let Some(blob) = val.downcast_ref::<Blob>() {
        return Ok(blob.to_json());
    }
    Err(format!("a value of type {} is no JSON", val.get_type().name()))
}
