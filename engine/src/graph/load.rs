//! Reading a graph file.

use super::diagnostic::{Diagnostic, Report};
use super::files::{Alone, Beside, Files};
use super::model::Graph;
use super::yaml::Node;
use super::{check, lower, yaml};
use crate::Kinds;

/// Checks the graph file `source`, which names no files beside it; `name` is what diagnostics call it. Returns the
/// graph with warnings.
///
/// # Errors
/// Everything that is wrong, warnings included, in the file's order.
pub fn load(name: &str, source: &str, kinds: &Kinds) -> Result<(Graph, Vec<Diagnostic>), Vec<Diagnostic>> {
    load_beside(name, source, kinds, &Alone)
}

/// Checks the graph file `source` with the files that it names, which `beside` reads. Diagnostics call those by the
/// folder of `name` and their path.
///
/// # Errors
/// As [`load`]; findings in files beside the graph come after its own.
pub fn load_beside(
    name: &str,
    source: &str,
    kinds: &Kinds,
    beside: &dyn Beside,
) -> Result<(Graph, Vec<Diagnostic>), Vec<Diagnostic>> {
    let files = Files::gather(name, source, kinds, beside);
    let mut report = Report::over(&files);
    let graph = yaml::parse(&mut report, 0..source.len()).and_then(|root| {
        let included: Vec<(String, Option<Node>)> = files
            .graphs()
            .map(|file| (file.path.clone(), yaml::parse(&mut report, file.at.clone())))
            .collect();
        let ast = lower::lower(&root, &included, kinds, &mut report)?;
        check::check(&ast, kinds, &mut report)
    });
    let failed = report.failed();
    match graph {
        Some(mut graph) if !failed => {
            graph.source = source.to_owned();
            graph.files = files.beside();
            Ok((graph, report.finish()))
        }
        _ => Err(report.finish()),
    }
}
