//! Graphs from Rust. The builder writes a graph file and loads it, so that what is built is checked like every
//! other graph, has a text that is stored with its runs, and loads again.

use serde_json::{Map, Value, json};

use super::diagnostic::Diagnostic;
use super::load;
use super::model::{Graph, Outcome};
use crate::Kinds;

/// Builds a graph.
///
/// ```
/// # use prunella_engine::graph::{Builder, Outcome};
/// # use prunella_engine::Kinds;
/// let found = Builder::new("two")
///     .input("text", "string")
///     .state("note", "string")
///     .end("done", Outcome::Success)
///     .node("first", |node| node.kind("step").with("text", "=inputs.text").writes("note", "=output.note").to("second"))
///     .node("second", |node| node.kind("step").when("output.ok", "done").retry("first", 3, "done"))
///     .build(&Kinds::default());
/// assert_eq!(found.unwrap_err()[0].message, "there is no kind `step`");
/// ```
#[derive(Debug, Clone)]
pub struct Builder {
    name: String,
    sections: [(&'static str, Vec<(String, Value)>); 4],
    limits: Option<Value>,
    nodes: Vec<(String, Node)>,
}

/// Builds a node.
#[derive(Debug, Clone, Default)]
pub struct Node {
    keys: Map<String, Value>,
    with: Map<String, Value>,
    writes: Map<String, Value>,
    arms: Vec<Value>,
}

impl Builder {
    /// A graph with this name. It starts at the first node that is added.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let sections = ["inputs", "models", "state", "ends"].map(|section| (section, Vec::new()));
        Self { name: name.to_owned(), sections, limits: None, nodes: Vec::new() }
    }

    fn add(mut self, section: usize, name: &str, value: Value) -> Self {
        if let Some((_, entries)) = self.sections.get_mut(section) {
            entries.push((name.to_owned(), value));
        }
        self
    }

    /// Declares an input; `ty` is a type expression.
    #[must_use]
    pub fn input(self, name: &str, ty: &str) -> Self {
        self.add(0, name, ty.into())
    }

    /// Declares a model role that takes what the configuration calls `uses`.
    #[must_use]
    pub fn model(self, role: &str, uses: &str) -> Self {
        self.add(1, role, json!({"use": uses}))
    }

    /// Declares a state key whose writes replace.
    #[must_use]
    pub fn state(self, name: &str, ty: &str) -> Self {
        self.add(2, name, ty.into())
    }

    /// Declares a state key whose writes add to a list.
    #[must_use]
    pub fn append(self, name: &str, ty: &str) -> Self {
        self.add(2, name, json!({"type": ty, "reduce": "append"}))
    }

    /// Declares an end.
    #[must_use]
    pub fn end(self, name: &str, outcome: Outcome) -> Self {
        self.add(3, name, json!(outcome))
    }

    /// Sets the limits, as the file's `limits` takes them.
    #[must_use]
    pub fn limits(mut self, limits: Value) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Adds a node.
    #[must_use]
    pub fn node(mut self, name: &str, build: impl FnOnce(Node) -> Node) -> Self {
        self.nodes.push((name.to_owned(), build(Node::default())));
        self
    }

    /// The graph file.
    #[must_use]
    pub fn source(&self) -> String {
        let mut out = format!("format: 1\nname: {}\n", Value::from(self.name.as_str()));
        let mut section = |name: &str, entries: &mut dyn Iterator<Item = (&String, Value)>| {
            let lines: String =
                entries.map(|(name, value)| format!("  {}: {value}\n", Value::from(name.as_str()))).collect();
            if !lines.is_empty() {
                out.push_str(&format!("{name}:\n{lines}"));
            }
        };
        for (name, entries) in &self.sections {
            section(name, &mut entries.iter().map(|(name, value)| (name, value.clone())));
        }
        section("nodes", &mut self.nodes.iter().map(|(name, node)| (name, node.value())));
        if let Some(limits) = &self.limits {
            out.push_str(&format!("limits: {limits}\n"));
        }
        if let Some((start, _)) = self.nodes.first() {
            out.push_str(&format!("start: {}\n", Value::from(start.as_str())));
        }
        out
    }

    /// Checks the graph; returns it with its warnings.
    ///
    /// # Errors
    /// As [`load`]; places are those of [`Self::source`].
    pub fn build(&self, kinds: &Kinds) -> Result<(Graph, Vec<Diagnostic>), Vec<Diagnostic>> {
        load(&self.name, &self.source(), kinds)
    }
}

impl Node {
    /// Its kind, where that is not its name.
    #[must_use]
    pub fn kind(self, kind: &str) -> Self {
        self.setting("kind", kind)
    }

    /// A key of `with`: CEL after a leading `=`, else a literal.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.with.insert(key.to_owned(), value.into());
        self
    }

    /// A state key that it writes: CEL after a leading `=`, else a literal.
    #[must_use]
    pub fn writes(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.writes.insert(key.to_owned(), value.into());
        self
    }

    /// Any other key that the kind takes: `prompt`, `model`, `retry`, …
    #[must_use]
    pub fn setting(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.keys.insert(key.to_owned(), value.into());
        self
    }

    /// Leads to `target` when the condition holds.
    #[must_use]
    pub fn when(mut self, condition: &str, target: &str) -> Self {
        self.arms.push(json!({"when": condition, "to": target}));
        self
    }

    /// Leads to `target` otherwise, or always when there is no condition.
    #[must_use]
    pub fn to(mut self, target: &str) -> Self {
        self.arms.push(json!({"else": target}));
        self
    }

    /// Goes back to `head` otherwise, while attempts are left.
    #[must_use]
    pub fn retry(mut self, head: &str, max_attempts: u32, exhausted: &str) -> Self {
        self.arms.push(json!({"retry": head, "max_attempts": max_attempts, "exhausted": exhausted}));
        self
    }

    fn value(&self) -> Value {
        let mut keys = self.keys.clone();
        for (key, entries) in [("with", &self.with), ("writes", &self.writes)] {
            if !entries.is_empty() {
                keys.insert(key.to_owned(), Value::Object(entries.clone()));
            }
        }
        match self.arms.as_slice() {
            [] => None,
            [one] if one["else"].is_string() => keys.insert("next".to_owned(), one["else"].clone()),
            arms => keys.insert("next".to_owned(), Value::Array(arms.to_vec())),
        };
        Value::Object(keys)
    }
}
