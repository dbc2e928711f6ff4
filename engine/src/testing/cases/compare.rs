//! What a case expects beside what came out.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Case, Ended, Ends, Played, Step, Suite};
use crate::blob::{BlobRef, Blobs, MemoryBlobs};

/// Longest text of a value that a difference shows, in characters.
const MAX_SHOWN: usize = 200;

/// Something that came out otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The line of the file that expects it, from 1.
    pub line: usize,
    /// What differs: `end`, `path`, `paths.each[1]`, `state.verdict.fixed`, …
    pub what: String,
    /// Both sides.
    pub found: Found,
}

/// Both sides of a difference.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Another way was taken.
    Path {
        /// The nodes that were expected.
        expected: Vec<String>,
        /// The steps that were made.
        steps: Vec<Step>,
    },
    /// Another value, as text.
    Value {
        /// The one that was expected.
        expected: String,
        /// The one that was there.
        found: String,
    },
    /// The case could not be played to its end: why, and what to do.
    Broken(String, Option<String>),
}

impl Suite {
    /// Where what came of a case is not what it expects; nothing when all is as it must be.
    #[must_use]
    pub fn compare(&self, case: &Case, played: &Played) -> Vec<Difference> {
        let mut found = Vec::new();
        if let Ended::Broken(why, help) = &played.ended {
            found.push(Difference {
                line: case.line,
                what: "broken".to_owned(),
                found: Found::Broken(why.clone(), help.clone()),
            });
        }
        paths(case, played, &mut found);
        ends(case, played, &mut found);
        let values = Values { blobs: &self.blobs };
        for (key, expected) in &case.expect.state {
            let there = played.state.get(key).unwrap_or(&Value::Null);
            values.compare(expected.line, &format!("state.{key}"), &expected.what, there, &mut found);
        }
        if let Some(expected) = &case.expect.output {
            values.compare(expected.line, "output", &expected.what, &played.output, &mut found);
        }
        found.sort_by_key(|one| one.line);
        found
    }
}

fn paths(case: &Case, played: &Played, found: &mut Vec<Difference>) {
    let mut scopes: BTreeMap<&str, Vec<Step>> = BTreeMap::new();
    for step in &played.steps {
        scopes.entry(&step.lane.scope).or_default().push(step.clone());
    }
    for (scope, expected) in &case.expect.paths {
        let steps = scopes.get(scope.as_str()).cloned().unwrap_or_default();
        if !steps.iter().map(|step| step.lane.node.as_str()).eq(expected.what.iter().map(String::as_str)) {
            let what = if scope.is_empty() { "path".to_owned() } else { format!("paths.{scope}") };
            let expected_nodes = expected.what.clone();
            let both = Found::Path { expected: expected_nodes, steps };
            found.push(Difference { line: expected.line, what, found: both });
        }
    }
}

fn ends(case: &Case, played: &Played, found: &mut Vec<Difference>) {
    // Why it is broken was said.
    if let Ended::Broken(..) = played.ended {
        return;
    }
    let mut differs = |line, what: &str, expected: String, there: String| {
        if expected != there {
            let both = Found::Value { expected, found: there };
            found.push(Difference { line, what: what.to_owned(), found: both });
        }
    };
    let (end, outcome, limit) = match &played.ended {
        Ended::End { name, outcome, limit } => (name.clone(), outcome.word(), limit.as_deref()),
        Ended::Waits(asked) => (format!("none: it waits for {}", asked.join(", ")), "none", None),
        Ended::Stops(lane, failure) => {
            (format!("none: {lane} failed ({}: {})", failure.code, failure.message), "none", None)
        }
        Ended::Broken(..) => return,
    };
    if let Some(expected) = &case.expect.ends {
        let (what, wanted) = match &expected.what {
            Ends::End(name) => ("end", name.clone()),
            Ends::Waits(asked) => ("waits", asked.join(", ")),
            Ends::Stops(lane) => ("stops", lane.to_string()),
        };
        let there = match (&expected.what, &played.ended) {
            (Ends::Waits(_), Ended::Waits(asked)) => asked.join(", "),
            (Ends::Stops(_), Ended::Stops(lane, _)) => lane.to_string(),
            (Ends::End(_), _) => end,
            (_, Ended::End { name, .. }) => format!("none: it came to the end {name}"),
            _ => end,
        };
        differs(expected.line, what, wanted, there);
    }
    if let Some(expected) = &case.expect.outcome {
        differs(expected.line, "outcome", expected.what.word().to_owned(), outcome.to_owned());
    }
    if let Some(expected) = &case.expect.limit {
        differs(expected.line, "limit", expected.what.clone(), limit.unwrap_or("none").to_owned());
    }
}

struct Values<'b> {
    blobs: &'b MemoryBlobs,
}

impl Values<'_> {
    /// Records by the fields that are expected, lists item by item, texts by their content.
    fn compare(&self, line: usize, what: &str, expected: &Value, there: &Value, found: &mut Vec<Difference>) {
        match (expected, there) {
            (Value::Object(fields), Value::Object(map)) => {
                for (name, expected) in fields {
                    let there = map.get(name).unwrap_or(&Value::Null);
                    self.compare(line, &format!("{what}.{name}"), expected, there, found);
                }
            }
            (Value::Array(items), Value::Array(list)) if items.len() == list.len() => {
                for (i, (expected, there)) in items.iter().zip(list).enumerate() {
                    self.compare(line, &format!("{what}[{i}]"), expected, there, found);
                }
            }
            (expected, there) => {
                let there = self.text_of(there).map_or_else(|| there.clone(), Value::from);
                if !same(expected, &there) {
                    let both = Found::Value { expected: shown(expected), found: shown(&there) };
                    found.push(Difference { line, what: what.to_owned(), found: both });
                }
            }
        }
    }

    /// What a large value holds.
    fn text_of(&self, value: &Value) -> Option<String> {
        let blob: BlobRef = serde_json::from_value(value.clone()).ok()?;
        let bytes = self.blobs.get(&blob).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Whether both are the same; an int is also a float.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        _ => a == b,
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= MAX_SHOWN {
        return text;
    }
    format!("{}…", text.chars().take(MAX_SHOWN).collect::<String>())
}
