//! Reading a graph file.

use super::diagnostic::{Diagnostic, Report};
use super::model::Graph;
use super::{check, lower, yaml};
use crate::Kinds;

/// Checks the graph file `source`; `name` is what diagnostics call it. Returns the graph with warnings.
///
/// # Errors
/// Everything that is wrong, warnings included, in the file's order.
pub fn load(name: &str, source: &str, kinds: &Kinds) -> Result<(Graph, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut report = Report::new(name, source);
    let graph = yaml::parse(&mut report).and_then(|root| {
        lower::lower(&root, kinds, &mut report).and_then(|ast| check::check(&ast, kinds, &mut report))
    });
    let failed = report.failed();
    match graph {
        Some(graph) if !failed => Ok((graph, report.finish())),
        _ => Err(report.finish()),
    }
}
