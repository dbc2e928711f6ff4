//! Kind `select`: the best of a list, chosen without chance. Pure: it asks for no effect.
//!
//! ```yaml
//! choose:
//!   kind: select
//!   with:
//!     from: =tries
//!     passing: =tries.map(t, t.verdict.fixed)          # only these; all when absent
//!     votes: =tries.map(t, t.candidate.tree)           # the value that most of them have
//!     scores: =tries.map(t, t.verdict.confidence)      # of those the highest
//! ```
//!
//! Whatever is left over is decided by the lowest index.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use prunella_engine::types::{FieldMap, Record, RecordField, Type};
use prunella_engine::{Ctx, Field, Kind, Node, NodeError, Output, Part};
use serde::Deserialize;
use serde_json::{Value, json};

/// What the graph gives it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    from: Vec<Value>,
    #[serde(default)]
    passing: Option<Vec<bool>>,
    #[serde(default)]
    votes: Option<Vec<String>>,
    #[serde(default)]
    scores: Option<Vec<f64>>,
}

/// The kind `select`.
#[must_use]
pub fn kind() -> Kind {
    let list = |item: Type| Type::Optional(Box::new(Type::List(Box::new(item))));
    let anything = Type::Record(Arc::new(Record {
        name: "T".to_owned(),
        doc: "Anything.".to_owned(),
        fields: FieldMap::new(),
    }));
    Kind {
        name: "select",
        version: 1,
        doc: "Chooses one of a list: of those that pass, the one with the most votes, then the highest score, then the first.",
        with: vec![
            Field { name: "from", ty: Type::List(Box::new(anything)), doc: "What is chosen from." },
            Field {
                name: "passing",
                ty: list(Type::Bool),
                doc: "For each item whether it may be chosen; all when absent.",
            },
            Field {
                name: "votes",
                ty: list(Type::String),
                doc: "For each item what it votes for; items of the word with the most votes are preferred.",
            },
            Field {
                name: "scores",
                ty: list(Type::Float),
                doc: "For each item how good it is; more is better.",
            },
        ],
        variables: false,
        output: Output::Made(Part::Item("from"), chosen),
        settings: Vec::new(),
        needs: &[],
        one_of: &[],
        effects: &[],
        node: Arc::new(Select),
    }
}

/// `{found: bool, index: int, value: T?}`
fn chosen(item: Type) -> Type {
    let field = |ty| RecordField { ty, doc: String::new() };
    let value = match item {
        Type::Optional(_) => item,
        item => Type::Optional(Box::new(item)),
    };
    let fields = FieldMap::from_iter([
        ("found".to_owned(), field(Type::Bool)),
        ("index".to_owned(), field(Type::Int)),
        ("value".to_owned(), field(value)),
    ]);
    Type::Record(Arc::new(Record { name: String::new(), doc: String::new(), fields }))
}

struct Select;

#[async_trait(?Send)]
impl Node for Select {
    async fn run(&self, _: &Ctx, input: Value) -> Result<Value, NodeError> {
        let input: Input = serde_json::from_value(input)
            .map_err(|e| NodeError::new("node.input", format!("select takes lists: {e}")))?;
        let length = input.from.len();
        for (name, other) in [
            ("passing", input.passing.as_ref().map(Vec::len)),
            ("votes", input.votes.as_ref().map(Vec::len)),
            ("scores", input.scores.as_ref().map(Vec::len)),
        ] {
            if let Some(other) = other.filter(|other| *other != length) {
                let message = format!("`{name}` has {other} items, and `from` has {length}");
                return Err(NodeError::new("select.lengths", message).exit(3));
            }
        }
        let best = best(&input);
        let value = best.and_then(|at| input.from.get(at).cloned()).unwrap_or(Value::Null);
        let index = best.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1);
        Ok(json!({"found": best.is_some(), "index": index, "value": value}))
    }
}

/// The index of the item that is chosen.
fn best(input: &Input) -> Option<usize> {
    let passes = |at: &usize| input.passing.as_ref().is_none_or(|all| all.get(*at) == Some(&true));
    let mut left: Vec<usize> = (0..input.from.len()).filter(passes).collect();
    if let Some(votes) = &input.votes {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for word in left.iter().filter_map(|at| votes.get(*at)) {
            *counts.entry(word).or_default() += 1;
        }
        let most = counts.values().max().copied();
        // Words with equally many votes stay all in: what follows decides.
        left.retain(|at| votes.get(*at).and_then(|word| counts.get(word.as_str()).copied()) == most);
    }
    let score = |at: usize| input.scores.as_ref().and_then(|all| all.get(at)).copied().unwrap_or_default();
    left.into_iter().reduce(|best, at| if score(at).total_cmp(&score(best)).is_gt() { at } else { best })
}

#[cfg(test)]
mod tests {
    use prunella_engine::Nowhere;
    use prunella_engine::testing::Task;

    use super::*;

    fn select(input: Value) -> Result<Value, NodeError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Task::new("select", json!({})).run(&Select, input, &Nowhere))
    }

    #[test]
    fn the_best_is_chosen_and_ties_go_to_the_first() {
        let from = json!(["a", "b", "c", "d"]);
        for (more, index) in [
            (json!({}), 0),
            (json!({"passing": null, "votes": null, "scores": null}), 0),
            (json!({"passing": [false, true, false, true]}), 1),
            (json!({"scores": [0.1, 0.9, 0.9, 0.3]}), 1),
            (json!({"scores": [-1.0, -2.0, -3.0, -0.5]}), 3),
            (json!({"votes": ["x", "y", "y", "z"]}), 1),
            (json!({"votes": ["x", "y", "y", "x"]}), 0),
            (json!({"votes": ["x", "y", "y", "z"], "scores": [1, 0.2, 0.3, 0]}), 2),
            (
                json!({"votes": ["x", "y", "y", "z"], "passing": [true, false, false, true], "scores": [0, 9, 9, 1]}),
                3,
            ),
            (json!({"votes": ["x", "y", "x", "y"], "scores": [0.1, 0.4, 0.2, 0.3]}), 1),
        ] {
            let mut input = more;
            input["from"] = from.clone();
            let chosen = select(input.clone()).unwrap();
            assert_eq!(chosen["index"], index, "{input}");
            assert_eq!(chosen["value"], from[usize::try_from(index).unwrap()]);
            assert_eq!(chosen["found"], true);
        }
    }

    #[test]
    fn nothing_passes_and_nothing_is_there() {
        let nothing = json!({"found": false, "index": -1, "value": null});
        assert_eq!(select(json!({"from": []})).unwrap(), nothing);
        assert_eq!(select(json!({"from": [1, 2], "passing": [false, false]})).unwrap(), nothing);
    }

    #[test]
    fn lists_of_other_lengths_are_refused() {
        let error = select(json!({"from": [1, 2], "scores": [0.5]})).unwrap_err();
        assert_eq!(error.code, "select.lengths");
    }

    #[test]
    fn the_type_of_the_value_is_that_of_the_items() {
        let graph = |from: &str, end: &str| {
            format!(
                "format: 1\nname: g\ninputs: {{numbers: list<int>, one: int}}\nstate: {{n: int?, s: string?}}\nends: {{done: success}}\nstart: choose\nnodes:\n  choose:\n    kind: select\n    with: {{from: {from}, scores: '=inputs.numbers.map(n, double(n))'}}\n    writes: {{{end}}}\n    next: done\n"
            )
        };
        let check = |source: &str| prunella_engine::graph::load("g.yaml", source, &crate::kinds());
        let codes = |source: &str| -> Vec<&str> {
            check(source).unwrap_err().iter().map(|found| found.code).collect()
        };
        let (_, warnings) = check(&graph("=inputs.numbers", "n: =output.value")).unwrap();
        assert!(warnings.iter().all(|warning| warning.code != "E030"));
        assert_eq!(codes(&graph("=inputs.numbers", "s: =output.value")), ["E030"]);
        assert_eq!(codes(&graph("=inputs.one", "n: =inputs.one")), ["E030"]);
        assert_eq!(codes(&graph("three", "n: =inputs.one")), ["E030"]);
    }
}
