//! Kind `test`: a candidate is judged by the repository's own tests, in the sandbox.

use std::sync::Arc;

use async_trait::async_trait;
use prunella_engine::types::Typed;
use prunella_engine::{Ctx, Effect, Field, Kind, Node, NodeError, Output};
use serde::Deserialize;
use serde_json::Value;

use crate::effects::{Judge, JudgeRequest};
use crate::types::{Candidate, Reproduction, ReproductionKind, Verdict};

/// What the graph gives it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    candidate: Candidate,
    reproduction: Reproduction,
    #[serde(default)]
    command: Option<Vec<String>>,
}

/// Asks for one verdict.
struct Test;

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind {
        name: "test",
        version: 1,
        doc: "Judges a candidate by the repository's own tests, before and after, in the sandbox.",
        with: vec![
            Field { name: "candidate", ty: Candidate::ty(), doc: "The patch to judge." },
            Field {
                name: "reproduction",
                ty: Reproduction::ty(),
                doc: "The test that must turn from red to green.",
            },
            Field {
                name: "command",
                ty: Option::<Vec<String>>::ty(),
                doc: "The test command; found out when absent.",
            },
        ],
        variables: false,
        output: Output::Fixed(Verdict::ty()),
        settings: Vec::new(),
        needs: &[],
        one_of: &[],
        effects: &[Judge::NAME],
        node: Arc::new(Test),
    }
}

#[async_trait(?Send)]
impl Node for Test {
    async fn run(&self, ctx: &Ctx, input: Value) -> Result<Value, NodeError> {
        let input: Input =
            serde_json::from_value(input).map_err(|e| NodeError::new("node.input", format!("test: {e}")))?;
        let commit = ctx
            .task()
            .settings
            .pointer("/repo/commit")
            .and_then(Value::as_str)
            .ok_or_else(|| NodeError::new("node.settings", "test: the run has no repository"))?;
        let request = JudgeRequest {
            commit: commit.to_owned(),
            command: input.command,
            diff: input.candidate.diff.0.clone(),
            alternatives: input.candidate.alternatives.len() as u64,
            reproduction: (input.reproduction.kind != ReproductionKind::None).then_some(input.reproduction),
        };
        let verdict = ctx.call::<Judge>(&request).await?;
        ctx.log(format!("{}: {}", verdict.status.word(), said(&verdict)));
        serde_json::to_value(verdict).map_err(|e| NodeError::new("node.output", format!("test: {e}")))
    }
}

/// The verdict in a line without values of the log: counts only.
fn said(verdict: &Verdict) -> String {
    format!(
        "before {} passed, {} failed; after {} passed, {} failed, {} missing; confidence {:.2}",
        verdict.before.passed,
        verdict.before.failed,
        verdict.after.passed,
        verdict.after.failed,
        verdict.after.missing,
        verdict.confidence
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use prunella_engine::testing::Task;
    use prunella_engine::{Call, Class, Done, EffectError, Reconciled, World};
    use serde_json::json;

    /// Answers with a verdict that carries what it was asked.
    struct Answer;

    #[async_trait]
    impl World for Answer {
        fn class(&self, _: &str) -> Option<Class> {
            Some(Class::Costly)
        }

        async fn perform(&self, call: Call) -> Result<Done, EffectError> {
            let request: JudgeRequest = serde_json::from_value(call.request).unwrap();
            let verdict = Verdict {
                reason: format!("{} {} {}", call.name, request.commit, request.reproduction.is_some()),
                ..Verdict::default()
            };
            Ok(Done::free(serde_json::to_value(verdict).unwrap()))
        }

        async fn reconcile(&self, _: Call) -> Result<Reconciled, EffectError> {
            Ok(Reconciled::DidNot)
        }
    }

    async fn run(settings: Value, reproduction: &Reproduction) -> Result<Value, NodeError> {
        let input = json!({"candidate": Candidate::default(), "reproduction": reproduction, "command": null});
        Task::new("test", settings).run(kind().node.as_ref(), input, &Answer).await
    }

    #[tokio::test]
    async fn it_asks_for_one_verdict_on_the_runs_commit() {
        let settings = json!({"repo": {"commit": "c0ffee"}});
        let existing = Reproduction { kind: ReproductionKind::Existing, ..Reproduction::default() };
        let output = run(settings.clone(), &existing).await.unwrap();
        assert_eq!(output["reason"], "tests.judge c0ffee true");
        let output = run(settings, &Reproduction::default()).await.unwrap();
        assert_eq!(output["reason"], "tests.judge c0ffee false");
        assert_eq!(run(json!({}), &existing).await.unwrap_err().code, "node.settings");
    }
}
