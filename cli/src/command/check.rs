//! `prunella check`: a graph file, with every finding at its place.

use prunella_engine::graph::{Graph, load};
use prunella_nodes::kinds;

use crate::args::CheckArgs;
use crate::exit;
use crate::failure::{Failure, Result};
use crate::shipped;
use crate::terminal::{out, say};

/// Checks the graph: 0 when it is right, 3 when not.
pub(super) fn check(args: &CheckArgs) -> Result {
    let graph = checked(&args.graph)?;
    out(format!("{}: right ({} nodes, {} ends)", graph.name, graph.nodes.len(), graph.ends.len()));
    Ok(exit::OK)
}

/// The checked graph called `name`; warnings are said.
///
/// # Errors
/// Exit 3 when it does not check, after every finding was said; 5 when it cannot be read.
pub(super) fn checked(name: &str) -> Result<Graph> {
    let (file, source) = shipped::graph(name)?;
    match load(&file, &source, &kinds()) {
        Ok((graph, warnings)) => {
            for warning in warnings {
                say(warning.render(&source));
            }
            Ok(graph)
        }
        Err(findings) => {
            for finding in &findings {
                say(finding.render(&source));
            }
            let errors = if findings.len() == 1 {
                "an error".to_owned()
            } else {
                format!("{} findings", findings.len())
            };
            Err(Failure::new(exit::GRAPH, format!("{file} does not check: {errors}")))
        }
    }
}
