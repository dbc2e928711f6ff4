//! `prunella explain`: what a finding's code, a kind, a type or a key means.

use include_dir::{Dir, include_dir};
use prunella_engine::graph::{self, Beside, Explained};
use prunella_nodes::kinds;
use serde_json::json;

use crate::args::ExplainArgs;
use crate::exit;
use crate::failure::{Failure, Result};
use crate::terminal::{json, out_raw};

/// A wrong and a right graph for every code, and the files that they name.
static EXAMPLES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../graphs/examples");

/// The folder of the examples.
struct Examples;

impl Beside for Examples {
    fn read(&self, path: &str) -> std::result::Result<Vec<u8>, String> {
        let file = EXAMPLES.get_file(path).map(|file| file.contents().to_vec());
        file.ok_or_else(|| "there is no such file".to_owned())
    }
}

/// Says what the name means.
pub(super) fn explain(args: &ExplainArgs) -> Result {
    let found = graph::explain(&args.name, &kinds()).map_err(|near| {
        let failure = Failure::usage(format!("there is nothing called `{}` to explain", args.name));
        failure.help(match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                "codes of findings, kinds, types, reducers and keys of graph files are explained: E001, test, Verdict".to_owned()
            }
        })
    })?;
    if args.json {
        json(&json!({"format": 1, "what": found.what, "name": found.name, "text": whole(&found)}));
    } else {
        out_raw(&whole(&found));
    }
    Ok(exit::OK)
}

/// What there is to know, with the examples of a code.
fn whole(found: &Explained) -> String {
    let mut text = found.text.clone();
    let (Some(wrong), Some(right)) = (example(&found.name, "wrong"), example(&found.name, "right")) else {
        return text;
    };
    let shown = |bytes: &[u8]| -> String {
        String::from_utf8_lossy(bytes)
            .lines()
            .map(|line| format!("    {line}\n").replace('\0', "\u{fffd}"))
            .collect()
    };
    let (source, found) = check(&found.name, wrong);
    text.push_str(&format!("\nwrong:\n\n{}\n", shown(wrong)));
    for finding in found {
        text.push_str(&finding.render(&source));
        text.push('\n');
    }
    text.push_str(&format!("right:\n\n{}", shown(right)));
    text
}

fn example(code: &str, which: &str) -> Option<&'static [u8]> {
    EXAMPLES.get_file(format!("{code}.{which}.yaml")).map(include_dir::File::contents)
}

/// The text of an example, and what is found in it.
fn check(code: &str, bytes: &[u8]) -> (String, Vec<graph::Diagnostic>) {
    let name = format!("{code}.yaml");
    match graph::text(&name, bytes.to_vec()) {
        Ok(source) => match graph::load_beside(&name, &source, &kinds(), &Examples) {
            Ok((_, warnings)) => (source, warnings),
            Err(found) => (source, found),
        },
        Err(found) => (String::new(), vec![*found]),
    }
}

#[cfg(test)]
mod tests {
    use prunella_engine::graph::codes::CODES;

    use super::*;

    #[test]
    fn every_code_has_an_example_that_shows_it_and_one_that_is_right() {
        // E009 is said of kinds that a program was built without; this one has its own all.
        for code in CODES.iter().filter(|code| code.code != "E009") {
            let code = code.code;
            let wrong = example(code, "wrong").unwrap_or_else(|| panic!("{code} has no wrong example"));
            let (source, found) = check(code, wrong);
            let shown: String = found.iter().map(|one| one.render(&source)).collect();
            assert!(!found.is_empty() && found.iter().all(|one| one.code == code), "{code}:\n{shown}");
            let right = example(code, "right").unwrap_or_else(|| panic!("{code} has no right example"));
            let (source, found) = check(code, right);
            let shown: String = found.iter().map(|one| one.render(&source)).collect();
            assert!(found.is_empty(), "{code}, right:\n{shown}");
        }
    }

    #[test]
    fn every_example_is_of_a_code() {
        for file in EXAMPLES.files() {
            let name = file.path().to_str().unwrap_or_default();
            assert!(CODES.iter().any(|code| name.starts_with(code.code)), "{name}");
        }
    }

    #[test]
    fn everything_that_a_graph_may_name_is_explained() {
        let kinds = kinds();
        let names = kinds.kinds.keys().copied().chain(kinds.records.keys().map(String::as_str));
        for name in names.chain(["map", "subgraph", "string", "append", "limits", "next"]) {
            let found = graph::explain(name, &kinds).unwrap();
            assert!(found.text.lines().count() > 2, "{name}");
        }
        assert_eq!(graph::explain("Verdct", &kinds).unwrap_err().as_deref(), Some("Verdict"));
        assert_eq!(graph::explain("e001", &kinds).unwrap().name, "E001");
    }
}
