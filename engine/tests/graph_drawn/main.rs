//! Drawings: what no picture may do, over every valid file and over graphs made by chance.

#[path = "../graph_support/kinds.rs"]
mod kinds;

mod dot;
mod look;
mod random;

use std::path::{Path, PathBuf};

use look::Look;
use prunella_engine::graph::{Beside, Graph, draw, load_beside};

const SELF_HEAL: &str = include_str!("../../../graphs/self-heal.yaml");

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/graphs/valid")
}

/// The files that graphs name beside them.
struct Folder;

impl Beside for Folder {
    #[expect(clippy::disallowed_methods, reason = "a test reads its cases")]
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(folder().join(path)).map_err(|_| "there is no such file".to_owned())
    }
}

/// The graph of a file that checks.
fn graph(name: &str, source: &str) -> Graph {
    match load_beside(name, source, &kinds::kinds(), &Folder) {
        Ok((graph, _)) => graph,
        Err(found) => {
            panic!("{name}:\n{source}\n{}", found.iter().map(|one| one.render(source)).collect::<String>())
        }
    }
}

/// Every file under `graphs/valid`, and the shipped graph that the test's kinds can check.
#[expect(clippy::disallowed_methods, reason = "a test reads its cases")]
fn files() -> Vec<(String, Graph)> {
    let mut all = vec![("self-heal".to_owned(), graph("self-heal", SELF_HEAL))];
    for entry in std::fs::read_dir(folder()).expect("the folder is part of the tests") {
        let path = entry.expect("a readable folder").path();
        if !path.is_file() {
            continue;
        }
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let source = std::fs::read_to_string(&path).expect("a text file");
        all.push((name.clone(), graph(&name, &source)));
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(all.len() > 3);
    all
}

#[test]
fn nothing_overlaps_or_is_clipped_in_any_picture() {
    for (name, graph) in files() {
        let svg = draw::svg(&graph);
        Look::at(&svg).must_be_clear(&name);
        assert_eq!(svg, draw::svg(&graph), "{name} is drawn otherwise the second time");
    }
}

#[test]
fn every_node_end_and_way_is_in_the_picture() {
    for (name, graph) in files() {
        let look = Look::at(&draw::svg(&graph));
        let called = graph.graphs.values().map(AsRef::as_ref);
        let all: Vec<&Graph> = std::iter::once(&graph).chain(called).collect();
        let nodes: usize = all.iter().map(|graph| graph.nodes.len()).sum();
        let ends: usize = all.iter().map(|graph| graph.ends.len()).sum();
        // Loops from a node to itself share a line.
        let mut ways: Vec<(usize, String, String)> = Vec::new();
        for (i, graph) in all.iter().enumerate() {
            for node in graph.nodes.keys() {
                for (at, way) in graph.ways(node).iter().enumerate() {
                    let own = way.is_back() && way.to.name() == node;
                    ways.push((i, node.clone(), if own { "own".to_owned() } else { at.to_string() }));
                }
            }
        }
        ways.dedup();
        assert_eq!((look.nodes(), look.ends(), look.lines.len()), (nodes, ends, ways.len()), "{name}");
    }
}

#[test]
fn foreign_text_is_escaped_and_long_text_is_cut_with_its_whole_in_the_title() {
    let long = "x".repeat(300);
    let source = format!(
        "format: 1\nname: odd\ndescription: \"<b>&amp; ]]> {long} \\u0007\"\nends: {{done: success, other: failure}}\n\
         start: a\nnodes:\n  a:\n    kind: step\n    next:\n      - {{when: \"output.note == '<&\\\">{long}'\", to: other}}\n      - {{else: done}}\n"
    );
    let svg = draw::svg(&graph("odd", &source));
    let look = Look::at(&svg);
    look.must_be_clear("odd");
    assert!(look.titles.iter().any(|title| title.contains(&format!("'<&\">{long}'"))), "{:?}", look.titles);
    assert!(
        look.texts
            .iter()
            .any(|text| text.text.starts_with("output.note == '<&\">x") && text.text.ends_with('…'))
    );
    let dot = draw::dot(&graph("odd", &source));
    assert!(dot.contains(&format!("label=\"output.note == '<&amp;\\\">{long}'\"")), "{dot}");
}

#[test]
fn a_picture_has_a_name_a_description_and_both_themes() {
    let svg = draw::svg(&graph("self-heal", SELF_HEAL));
    for words in [
        "role=\"img\" aria-labelledby=\"prunella-self-heal-title prunella-self-heal-desc\"",
        "<title id=\"prunella-self-heal-title\">self-heal</title>",
        "test leads to pr (output.fixed), analyze (retry ≤3), unhealed (attempts used up).",
        "@media(prefers-color-scheme:dark)",
        ">≤3</text>",
    ] {
        assert!(svg.contains(words), "no {words}");
    }
}
