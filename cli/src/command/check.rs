//! `prunella check`: graph files, with every finding at its place.

mod json;
mod sarif;

use prunella_engine::graph::{self, Diagnostic, Graph, Severity};
use prunella_nodes::kinds;

use crate::args::{CheckArgs, Findings};
use crate::exit;
use crate::failure::{Failure, Result};
use crate::shipped;
use crate::terminal::{self, out, say};

/// What was found in one graph file.
struct Checked {
    /// What findings call the file.
    file: String,
    /// Its text; empty where it is none.
    source: String,
    graph: Option<Graph>,
    found: Vec<Diagnostic>,
}

/// Checks the graphs: 0 when all are right, 3 when not.
pub(super) fn check(args: &CheckArgs) -> Result {
    let all: Vec<Checked> = args.graphs.iter().map(|name| read(name)).collect::<Result<_>>()?;
    let good = all.iter().all(|one| one.graph.is_some());
    match args.format {
        _ if args.json => terminal::json(&json::of(&all)),
        Findings::Json => terminal::json(&json::of(&all)),
        _ if args.sarif => terminal::json(&sarif::of(&all)),
        Findings::Sarif => terminal::json(&sarif::of(&all)),
        Findings::Text => {
            let mut failure = None;
            for one in all {
                match told(one) {
                    Ok(graph) => {
                        let (nodes, ends) = (graph.nodes.len(), graph.ends.len());
                        out(format!("{}: right ({nodes} nodes, {ends} ends)", graph.name));
                    }
                    Err(one) if failure.is_none() => failure = Some(one),
                    Err(one) => terminal::failure(&one),
                }
            }
            if let Some(failure) = failure {
                return Err(failure);
            }
        }
    }
    Ok(if good { exit::OK } else { exit::GRAPH })
}

/// The checked graph called `name`; warnings are said.
///
/// # Errors
/// Exit 3 when it does not check, after every finding was said; 5 when it cannot be read.
pub(super) fn checked(name: &str) -> Result<Graph> {
    told(read(name)?)
}

fn read(name: &str) -> Result<Checked> {
    let file = shipped::read(name)?;
    let (graph, source, found) = match graph::text(&file.name, file.bytes) {
        Ok(source) => match graph::load_beside(&file.name, &source, &kinds(), file.beside.as_ref()) {
            Ok((graph, warnings)) => (Some(graph), source, warnings),
            Err(found) => (None, source, found),
        },
        Err(found) => (None, String::new(), vec![*found]),
    };
    Ok(Checked { file: file.name, source, graph, found })
}

/// Says what was found.
fn told(one: Checked) -> Result<Graph> {
    for finding in &one.found {
        say(finding.render(&one.source));
    }
    let errors = one.found.iter().filter(|found| found.severity == Severity::Error).count();
    one.graph.ok_or_else(|| {
        let errors = if errors == 1 { "an error".to_owned() } else { format!("{errors} errors") };
        let code = one.found.first().map_or("E001", |found| found.code);
        Failure::new(exit::GRAPH, format!("{} does not check: {errors}", one.file))
            .help(format!("`prunella explain {code}` says more, with an example"))
    })
}
