//! What a case expects, checked against the graph.

use super::read::{entries, line, unknown};
use super::stub::scope;
use super::typed::{Mode, value};
use super::{At, Ends, Expect};
use crate::Lane;
use crate::graph::diagnostic::Report;
use crate::graph::yaml::Node;
use crate::graph::{Graph, Outcome};

const KEYS: [&str; 9] = ["path", "paths", "end", "waits", "stops", "outcome", "limit", "state", "output"];

/// Reads `expect:`. Nothing after a finding that leaves nothing to compare with.
pub(super) fn expect(node: &Node, graph: &Graph, report: &mut Report<'_>) -> Option<Expect> {
    let mut expect = Expect::default();
    let mut over = 0;
    for (key, one) in entries(node, "`expect`", report) {
        let at = line(report, key.span.start);
        match key.name.as_str() {
            "path" => {
                if let Some(what) = path(one, graph, report) {
                    expect.paths.insert(String::new(), At { line: at, what });
                }
            }
            "paths" => {
                for (key, one) in entries(one, "`paths`", report) {
                    let at = line(report, key.span.start);
                    let Some((scope, graph)) = scope(key, graph, report) else { continue };
                    if let Some(what) = path(one, graph, report) {
                        expect.paths.insert(scope, At { line: at, what });
                    }
                }
            }
            "end" | "waits" | "stops" => {
                over += 1;
                if over > 1 {
                    report.error("E007", &key.span, "a case ends, waits or stops: one of the three");
                    continue;
                }
                expect.ends = ends(&key.name, one, graph, report).map(|what| At { line: at, what });
            }
            "outcome" => expect.outcome = outcome(one, report).map(|what| At { line: at, what }),
            "limit" => {
                let limits = ["steps", "wall", "cost"];
                match one.text().filter(|text| limits.contains(text)) {
                    Some(text) => expect.limit = Some(At { line: at, what: text.to_owned() }),
                    None => drop(report.error("E007", &one.span, "a limit is `steps`, `wall` or `cost`")),
                }
            }
            "state" => state(one, graph, &mut expect, report),
            "output" => expect.output = Some(At { line: at, what: one.json() }),
            _ => unknown(key, "`expect`", &KEYS, report),
        }
    }
    if over == 0 {
        report
            .error("E005", &node.span, "`expect` does not say how the case is over")
            .help("say `end: NAME`; or `waits: QUESTION`, or `stops: TASK`");
    }
    Some(expect)
}

fn ends(word: &str, node: &Node, graph: &Graph, report: &mut Report<'_>) -> Option<Ends> {
    match word {
        "end" => {
            let name = node.text()?;
            if !graph.ends.contains_key(name) {
                report
                    .error("E021", &node.span, format!("the graph has no end `{name}`"))
                    .suggest(name, graph.ends.keys().map(String::as_str));
                return None;
            }
            Some(Ends::End(name.to_owned()))
        }
        "waits" => {
            let items = node.items().unwrap_or(std::slice::from_ref(node));
            let ids: Vec<_> = items.iter().map(|one| question(one, report)).collect();
            ids.into_iter().collect::<Option<_>>().map(Ends::Waits)
        }
        _ => match node.text().and_then(|text| Lane::try_from(text.to_owned()).ok()) {
            Some(lane) => Some(Ends::Stops(lane)),
            None => {
                report
                    .error("E007", &node.span, "`stops` names the task whose failure nobody takes")
                    .help("a task is a node and its visit: `generate#2`, `fork[0]/left#1`");
                None
            }
        },
    }
}

/// A question's id, such as `pr#1/before`.
fn question(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let id = node.text().filter(|text| {
        let lane = text.strip_suffix("/before").or_else(|| text.strip_suffix("/after"));
        lane.is_some_and(|lane| Lane::try_from(lane.to_owned()).is_ok())
    });
    if id.is_none() {
        report
            .error("E007", &node.span, "`waits` names questions that stay open")
            .help("a question is a task and when it is asked: `pr#1/before`, `draft#2/after`");
    }
    id.map(str::to_owned)
}

fn outcome(node: &Node, report: &mut Report<'_>) -> Option<Outcome> {
    let all = [Outcome::Success, Outcome::Nothing, Outcome::Failure, Outcome::Declined];
    let found = node.text().and_then(|text| all.into_iter().find(|outcome| outcome.word() == text));
    if found.is_none() {
        report
            .error("E007", &node.span, "no outcome")
            .suggest(node.text().unwrap_or_default(), all.map(Outcome::word));
    }
    found
}

/// The nodes of a scope in the order of their tasks.
fn path(node: &Node, graph: &Graph, report: &mut Report<'_>) -> Option<Vec<String>> {
    let Some(items) = node.items() else {
        report.error("E007", &node.span, format!("a path is a list of nodes, this is {}", node.shape()));
        return None;
    };
    let mut names = Vec::new();
    for one in items {
        let name = one.text().unwrap_or_default();
        if graph.nodes.contains_key(name) {
            names.push(name.to_owned());
            continue;
        }
        let found = report.error("E021", &one.span, format!("the graph has no node `{name}`"));
        if graph.ends.contains_key(name) {
            found.help(format!("`{name}` is an end; say `end: {name}` beside `path`"));
        } else {
            found.suggest(name, graph.nodes.keys().map(String::as_str));
        }
    }
    Some(names)
}

fn state(node: &Node, graph: &Graph, expect: &mut Expect, report: &mut Report<'_>) {
    for (key, one) in entries(node, "`state`", report) {
        let Some(def) = graph.state.get(&key.name) else {
            report
                .error("E022", &key.span, format!("the graph has no state key `{}`", key.name))
                .suggest(&key.name, graph.state.keys().map(String::as_str));
            continue;
        };
        // Null: nothing was written.
        let what = if one.json().is_null() {
            Some(serde_json::Value::Null)
        } else {
            value(&def.ty, one, Mode::Part, report)
        };
        let at = line(report, key.span.start);
        expect.state.extend(what.map(|what| (key.name.clone(), At { line: at, what })));
    }
}
