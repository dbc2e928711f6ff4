//! A model asked for a value of a type: the schema goes along, the answer is found in whatever is around it and held to
//! the schema, and a model whose answer does not fit is told why and asked once more.

use prunella_engine::{Ctx, NodeError};
use serde_json::{Map, Value};

use crate::effects::{AskModel, ModelResponse};
use crate::patch::{prefix, without_thinking};
use crate::prompt::{fenced, request};

/// How often a model is asked: once, and once more when its answer is not of the type.
const ASKED: usize = 2;

/// Longest answer that is read, in bytes.
const MOST: usize = 256 * 1024;
/// Most places at which JSON is looked for.
const PLACES: usize = 64;
/// Deepest nesting that is checked.
const DEPTH: usize = 32;

/// Asks `model` for a value of `schema`, an object. The inner error is what was wrong with its second answer.
///
/// # Errors
/// When the model's settings are incomplete or a recorded response cannot be read.
pub(crate) async fn ask(
    ctx: &Ctx,
    model: &Value,
    system: &str,
    prompt: &str,
    schema: &Value,
) -> Result<Result<Value, String>, NodeError> {
    let shape = serde_json::to_string_pretty(schema).unwrap_or_default();
    let prompt = format!(
        "{prompt}\nAnswer with one JSON object of this schema and nothing else:\n\n{}",
        fenced("json", &shape)
    );
    let again = |problem: &str| {
        format!("\nYour last answer could not be used: {problem}. Answer with the JSON object alone.\n")
    };
    repaired(ctx, model, system, &prompt, Some(schema), again, |text| read(text, schema)).await
}

/// Asks `model` for text of at most `most` bytes. The inner error is what was wrong with its second answer.
///
/// # Errors
/// As [`ask`].
pub(crate) async fn ask_text(
    ctx: &Ctx,
    model: &Value,
    system: &str,
    prompt: &str,
    most: usize,
) -> Result<Result<String, String>, NodeError> {
    let again = |problem: &str| format!("\nYour last answer could not be used: {problem}.\n");
    let read = |text: &str| match without_thinking(text).trim() {
        "" => Err("it is empty".to_owned()),
        text if text.len() > most => Err(format!("it is longer than {most} bytes")),
        text => Ok(text.to_owned()),
    };
    repaired(ctx, model, system, prompt, None, again, read).await
}

async fn repaired<T>(
    ctx: &Ctx,
    model: &Value,
    system: &str,
    prompt: &str,
    schema: Option<&Value>,
    again: impl Fn(&str) -> String,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Result<T, String>, NodeError> {
    let mut problem = String::new();
    for _ in 0..ASKED {
        let more = if problem.is_empty() { String::new() } else { again(&problem) };
        let mut asked = request(model, system, ctx.put_text(&format!("{prompt}{more}"))?)?;
        asked.schema = schema.cloned();
        let said = ctx.call::<AskModel>(&asked).await?;
        match read(&ctx.text(&said.text)?) {
            Ok(answer) => return Ok(Ok(answer)),
            Err(why) => problem = held_back(&said).unwrap_or(why),
        }
        ctx.log(format!("the model's answer is not of the type: {problem}"));
    }
    Ok(Err(problem))
}

/// What the provider says about an answer that it did not give whole, a lowercase fragment.
fn held_back(said: &ModelResponse) -> Option<String> {
    match said.stop.as_str() {
        "length" | "max_tokens" => Some("it was cut off at its limit of tokens".to_owned()),
        "content_filter" | "content_filtered" | "guardrail_intervened" | "refusal" => {
            Some(format!("it was held back ({})", said.stop))
        }
        _ => None,
    }
}

/// `value` with the texts that its type keeps as blobs put there.
///
/// # Errors
/// When the store cannot be written.
pub(crate) fn stored(ctx: &Ctx, mut value: Value, schema: &Value) -> Result<Value, NodeError> {
    if let (Some(text), Some(_)) = (value.as_str(), schema.get("contentMediaType")) {
        return serde_json::to_value(ctx.put_text(text)?)
            .map_err(|e| NodeError::new("node.output", e.to_string()));
    }
    let whole = schema.get("anyOf").and_then(|options| options.get(0)).filter(|_| !value.is_null());
    let schema = whole.unwrap_or(schema);
    if whole.is_some() && value.is_string() {
        return stored(ctx, value, schema);
    }
    match &mut value {
        Value::Array(items) => {
            for item in items {
                *item = stored(ctx, item.take(), schema.get("items").unwrap_or(&Value::Null))?;
            }
        }
        Value::Object(map) => {
            for (key, part) in map {
                let of = schema.get("properties").and_then(|known| known.get(key));
                let of = of.or_else(|| schema.get("additionalProperties")).unwrap_or(&Value::Null);
                *part = stored(ctx, part.take(), of)?;
            }
        }
        _ => {}
    }
    Ok(value)
}

/// The value in `text` that fits `schema`; keys that the schema does not have are left out.
///
/// # Errors
/// What is wrong with it, a lowercase fragment.
pub(crate) fn read(text: &str, schema: &Value) -> Result<Value, String> {
    let text = prefix(without_thinking(text), MOST);
    let mut problem = None;
    for value in candidates(text) {
        match fit(&value, schema, "", 0) {
            Ok(value) => return Ok(value),
            Err(why) => problem = problem.or(Some(why)),
        }
    }
    Err(problem.unwrap_or_else(|| {
        if text.trim().is_empty() { "it is empty" } else { "it holds no JSON object" }.to_owned()
    }))
}

/// What could be meant: the whole, else whatever begins with a bracket.
fn candidates(text: &str) -> Vec<Value> {
    if let Ok(value) = serde_json::from_str(text.trim()) {
        return vec![value];
    }
    let mut found = Vec::new();
    let mut from = 0;
    for _ in 0..PLACES {
        let Some(at) = text.get(from..).and_then(|rest| rest.find('{')).map(|at| from + at) else { break };
        let mut stream =
            serde_json::Deserializer::from_str(text.get(at..).unwrap_or_default()).into_iter::<Value>();
        match stream.next() {
            Some(Ok(value)) => {
                found.push(value);
                from = at + stream.byte_offset().max(1);
            }
            _ => from = at + 1,
        }
    }
    found
}

/// `value` as `schema` wants it.
fn fit(value: &Value, schema: &Value, at: &str, depth: usize) -> Result<Value, String> {
    let here = if at.is_empty() { "the answer" } else { at };
    if depth > DEPTH {
        return Err(format!("{here} is nested too deeply"));
    }
    if let Some(options) = schema.get("anyOf").and_then(Value::as_array) {
        let mut last = format!("{here} fits nothing");
        for option in options {
            match fit(value, option, at, depth + 1) {
                Ok(value) => return Ok(value),
                Err(why) if !value.is_null() && option.get("type") != Some(&Value::from("null")) => {
                    last = why
                }
                Err(_) => {}
            }
        }
        return Err(last);
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array)
        && !words.contains(value)
    {
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        return Err(format!("{here} is none of {}", words.join(", ")));
    }
    match (schema.get("type").and_then(Value::as_str), value) {
        (Some("object"), Value::Object(map)) => object(map, schema, at, depth),
        (Some("array"), Value::Array(items)) => {
            let each = schema.get("items").unwrap_or(&Value::Null);
            let mut kept = Vec::new();
            for (i, item) in items.iter().enumerate() {
                // A list of paths does without one that leads outside.
                if is_path(each) && item.as_str().is_some_and(|text| clean_path(text).is_none()) {
                    continue;
                }
                kept.push(fit(item, each, &format!("{at}[{i}]"), depth + 1)?);
            }
            Ok(Value::Array(kept))
        }
        (Some("string"), Value::String(text)) if is_path(schema) => clean_path(text)
            .map(Value::from)
            .ok_or_else(|| format!("{here} is no relative path inside the repository")),
        (Some("string"), Value::String(text)) => match schema.get("maxLength").and_then(Value::as_u64) {
            Some(most) if text.len() as u64 > most => Err(format!("{here} is longer than {most} bytes")),
            _ => Ok(value.clone()),
        },
        (Some("integer"), Value::Number(n)) if n.is_i64() => Ok(value.clone()),
        (Some("number"), Value::Number(_))
        | (Some("boolean"), Value::Bool(_))
        | (Some("null"), Value::Null)
        | (None, _) => Ok(value.clone()),
        (Some(ty), _) => Err(format!("{here} is no {ty}")),
    }
}

fn object(map: &Map<String, Value>, schema: &Value, at: &str, depth: usize) -> Result<Value, String> {
    let path = |key: &str| if at.is_empty() { format!("`{key}`") } else { format!("{at}.{key}") };
    let empty = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let rest = schema.get("additionalProperties").filter(|rest| rest.is_object());
    let mut kept = Map::new();
    for (key, value) in map {
        if let Some(of) = properties.get(key).or(rest) {
            kept.insert(key.clone(), fit(value, of, &path(prefix(key, 60)), depth + 1)?);
        } else if schema.get("properties").is_none() {
            kept.insert(key.clone(), value.clone());
        }
    }
    for key in
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    {
        if !kept.contains_key(key) {
            return Err(format!("{} is missing", path(key)));
        }
    }
    Ok(Value::Object(kept))
}

fn is_path(schema: &Value) -> bool {
    schema.get("description").and_then(Value::as_str).is_some_and(|text| text.starts_with("a relative path"))
}

/// The path without a line number or a leading `./`; nothing when it leads outside.
fn clean_path(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches("./");
    let text = match text.split_once(':') {
        Some((path, line)) if line.starts_with(|c: char| c.is_ascii_digit()) => path,
        _ => text,
    };
    let outside = text.is_empty()
        || text.len() > 1000
        || text.starts_with('/')
        || text.contains(['\\', '\0', '\n'])
        || text.split('/').any(|part| part == "..");
    (!outside).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object", "additionalProperties": false, "required": ["root_cause", "files"],
            "properties": {
                "root_cause": {"type": "string", "maxLength": 100},
                "files": {"type": "array", "items": {"type": "string", "description": "a relative path with /, without .."}},
                "risk": {"anyOf": [{"type": "string", "enum": ["low", "high"]}, {"type": "null"}]},
                "n": {"type": "integer"}
            }
        })
    }

    #[test]
    fn the_object_is_found_in_what_is_around_it() {
        let right = json!({"root_cause": "a.py:3 {x}", "files": ["a.py"]});
        for text in [
            right.to_string(),
            format!("```json\n{right}\n```"),
            format!("Here {{it}} is:\n{right}\nGood luck {{you}}!"),
            format!("<think>{{\"root_cause\": \"no\", \"files\": []}}</think>\n{right}"),
            json!({"root_cause": "a.py:3 {x}", "files": ["./a.py:3", "/etc/passwd", "../b"], "more": 1})
                .to_string(),
        ] {
            assert_eq!(read(&text, &schema()), Ok(right.clone()), "{text}");
        }
        let with_risk = json!({"root_cause": "", "files": [], "risk": "low", "n": 3});
        assert_eq!(read(&with_risk.to_string(), &schema()), Ok(with_risk));
    }

    #[test]
    fn what_does_not_fit_says_why() {
        for (text, why) in [
            ("", "it is empty"),
            ("It is line 3.", "it holds no JSON object"),
            ("{\"root_cause\": \"x\"}", "`files` is missing"),
            ("{\"root_cause\": 3, \"files\": []}", "`root_cause` is no string"),
            ("{\"root_cause\": \"x\", \"files\": [1]}", "`files`[0] is no string"),
            ("{\"root_cause\": \"x\", \"files\": [], \"risk\": \"odd\"}", "`risk` is none of low, high"),
            ("[]", "the answer is no object"),
        ] {
            assert_eq!(read(text, &schema()), Err(why.to_owned()), "{text}");
        }
        let long = json!({"root_cause": "x".repeat(101), "files": []}).to_string();
        assert!(read(&long, &schema()).unwrap_err().contains("longer than 100"));
    }

    proptest! {
        #[test]
        fn never_panics(text in "([{}\\[\\]\",:a-z0-9é ]|\"root_cause\": |\"files\": ){0,60}") {
            let _ = read(&text, &schema());
        }
    }
}
