//! Graphs from Rust. The builder writes a graph file and loads it, so that what is built is checked like every
//! other graph, has a text that is stored with its runs, and loads again.

use serde_json::{Map, Value, json};

use super::diagnostic::Diagnostic;
use super::load;
use super::model::{At, Failed, Graph, Outcome, Reducer};
use crate::Kinds;

/// Builds a graph.
///
/// ```
/// use async_trait::async_trait;
/// use prunella_engine::graph::{Builder, Outcome, Reducer};
/// use prunella_engine::run::{Engine, NewInputs, Options};
/// use prunella_engine::store::Store;
/// use prunella_engine::{Ctx, Kind, Kinds, Node, NodeError, Nowhere};
/// use serde_json::{Value, json};
///
/// /// Doubles a number.
/// struct Double;
///
/// #[async_trait(?Send)]
/// impl Node for Double {
///     async fn run(&self, _: &Ctx, input: Value) -> Result<Value, NodeError> {
///         Ok(json!({"n": input["n"].as_i64().unwrap_or_default() * 2}))
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kinds = Kinds::default().with_kind(Kind::new("double", &[("n", "int")], "{n: int}", Double)?);
/// let (graph, _) = Builder::new("doubles")
///     .input("n", "int")
///     .reduce("sum", "int", Reducer::Sum)
///     .end_with("done", Outcome::Success, "=sum")
///     .node("first", |node| node.kind("double").with("n", "=inputs.n").fork(&["left", "right"]))
///     .node("left", |node| node.kind("double").with("n", 1).writes("sum", "=output.n").to("meet"))
///     .node("right", |node| node.kind("double").with("n", "=inputs.n").writes("sum", "=output.n").to("meet"))
///     .node("meet", |node| node.kind("double").with("n", "=sum").to("done"))
///     .build(&kinds)
///     .map_err(|found| found[0].message.clone())?;
/// let engine = Engine::new(Store::in_memory()?, kinds.clone(), std::sync::Arc::new(Nowhere), Options::new(&kinds));
/// let run = engine.start(&graph, NewInputs { inputs: json!({"n": 5}), settings: json!({}), local: json!({}) })?;
/// let runtime = tokio::runtime::Runtime::new()?;
/// assert_eq!(runtime.block_on(engine.run(&run, &mut |_| {}))?.output, json!(12));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Builder {
    name: String,
    sections: [(&'static str, Vec<(String, Value)>); 4],
    limits: Option<Value>,
    returns: Option<String>,
    nodes: Vec<(String, Node)>,
    graphs: Vec<(String, Value)>,
}

/// Builds a node.
#[derive(Debug, Clone, Default)]
pub struct Node {
    keys: Map<String, Value>,
    with: Map<String, Value>,
    writes: Map<String, Value>,
    arms: Vec<Value>,
    /// What stands under `next` where that is no list of arms.
    next: Option<Value>,
}

impl Builder {
    /// A graph with this name. It starts at the first node that is added.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let sections = ["inputs", "models", "state", "ends"].map(|section| (section, Vec::new()));
        Self {
            name: name.to_owned(),
            sections,
            limits: None,
            returns: None,
            nodes: Vec::new(),
            graphs: Vec::new(),
        }
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

    /// Declares a state key with a reducer.
    #[must_use]
    pub fn reduce(self, name: &str, ty: &str, reducer: Reducer) -> Self {
        self.add(2, name, json!({"type": ty, "reduce": reducer.word()}))
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

    /// Declares an end that gives a value: CEL after a leading `=`, else a literal.
    #[must_use]
    pub fn end_with(self, name: &str, outcome: Outcome, output: impl Into<Value>) -> Self {
        self.add(3, name, json!({"outcome": outcome, "output": output.into()}))
    }

    /// Says which type its ends give, for graphs that are called.
    #[must_use]
    pub fn returns(mut self, ty: &str) -> Self {
        self.returns = Some(ty.to_owned());
        self
    }

    /// Adds a graph that nodes can call by this name. Its own model roles and graphs are not taken over.
    #[must_use]
    pub fn graph(mut self, name: &str, graph: &Self) -> Self {
        self.graphs.push((name.to_owned(), graph.inner()));
        self
    }

    /// The graph as it stands under `graphs:`.
    fn inner(&self) -> Value {
        let mut map = Map::new();
        for (section, entries) in self.sections.iter().filter(|(section, _)| *section != "models") {
            if !entries.is_empty() {
                map.insert((*section).to_owned(), entries.iter().cloned().collect());
            }
        }
        let nodes = self.nodes.iter().map(|(name, node)| (name.clone(), node.value())).collect();
        map.insert("nodes".to_owned(), nodes);
        map.extend(self.limits.clone().map(|limits| ("limits".to_owned(), limits)));
        map.extend(self.returns.clone().map(|ty| ("returns".to_owned(), Value::from(ty))));
        map.extend(self.nodes.first().map(|(start, _)| ("start".to_owned(), Value::from(start.as_str()))));
        Value::Object(map)
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
        section("graphs", &mut self.graphs.iter().map(|(name, graph)| (name, graph.clone())));
        if let Some(ty) = &self.returns {
            out.push_str(&format!("returns: {}\n", Value::from(ty.as_str())));
        }
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

    /// Leads into these branches at once; they meet at the next node that all of their paths lead through.
    #[must_use]
    pub fn fork(mut self, branches: &[&str]) -> Self {
        self.next = Some(json!(branches));
        self
    }

    /// Leads where the word says that `on` gives: `(word, target)`.
    #[must_use]
    pub fn switch(mut self, on: &str, cases: &[(&str, &str)]) -> Self {
        let cases: Map<String, Value> =
            cases.iter().map(|(word, target)| ((*word).to_owned(), Value::from(*target))).collect();
        self.next = Some(json!({"switch": on, "cases": cases}));
        self
    }

    /// Leads to the node or end that `name` gives, one of `among`.
    #[must_use]
    pub fn goto(mut self, name: &str, among: &[&str]) -> Self {
        self.next = Some(json!({"goto": name, "among": among}));
        self
    }

    /// Calls a graph of [`Builder::graph`]; `with` gives its inputs.
    #[must_use]
    pub fn call(self, graph: &str) -> Self {
        self.kind("subgraph").setting("graph", graph)
    }

    /// Calls a graph for every item of the list that `over` gives; `item` and `index` are there in `with`.
    #[must_use]
    pub fn map(self, graph: &str, over: &str, failed: Failed) -> Self {
        self.kind("map").setting("graph", graph).setting("over", over).setting("failed", failed.word())
    }

    /// Leads to `target` when the node fails.
    #[must_use]
    pub fn on_error(self, target: &str) -> Self {
        self.setting("on_error", target)
    }

    /// Asks a person before or after the node; `answer` is a type expression.
    #[must_use]
    pub fn interrupt(self, at: At, ask: &str, answer: &str) -> Self {
        self.setting("interrupt", json!({"at": at.word(), "ask": ask, "answer": answer}))
    }

    /// Bounds the active time of one execution, such as `30s`.
    #[must_use]
    pub fn timeout(self, most: &str) -> Self {
        self.setting("timeout", most)
    }

    fn value(&self) -> Value {
        let mut keys = self.keys.clone();
        if let Some(next) = &self.next {
            keys.insert("next".to_owned(), next.clone());
        }
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
