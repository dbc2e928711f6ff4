//! Kind `wait`: goes on when a time has come.
//!
//! When that is is on disk before the waiting begins, so `kill -9` does not make it longer. A short wait is sat out; for
//! a long one the process ends with exit code 12, and `prunella runs resume` goes on when it is due.
//! `prunella runs answer RUN ID=true` goes on at once.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use prunella_engine::types::{Type, Typed, duration_ms};
use prunella_engine::{Ctx, Due, Expiry, Field, Kind, Node, NodeError, Output, record};
use serde::Deserialize;
use serde_json::Value;

/// Exit code of a graph that is wrong.
const GRAPH: u8 = 3;

record! {
    /// What came of waiting.
    pub struct Waited {
        /// Whether somebody went on before the time had come.
        pub early: bool,
    }
}

/// What the graph gives it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    #[serde(default)]
    r#for: Option<String>,
    #[serde(default)]
    until: Option<String>,
}

/// The kind `wait`.
#[must_use]
pub fn kind() -> Kind {
    let optional = |ty: Type| Type::Optional(Box::new(ty));
    Kind {
        name: "wait",
        version: 1,
        doc: "Goes on when a time has come; it holds across `kill -9` and resumes.",
        with: vec![
            Field { name: "for", ty: optional(Type::Duration), doc: "How long, such as `10m`." },
            Field {
                name: "until",
                ty: optional(Type::String),
                doc: "Until when, with its offset: `2026-08-20T09:00:00Z`.",
            },
        ],
        variables: false,
        output: Output::Fixed(Waited::ty()),
        settings: Vec::new(),
        needs: &[],
        one_of: &["for", "until"],
        effects: &[],
        node: Arc::new(Wait),
    }
}

struct Wait;

#[async_trait(?Send)]
impl Node for Wait {
    async fn run(&self, ctx: &Ctx, input: Value) -> Result<Value, NodeError> {
        let input: Input = serde_json::from_value(input)
            .map_err(|e| NodeError::new("node.input", format!("wait takes a time: {e}")))?;
        let wrong = |message: String| NodeError::new("wait.time", message).exit(GRAPH);
        let (due, words) = match (&input.r#for, &input.until) {
            (Some(span), None) => {
                let ms = duration_ms(span).ok_or_else(|| wrong(format!("`for: {span}` is no duration")))?;
                (Due::In(ms), format!("waits for {span}"))
            }
            (None, Some(time)) => {
                let at: Timestamp = time
                    .parse()
                    .map_err(|e| wrong(format!("`until: {time}` is no time with an offset: {e}")))?;
                let ms = u64::try_from(at.as_millisecond()).unwrap_or_default();
                (Due::At(ms), format!("waits until {time}"))
            }
            _ => return Err(wrong("give `for` or `until`, one of them".to_owned())),
        };
        let question = format!("{words}; `true` goes on at once");
        let expiry = Expiry { due, answer: Value::Bool(false), alone: true };
        let early = ctx.interrupt_until(question, Type::Bool, expiry).await == Value::Bool(true);
        serde_json::to_value(Waited { early })
            .map_err(|e| NodeError::new("node.output", format!("wait: {e}")))
    }
}

#[cfg(test)]
mod tests {
    use prunella_engine::Nowhere;
    use prunella_engine::testing::Task;
    use serde_json::json;

    use super::*;

    fn wait(input: Value, answers: Vec<Value>) -> Result<Value, NodeError> {
        let mut task = Task::new("wait", json!({}));
        task.answers = answers.into();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(task.run(&Wait, input, &Nowhere))
    }

    #[test]
    fn time_or_a_person_goes_on() {
        assert_eq!(wait(json!({"for": "10m"}), vec![]).unwrap(), json!({"early": false}));
        assert_eq!(
            wait(json!({"until": "2026-08-20T09:00:00+02:00"}), vec![json!(true)]).unwrap(),
            json!({"early": true})
        );
    }

    #[test]
    fn a_time_that_is_none_is_refused() {
        for input in [
            json!({}),
            json!({"for": null, "until": null}),
            json!({"for": "10m", "until": "2026-08-20T09:00:00Z"}),
            json!({"until": "tomorrow"}),
            json!({"until": "2026-08-20T09:00:00"}),
        ] {
            let error = wait(input.clone(), vec![]).unwrap_err();
            assert_eq!((error.code.as_str(), error.exit), ("wait.time", Some(3)), "{input}");
        }
    }
}
