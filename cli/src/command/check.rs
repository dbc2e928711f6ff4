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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const GRAPH: &str = "format: 1
name: mine
inputs: {incident: Incident}
models: {fixer: {use: default}}
ends: {done: success}
start: analyze
nodes:
  analyze:
    with: {incident: =inputs.grosse}
    returns: {cause: string}
    model: fixer
    prompt: {file: prompts/w y.md}
    next: done
";

    /// What is found in a folder with a graph and its prompt.
    fn found(prompt: &str) -> Checked {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("prompts")).unwrap();
        std::fs::write(dir.path().join("g.yaml"), GRAPH).unwrap();
        std::fs::write(dir.path().join("prompts/w y.md"), prompt).unwrap();
        read(dir.path().join("g.yaml").to_str().unwrap()).unwrap()
    }

    #[test]
    fn places_are_exact_in_every_form() {
        let one = found("{% if evidence %}\n  {{ evidenec }}\n{% endif %}\n");
        assert!(one.graph.is_none());
        let all = [one];
        let told = json::of(&all);
        let finding = |at: usize| &told["graphs"][0]["findings"][at];
        let place = |at: usize| {
            ["code", "line", "column", "end_line", "end_column"].map(|key| finding(at)[key].clone())
        };
        assert_eq!(place(0), [json!("E023"), json!(9), json!(30), json!(9), json!(36)]);
        assert_eq!(place(1), [json!("E024"), json!(2), json!(6), json!(2), json!(14)]);
        assert!(finding(1)["file"].as_str().unwrap().ends_with("/prompts/w y.md"));
        let log = sarif::of(&all);
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        for result in run["results"].as_array().unwrap() {
            let rule = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[rule]["id"], result["ruleId"]);
            assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        }
        let place = |at: usize| &run["results"][at]["locations"][0]["physicalLocation"];
        let region = json!({"startLine": 2, "startColumn": 6, "endLine": 2, "endColumn": 14});
        assert_eq!(place(1)["region"], region);
        let uri = place(1)["artifactLocation"]["uri"].as_str().unwrap();
        assert!(uri.starts_with("file:///") && uri.ends_with("/prompts/w%20y.md"), "{uri}");
        let levels: Vec<&Value> =
            run["results"].as_array().unwrap().iter().map(|one| &one["level"]).collect();
        assert_eq!(levels, [&json!("error"), &json!("error")]);
    }

    #[test]
    fn what_is_no_text_is_a_finding_like_any_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("g.yaml");
        std::fs::write(&path, b"# Gr\xfc\n").unwrap();
        let all = [read(path.to_str().unwrap()).unwrap()];
        let finding = &json::of(&all)["graphs"][0]["findings"][0];
        assert_eq!(
            (&finding["code"], &finding["line"], &finding["column"]),
            (&json!("E062"), &json!(1), &json!(5))
        );
    }
}
