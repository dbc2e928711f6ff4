//! DOT's text: quoting, clusters, and every way once.

use prunella_engine::graph::draw;

use super::{SELF_HEAL, files, graph};

#[test]
fn self_heal_in_dot() {
    let dot = draw::dot(&graph("self-heal", SELF_HEAL));
    insta::with_settings!({snapshot_path => "../graphs/drawn", prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!("dot", dot);
    });
}

/// Outside its texts DOT's braces and brackets are paired, and every statement ends.
#[test]
fn texts_are_closed_and_called_graphs_are_clusters() {
    for (name, graph) in files() {
        let dot = draw::dot(&graph);
        assert_eq!(dot.matches("subgraph cluster_").count(), graph.graphs.len(), "{name}");
        let mut open = Vec::new();
        let mut text = false;
        let mut chars = dot.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => text = !text,
                '\\' if text => drop(chars.next()),
                '{' | '[' if !text => open.push(c),
                '}' if !text => assert_eq!(open.pop(), Some('{'), "{name}"),
                ']' if !text => assert_eq!(open.pop(), Some('['), "{name}"),
                '\n' => assert!(!text, "{name}: a text is not closed on its line"),
                _ => {}
            }
        }
        assert!(open.is_empty() && !text, "{name}");
    }
}
