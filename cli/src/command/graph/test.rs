//! `prunella graph test`: graphs against the cases beside them.

use std::path::Path;
use std::sync::Arc;

use prunella_engine::testing::cases::{
    Case, Coverage, Covered, Difference, Ended, Found, Played, Step, read,
};
use prunella_nodes::kinds;
use serde_json::{Value, json};

use super::super::check::checked;
use crate::args::GraphTestArgs;
use crate::exit;
use crate::failure::{Failure, Result};
use crate::shipped;
use crate::terminal::{self, Tone, out, paint_out, say};

/// The version of what `--json` prints.
const FORMAT: u32 = 1;
/// How a file of cases is called after its graph.
const SUFFIX: &str = ".test.yaml";

/// Plays the cases: 0 when all are as they must be and enough edges were taken, else 10.
pub(super) fn test(args: &GraphTestArgs) -> Result {
    let graphs = if args.graphs.is_empty() { beside()? } else { args.graphs.clone() };
    let mut tested = Vec::new();
    for graph in &graphs {
        let one = play(graph, args.min_coverage)?;
        if !args.json {
            one.tell();
        }
        tested.push(one);
    }
    if args.json {
        let graphs: Vec<Value> = tested.iter().map(Tested::json).collect();
        terminal::json(&json!({"format": FORMAT, "graphs": graphs}));
    }
    Ok(if tested.iter().all(Tested::well) { exit::OK } else { exit::UNHEALED })
}

/// The graphs of this folder that have cases, by name.
fn beside() -> Result<Vec<String>> {
    let refused =
        |e: std::io::Error| Failure::new(exit::UNREADABLE, format!("this folder cannot be read: {e}"));
    let mut graphs = Vec::new();
    for entry in std::fs::read_dir(".").map_err(refused)? {
        let name = entry.map_err(refused)?.file_name();
        if let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)) {
            graphs.push(format!("{stem}.yaml"));
        }
    }
    graphs.sort();
    if graphs.is_empty() {
        return Err(Failure::usage(format!("there is no `*{SUFFIX}` in this folder"))
            .help("name a graph: `prunella graph test self-heal`"));
    }
    Ok(graphs)
}

/// A graph, with what came of its cases.
struct Tested {
    graph: String,
    file: String,
    cases: Vec<(Case, Played, Vec<Difference>)>,
    coverage: Coverage,
    needed: u8,
}

fn play(name: &str, needed: Option<u8>) -> Result<Tested> {
    // The file of the cases says as well which graph is meant.
    let name = match name.strip_suffix(SUFFIX) {
        Some(stem) => format!("{stem}.yaml"),
        None => name.to_owned(),
    };
    let graph = checked(&name)?;
    let (file, source) = cases_of(&name)?;
    let suite = read(&file, &source, &graph, &kinds()).map_err(|findings| {
        findings.iter().for_each(|finding| say(finding.render(&source)));
        Failure::new(
            exit::GRAPH,
            format!("{file} does not check: {}", shipped::count(findings.len(), "finding")),
        )
    })?;
    let graph = Arc::new(graph);
    let mut coverage = Coverage::of(&graph);
    let mut cases = Vec::new();
    for case in &suite.cases {
        let played = suite.play(case, &graph);
        coverage.count(&played);
        let differences = suite.compare(case, &played);
        cases.push((case.clone(), played, differences));
    }
    let needed = needed.or(suite.coverage).unwrap_or(0);
    Ok(Tested { graph: graph.name.clone(), file, cases, coverage, needed })
}

/// The name and text of the file of cases beside a graph.
fn cases_of(name: &str) -> Result<(String, String)> {
    if let Some(cases) = shipped::cases(name) {
        return Ok(cases);
    }
    let file = format!(
        "{}{SUFFIX}",
        name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml")).unwrap_or(name)
    );
    if !Path::new(&file).exists() {
        return Err(Failure::new(exit::UNREADABLE, format!("there is no {file} beside {name}"))
            .help("it has the cases of the graph; `prunella init` writes an example"));
    }
    let text = std::fs::read_to_string(&file)
        .map_err(|e| Failure::new(exit::UNREADABLE, format!("{file} cannot be read: {e}")))?;
    Ok((file, text))
}

impl Tested {
    fn failed(&self) -> usize {
        self.cases.iter().filter(|(.., differences)| !differences.is_empty()).count()
    }

    fn covered(&self) -> bool {
        self.coverage.percent() >= self.needed
    }

    fn well(&self) -> bool {
        self.failed() == 0 && self.covered()
    }

    fn tell(&self) {
        out(&self.file);
        for (case, _, differences) in &self.cases {
            if differences.is_empty() {
                out(format!("  {}      {}", paint_out(Tone::Good, "ok"), case.name));
                continue;
            }
            out(format!("  {}  {}", paint_out(Tone::Bad, "failed"), case.name));
            for one in differences {
                self.differs(one);
            }
        }
        let (taken, all) = (self.coverage.taken(), self.coverage.edges.len());
        let failed = match self.failed() {
            0 => "all as expected".to_owned(),
            n => format!("{n} failed"),
        };
        let needed = if self.covered() { String::new() } else { format!(", {} % are needed", self.needed) };
        out(format!(
            "{}, {failed}; {taken} of {} taken ({} %{needed})",
            shipped::count(self.cases.len(), "case"),
            shipped::count(all, "edge"),
            self.coverage.percent(),
        ));
        for edge in self.coverage.edges.iter().filter(|edge| edge.taken == 0) {
            out(format!("  not taken: {}", told(edge)));
        }
    }

    fn differs(&self, one: &Difference) {
        let place = format!("{}:{}", self.file, one.line);
        match &one.found {
            Found::Broken(why, help) => {
                out(format!("    {place}: {why}"));
                if let Some(help) = help {
                    out(format!("      help: {help}"));
                }
            }
            Found::Value { expected, found } => {
                out(format!("    {place}: {}", one.what));
                out(format!("      expected  {expected}"));
                out(format!("      found     {found}"));
            }
            Found::Path { expected, steps } => {
                out(format!("    {place}: {}", one.what));
                let (wanted, there, turn) = self.paths(expected, steps);
                out(format!("      expected  {wanted}"));
                out(format!("      found     {there}"));
                if let Some(turn) = turn {
                    out(format!("      {turn}"));
                }
            }
        }
    }

    /// Both paths from shortly before they part, and which way was taken there.
    fn paths(&self, expected: &[String], steps: &[Step]) -> (String, String, Option<String>) {
        let nodes: Vec<&str> = steps.iter().map(|step| step.lane.node.as_str()).collect();
        let same = expected.iter().zip(&nodes).take_while(|(a, b)| a.as_str() == **b).count();
        let from = same.saturating_sub(2);
        let shown = |nodes: Vec<&str>| {
            let head = if from > 0 { "… → " } else { "" };
            match nodes.get(from..) {
                None | Some([]) => format!("{head}nothing"),
                Some(rest) => format!("{head}{}", rest.join(" → ")),
            }
        };
        let turn = same.checked_sub(1).and_then(|at| steps.get(at)).map(|step| {
            let edge = self.coverage.edges.iter().find(|edge| {
                edge.graph == step.graph && step.lane.node == edge.node.as_str() && edge.edge == step.edge
            });
            let when = edge.map(|edge| edge.label.as_str()).filter(|label| !label.is_empty());
            let when = when.map(|label| format!(" ({label})")).unwrap_or_default();
            format!("{} took {}{when} to {}", step.lane, step.edge, step.to)
        });
        (shown(expected.iter().map(String::as_str).collect()), shown(nodes), turn)
    }

    fn json(&self) -> Value {
        let cases: Vec<Value> = self
            .cases
            .iter()
            .map(|(case, played, differences)| {
                let path: Vec<Value> = played
                    .steps
                    .iter()
                    .map(|step| json!({"task": step.lane.to_string(), "edge": step.edge, "to": step.to}))
                    .collect();
                json!({
                    "name": case.name,
                    "line": case.line,
                    "ok": differences.is_empty(),
                    "ended": ended(&played.ended),
                    "steps": path,
                    "differences": differences.iter().map(difference).collect::<Vec<_>>(),
                })
            })
            .collect();
        let edge = |edge: &Covered| json!({"graph": edge.graph, "node": edge.node, "edge": edge.edge, "to": edge.to, "taken": edge.taken});
        json!({
            "graph": self.graph,
            "file": self.file,
            "ok": self.well(),
            "cases": cases,
            "coverage": {
                "percent": self.coverage.percent(),
                "needed": self.needed,
                "edges": self.coverage.edges.iter().map(edge).collect::<Vec<_>>(),
            },
        })
    }
}

/// An edge as a person reads it.
fn told(edge: &Covered) -> String {
    let graph = if edge.graph.is_empty() { String::new() } else { format!("{}: ", edge.graph) };
    let label = if edge.label.is_empty() { String::new() } else { format!(" ({})", edge.label) };
    format!("{graph}{} {}{label} to {}", edge.node, edge.edge, edge.to)
}

fn ended(ended: &Ended) -> Value {
    match ended {
        Ended::End { name, outcome, limit } => {
            json!({"end": name, "outcome": outcome.word(), "limit": limit})
        }
        Ended::Waits(asked) => json!({"waits": asked}),
        Ended::Stops(lane, failure) => json!({"stops": lane.to_string(), "failure": failure.to_value()}),
        Ended::Broken(why, _) => json!({"broken": why}),
    }
}

fn difference(one: &Difference) -> Value {
    let (expected, found) = match &one.found {
        Found::Broken(why, _) => (Value::Null, json!(why)),
        Found::Value { expected, found } => (json!(expected), json!(found)),
        Found::Path { expected, steps } => {
            let nodes: Vec<&str> = steps.iter().map(|step| step.lane.node.as_str()).collect();
            (json!(expected), json!(nodes))
        }
    };
    json!({"line": one.line, "what": one.what, "expected": expected, "found": found})
}
