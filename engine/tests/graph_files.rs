//! Graph files as data: every file under `graphs/valid` checks, and every one under `graphs/invalid` is told what is
//! wrong, letter for letter as its snapshot says.

#![expect(clippy::disallowed_methods, reason = "a test reads its cases")]

#[path = "graph_support/kinds.rs"]
mod kinds;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use prunella_engine::graph::codes::CODES;
use prunella_engine::graph::{Beside, Diagnostic, Graph, Severity, Stored, fmt, load_beside};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/graphs").join(name)
}

/// Name and text of every file of `folder` that ends with `suffix`, sorted.
fn files(folder: &Path, suffix: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
        .expect("the folder is part of the tests")
        .map(|entry| entry.expect("a readable folder").path())
        .filter_map(|path| {
            let stem = path.file_name()?.to_str()?.strip_suffix(suffix)?.to_owned();
            Some((stem, std::fs::read_to_string(&path).expect("a text file")))
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no {suffix} in {}", folder.display());
    files
}

fn shown(found: &[Diagnostic], source: &str) -> String {
    found.iter().map(|one| one.render(source)).collect::<Vec<_>>().join("\n")
}

/// The files beside those of a folder.
struct Folder(PathBuf);

impl Beside for Folder {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(self.0.join(path)).map_err(|_| "there is no such file".to_owned())
    }
}

/// The graph of a file, with warnings.
fn read(within: &str, name: &str, source: &str) -> Result<(Graph, Vec<Diagnostic>), Vec<Diagnostic>> {
    load_beside(&format!("{name}.yaml"), source, &kinds::kinds(), &Folder(folder(within)))
}

/// What is found in a file of `invalid`, and whether it checks.
fn check(name: &str, source: &str) -> (Vec<Diagnostic>, bool) {
    match read("invalid", name, source) {
        Ok((_, warnings)) => (warnings, true),
        Err(found) => (found, false),
    }
}

fn good(name: &str, source: &str) -> Graph {
    match read("valid", name, source) {
        Ok((graph, found)) if found.is_empty() => graph,
        Ok((_, found)) | Err(found) => panic!("{name}:\n{}", shown(&found, source)),
    }
}

#[test]
fn valid_files_check_without_a_finding() {
    for (name, source) in files(&folder("valid"), ".yaml") {
        good(&name, &source);
    }
}

#[test]
fn a_stored_graph_is_read_again_without_its_folder() {
    for (name, source) in files(&folder("valid"), ".yaml") {
        let graph = good(&name, &source);
        let stored = Stored { source: graph.source.clone(), files: graph.files.clone() };
        let again = load_beside("graph", &stored.source, &kinds::kinds(), &stored.files).unwrap().0;
        assert_eq!(again.hash, graph.hash, "{name}");
    }
}

#[test]
fn what_stands_in_files_is_part_of_the_graph() {
    let source = std::fs::read_to_string(folder("valid").join("files.yaml")).unwrap();
    let graph = good("files", &source);
    let paths: Vec<&str> = graph.files.keys().map(String::as_str).collect();
    assert_eq!(paths, ["beside/prompts/step.md", "beside/review.yaml"]);
    assert_eq!(graph.graphs.keys().collect::<Vec<_>>(), ["beside/review.yaml", "beside/review.yaml#inner"]);
    let first = &graph.nodes["first"];
    assert_eq!(
        (first.timeout_ms, first.retry.tries, first.model.as_deref()),
        (Some(30_000), 2, Some("fixer"))
    );
    let text = &graph.files["beside/prompts/step.md"];
    assert_eq!(first.prompt.as_ref().unwrap().source.as_ref(), text);
    // Another text is another graph; the same text elsewhere is not.
    let mut files = graph.files.clone();
    let other = |files: &std::collections::BTreeMap<String, String>, source: &str| {
        load_beside("graph", source, &kinds::kinds(), files).unwrap().0.hash
    };
    let inline = source.replacen(
        "prompt: {file: beside/prompts/step.md}",
        &format!("prompt: {}", serde_json::Value::from(text.as_str())),
        1,
    );
    assert_eq!(other(&files, &inline), graph.hash);
    files.insert("beside/prompts/step.md".to_owned(), "Other: {{ text }}".to_owned());
    assert_ne!(other(&files, &source), graph.hash);
}

#[test]
fn layout_is_no_part_of_the_graph() {
    for (name, source) in files(&folder("valid"), ".yaml") {
        let Ok(laid_out) = fmt(&name, &source) else { panic!("{name}") };
        assert_eq!(good(&name, &laid_out).hash, good(&name, &source).hash, "{name}");
        assert!(matches!(fmt(&name, &laid_out), Ok(again) if again == laid_out), "{name}");
    }
}

#[test]
fn invalid_files_are_told_what_is_wrong() {
    for (name, source) in files(&folder("invalid"), ".yaml") {
        let (found, good) = check(&name, &source);
        let errors = found.iter().filter(|one| one.severity == Severity::Error).count();
        assert_eq!(good, errors == 0, "{name}");
        assert!(!found.is_empty(), "{name} has nothing wrong");
        insta::with_settings!({
            snapshot_path => "graphs/snapshots",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(name.as_str(), shown(&found, &source));
        });
    }
}

#[test]
fn every_code_has_a_file_named_after_it_and_no_snapshot_is_left_over() {
    let files = files(&folder("invalid"), ".yaml");
    for code in CODES {
        let prefix = code.code.to_lowercase();
        let mut named = files.iter().filter(|(name, _)| name.starts_with(&prefix)).peekable();
        assert!(named.peek().is_some(), "no file shows {}", code.code);
        for (name, source) in named {
            let (found, _) = check(name, source);
            assert!(found.iter().any(|one| one.code == code.code), "{name} does not show {}", code.code);
        }
    }
    let names: BTreeSet<String> = files.into_iter().map(|(name, _)| name).collect();
    let snapshots: BTreeSet<String> =
        self::files(&folder("snapshots"), ".snap").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, snapshots);
}

/// One cause gives one error: a file says in its first line how many it expects, one unless it says otherwise.
#[test]
fn one_cause_gives_one_finding() {
    for (name, source) in files(&folder("invalid"), ".yaml") {
        let (found, _) = check(&name, &source);
        let first = source.lines().next().unwrap_or_default();
        let expected = first.strip_prefix("# findings: ").map_or(1, |number| number.trim().parse().unwrap());
        assert_eq!(found.len(), expected, "{name}:\n{}", shown(&found, &source));
    }
}
