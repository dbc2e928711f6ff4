//! Kinds: what a node of a graph can be.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::graph::{Condition, Lookup};
use crate::types::{Record, Type, TypeError};
use crate::{Ctx, NodeError};

/// The behaviour of a kind. One instance serves every node of the kind, so it holds no state of a run.
#[async_trait(?Send)]
pub trait Node {
    /// Runs one task: `input` is the evaluated `with`, the result is `output`.
    ///
    /// The body must be deterministic but for its effects: on resume and replay it runs again and its effects
    /// are answered from the journal.
    ///
    /// # Errors
    /// When the input or a recorded response is not what the node takes.
    async fn run(&self, ctx: &Ctx, input: Value) -> Result<Value, NodeError>;
}

/// One key under `with`.
#[derive(Debug, Clone)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// What it takes. An `Optional` type may be left out.
    pub ty: Type,
    /// One line on what it is for.
    pub doc: &'static str,
}

/// What a kind returns.
#[derive(Debug, Clone)]
pub enum Output {
    /// Always this type.
    Fixed(Type),
    /// What the node's `returns:` names; required.
    Returns,
    /// Made from a type that the node itself says.
    Made(Part, fn(Type) -> Type),
}

/// A type that a node says, and that its output is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What `returns:` names; a string where the node does not say.
    Returns,
    /// That of the items of the list that this key of `with` takes.
    Item(&'static str),
}

impl Output {
    /// The type of the output of a node with this `returns:`, as far as that alone tells it.
    #[must_use]
    pub fn of(&self, returns: Option<&Type>) -> Option<Type> {
        match self {
            Self::Fixed(ty) => Some(ty.clone()),
            Self::Returns => returns.cloned(),
            Self::Made(Part::Returns, make) => Some(make(returns.cloned().unwrap_or(Type::String))),
            Self::Made(Part::Item(_), _) => None,
        }
    }
}

/// A key of a node beside `kind`, `with`, `writes`, `next`, `retry` and `timeout`.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The key.
    pub name: &'static str,
    /// What it takes.
    pub ty: SettingType,
    /// One line on what it does.
    pub doc: &'static str,
}

/// What a [`Setting`] takes.
#[derive(Debug, Clone)]
pub enum SettingType {
    /// A role of `models:`.
    Model,
    /// A Jinja template over the node's `with` and these variables, which the kind gathers.
    Template(&'static [(&'static str, Type)]),
    /// A type's name: the type of `output`.
    Returns,
    /// A CEL condition over state and inputs; the node gets the bool.
    Condition,
    /// A literal of this type.
    Literal(Type),
    /// The name of a secret, such as `SLACK_WEBHOOK`, for a credential. The value enters where it is used, and nowhere
    /// else.
    Secret,
}

/// A kind of node: what it takes, gives and does.
#[derive(Clone)]
pub struct Kind {
    /// The name in graph files.
    pub name: &'static str,
    /// Rises when recorded runs would replay differently.
    pub version: u32,
    /// One line on what it does.
    pub doc: &'static str,
    /// The keys of `with`.
    pub with: Vec<Field>,
    /// Whether `with` takes keys of any other name and type beside them: what the node's template works on.
    pub variables: bool,
    /// The type of `output`.
    pub output: Output,
    /// Further keys.
    pub settings: Vec<Setting>,
    /// Those of `settings` that every node of the kind must have.
    pub needs: &'static [&'static str],
    /// Keys of `with` of which every node of the kind has exactly one; empty where there are none such.
    pub one_of: &'static [&'static str],
    /// The effects it may ask for.
    pub effects: &'static [&'static str],
    /// Its behaviour.
    pub node: Arc<dyn Node + Send + Sync>,
}

impl Kind {
    /// A kind that takes and gives these types, written as in graph files, and runs `node`. Version 1, without settings;
    /// an effect that its bodies ask for is named in `effects`.
    ///
    /// # Errors
    /// When a text is no type.
    pub fn new(
        name: &'static str,
        with: &[(&'static str, &str)],
        output: &str,
        node: impl Node + Send + Sync + 'static,
    ) -> Result<Self, TypeError> {
        let ty = |text: &str| Type::parse(text, &mut |_| None);
        let field = |(name, text): &(&'static str, &str)| Ok(Field { name, ty: ty(text)?, doc: "" });
        Ok(Self {
            name,
            version: 1,
            doc: "",
            with: with.iter().map(field).collect::<Result<_, TypeError>>()?,
            variables: false,
            output: Output::Fixed(ty(output)?),
            settings: Vec::new(),
            needs: &[],
            one_of: &[],
            effects: &[],
            node: Arc::new(node),
        })
    }
}

/// All kinds and built-in records that graph files may name.
#[derive(Clone, Default)]
pub struct Kinds {
    /// By name.
    pub kinds: BTreeMap<&'static str, Kind>,
    /// Built-in records by name (`Incident`, `Verdict`, …).
    pub records: BTreeMap<String, Arc<Record>>,
    /// Conditions in Rust by name.
    pub conditions: BTreeMap<&'static str, Condition>,
}

impl Kinds {
    /// Adds a kind; a later one of the same name replaces it.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kinds.insert(kind.name, kind);
        self
    }

    /// Adds a condition in Rust, which graph files call as `name()`.
    #[must_use]
    pub fn with_condition(
        mut self,
        name: &'static str,
        test: impl Fn(&dyn Lookup) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.conditions.insert(name, Condition { name, test: Arc::new(test) });
        self
    }

    /// Adds a built-in record.
    #[must_use]
    pub fn with_record(mut self, ty: &Type) -> Self {
        if let Type::Record(record) = ty {
            self.records.insert(record.name.clone(), Arc::clone(record));
        }
        self
    }
}
