//! Kinds as the shipped graph needs them, without their behaviour, and a plain `step` for everything else.

use std::sync::Arc;

use async_trait::async_trait;
use prunella_engine::types::{Diff, RepoPath, Text, Type, Typed};
use prunella_engine::{
    Ctx, Field, Kind, Kinds, Node, NodeError, Output, Setting, SettingType, record, words,
};
use serde_json::Value;

record! {
    /// The repository.
    pub struct Repo {
        /// Its handle.
        pub handle: String,
        /// The base commit.
        pub commit: String,
    }
}

record! {
    /// A log.
    pub struct Log {
        /// Its name.
        pub name: String,
        /// Its text.
        pub text: Text,
    }
}

words! {
    /// Whether an incident needs work.
    pub enum Status {
        /// No incident.
        None = "none",
        /// Nobody works on it.
        New = "new",
        /// It is dealt with.
        Known = "known",
    }
}

record! {
    /// A frame.
    pub struct Frame {
        /// The line.
        pub line: u64,
        /// The file in the repository.
        pub path: Option<RepoPath>,
    }
}

record! {
    /// What broke.
    pub struct Incident {
        /// The exception.
        pub exception: String,
        /// The message.
        pub message: String,
        /// The frames.
        pub frames: Vec<Frame>,
        /// The part of the log.
        pub excerpt: Text,
    }
}

record! {
    /// A failing test.
    pub struct Reproduction {
        /// Its id.
        pub test_id: String,
        /// Its file.
        pub path: RepoPath,
    }
}

record! {
    /// A patch.
    pub struct Candidate {
        /// The diff.
        pub diff: Diff,
        /// Its files.
        pub files: Vec<RepoPath>,
    }
}

record! {
    /// What the tests say.
    pub struct Verdict {
        /// Whether it is fixed.
        pub fixed: bool,
        /// From 0 to 1.
        pub confidence: f64,
        /// What to know next time.
        pub lessons: Vec<String>,
    }
}

record! {
    /// What `detect` gives.
    pub struct Detected {
        /// Whether it needs work.
        pub status: Status,
        /// What broke.
        pub incident: Incident,
    }
}

record! {
    /// What `reproduce` gives.
    pub struct Reproduced {
        /// Whether there is one.
        pub found: bool,
        /// The test.
        pub reproduction: Reproduction,
        /// Whether it is mended by now.
        pub already_fixed: bool,
    }
}

record! {
    /// What `generate` gives.
    pub struct Generated {
        /// Whether there is one.
        pub proposed: bool,
        /// The patch.
        pub candidate: Candidate,
        /// What was learnt.
        pub lessons: Vec<String>,
    }
}

record! {
    /// What `step` gives.
    pub struct Stepped {
        /// A flag.
        pub ok: bool,
        /// A number.
        pub count: i64,
        /// A ratio.
        pub ratio: f64,
        /// A text.
        pub note: String,
        /// A word.
        pub status: Status,
        /// Perhaps a frame.
        pub frame: Option<Frame>,
        /// Some texts.
        pub list: Vec<String>,
        /// Frames.
        pub frames: Vec<Frame>,
        /// Large text.
        pub page: Text,
    }
}

struct Nothing;

#[async_trait(?Send)]
impl Node for Nothing {
    async fn run(&self, _: &Ctx, input: Value) -> Result<Value, NodeError> {
        Ok(input)
    }
}

fn kind(name: &'static str, with: &[(&'static str, Type)], output: Output, settings: Vec<Setting>) -> Kind {
    let with =
        with.iter().map(|(name, ty)| Field { name, ty: ty.clone(), doc: "what it works on" }).collect();
    Kind {
        name,
        version: 1,
        doc: "for tests",
        with,
        variables: false,
        output,
        settings,
        needs: &[],
        one_of: &[],
        effects: &[],
        node: Arc::new(Nothing),
    }
}

fn setting(name: &'static str, ty: SettingType) -> Setting {
    Setting { name, ty, doc: "for tests" }
}

const EVIDENCE: &[(&str, Type)] = &[("evidence", Type::String)];

/// All of them.
pub(crate) fn kinds() -> Kinds {
    let diagnosis = {
        let mut fields = prunella_engine::types::FieldMap::new();
        for (name, ty) in
            [("root_cause", Type::String), ("files", <Vec<RepoPath>>::ty()), ("fix_strategy", Type::String)]
        {
            fields.insert(name.to_owned(), prunella_engine::types::RecordField { ty, doc: String::new() });
        }
        Type::Record(Arc::new(prunella_engine::types::Record {
            name: "Diagnosis".to_owned(),
            doc: String::new(),
            fields,
        }))
    };
    let lessons = <Vec<String>>::ty;
    let optional = |ty: Type| Type::Optional(Box::new(ty));
    let strategies = Type::List(Box::new(Type::Enum(vec!["playbook".to_owned(), "model".to_owned()])));
    Kinds::default()
        .with_record(&Log::ty())
        .with_record(&Repo::ty())
        .with_record(&Incident::ty())
        .with_record(&Frame::ty())
        .with_record(&Reproduction::ty())
        .with_record(&Candidate::ty())
        .with_record(&Verdict::ty())
        .with_kind(kind(
            "detect",
            &[("log", Log::ty()), ("repo", Repo::ty())],
            Output::Fixed(Detected::ty()),
            vec![],
        ))
        .with_kind(kind(
            "reproduce",
            &[("incident", Incident::ty()), ("command", <Option<Vec<String>>>::ty())],
            Output::Fixed(Reproduced::ty()),
            vec![],
        ))
        .with_kind(kind(
            "analyze",
            &[("incident", Incident::ty()), ("reproduction", Reproduction::ty()), ("lessons", lessons())],
            Output::Returns,
            vec![
                setting("model", SettingType::Model),
                setting("returns", SettingType::Returns),
                setting("prompt", SettingType::Template(EVIDENCE)),
            ],
        ))
        .with_kind(kind(
            "generate",
            &[
                ("incident", Incident::ty()),
                ("diagnosis", diagnosis.clone()),
                ("reproduction", Reproduction::ty()),
                ("lessons", lessons()),
                ("command", <Option<Vec<String>>>::ty()),
            ],
            Output::Fixed(Generated::ty()),
            vec![
                setting("strategies", SettingType::Literal(strategies)),
                setting("model", SettingType::Model),
            ],
        ))
        .with_kind(kind(
            "test",
            &[
                ("candidate", Candidate::ty()),
                ("reproduction", Reproduction::ty()),
                ("command", <Option<Vec<String>>>::ty()),
            ],
            Output::Fixed(Verdict::ty()),
            vec![],
        ))
        .with_kind(kind(
            "pr",
            &[
                ("incident", Incident::ty()),
                ("diagnosis", diagnosis),
                ("reproduction", Reproduction::ty()),
                ("candidate", Candidate::ty()),
                ("verdict", Verdict::ty()),
                ("lessons", optional(lessons())),
            ],
            Output::Fixed(Type::Bool),
            vec![setting("draft", SettingType::Condition)],
        ))
        .with_kind(Kind {
            one_of: &["span", "time"],
            ..kind(
                "timer",
                &[("span", optional(Type::Duration)), ("time", optional(Type::String))],
                Output::Fixed(Type::Bool),
                vec![],
            )
        })
        .with_kind(kind(
            "step",
            &[
                ("text", optional(Type::String)),
                ("number", optional(Type::Int)),
                ("list", optional(lessons())),
                ("frame", optional(Frame::ty())),
                ("map", optional(Type::Map(Box::new(Type::Int)))),
                ("page", optional(Type::Text)),
            ],
            Output::Fixed(Stepped::ty()),
            vec![
                setting("prompt", SettingType::Template(EVIDENCE)),
                setting("only", SettingType::Condition),
                setting("model", SettingType::Model),
                setting("level", SettingType::Literal(Type::Int)),
            ],
        ))
        .with_kind(kind("need", &[("text", Type::String)], Output::Fixed(Stepped::ty()), vec![]))
}
