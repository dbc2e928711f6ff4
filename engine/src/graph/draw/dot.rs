//! Graphviz's language, for who lays graphs out otherwise.

use std::fmt::Write as _;

use crate::graph::{Does, Graph, Outcome, Target, Turn, Way};

/// The graph in DOT: called graphs as clusters, retries dashed, failures dotted, ends coloured by outcome.
#[must_use]
pub fn dot(graph: &Graph) -> String {
    let mut out = format!("digraph {} {{\n", quoted(&graph.name));
    out.push_str(
        "  graph [compound=true, rankdir=TB, fontname=\"sans-serif\", nodesep=0.35, ranksep=0.5];\n",
    );
    out.push_str("  node [shape=box, style=rounded, fontname=\"monospace\", fontsize=11];\n");
    out.push_str("  edge [fontname=\"monospace\", fontsize=9];\n");
    body(graph, "", "  ", graph, &mut out);
    for (i, (name, called)) in graph.graphs.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = writeln!(out, "  subgraph cluster_{i} {{\n    label={};", quoted(name));
        body(called, &format!("g{i}_"), "    ", graph, &mut out);
        out.push_str("  }\n");
    }
    out.push_str("}\n");
    out
}

/// The nodes, ends and ways of one graph; `prefix` keeps its ids apart from those of others.
fn body(graph: &Graph, prefix: &str, indent: &str, root: &Graph, out: &mut String) {
    let id = |target: &Target| match target {
        Target::Node(name) => format!("{prefix}n{}", graph.nodes.get_index_of(name).unwrap_or_default()),
        Target::End(name) => format!("{prefix}e{}", graph.ends.get_index_of(name).unwrap_or_default()),
    };
    let start = id(&Target::Node(graph.start.clone()));
    let _ = writeln!(out, "{indent}{prefix}start [shape=point, label=\"\"];");
    for (i, (name, node)) in graph.nodes.iter().enumerate() {
        let text = if node.kind == *name { name.clone() } else { format!("{name}\n{}", node.kind) };
        let _ = writeln!(out, "{indent}{prefix}n{i} [label={}];", quoted(&text));
    }
    for (i, (name, end)) in graph.ends.iter().enumerate() {
        let colour = match end.outcome {
            Outcome::Success => "darkgreen",
            Outcome::Nothing => "gray40",
            Outcome::Failure => "firebrick",
            Outcome::Declined => "darkgoldenrod",
        };
        let text = quoted(&format!("{name}\n{}", end.outcome.word()));
        let _ = writeln!(
            out,
            "{indent}{prefix}e{i} [shape=oval, color={colour}, fontcolor={colour}, label={text}];"
        );
    }
    let _ = writeln!(out, "{indent}{prefix}start -> {start};");
    for (i, (name, node)) in graph.nodes.iter().enumerate() {
        for way in graph.ways(name) {
            let _ = writeln!(out, "{indent}{prefix}n{i} -> {}{};", id(&way.to), attributes(&way));
        }
        let called = match &node.does {
            Does::Run => None,
            Does::Call(graph) => Some(graph),
            Does::Map(map) => Some(&map.graph),
        };
        if let Some((at, _, called)) = called.and_then(|called| root.graphs.get_full(called)) {
            let start = called.nodes.get_index_of(&called.start).unwrap_or_default();
            let _ = writeln!(
                out,
                "{indent}{prefix}n{i} -> g{at}_n{start} [style=dashed, arrowhead=odiamond, lhead=cluster_{at}];"
            );
        }
    }
}

fn attributes(way: &Way) -> String {
    let mut all = Vec::new();
    let label = way.label();
    if !label.is_empty() {
        all.push(format!("label={}", quoted(&label)));
    }
    match way.turn {
        Turn::Plain | Turn::Branch(_) => {}
        // Ranks follow the lines that go on.
        Turn::Retry(_) => all.push("style=dashed, constraint=false".to_owned()),
        Turn::Exhausted => all.push("style=dotted".to_owned()),
        Turn::Failure => all.push("style=dotted, color=firebrick, fontcolor=firebrick".to_owned()),
    }
    if all.is_empty() { String::new() } else { format!(" [{}]", all.join(", ")) }
}

/// A text in DOT's quotes: `\` is doubled, since it begins words of its own there, such as `\N`; a line break is `\n`.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            // DOT reads entities in its labels.
            '&' => out.push_str("&amp;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
