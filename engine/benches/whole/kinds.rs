//! The nodes of the jobs: plain functions.

use std::sync::Arc;

use async_trait::async_trait;
use prunella_engine::graph::Lookup;
use prunella_engine::types::Type;
use prunella_engine::{Ctx, Field, Kind, Kinds, Node, NodeError, Output};
use serde_json::{Map, Value, json};

/// A body without effects.
struct Plain<F>(F);

#[async_trait(?Send)]
impl<F: Fn(&Ctx, Value) -> Value + Send + Sync> Node for Plain<F> {
    async fn run(&self, ctx: &Ctx, input: Value) -> Result<Value, NodeError> {
        Ok((self.0)(ctx, input))
    }
}

fn ty(text: &str) -> Type {
    Type::parse(text, &mut |_| None).unwrap_or_else(|e| panic!("{text}: {e:?}"))
}

fn kind(
    name: &'static str,
    with: &[(&'static str, &str)],
    output: &str,
    body: impl Fn(&Ctx, Value) -> Value + Send + Sync + 'static,
) -> Kind {
    Kind {
        name,
        version: 1,
        doc: "",
        with: with.iter().map(|(name, text)| Field { name, ty: ty(text), doc: "" }).collect(),
        variables: false,
        output: Output::Fixed(ty(output)),
        settings: Vec::new(),
        needs: &[],
        one_of: &[],
        effects: &[],
        node: Arc::new(Plain(body)),
    }
}

/// A short model turn of 456 characters.
fn message() -> Value {
    let content = "The failing assertion compares the parsed total with the sum of the line items; \
                   the parser drops the last row when the file has no trailing newline. ";
    json!({"role": "assistant", "content": content.repeat(3)})
}

/// One message of the wide state: 5 by 5 entries of 5 records.
fn wide_message(i: u64) -> Value {
    let item = json!({"text": "hi?".repeat(10), "flag": true, "one": 1, "big": 6_327_816_386_138_u64, "none": null, "i": i});
    let keyed =
        |value: &Value| (0..5).map(|n| (n.to_string().repeat(10), value.clone())).collect::<Map<_, _>>();
    let entry = Value::from(vec![item; 5]);
    Value::Object(keyed(&Value::Object(keyed(&entry))))
}

/// The type of a wide message.
pub(crate) const WIDE: &str =
    "map<map<list<{text: string, flag: bool, one: int, big: int, none: int?, i: int}>>>";

/// The kinds of the wide state's nodes.
fn wide(kinds: Kinds) -> Kinds {
    let last = [("last", WIDE)];
    let n = [("n", "int")];
    kinds
        .with_kind(kind(
            "one",
            &[("last", WIDE), ("n", "int")],
            &format!("{{events: list<{WIDE}>, medium: string}}"),
            |_, input| json!({"events": [input["last"]], "medium": format!("m{}", input["n"])}),
        ))
        .with_kind(kind("two", &last, WIDE, |_, input| input["last"].clone()))
        .with_kind(kind("three", &last, &format!("list<{WIDE}>"), |_, input| json!([input["last"]])))
        .with_kind(kind(
            "four",
            &last,
            &format!("{{last: list<{WIDE}>, docs: list<{WIDE}>}}"),
            |ctx, input| {
                let before = ctx.task().previous.as_ref().and_then(|output| output["docs"].as_array());
                let before = before.map_or(&[][..], |docs| &docs[docs.len().saturating_sub(4)..]);
                let docs: Vec<&Value> = before.iter().chain([&input["last"]]).collect();
                json!({"last": [input["last"]], "docs": docs})
            },
        ))
        .with_kind(kind(
            "five",
            &last,
            &format!("{{last: {WIDE}, mail: string, bot: string}}"),
            |_, input| json!({"last": input["last"], "mail": "x".repeat(300), "bot": "b".repeat(300)}),
        ))
        .with_kind(kind("six", &n, &format!("list<{WIDE}>"), |_, input| {
            json!([wide_message(input["n"].as_u64().unwrap_or(0))])
        }))
}

fn text(input: &Value) -> &str {
    input["text"].as_str().unwrap_or_default()
}

/// All of them.
pub(crate) fn all() -> Kinds {
    let count = |_: &Ctx, input: Value| json!({"i": input["i"].as_i64().unwrap_or(0) + 1});
    let say =
        |_: &Ctx, input: Value| json!({"messages": [message()], "i": input["i"].as_i64().unwrap_or(0) + 1});
    let repeat = |_: &Ctx, input: Value| {
        let times = input["times"].as_u64().and_then(|times| usize::try_from(times).ok()).unwrap_or(1);
        json!(input["text"].as_str().unwrap_or_default().repeat(times))
    };
    let kinds = Kinds::default()
        .with_kind(kind("seed", &[], "{i: int}", |_, _| json!({"i": 0})))
        .with_kind(kind("one_more", &[], "{i: int}", |_, _| json!({"i": 1})))
        .with_kind(kind("pass", &[], "bool", |_, _| json!(true)))
        .with_kind(kind("count", &[("i", "int")], "{i: int}", count))
        .with_kind(kind(
            "say",
            &[("i", "int")],
            "{messages: list<{role: string, content: string}>, i: int}",
            say,
        ))
        .with_kind(kind("repeat", &[("text", "string"), ("times", "int")], "string", repeat))
        .with_kind(kind("edited", &[("text", "string")], "string", |_, input| {
            json!(format!("{} - edited", text(&input)))
        }))
        .with_kind(kind("joke", &[("text", "string")], "string", |_, input| {
            json!(format!("Joke about {}", text(&input)))
        }))
        .with_kind(kind("bumped", &[("text", "string")], "string", |_, input| {
            json!(format!("{} a", text(&input)))
        }))
        .with_kind(kind("size", &[("list", "list<string>")], "int", |_, input| {
            json!(input["list"].as_array().map_or(0, Vec::len))
        }))
        .with_kind(kind("judge", &[], "bool", |ctx, _| json!(ctx.task().attempt >= 3)));
    let number =
        |vars: &dyn Lookup, name: &str, key: &str| vars.value(name).and_then(|value| value[key].as_i64());
    wide(kinds)
        .with_condition("enough", move |vars| number(vars, "output", "i") >= number(vars, "inputs", "n"))
        .with_condition("ten", |vars| {
            vars.value("output")
                .is_some_and(|output| output.as_str().is_some_and(|text| text.ends_with(&" a".repeat(10))))
        })
}
