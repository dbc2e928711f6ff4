//! Kind `approve`: a person says yes or no; the run parks until then.
//!
//! `prunella runs approve RUN` and `prunella runs reject RUN` answer. Who that was and why is in the output, when is in
//! the journal. After the `deadline` nobody is asked any more: the outcome is `expired`, on the next resume at the
//! latest.

use std::sync::Arc;

use async_trait::async_trait;
use prunella_engine::types::{Type, Typed, duration_ms};
use prunella_engine::{Ctx, Due, Expiry, Kind, Node, NodeError, Output, Setting, SettingType, record, words};
use serde_json::Value;

use crate::prompt::quote_value;

words! {
    /// What came of a question to a person.
    pub enum Decision {
        /// A person said yes.
        Approved = "approved",
        /// A person said no.
        Declined = "declined",
        /// Nobody said anything in time.
        Expired = "expired",
    }
}

record! {
    /// What a person said.
    pub struct Approval {
        /// The word.
        pub outcome: Decision,
        /// Whether the word is `approved`.
        pub approved: bool,
        /// Who said it; empty when nobody did, or gave no name.
        pub by: String,
        /// Why; empty when nothing was said about it.
        pub reason: String,
    }
}

record! {
    /// A person's answer to `approve`.
    pub struct Answer {
        /// Yes or no.
        pub approved: bool,
        /// Who answers.
        pub by: Option<String>,
        /// Why.
        pub reason: Option<String>,
    }
}

/// The type of the answer as questions show it: how a question of this kind is known.
#[must_use]
pub fn answer_type(deadline: bool) -> Type {
    let answer = Answer::ty().spelled_out();
    if deadline { Type::Optional(Box::new(answer)) } else { answer }
}

/// The kind `approve`.
#[must_use]
pub fn kind() -> Kind {
    Kind {
        name: "approve",
        version: 1,
        doc: "Asks a person; the run parks until it is approved or rejected, or the deadline is over.",
        with: Vec::new(),
        variables: true,
        output: Output::Fixed(Approval::ty()),
        settings: vec![
            Setting { name: "ask", ty: SettingType::Template(&[]), doc: "The question, Jinja over `with`." },
            Setting {
                name: "deadline",
                ty: SettingType::Literal(Type::Optional(Box::new(Type::Duration))),
                doc: "How long an answer is waited for, such as `24h`; for ever when absent.",
            },
        ],
        needs: &["ask"],
        one_of: &[],
        effects: &[],
        node: Arc::new(Approve),
    }
}

struct Approve;

#[async_trait(?Send)]
impl Node for Approve {
    async fn run(&self, ctx: &Ctx, mut input: Value) -> Result<Value, NodeError> {
        quote_value(ctx, &mut input)?;
        let question = ctx.render(&input)?.trim().to_owned();
        let deadline = ctx.task().settings.get("deadline").and_then(Value::as_str).and_then(duration_ms);
        let ty = answer_type(deadline.is_some());
        let answer = match deadline {
            Some(ms) => {
                let expiry = Expiry { due: Due::In(ms), answer: Value::Null, alone: false };
                ctx.interrupt_until(question, ty, expiry).await
            }
            None => ctx.interrupt(question, ty).await,
        };
        let answer: Option<Answer> = serde_json::from_value(answer)
            .map_err(|e| NodeError::new("node.answer", format!("the answer to approve: {e}")))?;
        let approval = match answer {
            None => Approval { outcome: Decision::Expired, ..Approval::default() },
            Some(Answer { approved, by, reason }) => Approval {
                outcome: if approved { Decision::Approved } else { Decision::Declined },
                approved,
                by: by.unwrap_or_default(),
                reason: reason.unwrap_or_default(),
            },
        };
        let by = if approval.by.is_empty() { String::new() } else { format!(" by {}", approval.by) };
        ctx.log(format!("{}{by}", approval.outcome.word()));
        serde_json::to_value(approval).map_err(|e| NodeError::new("node.output", format!("approve: {e}")))
    }
}

#[cfg(test)]
mod tests {
    use prunella_engine::Nowhere;
    use prunella_engine::testing::Task;
    use serde_json::json;

    use super::*;

    fn ask(settings: Value, answers: Vec<Value>) -> Result<Value, NodeError> {
        let mut task = Task::new("approve", settings).prompt("Ship {{ what }}?");
        task.answers = answers.into();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(task.run(&Approve, json!({"what": "it"}), &Nowhere))
    }

    #[test]
    fn yes_no_and_nothing_in_time() {
        let yes = ask(json!({}), vec![json!({"approved": true, "by": "ann", "reason": null})]).unwrap();
        assert_eq!(yes, json!({"outcome": "approved", "approved": true, "by": "ann", "reason": ""}));
        let no = ask(json!({"deadline": "1h"}), vec![json!({"approved": false, "reason": "risky"})]).unwrap();
        assert_eq!(
            (&no["outcome"], &no["reason"], &no["by"]),
            (&json!("declined"), &json!("risky"), &json!(""))
        );
        let late = ask(json!({"deadline": "1h"}), vec![]).unwrap();
        assert_eq!((&late["outcome"], &late["approved"]), (&json!("expired"), &json!(false)));
        for output in [yes, no, late] {
            Approval::ty().check(&output).unwrap();
        }
    }

    #[test]
    fn without_a_deadline_only_a_person_answers() {
        let error = ask(json!({}), vec![]).unwrap_err();
        assert!(error.message.contains("Ship it?"), "{}", error.message);
        assert!(ask(json!({}), vec![json!(null)]).is_err(), "null is an answer of time alone");
    }
}
