//! Kind `generate`: a diagnosis becomes at most one candidate.
//!
//! Strategies are asked in the order of the setting `strategies` and go on where the node's last visit ended: the
//! playbook first hands out the fixes that its one search found, best first, then the model is asked once a visit. A
//! tree that was offered before is never offered again. What does not lead to a candidate is a lesson.

mod model;
mod playbook;

use std::sync::Arc;

use async_trait::async_trait;
use prunella_engine::types::{Diff, RepoPath, Type, Typed};
use prunella_engine::{Ctx, Field, Kind, Node, NodeError, Output, Setting, SettingType, record};
use serde::Deserialize;
use serde_json::Value;

use crate::analyze::base_commit;
use crate::types::{Candidate, Incident, Reproduction};

record! {
    /// A fix that the playbook found and that was not offered yet.
    pub struct FoundFix {
        /// The template's name.
        pub template: String,
        /// One line on what it does.
        pub summary: String,
        /// The unified diff.
        pub diff: Diff,
        /// The files it touches.
        pub files: Vec<RepoPath>,
        /// The git tree of base and edits.
        pub tree: String,
        /// How much it is trusted, 0 to 1.
        pub score: f64,
    }
}

record! {
    /// Where the next visit goes on.
    pub struct Cursor {
        /// Whether the playbook was searched.
        pub searched: bool,
        /// What it found and was not offered yet, best first.
        pub found: Vec<FoundFix>,
        /// Git trees that were offered, sorted.
        pub offered: Vec<String>,
    }
}

record! {
    /// What `generate` came to.
    pub struct Generated {
        /// Whether there is a candidate.
        pub proposed: bool,
        /// The candidate; blank when there is none.
        pub candidate: Candidate,
        /// What this visit learnt, for the next one.
        pub lessons: Vec<String>,
        /// Where the next visit goes on.
        pub cursor: Cursor,
    }
}

record! {
    /// Why it broke, as far as this kind reads it.
    pub struct Diagnosis {
        /// The root cause, with file and line.
        pub root_cause: String,
        /// The files in question.
        pub files: Vec<RepoPath>,
        /// What to do about it.
        pub fix_strategy: String,
    }
}

/// What the node takes.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Input {
    pub(crate) incident: Incident,
    #[serde(default)]
    pub(crate) diagnosis: Value,
    pub(crate) reproduction: Reproduction,
    #[serde(default)]
    pub(crate) lessons: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) command: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Settings {
    #[serde(default = "both")]
    strategies: Vec<String>,
    #[serde(default)]
    model: Value,
}

fn both() -> Vec<String> {
    ["playbook", "model"].map(str::to_owned).into()
}

/// The kind `generate`.
#[must_use]
pub fn kind() -> Kind {
    let optional = |ty: Type| Type::Optional(Box::new(ty));
    let words = ["playbook", "model"].map(str::to_owned).into();
    Kind {
        name: "generate",
        version: 1,
        doc: "Makes at most one candidate patch: from the playbook, then by a model.",
        with: vec![
            Field { name: "incident", ty: Incident::ty(), doc: "What broke." },
            Field { name: "diagnosis", ty: optional(Diagnosis::ty()), doc: "Why it broke." },
            Field { name: "reproduction", ty: Reproduction::ty(), doc: "The test that must pass." },
            Field {
                name: "lessons",
                ty: optional(Vec::<String>::ty()),
                doc: "What earlier attempts taught.",
            },
            Field {
                name: "command",
                ty: optional(Vec::<String>::ty()),
                doc: "The test command; found out when absent.",
            },
        ],
        variables: false,
        output: Output::Fixed(Generated::ty()),
        settings: vec![
            Setting {
                name: "strategies",
                ty: SettingType::Literal(Type::List(Box::new(Type::Enum(words)))),
                doc: "What is asked, in this order; both when absent.",
            },
            Setting { name: "model", ty: SettingType::Model, doc: "The role that is asked." },
            Setting {
                name: "prompt",
                ty: SettingType::Template(&[("evidence", Type::String), ("cause", Type::String)]),
                doc: "What it is asked; the form of the answer is added. Absent: prompts/fix.md.",
            },
        ],
        needs: &[],
        one_of: &[],
        effects: &["playbook.search", "evidence.gather", "model.call", "patch.apply"],
        node: Arc::new(Generate),
    }
}

struct Generate;

/// What a visit works on.
pub(crate) struct Visit<'a> {
    pub(crate) ctx: &'a Ctx,
    pub(crate) commit: String,
    pub(crate) raw: &'a Value,
    pub(crate) input: &'a Input,
    pub(crate) cursor: Cursor,
    pub(crate) lessons: Vec<String>,
}

impl Visit<'_> {
    /// Whether a candidate with this tree was offered before.
    pub(crate) fn was_offered(&self, tree: &str) -> bool {
        self.cursor.offered.iter().any(|other| other == tree)
    }
}

#[async_trait(?Send)]
impl Node for Generate {
    async fn run(&self, ctx: &Ctx, raw: Value) -> Result<Value, NodeError> {
        let input: Input = serde_json::from_value(raw.clone()).map_err(|e| {
            NodeError::new("node.input", format!("generate takes an incident and a reproduction: {e}"))
        })?;
        let settings: Settings = serde_json::from_value(ctx.task().settings.as_ref().clone())
            .map_err(|e| NodeError::new("node.settings", format!("the settings of generate: {e}")))?;
        let cursor = match &ctx.task().previous {
            Some(previous) => serde_json::from_value(previous["cursor"].clone())
                .map_err(|e| NodeError::new("node.previous", format!("the cursor of the last visit: {e}")))?,
            None => Cursor::default(),
        };
        let mut visit =
            Visit { ctx, commit: base_commit(ctx)?, raw: &raw, input: &input, cursor, lessons: Vec::new() };
        let mut candidate = None;
        for strategy in &settings.strategies {
            candidate = match strategy.as_str() {
                "playbook" => playbook::next(&mut visit).await?,
                "model" if !settings.model.is_null() => model::ask(&mut visit, &settings.model).await?,
                _ => None,
            };
            if candidate.is_some() {
                break;
            }
        }
        let Visit { mut cursor, mut lessons, .. } = visit;
        if let Some(candidate) = &candidate {
            cursor.offered.push(candidate.tree.clone());
            cursor.offered.sort();
        } else if settings.model.is_null() && lessons.is_empty() {
            lessons.push("no strategy has anything left to offer, and no model is configured".to_owned());
        }
        let generated = Generated {
            proposed: candidate.is_some(),
            candidate: candidate.unwrap_or_default(),
            lessons,
            cursor,
        };
        serde_json::to_value(generated).map_err(|e| NodeError::new("node.output", e.to_string()))
    }
}

#[cfg(test)]
mod tests;
